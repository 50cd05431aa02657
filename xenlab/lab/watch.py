"""Watching a guest while it moves: pings from outside and inside, one SSH connection, a running write."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from xenlab.errors import CannotObserve
from xenlab.lab.guest import Guest
from xenlab.lab.migration import Migration
from xenlab.labfile import ProbeSpec
from xenlab.outcomes import Finding, MigrationRecord
from xenlab.probes.continuity import Continuity, PingTrace, Verdict, Window, analyse, to_summary, verdict
from xenlab.probes.inside import analyse_inside, inside_trace, parse_ping
from xenlab.probes.outside import OutsidePing
from xenlab.remote import commands, facts
from xenlab.remote.connection import SshConnection
from xenlab.remote.facts import Written
from xenlab.remote.waiting import wait_for

INSIDE_LOG = "/root/.xenlab-ping"
WRITER_LOG = "/root/.xenlab-writer"
_FIRST_REPLIES_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Seen:
    """One ping's trace over a move and what it shows; `name` is "outside" or "inside"."""

    name: str
    guest: str
    trace: PingTrace
    continuity: Continuity
    max_gap: float
    max_lost: int | None

    def is_continuous(self) -> Finding:
        """The ping did not lose its thread.

        :raises CannotObserve: too little was seen to say; that is never a pass.
        """
        judged = verdict(self.continuity, self.max_gap, self.max_lost)
        seen = self.continuity
        if judged.verdict is Verdict.INSUFFICIENT:
            raise CannotObserve(f"the {self.name} ping of {self.guest} says too little: {judged.reason}")
        lost = "" if self.max_lost is None else f", at most {self.max_lost} lost"
        return Finding(
            f"{self.name}-ping-continuous",
            judged.passes,
            expected=f"no gap over {self.max_gap:.1f} s{lost}",
            actual=f"last packet before: icmp_seq={seen.last_before}, first after: "
            f"icmp_seq={seen.first_after}; {judged.reason}",
            hint="look at the timeline: a gap in the migration window is downtime of the move, loss outside "
            "it is the network's",
            guest=self.guest,
        )


class Watch:
    """What was seen of one guest between the start of the pings and their end."""

    def __init__(self, guest: Guest, probes: ProbeSpec) -> None:
        self.guest = guest
        self._probes = probes
        self._outside = OutsidePing(guest.address, probes.outside_interval_ms / 1000)
        self._inside_started = 0.0
        self._inside_text = ""
        self._window = (0, 0)
        self._connection: SshConnection | None = None
        self._connection_words = ""
        self._uptime_before = 0.0
        self._written_before: Written | None = None
        self._written: Written | None = None

    @contextmanager
    def running(self) -> Iterator[None]:
        """Have every probe prove that it works, then run them around the body, and settle on both sides."""
        remote = self.guest.remote
        self._uptime_before = self.guest.inside.uptime
        self._connection = remote.pinned_connection()
        interval = self._probes.inside_interval_ms
        start_ping = commands.start_ping(self.guest.spec.ping_target, INSIDE_LOG, interval)
        with self._outside:
            inside = facts.process_id(remote.run(*start_ping).check().stdout)
            self._inside_started = time.monotonic()
            writer = facts.process_id(remote.run(*commands.start_writer(WRITER_LOG)).check().stdout)
            try:
                self._await_first_replies()
                self._settle()
                before = self._inside_sequence()
                yield
                self._window = (before, self._inside_sequence())
                self._settle()
                self._connection_words = self._ask_connection()
            finally:
                stopped = remote.run(*commands.stop_ping(inside, INSIDE_LOG))
                self._inside_text = stopped.stdout
                self._written = facts.written(remote.run(*commands.stop_writer(writer, WRITER_LOG)).stdout)
                self._connection.close()
                remote.run(*commands.remove(INSIDE_LOG, WRITER_LOG))

    def outside(self, move: Migration) -> Seen:
        """What the ping from outside saw of the move."""
        trace = self._outside.trace()
        seen = analyse(trace, Window(move.started, move.ended))
        return Seen("outside", self.guest.name, trace, seen, self._probes.max_outside_gap_ms / 1000, None)

    def inside(self, move: Migration) -> Seen:
        """What the guest's own ping saw: sequences and gaps only, as its clock may step."""
        interval = self._probes.inside_interval_ms / 1000
        ping = parse_ping(self._inside_text)
        trace = inside_trace(ping, interval, move.seconds, self._inside_started)
        seen = analyse_inside(ping, interval, self._window, pause_limit=move.seconds)
        # The pinger stands still with its guest: how long, the outside ping says; here sequences count.
        max_gap = self._probes.max_outside_gap_ms / 1000
        return Seen("inside", self.guest.name, trace, seen, max_gap, self._probes.max_inside_lost)

    def connection_lived(self) -> Finding:
        """The SSH (TCP) connection opened before the move answers after it, never reconnected."""
        return Finding(
            "same-connection",
            self._connection_words == self.guest.name,
            expected="the SSH connection from before the move answers after it",
            actual="it answers" if self._connection_words == self.guest.name else self._connection_words,
            hint="the guest lost its network state: its address or MAC changed, or it rebooted",
            guest=self.guest.name,
        )

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
        written = self._written
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
        """The move with both pings' figures, for the grade."""
        outside, inside = self.outside(move), self.inside(move)
        return move.record(to_summary(outside.continuity), to_summary(inside.continuity))

    def _await_first_replies(self) -> None:
        self._outside.wait_for_replies(5, _FIRST_REPLIES_SECONDS)

        def inside_replies() -> bool:
            text = self.guest.remote.run(*commands.read(INSIDE_LOG)).stdout
            return "icmp_seq=" in text and "ttl=" in text

        target = self.guest.spec.ping_target
        wait_for(inside_replies, f"a reply to {self.guest.name}'s own ping of {target}", _FIRST_REPLIES_SECONDS)

    def _inside_sequence(self) -> int:
        """The highest sequence number that the guest's own ping has sent so far."""
        return parse_ping(self.guest.remote.run(*commands.read(INSIDE_LOG)).check().stdout).highest_sent

    def _settle(self) -> None:
        """Let both pings run for as long as the lab file says, told by the outside ping's own replies."""
        seconds = self._probes.settle_seconds
        replies = max(3, int(seconds * 1000 / self._probes.outside_interval_ms * 0.9))
        self._outside.wait_for_replies(replies, seconds + _FIRST_REPLIES_SECONDS)

    def _ask_connection(self) -> str:
        if self._connection is None:
            return "no connection was opened"
        try:
            return self._connection.run(*commands.hostname()).stdout.strip()
        except CannotObserve as problem:
            return problem.message
