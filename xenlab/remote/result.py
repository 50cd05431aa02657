"""How a command ended, as the rooms above see it."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from xenlab.remote.errors import OutputCut, RemoteCommandFailed


@dataclass(frozen=True, slots=True)
class RawResult:
    """A command's raw outcome; fields as in `CommandResult`."""

    exit_code: int
    stdout: bytes
    stderr: bytes
    seconds: float
    id: str = ""
    stdout_cut: int = 0
    stderr_cut: int = 0

    def as_result(self, host: str, argv: Sequence[str]) -> "CommandResult":
        """The same in text."""
        return CommandResult(
            self.exit_code,
            text(self.stdout),
            text(self.stderr),
            self.seconds,
            host,
            shlex.join(argv),
            self.id,
            self.stdout_cut,
            self.stderr_cut,
        )


@dataclass(frozen=True, slots=True)
class CommandResult:
    """A command that ended; `seconds` is how long it took.

    `exit_code` is -1 when a signal ended it, or 128 + its number where the login shell says so. `id` is that of
    its record, for those who name it as evidence. `stdout_cut` and `stderr_cut` are the bytes that it wrote beyond
    what is here, see `whole`.
    """

    exit_code: int
    stdout: str
    stderr: str
    seconds: float
    host: str
    command: str
    id: str = ""
    stdout_cut: int = 0
    stderr_cut: int = 0

    @property
    def ok(self) -> bool:
        """Whether it ended with exit code 0."""
        return self.exit_code == 0

    @property
    def evidence(self) -> tuple[str, ...]:
        """Its record's id, for a finding or an error that rests on it."""
        return (self.id,) if self.id else ()

    def whole(self) -> "CommandResult":
        """Return the result itself when nothing of its stdout was thrown away: only then may it be read as facts.

        :raises OutputCut: something was.
        """
        __tracebackhide__ = True
        if not self.stdout_cut:
            return self
        raise OutputCut(
            f"`{shortened(self.command)}` on {self.host} wrote {len(self.stdout) + self.stdout_cut} bytes, of which "
            f"only the first {len(self.stdout)} are kept",
            evidence=self.evidence,
        )

    def check(self, *, hint: str = "") -> "CommandResult":
        """Return the result itself when the command succeeded and its stdout is here whole.

        :raises RemoteCommandFailed: it did not succeed; `actual` is the last line of its stderr.
        :raises OutputCut: it wrote more than is kept.
        """
        __tracebackhide__ = True
        if self.ok:
            return self.whole()
        words = self.stderr.strip().splitlines() or self.stdout.strip().splitlines()
        how = "was ended by a signal" if self.exit_code == -1 else f"ended with exit code {self.exit_code}"
        raise RemoteCommandFailed(
            f"`{shortened(self.command)}` on {self.host} {how}",
            hint=hint,
            actual=printable(words[-1]) if words else "",
            evidence=self.evidence,
        )


def text(data: bytes) -> str:
    """Return what a program wrote; bytes that are not UTF-8 become U+FFFD."""
    return data.decode("utf-8", errors="replace")


def printable(words: object) -> str:
    """A host's words for a message: what could move a terminal's cursor or turn its writing is escaped."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in str(words))


def in_short(argv: Sequence[str]) -> str:
    """A command for a status line: a script is pages long, what it is given says enough."""
    return f"sh … {shlex.join(argv[4:])}" if tuple(argv[:2]) == ("sh", "-c") else shlex.join(argv)


def shortened(command: str, length: int = 120) -> str:
    """A command's first words on one line, for a message."""
    line = " ".join(command.split())
    return line if len(line) <= length else line[: length - 1] + "…"
