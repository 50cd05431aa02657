"""The three programs that run in a guest while it is watched: its own ping, a writer to its disk, its heartbeat.

Two round trips: one starts them, one stops and reads them, each program on its own, so that one that fails or hangs
costs its own answer and no other. They end by themselves, and their files bear the run's id.
"""

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from xenlab.errors import CannotObserve
from xenlab.lab.observed import NotJudged, ProgramOutput, Unknown, UptimeReading
from xenlab.labfile_limits import ProbeSpec
from xenlab.remote import commands, facts, sections
from xenlab.remote.errors import CommandUnfinished, ConnectionLost
from xenlab.remote.facts import Background, PingProgress
from xenlab.remote.machine import Machine
from xenlab.remote.sections import Answer, Section

FOLDER = "/root"
IN_MEMORY = "/dev/shm"  # noqa: S108 - there, in a guest or on a host, no disk is waited for

_START_SECONDS = 20
_STOP_SECONDS = commands.LAST_WORDS_SECONDS + 15
_PROGRESS_SECONDS = 15.0

T = TypeVar("T")


def programs_of(run: str) -> commands.Argv:
    """The command that ends whatever programs of a run are left on a machine, and removes their files."""
    return commands.end_background(prefix_of(run), FOLDER, IN_MEMORY)


def prefix_of(run: str) -> str:
    """How the names of files begin that a run's watches write, in guests and on hosts."""
    return f".xenlab-{run}-watch-"


@dataclass(frozen=True, slots=True)
class ProgramsOutput:
    """What the programs left; each part by itself."""

    inside: ProgramOutput | Unknown
    heartbeat: ProgramOutput | Unknown | NotJudged
    writes: ProgramOutput | Unknown
    uptime: UptimeReading | Unknown
    evidence: tuple[str, ...]


class GuestPrograms:
    """The programs of one watch in one guest, at the intervals of `probes`.

    `run` is the run's id, after `seconds` they end by themselves.
    """

    def __init__(self, machine: Machine, probes: ProbeSpec, run: str, seconds: int) -> None:
        self._machine = machine
        self._probes = probes
        self._prefix = prefix_of(run)
        self._seconds = seconds
        self._started: dict[str, Background | Unknown] = {}
        self._heartbeat_code: int | None = None
        self.started_at = 0.0
        self.evidence: tuple[str, ...] = ()

    def start(self, ping_target: str) -> None:
        """Start all three; one that does not start is unknown.

        :raises CannotObserve: the guest cannot be asked, or its ping cannot be started: there is nothing to watch by.
        """
        ping, writer, beat = (f"{FOLDER}/{self._prefix}{name}" for name in ("ping", "writer", "heartbeat"))
        probes, seconds = self._probes, self._seconds
        starts = {
            "ping": commands.start_ping(ping_target, ping, probes.inside_interval_ms, seconds),
            "writer": commands.start_writer(writer, probes.write_interval_ms, seconds),
            "heartbeat": commands.start_heartbeat(beat, probes.heartbeat_interval_ms, seconds),
        }
        asked = [Section(name, argv, _START_SECONDS) for name, argv in starts.items()]
        self.started_at = time.monotonic()
        answers = self._ask(asked)
        self._started = {section.name: _fact(answers[section.name], facts.background) for section in asked}
        self._heartbeat_code = answers["heartbeat"].exit_code
        started = self._started["ping"]
        if isinstance(started, Unknown):
            what = f"the ping of {ping_target} could not be started on {self._machine.name}"
            raise CannotObserve(f"{what}: {started.why}", hint=started.hint, evidence=self.evidence)

    def progress(self) -> tuple[PingProgress, UptimeReading]:
        """How far the guest's own ping is, and its uptime.

        :raises CannotObserve: the guest cannot be asked.
        """
        ping = self._started["ping"]
        assert isinstance(ping, Background)  # noqa: S101 - for the type checker: start() saw to it
        earliest = time.monotonic()
        result = self._machine.run(*commands.ping_progress(ping.file), timeout=_PROGRESS_SECONDS)
        latest = time.monotonic()
        self.evidence += (result.id,) if result.id else ()
        found = facts.ping_progress(result.check().stdout)
        return found, UptimeReading(found.uptime, earliest, latest)

    def stop_and_read(self, timeout: float | None = None) -> ProgramsOutput:
        """Stop each program, read what it left, and remove the files; what cannot be had is unknown, never raised.

        What has a whole output is read even where a program after it hangs. `timeout` bounds it all, in seconds.
        """
        stops: dict[str, Callable[[int, str], commands.Argv]] = {
            "heartbeat": partial(commands.stop_heartbeat, interval_ms=self._probes.heartbeat_interval_ms),
            "writer": commands.stop_writer,
            "ping": commands.stop_ping,
        }
        asked = [Section("uptime", commands.uptime(), 5)]
        for name, stop in stops.items():
            if isinstance(program := self._started.get(name), Background):
                asked.append(Section(name, stop(program.pid, program.file), _STOP_SECONDS))
        asked.append(Section("remove", commands.end_background(self._prefix, FOLDER, IN_MEMORY), _STOP_SECONDS))
        too_late = time.monotonic() - self.started_at > self._seconds
        earliest = time.monotonic()
        try:
            answers: Mapping[str, Answer] | Unknown = self._ask(asked, timeout)
        except CannotObserve as unseen:
            self.evidence += unseen.evidence
            answers = Unknown(unseen.message, unseen.hint)
        latest = time.monotonic()
        expired = Unknown(f"it ran for {self._seconds} s and then ended by itself, before the move was over")
        left = {name: expired if too_late else self._left(name, answers) for name in stops}
        heartbeat = self._heartbeat(left["heartbeat"])
        uptime = _uptime(answers, earliest, latest)
        return ProgramsOutput(left["ping"], heartbeat, left["writer"], uptime, self.evidence)

    def _ask(self, asked: Sequence[Section], timeout: float | None = None) -> Mapping[str, Answer]:
        nonce = secrets.token_hex(8)
        bound = timeout or 15.0 + sum(section.seconds + 2 for section in asked)
        try:
            result = self._machine.run(*sections.script(asked, nonce), timeout=bound, changes=True)
        except (CommandUnfinished, ConnectionLost) as unfinished:
            if not unfinished.stdout:
                raise
            self.evidence += unfinished.evidence
            return sections.answers(asked, nonce, unfinished.stdout, unfinished.stderr)
        self.evidence += (result.id,) if result.id else ()
        return sections.answers(asked, nonce, result.stdout, result.stderr)

    def _left(self, name: str, answers: Mapping[str, Answer] | Unknown) -> ProgramOutput | Unknown:
        started = self._started.get(name, Unknown("it was not started"))
        if isinstance(started, Unknown):
            return Unknown(f"it could not be started: {started.why}", started.hint)
        if isinstance(answers, Unknown):
            return answers
        answer = answers[name]
        ended = answer.exit_code in (0, commands.ALREADY_ENDED, commands.ENDED_LATE)
        if not ended or (not answer.stdout and answer.complaint):
            return Unknown(answer.complaint or "what it wrote could not be read to the end")
        return ProgramOutput(
            answer.stdout,
            ended_before=answer.exit_code == commands.ALREADY_ENDED,
            hung=answer.exit_code == commands.ENDED_LATE,
        )

    def _heartbeat(self, left: ProgramOutput | Unknown) -> ProgramOutput | Unknown | NotJudged:
        """A guest that cannot have a heartbeat is none the worse for it."""
        if isinstance(self._started.get("heartbeat"), Unknown) and isinstance(left, Unknown):
            no_bash = self._heartbeat_code == commands.NOT_FOUND
            return NotJudged("the guest has no bash" if no_bash else left.why)
        return left


def _fact(answer: Answer, parse: Callable[[str], T]) -> T | Unknown:
    if not answer.ok:
        return Unknown(answer.complaint or f"it ended with exit code {answer.exit_code}")
    try:
        return parse(answer.stdout)
    except CannotObserve as odd:
        return Unknown(odd.message, odd.hint)


def _uptime(answers: Mapping[str, Answer] | Unknown, earliest: float, latest: float) -> UptimeReading | Unknown:
    if isinstance(answers, Unknown):
        return answers
    uptime = _fact(answers["uptime"], facts.uptime)
    return uptime if isinstance(uptime, Unknown) else UptimeReading(uptime, earliest, latest)
