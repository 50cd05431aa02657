"""Where work is done: in threads of this process, or on the workers of a Dask scheduler. Each unit waits for a run."""

import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import uuid4

from xenlab.errors import CannotObserve, UsageError
from xenlab.fleet.bounded import Stop

REQUIREMENTS = "requirements-dask.txt"
_CONNECT_SECONDS = 20


@dataclass(frozen=True, slots=True)
class Fleet:
    """What takes work: `slots` tells how many units can be worked on at once, `stop` ends all that is under way."""

    executor: Executor
    stop: Stop
    slots: Callable[[], int]


@contextmanager
def fleet(scheduler: str | None, jobs: int) -> Iterator[Fleet]:
    """This machine with so many threads, or Dask's workers where the address of a `scheduler` is given.

    :raises UsageError: Dask is not installed, or nobody answers at the address.
    """
    if scheduler is not None:
        with _dask(scheduler) as dask:
            yield dask
        return
    with ThreadPoolExecutor(jobs, thread_name_prefix="fleet") as pool:
        yield Fleet(pool, threading.Event(), lambda: jobs)


@contextmanager
def _dask(address: str) -> Iterator[Fleet]:
    try:
        from distributed import Client, Event
    except ImportError as problem:
        raise UsageError(
            f"--scheduler {address}: Dask is not installed ({problem})",
            hint=f".venv/bin/pip install -r {REQUIREMENTS}, here and for the workers",
        ) from None
    try:
        client = Client(address, timeout=_CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError) as problem:
        raise UsageError(
            f"--scheduler {address}: no Dask scheduler answers there: {problem}", hint="dask scheduler starts one"
        ) from None
    logging.getLogger("distributed.client").setLevel(logging.CRITICAL)  # a scheduler that is gone is told by us
    with client:

        def slots() -> int:
            try:
                return sum(client.nthreads().values())
            except OSError as problem:
                raise CannotObserve(f"the Dask scheduler at {address} is gone: {problem}") from problem

        # Each unit is work of its own, however much two of them look alike.
        yield Fleet(client.get_executor(pure=False), Event(f"xenlab-stop-{uuid4()}", client=client), slots)
