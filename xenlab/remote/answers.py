"""What every answer of a host is read by: bounded, as a host that breaks may write anything, and without end. Pure."""

import re

from xenlab.errors import CannotObserve

MOST_LINES = 20_000
"""In what is read line by line: more than any host has domains, mounts, exports or processes."""

_NUMBER = re.compile(r"[0-9]{1,18}")


def lines_of(text: str, what: str, most: int = MOST_LINES) -> list[str]:
    """The lines of an answer of `what` that are not blank. It is read as facts: none of them may be left out.

    :raises CannotObserve: there are more than `most`.
    """
    lines = [line for line in text.splitlines() if line and not line.isspace()]
    if len(lines) > most:
        raise CannotObserve(f"{what} printed {len(lines)} lines: more than {most} are no answer")
    return lines


def ends_of(lines: list[str]) -> list[str]:
    """Of the lines of words, from which something may be left out, the first and the last: `MOST_LINES` together."""
    half = MOST_LINES // 2
    return lines if len(lines) <= MOST_LINES else [*lines[:half], *lines[-half:]]


def whole_number(text: str) -> int | None:
    """A number of decimal digits, with blanks around it; None where it is none, or longer than any that is counted."""
    stripped = text.strip()
    return int(stripped) if _NUMBER.fullmatch(stripped) else None
