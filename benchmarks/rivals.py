"""How others tell the length of an outage from a ping, each from the words of the program it uses.

tempest (downtime meter): lost packets times 0.2 s. openshift-virtualization-tests: (lost + 1) times 0.01 s.
icmplib.ping() and fping: lost packets times their interval. `ping -O -D` at 0.2 s: the longest step between
two replies' times, less an interval.
"""

import re
import signal
import subprocess
import sys
from dataclasses import dataclass
from itertools import pairwise

from xenlab.probes.ping_output import parse_ping

TEMPEST_INTERVAL, FINE_INTERVAL, ICMPLIB_TIMEOUT = 0.2, 0.01, 0.2
_ICMPLIB = (
    "import sys, icmplib; h = icmplib.ping(sys.argv[1], count=int(sys.argv[2]), privileged=True, "
    f"interval={FINE_INTERVAL}, timeout={ICMPLIB_TIMEOUT}); print(h.packets_sent - h.packets_received)"
)


@dataclass(frozen=True, slots=True)
class Rival:
    """A pinging program, and the names of the estimates that are made from its words."""

    argv: tuple[str, ...]
    estimates: tuple[str, ...]
    ends_itself: bool = False


def rivals(target: str, seconds: float, outage: float, loss: float) -> list[Rival]:
    """The programs to run beside each other for `seconds`."""
    # icmplib waits ICMPLIB_TIMEOUT for every lost packet: so many packets take about as long as the rest.
    count = (seconds - outage) / (FINE_INTERVAL + loss * ICMPLIB_TIMEOUT) + outage / (FINE_INTERVAL + ICMPLIB_TIMEOUT)
    return [
        Rival(("ping", "-n", "-O", "-D", "-i", f"{TEMPEST_INTERVAL}", target), ("tempest", "ping -O -D")),
        Rival(("ping", "-n", "-q", "-i", f"{FINE_INTERVAL}", target), ("openshift-virt",)),
        Rival(("fping", "-q", "-l", "-p", f"{FINE_INTERVAL * 1000:.0f}", target), ("fping",)),
        Rival((sys.executable, "-c", _ICMPLIB, target, f"{count:.0f}"), ("icmplib.ping",), ends_itself=True),
    ]


def start(rival: Rival) -> "subprocess.Popen[str]":
    """Start it in the background."""
    return subprocess.Popen(rival.argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def finish(rival: Rival, running: "subprocess.Popen[str]") -> dict[str, float]:
    """End it as its users do (SIGINT) and read its estimates of the outage, in seconds."""
    if not rival.ends_itself:
        running.send_signal(signal.SIGINT)
    words, _ = running.communicate(timeout=120)
    return {name: estimate(name, words) for name in rival.estimates}


def estimate(name: str, words: str) -> float:
    """The outage in seconds that the named way reads from a program's words."""
    match name:
        case "tempest":
            return _lost(words) * TEMPEST_INTERVAL
        case "openshift-virt":
            lost = _lost(words)
            return (lost + 1) * FINE_INTERVAL if lost else 0.0
        case "ping -O -D":
            stamps = [reply.stamp for reply in parse_ping(words).replies if reply.stamp is not None]
            return max(0.0, max((b - a for a, b in pairwise(stamps)), default=0.0) - TEMPEST_INTERVAL)
        case "fping":
            sent, received = map(int, re.findall(r"xmt/rcv/%loss = (\d+)/(\d+)/", words)[-1])
            return (sent - received) * FINE_INTERVAL
        case "icmplib.ping":
            return int(words) * FINE_INTERVAL
    raise ValueError(name)


def _lost(words: str) -> int:
    summary = parse_ping(words).summary
    if summary is None:
        raise ValueError(f"ping printed no summary: {words[-200:]!r}")
    return summary.transmitted - summary.received
