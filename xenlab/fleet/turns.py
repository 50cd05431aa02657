"""Units of work, in their order as far as there are slots; never two at once of those that share something."""

from collections.abc import Callable, Collection, Generator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import suppress
from typing import TypeVar

from xenlab.errors import CannotObserve
from xenlab.fleet.bounded import Stop
from xenlab.fleet.executors import Fleet
from xenlab.testbed.tools import uninterrupted

T = TypeVar("T")
R = TypeVar("R")

_LOOK_SECONDS = 2.0


def in_turns(
    fleet: Fleet,
    units: Sequence[T],
    work: Callable[[T, Stop], R],
    shares: Callable[[T], Collection[str]],
    begins: Callable[[T], None],
    stops: Callable[[int], None] = lambda _: None,
) -> Generator[tuple[T, R | BaseException], None, None]:
    """What `work` makes of each unit, as it ends; or what came in its way. `begins` is told of each.

    Units of which `shares` has a word in common are done one after the other. Where this is interrupted or closed, what
    is under way is stopped and awaited, and `stops` is told how much that is; `work` is to begin nothing once it is to
    stop.

    :raises CannotObserve: the scheduler is gone.
    """
    left = list(units)
    going: dict[Future[R], T] = {}
    try:
        while left or going:
            slots = max(1, fleet.slots())
            taken = {word for unit in going.values() for word in shares(unit)}
            for unit in list(left):
                if len(going) >= slots:
                    break
                if taken.isdisjoint(words := shares(unit)):
                    taken.update(words)
                    left.remove(unit)
                    begins(unit)
                    going[fleet.executor.submit(work, unit, fleet.stop)] = unit
            # Workers may have come or gone meanwhile.
            for future in wait(going, timeout=_LOOK_SECONDS, return_when=FIRST_COMPLETED).done:
                unit = going.pop(future)
                made = _end_of(future)
                yield unit, made
    except BaseException:
        with uninterrupted(), suppress(CannotObserve, OSError):
            fleet.stop.set()
            stops(len(going))
            while going and fleet.slots():
                going = {future: going[future] for future in wait(going, timeout=_LOOK_SECONDS).not_done}
        raise


def _end_of(future: Future[R]) -> R | BaseException:
    if future.cancelled():
        return CannotObserve("the scheduler gave it up")
    return future.exception() or future.result()
