"""Watching a guest while it moves: a ping from outside, one TCP connection, and three programs in the guest itself.

    with Watch(probes, run="3f2a", seconds=900).around(guest) as watched:
        ...  # the move
    findings = judging.watched.findings(analyse(watched.observed, window, limits))

Whatever befalls the guest, the outside ping is there in the end, and what the body raised is what is raised.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from typing import Protocol

from xenlab.errors import CannotObserve, LabFault
from xenlab.lab.custody import WATCH, Custody
from xenlab.lab.guest_programs import GuestPrograms, ProgramsOutput
from xenlab.lab.observed import Observed, Unknown, UptimeReading
from xenlab.lab.seats import OutsideView, Seat
from xenlab.labfile_limits import ProbeSpec
from xenlab.remote.activity import activity
from xenlab.remote.echo import Echo
from xenlab.remote.echoed import Echoed
from xenlab.remote.facts import PingProgress
from xenlab.remote.machine import Machine
from xenlab.remote.waiting import NotInTime, wait_for

# TCP doubles its patience at each loss (RFC 6298): after an outage it may stay silent for as long again.
_ECHO_PATIENCE_SECONDS = 90.0
_FIRST_REPLIES_SECONDS = 30.0
# The body failed, or nobody answers any more: what can be read at once is.
_LAST_CHANCE_SECONDS = 20.0
_NO_PING = ("No such file", "not found", "Operation not permitted", "usage", "Usage", "invalid option")


class Watchable(Protocol):
    """What a watch needs of a guest."""

    @property
    def name(self) -> str:
        """What the lab file calls it."""

    @property
    def address(self) -> str:
        """Its IP address, which is pinged from outside."""

    @property
    def seats(self) -> Sequence[Seat]:
        """From where it is pinged from outside."""

    @property
    def machine(self) -> Machine:
        """How commands are run in it."""

    @property
    def ping_target(self) -> str:
        """What it pings itself."""

    @property
    def by_console(self) -> bool:
        """Whether it is reached by its console: then there is no TCP connection to keep."""


class Watched:
    """A watch under way; what it observed is there once its `with` block has been left."""

    def __init__(self) -> None:
        self._observed: Observed | None = None

    def is_over(self, observed: Observed) -> None:
        """Keep what was observed."""
        self._observed = observed

    @property
    def observed(self) -> Observed:
        """What was observed.

        :raises RuntimeError: the `with` block has not been left.
        """
        if self._observed is None:
            raise RuntimeError("a watch is over, and can be read, when its with block has been left")
        return self._observed


def note_watch(custody: Custody, guest: Watchable) -> None:
    """Note that programs of ours are about to run in the guest, and on the hosts that ping it."""
    custody.will(WATCH, guest=guest.name)
    for seat in guest.seats:
        if seat.keeps_files:
            custody.will(WATCH, guest=guest.name, host=seat.name)


class Watch:
    """How guests are watched: the probes' intervals and limits, the run's id, and for how long a move may take.

    `seconds` bounds what runs in a guest or on a host: nothing of ours runs on there, even where nobody is left to
    stop it (the attribute `seconds` is for how long).
    """

    def __init__(self, probes: ProbeSpec, *, run: str, seconds: float) -> None:
        self.probes = probes
        self._run = run
        around = 2 * (probes.settled_seconds + _FIRST_REPLIES_SECONDS) + _ECHO_PATIENCE_SECONDS
        self.seconds = int(seconds + around + probes.max_outside_gap_ms / 1000) + 60

    @contextmanager
    def around(self, guest: Watchable) -> Iterator[Watched]:
        """Have every probe prove that it works, let them settle, run the body, settle again, and read what there is.

        :raises CannotObserve: a probe does not work, so that nothing could be said of a move; before the body.
        :raises LabFault: the guest's own ping is not answered even before it moves; before the body.
        """
        watched = Watched()
        interval = self.probes.outside_interval_ms / 1000
        outside = OutsideView(guest.seats, guest.name, guest.address, interval, self.seconds)
        programs = GuestPrograms(guest.machine, self.probes, self._run, self.seconds)
        watcher = _Watcher(guest, self.probes, outside, programs)
        with ExitStack() as stack:
            watcher.begin(stack)
            try:
                watcher.prove()
                yield watched
            except BaseException:
                watched.is_over(watcher.end(body_failed=True))
                raise
            watched.is_over(watcher.end(body_failed=False))


class _Watcher:
    """One watch of one guest, from its probes' start to their end."""

    def __init__(self, guest: Watchable, probes: ProbeSpec, outside: OutsideView, programs: GuestPrograms) -> None:
        self._guest = guest
        self._probes = probes
        self._programs = programs
        self._outside = outside
        self._echo: Echo | None = None
        self._before: tuple[PingProgress, UptimeReading] | None = None

    def begin(self, stack: ExitStack) -> None:
        """Start all that watches; `stack` ends what is on this side."""
        guest = self._guest
        connection = None if guest.by_console else guest.machine.pinned_connection()
        if connection is not None:
            stack.enter_context(closing(connection))
            self._echo = connection.echo(self._probes.echo_interval_ms / 1000)
        stack.enter_context(self._outside)
        try:
            self._programs.start(guest.ping_target)
        except BaseException:
            self._programs.stop_and_read(_LAST_CHANCE_SECONDS)
            raise

    def prove(self) -> None:
        """Wait until every probe has shown that it works, and let them run for as long as the lab file says."""
        guest = self._guest
        self._outside.wait_for_replies(5, _FIRST_REPLIES_SECONDS)
        if self._echo and not self._echo.wait_for_more(_FIRST_REPLIES_SECONDS):
            raise CannotObserve(f"{guest.name} sends nothing back over an SSH connection")
        with activity(f"letting both pings of {guest.name} run for {self._probes.settled_seconds:g} s"):
            self._settle(_FIRST_REPLIES_SECONDS)
        progress: list[PingProgress] = []

        def is_answered() -> bool:
            self._before = self._programs.progress()
            progress[:] = [self._before[0]]
            return progress[0].replies > 0

        awaited = f"a reply to {guest.name}'s own ping of {guest.ping_target}"
        try:
            wait_for(is_answered, awaited, _FIRST_REPLIES_SECONDS, 2.0)
        except NotInTime as late:
            raise self._unanswered(late, progress[0].last_words if progress else "") from late

    def end(self, *, body_failed: bool) -> Observed:
        """Let the probes settle, unless the body failed, stop everything, and tell what was observed.

        What cannot be had is unknown, never raised.
        """
        after: tuple[PingProgress, UptimeReading] | Unknown
        if body_failed:
            after = Unknown("the move failed, and the guest was not looked at")
            echoed = self._echoed(0.0)
            left = self._programs.stop_and_read(_LAST_CHANCE_SECONDS)
        else:
            after = self._progress_after()
            answers = self._settled_after()
            echoed = self._echoed(_ECHO_PATIENCE_SECONDS if answers else 0.0)
            left = self._programs.stop_and_read(None if answers else _LAST_CHANCE_SECONDS)
        self._outside.stop(0.0 if body_failed else 1.0)
        return self._observed(left, after, echoed)

    def _echoed(self, patience: float) -> Echoed | None:
        return self._echo.finish(patience) if self._echo else None

    def _observed(
        self, left: ProgramsOutput, after: tuple[PingProgress, UptimeReading] | Unknown, echoed: Echoed | None
    ) -> Observed:
        before: tuple[PingProgress, UptimeReading] | Unknown = self._before or Unknown("it was not looked at")
        outside = tuple(self._outside.seen())
        return Observed(
            guest=self._guest.name,
            address=self._guest.address,
            ping_target=self._guest.ping_target,
            outside=outside,
            inside=left.inside,
            inside_interval=self._probes.inside_interval_ms / 1000,
            inside_started=self._programs.started_at,
            inside_read=(
                None if isinstance(before, Unknown) else before[0].bytes_written,
                None if isinstance(after, Unknown) else after[0].bytes_written,
            ),
            heartbeat=left.heartbeat,
            heartbeat_interval=self._probes.heartbeat_interval_ms / 1000,
            writes=left.writes,
            echoed=echoed,
            uptime_before=before if isinstance(before, Unknown) else before[1],
            uptime_after=after if isinstance(after, Unknown) else after[1],
            uptime_at_end=left.uptime,
            evidence=(*left.evidence, *(id_ for seen in outside for id_ in seen.evidence)),
        )

    def _progress_after(self) -> tuple[PingProgress, UptimeReading] | Unknown:
        try:
            return self._programs.progress()
        except CannotObserve as unseen:
            return Unknown(unseen.message, unseen.hint)

    def _settle(self, patience: float) -> None:
        """Let both pings run for as long as the lab file says, told by the outside ping's own replies."""
        seconds = self._probes.settled_seconds
        replies = max(3, int(seconds * 1000 / self._probes.outside_interval_ms * 0.9))
        self._outside.wait_for_replies(replies, seconds + patience)

    def _settled_after(self) -> bool:
        """Whether the guest answers after the move; where it does not, long enough to prove that it is gone."""
        seconds = self._probes.settled_seconds
        patience = max(5.0, self._probes.max_outside_gap_ms / 1000 + 5.0 - self._outside.silent_for)
        try:
            with activity(f"letting both pings of {self._guest.name} run for {seconds:g} s"):
                self._settle(patience)
        except CannotObserve:
            return False
        return True

    def _unanswered(self, late: NotInTime, words: str) -> CannotObserve | LabFault:
        """Who is to blame for a ping of the guest's that never had a reply."""
        guest, evidence = self._guest, self._programs.evidence
        if any(sign in words for sign in _NO_PING):
            return CannotObserve(f"{guest.name} cannot ping: {words.splitlines()[-1]}", evidence=evidence)
        return LabFault(
            f"{guest.name}'s own ping of {guest.ping_target} is not answered, though nothing has moved yet",
            expected=f"replies of {guest.ping_target} to {guest.name}'s own ping before it moves",
            actual=f"{late.message}: {words.splitlines()[-1] if words else 'no answer'}",
            hint=f"in {guest.name}: ping -c 3 {guest.ping_target}; its route and bridge, a firewall on the way, or a "
            "ping_target in the lab file that answers no ping",
            guest=guest.name,
            evidence=evidence,
        )
