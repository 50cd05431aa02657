"""What sudo asks before a command begins, answered: the password goes out when it is asked for, once.

Sent on suspicion, it would be lost (sudo empties a terminal's input before it asks) or become the command's own input
(where sudo asks nothing after all). Asked a second time, sudo has refused it: another try might lock the account.
"""

import re
from collections.abc import Callable
from threading import Event

from xenlab.remote.errors import SudoRefused
from xenlab.remote.record import MASK
from xenlab.remote.result import text
from xenlab.remote.shell import Shell

_KEPT_BYTES = 1 << 16
_MARK_BYTES = 64  # no mark of ours, with its line end, is longer

_WRONG = re.compile(r"[Ss]orry, try again|incorrect password|[Ii]ncorrect authentication")
_NEEDS_TERMINAL = re.compile(r"\b(?:tty|terminal)\b")
_ASKS = re.compile(r"a password is required|interactive authentication|terminal is required to read the password")


class SudoDialogue:
    """The start of one command: `receive` takes what comes of it, `send` and `end_input` are what it is told with.

    `begun` is set once the command itself runs: from then on all input is its own. Its streams may be read by two
    threads. Without a prompt in `shell` it has begun from the start.
    """

    def __init__(
        self, shell: Shell, password: str, send: Callable[[bytes], object], end_input: Callable[[], object]
    ) -> None:
        self._prompt = shell.prompt.encode()
        self._mark = re.compile(rf"{re.escape(shell.mark)}\r?\n".encode())
        self._password = password
        self._send = send
        self._end_input = end_input
        self._received = {"stdout": b"", "stderr": b""}
        self._asked = 0
        self.begun = Event()
        if not shell.prompt:
            self.begun.set()

    def receive(self, stream: str, data: bytes) -> None:
        """Take what has come on "stdout" (a terminal: of both) or "stderr"; sends what is to be sent."""
        if self.begun.is_set():
            return
        before = self._received[stream]
        self._received[stream] = (before + data)[-_KEPT_BYTES:]
        if stream == "stdout" and self._mark.search(before[-_MARK_BYTES:] + data):
            self.begun.set()
        elif self._prompt in before[1 - len(self._prompt) :] + data:
            self._asked += 1
            if self._asked == 1:
                self._send(f"{self._password}\n".encode())
            else:
                self._end_input()

    @property
    def words(self) -> str:
        """What sudo has said, without its prompts; never the password, should it have been echoed."""
        said = text(b"".join(self._received.values()).replace(self._prompt, b"\n"))
        return said.replace(self._password, MASK) if self._password else said

    def refusal(self, account: str, seconds: float | None = None) -> SudoRefused:
        """The error for a command that sudo did not let through; `seconds`: nor refused, in that time."""
        if self._asked > 1 or _WRONG.search(self.words):
            return wrong_password(account)
        lines = [line.strip() for line in self.words.splitlines() if line.strip()]
        if seconds is None:
            return refused(account, lines[-1] if lines else "")
        return SudoRefused(
            f"{account}: sudo has let nothing through within {seconds:g} s; it says {(lines or [''])[-1][-160:]!r}",
            hint="`Defaults passprompt_override` in sudoers has it ask in our words; else let it ask for no password",
            may_pass=True,
        )


def wrong_password(account: str) -> SudoRefused:
    """The error for a password that sudo does not take."""
    return SudoRefused(
        f"{account}: sudo does not take the password",
        hint="it is not sent again in this run, so that the account is not locked; check it by hand",
    )


def refused(account: str, words: str) -> SudoRefused:
    """The error for what sudo says instead of running a command for `account` ("student on baye")."""
    said = words.removeprefix("sudo: ")[-160:]
    if wants_password(words):
        return SudoRefused(
            f"{account}: sudo wants a password there",
            hint="name the variable that holds it, as sudo_password_env in the lab file; or let it ask for none, by a "
            f"line in sudoers: `{account.partition(' on ')[0]} ALL=(root) NOPASSWD: ALL`",
            wants_password=True,
        )
    if _NEEDS_TERMINAL.search(words):
        return SudoRefused(
            f"{account}: sudo runs on a terminal only there: {said}",
            hint=f"a line in sudoers: `Defaults:{account.partition(' on ')[0]} !requiretty`",
        )
    return SudoRefused(f"{account}: sudo refuses: {said or 'it says nothing'}", hint="log in as root, or see sudoers")


def wants_password(words: str) -> bool:
    """Whether sudo would go on, had it a password."""
    return _ASKS.search(words) is not None
