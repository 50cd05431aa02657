"""Watching a guest while it moves: pings from outside and inside, one SSH connection, a running write.

A guest that is reached by its console has no such connection; then nothing is said of it.
"""

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass

from xenlab.errors import CannotObserve, LabFault
from xenlab.lab.guest import Guest
from xenlab.lab.migration import Migration
from xenlab.labfile import ProbeSpec
from xenlab.outcomes import EchoSummary, Finding, MigrationRecord
from xenlab.probes import heartbeat
from xenlab.probes.continuity import Continuity, PingTrace, Verdict, Window, analyse, to_summary, verdict
from xenlab.probes.diagnosis import Diagnosis, diagnose, is_doubled_by_another
from xenlab.probes.heartbeat import Pulse, feel, parse_heartbeat
from xenlab.probes.inside import analyse_inside, inside_trace, parse_ping
from xenlab.probes.outside import OutsidePing
from xenlab.remote import commands, facts
from xenlab.remote.activity import activity
from xenlab.remote.echo import Echo, Echoed
from xenlab.remote.facts import Written
from xenlab.remote.waiting import wait_for

INSIDE_LOG = "/root/.xenlab-ping"
WRITER_LOG = "/root/.xenlab-writer"
HEARTBEAT_LOG = "/dev/shm/.xenlab-heartbeat"  # noqa: S108 - in the guest, where no disk is waited for
HEARTBEAT_MS = 50
ECHO_SECONDS = 0.25
# TCP doubles its patience at each loss (RFC 6298): after an outage it may stay silent for as long again.
_ECHO_PATIENCE_SECONDS = 90.0
_FIRST_REPLIES_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Seen:
    """One ping's trace over a move and what it shows; `name` is "outside" or "inside".

    `causes` say what stands behind what is missing or odd in it, where that is known.
    """

    name: str
    guest: str
    trace: PingTrace
    continuity: Continuity
    max_gap: float
    max_lost: int | None
    causes: tuple[Diagnosis, ...] = ()

    def is_continuous(self) -> Finding:
        """The ping did not lose its thread.

        :raises CannotObserve: too little was seen to say; that is never a pass.
        """
        judged = verdict(self.continuity, self.max_gap, self.max_lost)
        seen = self.continuity
        known = "; ".join(diagnosis.words for diagnosis in self.causes)
        if judged.verdict is Verdict.INSUFFICIENT:
            raise CannotObserve(f"the {self.name} ping of {self.guest} says too little: {judged.reason}", hint=known)
        lost = "" if self.max_lost is None else f", at most {self.max_lost} lost"
        return Finding(
            f"{self.name}-ping-continuous",
            judged.passes,
            expected=f"no gap over {self.max_gap:.1f} s{lost}",
            actual=f"last packet before: icmp_seq={seen.last_before}, first after: "
            f"icmp_seq={seen.first_after}; {judged.reason}",
            hint=known
            or "look at the timeline: a gap in the migration window is downtime of the move, loss "
            "outside it is the network's",
            guest=self.guest,
        )

    def is_answered_by_one(self) -> Finding:
        """No second machine answers under the guest's address."""
        ttls = ", ".join(map(str, self.continuity.ttls))
        return Finding(
            "one-machine-answers",
            not is_doubled_by_another(self.continuity),
            expected=f"one machine answers to the address of {self.guest}",
            actual=f"{self.continuity.duplicated} replies came twice; TTLs seen: {ttls or 'none'}",
            hint="another machine has the guest's address: give each its own (arping -D shows both)",
            guest=self.guest,
        )


@dataclass(slots=True)
class _Inside:
    """What runs in the guest while it is watched, by process id, and what it left."""

    ping: int
    writer: int
    heartbeat: int
    started: float
    ping_text: str = ""
    heartbeat_text: str = ""
    written: Written | None = None


class Watch:
    """What was seen of one guest between the start of the pings and their end."""

    def __init__(self, guest: Guest, probes: ProbeSpec) -> None:
        self.guest = guest
        self._probes = probes
        self._outside = OutsidePing(guest.address, probes.outside_interval_ms / 1000)
        self._within: _Inside | None = None
        self._window = (0, 0)
        self._echoed: Echoed | None = None
        self._uptime_before = 0.0

    @contextmanager
    def running(self) -> Iterator[None]:
        """Have every probe prove that it works, then run them around the body, and settle on both sides."""
        self._uptime_before = self.guest.inside.uptime
        with self._echoing() as echo, self._outside:
            within = self._within = self._start_within()
            try:
                self._await_first_replies(echo)
                self._settle()
                before = self._inside_sequence()
                yield
                # A guest that rebooted has nothing to read; whoever asks for the inside ping is told.
                with suppress(CannotObserve, LabFault):
                    self._window = (before, self._inside_sequence())
                self._settle()
                if echo:
                    self._echoed = echo.finish(_ECHO_PATIENCE_SECONDS)
            finally:
                self._stop_within(within)

    def outside(self, move: Migration) -> Seen:
        """What the ping from outside saw of the move."""
        trace = self._outside.trace()
        seen = analyse(trace, Window(move.started, move.ended))
        max_gap = self._probes.max_outside_gap_ms / 1000
        inside = None
        with suppress(CannotObserve):
            inside = self.inside(move).continuity
        return Seen("outside", self.guest.name, trace, seen, max_gap, None, diagnose(seen, self.pulse, inside))

    def inside(self, move: Migration) -> Seen:
        """What the guest's own ping saw: sequences and gaps only, as its clock may step.

        :raises CannotObserve: it left nothing to read, since the guest rebooted, say.
        """
        within = self._ran_within()
        interval = self._probes.inside_interval_ms / 1000
        ping = parse_ping(within.ping_text)
        trace = inside_trace(ping, interval, move.seconds, within.started)
        seen = analyse_inside(ping, interval, self._window, pause_limit=move.seconds)
        # The pinger stands still with its guest: how long, the outside ping says; here sequences count.
        max_gap = self._probes.max_outside_gap_ms / 1000
        return Seen("inside", self.guest.name, trace, seen, max_gap, self._probes.max_inside_lost)

    @property
    def pulse(self) -> Pulse | None:
        """The guest's heartbeat, or None where it left none: no bash in the guest, or it rebooted."""
        with suppress(CannotObserve):
            return feel(parse_heartbeat(self._ran_within().heartbeat_text), HEARTBEAT_MS / 1000)
        return None

    def connection_lived(self) -> tuple[Finding, ...]:
        """The TCP connection opened before the move carried every byte there and back, never reconnected.

        Nothing where the guest is reached by its console.
        """
        if self.guest.spec.login == "console":
            return ()
        echoed = self._echoed
        lived = Finding(
            "same-connection",
            echoed is not None and echoed.whole,
            expected="every byte sent over the TCP connection from before the move comes back on it",
            actual=str(echoed) if echoed else "no byte was sent",
            hint="the guest lost its network state: its address or MAC changed, or it rebooted",
            guest=self.guest.name,
        )
        return (lived,)

    def uptime_went_on(self, move: Migration) -> Finding:
        """The guest's uptime is no less than before plus the time it was seen running."""
        now = self.guest.inside.uptime
        return Finding(
            "uptime-goes-on",
            now > self._uptime_before,
            expected=f"uptime over {self._uptime_before:.0f} s, as it was before a move of {move.seconds:.0f} s",
            actual=f"{now:.0f} s",
            hint="the guest rebooted: this was not a live migration",
            guest=self.guest.name,
        )

    def writes_went_on(self) -> Finding:
        """A program that wrote 1, 2, 3... to the guest's disk, each synced, has gone on without a hole."""
        written = self._ran_within().written
        count = len(written.numbers) if written else 0
        return Finding(
            "writes-go-on",
            written is not None and written.is_unbroken and count > 1,
            expected="synced writes 1, 2, 3... without a hole",
            actual=f"{count} numbers, {'unbroken' if written and written.is_unbroken else 'broken'}"
            + (f": {'; '.join(written.complaints[:2])}" if written and written.complaints else ""),
            hint="the guest's disk did not follow it: see the share's mount on the target",
            guest=self.guest.name,
        )

    def record(self, move: Migration) -> MigrationRecord:
        """The move with all figures, for the grade."""
        outside, inside, pulse, echoed = self.outside(move), self.inside(move), self.pulse, self._echoed
        return move.record().model_copy(
            update={
                "outside": to_summary(outside.continuity),
                "inside": to_summary(inside.continuity),
                "heartbeat": pulse and heartbeat.to_summary(pulse),
                "connection": echoed
                and EchoSummary(sent_bytes=echoed.sent, returned_bytes=echoed.returned, intact=echoed.intact),
            }
        )

    @contextmanager
    def _echoing(self) -> Iterator[Echo | None]:
        connection = self.guest.remote.pinned_connection()
        if connection is None:
            yield None
            return
        with closing(connection):
            yield connection.echo(ECHO_SECONDS)

    def _start_within(self) -> _Inside:
        remote, interval = self.guest.remote, self._probes.inside_interval_ms
        argvs = (
            commands.start_ping(self.guest.spec.ping_target, INSIDE_LOG, interval),
            commands.start_writer(WRITER_LOG),
        )
        ping, writer = (facts.background(remote.run(*argv).check().stdout).pid for argv in argvs)
        started = remote.run(*commands.start_heartbeat(HEARTBEAT_LOG, HEARTBEAT_MS))
        # A guest without bash has none.
        beat = facts.background(started.stdout).pid if started.ok else 0
        return _Inside(ping, writer, beat, time.monotonic())

    def _stop_within(self, within: _Inside) -> None:
        remote = self.guest.remote
        within.ping_text = remote.run(*commands.stop_ping(within.ping, INSIDE_LOG)).stdout
        within.written = facts.written(remote.run(*commands.stop_writer(within.writer, WRITER_LOG)).stdout)
        within.heartbeat_text = remote.run(*commands.stop_heartbeat(within.heartbeat, HEARTBEAT_LOG)).stdout
        remote.run(*commands.remove(INSIDE_LOG, WRITER_LOG, HEARTBEAT_LOG))

    def _ran_within(self) -> _Inside:
        if self._within is None:
            raise CannotObserve(f"{self.guest.name} was not watched")
        return self._within

    def _await_first_replies(self, echo: Echo | None) -> None:
        self._outside.wait_for_replies(5, _FIRST_REPLIES_SECONDS)

        def inside_replies() -> bool:
            text = self.guest.remote.run(*commands.read(INSIDE_LOG)).stdout
            return "icmp_seq=" in text and "ttl=" in text

        target = self.guest.spec.ping_target
        wait_for(inside_replies, f"a reply to {self.guest.name}'s own ping of {target}", _FIRST_REPLIES_SECONDS)
        if echo and not echo.wait_for_more(_FIRST_REPLIES_SECONDS):
            raise CannotObserve(f"{self.guest.name} sends nothing back over an SSH connection")

    def _inside_sequence(self) -> int:
        """The highest sequence number that the guest's own ping has sent so far."""
        return parse_ping(self.guest.remote.run(*commands.read(INSIDE_LOG)).check().stdout).highest_sent

    def _settle(self) -> None:
        """Let both pings run for as long as the lab file says, told by the outside ping's own replies."""
        seconds = self._probes.settle_seconds
        replies = max(3, int(seconds * 1000 / self._probes.outside_interval_ms * 0.9))
        with activity(f"letting both pings of {self.guest.name} run for {seconds:g} s"):
            self._outside.wait_for_replies(replies, seconds + _FIRST_REPLIES_SECONDS)
