"""A guest's own heartbeat: whether it stood still while its pings went unanswered. Pure.

A program in the guest notes its clocks every few hundredths of a second. A guest that is frozen skips beats,
one whose network is cut does not: that is how the two are told apart, which no ping can do.

No clock of a guest that Xen suspends to move it can be trusted over the move. Linux then asks the new host what
time it is, and adds what that is ahead to its wall clock and to its uptime alike (timekeeping_resume in
kernel/time/timekeeping.c); where the new host is behind, the time of the move itself is in neither. So the beats say
when the guest stood still, and this machine's own clock, laid beside the uptime before and after, for how long.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median_low

from xenlab.errors import CannotObserve
from xenlab.outcomes import HeartbeatSummary
from xenlab.remote.answers import lines_of

_LINE = re.compile(r"(\d{1,12})(?: (\d{1,12}[.,]\d{1,9}))? +(\d{1,12}\.\d{1,9})")  # bash writes the decimal comma, too

MOST_LINES = 100_000
"""Of a heartbeat: more than an hour of beats every 50 ms."""


@dataclass(frozen=True, slots=True)
class Beat:
    """One line of the heartbeat: its number, the guest's wall clock and its time since boot, in seconds.

    `wall` is None where the shell does not know the time (bash before 5).
    """

    number: int
    wall: float | None
    uptime: float


@dataclass(frozen=True, slots=True)
class Elapsed:
    """How much time passed between two looks at the guest's uptime: by that, and on this machine's clock.

    Each look takes a while, so the latter is only known to lie between `least` and `most`; all in seconds.
    """

    uptime: float
    least: float
    most: float

    @property
    def drift(self) -> tuple[float, float]:
        """By how much, at least and at most, the uptime fell behind (negative: was put ahead)."""
        return self.least - self.uptime, self.most - self.uptime


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """What a heartbeat shows, in seconds.

    `stood_still` is the longest time between two beats, less the interval; the truth lies from `least` to `most`.
    `last_before` and `first_after` are the uptimes at the beats around it. `clock_step` is the most that the wall
    clock went ahead of the uptime (or, negative, fell behind) between two beats: a clock that was set. `corrected`
    says that the uptime, too, was seen to be wrong, and that our own clock told.
    """

    beats: int
    interval: float
    stood_still: float
    least: float
    most: float
    last_before: float
    first_after: float
    clock_step: float = 0.0
    corrected: bool = False


def parse_heartbeat(text: str) -> tuple[Beat, ...]:
    """Read the heartbeat's file; a last line that was cut short is left out, and so are other words.

    :raises CannotObserve: there is no beat in it, or it began again; the guest rebooted, say.
    """
    whole = text[: text.rfind("\n") + 1]
    lines = lines_of(whole, "the guest's heartbeat", MOST_LINES)
    found = [match.groups() for line in lines if (match := _LINE.fullmatch(line.strip()))]
    if not found:
        raise CannotObserve(f"the guest's heartbeat left nothing to read: {text.strip()[:200]!r}")
    beats = tuple(Beat(int(n), float(wall.replace(",", ".")) if wall else None, float(up)) for n, wall, up in found)
    if any(a.number >= b.number or a.uptime > b.uptime for a, b in pairwise(beats)):
        raise CannotObserve("the guest's heartbeat began again: the guest rebooted")
    return beats


def analyse_heartbeat(beats: Sequence[Beat], interval: float, elapsed: Elapsed | None = None) -> Heartbeat:
    """What the beats show, `elapsed` being the time from before the guest may have stood still to after it.

    Without `elapsed` the uptime is taken at its word, and the wall clock, which may have been set, only says how
    long the guest may have stood still at most.
    """
    steps = [(b.uptime - a.uptime, b.number - a.number) for a, b in pairwise(beats)]
    # Lines may be left out on purpose (`commands.stop_heartbeat`) or be lost: what is missing beat as the others.
    usual = median_low([rise / count for rise, count in steps]) if steps else interval
    stills = [max(0.0, rise - (count - 1) * usual - interval) for rise, count in steps]
    walls = [_wall_step(a, b) for a, b in pairwise(beats)]
    behind, ahead = elapsed.drift if elapsed else (0.0, 0.0)
    uptime_stood = behind > 0.0
    # Where the uptime stood as well, the wall clock tells best at which beat that was.
    order = [max(still, wall) if uptime_stood else still for still, wall in zip(stills, walls, strict=True)]
    longest = max(range(len(order)), key=order.__getitem__, default=None)
    if longest is None:
        return Heartbeat(len(beats), interval, 0.0, 0.0, 0.0, beats[0].uptime, beats[0].uptime)
    others = max((still for number, still in enumerate(stills) if number != longest), default=0.0)
    clock_is_true = behind <= 0.0 <= ahead
    shift = 0.0 if clock_is_true else (behind + ahead) / 2
    first_after = beats[longest + 1].uptime
    doubt = ahead if elapsed else max(0.0, *walls)
    return Heartbeat(
        beats=beats[-1].number - beats[0].number + 1,
        interval=interval,
        stood_still=max(others, stills[longest] + shift),
        least=max(others, stills[longest] + behind),
        most=max(others, stills[longest] + doubt),
        last_before=max(beats[longest].uptime, first_after - stills[longest] - interval),
        first_after=first_after,
        clock_step=max(walls, key=abs, default=0.0),
        corrected=not clock_is_true,
    )


def _wall_step(a: Beat, b: Beat) -> float:
    """By how much the wall clock went ahead of the uptime between two beats."""
    return 0.0 if a.wall is None or b.wall is None else (b.wall - a.wall) - (b.uptime - a.uptime)


def to_summary(heartbeat: Heartbeat) -> HeartbeatSummary:
    """The figures for grade.json, in milliseconds."""
    return HeartbeatSummary(
        beats=heartbeat.beats,
        interval_ms=round(heartbeat.interval * 1000, 3),
        stood_still_ms=round(heartbeat.stood_still * 1000, 3),
        clock_step_ms=round(heartbeat.clock_step * 1000, 3),
    )
