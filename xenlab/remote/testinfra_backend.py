"""testinfra's modules over connections of ours.

testinfra's own paramiko backend trusts any host key, hangs on much stderr, has no time limit and sends a command twice
when the connection broke. Here its modules only hand over shell lines, which run as all commands of ours do: bounded,
quoted and recorded.
"""

from collections.abc import Callable
from typing import Any

import testinfra.backend.base
import testinfra.host

from xenlab.remote.result import CommandResult, text


class MachineBackend(testinfra.backend.base.BaseBackend):  # type: ignore[misc]  # testinfra is untyped
    """Runs the shell lines of testinfra's modules with `run`, which is a machine's own."""

    NAME = "xenlab"

    def __init__(self, name: str, run: Callable[..., CommandResult]) -> None:
        super().__init__(name)
        self._run = run

    def run(self, command: str, *args: str, **kwargs: Any) -> testinfra.backend.base.CommandResult:  # noqa: ANN401
        """Run a shell line, its `%s` replaced by the quoted `args`.

        :raises CannotObserve: it was not seen to its end, or wrote more than is kept.
        """
        del kwargs
        line = self.get_command(command, *args)
        result = self._run("sh", "-c", line).whole()
        return self.result(result.exit_code, line.encode(), result.stdout, result.stderr)

    def get_encoding(self) -> str:
        """Return UTF-8; the original would run Python on the machine to find out."""
        return "utf-8"

    def decode(self, data: bytes) -> str:
        """Return `data` as text; what is not UTF-8 becomes U+FFFD."""
        return text(data)


def modules_of(name: str, run: Callable[..., CommandResult]) -> testinfra.host.Host:
    """testinfra's `Host` for a machine: `.file(path)`, `.mount_point(path)`, `.service(name)`, `.package(name)`."""
    return testinfra.host.Host(MachineBackend(name, run))
