"""The parts of a device's text: 'mac=00:16:3e:00:00:07, bridge=xenbr0' is two of them, split at commas.

Source: the strtok(..., ",") loops of Xen's xl_parse.c, which skip empty parts and blanks in front of a part.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

SCRIPTS: Final = "/etc/xen/scripts/"
"""Where Xen's own hotplug scripts are: a script's name alone means one of them."""

_BLANK = " \t\n\v\f\r"


@dataclass(frozen=True, slots=True)
class Part:
    """One KEY=VALUE; `value` is None for a word alone. `begin` and `end` are the value's place in the text."""

    key: str
    value: str | None
    begin: int
    end: int


def parts_of(text: str, *, trimmed: bool = False) -> Iterator[Part]:
    """The parts in order. `trimmed` takes blanks off both sides of key and value, as xl does for p9 and channel."""
    start = 0
    for whole in text.split(","):
        word = whole.lstrip(_BLANK if trimmed else " ")
        key, equals, value = word.partition("=")
        end = start + len(whole)
        begin = end - len(value)
        if trimmed:
            begin += len(value) - len(value.lstrip(_BLANK))
            end -= len(value) - len(value.rstrip(_BLANK)) if value.strip(_BLANK) else 0
            key, value = key.strip(_BLANK), value.strip(_BLANK)
        if word:
            yield Part(key, value if equals else None, begin, end)
        start += len(whole) + 1


def named_parts(text: str, *, trimmed: bool = False) -> dict[str, str | None]:
    """Key to value: what is named twice counts as it was named last."""
    return {part.key: part.value for part in parts_of(text, trimmed=trimmed)}


def in_dom0(domain: str | None) -> bool:
    """Whether a device's `backend` names Dom0, which is also meant where it names none."""
    return domain in (None, "", "0", "Domain-0")
