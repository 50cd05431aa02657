"""What is found in a transcript, as data: what happened, what is to be said of it, and what could not be read."""

from dataclasses import dataclass
from enum import StrEnum

from xenlab.causes import Side


class Weight(StrEnum):
    """How much a note weighs; only a remark leaves the transcript a sound one."""

    WRONG = "wrong"
    """Something failed, or cannot work as it is written."""
    CONTRADICTION = "contradiction"
    """Two places of the text cannot both be true as they are shown."""
    UNPROVEN = "unproven"
    """It proves less than it is shown for."""
    REMARK = "remark"
    """Nothing is wrong with it."""


@dataclass(frozen=True, slots=True)
class Note:
    """One finding: `kind` is its stable id, `line` where it shows (from 1), `others` what else it rests on.

    `stage` is the lab step that it belongs to, or empty. `cause` is the entry of the dictionary (causes) whose words
    these are, `side` where that is mended, and `host` who spoke, where the text tells.
    """

    kind: str
    weight: Weight
    line: int
    what: str
    why: str
    remedy: str
    stage: str = ""
    others: tuple[int, ...] = ()
    cause: str | None = None
    side: Side | None = None
    host: str | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened, by the text: at which line, and in which lab step."""

    line: int
    what: str
    stage: str = ""


@dataclass(frozen=True, slots=True)
class Unread:
    """Lines (first and last, from 1) of which nothing could be made; `text` is how the first one begins."""

    first: int
    last: int
    text: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """A transcript, explained. `understood` is how many of its lines that are not blank were of a known shape."""

    events: tuple[Event, ...]
    notes: tuple[Note, ...]
    unread: tuple[Unread, ...]
    understood: int

    @property
    def is_sound(self) -> bool:
        """Whether nothing is wrong with it: what is left are remarks."""
        return all(note.weight is Weight.REMARK for note in self.notes)
