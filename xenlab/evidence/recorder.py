"""The journal of a run: every remote command, in order, with an id that checks point at."""

import json
import os
import shlex
import threading
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import IO

from xenlab.evidence.text import bounded
from xenlab.remote.record import CommandRecord

LIMIT = 64 * 1024
"""Characters kept of each output stream of one command."""

MASK = "********"


class Journal:
    """Takes the records of remote commands and gives each an id: "cmd-1", "cmd-2", ...

    Each is appended to `path` as it comes, one JSON object a line, so that a run that was killed can be read up to
    that point. Where that cannot be written, the journal goes on in memory: see `close`. Without `path` there is only
    memory, until `open`.

    Safe to use from several threads. Secrets are masked and outputs bounded as a record comes in, so
    that nothing read from the journal holds more than what is written.
    """

    def __init__(self, path: Path | None = None, secrets: Iterable[str] = (), *, limit: int = LIMIT) -> None:
        self._path: Path | None = None
        self._limit = limit
        self._lock = threading.Lock()
        self._secrets: tuple[str, ...] = ()
        self._entries: list[dict[str, object]] = []
        self._file: IO[bytes] | None = None
        self._written = 0
        self._problem: OSError | None = None
        for secret in secrets:
            self.add_secret(secret)
        if path is not None:
            self.open(path)

    def open(self, path: Path) -> None:
        """Write to `path` from now on, what is already recorded first; nothing if it is written there already.

        What was there before is gone. The file, and a folder made for it, are for their owner alone.
        """
        with self._lock:
            if self._path != path:
                self._path, self._written = path, 0
                self._start()
                self._write_rest()

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
            "stdout_cut": stdout_cut + record.stdout_cut,
            "stderr_cut": stderr_cut + record.stderr_cut,
        }
        with self._lock:
            id_ = f"cmd-{len(self._entries) + 1}"
            self._entries.append({"id": id_, **entry})
            if self._problem is None:
                self._write_rest()
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
        """Write what could not be written until now, and close the file; what comes later stays in memory.

        :returns: why the file is not whole, where that cannot be done either.
        """
        with self._lock:
            if self._problem is not None:
                self._problem = None
                if self._file is None:
                    self._start()
                self._write_rest()
            if self._file is not None:
                try:
                    self._file.close()
                except OSError as problem:  # NFS may tell of a full disk only now
                    self._problem = problem
                self._file = None
            return self._problem

    def _start(self) -> None:
        if self._path is None:
            return
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            # Unbuffered: each line is with the kernel before its command's id is used.
            self._file = open(self._path, "wb", buffering=0, opener=_for_its_owner)  # noqa: SIM115
        except OSError as problem:
            self._problem = problem

    def _write_rest(self) -> None:
        """Append the entries that the file does not have yet; after a failure it ends with a whole line."""
        if self._file is None:
            return
        whole = self._file.tell()
        try:
            for entry in self._entries[self._written :]:
                # Escaped to ASCII, so that an output that was no UTF-8 survives as it was read.
                line = json.dumps(entry).encode("ascii") + b"\n"
                while line:
                    line = line[self._file.write(line) :]
                whole = self._file.tell()
                self._written += 1
        except OSError as problem:
            self._problem = problem
            with suppress(OSError):
                self._file.seek(whole)
                self._file.truncate()


def _for_its_owner(path: str, flags: int) -> int:
    descriptor = os.open(path, flags, 0o600)
    os.fchmod(descriptor, 0o600)
    return descriptor
