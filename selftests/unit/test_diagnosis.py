"""What stands behind a ping that lost its thread: each cause by what only it leaves behind."""

from collections.abc import Collection

import pytest

from xenlab.lab.watch import Seen
from xenlab.probes.continuity import Packet, PingTrace, analyse
from xenlab.probes.diagnosis import Cause, diagnose
from xenlab.probes.heartbeat import Pulse

GAP = range(50, 110)  # 3 s at 0.05 s


def trace(
    lost: Collection[int] = (),
    unsent: Collection[int] = (),
    twice: Collection[int] = (),
    ttls: tuple[int, ...] = (64,),
    step: float = 0.05,
    late: Collection[int] = (),
) -> PingTrace:
    packets = []
    for n in range(200):
        at = n * step
        replies = () if n in lost or n in unsent else (at + 0.001, at + 0.002) if n in twice else (at + 0.001,)
        if n in late:
            replies = (max(late) * step + 0.01,)
        error = "Network is unreachable" if n in unsent else None
        packets.append(Packet(n + 1, at, replies, ttls if n in twice else ttls[:1], error))
    return PingTrace(tuple(packets), 0.05, 0.0, 200 * step)


CASES = {
    "nothing": (trace(), Pulse(100, 0.05, 0.01, 0.0), []),
    "one lost": (trace(lost=[50]), Pulse(100, 0.05, 0.01, 0.0), []),
    "no route": (trace(unsent=GAP), None, [Cause.NOT_SENT]),
    "starved": (trace(step=0.2), None, [Cause.STARVED]),
    "second machine": (trace(twice=[5, 6], ttls=(64, 63)), None, [Cause.TWO_MACHINES]),
    "loop": (trace(twice=[5, 6]), None, [Cause.DOUBLED]),
    "silent": (trace(lost=range(200)), None, [Cause.SILENT]),
    "frozen": (trace(lost=GAP), Pulse(100, 0.05, 2.9, 0.0), [Cause.GUEST_STOOD_STILL]),
    "cut": (trace(lost=GAP), Pulse(100, 0.05, 0.1, 0.0), [Cause.NETWORK_CUT]),
    "paused": (trace(late=GAP), Pulse(100, 0.05, 2.9, 0.0), [Cause.GUEST_STOOD_STILL]),
    "held back": (trace(late=GAP), Pulse(100, 0.05, 0.1, 0.0), [Cause.NETWORK_CUT]),
    "a little late": (trace(late=range(50, 56)), Pulse(100, 0.05, 0.1, 0.0), []),
    "cannot be told": (trace(lost=GAP), None, []),
}


@pytest.mark.parametrize(("seen", "pulse", "causes"), CASES.values(), ids=CASES.keys())
def test_each_cause_is_told_apart(seen: PingTrace, pulse: Pulse | None, causes: list[Cause]) -> None:
    found = diagnose(analyse(seen), pulse)
    assert [diagnosis.cause for diagnosis in found] == causes
    assert all(diagnosis.words for diagnosis in found)


def test_the_guests_own_ping_tells_a_filter_from_a_silent_guest() -> None:
    silent = analyse(trace(lost=range(200)))
    (found,) = diagnose(silent, inside=analyse(trace()))
    assert found.cause is Cause.FILTERED
    (found,) = diagnose(silent, inside=silent)
    assert found.cause is Cause.SILENT


def test_a_filter_put_up_for_a_while() -> None:
    gap, well, beating = analyse(trace(lost=GAP)), analyse(trace()), Pulse(100, 0.05, 0.1, 0.0)
    (found,) = diagnose(gap, beating, well)
    assert found.cause is Cause.FILTERED
    (found,) = diagnose(gap, beating, gap)
    assert found.cause is Cause.NETWORK_CUT
    (found,) = diagnose(gap, Pulse(100, 0.05, 2.9, 0.0), well)
    assert found.cause is Cause.GUEST_STOOD_STILL


@pytest.mark.parametrize(("twice", "ttls", "one"), [((), (64,), True), ((5,), (64,), True), ((5,), (64, 63), False)])
def test_a_second_machine_turns_the_graded_check_red(twice: tuple[int, ...], ttls: tuple[int, ...], one: bool) -> None:
    made = trace(twice=twice, ttls=ttls)
    finding = Seen("outside", "guest1", made, analyse(made), 1.0, None).is_answered_by_one()
    assert bool(finding) is one
    assert one or "64" in finding.actual
