"""One SSH connection: host key verified, every command bounded and recorded, never re-opened.

Both streams of a command are drained at once and kept only to a bound; a command that outlives its time, or writes
without end, is ended on both sides.
"""

import secrets
import shlex
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from threading import BoundedSemaphore, Event, Thread, Timer

import paramiko

from xenlab.errors import CannotObserve
from xenlab.remote.activity import activity
from xenlab.remote.echo import Echo
from xenlab.remote.echoed import Echoed
from xenlab.remote.errors import CommandTimedOut, ConnectionLost, OutputFlood, SudoRefused
from xenlab.remote.login import Limits, Login
from xenlab.remote.output import FLOOD_BYTES, KEPT_BYTES, Output, Stream
from xenlab.remote.record import CommandRecord
from xenlab.remote.result import CommandResult, RawResult, in_short, shortened, text
from xenlab.remote.shell import Shell, probe, read_probe
from xenlab.remote.ssh_client import Way, connect_tcp, lost_on_the_way, open_client
from xenlab.remote.sudo import SudoDialogue, refused, wants_password

Sink = Callable[[CommandRecord], str]
"""Takes a record and returns its id."""

# sshd allows ten sessions on a connection unless told otherwise (MaxSessions in sshd_config(5)).
SESSIONS = 8
CHUNK = 65536


class SshConnection:
    """One TCP connection to a host, for as long as it lives.

    Several threads may run commands on it at once. `shell` is how commands are run there, where that is known from
    another connection to the same login; else the host is asked.

    :raises HostUnreachable: and its siblings in `xenlab.remote.errors`, while it is being opened.
    """

    def __init__(
        self,
        name: str,
        login: Login,
        sink: Sink,
        limits: Limits,
        shell: Shell | None = None,
        way: Way = connect_tcp,
    ) -> None:
        self.name = name
        self._sink = sink
        self._limits = limits
        self._slots = BoundedSemaphore(SESSIONS)
        self._account = f"{login.user} on {name}"
        self._sudo_password = login.sudo_password or ""
        self.client, self._transport = open_client(name, login, limits, way)
        self.fingerprint: str = self._transport.get_remote_server_key().fingerprint
        self.old_algorithms: tuple[str, ...] = self._transport.old_in_use if login.old_ssh else ()
        try:
            self.shell = shell or self._ask_shell(login)
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

    def run(self, *argv: str, timeout: float = 60.0, stdin: str | None = None, changes: bool = False) -> CommandResult:
        """Run a program on this very connection, each argument quoted; `timeout` in seconds.

        `changes` records it as an act, which changes the lab, not a look.

        :raises CommandTimedOut: it did not end in time.
        :raises OutputFlood: it wrote without end.
        :raises ConnectionLost: the connection broke; it is not opened again.
        """
        data = None if stdin is None else stdin.encode()
        return self.execute(argv, timeout=timeout, stdin=data, changes=changes).as_result(self.name, argv)

    def execute(
        self,
        argv: Sequence[str],
        *,
        timeout: float,
        stdin: bytes | None = None,
        shown: str | None = None,
        changes: bool = False,
        leave_running: bool = False,
        keep: int = KEPT_BYTES,
    ) -> RawResult:
        """Run a program and record it; `shown` stands in the record instead of the quoted `argv`.

        `leave_running`: when its time is over, it is not ended on the host, only no longer waited for. `keep` is how
        many bytes are kept of each stream.

        :raises CommandTimedOut: it did not end in time.
        :raises OutputFlood: it wrote without end.
        :raises ConnectionLost: the connection broke.
        :raises SudoRefused: sudo did not let it through; it was not run.
        """
        line = shown or shlex.join(argv)
        with activity(f"{self.name}: {shown or in_short(argv)}"), self._slots:
            sent = self.shell.line(argv, None if leave_running else timeout)
            ended = self._converse(sent, timeout, stdin, keep, self.shell)
        stdout = self.shell.after_mark(ended.stdout) or b""
        stderr = self.shell.own_errors(ended.stderr) if ended.refusal is None else ended.sudo.words.encode()
        kept = text(stdout), text(stderr)
        id_ = self._sink(
            CommandRecord(
                self.name,
                line,
                ended.exit_code,
                *kept,
                ended.started,
                ended.begun,
                ended.seconds,
                ended.unfinished == "timed out",
                changes,
                ended.stdout_cut,
                ended.stderr_cut,
            )
        )
        if ended.refusal is not None:
            ended.refusal.evidence = (id_,) if id_ else ()
            raise ended.refusal
        if ended.exit_code is None:
            raise self._unfinished(ended, shortened(line), timeout, *kept, (id_,) if id_ else ())
        cut = ended.stdout_cut, ended.stderr_cut
        return RawResult(ended.exit_code, stdout, stderr, ended.seconds, id_, *cut)

    def echo(self, interval: float) -> Echo:
        """Begin to send numbered lines through `cat` on this very connection, one every `interval` seconds.

        :raises ConnectionLost: the connection is dead.
        :raises SudoRefused: sudo did not let it through.
        """
        channel = self._open_channel()
        started, begun = datetime.now(UTC), time.monotonic()

        def record(echoed: Echoed) -> None:
            code, seconds = (0 if echoed.whole else None), time.monotonic() - begun
            self._sink(CommandRecord(self.name, "cat", code, f"{echoed}\n", "", started, begun, seconds, False))

        self._start(channel, self.shell.line(("cat",), None))
        return Echo(channel, interval, record, lambda: lost_on_the_way(self._transport), self._after_greeting)

    def terminal(self, argv: Sequence[str]) -> paramiko.Channel:
        """Start a program on a terminal of its own; it ends when the channel, which is the caller's, is closed.

        :raises ConnectionLost: the connection is dead.
        :raises SudoRefused: sudo did not let it through.
        """
        channel = self._open_channel()
        self._start(channel, self.shell.line(argv, None, on_terminal=True), on_terminal=True)
        return channel

    def _after_greeting(self, stdout: bytes) -> bytes | None:
        """What a program that was started prints; sudo's mark was taken off as it began."""
        return stdout if self.shell.prompt else self.shell.after_mark(stdout)

    def _ask_shell(self, login: Login) -> Shell:
        nonce = secrets.token_hex(16)
        account, limit = self._account, self._limits.channel
        ended = self._converse(probe(nonce, sudo=login.sudo), limit, None, KEPT_BYTES, Shell())
        if ended.exit_code is None:
            out, err = text(ended.stdout), text(ended.stderr)
            raise self._unfinished(ended, f"the login shell of {account}", limit, out, err, ())
        shell = read_probe(nonce, text(ended.stdout), ended.stderr, account=account)
        if shell.is_root or not self._sudo_password:
            return shell
        if not wants_password(shell.refused):
            raise refused(account, shell.refused)
        # Whether it is the right one shows here, before any command of a step needs it.
        shell = shell.by_password(secrets.token_hex(16))
        ended = self._converse(shell.line(("true",), limit), limit, None, KEPT_BYTES, shell)
        if ended.refusal is not None:
            raise ended.refusal
        if ended.exit_code is None:
            out, err = text(ended.stdout), ended.sudo.words
            raise self._unfinished(ended, f"sudo of {account}", limit, out, err, ())
        return shell

    def _converse(self, sent: str, timeout: float, stdin: bytes | None, keep: int, shell: Shell) -> "_Ended":
        channel = self._open_channel()
        started, begun = datetime.now(UTC), time.monotonic()
        output = Output(keep)
        expired, broken = Event(), False
        sudo = SudoDialogue(shell, self._sudo_password, partial(_send, channel), partial(_feed, channel, b""))

        def drain(receive: Callable[[int], bytes], stream: Stream, name: str) -> None:
            while data := receive(CHUNK):
                # What sudo says once we have hung up is our doing.
                if not sudo.begun.is_set() and not expired.is_set():
                    sudo.receive(name, data)
                    if sudo.begun.is_set():
                        feed()
                if not output.take(stream, data):
                    _close(channel)

        def feed() -> None:
            if stdin:
                Thread(target=_feed, args=(channel, stdin), daemon=True).start()
            else:
                _feed(channel, b"")

        def expire() -> None:
            expired.set()
            _close(channel)

        # Closing the channel is what wakes every wait below, paramiko's unbounded ones included.
        timer = Timer(timeout, expire)
        timer.daemon = True
        timer.start()
        try:
            channel.exec_command(sent.encode())
            if sudo.begun.is_set():
                feed()
            errors = Thread(target=drain, args=(channel.recv_stderr, output.stderr, "stderr"))
            errors.start()
            drain(channel.recv, output.stdout, "stdout")
            errors.join()
            exit_code = channel.recv_exit_status()
        except (paramiko.SSHException, EOFError, OSError):
            exit_code, broken = -1, True
        finally:
            timer.cancel()
            _close(channel)
        # A command has ended when its exit status and the end of its output are there; one that a signal
        # ended has no exit status, one whose background child holds on to its output has no end.
        complete = channel.eof_received and not broken
        unfinished = ""
        if output.floods:
            unfinished = "floods"
        elif expired.is_set() and (exit_code == -1 or not complete):
            unfinished = "timed out"
        elif not complete or (exit_code == -1 and not self.alive):
            unfinished = "lost"
        refusal = None
        if not sudo.begun.is_set() and unfinished in ("", "timed out"):
            refusal = sudo.refusal(self._account, timeout if expired.is_set() else None)
        return _Ended(
            None if unfinished else exit_code,
            bytes(output.stdout.head),
            bytes(output.stderr.head),
            output.stdout.cut,
            output.stderr.cut,
            started,
            begun,
            time.monotonic() - begun,
            unfinished,
            sudo,
            refusal,
        )

    def _unfinished(
        self, ended: "_Ended", what: str, timeout: float, stdout: str, stderr: str, evidence: tuple[str, ...]
    ) -> CannotObserve:
        """The error for a command whose end was not seen."""
        match ended.unfinished:
            case "timed out":
                return CommandTimedOut(
                    f"{self.name}: `{what}` did not end within {timeout:g} s",
                    hint="a hard NFS mount whose server is away makes programs hang",
                    stdout=stdout,
                    stderr=stderr,
                    evidence=evidence,
                )
            case "floods":
                return OutputFlood(
                    f"{self.name}: `{what}` was ended, as it wrote more than {FLOOD_BYTES >> 20} MiB",
                    stdout=stdout,
                    stderr=stderr,
                    evidence=evidence,
                )
        return ConnectionLost(
            f"{self.name}: the connection broke during `{what}`",
            sent=True,
            stdout=stdout,
            stderr=stderr,
            evidence=evidence,
        )

    def _open_channel(self) -> paramiko.Channel:
        try:
            return self._transport.open_session(timeout=self._limits.channel)
        except paramiko.ChannelException as refusal:
            raise CannotObserve(
                f"{self.name} refuses another session on its connection: {refusal}",
                hint="see MaxSessions in the host's /etc/ssh/sshd_config",
            ) from refusal
        except (paramiko.SSHException, EOFError, OSError) as death:
            raise self._dead(death) from death

    def _start(self, channel: paramiko.Channel, line: str, *, on_terminal: bool = False) -> None:
        # A machine that hangs may keep the connection up, and paramiko waits for its answer without a bound.
        expired = Event()

        def expire() -> None:
            expired.set()
            _close(channel)

        timer = Timer(self._limits.channel, expire)
        timer.daemon = True
        timer.start()
        try:
            if on_terminal:
                channel.get_pty()
            channel.exec_command(line.encode())
            if self.shell.prompt:
                self._await_begin(channel, expired)
        except (paramiko.SSHException, EOFError, OSError) as death:
            raise self._dead(death) from death
        finally:
            timer.cancel()

    def _await_begin(self, channel: paramiko.Channel, expired: Event) -> None:
        """Have sudo let the program through that was started on a channel, and take nothing of what it writes.

        What it says once `expired` is set, and we have hung up, is our doing.
        """
        sudo = SudoDialogue(self.shell, self._sudo_password, partial(_send, channel), partial(_close, channel))

        def drain_errors() -> None:
            with suppress(OSError, EOFError, paramiko.SSHException):
                while (data := channel.recv_stderr(CHUNK)) and not expired.is_set():
                    sudo.receive("stderr", data)

        errors = Thread(target=drain_errors, daemon=True)
        errors.start()
        while not sudo.begun.is_set() and (data := channel.recv(1)):
            sudo.receive("stdout", data)
        if not sudo.begun.is_set():
            ended = channel.eof_received
            _close(channel)
            errors.join()
            if not self.alive:
                raise self._dead(EOFError("it broke"))
            in_time = ended and not expired.is_set()
            raise sudo.refusal(self._account, None if in_time else self._limits.channel)

    def _dead(self, death: Exception) -> ConnectionLost:
        return ConnectionLost(f"{self.name}: the connection is dead: {death}", sent=False)


@dataclass(frozen=True, slots=True)
class _Ended:
    """One command as it came to its end; `exit_code` is None when that was not seen, and `unfinished` says why.

    `refusal`: sudo, not the command, has ended.
    """

    exit_code: int | None
    stdout: bytes
    stderr: bytes
    stdout_cut: int
    stderr_cut: int
    started: datetime
    begun: float
    seconds: float
    unfinished: str
    sudo: SudoDialogue
    refusal: SudoRefused | None


def _send(channel: paramiko.Channel, data: bytes) -> None:
    # Who asked may be gone by now, which the channel's end tells.
    with suppress(OSError, EOFError, paramiko.SSHException):
        channel.sendall(data)


def _feed(channel: paramiko.Channel, stdin: bytes) -> None:
    # The command may end, or be ended, without reading all of its input: that is no fault.
    with suppress(OSError, EOFError, paramiko.SSHException, socket.timeout):
        channel.sendall(stdin)
        channel.shutdown_write()


def _close(channel: paramiko.Channel) -> None:
    # Its peer cannot be told when the connection is dead; closed it is all the same.
    with suppress(OSError, EOFError, paramiko.SSHException):
        channel.close()
