"""Finding what the dictionary knows in a text. Linear in it: lines and the text as a whole are read up to a bound."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import accumulate

from xenlab.causes.cause import Cause, Match, Rank, template
from xenlab.causes.dictionary import CAUSES
from xenlab.xen.messages import Speaker, Turns, is_course, is_error, is_migration, turns_of

_LONGEST_LINE = 1000
_HALF = 1 << 16
"""Of a longer text its beginning and its end are read, this many characters of each."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a text that is not blank: where it begins, what it says, and which end of a move spoke it."""

    offset: int
    text: str
    side: Speaker = "source"


@dataclass(frozen=True, slots=True)
class Reading:
    """A text, read: `lines` are all that are not blank, `matches` those that the dictionary knows.

    `matches` are the gravest first, of equal ones the earliest. Noise is among them, the last of them.
    """

    lines: tuple[Line, ...]
    matches: tuple[Match, ...]

    @property
    def unknown_error(self) -> Line | None:
        """The first line that complains and that no entry knows."""
        known = {match.offset for match in self.matches}
        return next((line for line in self._complaints if line.offset not in known and not _warns(line)), None)

    @property
    def first_error(self) -> Line | None:
        """The first line that complains, or else the first that is neither progress nor noise.

        Warnings and consequences that the dictionary knows are passed over as long as there is anything else.
        """
        weak = {match.offset for match in self.matches if match.cause.rank >= Rank.CONSEQUENCE}
        strong = (line for line in self._complaints if line.offset not in weak and not _warns(line))
        return next(strong, None) or next(iter(self._complaints), None) or self.first_message

    @property
    def first_message(self) -> Line | None:
        """The first line that is neither progress nor noise."""
        return next(iter(self._messages), None)

    @property
    def _messages(self) -> tuple[Line, ...]:
        noise = {match.offset for match in self.matches if match.cause.rank is Rank.NOISE}
        return tuple(line for line in self.lines if line.offset not in noise and not is_course(line.text))

    @property
    def _complaints(self) -> tuple[Line, ...]:
        return tuple(line for line in self._messages if is_error(line.text))


def read(words: str, *, move: bool | None = None, among: Iterable[Cause] = CAUSES) -> Reading:
    """Read a text by the dictionary, or by some of its entries. A line belongs to the first entry that knows it.

    `move` says whether these are words of an `xl migrate`, in which two hosts speak; None: found out from the words.
    """
    turns = turns_of(words) if (is_migration(words) if move is None else move) else None
    lines = tuple(_lines(words, turns))
    joined = "\n".join(line.text for line in lines)
    starts = (0, *accumulate(len(line.text) + 1 for line in lines))
    taken: dict[int, Match] = {}
    for cause in among:
        for pattern in cause.patterns:
            compiled = template(pattern)
            for index in _holding(compiled.key, joined, starts):
                line = lines[index]
                if index in taken or cause.speaker not in (None, line.side):
                    continue
                details = compiled.match(line.text)
                if details is not None:
                    taken[index] = Match(cause, line.text.strip(), line.side, line.offset, details)
    return Reading(lines, _with_details_of_all(taken.values()))


def _with_details_of_all(matches: Iterable[Match]) -> tuple[Match, ...]:
    """Sort the matches, and give each what other lines of its entry say: ssh names a changed key in three lines."""
    ordered = sorted(matches, key=lambda match: (match.cause.rank, match.offset))
    said: dict[str, dict[str, str]] = {}
    for match in reversed(ordered):
        said.setdefault(match.cause.id, {}).update(match.details)
    return tuple(replace(match, details=said[match.cause.id] | dict(match.details)) for match in ordered)


def find_causes(words: str, *, move: bool | None = None) -> tuple[Match, ...]:
    """Every line of a text that the dictionary knows, the gravest first, of equal ones the earliest; see `read`."""
    return read(words, move=move).matches


def first_error_line(words: str) -> str:
    """The line to show of a failure that nobody knows; see `Reading.first_error`. "" where nothing was said."""
    line = read(words).first_error
    return line.text.strip() if line else ""


def _lines(words: str, turns: Turns | None) -> Iterator[Line]:
    pieces = [(0, words)] if len(words) <= 2 * _HALF else [(0, words[:_HALF]), (len(words) - _HALF, words[-_HALF:])]
    for offset, piece in pieces:
        # ssh ends its lines with a carriage return, and progress is overwritten by one.
        for line in piece.replace("\r", "\n").split("\n"):
            if line and not line.isspace():
                text = line[:_LONGEST_LINE]
                yield Line(offset, text, turns.speaker(offset, text) if turns else "source")
            offset += len(line) + 1


def _holding(key: str, joined: str, starts: tuple[int, ...]) -> Iterator[int]:
    """The indices of the lines that hold a literal, found in one sweep over all of them."""
    at = joined.find(key)
    while at >= 0:
        index = bisect_right(starts, at) - 1
        yield index
        at = joined.find(key, starts[index + 1] - 1)


def _warns(line: Line) -> bool:
    return ": warning: " in line.text
