"""Why a ping lost its thread: what pings and the guest's own heartbeat say together. Pure.

Each cause is told apart by something that only it leaves behind, so that the hint names what to mend.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from xenlab.probes.continuity import MINIMUM_ON_TIME, Continuity
from xenlab.probes.heartbeat import Heartbeat

_JITTER = 0.5
"""Seconds by which an answer may be late before that is worth a word."""

_THAW = 5.0
"""Seconds for which a guest's kernel may answer pings while its programs stand still, being frozen and thawed around a
suspend (kernel/power/process.c)."""

_FEW_DOUBLED = 5
"""Replies that may come twice by chance."""


class PingCause(StrEnum):
    """What can stand behind missing or odd replies."""

    NOT_SENT = "not sent"
    STARVED = "starved"
    FILTERED = "filtered"
    SILENT = "silent"
    TWO_MACHINES = "two machines"
    DOUBLED = "doubled"
    SOMEONE_ELSE = "someone else answers"
    GUEST_COULD_NOT_SEND = "guest could not send"
    GUEST_STOOD_STILL = "guest stood still"
    NETWORK_CUT = "network cut"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One cause, and in a clause what shows it and where to look."""

    cause: PingCause
    words: str


def diagnose(
    outside: Continuity,
    heartbeat: Heartbeat | None = None,
    inside: Continuity | None = None,
    sender: str = "this machine",
) -> tuple[Diagnosis, ...]:
    """Every cause that the probes show, the surest first; none where nothing was missing or odd.

    `heartbeat` and `inside` are the guest's own heartbeat and ping over the same time, where there were any: only
    with the former can a guest that stood still be told from a network that was cut. `sender` sent the outside ping.
    """
    return tuple(_causes(outside, heartbeat, inside, sender))


def is_doubled(outside: Continuity) -> bool:
    """Whether more replies came twice than chance explains: 5 of a hundred or, of many, 5 of a thousand.

    One is too many where the two differ in TTL: they are of two machines, or came over two ways.
    """
    by_chance = min(outside.received / 20, max(_FEW_DOUBLED, outside.received / 200))
    return outside.duplicated > by_chance or (outside.duplicated > 0 and len(outside.ttls) > 1)


def someone_else_answers(outside: Continuity, heartbeat: Heartbeat) -> bool:
    """Whether replies came while the guest surely stood still."""
    return heartbeat.least > 2 * outside.longest_silence + _THAW and outside.received > 0 and not outside.gap_open


def _causes(
    outside: Continuity, heartbeat: Heartbeat | None, inside: Continuity | None, sender: str
) -> Iterator[Diagnosis]:
    if outside.send_errors:
        words = f"{outside.send_errors} packets could not be sent: look at the route from {sender} to the guest"
        yield Diagnosis(PingCause.NOT_SENT, words)
    if outside.on_time is not None and outside.on_time < MINIMUM_ON_TIME:
        words = f"{sender} sent only {outside.on_time:.0%} of its packets on time: give it less to do"
        yield Diagnosis(PingCause.STARVED, words)
    if heartbeat is not None and someone_else_answers(outside, heartbeat):
        yield Diagnosis(
            PingCause.SOMEONE_ELSE,
            f"someone else answers under the guest's address: the guest stood still for {heartbeat.least:.1f} s, and "
            f"no two replies are further apart than {outside.longest_silence:.2f} s",
        )
    if outside.duplicated and len(outside.ttls) > 1:
        ttls = " and ".join(map(str, outside.ttls))
        words = f"replies come twice, with TTL {ttls}: a second machine answers under the guest's address"
        yield Diagnosis(PingCause.TWO_MACHINES, words)
    elif outside.duplicated:
        words = f"{outside.duplicated} replies came twice: a second machine has the guest's address, or bridges loop"
        yield Diagnosis(PingCause.DOUBLED, words)
    if outside.sent and not outside.received:
        if inside is not None and inside.received:
            yield _filtered("though the guest's own ping is answered")
        else:
            yield Diagnosis(PingCause.SILENT, "no ping is answered: look at the guest's address and its vif's bridge")
    elif silence := _silence(outside):
        if inside is not None and inside.send_error:
            words = f"the guest could not send for {inside.could_not_send:.1f} s either: {inside.send_error}"
            yield Diagnosis(PingCause.GUEST_COULD_NOT_SEND, f"{words}; look at its route and its network device")
        if heartbeat is not None:
            yield _behind(silence, heartbeat, inside)
        elif outside.gap_open:
            words = f"nothing came back any more for {silence:.1f} s: the guest ended, or its vif on the target leads"
            yield Diagnosis(PingCause.GONE, f"{words} nowhere (see its console, and the uplink of its bridge there)")


def _silence(outside: Continuity) -> float:
    """For how long, in seconds, nothing came back for sure; 0 where that is not worth a word.

    What a host queues for a guest that is paused is answered late rather than lost, so arrivals count, too.
    """
    gap = outside.longest_gap - outside.gap_resolution if outside.longest_gap > 2.5 * outside.interval else 0.0
    late = outside.longest_silence - outside.interval
    return max(gap if outside.lost else 0.0, late if late > max(_JITTER, 2.5 * outside.interval) else 0.0)


def _behind(silence: float, heartbeat: Heartbeat, inside: Continuity | None) -> Diagnosis:
    still = f"{heartbeat.stood_still:.2f} s"
    if heartbeat.stood_still + heartbeat.interval >= silence / 2:
        words = f"the guest itself stood still for {still} of the {silence:.2f} s without a reply"
        return Diagnosis(PingCause.GUEST_STOOD_STILL, words)
    if inside is not None and inside.received and inside.longest_gap < silence / 2:
        return _filtered("while the guest's own ping went on")
    words = f"the guest went on (still for {still} at most) through {silence:.2f} s without a reply"
    return Diagnosis(PingCause.NETWORK_CUT, f"{words}: look at bridge, vif and ARP")


def _filtered(beside: str) -> Diagnosis:
    words = f"pings of the guest go unanswered, {beside}: a firewall drops echo requests or replies"
    return Diagnosis(PingCause.FILTERED, words)
