"""One SSH connection: host key verified, every command bounded and recorded, never re-opened.

testinfra's own way hangs on much stderr (it reads stdout to its end first) and has no time limit; here
both streams are drained at once, and a command that outlives its time is ended on both sides.
"""

import math
import shlex
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import BoundedSemaphore, Event, Thread, Timer

import paramiko

from xenlab.errors import CannotObserve
from xenlab.remote.dialling import open_client
from xenlab.remote.doing import doing
from xenlab.remote.echo import Echo, Echoed
from xenlab.remote.errors import CommandTimedOut, ConnectionLost
from xenlab.remote.login import Limits, Login
from xenlab.remote.record import CommandRecord
from xenlab.remote.result import CommandResult

Sink = Callable[[CommandRecord], str]
"""Takes a record and returns its id."""

# sshd allows ten sessions on a connection unless told otherwise (MaxSessions in sshd_config(5)).
SESSIONS = 8
CHUNK = 65536
# xl lives in /usr/sbin, which is not on every user's path; parsers need messages in plain English.
SURROUNDINGS = "PATH=$PATH:/usr/sbin:/sbin LC_ALL=C.UTF-8"
# The remote side ends the process a little after this side has given up, so that the two never race.
GRACE_SECONDS = 2
# coreutils and new busybox know -k, older busybox does not, and some guests have no timeout(1) at all.
HOW_TO_BOUND = "timeout -k 1 5 true 2>/dev/null && echo -k 5 || { timeout 5 true 2>/dev/null && echo; } || echo none"


@dataclass(frozen=True, slots=True)
class Ended:
    """A command's raw outcome; `exit_code` is -1 when a signal ended it."""

    exit_code: int
    stdout: bytes
    stderr: bytes
    seconds: float
    id: str = ""


class SshConnection:
    """One TCP connection to a host, for as long as it lives.

    Several threads may run commands on it at once.

    :raises HostUnreachable: and its siblings in `xenlab.remote.errors`, while it is being opened.
    """

    def __init__(self, name: str, login: Login, sink: Sink, limits: Limits) -> None:
        self.name = name
        self._sink = sink
        self._limits = limits
        self._slots = BoundedSemaphore(SESSIONS)
        self.client, self._transport = open_client(name, login, limits)
        self.fingerprint: str = self._transport.get_remote_server_key().fingerprint
        try:
            self._bound = self._how_to_bound()
        except CannotObserve:
            self.close()
            raise

    @property
    def alive(self) -> bool:
        """Whether this machine still holds the connection open; only a command proves the peer does too."""
        return self._transport.is_active()

    def close(self) -> None:
        """Close the connection; commands running on it end with ConnectionLost."""
        self.client.close()

    def run(self, *argv: str, timeout: float = 60.0, stdin: str | None = None) -> CommandResult:
        """Run a program on this very connection, each argument quoted; `timeout` in seconds.

        :raises CommandTimedOut: it did not end in time.
        :raises ConnectionLost: the connection broke; it is not opened again.
        """
        data = None if stdin is None else stdin.encode()
        return told(self.name, argv, self.execute(argv, timeout=timeout, stdin=data))

    def execute(
        self, argv: Sequence[str], *, timeout: float, stdin: bytes | None = None, shown: str | None = None
    ) -> Ended:
        """Run a program and record it; `shown` stands in the record instead of the quoted `argv`.

        :raises CommandTimedOut: it did not end in time.
        :raises ConnectionLost: the connection broke.
        """
        line = shlex.join(argv)
        bound = self._bound and f"{self._bound} {math.ceil(timeout) + GRACE_SECONDS}"
        with doing(f"{self.name}: {shown or _in_short(argv)}"), self._slots:
            return self._converse(f"{SURROUNDINGS} {bound} {line}", shown or line, timeout, stdin, self._sink)

    def echo(self, interval: float) -> Echo:
        """Begin to send numbered lines through `cat` on this very connection, one every `interval` seconds.

        :raises ConnectionLost: the connection is dead.
        """
        channel = self._open_channel()
        started, begun = datetime.now(UTC), time.monotonic()

        def record(echoed: Echoed) -> None:
            code, seconds = (0 if echoed.whole else None), time.monotonic() - begun
            self._sink(CommandRecord(self.name, "cat", code, f"{echoed}\n", "", started, begun, seconds, False))

        try:
            channel.exec_command("exec cat")
        except (paramiko.SSHException, EOFError, OSError) as death:
            raise ConnectionLost(f"{self.name}: the connection is dead: {death}", sent=False) from death
        return Echo(channel, interval, record)

    def terminal(self, argv: Sequence[str]) -> paramiko.Channel:
        """Start a program on a terminal of its own; it ends when the channel, which is the caller's, is closed.

        :raises ConnectionLost: the connection is dead.
        """
        channel = self._open_channel()
        try:
            channel.get_pty()
            channel.exec_command(f"{SURROUNDINGS} {shlex.join(argv)}".encode())
        except (paramiko.SSHException, EOFError, OSError) as death:
            raise ConnectionLost(f"{self.name}: the connection is dead: {death}", sent=False) from death
        return channel

    def _how_to_bound(self) -> str:
        probe = self._converse(HOW_TO_BOUND, "timeout", self._limits.channel, None, lambda _: "")
        words = probe.stdout.decode().strip()
        return "" if words == "none" else f"timeout {words}".strip()

    def _converse(self, sent: str, shown: str, timeout: float, stdin: bytes | None, sink: Sink) -> Ended:
        channel = self._open_channel()
        started, begun = datetime.now(UTC), time.monotonic()
        stdout: list[bytes] = []
        stderr: list[bytes] = []
        expired, broken = Event(), False

        def expire() -> None:
            expired.set()
            channel.close()

        # Closing the channel is what wakes every wait below, paramiko's unbounded ones included.
        timer = Timer(timeout, expire)
        timer.daemon = True
        timer.start()
        try:
            channel.exec_command(sent.encode())
            if stdin:
                Thread(target=_feed, args=(channel, stdin), daemon=True).start()
            else:
                _feed(channel, b"")
            errors = Thread(target=lambda: stderr.extend(iter(lambda: channel.recv_stderr(CHUNK), b"")))
            errors.start()
            stdout.extend(iter(lambda: channel.recv(CHUNK), b""))
            errors.join()
            exit_code = channel.recv_exit_status()
        except (paramiko.SSHException, EOFError, OSError):
            exit_code, broken = -1, True
        finally:
            timer.cancel()
            channel.close()
        seconds = time.monotonic() - begun
        # A command has ended when its exit status and the end of its output are there; one that a signal
        # ended has no exit status, one whose background child holds on to its output has no end.
        complete = channel.eof_received and not broken
        timed_out = expired.is_set() and (exit_code == -1 or not complete)
        lost = not timed_out and (not complete or (exit_code == -1 and not self.alive))
        out, err = b"".join(stdout), b"".join(stderr)
        id_ = sink(
            CommandRecord(
                self.name,
                shown,
                None if timed_out or lost else exit_code,
                text(out),
                text(err),
                started,
                begun,
                seconds,
                timed_out,
            )
        )
        if timed_out:
            raise CommandTimedOut(
                f"{self.name}: `{shown}` did not end within {timeout:g} s",
                hint="a hard NFS mount whose server is away makes programs hang",
            )
        if lost:
            raise ConnectionLost(f"{self.name}: the connection broke during `{shown}`", sent=True)
        return Ended(exit_code, out, err, seconds, id_)

    def _open_channel(self) -> paramiko.Channel:
        try:
            return self._transport.open_session(timeout=self._limits.channel)
        except paramiko.ChannelException as refusal:
            raise CannotObserve(
                f"{self.name} refuses another session on its connection: {refusal}",
                hint="see MaxSessions in the host's /etc/ssh/sshd_config",
            ) from refusal
        except (paramiko.SSHException, EOFError, OSError) as death:
            raise ConnectionLost(f"{self.name}: the connection is dead: {death}", sent=False) from death


def _in_short(argv: Sequence[str]) -> str:
    # A script is pages long; what it is given says enough.
    return f"sh … {shlex.join(argv[4:])}" if tuple(argv[:2]) == ("sh", "-c") else shlex.join(argv)


def _feed(channel: paramiko.Channel, stdin: bytes) -> None:
    # The command may end, or be ended, without reading all of its input: that is no fault.
    with suppress(OSError, EOFError, paramiko.SSHException, socket.timeout):
        channel.sendall(stdin)
        channel.shutdown_write()


def text(data: bytes) -> str:
    """Return what a program wrote; bytes that are not UTF-8 become U+FFFD."""
    return data.decode("utf-8", errors="replace")


def told(host: str, argv: Sequence[str], ended: Ended) -> CommandResult:
    """Return a raw outcome as the result that other rooms work with."""
    out, err = text(ended.stdout), text(ended.stderr)
    return CommandResult(ended.exit_code, out, err, ended.seconds, host, shlex.join(argv), ended.id)
