"""One watched move, read once: what each probe shows, and what they say together. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from xenlab.errors import CannotObserve
from xenlab.lab.observed import NotJudged, Observed, ProgramOutput, SeatPing, Unknown
from xenlab.outcomes import EchoSummary, MigrationRecord
from xenlab.probes import anatomy, continuity, heartbeat
from xenlab.probes.anatomy import Anatomy, Still, dissect
from xenlab.probes.continuity import Continuity, Judgement, Verdict, verdict
from xenlab.probes.diagnosis import Diagnosis, PingCause, diagnose
from xenlab.probes.heartbeat import Elapsed, Heartbeat, analyse_heartbeat, parse_heartbeat
from xenlab.probes.inside import analyse_inside, inside_trace
from xenlab.probes.ping_output import parse_ping
from xenlab.probes.trace import PingTrace, Window
from xenlab.remote.facts import Written, written
from xenlab.xen.stamps import StampedWords

T = TypeVar("T")

_DRIFT = 200e-6  # by how much two machines' clocks run apart: a part of the time that passes
_PAUSE_SLACK = 0.5
_BADNESS = {
    Verdict.BROKEN: 0,
    Verdict.INSUFFICIENT: 1,
    Verdict.CONTINUOUS_WITHIN_THRESHOLD: 2,
    Verdict.CONTINUOUS: 3,
}


@dataclass(frozen=True, slots=True)
class MoveLimits:
    """What a move may cost: the longest gap or stand-still in seconds, and how many pings the guest itself may lose."""

    max_gap: float
    max_lost: int


@dataclass(frozen=True, slots=True)
class PingResult:
    """One ping over a move: its packets, what they show, and whether that is continuous.

    `own_gap` is the longest gap in the time in which the sender ran, `seat` the machine that sent it; empty where it
    was the guest.
    """

    trace: PingTrace
    continuity: Continuity
    judgement: Judgement
    own_gap: float
    seat: str = ""


@dataclass(frozen=True, slots=True)
class Analysis:
    """What one watched move shows; `window` is when `xl migrate` ran, on this machine's monotonic clock.

    `outside` are the pings from outside, the worst one first: each must have seen the guest go on. `causes` stand
    behind what is missing or odd in them. `put_ahead` is by how many seconds the guest's uptime was put ahead over the
    move, as happens where the target's clock is ahead of the source's. `anatomy` is where the downtime went.
    """

    observed: Observed
    window: Window
    limits: MoveLimits
    outside: tuple[PingResult, ...]
    inside: PingResult | Unknown
    heartbeat: Heartbeat | Unknown | NotJudged
    written: Written | Unknown
    causes: tuple[Diagnosis, ...]
    put_ahead: float
    anatomy: Anatomy | None = None

    @property
    def beating(self) -> Heartbeat | None:
        """The heartbeat, where there is one."""
        return self.heartbeat if isinstance(self.heartbeat, Heartbeat) else None

    @property
    def worst(self) -> PingResult:
        """The outside ping that decides."""
        return self.outside[0]

    @property
    def was_heard(self) -> bool:
        """Whether any outside ping was answered at all."""
        return any(ping.continuity.received for ping in self.outside)

    @property
    def silence(self) -> float:
        """For how many seconds at most nothing was heard of the guest from outside, from anywhere."""
        return _silence(self.outside, self.window)


def analyse(observed: Observed, window: Window, limits: MoveLimits, told: StampedWords | None = None) -> Analysis:
    """Read all that was observed of a move, and judge its pings; `told` are xl's lines as they came."""
    elapsed = _elapsed(observed)
    outside = _outside(observed.outside, window, limits)
    beats: Heartbeat | Unknown | NotJudged
    if isinstance(observed.heartbeat, NotJudged):
        beats = observed.heartbeat
    else:
        beats = _read(observed.heartbeat, lambda left: _heartbeat(left, observed.heartbeat_interval, elapsed))
    beating = beats if isinstance(beats, Heartbeat) else None
    pause_limit = (beating.most if beating else _silence(outside, window)) + _PAUSE_SLACK
    inside = _read(observed.inside, lambda left: _inside(observed, left.text, pause_limit, limits))
    own = inside.continuity if isinstance(inside, PingResult) else None
    still = _still(observed, beating) if beating else None
    lag_at_most = elapsed.drift[1] if elapsed else 0.0
    return Analysis(
        observed=observed,
        window=window,
        limits=limits,
        outside=outside,
        inside=inside,
        heartbeat=beats,
        written=_read(observed.writes, lambda left: written(left.text)),
        causes=_causes(outside, beating, own),
        put_ahead=max(0.0, -lag_at_most),
        anatomy=dissect(told, still, outside[0].trace, inside.own_gap if isinstance(inside, PingResult) else None),
    )


def with_figures(record: MigrationRecord, analysis: Analysis) -> MigrationRecord:
    """The record of a move with what its watch shows, for the grade; what is unknown is left out."""
    echoed, inside, beating = analysis.observed.echoed, analysis.inside, analysis.beating
    connection = echoed and EchoSummary(sent_bytes=echoed.sent, returned_bytes=echoed.returned, intact=echoed.intact)
    return record.model_copy(
        update={
            "outside": continuity.to_summary(analysis.worst.continuity, analysis.worst.seat),
            "outside_elsewhere": tuple(
                continuity.to_summary(ping.continuity, ping.seat) for ping in analysis.outside[1:]
            ),
            "inside": continuity.to_summary(inside.continuity) if isinstance(inside, PingResult) else None,
            "heartbeat": heartbeat.to_summary(beating) if beating else None,
            "connection": connection,
            "anatomy": anatomy.to_summary(analysis.anatomy) if analysis.anatomy else None,
        }
    )


def _outside(seen: Sequence[SeatPing], window: Window, limits: MoveLimits) -> tuple[PingResult, ...]:
    """Each seat's ping, judged, the worst first; that of another machine is on this one's clock but for an error."""
    found = []
    for one in seen:
        error = one.trace.clock_error
        shown = continuity.analyse(one.trace, Window(window.start - error, window.end + error))
        judged = verdict(shown, limits.max_gap)
        if one.unread:
            judged = Judgement(judged.verdict, f"{judged.reason}: {one.unread}")
        found.append(PingResult(one.trace, shown, judged, shown.longest_gap, one.seat))
    return tuple(sorted(found, key=lambda ping: (_BADNESS[ping.judgement.verdict], -ping.continuity.longest_gap)))


def _silence(outside: Sequence[PingResult], window: Window) -> float:
    heard = (ping.continuity for ping in outside if ping.continuity.received)
    return min((max(seen.longest_gap, seen.longest_silence) for seen in heard), default=window.end - window.start)


def _causes(
    outside: Sequence[PingResult], beating: Heartbeat | None, inside: Continuity | None
) -> tuple[Diagnosis, ...]:
    """What stands behind the pings, each cause once."""
    found: dict[PingCause, Diagnosis] = {}
    for ping in outside:
        for diagnosis in diagnose(ping.continuity, beating, inside, sender=ping.seat):
            found.setdefault(diagnosis.cause, diagnosis)
    return tuple(found.values())


def _read(left: ProgramOutput | Unknown, reader: Callable[[ProgramOutput], T]) -> T | Unknown:
    if isinstance(left, Unknown):
        return left
    try:
        return reader(left)
    except CannotObserve as odd:
        return Unknown(odd.message, odd.hint)


def _elapsed(observed: Observed) -> Elapsed | None:
    """The time from right before the move to right after it, by the guest's uptime and on our clock."""
    before, after = observed.uptime_before, observed.uptime_after
    if isinstance(after, Unknown):
        after = observed.uptime_at_end
    if isinstance(before, Unknown) or isinstance(after, Unknown):
        return None
    apart = _DRIFT * (after.latest - before.earliest)
    least, most = after.earliest - before.latest - apart, after.latest - before.earliest + apart
    return Elapsed(after.uptime - before.uptime, least, most)


def _still(observed: Observed, beating: Heartbeat) -> Still | None:
    """When the guest stood still on our clock: its uptime is read before and after, and may jump in between."""
    before, after = observed.uptime_before, observed.uptime_after
    if isinstance(after, Unknown):
        after = observed.uptime_at_end
    if isinstance(before, Unknown) or isinstance(after, Unknown):
        return None
    stopped = (before.earliest + before.latest) / 2 + beating.last_before - before.uptime
    went_on = (after.earliest + after.latest) / 2 + beating.first_after - after.uptime
    middle, half = (stopped + went_on) / 2, beating.stood_still / 2
    doubt = max(before.latest - before.earliest, after.latest - after.earliest) / 2
    return Still(Window(middle - half, middle + half), beating.most, doubt + beating.interval)


def _heartbeat(left: ProgramOutput, interval: float, elapsed: Elapsed | None) -> Heartbeat:
    beats = parse_heartbeat(left.text)
    if left.ended_before:
        raise CannotObserve(f"the guest's heartbeat had ended by itself after {beats[-1].number} beats")
    return analyse_heartbeat(beats, interval, elapsed)


def _inside(observed: Observed, text: str, pause_limit: float, limits: MoveLimits) -> PingResult:
    """Judged is the time in which the guest ran, as its ping stands still with it; shown is all of it."""
    ping, interval = parse_ping(text), observed.inside_interval
    opened, closed = (_highest_sent(text, size) for size in observed.inside_read)
    edges = None if opened is None else (opened, opened if closed is None else closed)
    seen = analyse_inside(ping, interval, edges, pause_limit)
    ran = analyse_inside(ping, interval, edges, pause_limit, while_it_ran=True)
    trace = inside_trace(ping, interval, pause_limit, observed.inside_started)
    return PingResult(trace, seen, verdict(ran, limits.max_gap, limits.max_lost), ran.longest_gap)


def _highest_sent(text: str, size: int | None) -> int | None:
    """The last sequence that the ping had sent by the time that it had written so many bytes."""
    if size is None:
        return None
    try:
        return parse_ping(text.encode()[:size].decode(errors="replace")).highest_sent
    except CannotObserve:
        return None
