"""What was observed of one guest around a move: frozen data, read by `judging.watched`. Pure.

What could not be read is `Unknown`, part by part, with the reason: a guest that is gone leaves nothing but the
outside ping, and that is enough to say so.
"""

from dataclasses import dataclass

from xenlab.lab.looks import Unknown
from xenlab.probes.trace import PingTrace
from xenlab.remote.echoed import Echoed

__all__ = ["NotJudged", "Observed", "ProgramOutput", "Unknown", "UptimeReading"]


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


@dataclass(frozen=True, slots=True)
class Observed:
    """One watched move; times in seconds, on this machine's monotonic clock where they are not the guest's.

    `outside` is the ping from outside, `inside` the guest's own, begun at `inside_started`; `inside_read` is how many
    bytes that had written when the move began and when it was over. `heartbeat` and `writes` are what the two other
    programs left, `echoed` what became of the TCP connection from before the move (None where there is none, as the
    guest is reached by its console). `uptime_before` and `uptime_after` enclose the move closely, `uptime_at_end` was
    read right before the programs were stopped. `evidence` are the ids of the commands that all of it rests on.
    """

    guest: str
    address: str
    ping_target: str
    outside: PingTrace
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
