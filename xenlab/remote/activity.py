"""What is being waited for or run at this moment, for whoever wants to show it.

Nobody is told unless they asked: then an activity costs one look at a context variable.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar

Listener = Callable[[str], AbstractContextManager[None]]
"""Given what begins ("guest1: uptime"), a context manager that is left when it is over."""

_LISTENER: ContextVar[Listener | None] = ContextVar("xenlab_activity_listener", default=None)


@contextmanager
def show_activity(listener: Listener) -> Iterator[None]:
    """Tell `listener` of this thread's activities within a `with` block; other threads tell nothing."""
    token = _LISTENER.set(listener)
    try:
        yield
    finally:
        _LISTENER.reset(token)


def activity(what: str) -> AbstractContextManager[None]:
    """Say that `what` goes on within a `with` block."""
    listener = _LISTENER.get()
    return nullcontext() if listener is None else listener(what)
