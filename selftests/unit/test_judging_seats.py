"""A watched move as one or two hosts see it: what each must have seen, and what is said of it."""

from dataclasses import replace

from watchedmove import LIMITS, WINDOW, Move

from xenlab.lab.judging import watched
from xenlab.lab.observed import SeatPing, Unknown
from xenlab.lab.watch_analysis import Analysis, analyse, with_figures
from xenlab.outcomes import MigrationRecord
from xenlab.probes.trace import PingTrace

MAC = "00:16:3e:5d:8a:01"
BOTH = ("labubuntu", "baye")


def wrong(analysis: Analysis, macs: tuple[str, ...] = ()) -> dict[str, bool | None]:
    """What does not hold."""
    return {finding.id: finding.holds for finding in watched.findings(analysis, macs) if not finding}


def seen_from_both(one: Move, other: Move) -> Analysis:
    """The guest as two hosts see it, each in its own way; all else is as it should be."""
    first, second = replace(one, seats=BOTH[:1]).observed(), replace(other, seats=BOTH[1:]).observed()
    return analyse(replace(Move().observed(), outside=(*first.outside, *second.outside)), WINDOW, LIMITS)


def test_both_hosts_are_to_see_the_guest_go_on() -> None:
    right, cut = Move(), Move(deaf=lambda at: 120 <= at < 125)
    finding = watched.outside_ping(seen_from_both(right, right))
    assert finding.holds
    assert finding.expected.endswith("in the replies of guest1 to baye and labubuntu")
    for seen, broken in ((seen_from_both(right, cut), "baye"), (seen_from_both(cut, right), "labubuntu")):
        assert wrong(seen) == {"outside-ping-continuous": False}
        words = watched.outside_ping(seen).actual
        assert words.startswith(f"from {broken}: last packet before: icmp_seq=400, first after: icmp_seq=501; longest")
        assert all(f"from {seat}: last packet before" in words for seat in BOTH)
        assert seen.worst.seat == broken
        assert seen.silence < 1.0  # somebody has heard it all the while


def test_what_one_host_could_not_see_is_not_known() -> None:
    seen = seen_from_both(Move(), Move())
    trace = PingTrace((), 0.05, 100.0, 160.0, complete=False)
    lost = SeatPing("baye", trace, Unknown("baye cannot be reached"), "baye cannot be reached")
    observed = replace(seen.observed, outside=(seen.observed.outside[0], lost))
    unread = analyse(observed, WINDOW, LIMITS)
    assert wrong(unread, macs=(MAC,)) == {"outside-ping-continuous": None, "one-machine-answers": None}
    assert "from baye: last packet before: icmp_seq=None" in watched.outside_ping(unread).actual
    assert "the record of the ping is incomplete: baye cannot be reached" in watched.outside_ping(unread).actual
    alone = analyse(replace(observed, outside=(lost,)), WINDOW, LIMITS)
    assert wrong(alone) == {"outside-ping-continuous": None, "one-machine-answers": None}
    cut = replace(Move(deaf=lambda at: 120 <= at < 125), seats=BOTH[:1]).observed().outside
    assert wrong(analyse(replace(observed, outside=(*cut, lost)), WINDOW, LIMITS))["outside-ping-continuous"] is False


def test_a_second_machine_shows_to_whichever_host_hears_it() -> None:
    seen = seen_from_both(Move(), Move(doubled=lambda at: True))
    assert wrong(seen) == {"one-machine-answers": False}
    strange = Move(neighbours=(("10.1.1.85", "52:54:00:aa:bb:cc"),))
    right = Move(neighbours=(("10.1.1.85", MAC),))
    assert wrong(seen_from_both(right, strange), macs=(MAC,)) == {"one-machine-answers": False}
    assert wrong(seen_from_both(right, right), macs=(MAC,)) == {}


def test_a_host_that_could_not_send_is_named() -> None:
    observed = replace(Move(), seats=("baye",)).observed()
    (seen,) = observed.outside
    unsent = [p if p.sequence % 3 else replace(p, received=(), send_error="no route") for p in seen.trace.packets]
    observed = replace(observed, outside=(replace(seen, trace=replace(seen.trace, packets=tuple(unsent))),))
    words = [cause.words for cause in analyse(observed, WINDOW, LIMITS).causes]
    assert "400 packets could not be sent: look at the route from baye to the guest" in words


def test_the_grade_says_from_where() -> None:
    record = MigrationRecord(
        guest="guest1", kind="live", source="labubuntu", target="baye", seconds=40.0, same_boot=True
    )
    kept = with_figures(record, seen_from_both(Move(), Move(deaf=lambda at: 120 <= at < 125)))
    assert kept.outside is not None
    assert (kept.outside.seat, [ping.seat for ping in kept.outside_elsewhere]) == ("baye", ["labubuntu"])
    assert kept.outside.longest_gap_ms > 5000
    assert kept.inside is not None
    assert kept.inside.seat is None


def test_what_a_hosts_clock_may_be_off_counts_as_in_the_move() -> None:
    observed = Move().observed()
    (seen,) = observed.outside
    exact, rough = (
        analyse(
            replace(observed, outside=(replace(seen, trace=replace(seen.trace, clock_error=error)),)), WINDOW, LIMITS
        )
        for error in (0.0, 1.0)
    )
    assert exact.worst.continuity.replies_before == 200
    assert rough.worst.continuity.replies_before == 180
    assert wrong(rough) == {}
