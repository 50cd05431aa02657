"""What is kept of one remote command."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class CommandRecord:
    """One command as it was run on a host, whether it ended or timed out.

    `command` is the line given to the remote shell. `exit_code` is None when the command timed out or its
    connection broke. `started` is aware and in UTC; `monotonic` is the same instant on this machine's
    monotonic clock, in seconds, to be laid beside the probes' times; `seconds` is how long it took. `changes`
    tells an act, which changes the lab, from a look.
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
