"""What an entry of the dictionary is, and how its templates are found in a text."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from functools import cache
from typing import Literal

from xenlab.xen.messages import Speaker

Side = Literal["host", "source", "target", "guest", "server", "runner"]
"""Where a cause is mended. `source` and `target` are the two ends of a move, `host` is whichever host spoke the
words, `guest` the domU, `server` the NFS server, `runner` this machine and the lab file."""

Blame = Literal["lab", "unobservable"]
"""`lab`: the lab is wrong (LabFault). `unobservable`: the words say that something could not be seen or done by
us, so nothing follows about the lab (CannotObserve)."""


class Rank(IntEnum):
    """How much a cause says; of several the lowest is reported."""

    GRAVE = 0
    """The guest's state must be looked at before anything else is done."""
    CAUSE = 1
    """Names what went wrong."""
    GENERAL = 2
    """Names what the operating system refused, not what that was needed for."""
    CONSEQUENCE = 3
    """Followed from something else: reported only where nothing else is said."""
    AFTERMATH = 4
    """To be looked at afterwards, whatever the cause was."""
    NOISE = 5
    """Said by right labs, too: never reported."""


@dataclass(frozen=True, slots=True)
class Cause:
    """One entry: words that a program writes, and what they mean.

    `id` is kebab-case and stable. Each of `patterns` is a template that is looked for in single lines: `{name}` is a
    run of characters without blanks, `{name...}` one that may have blanks, `^` and `$` are the line's ends.
    `meaning` is a short text that may use those names. `remedy` says what to do; it may use HOST (the host that
    spoke), SOURCE, TARGET, PEER (by what SOURCE reaches TARGET) and GUEST in braces and lower case, and names of the
    patterns. It never tells to end, remove or unmount what may be another's. `example` is a line as it really looks.
    An entry with a `speaker` counts only for lines from that end of a move. `source` is the program or file that
    writes the words, `versions` says where it matters which ones do.
    """

    id: str
    patterns: tuple[str, ...]
    meaning: str
    side: Side
    remedy: str
    example: str
    source: str
    rank: Rank = Rank.CAUSE
    blame: Blame = "lab"
    speaker: Speaker | None = None
    versions: str = ""


@dataclass(frozen=True, slots=True)
class Match:
    """A line that an entry knows: `side` is the end of the move that spoke it (`source` outside of moves).

    `offset` is where the line begins in the text; `details` are the texts at the pattern's names.
    """

    cause: Cause
    line: str
    side: Speaker
    offset: int
    details: Mapping[str, str] = field(default_factory=dict, hash=False)


_PLACEHOLDER = re.compile(r"\{(?P<name>[a-z_]+)(?P<blanks>\.\.\.)?\}")
_LONGEST_RUN = 300


@dataclass(frozen=True, slots=True)
class Template:
    """A compiled pattern; `key` is its longest literal piece, which a line must hold to be worth a closer look."""

    key: str
    regex: re.Pattern[str]

    def match(self, line: str) -> Mapping[str, str] | None:
        """The texts at the names when the line holds the words, else None."""
        found = self.regex.search(line)
        return found.groupdict() if found else None


@cache
def template(pattern: str) -> Template:
    """Compile a pattern of `Cause.patterns`.

    Every run between two literal pieces is bounded and lazy, so that the time to search a line is bounded, too.
    """
    body = pattern.removeprefix("^").removesuffix("$")
    regex = "^" if pattern.startswith("^") else ""
    literals, end = [], 0
    for place in _PLACEHOLDER.finditer(body):
        literals.append(body[end : place.start()])
        end = place.end()
        character, lazy = "." if place["blanks"] else "[^ ]", "" if end == len(body) else "?"
        regex += f"{re.escape(literals[-1])}(?P<{place['name']}>{character}{{1,{_LONGEST_RUN}}}{lazy})"
    literals.append(body[end:])
    regex += re.escape(literals[-1]) + ("$" if pattern.endswith("$") else "")
    return Template(max(literals, key=len), re.compile(regex))


def names_in(text: str) -> Iterator[str]:
    """The names that a pattern, a meaning or a remedy uses, in their order."""
    return (place["name"] for place in _PLACEHOLDER.finditer(text))
