"""The reports folder of one run: held against a second run, emptied of what an earlier one left, and written to.

Whatever is written is there whole or not at all, and for its owner's eyes only: it holds what the hosts said.
"""

import fcntl
import json
import os
import shutil
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Self

from xenlab.errors import CannotObserve, UsageError
from xenlab.evidence.files import make_folder, part_of, write_whole
from xenlab.jsontext import parsed

LOCK = ".lock"
RESULTS = (
    *("grade.json", "report.html", "report-instructor.html", "summary.md", "gradescope-results.json"),
    *("junit.xml", "pytest.txt", "allure.html", "allure-results", "timelines", "evidence", "evidence.zip"),
)
"""What a run leaves by name; all else in the folder is not ours."""

_FILE = 0o600


class ReportsFolder:
    """The folder `path`; with `own` it is known to be nobody else's, such as the project's own reports/.

    What could not be written is told by `problems`, a line each, so that one file too many for the disk costs
    neither the others nor the run.
    """

    def __init__(self, path: Path, *, own: bool = False) -> None:
        self.path = path
        self.problems: list[str] = []
        self._own = own
        self._lock: BinaryIO | None = None

    def hold(self) -> Self:
        """Hold the folder against every other run until `release`, or until this process ends.

        :raises UsageError: another run holds it, or it holds files of the same names that no run has written.
        :raises CannotObserve: it cannot be made or locked.
        """
        lock = self.path / LOCK
        try:
            make_folder(self.path)
            self._refuse_foreign()
            file = os.fdopen(os.open(lock, os.O_RDWR | os.O_CREAT, _FILE), "r+b")
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                with file:
                    holder = _holder(file.read(200))
                raise UsageError(
                    f"{self.path}: another run writes there{holder}", hint="wait for it, or choose another --reports"
                ) from None
            self._lock = file
            file.truncate()  # of whoever held it last
            file.write(json.dumps({"pid": os.getpid(), "since": f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"}).encode())
            file.flush()
        except OSError as problem:
            self.release()
            raise CannotObserve(_in_words(problem, lock), hint="choose another --reports") from problem
        return self

    def release(self) -> None:
        """Let others have it; the lock's file stays, since taking it away could let two in."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def clear(self, *others: Path) -> None:
        """Remove what an earlier run left, there and at `others`, so that none of it can be taken for this one's.

        :raises CannotObserve: something cannot be removed.
        """
        try:
            for path in (*(self.path / name for name in RESULTS), *self.path.glob(part_of(Path("*")).name), *others):
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path)
                else:
                    path.unlink(missing_ok=True)
        except OSError as problem:
            raise CannotObserve(
                _in_words(problem, self.path), hint="what an earlier run left must go first"
            ) from problem

    def write(self, name: str, content: str | bytes) -> bool:
        """Write one file, by its path below the folder; returns whether it is there."""
        path = self.path / name
        try:
            write_whole(path, content)
        except OSError as problem:
            self.note(problem, path)
            return False
        return True

    def note(self, problem: OSError, what: str | Path) -> None:
        """Remember that something could not be written."""
        self.problems.append(f"{what}: {problem.strerror or problem}")

    @property
    def problem(self) -> str:
        """What could not be written, in one line; "" where all was."""
        if not self.problems:
            return ""
        more = f" ({len(self.problems) - 1} more likewise)" if len(self.problems) > 1 else ""
        return f"not written: {self.problems[0]}{more}"

    def _refuse_foreign(self) -> None:
        if self._own or any((self.path / name).exists() for name in (LOCK, "grade.json")):
            return
        for name in RESULTS:
            if os.path.lexists(self.path / name):
                raise UsageError(
                    f"{self.path / name} was not written by a run of xenlab, which would remove it",
                    hint="choose another --reports",
                )


def forget_results(path: Path, *, own: bool = False) -> None:
    """Remove what an earlier run left in a folder, if it is there and nobody writes to it: after a wrong call."""
    if path.is_dir():
        folder = ReportsFolder(path, own=own)
        with suppress(UsageError, CannotObserve):
            folder.hold().clear()
        folder.release()


def _holder(content: bytes) -> str:
    try:
        holder = parsed(content)
        return f" (pid {int(holder['pid'])}, since {str(holder['since'])[:40]})"
    except (ValueError, KeyError, TypeError, OverflowError):
        return ""


def _in_words(problem: OSError, path: Path) -> str:
    return f"{problem.filename or path}: {problem.strerror or problem}"
