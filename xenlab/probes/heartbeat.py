"""A guest's own pulse: whether it stood still while its pings went unanswered. Pure.

A program in the guest notes its clocks every few hundredths of a second. A guest that is frozen skips beats,
one whose network is cut does not: that is how the two are told apart, which no ping can do.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from xenlab.errors import CannotObserve
from xenlab.outcomes import HeartbeatSummary


@dataclass(frozen=True, slots=True)
class Beat:
    """One line of the heartbeat: its number, the guest's wall clock and its time since boot, in seconds."""

    number: int
    wall: float
    uptime: float


@dataclass(frozen=True, slots=True)
class Pulse:
    """What a heartbeat shows, in seconds.

    `stood_still` is the longest time between two beats, less the interval. A guest that Xen suspends to move
    it may find its uptime where it left it, so the clock that went further counts. `clock_step` is the most
    that the wall clock went ahead of the uptime (or, negative, fell behind) between two beats: such a stretch
    may be a clock that was set as well as a guest that was suspended.
    """

    beats: int
    interval: float
    stood_still: float
    clock_step: float


def parse_heartbeat(text: str) -> tuple[Beat, ...]:
    """Read `commands.start_heartbeat`'s file; a last line that was cut short is left out.

    :raises CannotObserve: there is no beat in it, or something else is; the guest rebooted, say.
    """
    lines = text.split("\n")
    beats = [_beat(line) for line in lines[:-1] if line.strip()]
    if not beats:
        raise CannotObserve(f"the guest's heartbeat left nothing to read: {text.strip()[:200]!r}")
    if any(a.number >= b.number for a, b in pairwise(beats)):
        raise CannotObserve("the guest's heartbeat began again: the guest rebooted")
    return tuple(beats)


def _beat(line: str) -> Beat:
    try:
        number, wall, uptime = line.split()
        return Beat(int(number), float(wall), float(uptime))
    except ValueError:
        raise CannotObserve(f"the guest's heartbeat says: {line.strip()[:200]!r}") from None


def feel(beats: Sequence[Beat], interval: float) -> Pulse:
    """What the beats show, in time linear in their number."""
    steps = [(b.wall - a.wall, b.uptime - a.uptime) for a, b in pairwise(beats)]
    still = max((max(step) for step in steps), default=interval) - interval
    clock = max((wall - uptime for wall, uptime in steps), key=abs, default=0.0)
    return Pulse(len(beats), interval, max(0.0, still), clock)


def to_summary(pulse: Pulse) -> HeartbeatSummary:
    """The figures for grade.json, in milliseconds."""
    return HeartbeatSummary(
        beats=pulse.beats,
        interval_ms=round(pulse.interval * 1000, 3),
        stood_still_ms=round(pulse.stood_still * 1000, 3),
        clock_step_ms=round(pulse.clock_step * 1000, 3),
    )
