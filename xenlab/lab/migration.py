"""One move of one guest, as it went: data."""

from dataclasses import dataclass
from typing import Literal

from xenlab.lab.looks import GuestLook
from xenlab.lab.places import Places
from xenlab.xen.stamps import StampedWords

Kind = Literal["cold", "paused", "live"]


@dataclass(frozen=True, slots=True)
class Migration:
    """A guest's move, as it went; `started` and `ended` in seconds on the monotonic clock.

    For a live or paused move they bracket `xl migrate`, for a cold one shutdown to the first login. `before` and
    `after` are what the guest showed of itself, `places` where it was afterwards, `words` what xl said, and `stamped`
    its words again, debugging and all, as they came.
    """

    guest: str
    kind: Kind
    source: str
    target: str
    started: float
    ended: float
    before: GuestLook
    after: GuestLook
    places: Places
    words: str = ""
    stamped: StampedWords | None = None

    @property
    def seconds(self) -> float:
        """How long it took."""
        return self.ended - self.started

    @property
    def evidence(self) -> tuple[str, ...]:
        """The looks that its judgements rest on."""
        return (*self.before.ids, *self.places.ids, *self.after.ids)
