"""A host or guest that commands can be run on."""

import shlex
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cached_property

import paramiko
from testinfra.host import Host as TestinfraHost

from xenlab.errors import WouldChange
from xenlab.remote.activity import activity
from xenlab.remote.connection import Sink, SshConnection
from xenlab.remote.connections import Connections
from xenlab.remote.console_login import read_screen
from xenlab.remote.errors import ConsoleBusy, NoConsole, RemoteCommandFailed, SudoRefused
from xenlab.remote.login import Limits, Login
from xenlab.remote.machine import await_login
from xenlab.remote.output import KEPT_BYTES
from xenlab.remote.record import CommandRecord
from xenlab.remote.result import CommandResult, RawResult, in_short
from xenlab.remote.ssh_client import Way, connect_tcp
from xenlab.remote.sudo import refused, wants_password
from xenlab.remote.testinfra_backend import modules_of

WRITE_FILE = 'umask 077; cat >"$1" && chmod "$2" "$1"'


class RemoteHost:
    """One machine over SSH: bounded commands, quoted arguments, every record given to `sink`.

    It connects when first used and may be shared between threads. `timeout` is the time in seconds that a
    command has when its call does not say. Where its user is not root, commands run through sudo if they can.
    `way` is how its SSH server is reached. One that is `read_only` is never asked to change anything.
    """

    def __init__(
        self,
        name: str,
        login: Login,
        sink: Sink,
        *,
        timeout: float = 60.0,
        limits: Limits | None = None,
        way: Way = connect_tcp,
        read_only: bool = False,
    ) -> None:
        self.name = name
        self._read_only = read_only
        self._login = login
        self._sink = sink
        self._timeout = timeout
        self._connections = Connections(name, login, sink, limits, way)

    def __repr__(self) -> str:
        return f"RemoteHost({self.name!r}, {self._login.user}@{self._login.address}:{self._login.port})"

    @cached_property
    def testinfra(self) -> TestinfraHost:
        """testinfra's modules on this host: `testinfra.file(path)`, `.mount_point(path)`, `.package(name)`.

        Their commands are bounded and recorded as any other; what cannot be seen raises CannotObserve.
        """
        return modules_of(self.name, self.run)

    @property
    def fingerprint(self) -> str:
        """The server's verified host key, as ssh-keygen -l shows it ("SHA256:...").

        :raises HostUnreachable: and its siblings: a connection is opened when there is none.
        """
        return self._connections.current().fingerprint

    @property
    def old_algorithms(self) -> tuple[str, ...]:
        """The old SSH algorithms that its connection stands on, each with its kind; none where it is not open."""
        return self._connections.old_algorithms

    @property
    def way_in(self) -> str:
        """How one is logged in; see `fingerprint`."""
        return f"over SSH, host key {self.fingerprint}"

    def runs_as_root(self) -> bool:
        """Whether commands run as root, by the login itself or through sudo; told when the connection was opened.

        :raises HostUnreachable: and its siblings: a connection is opened when there is none.
        """
        return self._connections.current().shell.is_root

    def sudo_refusal(self) -> SudoRefused | None:
        """Why commands do not run as root, where all that sudo lacks is a password.

        :raises HostUnreachable: and its siblings: a connection is opened when there is none.
        :raises SudoRefused: there is one, and sudo refuses all the same.
        """
        shell = self._connections.current().shell
        if not wants_password(shell.refused):
            return None
        return refused(f"{self._login.user} on {self.name}", shell.refused)

    def terminal(self, *argv: str) -> paramiko.Channel:
        """Start a program on a terminal of its own, unbounded and unrecorded, until the channel is closed.

        :raises WouldChange: it is read-only: whatever is typed may change something.
        :raises HostUnreachable: and its siblings in `xenlab.remote.errors`.
        """
        self._refuse(f"what `{shlex.join(argv)}` on {self.name} answers to keys")
        return self._connections.use(lambda connection: connection.terminal(argv))

    def read_screen(self, *argv: str, timeout: float = 20.0) -> CommandResult:
        """Start a guest's console (`xl console NAME`), press Enter, and return as stdout what it then shows.

        It takes until a prompt is there, or `timeout` seconds; the console is let go of, however it ends. What a
        console shows is for `prompts.shows_login_prompt` to read.

        :raises ConsoleBusy: someone else has the console.
        :raises NoConsole: it cannot be had, or ended.
        :raises HostUnreachable: and its siblings in `xenlab.remote.errors`.
        """
        command = shlex.join(argv)
        started, begun = datetime.now(UTC), time.monotonic()

        def record(code: int, stdout: str, stderr: str) -> CommandResult:
            seconds = time.monotonic() - begun
            id_ = self._sink(CommandRecord(self.name, command, code, stdout, stderr, started, begun, seconds, False))
            return CommandResult(code, stdout, stderr, seconds, self.name, command, id_)

        terminal = self.terminal(*argv)
        with activity(f"{self.name}: {command}"):
            try:
                shown = read_screen(terminal, timeout, where=f"`{command}` on {self.name}")
            except (ConsoleBusy, NoConsole) as ended:
                ended.evidence = record(1, "", ended.message).evidence
                raise
        return record(0, shown, "")

    def run(
        self,
        *argv: str,
        timeout: float | None = None,
        stdin: str | None = None,
        changes: bool = False,
        leave_running: bool = False,
    ) -> CommandResult:
        """Run a program with these arguments, each quoted for the remote shell; `timeout` in seconds.

        `changes` records it as an act, which changes the lab, not a look. With `leave_running` a program that
        outlives its time, or its connection, is not ended on the host, only no longer waited for.

        :raises WouldChange: it is an act, and the machine is read-only.
        :raises CommandTimedOut: it did not end in time; its process is ended, the connection stays usable.
        :raises OutputFlood: it wrote without end, and is ended.
        :raises HostUnreachable: and its siblings in `xenlab.remote.errors`.
        """
        data = None if stdin is None else stdin.encode()
        return self._run(argv, timeout, data, changes=changes, leave_running=leave_running).as_result(self.name, argv)

    def write_file(self, path: str, data: bytes, mode: int = 0o644) -> None:
        """Write `data` to a file and give it `mode`; the bytes go to no record.

        :raises RemoteCommandFailed: the file cannot be written.
        """
        argv = ("sh", "-c", WRITE_FILE, "sh", path, f"{mode:o}")
        self._run(argv, None, data, changes=True).as_result(self.name, argv).check()

    def read_bytes(self, path: str, limit: int = 1 << 20) -> bytes:
        """Return a file's content.

        :raises RemoteCommandFailed: it cannot be read, or it has more than `limit` bytes.
        """
        argv = ("head", "-c", str(limit + 1), "--", path)
        ended = self._run(argv, None, None, keep=max(limit + 1, KEPT_BYTES))
        evidence = ended.as_result(self.name, argv).check().evidence
        if len(ended.stdout) > limit:
            raise RemoteCommandFailed(f"{path} on {self.name} has more than {limit} bytes", evidence=evidence)
        return ended.stdout

    def pinned_connection(self) -> SshConnection:
        """Open a second connection that never reconnects: while it answers, one TCP connection has lived.

        It sends nothing by itself and has no limit of silence, so that it outlives a guest's downtime. The
        caller closes it.

        :raises HostUnreachable: and its siblings in `xenlab.remote.errors`.
        """
        return self._connections.pinned()

    def wait_until_reachable(self, timeout: float, word: str = "") -> None:
        """Wait until a login succeeds; `word` says what it is waited for ("guest1 to boot").

        An unknown or wrong host key will not mend itself either.

        :raises HostUnreachable: no login within about `timeout` seconds; tells the last reason.
        :raises HostKeyUnknown, HostKeyMismatch, LoginRefused, IncompatiblePeer: at once, as `await_login` says.
        """
        await_login(self._connections.current, self._login.user, word or f"an SSH login on {self.name}", timeout)

    def close(self) -> None:
        """Close the connection; a later command opens a new one. Pinned connections are not touched."""
        self._connections.close()

    def _run(
        self,
        argv: Sequence[str],
        timeout: float | None,
        stdin: bytes | None,
        *,
        changes: bool = False,
        leave_running: bool = False,
        keep: int = KEPT_BYTES,
    ) -> RawResult:
        if changes:
            self._refuse(f"what `{in_short(argv)}` on {self.name} brings about")
        bound = self._timeout if timeout is None else timeout
        return self._connections.use(
            lambda connection: connection.execute(
                argv, timeout=bound, stdin=stdin, changes=changes, leave_running=leave_running, keep=keep
            )
        )

    def _refuse(self, unjudged: str) -> None:
        if self._read_only:
            raise WouldChange(unjudged)
