"""What stands behind a ping that lost its thread: each cause by what only it leaves behind."""

from collections.abc import Collection

import pytest

from xenlab.probes.continuity import analyse
from xenlab.probes.diagnosis import PingCause, diagnose, is_doubled, someone_else_answers
from xenlab.probes.heartbeat import Heartbeat
from xenlab.probes.trace import Packet, PingTrace

GAP = range(50, 110)  # 3 s at 0.05 s


def beating(stood_still: float) -> Heartbeat:
    return Heartbeat(100, 0.05, stood_still, max(0.0, stood_still - 0.1), stood_still + 0.1, 10.0, 10.0 + stood_still)


def trace(
    lost: Collection[int] = (),
    unsent: Collection[int] = (),
    twice: Collection[int] = (),
    ttls: tuple[int, ...] = (64,),
    step: float = 0.05,
    late: Collection[int] = (),
    by_guest: bool = False,
    count: int = 200,
) -> PingTrace:
    packets = []
    for n in range(count):
        at = n * step
        replies = () if n in lost or n in unsent else (at + 0.001, at + 0.002) if n in twice else (at + 0.001,)
        if n in late:
            replies = (max(late) * step + 0.01,)
        error = "Network is unreachable" if n in unsent else None
        packets.append(Packet(n + 1, at, replies, ttls if n in twice else ttls[:1], error))
    return PingTrace(tuple(packets), 0.05, 0.0, count * step, by_guest=by_guest)


CASES = {
    "nothing": (trace(), beating(0.01), []),
    "one lost": (trace(lost=[50]), beating(0.01), []),
    "no route": (trace(unsent=GAP), None, [PingCause.NOT_SENT]),
    "starved": (trace(step=0.2), None, [PingCause.STARVED]),
    "second machine": (trace(twice=[5, 6], ttls=(64, 63)), None, [PingCause.TWO_MACHINES]),
    "loop": (trace(twice=[5, 6]), None, [PingCause.DOUBLED]),
    "silent": (trace(lost=range(200)), None, [PingCause.SILENT]),
    "frozen": (trace(lost=GAP), beating(2.9), [PingCause.GUEST_STOOD_STILL]),
    "cut": (trace(lost=GAP), beating(0.1), [PingCause.NETWORK_CUT]),
    "paused": (trace(late=GAP), beating(2.9), [PingCause.GUEST_STOOD_STILL]),
    "held back": (trace(late=GAP), beating(0.1), [PingCause.NETWORK_CUT]),
    "a little late": (trace(late=range(50, 56)), beating(0.1), []),
    "cannot be told": (trace(lost=GAP), None, []),
    "gone for good": (trace(lost=range(50, 200)), None, [PingCause.GONE]),
    "gone for good, and going on": (trace(lost=range(50, 200)), beating(0.1), [PingCause.NETWORK_CUT]),
    "someone else": (trace(), beating(35.0), [PingCause.SOMEONE_ELSE]),
    "someone else, seldom": (trace(lost=GAP), beating(35.0), [PingCause.SOMEONE_ELSE, PingCause.GUEST_STOOD_STILL]),
}


@pytest.mark.parametrize(("seen", "heartbeat", "causes"), CASES.values(), ids=CASES.keys())
def test_each_cause_is_told_apart(seen: PingTrace, heartbeat: Heartbeat | None, causes: list[PingCause]) -> None:
    found = diagnose(analyse(seen), heartbeat)
    assert [diagnosis.cause for diagnosis in found] == causes
    assert all(diagnosis.words for diagnosis in found)


def test_the_guests_own_ping_tells_a_filter_from_a_silent_guest() -> None:
    silent = analyse(trace(lost=range(200)))
    (found,) = diagnose(silent, inside=analyse(trace()))
    assert found.cause is PingCause.FILTERED
    (found,) = diagnose(silent, inside=silent)
    assert found.cause is PingCause.SILENT


def test_a_filter_put_up_for_a_while() -> None:
    gap, well = analyse(trace(lost=GAP)), analyse(trace())
    (found,) = diagnose(gap, beating(0.1), well)
    assert found.cause is PingCause.FILTERED
    (found,) = diagnose(gap, beating(0.1), gap)
    assert found.cause is PingCause.NETWORK_CUT
    (found,) = diagnose(gap, beating(2.9), well)
    assert found.cause is PingCause.GUEST_STOOD_STILL


def test_a_guest_that_could_not_send_either() -> None:
    gap, unsent = analyse(trace(lost=GAP)), analyse(trace(unsent=GAP, by_guest=True))
    first, second = diagnose(gap, beating(0.1), unsent)
    assert first.cause is PingCause.GUEST_COULD_NOT_SEND
    assert "Network is unreachable" in first.words
    assert second.cause is PingCause.NETWORK_CUT
    assert diagnose(analyse(trace()), beating(0.1), unsent) == ()  # nothing was missing from outside


@pytest.mark.parametrize(
    ("stood", "lost", "late", "someone"),
    [
        (35.0, (), (), True),
        (35.0, range(50, 190), (), True),  # 7 s of silence do not explain 35 s
        (4.0, (), (), False),  # its kernel answers while its programs are frozen and thawed
        (7.0, GAP, (), False),
        (7.0, (), GAP, False),  # what was held back for it came late
        (35.0, range(50, 200), (), False),  # silent to the end: then it is gone
        (35.0, range(200), (), False),
    ],
)
def test_someone_else_answers_where_the_guest_surely_could_not(
    stood: float, lost: Collection[int], late: Collection[int], someone: bool
) -> None:
    assert someone_else_answers(analyse(trace(lost=lost, late=late)), beating(stood)) is someone


@pytest.mark.parametrize(
    ("count", "twice", "ttls", "doubled"),
    [
        (200, (), (64,), False),
        (200, (5,), (64,), False),
        (200, range(5), (64,), False),
        (200, range(6), (64,), True),  # more than a handful
        (200, (5,), (64, 63), True),  # one from a machine further away
        (200, range(200), (64,), True),  # two machines on one network have one TTL
        (30, range(3), (64,), True),  # one of ten
        (30, range(1), (64,), False),
        (20_000, range(40), (64,), False),  # an hour with a few of them
        (20_000, range(400), (64,), True),
    ],
)
def test_replies_that_come_twice(count: int, twice: Collection[int], ttls: tuple[int, ...], doubled: bool) -> None:
    assert is_doubled(analyse(trace(twice=twice, ttls=ttls, count=count))) is doubled
