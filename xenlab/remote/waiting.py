"""The one bounded wait of the project: for a condition, never for an amount of time. And the clock that nobody sets."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Event
from typing import Literal, TypeVar

from xenlab.errors import CannotObserve
from xenlab.remote.activity import activity

T = TypeVar("T")

_STOP: ContextVar[Event | None] = ContextVar("xenlab_stop", default=None)


class NotInTime(CannotObserve):
    """Something that was waited for did not come about."""


def since_boot() -> float:
    """Seconds that no clock's being set changes; those in which this machine slept among them: other clocks went on."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


@contextmanager
def stopped_by(stop: Event) -> Iterator[None]:
    """Have `stop`, once another thread has set it, end every wait of this one within a `with` block."""
    token = _STOP.set(stop)
    try:
        yield
    finally:
        _STOP.reset(token)


def is_stopped() -> bool:
    """Whether this thread was told to end what it does."""
    stop = _STOP.get()
    return stop is not None and stop.is_set()


def wait_for(
    condition: Callable[[], T | Literal[False] | None],
    awaited: str,
    timeout: float,
    interval: float = 0.5,
    *,
    stop: Event | None = None,
) -> T:
    """Ask `condition` every `interval` seconds until its answer is true, and return that answer.

    The condition is asked at once, and a last time when `timeout` seconds are over. `awaited` completes the
    sentence "waited 30 s for ..."; whoever shows activities (see `xenlab.remote.activity`) is told of it. Setting
    `stop` from another thread, or what `stopped_by` was given, ends the wait early.

    :raises NotInTime: (a CannotObserve) the condition did not come true in time, or the wait was stopped.
    """
    pause = stop or _STOP.get() or Event()
    deadline = time.monotonic() + timeout
    with activity(f"waiting for {awaited}"):
        while True:
            last_look = time.monotonic() >= deadline
            if answer := condition():
                return answer
            if last_look:
                raise NotInTime(f"waited {timeout:.0f} s for {awaited}")
            if pause.wait(min(interval, max(0.0, deadline - time.monotonic()))):
                raise NotInTime(f"stopped waiting for {awaited}")
