"""What became of the bytes that were sent to a host and back over one TCP connection. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Echoed:
    """Bytes `sent` and bytes `returned`; `intact` when each came back as it went. `broken` says what ended it."""

    sent: int
    returned: int
    intact: bool
    broken: str = ""

    def __str__(self) -> str:
        words = f"{self.returned} of {self.sent} bytes came back{'' if self.intact else ', not as they went'}"
        return f"{words}; {self.broken}" if self.broken else words

    @property
    def whole(self) -> bool:
        """Whether all that was sent came back, unchanged, on a connection that still stands."""
        return self.intact and not self.broken and self.returned == self.sent > 0
