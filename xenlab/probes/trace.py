"""What one ping sent and what came back of it: the data that every analysis starts from. Pure."""

from dataclasses import dataclass
from itertools import pairwise

from xenlab.errors import UsageError


@dataclass(frozen=True, slots=True)
class Packet:
    """One echo request and the replies to it, in seconds on the clock of its trace.

    `sent` is None when unknown; a packet that could not be sent has its attempt there and `send_error` set.
    `received` holds every arrival, the first one first; all after the first are duplicates. `ttls` are the
    different TTLs (hop limits) of the replies: two of them are two machines, or two ways, that answer.
    """

    sequence: int
    sent: float | None
    received: tuple[float, ...] = ()
    ttls: tuple[int, ...] = ()
    send_error: str | None = None


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of time, in seconds on the clock of a trace: here, while `xl migrate` ran."""

    start: float
    end: float


@dataclass(frozen=True, slots=True)
class PingTrace:
    """All packets of one ping by rising sequence; `interval` is the spacing asked for, in seconds.

    `complete` is False when part of the record is missing: such a trace passes nothing. `by_guest` says that the
    guest under test is the one that sends: then a packet that could not be sent is a fault of what is tested, and
    counts as lost; else it is a fault of the measurement. `clock_error` is by how many seconds its clock may be off
    the one of this machine, where another machine sent it.
    :raises UsageError: the interval is not positive, or sequences or send times do not rise.
    """

    packets: tuple[Packet, ...]
    interval: float
    started: float
    ended: float
    complete: bool = True
    by_guest: bool = False
    clock_error: float = 0.0

    def __post_init__(self) -> None:
        if not self.interval > 0:
            raise UsageError(f"the ping interval must be positive, not {self.interval}")
        if any(a.sequence >= b.sequence for a, b in pairwise(self.packets)):
            raise UsageError("the sequence numbers of a ping trace must rise")
        if any(a > b for a, b in pairwise(self.send_times())):
            raise UsageError("the send times of a ping trace must not fall")

    def send_times(self) -> list[float]:
        """When each packet was sent; where that is unknown, by its sequence and the interval."""
        if not self.packets:
            return []
        origin, interval = self.started - self.packets[0].sequence * self.interval, self.interval
        return [origin + p.sequence * interval if p.sent is None else p.sent for p in self.packets]
