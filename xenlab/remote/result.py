"""How a command ended, as the rooms above see it."""

from dataclasses import dataclass

from xenlab.remote.errors import RemoteCommandFailed


@dataclass(frozen=True, slots=True)
class CommandResult:
    """A command that ended; `seconds` is how long it took.

    `exit_code` is -1 when a signal ended it, or 128 + its number where the login shell says so. `id` is that of
    its record, for those who name it as evidence.
    """

    exit_code: int
    stdout: str
    stderr: str
    seconds: float
    host: str
    command: str
    id: str = ""

    @property
    def ok(self) -> bool:
        """Whether it ended with exit code 0."""
        return self.exit_code == 0

    def check(self, *, hint: str = "") -> "CommandResult":
        """Return the result itself when the command succeeded.

        :raises RemoteCommandFailed: it did not; `actual` is the last line of its stderr.
        """
        __tracebackhide__ = True
        if self.ok:
            return self
        words = self.stderr.strip().splitlines() or self.stdout.strip().splitlines()
        how = "was ended by a signal" if self.exit_code == -1 else f"ended with exit code {self.exit_code}"
        raise RemoteCommandFailed(
            f"`{_shortened(self.command)}` on {self.host} {how}",
            hint=hint,
            actual=words[-1] if words else "",
            evidence=(self.id,) if self.id else (),
        )


def _shortened(command: str, length: int = 120) -> str:
    line = " ".join(command.split())
    return line if len(line) <= length else line[: length - 1] + "…"
