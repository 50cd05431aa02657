"""The analysis of a ping trace: what counts as lost, where the gap lies, and what may pass."""

import random
import time
from collections.abc import Collection
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xenlab.errors import UsageError
from xenlab.probes.continuity import Verdict, analyse, scatter_doubt, to_summary, verdict
from xenlab.probes.trace import Packet, PingTrace, Window

INTERVAL = 0.05
Fates = list[tuple[list[float], bool]]
"""For each packet, the delays of its replies, and whether it could not be sent."""

few = settings(max_examples=40, deadline=None, database=None)


def make(
    count: int = 400,
    interval: float = INTERVAL,
    lost: Collection[int] = (),
    failed: Collection[int] = (),
    frozen_at: int | None = None,
    frozen_for: float = 0.0,
) -> PingTrace:
    """A trace with sequences from 1; sending stands still for `frozen_for` before `frozen_at`."""
    packets, at = [], 100.0
    for n in range(1, count + 1):
        at = 100.0 + (n - 1) * interval + (frozen_for if frozen_at is not None and n >= frozen_at else 0.0)
        error = "Network is unreachable" if n in failed else None
        packets.append(Packet(n, at, () if n in lost or error else (at + 0.001,), (64,), error))
    return PingTrace(tuple(packets), interval, 100.0, at)


def window_around(trace: PingTrace, first: int, last: int) -> Window:
    times = trace.send_times()
    return Window(times[first - 1], times[last - 1])


# -- properties ----------------------------------------------------------------------------------------

arrivals = st.lists(st.floats(0.0, 5.0), max_size=3)
fates = st.lists(st.tuples(arrivals, st.booleans()), max_size=60)
origins = st.sampled_from([0, 1, 65500, 2**32])  # a wrap of the 16-bit sequence, too


def trace_of(fates: Fates, origin: int) -> PingTrace:
    packets = []
    for n, (delays, failed) in enumerate(fates):
        at = n * INTERVAL
        received = tuple(sorted(at + delay for delay in delays))
        packets.append(Packet(origin + n, at, received, (), "EPERM" if failed and not received else None))
    return PingTrace(tuple(packets), INTERVAL, 0.0, len(fates) * INTERVAL)


@few
@given(fates, origins)
def test_every_packet_is_counted_once(fates: Fates, origin: int) -> None:
    trace = trace_of(fates, origin)
    seen = analyse(trace)
    assert seen.sent == seen.received + seen.lost
    assert seen.sent + seen.send_errors == len(trace.packets)
    assert seen.duplicated == sum(max(0, len(delays) - 1) for delays, _ in fates)
    assert 0 <= seen.lost_leading <= seen.lost
    assert 0 <= seen.reordered <= max(0, seen.received - 1)


@few
@given(fates, origins)
def test_the_gap_bounds_agree_with_a_plain_search(fates: Fates, origin: int) -> None:
    trace = trace_of(fates, origin)
    seen = analyse(trace)
    times = trace.send_times()
    answered = [t for p, t in zip(trace.packets, times, strict=True) if p.received]
    steps = [b - a for a, b in pairwise(answered)]
    steps += [times[-1] - answered[-1]] if answered else []
    assert seen.longest_gap == max(steps, default=0.0)
    assert 0 <= seen.gap_resolution <= seen.longest_gap + 1e-9
    assert seen.longest_gap - seen.gap_resolution <= seen.proven_outage + 1e-9
    assert seen.proven_outage <= seen.longest_gap


@few
@given(st.lists(st.booleans(), min_size=1, max_size=60), st.randoms(use_true_random=False))
def test_the_order_of_arrival_changes_no_loss(answers: list[bool], rng: random.Random) -> None:
    orders = [list(range(len(answers))), rng.sample(range(len(answers)), len(answers))]
    found = []
    for order in orders:
        arrived = [(10.0 + order[n],) if answered else () for n, answered in enumerate(answers)]
        packets = tuple(Packet(n, n * INTERVAL, received) for n, received in enumerate(arrived))
        found.append(analyse(PingTrace(packets, INTERVAL, 0.0, 10.0)))
    straight, shuffled = found
    assert straight.reordered == 0
    assert (straight.lost, straight.longest_gap) == (shuffled.lost, shuffled.longest_gap)


@few
@given(st.integers(0, 60), st.floats(0.0, 2.9), st.floats(0.0, 1.0))
def test_the_true_outage_lies_within_the_resolution(length: int, begin: float, phase: float) -> None:
    """A guest that is deaf from `begin` for some time: the bounds hold wherever sends fall."""
    outage = length * 0.03
    at = [phase * INTERVAL + n * INTERVAL for n in range(120)]
    packets = tuple(Packet(n, t, () if begin < t < begin + outage else (t,)) for n, t in enumerate(at))
    seen = analyse(PingTrace(packets, INTERVAL, 0.0, at[-1]))
    if seen.lost and not seen.lost_leading:
        assert seen.longest_gap - seen.gap_resolution <= outage + 1e-9
        assert outage <= seen.longest_gap + 1e-9


# -- known traces --------------------------------------------------------------------------------------


def test_a_known_gap() -> None:
    trace = make(lost=range(101, 121))
    seen = analyse(trace, window_around(trace, 90, 200))
    assert (seen.lost, seen.last_before, seen.first_after) == (20, 100, 121)
    assert seen.longest_gap == pytest.approx(21 * INTERVAL)
    assert seen.gap_resolution == pytest.approx(2 * INTERVAL)
    assert seen.proven_outage == pytest.approx(19 * INTERVAL)
    assert seen.gap_in_window
    assert (seen.replies_before, seen.replies_after) == (89, 200)
    assert seen.on_time == 1.0
    assert seen.worst_lateness == pytest.approx(0.0, abs=1e-9)


def test_a_gap_outside_the_window_is_told_apart() -> None:
    trace = make(lost=[*range(11, 15), 150])
    seen = analyse(trace, window_around(trace, 100, 200))
    assert not seen.gap_in_window
    assert "outside the window" in verdict(seen, 0.1).reason


def test_scattered_loss_is_no_outage() -> None:
    seen = analyse(make(lost=range(10, 400, 10)))
    assert seen.lost == 39
    assert seen.longest_gap == pytest.approx(2 * INTERVAL)
    assert verdict(seen, 1.0).passes
    assert verdict(seen, 1.0, max_lost=38).verdict is Verdict.BROKEN


def test_reordering_and_duplicates() -> None:
    packets = (Packet(1, 0.0, (0.9,)), Packet(2, 0.1, (0.3, 0.4, 0.5)), Packet(3, 0.2, (0.31,)))
    seen = analyse(PingTrace(packets, 0.1, 0.0, 0.2))
    assert (seen.reordered, seen.duplicated, seen.lost) == (1, 2, 0)


def test_send_errors_are_not_losses_but_do_not_close_a_gap() -> None:
    seen = analyse(make(failed=range(50, 60)))
    assert (seen.sent, seen.lost, seen.send_errors) == (390, 0, 10)
    assert seen.longest_gap == pytest.approx(11 * INTERVAL)
    assert seen.gap_resolution == seen.longest_gap  # nothing was on the wire
    assert seen.proven_outage == 0


def test_what_the_guest_could_not_send_is_its_own_outage() -> None:
    theirs = replace(make(failed=range(50, 60)), by_guest=True)
    seen = analyse(theirs)
    assert (seen.sent, seen.lost, seen.send_errors) == (400, 10, 10)
    assert seen.longest_gap == seen.could_not_send == pytest.approx(11 * INTERVAL)
    assert (seen.gap_resolution, seen.proven_outage) == pytest.approx((2 * INTERVAL, 9 * INTERVAL))
    assert seen.send_error == "Network is unreachable"
    ours = analyse(make(failed=range(50, 60)))
    assert (ours.could_not_send, ours.send_error) == (0.0, "")
    assert verdict(ours, 0.5).verdict is Verdict.INSUFFICIENT
    assert verdict(seen, 0.5).verdict is Verdict.BROKEN
    assert verdict(seen, 1.0).passes


def test_the_longest_time_that_the_guest_could_not_send_is_told() -> None:
    seen = analyse(replace(make(failed=[*range(20, 23), *range(50, 60)], lost=range(100, 140)), by_guest=True))
    assert seen.could_not_send == pytest.approx(11 * INTERVAL)
    assert seen.longest_gap == pytest.approx(41 * INTERVAL)


def test_packets_queued_and_answered_late_hide_no_outage() -> None:
    """The link was down for 4 s; the kernel kept every packet for later, and lost none."""
    times = [n * INTERVAL for n in range(400)]
    packets = tuple(Packet(n, t, (max(t, 9.0) if t > 5.0 else t,)) for n, t in enumerate(times, 1))
    seen = analyse(PingTrace(packets, INTERVAL, 0.0, times[-1]))
    assert (seen.lost, seen.reordered) == (0, 0)
    assert seen.longest_gap == pytest.approx(INTERVAL)
    assert seen.longest_silence == pytest.approx(4.0)
    judged = verdict(seen, max_gap=3.0)
    assert judged.verdict is Verdict.BROKEN
    assert "no reply arrived for 4.00 s" in judged.reason
    assert verdict(seen, max_gap=5.0).verdict is Verdict.CONTINUOUS_WITHIN_THRESHOLD


def test_loss_before_the_first_reply_opens_no_gap() -> None:
    seen = analyse(make(lost=range(1, 101)))
    assert (seen.lost, seen.lost_leading) == (100, 100)
    assert seen.longest_gap == pytest.approx(INTERVAL)
    assert verdict(seen, 1.0, max_lost=0).passes


def test_the_first_send_of_an_inside_ping_may_be_unknown() -> None:
    packets = tuple(Packet(n, None, () if n == 3 else (n * 1.0,)) for n in range(1, 8))
    assert analyse(PingTrace(packets, 1.0, 0.0, 7.0)).longest_gap == 2.0


@pytest.mark.parametrize("order", [(2, 1), (1, 1)])
def test_sequences_must_rise(order: tuple[int, ...]) -> None:
    with pytest.raises(UsageError, match="must rise"):
        PingTrace(tuple(Packet(n, None) for n in order), 1.0, 0.0, 1.0)


def test_times_must_not_fall_and_the_interval_must_be_positive() -> None:
    with pytest.raises(UsageError, match="must not fall"):
        PingTrace((Packet(1, 2.0), Packet(2, 1.0)), 1.0, 0.0, 1.0)
    with pytest.raises(UsageError, match="positive"):
        PingTrace((), 0.0, 0.0, 1.0)


def test_summary_is_in_milliseconds() -> None:
    trace = make(lost=range(101, 121))
    summary = to_summary(analyse(trace, window_around(trace, 90, 200)))
    assert (summary.interval_ms, summary.longest_gap_ms, summary.gap_resolution_ms) == (50.0, 1050.0, 100.0)
    assert summary.sent == summary.received + summary.lost
    assert (summary.last_before, summary.first_after, summary.gap_in_window) == (100, 121, True)


def test_most_of_an_hour_of_packets_adds_up_at_once() -> None:
    rng = random.Random(7)
    packets = tuple(
        Packet(n, n * INTERVAL, (n * INTERVAL + rng.random() / 4,) if rng.random() > 0.05 else ())
        for n in range(50_000)
    )
    began = time.process_time()
    seen = analyse(PingTrace(packets, INTERVAL, 0.0, 2_500.0), Window(500.0, 600.0))
    assert time.process_time() - began <= 0.4
    assert seen.reordered > 5_000
    assert seen.sent == seen.received + seen.lost == 50_000


def test_scattered_loss_beside_an_outage_is_doubt_not_downtime() -> None:
    outage = set(range(201, 221))  # 19 to 21 intervals long
    scattered = set(range(10, 400, 20)) - outage
    alone, blurred = analyse(make(lost=outage)), analyse(make(lost=outage | scattered | {200, 221}))
    assert alone.scatter_resolution == 0.0
    assert blurred.longest_gap == pytest.approx(alone.longest_gap + 2 * INTERVAL)
    assert blurred.scatter_resolution == pytest.approx(4 * INTERVAL)  # two an edge: 0.05**2 is less than 1 %
    assert blurred.gap_resolution == pytest.approx(alone.gap_resolution + 4 * INTERVAL)
    assert blurred.longest_gap - blurred.gap_resolution < alone.proven_outage
    assert blurred.proven_outage < alone.longest_gap - alone.gap_resolution + INTERVAL


@pytest.mark.parametrize(
    ("rate", "each"), [(0, 0), (1, 1), (10, 1), (11, 2), (100, 2), (101, 3), (215, 3), (999, 4603)]
)
def test_the_doubt_is_a_run_that_one_outage_in_a_hundred_has(rate: int, each: int) -> None:
    """`rate` of 1000 packets lost."""
    assert scatter_doubt(rate, 1000 - rate, 0.01) == pytest.approx(2 * 0.01 * each)
    if rate:
        assert (rate / 1000) ** each <= 0.0100001 < (rate / 1000) ** (each - 1)


# -- verdicts ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lost", "expected"),
    [
        ((), Verdict.CONTINUOUS),
        (range(201, 219), Verdict.CONTINUOUS),  # 0.95 s
        (range(201, 241), Verdict.CONTINUOUS_WITHIN_THRESHOLD),  # 2.05 s
        (range(201, 281), Verdict.BROKEN),  # 4.05 s
    ],
)
def test_verdict_by_longest_gap(lost: Collection[int], expected: Verdict) -> None:
    trace = make(lost=lost)
    judged = verdict(analyse(trace, window_around(trace, 190, 300)), max_gap=3.0)
    assert judged.verdict is expected
    assert judged.passes == (expected is not Verdict.BROKEN)
    assert judged.reason


def test_one_packet_lost_at_one_a_second_is_not_continuous() -> None:
    """23 then 24 is; 23 then 25 is within a threshold of 3 s at best."""
    whole, holed = analyse(make(40, 1.0)), analyse(make(40, 1.0, lost=[24]))
    assert verdict(whole, 3.0).verdict is Verdict.CONTINUOUS
    assert verdict(holed, 3.0).verdict is Verdict.CONTINUOUS_WITHIN_THRESHOLD
    assert verdict(holed, 1.5).verdict is Verdict.BROKEN


def test_a_guest_that_never_answers_again_is_broken() -> None:
    trace = make(lost=range(201, 401))
    seen = analyse(trace, window_around(trace, 190, 300))
    assert (seen.gap_open, seen.first_after, seen.last_before) == (True, None, 200)
    judged = verdict(seen, max_gap=3.0)
    assert judged.verdict is Verdict.BROKEN
    assert "no reply after sequence 200" in judged.reason


def test_a_trace_that_ends_too_soon_is_insufficient() -> None:
    trace = make(count=302)
    judged = verdict(analyse(trace, window_around(trace, 190, 300)), max_gap=3.0)
    assert judged.verdict is Verdict.INSUFFICIENT
    assert "only 2 replies after" in judged.reason


def test_too_few_replies_before_the_window_are_insufficient() -> None:
    trace = make()
    judged = verdict(analyse(trace, window_around(trace, 3, 300)), max_gap=3.0)
    assert judged.verdict is Verdict.INSUFFICIENT
    assert "only 2 replies before" in judged.reason


@pytest.mark.parametrize("count", [0, 5])
def test_no_reply_or_next_to_none_is_insufficient(count: int) -> None:
    judged = verdict(analyse(make(count)), max_gap=1e9)
    assert judged.verdict is Verdict.INSUFFICIENT
    assert not judged.passes


def test_nothing_but_loss_is_insufficient() -> None:
    assert verdict(analyse(make(lost=range(1, 401))), max_gap=1e9).verdict is Verdict.INSUFFICIENT


def test_a_frozen_sender_hides_no_outage() -> None:
    """Not one packet is lost, yet nobody looked for 5 s."""
    trace = make(frozen_at=201, frozen_for=5.0)
    seen = analyse(trace, window_around(trace, 190, 300))
    assert seen.lost == 0
    assert seen.longest_gap == pytest.approx(5.05)
    assert seen.gap_resolution == seen.longest_gap
    assert seen.worst_lateness == pytest.approx(5.0)
    assert seen.on_time == pytest.approx(400 / 500)
    judged = verdict(seen, max_gap=3.0, minimum_on_time=0.5)
    assert judged.verdict is Verdict.INSUFFICIENT
    assert "paused pinger" in judged.reason


def test_a_starved_sender_is_insufficient_even_without_a_gap() -> None:
    packets = tuple(Packet(n, n * 0.2, (n * 0.2,)) for n in range(100))  # a quarter of the slots of 0.05 s
    judged = verdict(analyse(PingTrace(packets, INTERVAL, 0.0, 20.0)), max_gap=3.0)
    assert judged.verdict is Verdict.INSUFFICIENT
    assert "starved: 25%" in judged.reason


def test_a_frozen_sender_does_not_excuse_a_proven_outage() -> None:
    trace = make(lost=range(101, 181), frozen_at=250, frozen_for=9.0)
    assert verdict(analyse(trace), max_gap=3.0).verdict is Verdict.BROKEN


def test_an_incomplete_record_never_passes() -> None:
    trace = make()
    cut = PingTrace(trace.packets, trace.interval, trace.started, trace.ended, complete=False)
    judged = verdict(analyse(cut), max_gap=1e9)
    assert judged.verdict is Verdict.INSUFFICIENT
    assert "incomplete" in judged.reason


@few
@given(fates, origins, st.booleans())
def test_what_passes_kept_every_gap_below_the_limit(fates: Fates, origin: int, windowed: bool) -> None:
    seen = analyse(trace_of(fates, origin), Window(1.0, 1.5) if windowed else None)
    judged = verdict(seen, max_gap=0.2, max_lost=3)
    if judged.passes:
        assert seen.longest_gap <= 0.2
        assert seen.lost - seen.lost_leading <= 3
        assert seen.received >= 6
