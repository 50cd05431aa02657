"""What was observed of one guest around a move: frozen data, read by `judging.watched`. Pure.

What could not be read is `Unknown`, part by part, with the reason: a guest that is gone leaves nothing but the
outside ping, and that is enough to say so.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from xenlab.lab.looks import Unknown
from xenlab.probes.trace import PingTrace
from xenlab.remote.echoed import Echoed

__all__ = ["Neighbours", "NotJudged", "Observed", "PingAnswer", "ProgramOutput", "SeatPing", "Unknown", "UptimeReading"]


@dataclass(frozen=True, slots=True)
class NotJudged:
    """Something that is not to be had of this guest, and so no fault: why."""

    why: str


@dataclass(frozen=True, slots=True)
class ProgramOutput:
    """What a program in the guest wrote until it was stopped.

    `ended_before` says that it had ended by itself, `hung` that it could not be ended within seconds: it waits for
    a disk that does not answer.
    """

    text: str
    ended_before: bool = False
    hung: bool = False


@dataclass(frozen=True, slots=True)
class UptimeReading:
    """The guest's uptime in seconds, read between `earliest` and `latest` on this machine's monotonic clock."""

    uptime: float
    earliest: float
    latest: float


Neighbours = Sequence[tuple[str, str]]
"""IP and MAC address of each entry of a neighbour table that has both (ip-neighbour(8))."""


@dataclass(frozen=True, slots=True)
class SeatPing:
    """What one seat saw of a guest: its ping, and the neighbours that its machine had when the ping was over.

    `unread` says why the trace has no packets, where it could not be read; then it is not complete.
    """

    seat: str
    trace: PingTrace
    neighbours: Neighbours | Unknown = ()
    unread: str = ""
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PingAnswer:
    """Whether an address answered a ping from a seat: `silent` is what was said, and a hint, where it did not.

    Where the seat `could_send` nothing, that is not the address's fault.
    """

    seat: str
    silent: tuple[str, str] | None
    could_send: bool
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Observed:
    """One watched move; times in seconds, on this machine's monotonic clock where they are not the guest's.

    `outside` are the pings from outside, one a seat, `inside` the guest's own, begun at `inside_started`; `inside_read`
    is how many bytes that had written when the move began and when it was over. `heartbeat` and `writes` are what the
    two other programs left, `echoed` what became of the TCP connection from before the move (None where there is none,
    as the guest is reached by its console). `uptime_before` and `uptime_after` enclose the move closely,
    `uptime_at_end` was read right before the programs were stopped. `evidence` are the ids of the commands that all of
    it rests on.
    """

    guest: str
    address: str
    ping_target: str
    outside: tuple[SeatPing, ...]
    inside: ProgramOutput | Unknown
    inside_interval: float
    inside_started: float
    inside_read: tuple[int | None, int | None]
    heartbeat: ProgramOutput | Unknown | NotJudged
    heartbeat_interval: float
    writes: ProgramOutput | Unknown
    echoed: Echoed | None
    uptime_before: UptimeReading | Unknown
    uptime_after: UptimeReading | Unknown
    uptime_at_end: UptimeReading | Unknown
    evidence: tuple[str, ...] = ()
