"""The journal of a run: every remote command, in order, with an id that checks point at."""

import hmac
import json
import shlex
import threading
from collections.abc import Iterable
from pathlib import Path
from secrets import token_bytes
from typing import TypedDict

from typeguard import TypeCheckError, check_type

from xenlab.errors import UsageError
from xenlab.evidence.lines import Lines
from xenlab.evidence.text import bounded
from xenlab.jsontext import parsed
from xenlab.remote.record import MASK, CommandRecord
from xenlab.xen.console_passwords import with_passwords_replaced

LIMIT = 64 * 1024
"""Characters kept of each output stream of one command."""

_STAND_IN = "masked-"


class _Entry(TypedDict):
    """A line of the journal: a CommandRecord as it is kept."""

    id: str
    host: str
    command: str
    changes: bool
    exit_code: int | None
    timed_out: bool
    started: str
    monotonic: float
    seconds: float
    stdout: str
    stderr: str
    stdout_cut: int
    stderr_cut: int


def entry_of(line: str) -> dict[str, object]:
    """What a journal has written as one line.

    :raises UsageError: it is none of ours.
    """
    try:
        entry: dict[str, object] = parsed(line)
        check_type(entry, _Entry)
    except (ValueError, TypeCheckError):
        entry = {}
    if not (line.isascii() and str(entry.get("id")).startswith("cmd-")):
        raise UsageError("a line of the run's commands is none of ours")
    return entry


class Journal:
    """Takes the records of remote commands and gives each an id: "cmd-1", "cmd-2", ...

    Each is appended to `path` as it comes, one JSON object a line (see `Lines`). Without `path` there is only memory,
    until `open`.

    Safe to use from several threads. Secrets are masked and outputs bounded as a record comes in, so
    that nothing read from the journal holds more than what is written.
    """

    def __init__(self, path: Path | None = None, secrets: Iterable[str] = (), *, limit: int = LIMIT) -> None:
        self._lines = Lines()
        self._limit = limit
        self._lock = threading.Lock()
        self._secrets: tuple[str, ...] = ()
        self._key = token_bytes(32)
        self._entries: list[dict[str, object]] = []
        for secret in secrets:
            self.add_secret(secret)
        if path is not None:
            self.open(path)

    def open(self, path: Path) -> None:
        """Write to `path` from now on; see `Lines.open`."""
        self._lines.open(path)

    def add_secret(self, secret: str) -> None:
        """Mask `secret` in all that is recorded from now on; an empty one is nothing to mask.

        Beside the text itself that is the text as a shell or a JSON file would quote it.
        """
        if not secret.strip():
            return
        forms = {secret, shlex.quote(secret), secret.replace("'", "'\"'\"'"), json.dumps(secret)[1:-1]}
        with self._lock:
            # The longest first: a secret that holds another must not leave its rest behind.
            self._secrets = tuple(sorted({*self._secrets, *forms}, key=len, reverse=True))

    def mask(self, text: str) -> str:
        """`text` with every known secret replaced, and every password of a guest's graphical console."""
        for secret in self._secrets:
            text = text.replace(secret, MASK)
        return with_passwords_replaced(text, self._stand_in)

    def _stand_in(self, password: str) -> str:
        """What stands for a password: the same for the same one, so that a change of it shows when judged again.

        Without this run's key, which is kept nowhere, nothing is found out by it. A bare number stays one.
        """
        if password == MASK or password.startswith(_STAND_IN):
            return password
        number = int.from_bytes(hmac.digest(self._key, password.encode(errors="replace"), "sha256")[:4], "big")
        return f"{number:010}" if password.isdecimal() else f"{_STAND_IN}{number:010}"

    def resume(self, lines: Iterable[str]) -> None:
        """Begin with what another journal has written.

        :raises UsageError: a line is none of ours.
        """
        for line in lines:
            entry = entry_of(line)
            with self._lock:
                self._entries.append(entry)
                self._lines.append(line)

    def append(self, record: CommandRecord) -> str:
        """Keep `record` and return its id."""
        stdout, stdout_cut = bounded(self.mask(record.stdout), self._limit)
        stderr, stderr_cut = bounded(self.mask(record.stderr), self._limit)
        entry: dict[str, object] = {
            "host": record.host,
            "command": bounded(self.mask(record.command), self._limit)[0],
            "changes": record.changes,
            "exit_code": record.exit_code,
            "timed_out": record.timed_out,
            "started": record.started.isoformat(),
            "monotonic": record.monotonic,
            "seconds": record.seconds,
            "stdout": stdout,
            "stderr": stderr,
            "stdout_cut": stdout_cut + record.stdout_cut,
            "stderr_cut": stderr_cut + record.stderr_cut,
        }
        with self._lock:
            id_ = f"cmd-{len(self._entries) + 1}"
            self._entries.append({"id": id_, **entry})
            # Escaped to ASCII, so that an output that was no UTF-8 survives as it was read.
            self._lines.append(json.dumps(self._entries[-1]))
        return id_

    def __len__(self) -> int:
        with self._lock:
            return len(self._entries)

    @property
    def entries(self) -> tuple[dict[str, object], ...]:
        """What was recorded so far, oldest first, as written to the file."""
        with self._lock:
            return tuple(self._entries)

    def close(self) -> OSError | None:
        """See `Lines.close`."""
        return self._lines.close()
