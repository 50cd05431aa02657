"""The outside ping of a host, read from what iputils 20221126 really wrote between two network namespaces.

pings/lost.txt: the far end ignored pings for half a second. queued.txt: its link was down for 4.5 s, so that the kernel
looked for a neighbour that was gone. stalled.txt: the same with ping's own small buffer, without -S.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paths import PINGS

from xenlab.errors import CannotObserve
from xenlab.probes.continuity import Continuity, Verdict, analyse, verdict
from xenlab.probes.host_ping import ClockOffset, ClockReading, clock_offset, host_trace
from xenlab.probes.neighbours import macs_at, neighbours
from xenlab.probes.ping_output import PingOutput, ReplyLine, parse_ping
from xenlab.probes.trace import PingTrace


def recorded(name: str) -> PingOutput:
    return parse_ping((PINGS / f"{name}.txt").read_text())


def traced(name: str) -> PingTrace:
    """With its first reply at 100 s of this machine's clock."""
    ping = recorded(name)
    assert ping.replies[0].stamp is not None
    return host_trace(ping, 0.05, ClockOffset(100.0 - ping.replies[0].stamp, 0.02), 99.9, 110.0)


def seen(name: str) -> Continuity:
    return analyse(traced(name))


def test_every_packet_is_laid_on_this_machines_clock() -> None:
    trace = traced("lost")
    assert [packet.sequence for packet in trace.packets] == list(range(1, 26))
    first, second = trace.packets[:2]
    assert first.received == pytest.approx((100.0,))
    assert second.sent == pytest.approx(100.056, abs=0.01)  # -i 0.05 is not kept to the millisecond
    assert (trace.clock_error, trace.complete, trace.by_guest) == (0.02, True, False)
    assert {ttl for packet in trace.packets for ttl in packet.ttls} == {64}


def test_an_outage_is_what_it_was() -> None:
    found = seen("lost")
    assert (found.last_before, found.first_after, found.lost) == (9, 19, 9)
    assert found.longest_gap - found.gap_resolution < 0.5 < found.longest_gap
    assert found.gap_resolution < 0.13  # the notes tell when the lost ones were sent
    assert verdict(found, 1.0).verdict is Verdict.CONTINUOUS
    assert verdict(found, 0.3).verdict is Verdict.BROKEN


def test_replies_that_were_queued_come_late_and_are_not_lost() -> None:
    found = seen("queued")
    assert found.longest_silence == pytest.approx(5.26, abs=0.01)  # till the neighbour was found again
    assert found.longest_gap == pytest.approx(3.22, abs=0.01)
    assert found.on_time is not None
    assert found.on_time > 0.95
    assert verdict(found, 4.0).verdict is Verdict.BROKEN


def test_a_ping_that_could_not_send_is_no_witness() -> None:
    """Its sequence stood still at 20: counting lost packets would read 2 s of silence as 12 times 50 ms."""
    ping, found = recorded("stalled"), seen("stalled")
    assert sum(sequence == 20 for sequence, _ in ping.noted) > 30
    assert found.lost == 12
    assert found.longest_silence > 5.0
    assert found.worst_lateness > 2.0
    assert verdict(found, 4.0).verdict is Verdict.INSUFFICIENT


def test_one_that_was_killed_is_not_whole() -> None:
    text = (PINGS / "lost.txt").read_text().partition("\n---")[0]
    trace = host_trace(parse_ping(text), 0.05, ClockOffset(0, 0), 0, 0)
    assert not trace.complete
    assert verdict(analyse(trace), 3.0).verdict is Verdict.INSUFFICIENT


def test_doubles_and_what_this_host_could_not_send() -> None:
    text = """PING 192.0.2.85 (192.0.2.85) 56(84) bytes of data.
[1000.100] icmp_seq=1 ttl=64 time=100 ms
[1000.160] icmp_seq=1 ttl=63 time=160 ms (DUP!)
ping: sendmsg: Operation not permitted
[1000.300] icmp_seq=3 ttl=64 time=200 ms

--- 192.0.2.85 ping statistics ---
3 packets transmitted, 2 received, +1 duplicates, 33% packet loss, time 100ms
"""
    found = analyse(host_trace(parse_ping(text), 0.05, ClockOffset(0, 0), 999.0, 1001.0))
    assert (found.sent, found.received, found.duplicated, found.send_errors) == (2, 2, 1, 1)
    assert found.ttls == (63, 64)
    assert found.lost == 0  # the fault of who pings is none of the guest's


def test_a_reply_printed_late_does_not_overtake_the_next_packet() -> None:
    """What is printed 80 ms late seems to be sent as late."""
    ping = PingOutput("x", 1, (ReplyLine(1, 10.0, 0.001), ReplyLine(2, 10.13, 0.001), ReplyLine(3, 10.1, 0.001)))
    sent = [packet.sent for packet in host_trace(ping, 0.05, ClockOffset(0, 0), 9.0, 11.0).packets]
    assert sent == sorted(sent)  # type: ignore[type-var]


def test_nothing_is_known_of_when_nothing_came_back() -> None:
    ping = parse_ping(
        "PING x (192.0.2.1) 56(84) bytes of data.\n\n--- x ping statistics ---\n"
        "20 packets transmitted, 0 received, 100% packet loss, time 1ms\n"
    )
    trace = host_trace(ping, 0.05, ClockOffset(5.0, 0.1), 50.0, 51.0)
    assert len(trace.packets) == 20
    assert all(50.0 <= packet.sent <= 51.0 for packet in trace.packets if packet.sent is not None)
    assert analyse(trace).lost == 20


@given(
    st.lists(st.tuples(st.integers(1, 400), st.floats(0, 1e6), st.floats(0, 30)), max_size=60),
    st.lists(st.tuples(st.integers(1, 400), st.floats(0, 1e6)), max_size=60),
)
def test_whatever_the_stamps_say_the_trace_is_one(
    replies: list[tuple[int, float, float]], noted: list[tuple[int, float]]
) -> None:
    ping = PingOutput("x", 1, tuple(ReplyLine(*reply) for reply in replies), tuple(n for n, _ in noted), tuple(noted))
    trace = host_trace(ping, 0.05, ClockOffset(0, 0), 0, 1e6)
    assert {packet.sequence for packet in trace.packets if packet.received} == {number for number, *_ in replies}
    assert all(packet.sent is not None for packet in trace.packets)  # in order, or PingTrace would not take them


# -- the host's clock ----------------------------------------------------------------------------------


def test_readings_that_bracket_the_clock_bound_its_offset() -> None:
    """The clock is 900 s ahead of ours; no reading is surer than its round trip."""
    one = ClockReading(1000.0, 99.5, 100.1)
    assert clock_offset([one]) == ClockOffset(pytest.approx(-900.2), pytest.approx(0.3, abs=0.001))
    both = clock_offset([one, ClockReading(1010.0, 109.9, 111.0)])
    assert both.seconds == pytest.approx(-900.0)
    assert both.error == pytest.approx(0.1, abs=0.01)


@given(st.lists(st.tuples(st.floats(0, 5000), st.floats(0.01, 2), st.floats(0, 1)), min_size=1), st.floats(-1e9, 1e9))
def test_the_true_offset_lies_within_the_error(readings: list[tuple[float, float, float]], truth: float) -> None:
    made = [ClockReading(at - truth, at - trip * share, at + trip * (1 - share)) for at, trip, share in readings]
    found = clock_offset(made)
    assert abs(found.seconds - truth) <= found.error + 1e-6


def test_a_clock_that_was_set_meanwhile_measures_nothing() -> None:
    before = ClockReading(1000.0, 99.9, 100.0)
    with pytest.raises(CannotObserve, match=r"its clock was set, by 4\.\d\d s or more, while it pinged"):
        clock_offset([before, ClockReading(1015.0, 109.9, 110.0)])
    clock_offset([before, ClockReading(1010.05, 109.9, 110.0)])  # slewed
    with pytest.raises(CannotObserve, match="not read"):
        clock_offset([])


# -- neighbours ----------------------------------------------------------------------------------------


def test_a_hosts_neighbours() -> None:
    table = """IP address       HW type     Flags       HW address            Mask     Device
10.1.1.85        0x1         0x2         00:16:3E:5D:8A:01     *        xenbr0
10.1.1.86        0x1         0x0         00:00:00:00:00:00     *        xenbr0
"""
    assert neighbours(table) == (("10.1.1.85", "00:16:3e:5d:8a:01"),)
    assert neighbours("") == ()


def test_a_hosts_neighbours_by_ipv6() -> None:
    """As `ip -6 neigh show` of iproute2 6.1 has them."""
    table = """fe80::216:3eff:fe5d:8a01 dev xenbr0 lladdr 00:16:3e:5d:8a:01 STALE
2001:db8::85 dev xenbr0 lladdr 00:16:3E:5D:8A:01 REACHABLE
fe80::1 dev xenbr0 lladdr 52:54:00:00:00:01 router STALE
2001:db8::86 dev xenbr0 FAILED
2001:db8::87 dev xenbr0 INCOMPLETE
"""
    found = neighbours(table)
    assert macs_at("2001:db8:0::85", found) == ["00:16:3e:5d:8a:01"]
    assert macs_at("fe80::1%xenbr0", found) == ["52:54:00:00:00:01"]
    assert macs_at("2001:db8::86", found) == macs_at("2001:db8::87", found) == []
