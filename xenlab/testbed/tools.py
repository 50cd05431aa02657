"""Running this machine's own programs: bounded, logged, and ended when we are interrupted."""

import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from xenlab.errors import CannotObserve, UsageError

# What ./lab installs where it is missing: program -> Debian package.
PROGRAMS = {
    "qemu-system-x86_64": "qemu-system-x86",
    "qemu-img": "qemu-utils",
    "mmdebstrap": "mmdebstrap",
    "debootstrap": "debootstrap",
    "mke2fs": "e2fsprogs",
    "ip": "iproute2",
    "unshare": "util-linux",
    "newuidmap": "uidmap",
    "ssh": "openssh-client",
    "tar": "tar",
}

AS_ROOT_OF_NAMESPACE = ("unshare", "--user", "--map-root-user", "--map-auto", "--")
"""Prefix of a command that is to own files of several users without being root (subuid(5))."""


def environment() -> dict[str, str]:
    """Our environment, with the sbin folders that an ordinary user's PATH lacks."""
    path = os.environ.get("PATH", "/usr/bin:/bin")
    return {**os.environ, "PATH": f"{path}:/usr/local/sbin:/usr/sbin:/sbin", "LC_ALL": "C.UTF-8"}


def plain_suboption(value: object) -> str:
    """The value with its commas doubled: a single one separates QEMU's suboptions, or multiboot modules."""
    return str(value).replace(",", ",,")


def require_programs() -> None:
    """Raise UsageError naming every missing Debian package at once."""
    path = environment()["PATH"]
    missing = sorted({package for name, package in PROGRAMS.items() if not shutil.which(name, path=path)})
    if missing:
        raise UsageError(
            f"missing Debian packages: {', '.join(missing)}",
            hint=f"sudo apt-get install {' '.join(missing)}",
        )


def remove_tree(folder: Path) -> None:
    """Remove a folder and all below it, whoever of our namespaces owns the files in it."""
    if folder.exists():
        prefix = () if os.geteuid() == 0 else AS_ROOT_OF_NAMESPACE
        argv = [*prefix, "rm", "-rf", "--", str(folder)]
        subprocess.run(argv, capture_output=True, env=environment(), check=False)
    if folder.exists():
        shutil.rmtree(folder)


@dataclass(frozen=True, slots=True)
class Program:
    """A program to be run to its end within `timeout` seconds, its output appended to `log`.

    `purpose` and `hint` are for the reader when it fails.
    """

    argv: Sequence[str]
    log: Path
    purpose: str
    timeout: float
    hint: str = ""

    def start(self) -> "subprocess.Popen[bytes]":
        """Start it in a session of its own, so that a terminal's Ctrl-C reaches it through us alone."""
        with self.log.open("ab") as sink:
            return subprocess.Popen(
                self.argv,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                env=environment(),
                start_new_session=True,
            )

    def await_end(self, process: "subprocess.Popen[bytes]") -> None:
        """Raise CannotObserve, with the log's complaints, when it fails or takes too long."""
        hint = self.hint or f"see {self.log}"
        try:
            code = process.wait(self.timeout)
        except subprocess.TimeoutExpired:
            raise CannotObserve(f"{self.purpose}: not done within {self.timeout:.0f} s", hint=hint) from None
        if code != 0:
            raise CannotObserve(f"{self.purpose} failed: {_complaints(self.log, 3)}", hint=hint)


@contextmanager
def interruptions_told(tell: Callable[[int], None]) -> Iterator[None]:
    """Have `tell` called with each Ctrl-C and its kin that comes within the body, which none of them ends.

    What this process was started to ignore (nohup) it goes on to ignore.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # Python handles signals in its main thread only
        return
    before = {sign: signal.getsignal(sign) for sign in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    before = {sign: handler for sign, handler in before.items() if handler is not signal.SIG_IGN}
    for sign in before:
        signal.signal(sign, lambda number, _frame: tell(number))
    try:
        yield
    finally:
        for sign, handler in before.items():
            signal.signal(sign, signal.SIG_DFL if handler is None else handler)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Put Ctrl-C and its kin off until the body is done: to start a program and to note it down, both or neither.

    An interruption within `Popen` itself would leave a program running that nobody knows of.
    """
    came: list[int] = []
    with interruptions_told(came.append):
        yield
    if came:
        signal.raise_signal(came[0])


def run(*programs: Program) -> None:
    """Run programs side by side to their ends.

    When one fails or we are interrupted (Ctrl-C), all are interrupted and awaited, so that they clean up after
    themselves.

    :raises CannotObserve: one failed or took too long.
    """
    running: list[subprocess.Popen[bytes]] = []
    try:
        for program in programs:
            with uninterrupted():
                running.append(program.start())
        for program, process in zip(programs, running, strict=True):
            program.await_end(process)
    except BaseException:
        end_groups(running)
        raise


def end_groups(processes: Sequence["subprocess.Popen[bytes]"], patience: float = 60.0) -> None:
    """Interrupt programs we started in sessions of their own; kill what of them does not listen.

    A script's children in the background ignore SIGINT and outlive it: what is left of each group is killed.
    """
    for sign in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        alive = [process for process in processes if process.poll() is None]
        for process in alive:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, sign)
        for process in alive:
            with suppress(subprocess.TimeoutExpired):
                process.wait(patience)
    for process in processes:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)


def log_lines(path: Path) -> list[str]:
    """The non-empty lines at the end of a log (16 KiB of it), their control characters dropped."""
    try:
        text = path.read_bytes()[-16384:].decode(errors="replace")
    except OSError:
        return ["(no log)"]
    lines = ["".join(c for c in line if c.isprintable()).strip() for line in text.splitlines()]
    return [line for line in lines if line] or ["(the log is empty)"]


def error_lines(path: Path) -> list[str]:
    """The errors in a log, as apt, dpkg and mmdebstrap mark them ("E: ")."""
    return [line for line in log_lines(path) if line.startswith("E: ")]


def _complaints(path: Path, count: int) -> str:
    """The first errors in a log, or else its last lines."""
    errors = error_lines(path)
    return " | ".join(errors[:count]) if errors else last_lines(path, count)


def last_lines(path: Path, count: int) -> str:
    """The last of `log_lines`, joined by ` | `."""
    return " | ".join(log_lines(path)[-count:])
