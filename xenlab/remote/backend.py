"""testinfra's paramiko backend, made fit for a lab that breaks.

The original trusts any host key, hangs on much stderr, has no time limit and sends a command twice when
the connection broke. This one keeps only its place in testinfra: all traffic goes through `SshConnection`.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from threading import Lock
from typing import Any, TypeVar

import paramiko
import testinfra.backend.base
import testinfra.backend.paramiko

from xenlab.remote.connection import Ended, Sink, SshConnection, text
from xenlab.remote.errors import ConnectionLost
from xenlab.remote.login import Limits, Login

T = TypeVar("T")


class HardenedParamikoBackend(testinfra.backend.paramiko.ParamikoBackend):  # type: ignore[misc]  # testinfra is untyped
    """A host's connection, opened when first needed and opened anew when found dead.

    A command is only ever sent once. Several threads may use it together; opening is done by one of them.
    """

    def __init__(
        self, name: str, login: Login, sink: Sink, *, limits: Limits | None = None, timeout: float = 60.0
    ) -> None:
        super().__init__(name)
        self._name = name
        self._login = login
        self._sink = sink
        self._limits = limits or Limits()
        self._command_timeout = timeout
        self._opening = Lock()
        self._connection: SshConnection | None = None
        self._retired: list[SshConnection] = []

    @property
    def client(self) -> paramiko.SSHClient:
        """The live client, in place of the one that trusts any host key."""
        return self.connection().client

    def connection(self, *, instead_of: SshConnection | None = None) -> SshConnection:
        """Return the open connection, opening one when there is none or it is dead or `instead_of`.

        :raises HostUnreachable: and its siblings in `xenlab.remote.errors`.
        """
        with self._opening:
            current = self._connection
            if current is not None and current.alive and current is not instead_of:
                return current
            self._connection = None
            if current is not None:
                # Other threads may still wait for commands on it, so it is closed only in the end.
                self._retired.append(current)
            self._connection = SshConnection(self._name, self._login, self._sink, self._limits)
            return self._connection

    def pinned(self) -> SshConnection:
        """Open a connection of its own that never reconnects, nor gives up by itself while a guest moves."""
        limits = replace(self._limits, keepalive=0, silence=0.0)
        return SshConnection(self._name, self._login, self._sink, limits)

    def execute(
        self, argv: Sequence[str], *, timeout: float, stdin: bytes | None = None, shown: str | None = None
    ) -> Ended:
        """Run a program; a connection found dead before the command was sent is opened anew, once.

        :raises CommandTimedOut: it did not end in `timeout` seconds.
        :raises HostUnreachable: and its siblings in `xenlab.remote.errors`.
        """
        return self._once(lambda connection: connection.execute(argv, timeout=timeout, stdin=stdin, shown=shown))

    def terminal(self, argv: Sequence[str]) -> paramiko.Channel:
        """Start a program on a terminal; a dead connection is opened anew, as in `execute`."""
        return self._once(lambda connection: connection.terminal(argv))

    def _once(self, use: Callable[[SshConnection], T]) -> T:
        connection = self.connection()
        try:
            return use(connection)
        except ConnectionLost as lost:
            if lost.sent:
                raise
        return use(self.connection(instead_of=connection))

    def close(self) -> None:
        """Close every connection; the next command would open one again."""
        with self._opening:
            for connection in (*self._retired, self._connection):
                if connection is not None:
                    connection.close()
            self._retired.clear()
            self._connection = None

    def run(self, command: str, *args: str, **kwargs: Any) -> testinfra.backend.base.CommandResult:  # noqa: ANN401
        """Run a shell line of one of testinfra's modules, `%s` replaced by the quoted `args`."""
        del kwargs
        line = self.get_command(command, *args)
        ended = self.execute(("sh", "-c", line), timeout=self._command_timeout, shown=line)
        return self.result(ended.exit_code, line.encode(), ended.stdout, ended.stderr)

    def _exec_command(self, command: bytes) -> tuple[int, bytes, bytes]:
        ended = self.execute(("sh", "-c", text(command)), timeout=self._command_timeout, shown=text(command))
        return ended.exit_code, ended.stdout, ended.stderr

    def get_encoding(self) -> str:
        """Return UTF-8; the original would run Python on the host to find out."""
        return "utf-8"

    def decode(self, data: bytes) -> str:
        """Return `data` as text; what is not UTF-8 becomes U+FFFD."""
        return text(data)
