"""A host or guest that commands can be run on."""

from collections.abc import Sequence
from functools import cached_property

import paramiko
import testinfra.host

from xenlab.remote.backend import HardenedParamikoBackend
from xenlab.remote.connection import Sink, SshConnection, told
from xenlab.remote.errors import RemoteCommandFailed
from xenlab.remote.login import Limits, Login
from xenlab.remote.machine import await_login
from xenlab.remote.result import CommandResult

WRITE_FILE = 'umask 077; cat >"$1" && chmod "$2" "$1"'


class RemoteHost:
    """One machine over SSH: bounded commands, quoted arguments, everything told to `sink`.

    It connects when first used and may be shared between threads. `timeout` is the time in seconds that a
    command has when its call does not say.
    """

    def __init__(
        self, name: str, login: Login, sink: Sink, *, timeout: float = 60.0, limits: Limits | None = None
    ) -> None:
        self.name = name
        self.address = login.address
        self._login = login
        self._timeout = timeout
        self._backend = HardenedParamikoBackend(name, login, sink, limits=limits, timeout=timeout)

    def __repr__(self) -> str:
        return f"RemoteHost({self.name!r}, {self._login.user}@{self._login.address}:{self._login.port})"

    @cached_property
    def modules(self) -> testinfra.host.Host:
        """testinfra's modules on this host: `modules.file(path)`, `.mount_point(path)`, `.package(name)`."""
        return testinfra.host.Host(self._backend)

    @property
    def fingerprint(self) -> str:
        """The server's verified host key, as ssh-keygen -l shows it ("SHA256:...").

        :raises HostUnreachable: and its siblings: a connection is opened when there is none.
        """
        return self._backend.connection().fingerprint

    @property
    def way_in(self) -> str:
        """How one is logged in; see `fingerprint`."""
        return f"over SSH, host key {self.fingerprint}"

    def terminal(self, *argv: str) -> paramiko.Channel:
        """Start a program on a terminal of its own, unbounded and unrecorded, until the channel is closed.

        :raises HostUnreachable: and its siblings in `xenlab.remote.errors`.
        """
        return self._backend.terminal(argv)

    def run(self, *argv: str, timeout: float | None = None, stdin: str | None = None) -> CommandResult:
        """Run a program with these arguments, each quoted for the remote shell; `timeout` in seconds.

        :raises CommandTimedOut: it did not end in time; its process is ended, the connection stays usable.
        :raises HostUnreachable: and its siblings in `xenlab.remote.errors`.
        """
        data = None if stdin is None else stdin.encode()
        return self._run(argv, timeout, data)

    def write_file(self, path: str, data: bytes, mode: int = 0o644) -> None:
        """Write `data` to a file and give it `mode`; the bytes go to no record.

        :raises RemoteCommandFailed: the file cannot be written.
        """
        self._run(("sh", "-c", WRITE_FILE, "sh", path, f"{mode:o}"), None, data).check()

    def read_bytes(self, path: str, limit: int = 1 << 20) -> bytes:
        """Return a file's content.

        :raises RemoteCommandFailed: it cannot be read, or it has more than `limit` bytes.
        """
        argv = ("head", "-c", str(limit + 1), "--", path)
        ended = self._backend.execute(argv, timeout=self._timeout)
        told(self.name, argv, ended).check()
        if len(ended.stdout) > limit:
            raise RemoteCommandFailed(f"{path} on {self.name} has more than {limit} bytes", evidence=(ended.id,))
        return ended.stdout

    def pinned_connection(self) -> SshConnection:
        """Open a second connection that never reconnects: while it answers, one TCP connection has lived.

        It sends nothing by itself and has no limit of silence, so that it outlives a guest's downtime. The
        caller closes it.

        :raises HostUnreachable: and its siblings in `xenlab.remote.errors`.
        """
        return self._backend.pinned()

    def wait_until_reachable(self, timeout: float, word: str = "") -> None:
        """Wait until a login succeeds; `word` says what it is waited for ("guest1 to boot").

        An unknown or wrong host key will not mend itself either.

        :raises HostUnreachable: no login within about `timeout` seconds; tells the last reason.
        :raises HostKeyUnknown, HostKeyMismatch, LoginRefused, IncompatiblePeer: at once, as `await_login` says.
        """
        await_login(self._backend.connection, self._login.user, word or f"an SSH login on {self.name}", timeout)

    def close(self) -> None:
        """Close the connection; a later command opens a new one. Pinned connections are not touched."""
        self._backend.close()

    def _run(self, argv: Sequence[str], timeout: float | None, stdin: bytes | None) -> CommandResult:
        bound = self._timeout if timeout is None else timeout
        return told(self.name, argv, self._backend.execute(argv, timeout=bound, stdin=stdin))
