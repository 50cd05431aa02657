"""A lock that a program holds for as long as it lives, whoever started it."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from xenlab.remote.waiting import wait_for


@contextmanager
def held(path: Path, awaited: str, seconds: float) -> Iterator[int]:
    """The open file of a lock, once it is had; `awaited` is what is waited for, for so many seconds at most.

    What is handed the file (`bounded.run`, `holding`) has the lock as long as it lives, even if this process is lost.

    :raises NotInTime: (a CannotObserve) another has it all the while.
    :raises OSError: there can be no such file.
    """

    def taken() -> bool:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    with path.open("a") as file:
        wait_for(taken, awaited, seconds)
        yield file.fileno()
