"""What a watched move must have been like: pings that go on, one guest that answers, a disk that takes writes. Pure.

Each judgement is a function of the move's `Analysis`. What the guest left unreadable is unknown: never a pass, and
never a fault of the lab by itself.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from xenlab.lab.observed import NotJudged, ProgramOutput, Unknown
from xenlab.lab.places import Places, by_hand
from xenlab.lab.watch_analysis import Analysis, PingResult
from xenlab.outcomes import Finding
from xenlab.probes.anatomy import in_a_sentence
from xenlab.probes.continuity import Verdict
from xenlab.probes.diagnosis import PingCause, is_doubled
from xenlab.probes.neighbours import macs_at, plain_mac, who_has
from xenlab.remote.echoed import CLOSED_THERE, Echoed
from xenlab.remote.facts import Written

UPTIME_SLACK = 2.0
"""Seconds by which the guest's uptime may lag, once its stand-still is allowed for."""

SLOW_DISK = 30.0
"""Seconds between two writes that a disk which was slow before the move may take at most."""

WRITES_AFTER = 2
"""Writes that must follow the move: of the last one it is not known whether it reached the disk."""

_SEE_OUTSIDE = "the guest could not be asked after the move: see the ping from outside"


def findings(analysis: Analysis, macs: Collection[str] = (), routers: Collection[str] = ()) -> tuple[Finding, ...]:
    """Every judgement of a watched move, in the order of the lab sheet."""
    return (
        uptime_went_on(analysis),
        *connection_lived(analysis),
        one_machine_answers(analysis, macs, routers),
        outside_ping(analysis),
        inside_ping(analysis),
        *stood_still(analysis),
        writes_went_on(analysis),
    )


def remarks(analysis: Analysis) -> tuple[str, ...]:
    """What is not judged of this guest, and why: no fault, but to be said."""
    guest, left = analysis.observed.guest, analysis.heartbeat
    return (f"{guest}: how long it stood still is not judged: {left.why}",) if isinstance(left, NotJudged) else ()


def outside_ping(analysis: Analysis, places: Places | None = None) -> Finding:
    """The ping from outside did not lose its thread, from wherever it was sent, and it was the guest that answered.

    Each seat must have seen the guest go on: a host that it left and one that it came to may see different things.
    `places` is where the guest was once it had moved: one that is paused there answers nobody.
    """
    paused = places is not None and places.row is not None and places.row.paused
    judged = analysis.worst.judgement
    known = "; ".join(cause.words for cause in analysis.causes if cause.cause is not PingCause.SOMEONE_ELSE)
    stranger = next((cause.words for cause in analysis.causes if cause.cause is PingCause.SOMEONE_ELSE), "")
    too_little = judged.verdict is Verdict.INSUFFICIENT and not stranger
    return Finding(
        "outside-ping-continuous",
        None if too_little else judged.passes and not stranger,
        expected=f"no gap over {analysis.limits.max_gap:.1f} s in the replies of {analysis.observed.guest} to "
        f"{' and '.join(sorted(ping.seat for ping in analysis.outside))}",
        actual=stranger or "; ".join(map(_from_its_seat, analysis.outside)),
        hint=(stranger and f"{who_has(analysis.observed.address)} shows who answers: give each machine its own address")
        or (by_hand(places) if places and paused else known)
        or "look at the timeline: a gap in the migration window is downtime of the move, loss outside it is the "
        "network's",
        guest=analysis.observed.guest,
        evidence=analysis.observed.evidence,
    )


def inside_ping(analysis: Analysis) -> Finding:
    """The guest's own ping did not lose its thread, in the time in which the guest ran."""
    observed, inside = analysis.observed, analysis.inside
    holds: bool | None
    if isinstance(inside, Unknown):
        holds, actual, hint = None, f"not known: {inside.why}", inside.hint or _SEE_OUTSIDE
    else:
        judged = inside.judgement
        holds = None if judged.verdict is Verdict.INSUFFICIENT else judged.passes
        actual = f"{_edges(inside)}; {judged.reason}"
        if inside.continuity.frozen:
            actual += f"; it stood still with the guest for {inside.continuity.frozen:.2f} s"
        hint = "look at the timeline: what it lost in the migration window is the move's, what else the network's"
        if holds is None and isinstance(observed.inside, ProgramOutput) and observed.inside.ended_before:
            holds, actual = False, f"{actual}; it had ended by itself"
            hint = "the guest rebooted, or its ping was ended: see its kernel log"
    limits = analysis.limits
    return Finding(
        "inside-ping-continuous",
        holds,
        expected=f"at most {limits.max_lost} pings of {observed.ping_target} lost by {observed.guest}, and no gap over "
        f"{limits.max_gap:.1f} s while it runs (its ping stands still with it: for how long, the outside ping bounds)",
        actual=actual,
        hint=hint,
        guest=observed.guest,
        evidence=observed.evidence,
    )


def stood_still(analysis: Analysis) -> tuple[Finding, ...]:
    """The guest itself stood still for no longer than its replies may be missing; see `probes.heartbeat`.

    Nothing where the guest can have no heartbeat (see `remarks`).
    """
    left, most = analysis.heartbeat, analysis.limits.max_gap
    if isinstance(left, NotJudged):
        return ()
    holds: bool | None
    if isinstance(left, Unknown):
        holds, actual, hint = None, f"not known: {left.why}", left.hint or _SEE_OUTSIDE
    else:
        # Where its clocks leave it open, the time without a reply bounds it, too.
        heard = analysis.was_heard and analysis.silence <= most
        holds = True if left.stood_still <= most else False if left.least > most else heard or None
        actual = f"{left.stood_still:.2f} s"
        if left.corrected or left.stood_still > most >= left.least:
            reason = "its clock was set over the move, ours tells" if left.corrected else "known no better"
            actual += f" ({left.least:.2f} s to {left.most:.2f} s: {reason})"
        told = in_a_sentence(analysis.anatomy) if analysis.anatomy and analysis.anatomy.parts else ""
        hint = told or (
            "what it waits for is the target's: disks and vif (its hotplug scripts), and the last copy of its memory"
        )
    finding = Finding(
        "stood-still",
        holds,
        expected=f"{analysis.observed.guest} stands still for at most {most:.1f} s",
        actual=actual,
        hint=hint,
        guest=analysis.observed.guest,
        evidence=analysis.observed.evidence,
    )
    return (finding,)


def one_machine_answers(analysis: Analysis, macs: Collection[str] = (), routers: Collection[str] = ()) -> Finding:
    """No second machine answers under the guest's address: replies do not come twice, and its MAC has the address.

    `macs` are those of the guest's vifs, `routers` the MACs of machines that answer for it by proxy ARP, where its vif
    is routed; whose MAC has the address, each seat has seen. Where `macs` or the address's entries are missing, the
    replies alone tell.
    """
    observed, seen = analysis.observed, [ping.continuity for ping in analysis.outside]
    known = {plain_mac(mac) for mac in (*macs, *routers)} if macs else set()
    tables = {one.seat: one.neighbours for one in observed.outside}
    unseen = [f"{seat}: {table.why}" for seat, table in tables.items() if isinstance(table, Unknown)]
    holders = [
        mac for table in tables.values() if not isinstance(table, Unknown) for mac in macs_at(observed.address, table)
    ]
    strangers = sorted(set(holders) - known) if known else []
    doubled, received = sum(one.duplicated for one in seen), sum(one.received for one in seen)
    ttls = ", ".join(map(str, sorted({ttl for one in seen for ttl in one.ttls}))) or "none"
    actual = f"{doubled} of {received} replies came twice; TTLs seen: {ttls}"
    if holders and known:
        actual += f"; {observed.address} is at {' and '.join(dict.fromkeys(holders))}"
    elif unseen:
        actual += f"; whose MAC has the address could not be seen: {'; '.join(unseen)}"
    loop = "a second machine has the guest's address, or bridges form a loop and every packet comes twice"
    return Finding(
        "one-machine-answers",
        False if any(map(is_doubled, seen)) or strangers else None if unseen else True,
        expected=f"one machine answers to {observed.address}"
        + (f", at {' or '.join(sorted({plain_mac(mac) for mac in macs}))}" if macs else ""),
        actual=actual,
        hint=f"{loop}: {who_has(observed.address)} show who answers, bridge link the loop",
        guest=observed.guest,
        evidence=observed.evidence,
    )


def connection_lived(analysis: Analysis) -> tuple[Finding, ...]:
    """The TCP connection opened before the move carried every byte there and back, never reconnected.

    Nothing where the guest is reached by its console.
    """
    echoed = analysis.observed.echoed
    if echoed is None:
        return ()
    lived = Finding(
        "same-connection",
        None if echoed.lost_on_the_way else echoed.whole,
        expected="every byte sent over the TCP connection from before the move comes back on it",
        actual=str(echoed),
        hint=_why_broken(echoed),
        guest=analysis.observed.guest,
        evidence=analysis.observed.evidence,
    )
    return (lived,)


def _why_broken(echoed: Echoed) -> str:
    if echoed.lost_on_the_way:
        return "what the guest made of it cannot be told: see the machine on the way"
    if echoed.broken == CLOSED_THERE:
        return "the guest's own end closed it: was its sshd or that session ended there, or did it reboot?"
    return "the guest lost its network state: its address or MAC changed, or it rebooted"


def uptime_went_on(analysis: Analysis) -> Finding:
    """The guest's uptime rose by the time that passed, but for that in which the guest stood still.

    A program that ran through the move has seen no reboot; then all the time without a reply may have been such.
    """
    observed = analysis.observed
    before, after = observed.uptime_before, observed.uptime_after
    if isinstance(after, Unknown):
        after = observed.uptime_at_end
    expected = f"{observed.guest}'s uptime rises by the time that passes, less that in which it stands still"
    holds: bool | None
    if isinstance(before, Unknown) or isinstance(after, Unknown):
        why = before.why if isinstance(before, Unknown) else after.why if isinstance(after, Unknown) else ""
        holds, actual, hint = None, f"not known: {why}", _SEE_OUTSIDE
    else:
        passed = after.earliest - before.latest
        still = analysis.limits.max_gap
        if _ran_on(observed.inside, observed.heartbeat, observed.writes):
            still = max(analysis.silence, analysis.beating.most if analysis.beating else 0.0)
        holds = after.uptime >= before.uptime + passed - still - UPTIME_SLACK
        expected += f": from {before.uptime:.0f} s to {before.uptime + passed:.0f} s"
        actual, hint = f"{after.uptime:.0f} s", "the guest rebooted: this was not a live migration"
    return Finding(
        "uptime-goes-on",
        holds,
        expected=expected,
        actual=actual,
        hint=hint,
        guest=observed.guest,
        evidence=observed.evidence,
    )


def writes_went_on(analysis: Analysis) -> Finding:
    """A program that writes 1, 2, 3... to the guest's disk, each before the next, went on through the move.

    It wrote before and after, without a hole or a complaint, and the disk kept it waiting no longer than replies may
    be missing (or than three times what it took before the move), beside the time in which the guest stood still.
    """
    observed, left, written = analysis.observed, analysis.observed.writes, analysis.written
    holds: bool | None
    hint = "the guest's disk did not follow it: see the share's mount on the target, and the guest's kernel log"
    if isinstance(left, Unknown) or isinstance(written, Unknown):
        why = left.why if isinstance(left, Unknown) else written.why if isinstance(written, Unknown) else ""
        holds, actual, hint = None, f"not known: {why}", _SEE_OUTSIDE
    else:
        pauses = _pauses(analysis, written)
        wrong = next(_wrong_writes(analysis, left, written, pauses), None)
        longest = max(pauses, key=lambda pause: pause.waited, default=None)
        shown = f"{len(written.numbers)} writes" + (f"; longest pause {longest}" if longest else "")
        holds = None if wrong and wrong.unclear else wrong is None
        actual = f"{shown}; {wrong.words}" if wrong else shown
    return Finding(
        "writes-go-on",
        holds,
        expected="synced writes 1, 2, 3... before, during and after the move",
        actual=actual,
        hint=hint,
        guest=observed.guest,
        evidence=observed.evidence,
    )


@dataclass(frozen=True, slots=True)
class _Pause:
    """Time between two writes by the guest's uptime, and how much of it the guest did not run; in seconds."""

    start: float
    end: float
    stood: float

    @property
    def waited(self) -> float:
        """For how long the guest ran without a write."""
        return max(0.0, self.end - self.start - self.stood)

    def __str__(self) -> str:
        stood = f" while it ran, beside {self.stood:.2f} s in which it stood still" if self.stood > 0.1 else ""
        return f"{self.waited:.2f} s{stood}"


@dataclass(frozen=True, slots=True)
class _Wrong:
    words: str
    unclear: bool = False


def _pauses(analysis: Analysis, written: Written) -> tuple[_Pause, ...]:
    """The times between two writes, the last one being up to when the writer was stopped."""
    ends = [*written.uptimes]
    if not isinstance(analysis.observed.uptime_at_end, Unknown):
        ends.append(analysis.observed.uptime_at_end.uptime)
    pairs = list(pairwise(ends))
    beat = analysis.beating
    if beat is not None:
        still = (max(0.0, min(b, beat.first_after) - max(a, beat.last_before)) for a, b in pairs)
        return tuple(_Pause(a, b, stood) for (a, b), stood in zip(pairs, still, strict=True))
    # Without a heartbeat the guest may have stood still as long as nothing was heard of it: in its longest pause.
    longest = max(pairs, key=lambda pair: pair[1] - pair[0], default=None)
    stood = analysis.silence + analysis.put_ahead
    return tuple(_Pause(a, b, min(b - a, stood) if (a, b) == longest else 0.0) for a, b in pairs)


def _wrong_writes(
    analysis: Analysis, left: ProgramOutput, written: Written, pauses: Sequence[_Pause]
) -> Iterator[_Wrong]:
    """What speaks against writes that went on, the surest first."""
    if written.complaints:
        yield _Wrong("; ".join(written.complaints[:2]))
    if written.numbers and not written.is_unbroken and not written.complaints:
        hole = next(n for n, number in enumerate(written.numbers, 1) if n != number)
        yield _Wrong(f"number {hole} is missing")
    if left.hung:
        yield _Wrong("the writer cannot be ended: it waits for the disk")
    if left.ended_before:
        yield _Wrong("the writer had ended by itself")
    slow = _slow_before(analysis, pauses)
    over, end = _uptime_when_over(analysis), analysis.observed.uptime_at_end
    if over is None or isinstance(end, Unknown):
        yield _Wrong("when the move was over on the guest's clock is not known", unclear=True)
    elif (after := sum(uptime > over for uptime in written.uptimes)) < WRITES_AFTER:
        left_over = end.uptime - over
        yield _Wrong(f"{after} of them in the {left_over:.1f} s after the move", unclear=left_over < slow + 2.0)
    most = max(analysis.limits.max_gap, slow)
    if any(pause.waited > most for pause in pauses):
        yield _Wrong(f"the disk kept it waiting for more than {most:.1f} s")


def _slow_before(analysis: Analysis, pauses: Sequence[_Pause]) -> float:
    """What a disk as slow as it was before the move may take, in seconds."""
    before = analysis.observed.uptime_before
    if isinstance(before, Unknown):
        return 0.0
    return min(SLOW_DISK, 3 * max((pause.waited for pause in pauses if pause.end <= before.uptime), default=0.0))


def _uptime_when_over(analysis: Analysis) -> float | None:
    """The guest's uptime when `xl migrate` had ended, or a little later."""
    readings = (analysis.observed.uptime_after, analysis.observed.uptime_at_end)
    known = [one for one in readings if not isinstance(one, Unknown)]
    return min((one.uptime - max(0.0, one.earliest - analysis.window.end) for one in known), default=None)


def _ran_on(*programs: ProgramOutput | Unknown | NotJudged) -> bool:
    """Whether some program from before the move was still there after it."""
    return any(isinstance(program, ProgramOutput) and not program.ended_before for program in programs)


def _edges(ping: PingResult) -> str:
    seen = ping.continuity
    return f"last packet before: icmp_seq={seen.last_before}, first after: icmp_seq={seen.first_after}"


def _from_its_seat(ping: PingResult) -> str:
    return f"from {ping.seat}: {_edges(ping)}; {ping.judgement.reason}"
