"""The journal of a run: every remote command, in order, with an id that checks point at."""

import json
import os
import threading
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from xenlab.evidence.text import bounded
from xenlab.remote.record import CommandRecord

LIMIT = 64 * 1024
"""Characters kept of each output stream of one command."""

MASK = "********"


class Journal:
    """Takes the records of remote commands and gives each an id: "cmd-1", "cmd-2", ...

    Safe to use from several threads. Secrets are masked and outputs bounded as a record comes in, so
    that nothing read from the journal holds more than what is written. Once it is to `keep` them in a file, each is
    there as soon as its command has ended, so that a run that is killed can be read up to then.
    """

    def __init__(self, secrets: Iterable[str] = (), *, limit: int = LIMIT) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._secrets: tuple[str, ...] = ()
        self._entries: list[dict[str, object]] = []
        self._path: Path | None = None
        self._file: int | None = None
        for secret in secrets:
            self.add_secret(secret)

    def add_secret(self, secret: str) -> None:
        """Mask `secret` in all that is recorded from now on; an empty one is nothing to mask."""
        if not secret.strip():
            return
        with self._lock:
            # The longest first: a secret that holds another must not leave its rest behind.
            self._secrets = tuple(sorted({*self._secrets, secret}, key=len, reverse=True))

    def mask(self, text: str) -> str:
        """`text` with every known secret replaced."""
        for secret in self._secrets:
            text = text.replace(secret, MASK)
        return text

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
            "stdout_cut": stdout_cut,
            "stderr_cut": stderr_cut,
        }
        with self._lock:
            id_ = f"cmd-{len(self._entries) + 1}"
            self._entries.append({"id": id_, **entry})
            if self._path is not None:
                self._keep(self._path)
        return id_

    def keep(self, path: Path) -> None:
        """Append every record to `path` as it comes, too; what of it cannot be written is kept here only."""
        with self._lock:
            self._path = path

    @property
    def kept(self) -> bool:
        """Whether all that was recorded is in the file."""
        return self._file is not None

    def close(self) -> None:
        """End keeping records in a file."""
        with self._lock:
            self._path = None
            self._close()

    def __len__(self) -> int:
        with self._lock:
            return len(self._entries)

    @property
    def entries(self) -> tuple[dict[str, object], ...]:
        """What was recorded so far, oldest first, as written to the file."""
        with self._lock:
            return tuple(self._entries)

    @property
    def text(self) -> str:
        """All that was recorded as it is written, one command a line.

        Escaped to ASCII, so that an output that was no UTF-8 survives as it was read.
        """
        return "".join(_line(entry) for entry in self.entries)

    def _keep(self, path: Path) -> None:
        try:
            if self._file is None:
                path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            # In one piece: another's line never comes between, and a full disk cuts none but the last.
            line = _line(self._entries[-1]).encode("ascii")
            if os.write(self._file, line) < len(line):
                raise OSError("cut short")
        except OSError:
            self._path = None
            self._close()

    def _close(self) -> None:
        if self._file is not None:
            with suppress(OSError):
                os.close(self._file)
            self._file = None


def _line(entry: dict[str, object]) -> str:
    return json.dumps(entry) + "\n"
