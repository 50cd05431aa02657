"""The same thing done with several at once, each in a thread of its own."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TypeVar

A = TypeVar("A")
T = TypeVar("T")


def side_by_side(do: Callable[[A], T], each: Sequence[A]) -> list[T]:
    """`do` with each of them at once; the results in their order.

    Every thread sees the caller's context variables: whose step it works for, and who shows what goes on. What was
    raised is raised once all have ended; of several that of the first in order.
    """
    with ThreadPoolExecutor(max_workers=len(each)) as pool:
        jobs = [pool.submit(copy_context().run, do, one) for one in each]
    return [job.result() for job in jobs]
