"""One program in a session of its own, bounded in time and in what it says.

What is to end is asked first (SIGINT, so that a graded run brings its lab home), then told (SIGTERM), then killed. A
program whose caller dies is asked as well: nothing of ours runs on unwatched.
"""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal, Protocol

from xenlab.evidence.files import make_folder
from xenlab.remote.waiting import NotInTime, wait_for

_CHUNK = 1 << 16
_LOG = 0o600
_PIPE_SECONDS = 5.0


class Stop(Protocol):
    """Whether all work is to end; a `threading.Event`, or Dask's, which its workers share."""

    def is_set(self) -> bool:
        """Whether it is."""

    def set(self) -> None:
        """Say that it is."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How long a program may run, in seconds, and how many bytes of its output are kept.

    After `seconds`, or once it was stopped, it has `mend_seconds` to clean up, then `end_seconds` to end in a hurry.
    """

    seconds: float
    mend_seconds: float = 900.0
    end_seconds: float = 60.0
    output: int = 1_000_000


@dataclass(frozen=True, slots=True)
class ProgramEnd:
    """How a program ended: its exit status (negative: the signal), why, whether it had to be killed, in seconds."""

    code: int
    why: Literal["by itself", "limit", "stopped"]
    killed: bool
    seconds: float


def run(
    command: Sequence[str],
    *,
    cwd: Path,
    log: Path,
    bounds: Bounds,
    stop: Stop,
    environ: Mapping[str, str] | None = None,
    holding: int | None = None,
) -> ProgramEnd:
    """Run a program to its end, both its streams to `log`.

    `holding` is an open file that it holds as long as it lives: a lock on it outlives this process.

    :raises OSError: it cannot be started, or there can be no log.
    """
    began = time.monotonic()
    make_folder(log.parent)
    with os.fdopen(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _LOG), "wb") as file:
        child = subprocess.Popen(
            ["setpriv", "--pdeathsig", "INT", "--", *command],
            cwd=cwd,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=() if holding is None else (holding,),
        )
        reader = threading.Thread(target=_keep, args=(child, file, bounds.output), daemon=True)
        reader.start()
        why: Literal["by itself", "limit", "stopped"] = "by itself"
        if not _ends(child, bounds.seconds, stop):
            why = "stopped" if stop.is_set() else "limit"
        asked = ((signal.SIGINT, bounds.mend_seconds), (signal.SIGTERM, bounds.end_seconds))
        ended = why == "by itself" or any(_ends_at(child, sign, patience) for sign, patience in asked)
        # What it may have left running goes with it; while it is not reaped, nobody else can have its group's number.
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        code = child.wait()
        reader.join(_PIPE_SECONDS)  # one that left its session may hold the pipe for ever
    return ProgramEnd(code, why, not ended, round(time.monotonic() - began, 1))


def _ends(child: "subprocess.Popen[bytes]", seconds: float, stop: Stop | None = None) -> bool:
    """Whether a child ends within so many seconds, and before it is to stop."""
    try:
        wait_for(lambda: _has_ended(child) or (stop and stop.is_set()), "a run's end", seconds, interval=0.2)
    except NotInTime:
        return False
    return _has_ended(child)


def _ends_at(child: "subprocess.Popen[bytes]", sign: signal.Signals, seconds: float) -> bool:
    child.send_signal(sign)
    return _ends(child, seconds)


def _has_ended(child: "subprocess.Popen[bytes]") -> bool:
    """Whether it has; it is not reaped, so that its process group stays its own."""
    return os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _keep(child: "subprocess.Popen[bytes]", into: BinaryIO, most: int) -> None:
    """Copy what a child says, of which no more than so many bytes are kept; what comes after is read and dropped."""
    said = 0
    with child.stdout or nullcontext() as source, suppress(ValueError):  # closed before its pipe was
        while source and (chunk := os.read(source.fileno(), _CHUNK)):
            with suppress(OSError):  # a disk that is full costs the log, not the run
                into.write(chunk[: max(0, most - said)])
                into.flush()
            said += len(chunk)
        if said > most:
            into.write(f"\n[... {said - most} bytes more were said ...]\n".encode())
