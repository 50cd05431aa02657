"""A guest reached by its console, where nobody can log in over SSH.

One program at a time has a console, and the guest's kernel writes to it too: `frames` keeps them apart. The
console ends when the guest leaves its host; the next command looks for it where the guest is then, and finds
itself still logged in.
"""

import secrets
import shlex
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from threading import RLock

from testinfra.host import Host as TestinfraHost

from xenlab.errors import CannotObserve
from xenlab.remote import frames
from xenlab.remote.activity import activity
from xenlab.remote.connection import Sink
from xenlab.remote.console_login import ConsoleLogin, ConsoleTimeouts, console_ended
from xenlab.remote.dialogue import Dialogue, Terminal
from xenlab.remote.errors import CommandTimedOut, ConnectionLost, OutputFlood, SudoRefused
from xenlab.remote.frames import AgentAnswer
from xenlab.remote.login import Login
from xenlab.remote.machine import await_login
from xenlab.remote.record import CommandRecord
from xenlab.remote.result import CommandResult, RawResult, in_short, shortened, text
from xenlab.remote.shell import Shell, probe_script, read_probe
from xenlab.remote.testinfra_backend import modules_of

_CTRL_C, _QUIT = b"\x03", b"\x1c"
_TRIES = 5


@dataclass(frozen=True, slots=True)
class Console:
    """An open `xl console` on `host`, the Dom0 that has the guest."""

    host: str
    terminal: Terminal


class ConsoleHost:
    """One guest, reached by its console: bounded commands, quoted arguments, all but the login recorded by `sink`.

    `open_console` opens the console on the host that has the guest now, or raises HostUnreachable. `timeout` is the
    time in seconds that a command has when its call does not say. Threads that share it wait for each other. Where its
    user is not root, commands run through sudo if they can: where that asks for a password, the login as a whole does.
    """

    def __init__(
        self,
        name: str,
        login: Login,
        open_console: Callable[[], Console],
        sink: Sink,
        *,
        timeout: float = 60.0,
        timeouts: ConsoleTimeouts | None = None,
    ) -> None:
        self.name = name
        self._login = login
        self._open_console = open_console
        self._sink = sink
        self._timeout = timeout
        self._timeouts = timeouts or ConsoleTimeouts()
        self._turn = RLock()
        self._dialogue: Dialogue | None = None
        self._host = ""
        self._shell: Shell | None = None
        self._refusal: SudoRefused | None = None

    def __repr__(self) -> str:
        return f"ConsoleHost({self.name!r}, {self._login.user})"

    @cached_property
    def testinfra(self) -> TestinfraHost:
        """testinfra's modules on this guest; see `RemoteHost.testinfra`."""
        return modules_of(self.name, self.run)

    @property
    def way_in(self) -> str:
        """On which host's side of the console one is logged in; raises CannotObserve when no login succeeds."""
        with self._turn:
            self._ready()
            return f"on its console on {self._host}"

    def runs_as_root(self) -> bool:
        """Whether commands run as root, by the login itself or through sudo; told when it was logged in.

        :raises NoConsole, NoLoginPrompt, ConsoleBusy, LoginRefused: no login succeeds.
        """
        with self._turn:
            return self._shell_of(self._ready()).is_root

    def run(self, *argv: str, timeout: float | None = None, changes: bool = False) -> CommandResult:
        """Run a program with these arguments, each quoted for sh; `timeout` in seconds.

        `changes` records it as an act, which changes the lab, not a look.

        :raises CommandTimedOut: it did not end in time, and Ctrl-C was pressed.
        :raises ConnectionLost: the console ended meanwhile; the command may have been run.
        :raises CannotObserve: its answer came garbled, time and again.
        :raises NoConsole, NoLoginPrompt, ConsoleBusy, LoginRefused: it was not sent.
        """
        bound = self._timeout if timeout is None else timeout
        with self._turn, activity(f"{self.name}: {in_short(argv)}"):
            dialogue = self._ready()
            return self._execute(dialogue, argv, bound, changes).as_result(self.name, argv)

    def pinned_connection(self) -> None:
        """None: no TCP connection leads to this guest."""

    def wait_until_reachable(self, timeout: float, word: str = "") -> None:
        """Wait until one is logged in; `word` says what it is waited for ("guest1 to boot"). See `await_login`."""
        await_login(self._log_in, self._login.user, word or f"a login on the console of {self.name}", timeout)

    def close(self) -> None:
        """Log out, and let go of the console; a later command takes it again."""
        with self._turn:
            if self._dialogue is not None:
                self._console_login(self._dialogue).leave()
                self._drop()

    # Getting in

    def _log_in(self) -> None:
        with self._turn:
            self._ready()

    def _console_login(self, dialogue: Dialogue) -> ConsoleLogin:
        return ConsoleLogin(dialogue, self._login, self._where, self._timeouts)

    @property
    def _where(self) -> str:
        return f"the console of {self.name} on {self._host}"

    def _ready(self) -> Dialogue:
        """The open console, its agent proven to listen; what is silent or has ended is opened anew, once."""
        if self._dialogue is not None:
            with suppress(EOFError, TimeoutError, OutputFlood):
                self._console_login(self._dialogue).ask_user()
                return self._dialogue
            self._drop()
        if self._refusal is not None:  # each try of a wrong password counts
            raise self._refusal
        console = self._open_console()
        dialogue, self._host = Dialogue(console.terminal), console.host
        try:
            self._console_login(dialogue).start_agent()
        except EOFError as end:
            console.terminal.close()
            raise console_ended(self._where, dialogue.tail, self._login) from end
        except BaseException as failure:
            if isinstance(failure, SudoRefused):
                self._refusal = failure
            dialogue.close()
            raise
        self._dialogue = dialogue
        return dialogue

    def _drop(self) -> None:
        if self._dialogue is not None:
            self._dialogue.close()
            self._dialogue = None

    # Running a command

    def _shell_of(self, dialogue: Dialogue) -> Shell:
        """How commands are run there; asked once."""
        if self._shell is None:
            nonce = secrets.token_hex(16)
            deadline = time.monotonic() + self._timeouts.login
            try:
                answer = self._answer(dialogue, probe_script(nonce, sudo=self._login.sudo), deadline)
            except (TimeoutError, EOFError) as silence:
                self._drop()
                raise ConnectionLost(f"{self._where} ended after the login: {silence}", sent=False) from silence
            if answer is None:
                raise self._garbled("how commands can be run")
            self._shell = read_probe(nonce, text(answer.stdout), b"", account=f"{self._login.user} on {self.name}")
        return self._shell

    def _execute(self, dialogue: Dialogue, argv: Sequence[str], timeout: float, changes: bool) -> RawResult:
        # No timeout(1) for it all: that would take the program out of Ctrl-C's reach, which ends it here.
        script = self._shell_of(dialogue).script(argv, None)
        line = shlex.join(argv)
        started, begun = datetime.now(UTC), time.monotonic()

        def record(answer: AgentAnswer | None, *, ended: bool = False, timed_out: bool = False) -> RawResult:
            kept = answer or AgentAnswer(-1, b"", b"")
            seconds = time.monotonic() - begun
            code, out, err = kept.exit_code if ended else None, text(kept.stdout), text(kept.stderr)
            cut = kept.stdout_cut, kept.stderr_cut
            id_ = self._sink(
                CommandRecord(self.name, line, code, out, err, started, begun, seconds, timed_out, changes, *cut)
            )
            return RawResult(kept.exit_code, kept.stdout, kept.stderr, seconds, id_, *cut)

        try:
            answer = self._answer(dialogue, script, begun + timeout)
        except TimeoutError:
            kept = record(self._interrupt(dialogue), timed_out=True).as_result(self.name, argv)
            raise CommandTimedOut(
                f"{self.name}: `{shortened(line)}` did not end within {timeout:g} s",
                hint="a disk whose NFS server is away makes programs hang",
                stdout=kept.stdout,
                stderr=kept.stderr,
                evidence=kept.evidence,
            ) from None
        except EOFError as end:
            kept = record(None).as_result(self.name, argv)
            self._drop()
            raise ConnectionLost(
                f"{self.name}: the console ended during `{shortened(line)}`", sent=True, evidence=kept.evidence
            ) from end
        except OutputFlood as flood:
            self._drop()
            flood.evidence = record(None).as_result(self.name, argv).evidence
            raise
        ended = record(answer, ended=answer is not None)
        if answer is None:
            raise self._garbled(f"`{shortened(line)}`", (ended.id,) if ended.id else ())
        return ended

    def _garbled(self, what: str, evidence: tuple[str, ...] = ()) -> CannotObserve:
        return CannotObserve(
            f"{self.name}: the answer to {what} came over the console garbled, {_TRIES} times",
            hint="what else writes to the guest's console? `dmesg -n 1` there silences its kernel",
            evidence=evidence,
        )

    def _answer(self, dialogue: Dialogue, script: str, deadline: float) -> AgentAnswer | None:
        """The script's answer, told again where it came garbled; it is run once. None: garbled each time."""
        nonce = secrets.token_hex(8)
        ask = frames.command(script, nonce)
        for _ in range(_TRIES):
            dialogue.send(ask)
            dialogue.receive_between(frames.begin(nonce), frames.end(nonce), deadline, self._timeouts.lull)
            answer = frames.read(dialogue.received, nonce)
            if answer is not None and not answer.mangled:
                return answer
            nonce = secrets.token_hex(8)
            ask = frames.again(nonce) if answer is None else frames.command(script, nonce)
            deadline = max(deadline, time.monotonic() + self._timeouts.agent)
        return None

    def _interrupt(self, dialogue: Dialogue) -> AgentAnswer | None:
        """End the command that outlived its time, and return what it had written; else let go of the console."""
        nonce = secrets.token_hex(8)
        for key in (_CTRL_C, _QUIT):
            with suppress(TimeoutError, EOFError, OutputFlood):
                dialogue.send(key)
                dialogue.send_more(frames.again(nonce))
                until = time.monotonic() + self._timeouts.interrupt
                dialogue.receive_between(frames.begin(nonce), frames.end(nonce), until, self._timeouts.lull)
                return frames.read(dialogue.received, nonce)
        self._drop()
        return None
