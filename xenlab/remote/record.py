"""What is kept of one remote command."""

from dataclasses import dataclass
from datetime import datetime

MASK = "********"
"""What stands for a password in all that is kept or shown."""


@dataclass(frozen=True, slots=True)
class CommandRecord:
    """One command as it was run on a host, whether it ended or timed out.

    `command` is the line given to the remote shell. `exit_code` is None when the command timed out, was ended for
    writing too much, or its connection broke. `changes` tells an act, which changes the lab, from a look. `started`
    is aware and in UTC; `monotonic` is the same instant on this machine's monotonic clock, in seconds, to be laid
    beside the probes' times; `seconds` is how long it took. `stdout_cut` and `stderr_cut` are the bytes that were
    thrown away after what is here.
    """

    host: str
    command: str
    exit_code: int | None
    stdout: str
    stderr: str
    started: datetime
    monotonic: float
    seconds: float
    timed_out: bool
    changes: bool = False
    stdout_cut: int = 0
    stderr_cut: int = 0
