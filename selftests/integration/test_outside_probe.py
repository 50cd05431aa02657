"""The outside ping: its filters on bytes, and itself against this machine."""

import struct
import threading
import time

import pytest
from icmplib import ICMPSocketError, ICMPv4Socket, ICMPv6Socket
from icmplib.exceptions import SocketAddressError, SocketPermissionError

from xenlab.errors import CannotObserve, UsageError
from xenlab.probes import outside
from xenlab.probes.continuity import Verdict, analyse, verdict
from xenlab.probes.outside import OutsidePing, counter_of_reply, strip_ip_header

TOKEN = b"ourtoken"


def icmp_allowed() -> bool:
    for privileged in (False, True):
        try:
            ICMPv4Socket(privileged=privileged).close()
        except SocketPermissionError:
            continue
        return True
    return False


needs_icmp = pytest.mark.skipif(
    not icmp_allowed(), reason="no ICMP socket: neither root nor in net.ipv4.ping_group_range"
)


# -- bytes ---------------------------------------------------------------------------------------------


def message(counter: int, kind: int = 0, ident: int = 7, token: bytes = TOKEN, sequence: int | None = None) -> bytes:
    printed = counter & 0xFFFF if sequence is None else sequence
    return struct.pack("!BBHHH8sQ40x", kind, 0, 0, ident, printed, token, counter)


@pytest.mark.parametrize("counter", [1, 65535, 65536, 70000, 2**40 + 5])
def test_the_counter_outlives_the_sequence(counter: int) -> None:
    assert counter_of_reply(message(counter), 4, 7, TOKEN) == counter
    assert counter_of_reply(message(counter, kind=129), 6, None, TOKEN) == counter


@pytest.mark.parametrize(
    "foreign",
    [
        message(5, kind=8),  # our own request, seen on lo
        message(5, kind=3),  # destination unreachable
        message(5, ident=8),
        message(5, token=b"anothers"),
        message(5, sequence=6),
        message(0),
        message(5)[:-1],
        message(5)[:-1] + b"\1",  # mangled on the way
        message(5) + b"\0",
        b"",
    ],
)
def test_what_is_not_a_reply_to_us(foreign: bytes) -> None:
    assert counter_of_reply(message(5), 4, 7, TOKEN) == 5
    assert counter_of_reply(foreign, 4, 7, TOKEN) is None


def test_an_ip_header_may_carry_options() -> None:
    assert strip_ip_header(b"\x45" + bytes(19) + b"icmp") == b"icmp"
    assert strip_ip_header(b"\x47" + bytes(27) + b"icmp") == b"icmp"
    assert strip_ip_header(b"") == b""


# -- refusals ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("address", ["guest1", "10.1.1", "", "10.1.1.85/24"])
def test_only_addresses(address: str) -> None:
    with pytest.raises(UsageError, match="not an IP address"):
        OutsidePing(address)


def test_the_interval_is_positive() -> None:
    with pytest.raises(UsageError, match="positive"):
        OutsidePing("127.0.0.1", interval=0)


def refuse(error: ICMPSocketError) -> type:
    class Refusing:
        def __init__(self, source: str | None, privileged: bool) -> None:
            raise error

    return Refusing


@pytest.mark.parametrize(
    ("error", "raised", "says"),
    [
        (SocketPermissionError(True), CannotObserve, "cap_net_raw.*net.ipv4.ping_group_range"),
        (SocketAddressError("10.1.1.9"), UsageError, "not an address of this machine"),
        (ICMPSocketError("Address family not supported"), CannotObserve, "family not supported"),
    ],
)
def test_no_socket(monkeypatch: pytest.MonkeyPatch, error: ICMPSocketError, raised: type[Exception], says: str) -> None:
    monkeypatch.setattr(outside, "ICMPv4Socket", refuse(error))
    with pytest.raises(raised, match=says):
        OutsidePing("127.0.0.1", source="10.1.1.9").start()


@needs_icmp
def test_a_source_that_is_not_ours() -> None:
    with pytest.raises(UsageError, match=r"cannot ping from 192\.0\.2\.77"):
        OutsidePing("127.0.0.1", source="192.0.2.77").start()


# -- on the wire ---------------------------------------------------------------------------------------


@needs_icmp
def test_this_machine_answers() -> None:
    with OutsidePing("127.0.0.1", interval=0.01) as ping:
        ping.wait_for_replies(30, timeout=10)
    trace = ping.trace()
    seen = analyse(trace)
    assert seen.received >= 30
    assert (seen.lost, seen.send_errors, seen.duplicated, seen.reordered) == (0, 0, 0, 0)
    assert [p.sequence for p in trace.packets] == list(range(1, seen.sent + 1))
    assert all(p.sent is not None and 0 <= p.received[0] - p.sent < 5 for p in trace.packets)
    assert trace.packets[0].ttls == (64,)
    assert trace.started <= trace.send_times()[0] <= trace.send_times()[-1] <= trace.ended
    # On schedule: never early by more than the clock's grain, whatever else this machine does.
    assert seen.sent <= (trace.ended - trace.started) / 0.01 + 2
    assert verdict(seen, max_gap=5.0, minimum_on_time=0.0).verdict is Verdict.CONTINUOUS


@needs_icmp
def test_two_pings_at_once_do_not_mix() -> None:
    with OutsidePing("127.0.0.1", 0.01) as one, OutsidePing("127.0.0.1", 0.01) as other:
        one.wait_for_replies(10, timeout=10)
        other.wait_for_replies(10, timeout=10)
    for ping in (one, other):
        seen = analyse(ping.trace())
        assert (seen.lost, seen.duplicated) == (0, 0)


@needs_icmp
def test_ipv6() -> None:
    try:
        ICMPv6Socket("::1", privileged=True).close()
    except ICMPSocketError:
        pytest.skip("no ::1 on this machine")
    with OutsidePing("::1", 0.01) as ping:
        ping.wait_for_replies(5, timeout=10)
    assert ping.trace().packets[0].ttls == (64,)


@needs_icmp
def test_nobody_there() -> None:
    """TEST-NET-3: whether it is silence, a refusal or no route, it is never an answer."""
    ping = OutsidePing("203.0.113.1", interval=0.02)
    ping.start()
    began = time.monotonic()
    with pytest.raises(CannotObserve, match=r"no reply from 203\.0\.113\.1 in 0\.3 s"):
        ping.wait_for_replies(1, timeout=0.3)
    assert time.monotonic() - began < 3
    ping.stop(drain=0.1)
    seen = analyse(ping.trace())
    assert seen.received == 0
    assert seen.lost + seen.send_errors == len(ping.trace().packets) > 3
    assert verdict(seen, max_gap=1e9).verdict is Verdict.INSUFFICIENT


@needs_icmp
def test_a_packet_that_cannot_be_sent_is_no_loss() -> None:
    """The kernel refuses a broadcast address to a socket that did not ask for it."""
    with OutsidePing("255.255.255.255", 0.01) as ping, pytest.raises(CannotObserve, match="cannot send: "):
        ping.wait_for_replies(1, timeout=0.2)
    seen = analyse(ping.trace())
    assert (seen.sent, seen.lost) == (0, 0)
    assert seen.send_errors > 3
    assert ping.trace().packets[0].send_error


@needs_icmp
def test_a_trace_while_it_runs_leaves_out_what_may_yet_be_answered() -> None:
    with OutsidePing("127.0.0.1", 0.01) as ping:
        ping.wait_for_replies(5, timeout=10)
        early = ping.trace()
        assert all(t <= time.monotonic() - outside.SETTLED for t in early.send_times())
    assert len(ping.trace().packets) > len(early.packets)


@needs_icmp
def test_stopping_twice_and_leaving_no_thread() -> None:
    before = threading.active_count()
    ping = OutsidePing("127.0.0.1", 0.01)
    ping.stop()  # never started
    with ping:
        ping.wait_for_replies(2, timeout=10)
    ping.stop()
    assert threading.active_count() == before
