"""The journal of a run: every remote command, in order, with an id that checks point at."""

import json
import threading
from collections.abc import Iterable
from pathlib import Path

from xenlab.evidence.text import bounded
from xenlab.remote.record import CommandRecord

LIMIT = 64 * 1024
"""Characters kept of each output stream of one command."""

MASK = "********"


class Journal:
    """Takes the records of remote commands and gives each an id: "cmd-1", "cmd-2", ...

    Safe to use from several threads. Secrets are masked and outputs bounded as a record comes in, so
    that nothing read from the journal holds more than what is written.
    """

    def __init__(self, secrets: Iterable[str] = (), *, limit: int = LIMIT) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._secrets: tuple[str, ...] = ()
        self._entries: list[dict[str, object]] = []
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
        return id_

    def __len__(self) -> int:
        with self._lock:
            return len(self._entries)

    def ids_since(self, position: int) -> tuple[str, ...]:
        """The ids of the commands recorded after the first `position` ones."""
        return tuple(f"cmd-{number + 1}" for number in range(position, len(self)))

    @property
    def entries(self) -> tuple[dict[str, object], ...]:
        """What was recorded so far, oldest first, as written to the file."""
        with self._lock:
            return tuple(self._entries)

    def write(self, directory: Path) -> Path:
        """Write `commands.jsonl` into `directory`, one command a line, and return its path.

        Escaped to ASCII, so that an output that was no UTF-8 survives as it was read.
        """
        directory.mkdir(parents=True, exist_ok=True)
        path = directory / "commands.jsonl"
        path.write_text("".join(json.dumps(entry) + "\n" for entry in self.entries), encoding="ascii")
        return path
