"""A host's SSH connection, opened when it is first needed and opened anew when it is found dead."""

from collections.abc import Callable
from dataclasses import replace
from threading import Lock
from typing import TypeVar

from xenlab.remote.connection import Sink, SshConnection
from xenlab.remote.errors import ConnectionLost, SudoRefused
from xenlab.remote.login import Limits, Login
from xenlab.remote.ssh_client import Way, connect_tcp

T = TypeVar("T")


class Connections:
    """The connections to one host. Several threads may use them together; opening is done by one of them.

    Once sudo has refused there, none is opened or used any more: each try of a wrong password counts.
    """

    def __init__(
        self, name: str, login: Login, sink: Sink, limits: Limits | None = None, way: Way = connect_tcp
    ) -> None:
        self._name = name
        self._login = login
        self._sink = sink
        self._limits = limits or Limits()
        self._way = way
        self._opening = Lock()
        self._current: SshConnection | None = None
        self._retired: list[SshConnection] = []
        self._refusal: SudoRefused | None = None

    @property
    def old_algorithms(self) -> tuple[str, ...]:
        """The old algorithms that the present connection stands on (see `algorithms`); none where there is none."""
        return self._current.old_algorithms if self._current else ()

    def current(self, *, instead_of: SshConnection | None = None) -> SshConnection:
        """Return the open connection, opening one when there is none or it is dead or `instead_of`.

        :raises HostUnreachable: and its siblings in `xenlab.remote.errors`.
        """
        with self._opening:
            if self._refusal is not None:
                raise self._refusal
            current = self._current
            if current is not None and current.alive and current is not instead_of:
                return current
            self._current = None
            if current is not None:
                # Other threads may still wait for commands on it, so it is closed only in the end.
                self._retired.append(current)
            try:
                self._current = SshConnection(self._name, self._login, self._sink, self._limits, way=self._way)
            except SudoRefused as refusal:
                self._remember(refusal)
                raise
            return self._current

    def use(self, action: Callable[[SshConnection], T]) -> T:
        """Have `action` use the connection; one found dead before a command was sent is opened anew, once.

        A command that was sent is never sent again.

        :raises HostUnreachable: and its siblings in `xenlab.remote.errors`.
        """
        connection = self.current()
        try:
            return action(connection)
        except ConnectionLost as lost:
            if lost.sent:
                raise
        except SudoRefused as refusal:
            self._remember(refusal)
            raise
        return action(self.current(instead_of=connection))

    def _remember(self, refusal: SudoRefused) -> None:
        # A host that was only slow must still be reached where guests are to be brought home.
        if not refusal.may_pass:
            self._refusal = refusal

    def pinned(self) -> SshConnection:
        """Open a connection of its own that never reconnects, nor gives up by itself while a guest moves."""
        limits = replace(self._limits, keepalive=0, silence=0.0)
        shell = self.current().shell
        return SshConnection(self._name, self._login, self._sink, limits, shell, self._way)

    def close(self) -> None:
        """Close every connection; the next use would open one again."""
        with self._opening:
            for connection in (*self._retired, self._current):
                if connection is not None:
                    connection.close()
            self._retired.clear()
            self._current = None
