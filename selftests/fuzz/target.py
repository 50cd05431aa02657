"""One reader that is fed with anything: how it is called, which ends are clean, and what real input looks like."""

import signal
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

from xenlab.errors import XenlabError
from xenlab.remote.output import KEPT_BYTES
from xenlab.remote.result import text

SECONDS = 1.0
"""Of CPU time: whatever the input is, a reader takes no longer."""

Read = Callable[[bytes], object]


@dataclass(frozen=True, slots=True)
class Target:
    """A public reader, as whoever uses it calls it.

    `read` raises nothing but `clean`, whatever it is given. `seeds` are real inputs, `words` what a text of that kind
    is made of beside what the seeds hold. No input is longer than `most` bytes: what a host may write, or what the
    reader itself takes.
    """

    name: str
    read: Read
    seeds: tuple[bytes, ...]
    clean: tuple[type[Exception], ...] = (XenlabError,)
    words: tuple[str, ...] = ()
    most: int = KEPT_BYTES


@dataclass(frozen=True, slots=True)
class Finding:
    """An input that a reader did not end cleanly on: `what` happened, and `where` in xenlab."""

    target: str
    what: str
    where: str
    data: bytes


class TooSlow(BaseException):
    """A reader is still at work after its time; no reader catches it."""


def of_text(read: Callable[[str], object]) -> Read:
    """A reader of what a program wrote."""
    return lambda data: read(text(data))


def tried(target: Target, data: bytes, seconds: float = SECONDS) -> Finding | None:
    """Feed one input; None where the reader ended cleanly and in time. Only for the main thread."""
    try:
        with bounded(seconds):
            target.read(data)
    except TooSlow as slow:
        return Finding(target.name, f"took more than {seconds:g} s", _where(slow), data)
    except target.clean:
        return None
    # What else it raises is what is looked for.
    except Exception as odd:  # noqa: BLE001
        return Finding(target.name, f"{type(odd).__name__}: {str(odd)[:200]}", _where(odd), data)
    return None


def seconds_of(target: Target, data: bytes) -> float:
    """The CPU time that a reader takes for one input, however it ends.

    :raises TooSlow: it took `SECONDS`.
    """
    began = time.thread_time()
    try:
        with bounded(SECONDS):
            target.read(data)
    except Exception:  # noqa: BLE001 - `tried` is who looks at it
        pass
    return time.thread_time() - began


@contextmanager
def bounded(seconds: float) -> Iterator[None]:
    """Raise TooSlow within, once that much CPU time was taken."""
    before = signal.signal(signal.SIGVTALRM, _stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def _stop(_signal: int, _frame: FrameType | None) -> None:
    raise TooSlow


def _where(odd: BaseException) -> str:
    """The innermost line of xenlab's that it passed through, which tells one finding from another."""
    lines = [frame for frame in traceback.extract_tb(odd.__traceback__) if "/xenlab/" in frame.filename]
    return f"{lines[-1].filename.rpartition('/xenlab/')[2]}:{lines[-1].lineno}" if lines else ""
