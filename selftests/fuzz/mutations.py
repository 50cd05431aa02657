"""Inputs made of real ones: lines dropped, doubled, cut and swapped, words of the reader's own in wrong places.

Whoever draws chooses: hypothesis, a seeded generator, or atheris with what its coverage has found worth keeping.
"""

import re
from collections.abc import Callable, Sequence
from functools import cache

from selftests.fuzz.target import Target

Below = Callable[[int], int]
"""Draws a number below another one."""

ODD = (
    *("9" * 5000, "-1", "0x" + "f" * 40, "1e999", "NaN", "Infinity", "4294967296", "0.0000000000000001", "00"),
    *("²", "١", "İ", "\N{FULLWIDTH COLON}", "\u2028", "\ufeff", "\u202e", "\x85"),
    *("\0", "\x1b[2J", "\r", "\x0b", "\x1c", "\\", "/", " ", "\t", "\n", "\n\n", "", '"', "'"),
    *("[" * 2000, "{" * 2000, "(" * 200, '{"":' * 1500, "\\ud800", "../../..", "x" * 300),
    *("null", "true", "[]", "{}", "%s", "{0}", "${x}", "~nobody-of-that-name/x"),
)
"""What texts seldom hold: numbers too great for their place, digits that are none, nestings, other ends of lines."""

_WORD = re.compile(r"[A-Za-z_]+|[0-9]+|\s+|[^\w\s]+|\w+")
_MOST_WORDS = 400
_LONGEST = 40


@cache
def vocabulary(target: Target) -> tuple[str, ...]:
    """The words of a reader's real inputs, and those that it names itself; not those of all longer texts."""
    said: dict[str, None] = dict.fromkeys(target.words)
    for seed in target.seeds:
        words = (word for word in _WORD.findall(seed.decode("utf-8", "replace")) if len(word) <= _LONGEST)
        said |= dict.fromkeys(words)
        if len(said) > _MOST_WORDS:
            break
    return tuple(said)[: max(_MOST_WORDS, len(target.words))]


def mutated(target: Target, data: bytes, below: Below) -> bytes:
    """An input with one to five changes."""
    for _ in range(1 + below(5)):
        data = _CHANGES[below(len(_CHANGES))](target, data, below)
    return data[: target.most]


def _one_of(words: Sequence[str], below: Below) -> str:
    return words[below(len(words))] if words else ""


def _word(target: Target, below: Below) -> bytes:
    words = ODD if below(4) == 0 else vocabulary(target)
    return _one_of(words, below).encode("utf-8", "replace")


def _on_lines(change: Callable[[list[bytes], Below], None]) -> Callable[[Target, bytes, Below], bytes]:
    def changed(_target: Target, data: bytes, below: Below) -> bytes:
        lines = data.splitlines(keepends=True)
        if lines:
            change(lines, below)
        return b"".join(lines)

    return changed


def _drop(lines: list[bytes], below: Below) -> None:
    del lines[below(len(lines))]


def _double(lines: list[bytes], below: Below) -> None:
    at = below(len(lines))
    lines[at:at] = [lines[at]] * (1 + below(3))


def _swap(lines: list[bytes], below: Below) -> None:
    one, other = below(len(lines)), below(len(lines))
    lines[one], lines[other] = lines[other], lines[one]


def _cut_line(lines: list[bytes], below: Below) -> None:
    at = below(len(lines))
    lines[at] = lines[at][: below(len(lines[at]) + 1)]


def _cut(_target: Target, data: bytes, below: Below) -> bytes:
    at = below(len(data) + 1)
    return data[:at] if below(2) else data[at:]


def _flip(_target: Target, data: bytes, below: Below) -> bytes:
    if not data:
        return data
    at = below(len(data))
    return data[:at] + bytes([data[at] ^ (1 << below(8))]) + data[at + 1 :]


def _insert(target: Target, data: bytes, below: Below) -> bytes:
    at = below(len(data) + 1)
    return data[:at] + _word(target, below) * (1 + below(2) * below(30)) + data[at:]


def _replace(target: Target, data: bytes, below: Below) -> bytes:
    """Another word in the place of one, which keeps the form of the rest."""
    places = list(_WORD.finditer(data.decode("latin-1")))
    if not places:
        return data
    place = places[below(len(places))]
    return data[: place.start()] + _word(target, below) + data[place.end() :]


def _join(target: Target, data: bytes, below: Below) -> bytes:
    """The beginning of one and the end of another."""
    other = target.seeds[below(len(target.seeds))]
    return data[: below(len(data) + 1)] + other[below(len(other) + 1) :]


_CHANGES = (
    *(_on_lines(change) for change in (_drop, _double, _swap, _cut_line)),
    *(_cut, _flip, _insert, _insert, _replace, _replace, _replace, _join),
)
