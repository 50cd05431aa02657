"""A guest reached by its console, where nobody can log in over SSH.

One program at a time has a console, and the guest's kernel writes to it too: `frames` keeps them apart. The
console ends when the guest leaves its host; the next command looks for it where the guest is then, and finds
itself still logged in.
"""

import re
import secrets
import shlex
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import RLock

from xenlab.errors import CannotObserve
from xenlab.remote import frames
from xenlab.remote.connection import Ended, Sink, text, told
from xenlab.remote.dialogue import Dialogue, Terminal
from xenlab.remote.errors import (
    CommandTimedOut,
    ConnectionLost,
    ConsoleBusy,
    LoginRefused,
    NoConsole,
    NoLoginPrompt,
)
from xenlab.remote.frames import Answer
from xenlab.remote.login import Login
from xenlab.remote.machine import await_login
from xenlab.remote.record import CommandRecord
from xenlab.remote.result import CommandResult

# "Last login: ..." is no prompt, though it may end there for a moment.
_LOGIN = re.compile(r"(?<!ast )(?<!failed )login: *$")
_PASSWORD = re.compile(r"[Pp]assword[^\n]*: *$")
_SHELL = re.compile(r"[#$%>] ?$")
_REFUSED = re.compile(r"Login incorrect|Permission denied|Authentication failure")
# xl's own client locks a guest's console (/var/lock/xenconsole.5).
_LOCKED = re.compile(r"Could not lock ")
_CTRL_C, _QUIT = b"\x03", b"\x1c"
_TRIES = 5


@dataclass(frozen=True, slots=True)
class Console:
    """An open `xl console` on `host`, the Dom0 that has the guest."""

    host: str
    terminal: Terminal


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a console may be silent, in seconds; an emulated guest needs most of it.

    `prompt`: until it shows anything to log in at; `agent`: until the agent says that it is there; both are asked
    for every `nudge`. `login`: between a user name or password and what comes of it; `lull`: within an answer;
    `interrupt`: from Ctrl-C to the command's end; `settle`: for how long nothing follows a prompt.
    """

    prompt: float = 20.0
    nudge: float = 3.0
    login: float = 30.0
    agent: float = 10.0
    lull: float = 5.0
    interrupt: float = 5.0
    settle: float = 0.4


class ConsoleHost:
    """One guest, reached by its console: bounded commands, quoted arguments, everything but the login told to `sink`.

    `dial` opens the console on the host that has the guest now, or raises HostUnreachable. `timeout` is the time in
    seconds that a command has when its call does not say. Threads that share it wait for each other.
    """

    def __init__(
        self,
        name: str,
        login: Login,
        dial: Callable[[], Console],
        sink: Sink,
        *,
        timeout: float = 60.0,
        patience: Patience | None = None,
    ) -> None:
        self.name = name
        self._login = login
        self._dial = dial
        self._sink = sink
        self._timeout = timeout
        self._patience = patience or Patience()
        self._turn = RLock()
        self._dialogue: Dialogue | None = None
        self._host = ""

    def __repr__(self) -> str:
        return f"ConsoleHost({self.name!r}, {self._login.user})"

    @property
    def way_in(self) -> str:
        """On which host's side of the console one is logged in; raises CannotObserve when no login succeeds."""
        with self._turn:
            self._ready()
            return f"on its console on {self._host}"

    def run(self, *argv: str, timeout: float | None = None) -> CommandResult:
        """Run a program with these arguments, each quoted for sh; `timeout` in seconds.

        :raises CommandTimedOut: it did not end in time, and Ctrl-C was pressed.
        :raises ConnectionLost: the console ended meanwhile; the command may have been run.
        :raises CannotObserve: its answer came garbled, time and again.
        :raises NoConsole, NoLoginPrompt, ConsoleBusy, LoginRefused: it was not sent.
        """
        with self._turn:
            dialogue = self._ready()
            return told(self.name, argv, self._execute(dialogue, argv, self._timeout if timeout is None else timeout))

    def pinned_connection(self) -> None:
        """None: no TCP connection leads to this guest."""

    def wait_until_reachable(self, timeout: float, word: str = "") -> None:
        """Wait until one is logged in; `word` says what it is waited for ("guest1 to boot"). See `await_login`."""
        await_login(self._logged_in, self._login.user, word or f"a login on the console of {self.name}", timeout)

    def close(self) -> None:
        """Log out, and let go of the console; a later command takes it again."""
        with self._turn:
            if self._dialogue is not None:
                self._leave(self._dialogue)
                self._drop()

    # Getting in

    def _logged_in(self) -> None:
        with self._turn:
            self._ready()

    def _ready(self) -> Dialogue:
        """The open console, its agent proven to listen; what is silent or has ended is opened anew, once."""
        if self._dialogue is not None:
            with suppress(EOFError, TimeoutError):
                self._ask_user(self._dialogue)
                return self._dialogue
            self._drop()
        console = self._dial()
        dialogue = Dialogue(console.terminal)
        try:
            self._get_in(dialogue, console.host)
        except EOFError as end:
            console.terminal.close()
            raise self._ended(dialogue, console.host) from end
        except BaseException:
            dialogue.close()
            raise
        self._dialogue, self._host = dialogue, console.host
        return dialogue

    def _get_in(self, dialogue: Dialogue, host: str) -> None:
        try:
            # Enter makes getty repeat its prompt, a shell its own, and the agent say that it is there.
            prompts = (frames.READY, _LOGIN, _SHELL)
            prompt = self._repeat(dialogue, frames.ENTER, prompts, self._patience.prompt, self._patience.settle).re
            if prompt is _LOGIN:
                self._log_in(dialogue, host)
            if prompt is not frames.READY:
                dialogue.say(frames.start(instead_of_shell=prompt is _LOGIN))
                dialogue.expect((frames.READY,), self._patience.login)
            user = self._ask_user(dialogue)
        except TimeoutError:
            raise NoLoginPrompt(
                f"the console of {self.name} on {host} shows neither a login prompt nor a shell: "
                f"{self._shown(dialogue)}",
                hint="a getty on hvc0 in the guest, console=hvc0 on its kernel's command line, and no program left "
                "running on the console",
            ) from None
        if user != self._login.user:
            self._leave(dialogue)
            raise ConsoleBusy(
                f"{user} is logged in on the console of {self.name} on {host}, not {self._login.user}",
                hint=f"log out there: xl console {self.name} on {host}",
            )

    def _log_in(self, dialogue: Dialogue, host: str) -> None:
        dialogue.say(self._login.user.encode() + frames.ENTER)
        if self._prompt(dialogue, _PASSWORD, _SHELL) is _SHELL:
            return
        dialogue.say((self._login.password or "").encode() + frames.ENTER)
        if self._prompt(dialogue, _REFUSED, _SHELL, _LOGIN) is not _SHELL:
            raise LoginRefused(
                f"{self.name} refuses the login of {self._login.user} on its console on {host}: "
                f"{self._shown(dialogue)}",
                hint="check the password, whether the account is locked (passwd -S), and that hvc0 is in the "
                "guest's /etc/securetty where it has one",
            )

    def _prompt(self, dialogue: Dialogue, *prompts: re.Pattern[str]) -> re.Pattern[str]:
        return dialogue.expect(prompts, self._patience.login, self._patience.settle).re

    def _ask_user(self, dialogue: Dialogue) -> str:
        nonce = secrets.token_hex(8)
        answers = (frames.answered(nonce),)
        return self._repeat(dialogue, frames.question(nonce), answers, self._patience.agent)[1]

    def _repeat(
        self,
        dialogue: Dialogue,
        words: bytes,
        answers: Sequence[re.Pattern[str]],
        timeout: float,
        settle: float = 0.0,
    ) -> re.Match[str]:
        deadline = time.monotonic() + timeout
        while True:
            dialogue.say(words)
            try:
                left = max(0.1, deadline - time.monotonic())
                return dialogue.expect(answers, min(self._patience.nudge, left), settle)
            except TimeoutError:
                if time.monotonic() >= deadline:
                    raise

    def _ended(self, dialogue: Dialogue, host: str) -> CannotObserve:
        said = self._shown(dialogue)
        if _LOCKED.search(said):
            return ConsoleBusy(
                f"someone else has the console of {self.name} on {host}: {said}", hint="leave it with Ctrl-]"
            )
        return NoConsole(f"xl console {self.name} ended on {host}: {said}", hint=f"xl list on {host}")

    def _leave(self, dialogue: Dialogue) -> None:
        with suppress(EOFError, TimeoutError):
            dialogue.say(frames.LEAVE)
            dialogue.expect((_LOGIN, _SHELL), self._patience.login)

    def _shown(self, dialogue: Dialogue) -> str:
        """What the screen shows last, short; never the password, should it have been echoed."""
        tail = dialogue.tail.replace(self._login.password, "********") if self._login.password else dialogue.tail
        lines = [line.strip() for line in tail.splitlines() if line.strip()]
        return repr(lines[-1][-160:]) if lines else "nothing"

    def _drop(self) -> None:
        if self._dialogue is not None:
            self._dialogue.close()
            self._dialogue = None

    # Running a command

    def _execute(self, dialogue: Dialogue, argv: Sequence[str], timeout: float) -> Ended:
        line = shlex.join(argv)
        started, begun = datetime.now(UTC), time.monotonic()

        def record(answer: Answer | None, *, ended: bool = False, timed_out: bool = False) -> Ended:
            kept = answer or Answer(-1, b"", b"")
            seconds = time.monotonic() - begun
            code, out, err = kept.exit_code if ended else None, text(kept.stdout), text(kept.stderr)
            id_ = self._sink(CommandRecord(self.name, line, code, out, err, started, begun, seconds, timed_out))
            return Ended(kept.exit_code, kept.stdout, kept.stderr, seconds, id_)

        try:
            answer = self._answer(dialogue, line, begun + timeout)
        except TimeoutError:
            record(self._interrupt(dialogue), timed_out=True)
            raise CommandTimedOut(
                f"{self.name}: `{line}` did not end within {timeout:g} s",
                hint="a disk whose NFS server is away makes programs hang",
            ) from None
        except EOFError as end:
            record(None)
            self._drop()
            raise ConnectionLost(f"{self.name}: the console ended during `{line}`", sent=True) from end
        ended = record(answer, ended=answer is not None)
        if answer is None:
            raise CannotObserve(
                f"{self.name}: the answer to `{line}` came over the console garbled, {_TRIES} times",
                hint="what else writes to the guest's console? `dmesg -n 1` there silences its kernel",
            )
        return ended

    def _answer(self, dialogue: Dialogue, line: str, deadline: float) -> Answer | None:
        """The command's answer, told again where it came garbled; the command is run once. None: garbled each time."""
        nonce = secrets.token_hex(8)
        ask = frames.command(line, nonce)
        for _ in range(_TRIES):
            dialogue.say(ask)
            dialogue.hear_between(frames.begin(nonce), frames.end(nonce), deadline, self._patience.lull)
            answer = frames.read(dialogue.heard, nonce)
            if answer is not None and not answer.mangled:
                return answer
            nonce = secrets.token_hex(8)
            ask = frames.again(nonce) if answer is None else frames.command(line, nonce)
            deadline = max(deadline, time.monotonic() + self._patience.agent)
        return None

    def _interrupt(self, dialogue: Dialogue) -> Answer | None:
        """End the command that outlived its time, and return what it had written; else let go of the console."""
        nonce = secrets.token_hex(8)
        for key in (_CTRL_C, _QUIT):
            with suppress(TimeoutError, EOFError):
                dialogue.say(key)
                dialogue.press(frames.again(nonce))
                until = time.monotonic() + self._patience.interrupt
                dialogue.hear_between(frames.begin(nonce), frames.end(nonce), until, self._patience.lull)
                return frames.read(dialogue.heard, nonce)
        self._drop()
        return None
