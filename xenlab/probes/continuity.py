"""Did a ping lose its thread? Pure analysis of what was sent and what came back.

Gaps are measured between the *sends* of successive answered packets. Counting lost packets instead would
read scattered loss as one outage, and would not see an outage during which the pinger itself was frozen.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from math import ceil, log

from xenlab.outcomes import PingSummary
from xenlab.probes.trace import Packet, PingTrace, Window

REPORT_GRID = 1.0
"""Seconds between two packets of a plain `ping`, as the lab report ran it ("23 then 24")."""

MINIMUM_ON_TIME = 0.8
"""Share of its slots that a sender must serve; one that served less was starved, and proves nothing."""


@dataclass(frozen=True, slots=True)
class Continuity:
    """What a trace shows; times in seconds.

    sent = received + lost; a packet that could not be sent is in `send_errors`, and in `lost` only where the guest
    is the sender. `reordered` counts first replies that came after the reply to a later packet (RFC 4737,
    section 3.3).

    The longest gap runs from the send of `last_before` (at `gap_start`) to the send of `first_after`
    (at `gap_end`), both answered. The outage in it lies in (longest_gap - gap_resolution, longest_gap]:
    it began after the last answered send but before the first lost one, and likewise at the other edge.
    Where nothing was on the wire in between, the resolution is the whole gap. Where packets are lost at other
    times too, those beside the outage may be such scattered loss: `scatter_resolution` of the resolution is
    that doubt, not downtime (see `scatter_doubt`). `gap_open` means that no
    answer ever came after it (`first_after` is None, the end is the last send). `proven_outage` is the
    largest lower bound over all gaps. Loss before the first reply (`lost_leading`) opens no gap: there was
    no thread to lose yet. `longest_silence` is the longest time between two arrivals of replies: packets
    that a network queues while it is down (for ARP, say) are answered late, and leave no gap.

    `on_time` is the share of the schedule's slots served within one interval, `worst_lateness` the most a
    send was late; `on_time` is None where only the guest knows. `frozen` is for how long the guest's clock
    ran on while its ping did not send. `ttls` are all TTLs that replies had. Fields about the window are
    None without one.

    `could_not_send` is for how long at most the guest itself could not send, from one answered send to the next,
    and `send_error` why; 0 and empty where this machine is the sender. `gave_up` means that its ping ended there,
    as busybox's does.
    """

    interval: float
    sent: int
    received: int
    lost: int
    duplicated: int
    reordered: int
    send_errors: int
    longest_gap: float
    gap_resolution: float
    scatter_resolution: float
    gap_start: float
    gap_end: float
    last_before: int | None
    first_after: int | None
    gap_open: bool
    proven_outage: float
    longest_silence: float
    gap_in_window: bool
    lost_leading: int
    replies_before: int | None
    replies_after: int | None
    on_time: float | None
    worst_lateness: float
    frozen: float = 0.0
    ttls: tuple[int, ...] = ()
    complete: bool = True
    could_not_send: float = 0.0
    send_error: str = ""
    gave_up: bool = False


@dataclass(frozen=True, slots=True)
class _Gap:
    start: float = 0.0
    end: float = 0.0
    resolution: float = 0.0
    last_before: int | None = None
    first_after: int | None = None

    @property
    def length(self) -> float:
        return self.end - self.start


def analyse(trace: PingTrace, window: Window | None = None) -> Continuity:
    """What `trace` shows, in time linear in its packets; `window` is on the trace's clock."""
    times = trace.send_times()
    longest, proven = _longest_gap(trace, times)
    could_not_send, send_error = _unsent(trace, times) if trace.by_guest else (0.0, "")
    on_time, worst_lateness = _schedule(times, trace.interval)
    answered = [p for p in trace.packets if p.received]
    answered_at = [t for p, t in zip(trace.packets, times, strict=True) if p.received]
    silent = [(t, p.send_error) for p, t in zip(trace.packets, times, strict=True) if not p.received]
    lost_at = [t for t, error in silent if error is None or trace.by_guest]
    lost = len(lost_at)
    leading = bisect_left(lost_at, answered_at[0]) if answered else lost
    in_gap = bisect_right(lost_at, longest.end) - bisect_right(lost_at, longest.start) if longest.length else 0
    doubt = scatter_doubt(lost - leading - in_gap, len(answered), trace.interval) if in_gap else 0.0
    scatter = min(doubt, longest.length - longest.resolution)
    reordered, silence = _arrivals(answered)
    return Continuity(
        interval=trace.interval,
        sent=len(answered) + lost,
        received=len(answered),
        lost=lost,
        duplicated=sum(len(p.received) for p in answered) - len(answered),
        reordered=reordered,
        send_errors=sum(error is not None for _, error in silent),
        longest_gap=longest.length,
        gap_resolution=longest.resolution + scatter,
        scatter_resolution=scatter,
        gap_start=longest.start,
        gap_end=longest.end,
        last_before=longest.last_before,
        first_after=longest.first_after,
        gap_open=longest.last_before is not None and longest.first_after is None,
        proven_outage=max(0.0, proven - doubt),
        longest_silence=silence,
        gap_in_window=window is not None and longest.start < window.end and longest.end > window.start,
        lost_leading=leading,
        replies_before=bisect_left(answered_at, window.start) if window else None,
        replies_after=len(answered) - bisect_right(answered_at, window.end) if window else None,
        on_time=on_time,
        worst_lateness=worst_lateness,
        ttls=tuple(sorted({ttl for packet in answered for ttl in packet.ttls})),
        complete=trace.complete,
        could_not_send=could_not_send,
        send_error=send_error,
        gave_up=bool(send_error) and not trace.complete and trace.packets[-1].send_error is not None,
    )


def scatter_doubt(lost: int, answered: int, interval: float) -> float:
    """Seconds by which both edges of an outage together may be blurred by loss that is not of it.

    `lost` and `answered` packets outside of the outage give the rate p of scattered loss; a run of k packets
    lost right beside the outage then has probability p**k. The doubt is k intervals an edge, for the smallest
    k that is exceeded in at most 1 of 100 outages at that edge. Bursts, which are not independent, may exceed it.
    """
    if lost <= 0:
        return 0.0
    rate = lost / (lost + answered)
    return 2 * interval * (ceil(log(0.01) / log(rate)) if rate < 1 else answered)


def _longest_gap(trace: PingTrace, times: Sequence[float]) -> tuple[_Gap, float]:
    """The longest gap, and the largest outage that some gap proves."""
    longest, proven = _Gap(), 0.0
    before: Packet | None = None
    before_at = first_lost = last_lost = 0.0
    lost = failed = False
    for packet, now in zip(trace.packets, times, strict=True):
        if packet.received:
            if before is not None:
                if lost:
                    proven = max(proven, last_lost - first_lost)
                if now - before_at > longest.end - longest.start:
                    resolution = (first_lost - before_at) + (now - last_lost) if lost else now - before_at
                    longest = _Gap(before_at, now, resolution, before.sequence, packet.sequence)
            before, before_at, lost, failed = packet, now, False, False
        elif packet.send_error is not None and not trace.by_guest:
            failed = True
        else:
            if not lost:
                first_lost, lost = now, True
            last_lost = now
    if before is not None and (lost or failed):  # nothing was answered any more
        end = times[-1]
        if lost:
            proven = max(proven, last_lost - first_lost)
        if end - before_at > longest.length:
            resolution = (first_lost - before_at) + (end - last_lost) if lost else end - before_at
            longest = _Gap(before_at, end, resolution, before.sequence, None)
    return longest, proven


def _unsent(trace: PingTrace, times: Sequence[float]) -> tuple[float, str]:
    """The longest time between two answered sends in which some packet could not be sent, and why.

    What came before the first reply counts only where there never was one.
    """
    longest, why, reason = 0.0, "", ""
    since: float | None = None
    for packet, now in zip(trace.packets, times, strict=True):
        if not packet.received:
            reason = reason or packet.send_error or ""
            continue
        if since is not None and reason and now - since > longest:
            longest, why = now - since, reason
        since, reason = now, ""
    if reason:
        since = times[0] if since is None else since
        if times[-1] - since > longest or not why:
            longest, why = times[-1] - since, reason
    return longest, why


def _schedule(times: Sequence[float], interval: float) -> tuple[float, float]:
    """Share of slots served within one interval, and the worst lateness in seconds."""
    steps = [now - before for before, now in pairwise(times)]
    slot = interval * 0.9995  # so that rounding never costs a slot
    missed = sum(int(step / slot) - 1 for step in steps if step > interval)
    on_time = len(times) / (len(times) + missed) if times else 0.0
    return on_time, max(0.0, max(steps, default=0.0) - interval)


def _arrivals(answered: Sequence[Packet]) -> tuple[int, float]:
    """How many replies a later one overtook, and the longest time between two arrivals."""
    newest, reordered = -1, 0
    arrived = sorted(answered, key=lambda p: p.received[0])  # stable: a tie is no reordering
    for packet in arrived:
        if packet.sequence < newest:
            reordered += 1
        else:
            newest = packet.sequence
    silences = (b.received[0] - a.received[0] for a, b in pairwise(arrived))
    return reordered, max(silences, default=0.0)


class Verdict(StrEnum):
    """How a ping came through; only the first two pass."""

    CONTINUOUS = "continuous"
    CONTINUOUS_WITHIN_THRESHOLD = "continuous within threshold"
    BROKEN = "broken"
    INSUFFICIENT = "insufficient"


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict and, in one English clause, why."""

    verdict: Verdict
    reason: str

    @property
    def passes(self) -> bool:
        """Whether the ping was seen to be continuous: neither broken nor too little to tell."""
        return self.verdict in (Verdict.CONTINUOUS, Verdict.CONTINUOUS_WITHIN_THRESHOLD)


def verdict(
    continuity: Continuity,
    max_gap: float,
    max_lost: int | None = None,
    minimum_replies: int = 3,
    minimum_on_time: float = MINIMUM_ON_TIME,
) -> Judgement:
    """Judge a ping by its longest gap and silence (seconds) and, if given, its losses after the first reply.

    CONTINUOUS means that a plain ping, once a second, would have lost no sequence: both are at most 1 s and an
    interval. What the guest itself could not send is BROKEN, however little else was seen. INSUFFICIENT: fewer
    than `minimum_replies` on either side of the window (with no window: fewer than twice that in all), a sender that
    served less than `minimum_on_time` of its slots, an incomplete record, or a gap too coarse to blame on the guest.
    What happened inside the window needs no count of its own: the longest gap bounds it.
    """
    c = continuity
    lost = c.lost - c.lost_leading
    if unsent := _unsent_text(c, max_gap, max_lost):
        return Judgement(Verdict.BROKEN, unsent)
    thin = _too_little_before(c, minimum_replies)
    if thin:
        return Judgement(Verdict.INSUFFICIENT, thin)
    if c.proven_outage > max_gap:
        return Judgement(Verdict.BROKEN, f"{_gap_text(c)}, more than {max_gap:g} s")
    if max_lost is not None and lost > max_lost:
        return Judgement(Verdict.BROKEN, f"{lost} packets lost, more than {max_lost}; {_gap_text(c)}")
    thin = _too_little_after(c, minimum_replies, minimum_on_time)
    if thin:
        return Judgement(Verdict.INSUFFICIENT, thin)
    if c.longest_gap > max_gap:
        # Two intervals are the usual uncertainty; four mean that the pinger itself paused at the gap.
        if c.gap_resolution - c.scatter_resolution > 4 * c.interval:
            doubt = f"{c.gap_resolution:.2f} s of it may be a paused pinger or a clock that was set"
            return Judgement(Verdict.INSUFFICIENT, f"{_gap_text(c)}; {doubt}")
        return Judgement(Verdict.BROKEN, f"{_gap_text(c)}, more than {max_gap:g} s")
    if c.longest_silence > max_gap:
        late = f"no reply arrived for {c.longest_silence:.2f} s, more than {max_gap:g} s"
        return Judgement(Verdict.BROKEN, f"{late}, though packets sent in it were answered late")
    worst = max(c.longest_gap, c.longest_silence)
    if worst <= REPORT_GRID + c.interval and (lost == 0 or c.interval < REPORT_GRID):
        return Judgement(Verdict.CONTINUOUS, _gap_text(c))
    return Judgement(Verdict.CONTINUOUS_WITHIN_THRESHOLD, f"{_gap_text(c)}, within {max_gap:g} s")


def _unsent_text(c: Continuity, max_gap: float, max_lost: int | None) -> str:
    """Why what the guest could not send is too much; empty where it is not."""
    if not c.send_error:
        return ""
    if not c.received:
        return f"the guest could not send: {c.send_error} (none of its {c.lost} pings was answered)"
    lost = c.lost - c.lost_leading
    words = f"the guest could not send for {c.could_not_send:.1f} s: {c.send_error}"
    if max_lost is not None and min(lost, c.send_errors) > max_lost:
        return f"{words} ({lost} of its pings lost, more than {max_lost})"
    if c.could_not_send > max_gap:
        return f"{words} (more than {max_gap:g} s)"
    return f"the guest could not send: {c.send_error} (its ping ended there)" if c.gave_up else ""


def _too_little_before(c: Continuity, minimum: int) -> str:
    if not c.complete:
        return "the record of the ping is incomplete"
    if c.received == 0:
        return f"no reply to {c.sent} packets sent, {c.send_errors} send errors"
    if c.replies_before is not None and c.replies_before < minimum:
        return f"only {c.replies_before} replies before the window, {minimum} needed"
    return ""


def _too_little_after(c: Continuity, minimum: int, minimum_on_time: float) -> str:
    if c.replies_after is not None and c.replies_after < minimum:
        return f"only {c.replies_after} replies after the window, {minimum} needed"
    if c.replies_after is None and c.received < 2 * minimum:
        return f"only {c.received} replies, {2 * minimum} needed"
    if c.on_time is not None and c.on_time < minimum_on_time:
        late = f"{c.on_time:.0%} of its slots served, at worst {c.worst_lateness:.2f} s late"
        return f"the sender was starved: {late}"
    return ""


def _gap_text(c: Continuity) -> str:
    where = ""
    if c.replies_after is not None:
        where = " in the window" if c.gap_in_window else " outside the window"
    if c.gap_open:
        return f"no reply after sequence {c.last_before} for {c.longest_gap:.2f} s{where}, {c.lost} lost"
    edges = f"sequence {c.last_before} then {c.first_after}"
    doubt = f", {c.scatter_resolution:.2f} s of it may be scattered loss" if c.scatter_resolution else ""
    return f"longest gap {c.longest_gap:.2f} s{where} ({edges}{doubt}), {c.lost} lost"


def to_summary(continuity: Continuity, seat: str | None = None) -> PingSummary:
    """The figures for grade.json, in milliseconds; `seat` is the machine that sent, where it was not the guest."""
    c = continuity
    return PingSummary(
        seat=seat,
        sent=c.sent,
        received=c.received,
        lost=c.lost,
        duplicated=c.duplicated,
        reordered=c.reordered,
        send_errors=c.send_errors,
        interval_ms=_ms(c.interval),
        longest_gap_ms=_ms(c.longest_gap),
        gap_resolution_ms=_ms(c.gap_resolution),
        scatter_resolution_ms=_ms(c.scatter_resolution),
        last_before=c.last_before,
        first_after=c.first_after,
        gap_in_window=c.gap_in_window,
    )


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 3)
