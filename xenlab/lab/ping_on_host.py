"""A ping of a guest that runs on one of the lab's machines: in the background, bounded, and read when it is stopped."""

import time
from types import TracebackType
from typing import Self

from xenlab.causes.packages import package
from xenlab.errors import CannotObserve
from xenlab.lab.looking import Answers, ask
from xenlab.lab.observed import SeatPing, Unknown
from xenlab.probes.host_ping import ClockReading, clock_offset, host_trace
from xenlab.probes.neighbours import neighbours
from xenlab.probes.ping_output import parse_ping
from xenlab.probes.trace import PingTrace
from xenlab.remote import commands, facts, network
from xenlab.remote.facts import Background, TimedPingProgress
from xenlab.remote.machine import Machine
from xenlab.remote.sections import Section
from xenlab.remote.waiting import NotInTime, wait_for

_START_SECONDS = 20.0
_STOP_SECONDS = commands.LAST_WORDS_SECONDS + 15
_LOOK_SECONDS = 15.0
_LOOK_EVERY = 1.0


class HostPing:
    """Pings `address` every `interval` seconds from `machine`, at most for so many `seconds`; see `OutsidePing`.

    It writes to `file` there, which is gone once it was stopped. What is kept of a command's output bounds it: of a
    ping every 50 ms an hour.
    """

    def __init__(self, machine: Machine, address: str, interval: float, file: str, seconds: int) -> None:
        self._machine = machine
        self._address = address
        self._interval = interval
        self._file = file
        self._seconds = seconds
        self._readings: list[ClockReading] = []
        self._progress: TimedPingProgress | None = None
        self._running: Background | None = None
        self._started = 0.0
        self._seen: SeatPing | None = None
        self._evidence: tuple[str, ...] = ()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Begin to ping.

        :raises CannotObserve: the machine cannot be asked, or has no ping that notes times.
        """
        where = self._machine.name
        argv = commands.start_timed_ping(self._address, self._file, round(self._interval * 1000), self._seconds)
        self._started = time.monotonic()
        result = self._machine.run(*argv, timeout=_START_SECONDS, changes=True)
        self._evidence += result.evidence
        if result.exit_code == commands.NO_TIMES:
            raise CannotObserve(
                f"{where} cannot tell when its pings went out: its ping is {result.stdout.strip() or 'missing'}",
                hint=f"install {package('ping')} on {where}: its -D and -O are needed; or name another machine in "
                "probes.outside_from of the lab file",
                evidence=self._evidence,
            )
        self._running = facts.background(result.check().stdout)

    def wait_for_replies(self, count: int, timeout: float) -> None:
        """Return once `count` more packets have been answered.

        :raises CannotObserve: that took longer than `timeout` seconds, or the machine cannot be asked.
        """
        replies: list[int] = []

        def enough() -> bool:
            replies.append(self._look().replies)
            return replies[-1] - replies[0] >= count

        try:
            every = max(_LOOK_EVERY, count * self._interval / 4)
            wait_for(enough, f"{count} replies of {self._address} to {self._machine.name}", timeout, every)
        except NotInTime:
            got = replies[-1] - replies[0]
            what = f"only {got} of {count} replies" if got else "no reply"
            words = self._progress.last_words.splitlines()[-1:] if self._progress else []
            raise CannotObserve(
                f"{what} from {self._address} to {self._machine.name} in {timeout:g} s",
                hint=f"its ping says: {words[0]}" if words else "",
                evidence=self._evidence,
            ) from None

    @property
    def silent_for(self) -> float:
        """Seconds without a reply when it was last looked at."""
        seen = self._progress
        # The clock is read a little before the last line of a ping that goes on meanwhile.
        return max(0.0, seen.clock - seen.last_reply) if seen and seen.last_reply is not None else 0.0

    def stop(self, drain: float = 0.0) -> None:
        """Stop it, read what it wrote and remove its file; what cannot be read is never raised. Idempotent.

        It ends at once: `drain` is for pings that can wait for replies under way.
        """
        del drain
        if self._running is None or self._seen is not None:
            return
        before = time.monotonic()
        answers = ask(
            self._machine,
            Section("clock", commands.wall_clock(), 5),
            Section("ping", commands.stop_timed_ping(self._running.pid, self._file), _STOP_SECONDS),
            Section("neighbours", network.neighbours_like(self._address), 5),
            Section("remove", commands.remove(self._file), 5),
            changes=True,
        )
        ended = time.monotonic()
        clock, evidence = answers.read("clock", facts.wall_clock), (*self._evidence, *answers.ids)
        if not isinstance(clock, Unknown):
            self._readings.append(ClockReading(clock, before, ended))
        try:
            trace, unread = self._read(answers, ended), ""
        except CannotObserve as failure:
            trace, unread = PingTrace((), self._interval, self._started, ended, complete=False), failure.message
        table = answers.read("neighbours", neighbours)
        self._seen = SeatPing(self._machine.name, trace, table, unread, evidence)

    def seen(self) -> SeatPing:
        """All packets, on this machine's monotonic clock, and the host's neighbours; only once it was stopped."""
        assert self._seen is not None, "it runs still"  # noqa: S101 - a fault of the caller
        return self._seen

    def _look(self) -> TimedPingProgress:
        earliest = time.monotonic()
        result = self._machine.run(*commands.timed_ping_progress(self._file), timeout=_LOOK_SECONDS)
        latest = time.monotonic()
        self._evidence += result.evidence
        self._progress = facts.timed_ping_progress(result.check().stdout)
        self._readings.append(ClockReading(self._progress.clock, earliest, latest))
        return self._progress

    def _read(self, answers: Answers, ended: float) -> PingTrace:
        if answers.nothing is not None:
            raise CannotObserve(answers.nothing.why)
        left = answers["ping"]
        if left.exit_code not in (0, commands.ALREADY_ENDED, commands.ENDED_LATE):
            raise CannotObserve(left.complaint or "what it wrote could not be read to the end")
        return host_trace(parse_ping(left.stdout), self._interval, clock_offset(self._readings), self._started, ended)
