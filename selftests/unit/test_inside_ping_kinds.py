"""Ping output of unusual kinds: what the guest could not send, other languages and programs, and what no ping wrote."""

import contextlib
import time

import pytest

from xenlab.errors import CannotObserve
from xenlab.probes.continuity import Verdict, verdict
from xenlab.probes.inside import analyse_inside
from xenlab.probes.ping_output import parse_ping

# -- what the guest could not send ---------------------------------------------------------------------


def cut_off(unsent: int, answered: int = 20, by: str = "sendmsg: Network is unreachable", after: int = 30) -> str:
    """iputils with -D at 0.2 s: answered, then not to be sent, then answered again; it counts what it cannot send."""
    line = "[{:.6f}] 64 bytes from 10.1.1.1: icmp_seq={} ttl=64 time=0.200 ms"
    sequences = [*range(1, answered + 1), *range(answered + unsent + 1, answered + unsent + after + 1)]
    lines = [line.format(1_700_000_000 + n * 0.2, n) for n in sequences]
    lines[answered:answered] = [f"ping: {by}"] * unsent
    sent = answered + unsent + after
    return "\n".join(
        [
            "PING 10.1.1.1 (10.1.1.1) 56(84) bytes of data.",
            *lines,
            "",
            "--- 10.1.1.1 ping statistics ---",
            f"{sent} packets transmitted, {sent - unsent} received, 50% packet loss, time 20000ms",
        ]
    )


@pytest.mark.parametrize(
    ("unsent", "max_lost", "expected", "reason"),
    [
        (50, 2, Verdict.BROKEN, "for 10.2 s: Network is unreachable (50 of its pings lost, more than 2)"),
        (10, 2, Verdict.BROKEN, "for 2.2 s: Network is unreachable (10 of its pings lost, more than 2)"),
        (3, 2, Verdict.BROKEN, "for 0.8 s: Network is unreachable (3 of its pings lost, more than 2)"),
        (50, None, Verdict.BROKEN, "for 10.2 s: Network is unreachable (more than 3 s)"),
        (50, 99, Verdict.BROKEN, "for 10.2 s: Network is unreachable (more than 3 s)"),
        (10, None, Verdict.CONTINUOUS_WITHIN_THRESHOLD, "longest gap 2.20 s"),
        (2, 2, Verdict.CONTINUOUS, "longest gap 0.60 s"),  # a route that was away for half a second
    ],
)
def test_a_guest_that_could_not_send(unsent: int, max_lost: int | None, expected: Verdict, reason: str) -> None:
    seen = analyse_inside(parse_ping(cut_off(unsent)), 0.2, (10, 20 + unsent + 20))
    assert (seen.lost, seen.send_errors) == (unsent, unsent)
    judged = verdict(seen, 3.0, max_lost)
    assert judged.verdict is expected
    assert reason in judged.reason


@pytest.mark.parametrize(
    ("by", "why"),
    [
        ("sendmsg: Operation not permitted", "Operation not permitted"),
        ("sendmsg: Das Netzwerk ist nicht erreichbar", "Das Netzwerk ist nicht erreichbar"),
        ("sendto: No buffer space available", "No buffer space available"),
        ("sending packet: Network is down", "Network is down"),  # inetutils
        ("local error: message too long, mtu=1400", "local error: message too long, mtu=1400"),
    ],
)
def test_every_word_for_what_could_not_be_sent(by: str, why: str) -> None:
    judged = verdict(analyse_inside(parse_ping(cut_off(10, by=by)), 0.2, (10, 45)), 3.0, 2)
    assert judged.verdict is Verdict.BROKEN
    assert judged.reason.startswith(f"the guest could not send for 2.2 s: {why} (10 of its pings lost")


def test_a_guest_that_can_never_send_again() -> None:
    seen = analyse_inside(parse_ping(cut_off(60, after=0)), 0.2, (10, 70))
    assert (seen.gap_open, seen.lost) == (True, 60)
    judged = verdict(seen, 3.0, 2)
    assert judged.verdict is Verdict.BROKEN
    assert judged.reason.startswith("the guest could not send for 12.0 s: Network is unreachable (60 of its pings")


def test_a_guest_that_could_never_send() -> None:
    judged = verdict(analyse_inside(parse_ping(cut_off(30, answered=0, after=0)), 0.2), 3.0, 2)
    assert judged.verdict is Verdict.BROKEN
    assert judged.reason == "the guest could not send: Network is unreachable (none of its 30 pings was answered)"


def test_a_guest_that_could_not_send_at_first_had_no_thread_to_lose() -> None:
    judged = verdict(analyse_inside(parse_ping(cut_off(30, answered=0)), 0.2, (40, 50)), 3.0, 2)
    assert judged.passes


def test_more_loss_than_the_guest_could_not_send_is_told_as_loss() -> None:
    text = cut_off(2).replace("50 received", "49 received")
    kept = [line for line in text.splitlines() if "icmp_seq=27 " not in line]
    seen = analyse_inside(parse_ping("\n".join(kept)), 0.2, (10, 45))
    assert (seen.lost, seen.send_errors) == (3, 2)
    assert "packets lost, more than 2" in verdict(seen, 3.0, 2).reason


# -- other languages and other pings -------------------------------------------------------------------

# iputils 20221126 with its own catalogues (po/de.po, po/fr.po).
GERMAN = """\
PING 10.1.1.1 (10.1.1.1) 56(84) Bytes an Daten.
[1795473440.761640] 64 Bytes von 10.1.1.1: icmp_seq=1 ttl=64 Zeit=0.041 ms
[1795473440.966835] 64 Bytes von 10.1.1.1: icmp_seq=2 ttl=64 Zeit=0.051 ms
[1795473441.377592] noch keine Antwort für icmp_seq=3
Von 10.1.1.85 icmp_seq=3 Zielhost nicht erreichbar
[1795473441.581578] 64 Bytes von 10.1.1.1: icmp_seq=4 ttl=64 Zeit=0.052 ms

--- 10.1.1.1 ping-Statistik ---
4 Pakete übertragen, 3 empfangen, +1 Fehler, 25% packet loss, time 603ms
rtt min/avg/max/mdev = 0.041/0.048/0.052/0.005 ms
"""
FRENCH = """\
PING 10.1.1.1 (10.1.1.1) 56(84) octets de données.
64 octets de 10.1.1.1 : icmp_seq=1 ttl=64 temps=0,041 ms
64 octets de 10.1.1.1 : icmp_seq=2 ttl=64 temps=12,5 ms (DUP!)

--- statistiques ping 10.1.1.1 ---
2 paquets transmis, 2 reçus, 0 % paquets perdus, temps 1000 ms
"""
INETUTILS = """\
PING 10.1.1.1 (10.1.1.1): 56 data bytes
64 bytes from 10.1.1.1: icmp_seq=0 ttl=64 time=0.065 ms
64 bytes from 10.1.1.1: icmp_seq=1 ttl=64 time=0.149 ms
--- 10.1.1.1 ping statistics ---
2 packets transmitted, 2 packets received, 0% packet loss
"""


@pytest.mark.parametrize(
    ("text", "first", "sent", "lost"), [(GERMAN, 1, 4, 1), (FRENCH, 1, 2, 0), (INETUTILS, 0, 2, 0)]
)
def test_other_languages_and_other_pings(text: str, first: int, sent: int, lost: int) -> None:
    ping = parse_ping(text)
    assert (ping.first, ping.target, ping.complete) == (first, "10.1.1.1", True)
    seen = analyse_inside(ping, 0.2)
    assert (seen.sent, seen.lost, seen.ttls) == (sent, lost, (64,))


def test_what_others_said_in_another_language_is_kept() -> None:
    ping = parse_ping(GERMAN)
    assert ping.no_answer == (3,)
    assert [(e.sequence, e.text, e.local) for e in ping.errors] == [(3, "Zielhost nicht erreichbar", False)]
    assert parse_ping(FRENCH).replies[1].round_trip == pytest.approx(0.0125)


# -- what nobody should have to wait for ---------------------------------------------------------------

LARGE = 250_000
HOSTILE = {
    "one word": "x" * LARGE,
    "half a sequence": "icmp_seq=" * (LARGE // 9),
    "a number without end": "64 bytes from 1: icmp_seq=" + "9" * LARGE,
    "sequences on one line": "From " + " icmp_seq=1" * (LARGE // 11),
    "a name without end": "64 bytes from " + ":" * LARGE,
    "headers": "PING a (b)\n" * (LARGE // 11),
    "open brackets": "PING x (" + "(" * LARGE,
    "stamps": "[1.1] " * (LARGE // 6),
    "statistics": "PING a\n--- a\n" + "1 " * (LARGE // 2) + "\n" + "9" * LARGE,
    "signs": "PING a\n" + "+1" * (LARGE // 2),
    "complaints": "PING a\n" + "ping: sendmsg: x\n" * (LARGE // 17),
    "pings": "ping" * (LARGE // 4),
    "leaps": "PING a\n" + "".join(f"64 bytes from b: icmp_seq={n * 32000 % 65536} ttl=6\n" for n in range(LARGE // 37)),
    "a count": "PING a\n999999999999 packets transmitted, 1 received, 0%",
    "replies": "".join(f"64 bytes from b: icmp_seq={n % 65536} ttl=6\n" for n in range(LARGE // 37)),
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_much_of_anything_is_read_at_once(text: str) -> None:
    began = time.process_time()
    with contextlib.suppress(CannotObserve):
        assert not verdict(analyse_inside(parse_ping(text), 0.2, (3, 9)), 3.0, 2).passes
    assert time.process_time() - began < 1.5


def test_a_count_that_cannot_be_true_is_no_output_of_ping() -> None:
    with pytest.raises(CannotObserve, match="cannot be true"):
        parse_ping(HOSTILE["a count"])
