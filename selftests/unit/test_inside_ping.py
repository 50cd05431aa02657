"""Ping output from inside a guest: the report's transcripts, real iputils and busybox runs, and cut ones."""

import pytest

from xenlab.errors import CannotObserve
from xenlab.probes.continuity import Verdict, analyse, verdict
from xenlab.probes.inside import analyse_inside, inside_trace
from xenlab.probes.ping_output import PingOutput, parse_ping

# From the lab report: the start, the last line on the old host, the first on the new one.
REPORT = """\
PING google.com (108.177.14.100) 56(84) bytes of data.
64 bytes from lt-in-f100.1e100.net (108.177.14.100): icmp_seq=1 ttl=45 time=46.6 ms
64 bytes from lt-in-f100.1e100.net (108.177.14.100): icmp_seq=2 ttl=45 time=45.2 ms
64 bytes from lt-in-f100.1e100.net (108.177.14.100): icmp_seq=3 ttl=45 time=60.0 ms
"""
ON_CONSOLE = """\
artem@labubuntu:~$ sudo xl console guest1
64 bytes from lt-in-f113.1e100.net (108.177.14.113): icmp_seq=1957 ttl=45 time=312 ms
64 bytes from lt-in-f113.1e100.net (108.177.14.113): icmp_seq=1958 ttl=45 time=48.4 ms
64 bytes from lt-in-f113.1e100.net (108.177.14.113): icmp_seq=1959 ttl=45 time=43.9 ms
"""
BEFORE = "64 bytes from lt-in-f113.1e100.net (108.177.14.113): icmp_seq=23 ttl=45 time=45.3 ms"
AFTER = "64 bytes from lt-in-f113.1e100.net (108.177.14.113): icmp_seq=24 ttl=45 time=43.9 ms"

# Real runs of iputils 20221126 and busybox 1.35 over a veth pair.
LINK_DOWN = """\
PING 10.1.1.85 (10.1.1.85) 56(84) bytes of data.
[1795473433.281903] 64 bytes from 10.1.1.85: icmp_seq=1 ttl=64 time=0.424 ms
[1795473433.589655] 64 bytes from 10.1.1.85: icmp_seq=2 ttl=64 time=0.056 ms
[1795473433.909685] 64 bytes from 10.1.1.85: icmp_seq=3 ttl=64 time=0.062 ms
[1795473434.229757] 64 bytes from 10.1.1.85: icmp_seq=4 ttl=64 time=0.091 ms
[1795473434.869576] no answer yet for icmp_seq=5
[1795473435.189566] no answer yet for icmp_seq=6
[1795473435.509570] no answer yet for icmp_seq=7
[1795473435.509739] 64 bytes from 10.1.1.85: icmp_seq=8 ttl=64 time=0.091 ms
[1795473435.829653] 64 bytes from 10.1.1.85: icmp_seq=9 ttl=64 time=0.056 ms
[1795473436.149648] 64 bytes from 10.1.1.85: icmp_seq=10 ttl=64 time=0.045 ms
[1795473436.469709] 64 bytes from 10.1.1.85: icmp_seq=11 ttl=64 time=0.062 ms

--- 10.1.1.85 ping statistics ---
11 packets transmitted, 8 received, 27.2727% packet loss, time 3188ms
rtt min/avg/max/mdev = 0.045/0.110/0.424/0.119 ms
"""
STOPPED_AND_CONTINUED = """\
PING 10.1.1.85 (10.1.1.85) 56(84) bytes of data.
[1795473443.342376] 64 bytes from 10.1.1.85: icmp_seq=1 ttl=64 time=0.040 ms
[1795473443.548764] 64 bytes from 10.1.1.85: icmp_seq=2 ttl=64 time=0.051 ms
[1795473443.753630] 64 bytes from 10.1.1.85: icmp_seq=3 ttl=64 time=0.043 ms
[1795473443.957792] 64 bytes from 10.1.1.85: icmp_seq=4 ttl=64 time=0.042 ms
[1795473444.161674] 64 bytes from 10.1.1.85: icmp_seq=5 ttl=64 time=0.048 ms
[1795473445.929811] 64 bytes from 10.1.1.85: icmp_seq=6 ttl=64 time=0.042 ms
[1795473446.133655] 64 bytes from 10.1.1.85: icmp_seq=7 ttl=64 time=0.051 ms
[1795473446.337650] 64 bytes from 10.1.1.85: icmp_seq=8 ttl=64 time=0.041 ms
[1795473446.541666] 64 bytes from 10.1.1.85: icmp_seq=9 ttl=64 time=0.056 ms
[1795473446.745640] 64 bytes from 10.1.1.85: icmp_seq=10 ttl=64 time=0.047 ms

--- 10.1.1.85 ping statistics ---
10 packets transmitted, 10 received, 0% packet loss, time 3403ms
rtt min/avg/max/mdev = 0.040/0.046/0.056/0.005 ms
"""
QUEUED_FOR_ARP = """\
PING 10.1.1.85 (10.1.1.85) 56(84) bytes of data.
[1795473440.761640] 64 bytes from 10.1.1.85: icmp_seq=1 ttl=64 time=0.041 ms
[1795473440.966835] 64 bytes from 10.1.1.85: icmp_seq=2 ttl=64 time=0.051 ms
[1795473441.377592] no answer yet for icmp_seq=3
[1795473441.581578] no answer yet for icmp_seq=4
[1795473443.225720] 64 bytes from 10.1.1.85: icmp_seq=3 ttl=64 time=2053 ms
[1795473443.225752] 64 bytes from 10.1.1.85: icmp_seq=4 ttl=64 time=1848 ms

--- 10.1.1.85 ping statistics ---
4 packets transmitted, 4 received, 0% packet loss, time 2464ms
"""
UNREACHABLE = """\
PING 10.9.8.3 (10.9.8.3) 56(84) bytes of data.
[1795472290.902075] no answer yet for icmp_seq=1
[1795472292.950778] From 10.9.8.1 icmp_seq=1 Destination Host Unreachable
[1795472292.951985] From 10.9.8.1 icmp_seq=2 Destination Host Unreachable

--- 10.9.8.3 ping statistics ---
2 packets transmitted, 0 received, +2 errors, 100% packet loss, time 1073ms
pipe 4
"""
BUSYBOX = """\
PING 10.1.1.85 (10.1.1.85): 56 data bytes
64 bytes from 10.1.1.85: seq=0 ttl=64 time=0.065 ms
64 bytes from 10.1.1.85: seq=1 ttl=64 time=0.149 ms
64 bytes from 10.1.1.85: seq=2 ttl=64 time=0.079 ms

--- 10.1.1.85 ping statistics ---
3 packets transmitted, 3 packets received, 0% packet loss
round-trip min/avg/max = 0.065/0.097/0.149 ms
"""
BUSYBOX_CUT_OFF = """\
PING 10.1.1.85 (10.1.1.85): 56 data bytes
64 bytes from 10.1.1.85: seq=0 ttl=64 time=0.077 ms
64 bytes from 10.1.1.85: seq=1 ttl=64 time=0.098 ms
ping: sendto: Network is unreachable
"""


def written(
    answered: range | list[int],
    transmitted: int,
    interval: float = 1.0,
    jump: tuple[int, float] = (0, 0.0),
    stamps: bool = True,
) -> PingOutput:
    """Output as iputils writes it; from sequence jump[0] the guest's clock reads jump[1] seconds more."""
    lines = ["PING google.com (108.177.14.113) 56(84) bytes of data."]
    for n in answered:
        clock = 1700000000.0 + n * interval + (jump[1] if jump[0] and n >= jump[0] else 0.0)
        stamp = f"[{clock:.6f}] " if stamps else ""
        printed = n & 0xFFFF
        lines.append(f"{stamp}64 bytes from 108.177.14.113: icmp_seq={printed} ttl=45 time=0.0 ms")
    lines.append("--- google.com ping statistics ---")
    lines.append(f"{transmitted} packets transmitted, {len(answered)} received, 0% packet loss, time 1ms")
    return parse_ping("\n".join(lines))


# -- reading -------------------------------------------------------------------------------------------


def test_the_report_as_it_stands_has_no_summary() -> None:
    ping = parse_ping(REPORT)
    assert ping.target == "108.177.14.100"
    assert [(r.sequence, r.ttl) for r in ping.replies] == [(1, 45), (2, 45), (3, 45)]
    assert ping.replies[2].round_trip == pytest.approx(0.060)
    assert ping.replies[0].stamp is None
    assert ping.summary is None
    assert not ping.complete
    assert verdict(analyse_inside(ping, 1.0), 30.0).verdict is Verdict.INSUFFICIENT


def test_a_console_joined_in_the_middle_does_not_count_what_went_before() -> None:
    seen = analyse(inside_trace(parse_ping(ON_CONSOLE), 1.0))
    assert (seen.sent, seen.lost) == (3, 0)


def test_twenty_three_then_twenty_four() -> None:
    lines = [f"64 bytes from lt (108.177.14.113): icmp_seq={n} ttl=45 time=45.0 ms" for n in range(1, 31)]
    lines[22:24] = [BEFORE, AFTER]
    text = "\n".join([REPORT.splitlines()[0], *lines, "30 packets transmitted, 30 received, 0% packet loss"])
    seen = analyse_inside(parse_ping(text), 1.0, window_sequences=(22, 25))
    assert (seen.sent, seen.received, seen.lost, seen.longest_gap) == (30, 30, 0, 1.0)
    assert (seen.replies_before, seen.replies_after) == (22, 5)
    assert verdict(seen, 1.5).verdict is Verdict.CONTINUOUS


def test_lost_packets_of_a_real_run() -> None:
    ping = parse_ping(LINK_DOWN)
    assert ping.no_answer == (5, 6, 7)
    assert ping.complete
    seen = analyse_inside(ping, 0.3, window_sequences=(4, 8))
    assert (seen.sent, seen.received, seen.lost) == (11, 8, 3)
    assert (seen.last_before, seen.first_after, seen.gap_in_window) == (4, 8, True)
    assert seen.longest_gap == pytest.approx(1.2)
    assert seen.proven_outage == pytest.approx(0.6)


def test_a_ping_that_was_stopped_and_continued_shows_as_frozen() -> None:
    seen = analyse_inside(parse_ping(STOPPED_AND_CONTINUED), 0.2, window_sequences=(4, 7))
    assert seen.lost == 0
    assert seen.frozen == pytest.approx(1.568, abs=0.01)
    assert (seen.last_before, seen.first_after) == (5, 6)
    assert seen.longest_gap == pytest.approx(1.768, abs=0.01)
    assert seen.on_time is None
    assert verdict(seen, 2.0).verdict is Verdict.CONTINUOUS_WITHIN_THRESHOLD
    assert verdict(seen, 1.0).verdict is Verdict.INSUFFICIENT  # paused, or its clock was set


def test_replies_that_waited_for_arp_are_a_silence() -> None:
    seen = analyse_inside(parse_ping(QUEUED_FOR_ARP), 0.2)
    assert seen.lost == 0
    assert seen.longest_silence > 2.0


def test_errors_of_others_are_losses() -> None:
    ping = parse_ping(UNREACHABLE)
    assert [(e.sequence, e.text, e.local) for e in ping.errors] == [
        (1, "Destination Host Unreachable", False),
        (2, "Destination Host Unreachable", False),
    ]
    seen = analyse_inside(ping, 1.0)
    assert (seen.sent, seen.lost, seen.send_errors) == (2, 2, 0)
    assert verdict(seen, 30.0).verdict is Verdict.INSUFFICIENT


def test_packets_that_never_left_are_lost_and_told_as_such() -> None:
    lines = written([1, 2, 3, 6, 7, 8], 8)
    assert analyse_inside(lines, 1.0).lost == 2
    text = """\
PING 10.1.1.1 (10.1.1.1) 56(84) bytes of data.
64 bytes from 10.1.1.1: icmp_seq=1 ttl=64 time=0.1 ms
ping: sendmsg: Network is unreachable
no answer yet for icmp_seq=2
ping: sendmsg: Network is unreachable
no answer yet for icmp_seq=3
64 bytes from 10.1.1.1: icmp_seq=4 ttl=64 time=0.1 ms
4 packets transmitted, 2 received, 50% packet loss, time 3000ms
"""
    seen = analyse_inside(parse_ping(text), 1.0)
    assert (seen.sent, seen.received, seen.lost, seen.send_errors) == (4, 2, 2, 2)
    assert (seen.longest_gap, seen.could_not_send, seen.proven_outage) == (3.0, 3.0, 1.0)
    assert seen.send_error == "Network is unreachable"


def test_complaints_at_the_end_add_no_packets() -> None:
    """With stderr apart, the lines come after the summary; the count there is what was sent."""
    text = STOPPED_AND_CONTINUED + "ping: sendmsg: Network is unreachable\n"
    seen = analyse_inside(parse_ping(text), 0.2)
    assert (seen.sent, seen.lost, seen.send_errors) == (10, 0, 0)


def test_duplicates_and_bad_checksums() -> None:
    text = """\
PING 10.1.1.1 (10.1.1.1) 56(84) bytes of data.
64 bytes from 10.1.1.1: icmp_seq=1 ttl=64 time=0.10 ms
64 bytes from 10.1.1.1: icmp_seq=1 ttl=64 time=0.30 ms (DUP!)
64 bytes from 10.1.1.1: icmp_seq=2 ttl=64 time=0.20 ms (BAD CHECKSUM!)
64 bytes from 10.1.1.1: icmp_seq=3 ttl=64 time=0.20 ms

3 packets transmitted, 2 received, +1 duplicates, 33% packet loss, time 2000ms
"""
    ping = parse_ping(text)
    assert ping.summary is not None
    assert (ping.summary.transmitted, ping.summary.received) == (3, 2)
    seen = analyse_inside(ping, 1.0)
    assert (seen.received, seen.duplicated, seen.lost) == (2, 1, 1)
    assert ping.complete


def test_busybox() -> None:
    ping = parse_ping(BUSYBOX)
    assert (ping.first, ping.highest_sent, ping.complete) == (0, 2, True)
    seen = analyse_inside(ping, 1.0)
    assert (seen.sent, seen.lost, seen.longest_gap) == (3, 0, 1.0)


def test_busybox_gives_up_when_it_cannot_send() -> None:
    ping = parse_ping(BUSYBOX_CUT_OFF)
    assert [(e.sequence, e.local) for e in ping.errors] == [(2, True)]
    assert ping.summary is None
    seen = analyse_inside(ping, 1.0)
    assert (seen.send_errors, seen.gave_up) == (1, True)
    judged = verdict(seen, 30.0, 2)
    assert judged.verdict is Verdict.BROKEN
    assert judged.reason == "the guest could not send: Network is unreachable (its ping ended there)"


def test_a_record_that_was_cut_elsewhere_is_no_ping_that_gave_up() -> None:
    ping = parse_ping(BUSYBOX_CUT_OFF + "64 bytes from 10.1.1.85: seq=3 ttl=64 time=0.1 ms\n")
    seen = analyse_inside(ping, 1.0)
    assert (seen.lost, seen.gave_up) == (1, False)
    assert verdict(seen, 30.0, 2).verdict is Verdict.INSUFFICIENT


@pytest.mark.parametrize(
    ("header", "target"),
    [
        ("PING ::1(::1) 56 data bytes", "::1"),
        ("PING ip6-localhost (::1) 56 data bytes", "::1"),
        ("PING google.com(lt-in-x64.1e100.net (2a00:1450::64)) 56 data bytes", "2a00:1450::64"),
        ("PING 10.1.1.1 (10.1.1.1) from 10.1.1.85 : 56(84) bytes of data.", "10.1.1.1"),
    ],
)
def test_targets(header: str, target: str) -> None:
    assert parse_ping(header).target == target


def test_the_last_of_two_runs_counts() -> None:
    ping = parse_ping(UNREACHABLE + "\n" + BUSYBOX)
    assert ping.target == "10.1.1.85"
    assert not ping.errors


@pytest.mark.parametrize("text", ["", "root@guest1:~# \n", "bash: ping: command not found"])
def test_no_ping_at_all(text: str) -> None:
    with pytest.raises(CannotObserve, match="no output of ping"):
        parse_ping(text)


def test_a_ping_that_could_not_start() -> None:
    ping = parse_ping("ping: connect: Network is unreachable\n")
    assert ping.errors[0].text == "connect: Network is unreachable"
    seen = analyse_inside(ping, 1.0)
    assert seen.sent == 0
    assert verdict(seen, 30.0).verdict is Verdict.INSUFFICIENT


# -- a guest that stands still with its ping -----------------------------------------------------------


def test_while_it_ran_leaves_out_the_time_that_it_stood_still() -> None:
    ping = parse_ping(STOPPED_AND_CONTINUED)
    seen = analyse_inside(ping, 0.2, window_sequences=(4, 7), while_it_ran=True)
    assert seen.longest_gap == pytest.approx(0.2)
    assert verdict(seen, 1.0).verdict is Verdict.CONTINUOUS


def test_a_reply_under_way_when_the_guest_stood_still_was_not_late() -> None:
    text = STOPPED_AND_CONTINUED.replace("[1795473444.161674]", "[1795473445.929674]")
    text = text.replace("icmp_seq=5 ttl=64 time=0.048 ms", "icmp_seq=5 ttl=64 time=1768.048 ms")
    stood = analyse_inside(parse_ping(text), 0.2)
    ran = analyse_inside(parse_ping(text), 0.2, while_it_ran=True)
    assert stood.longest_silence > 1.7
    assert ran.longest_silence < 0.5


def test_late_replies_are_late_while_it_ran_as_well() -> None:
    assert analyse_inside(parse_ping(QUEUED_FOR_ARP), 0.2, while_it_ran=True).longest_silence > 2.0


# -- counting ------------------------------------------------------------------------------------------


def test_missing_lines_make_the_record_incomplete() -> None:
    """The summary says 8 received; a log with a line less has been cut, not lost a packet."""
    cut = [line for line in LINK_DOWN.splitlines() if "icmp_seq=9 " not in line]
    ping = parse_ping("\n".join(cut))
    assert not ping.complete
    assert verdict(analyse_inside(ping, 0.3), 30.0).verdict is Verdict.INSUFFICIENT


def test_sequences_wrap() -> None:
    ping = written(range(65530, 65545), 65544)
    assert [r.sequence for r in ping.replies] == list(range(65530, 65545))
    seen = analyse_inside(ping, 1.0)
    assert seen.lost == seen.lost_leading == 65529
    assert seen.longest_gap == 1.0


def test_a_packet_under_way_when_ping_was_stopped_is_not_lost() -> None:
    assert analyse_inside(written(range(1, 30), 30), 1.0).lost == 0
    assert analyse_inside(written(range(1, 29), 30), 1.0).lost == 2


def test_the_guest_never_answers_again() -> None:
    seen = analyse_inside(written(range(1, 24), 80), 1.0, window_sequences=(22, 40))
    assert (seen.lost, seen.gap_open, seen.last_before) == (57, True, 23)
    assert verdict(seen, 30.0).verdict is Verdict.BROKEN


def test_two_lost_of_many_as_measured() -> None:
    answered = [n for n in range(1, 515) if n not in (126, 127)]
    seen = analyse_inside(written(answered, 514, 0.2, stamps=False), 0.2, window_sequences=(60, 255))
    assert (seen.sent, seen.lost, seen.last_before, seen.first_after) == (514, 2, 125, 128)
    assert seen.longest_gap == pytest.approx(0.6)
    assert seen.gap_in_window
    assert verdict(seen, 1.0).verdict is Verdict.CONTINUOUS


def test_a_window_in_which_the_guest_sent_nothing() -> None:
    seen = analyse_inside(written(range(1, 40), 39, jump=(24, 8.0)), 1.0, window_sequences=(23, 23))
    assert (seen.replies_before, seen.replies_after, seen.gap_in_window) == (23, 16, True)
    assert seen.frozen == pytest.approx(8.0)
    assert seen.longest_gap == pytest.approx(9.0)


@pytest.mark.parametrize("edges", [(0, 20), (20, 39), (20, 99), (99, 120)])
def test_a_window_beyond_the_trace_is_insufficient(edges: tuple[int, int]) -> None:
    seen = analyse_inside(written(range(1, 40), 39), 1.0, window_sequences=edges)
    assert verdict(seen, 30.0).verdict is Verdict.INSUFFICIENT


def test_a_clock_that_was_set_is_no_pause() -> None:
    """The peer's wall clock is ten minutes ahead; the move took 40 s, so no pause can be longer."""
    ping = written(range(1, 40), 39, jump=(24, 600.0))
    assert analyse_inside(ping, 1.0).frozen == pytest.approx(600.0)
    seen = analyse_inside(ping, 1.0, pause_limit=40.0)
    assert (seen.frozen, seen.longest_gap) == (0.0, 1.0)


def test_a_clock_set_back_changes_nothing() -> None:
    seen = analyse_inside(written(range(1, 40), 39, jump=(24, -600.0)), 1.0)
    assert (seen.frozen, seen.longest_gap, seen.lost) == (0.0, 1.0, 0)


def test_the_trace_starts_where_it_is_told() -> None:
    trace = inside_trace(written(range(1, 11), 10), 1.0, started=500.0)
    assert (trace.started, trace.ended) == (500.0, 509.0)
    assert trace.send_times() == [500.0 + n for n in range(10)]
