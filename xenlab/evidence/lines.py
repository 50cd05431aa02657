"""A file of lines that grows while a run goes on: whatever ends the run, each line is there whole or not at all."""

import os
import threading
from contextlib import suppress
from pathlib import Path
from typing import IO


class Lines:
    """Lines that are appended to `path` as they come; without one they are only kept, until `open`.

    The file, and a folder made for it, are for their owner alone. Where it cannot be written the lines are kept in
    memory and tried again by `close`. Safe to use from several threads.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path: Path | None = None
        self._lock = threading.Lock()
        self._lines: list[bytes] = []
        self._file: IO[bytes] | None = None
        self._written = 0
        self._problem: OSError | None = None
        if path is not None:
            self.open(path)

    def open(self, path: Path) -> None:
        """Write to `path` from now on, what came before first; nothing if it is written there already.

        What was there before is gone.
        """
        with self._lock:
            if self._path != path:
                self._path, self._written = path, 0
                self._start()
                self._write_rest()

    def append(self, line: str) -> None:
        """Add a line of ASCII, without its end."""
        with self._lock:
            self._lines.append(line.encode("ascii") + b"\n")
            if self._problem is None:
                self._write_rest()

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
            # Unbuffered: each line is with the kernel before anything rests on it.
            self._file = open(self._path, "wb", buffering=0, opener=_for_its_owner)  # noqa: SIM115
        except OSError as problem:
            self._problem = problem

    def _write_rest(self) -> None:
        """Append the lines that the file does not have yet; after a failure it ends with a whole line."""
        if self._file is None:
            return
        whole = self._file.tell()
        try:
            for line in self._lines[self._written :]:
                rest = line
                while rest:
                    rest = rest[self._file.write(rest) :]
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
