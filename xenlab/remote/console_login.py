"""Getting in at a guest's console, and reading what its screen shows."""

import re
import secrets
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from xenlab.errors import CannotObserve
from xenlab.remote import frames, prompts
from xenlab.remote.dialogue import Dialogue, Terminal
from xenlab.remote.errors import ConsoleBusy, LoginRefused, NoConsole, NoLoginPrompt, OutputFlood
from xenlab.remote.login import Login
from xenlab.remote.prompts import shows_login_prompt
from xenlab.remote.record import MASK
from xenlab.remote.sudo import refused, wrong_password

# xl's own client locks a guest's console (/var/lock/xenconsole.5; tools/console/client/main.c).
_LOCKED = re.compile(r"Could not lock ")
_PROMPTS = (frames.READY, prompts.LOGIN, prompts.SHELL, prompts.QUESTION)
_CTRL_C = b"\x03"
_NO_PROMPT_HINT = (
    "a getty on hvc0 in the guest, console=hvc0 on its kernel's command line, and no program left running on it"
)


@dataclass(frozen=True, slots=True)
class ConsoleTimeouts:
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


class ConsoleLogin:
    """One login on an open console; `where` names it for messages ("the console of guest1 on baye")."""

    def __init__(self, dialogue: Dialogue, login: Login, where: str, timeouts: ConsoleTimeouts) -> None:
        self._dialogue = dialogue
        self._login = login
        self._where = where
        self._timeouts = timeouts

    def start_agent(self) -> None:
        """Log in where nobody is, and have the agent of `frames` run there as the user of the login.

        :raises NoLoginPrompt: it shows nothing that one could log in at.
        :raises LoginRefused: it does not take the user or password.
        :raises ConsoleBusy: someone else is logged in there.
        :raises SudoRefused: sudo does not take the password, or refuses for another reason.
        """
        try:
            prompt = self._find_prompt()
            if prompt.re is frames.READY and self._by_sudo and self._ask()["uid"] != "0":
                self.leave()  # an earlier run's, which knew no password
                prompt = self._find_prompt()
            if prompt.re in (prompts.LOGIN, prompts.QUESTION):
                self._log_in(prompt["line"])
            if prompt.re is not frames.READY:
                self._start(instead_of_shell=prompt.re is not prompts.SHELL)
                self._dialogue.send(frames.program())
                self._dialogue.expect((frames.READY,), self._timeouts.login)
            user = self.ask_user()
        except TimeoutError:
            raise NoLoginPrompt(
                f"{self._where} shows neither a login prompt nor a shell: {self.shown()}", hint=_NO_PROMPT_HINT
            ) from None
        if user != self._login.user:
            self.leave()
            raise ConsoleBusy(
                f"{user} is logged in on {self._where}, not {self._login.user}",
                hint="log out there (xl console), or have the lab file name that user",
            )

    def ask_user(self) -> str:
        """Whose login the agent runs for; raises TimeoutError when no agent is there."""
        return self._ask()["user"]

    def _ask(self) -> re.Match[str]:
        nonce = secrets.token_hex(8)
        deadline = time.monotonic() + self._timeouts.agent
        while time.monotonic() < deadline:
            self._dialogue.send(frames.question(nonce))
            with suppress(TimeoutError):
                return self._expect_before(deadline, (frames.answered(nonce),), settle=0.0)
        raise TimeoutError

    def leave(self) -> None:
        """End the agent, and with it the login, if that was ours."""
        with suppress(EOFError, TimeoutError, OutputFlood):
            self._dialogue.send(frames.LEAVE)
            self._dialogue.expect((prompts.QUESTION, prompts.SHELL), self._timeouts.login)

    def shown(self) -> str:
        """What the screen shows last, short; never a password, should it have been echoed."""
        return _last_line(self._dialogue.tail, self._login)

    @property
    def _by_sudo(self) -> bool:
        return self._login.sudo and self._login.sudo_password is not None

    def _start(self, *, instead_of_shell: bool) -> None:
        """Have the agent be read, by sudo where that has a password."""
        prompt = f"{secrets.token_hex(8)}%" if self._by_sudo else ""
        self._dialogue.send(frames.start(instead_of_shell=instead_of_shell, prompt=prompt))
        if not self._by_sudo:
            self._dialogue.expect((frames.STARTING,), self._timeouts.login)
            return
        asked = re.compile(rf"{re.escape(prompt)}\Z")
        others = (frames.STARTING, prompts.QUESTION, prompts.SHELL)
        found = self._expect(asked, *others)
        if found.re is asked:
            self._dialogue.send((self._login.sudo_password or "").encode() + frames.ENTER)
            found = self._expect(asked, *others)
        if found.re is frames.STARTING:
            return
        # The login may have ended with sudo, and its prompt stand below what sudo said.
        said = [line for line in self._dialogue.tail.splitlines() if "sudo" in line]
        account = f"{self._login.user} on {self._where}"
        if found.re is asked:
            self._dialogue.send(_CTRL_C)
            raise wrong_password(account)
        raise refused(account, _last_line("\n".join(said), self._login))

    def _find_prompt(self) -> re.Match[str]:
        """What is there: Enter makes getty repeat its prompt, a shell its own, the agent say that it is there."""
        deadline = time.monotonic() + self._timeouts.prompt
        before = ""
        while time.monotonic() < deadline:
            self._dialogue.send(frames.ENTER)
            with suppress(TimeoutError):
                found = self._expect_before(deadline, _PROMPTS)
                if found.re is not prompts.QUESTION or (found["line"] == before and prompts.is_login(before)):
                    return found
                before = found["line"]
        raise TimeoutError

    def _log_in(self, login_prompt: str) -> None:
        self._dialogue.send(self._login.user.encode() + frames.ENTER)
        # A prompt that comes again is the answer to an Enter of before, or no login: the password is not for it.
        if self._expect(prompts.SHELL, prompts.question_other_than(login_prompt)).re is prompts.SHELL:
            return
        self._dialogue.send((self._login.password or "").encode() + frames.ENTER)
        if self._expect(prompts.REFUSED, prompts.SHELL, prompts.QUESTION).re is not prompts.SHELL:
            raise LoginRefused(
                f"{self._where} refuses the login of {self._login.user}: {self.shown()}",
                hint="check the password, whether the account is locked (passwd -S), and that hvc0 is in the "
                "guest's /etc/securetty where it has one",
            )

    def _expect(self, *patterns: re.Pattern[str]) -> re.Match[str]:
        return self._dialogue.expect(patterns, self._timeouts.login, self._timeouts.settle)

    def _expect_before(
        self, deadline: float, patterns: Sequence[re.Pattern[str]], settle: float | None = None
    ) -> re.Match[str]:
        left = max(0.1, deadline - time.monotonic())
        quiet = self._timeouts.settle if settle is None else settle
        return self._dialogue.expect(patterns, min(self._timeouts.nudge, left), quiet)


def read_screen(
    terminal: Terminal, timeout: float, *, where: str = "the console", timeouts: ConsoleTimeouts | None = None
) -> str:
    """What a console shows when Enter is pressed: until a prompt is there, or `timeout` seconds are over.

    `terminal` is an open `xl console`, which is let go of and closed. See `shows_login_prompt` for what it shows.

    :raises ConsoleBusy: someone else has the console.
    :raises NoConsole: it cannot be had, or ended.
    """
    timeouts = timeouts or ConsoleTimeouts()
    dialogue = Dialogue(terminal)
    deadline = time.monotonic() + timeout
    try:
        while not _shows_prompt(dialogue, timeouts, deadline) and time.monotonic() < deadline:
            pass
        return dialogue.screen
    except EOFError as end:
        raise console_ended(where, dialogue.tail) from end
    finally:
        dialogue.close()


def console_ended(where: str, tail: str, login: Login | None = None) -> CannotObserve:
    """The error for an `xl console` that has ended, told by its last words."""
    said = _last_line(tail, login)
    if _LOCKED.search(said):
        return ConsoleBusy(f"someone else has {where}: {said}", hint="leave it there with Ctrl-]")
    return NoConsole(f"{where} ended: {said}", hint="xl list on both hosts shows where the guest is")


def _shows_prompt(dialogue: Dialogue, timeouts: ConsoleTimeouts, deadline: float) -> bool:
    """Press Enter, and say whether a prompt came."""
    dialogue.send_more(frames.ENTER)
    patience = min(timeouts.nudge, max(0.1, deadline - time.monotonic()))
    with suppress(TimeoutError):
        if dialogue.expect(_PROMPTS, patience, timeouts.settle).re is not prompts.QUESTION:
            return True
    return shows_login_prompt(dialogue.screen)


def _last_line(tail: str, login: Login | None) -> str:
    text = tail
    for secret in filter(None, (login.password, login.sudo_password) if login else ()):
        text = text.replace(secret, MASK)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return repr(lines[-1][-160:]) if lines else "nothing"
