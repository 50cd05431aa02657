"""Why a ping lost its thread: what pings and the guest's own pulse say together. Pure.

Each cause is told apart by something that only it leaves behind, so that the hint names what to mend.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from xenlab.probes.continuity import MINIMUM_ON_TIME, Continuity
from xenlab.probes.heartbeat import Pulse

_JITTER = 0.5
"""Seconds by which an answer may be late before that is worth a word."""


class Cause(StrEnum):
    """What can stand behind missing or odd replies."""

    NOT_SENT = "not sent"
    STARVED = "starved"
    FILTERED = "filtered"
    SILENT = "silent"
    TWO_MACHINES = "two machines"
    DOUBLED = "doubled"
    GUEST_STOOD_STILL = "guest stood still"
    NETWORK_CUT = "network cut"


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One cause, and in a clause what shows it and where to look."""

    cause: Cause
    words: str


def diagnose(
    outside: Continuity, pulse: Pulse | None = None, inside: Continuity | None = None
) -> tuple[Diagnosis, ...]:
    """Every cause that the probes show, the surest first; none where nothing was missing or odd.

    `pulse` and `inside` are the guest's own heartbeat and ping over the same time, where there were any: only
    with the former can a guest that stood still be told from a network that was cut.
    """
    return tuple(_causes(outside, pulse, inside))


def is_doubled_by_another(seen: Continuity) -> bool:
    """Whether packets were answered twice with different TTLs: by two machines, or over two ways."""
    return seen.duplicated > 0 and len(seen.ttls) > 1


def _causes(outside: Continuity, pulse: Pulse | None, inside: Continuity | None) -> Iterator[Diagnosis]:
    if outside.send_errors:
        words = f"{outside.send_errors} packets could not be sent: look at this machine's own route to the guest"
        yield Diagnosis(Cause.NOT_SENT, words)
    if outside.on_time is not None and outside.on_time < MINIMUM_ON_TIME:
        words = f"this machine sent only {outside.on_time:.0%} of its packets on time: give it less to do"
        yield Diagnosis(Cause.STARVED, words)
    if is_doubled_by_another(outside):
        ttls = " and ".join(map(str, outside.ttls))
        words = f"replies come twice, with TTL {ttls}: a second machine answers under the guest's address"
        yield Diagnosis(Cause.TWO_MACHINES, words)
    elif outside.duplicated:
        words = f"{outside.duplicated} replies came twice: a second machine has the guest's address, or bridges loop"
        yield Diagnosis(Cause.DOUBLED, words)
    if outside.sent and not outside.received:
        if inside is not None and inside.received:
            yield _filtered("though the guest's own ping is answered")
        else:
            yield Diagnosis(Cause.SILENT, "no ping is answered: look at the guest's address and its vif's bridge")
    elif pulse is not None and (silence := _silence(outside)):
        yield _behind(silence, pulse, inside)


def _silence(outside: Continuity) -> float:
    """For how long, in seconds, nothing came back for sure; 0 where that is not worth a word.

    What a host queues for a guest that is paused is answered late rather than lost, so arrivals count, too.
    """
    gap = outside.longest_gap - outside.gap_resolution if outside.longest_gap > 2.5 * outside.interval else 0.0
    late = outside.longest_silence - outside.interval
    return max(gap if outside.lost else 0.0, late if late > max(_JITTER, 2.5 * outside.interval) else 0.0)


def _behind(silence: float, pulse: Pulse, inside: Continuity | None) -> Diagnosis:
    still = f"{pulse.stood_still:.2f} s"
    if pulse.stood_still + pulse.interval >= silence / 2:
        words = f"the guest itself stood still for {still} of the {silence:.2f} s without a reply"
        return Diagnosis(Cause.GUEST_STOOD_STILL, words)
    if inside is not None and inside.received and inside.longest_gap < silence / 2:
        return _filtered("while the guest's own ping went on")
    words = f"the guest went on (still for {still} at most) through {silence:.2f} s without a reply"
    return Diagnosis(Cause.NETWORK_CUT, f"{words}: look at bridge, vif and ARP")


def _filtered(beside: str) -> Diagnosis:
    words = f"pings of the guest go unanswered, {beside}: a firewall drops echo requests or replies"
    return Diagnosis(Cause.FILTERED, words)
