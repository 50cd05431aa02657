"""What is kept of a command's output while it arrives: a lab that breaks may write without end."""

from dataclasses import dataclass, field
from threading import Lock

KEPT_BYTES = 4 << 20
"""Kept of each stream, from its start; what comes after is counted and thrown away."""

FLOOD_BYTES = 64 << 20
"""A command that has written more than this is ended."""


@dataclass(slots=True)
class Stream:
    """One stream as it arrives: its first `limit` bytes, and how many came after them."""

    limit: int
    head: bytearray = field(default_factory=bytearray)
    cut: int = 0

    def take(self, data: bytes) -> None:
        """Keep what there is room for."""
        room = self.limit - len(self.head)
        self.head += data[:room]
        self.cut += max(0, len(data) - room)


class Output:
    """Both streams of one command, which two threads may fill."""

    def __init__(self, limit: int = KEPT_BYTES) -> None:
        self.stdout = Stream(limit)
        self.stderr = Stream(limit)
        self._received = 0
        self._lock = Lock()

    @property
    def floods(self) -> bool:
        """Whether more has come than any command of ours may write."""
        return self._received > FLOOD_BYTES

    def take(self, stream: Stream, data: bytes) -> bool:
        """Add `data` to a stream; False when the command is to be ended."""
        with self._lock:
            self._received += len(data)
        stream.take(data)
        return not self.floods
