"""What became of the bytes that were sent to a host and back over one TCP connection. Pure."""

from dataclasses import dataclass

CLOSED_THERE = "it was closed from the other side"
"""What ended a connection that its peer has ended, by its end or its kernel."""


@dataclass(frozen=True, slots=True)
class Echoed:
    """Bytes `sent` and bytes `returned`; `intact` when each came back as it went. `broken` says what ended it.

    `lost_on_the_way`: a machine that the connection went through was lost, which says nothing of its peer.
    """

    sent: int
    returned: int
    intact: bool
    broken: str = ""
    lost_on_the_way: bool = False

    def __str__(self) -> str:
        words = f"{self.returned} of {self.sent} bytes came back{'' if self.intact else ', not as they went'}"
        how = f"{self.broken}, as a machine on the way was lost" if self.lost_on_the_way else self.broken
        return f"{words}; {how}" if how else words

    @property
    def whole(self) -> bool:
        """Whether all that was sent came back, unchanged, on a connection that still stands."""
        return self.intact and not self.broken and self.returned == self.sent > 0
