"""Work in turns: as many at once as there are slots, never two that share something; stopped as a whole."""

import sys
import threading
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from xenlab.errors import UsageError
from xenlab.fleet.bounded import Stop
from xenlab.fleet.executors import Fleet, fleet
from xenlab.fleet.turns import in_turns

SHARED = {"a": {"x"}, "b": {"x", "y"}, "c": {"y"}, "d": {"z"}, "e": set(), "f": {"x"}}


class Work:
    """Notes what goes on at once; each unit waits until as many as can go on do, or a moment."""

    def __init__(self, at_once: int) -> None:
        self.going: set[str] = set()
        self.seen: list[frozenset[str]] = []
        self._lock = threading.Lock()
        self._full = threading.Event()
        self._at_once = at_once

    def __call__(self, unit: str, _stop: Stop) -> str:
        with self._lock:
            self.going.add(unit)
            self.seen.append(frozenset(self.going))
            if len(self.going) == self._at_once:
                self._full.set()
        self._full.wait(0.3)
        with self._lock:
            self.going.remove(unit)
        return unit.upper()


def shares(unit: str) -> Collection[str]:
    return SHARED[unit]


@pytest.mark.parametrize("jobs", [1, 2, 4])
def test_each_is_done_once_and_none_beside_one_that_shares_with_it(jobs: int) -> None:
    work, begun = Work(jobs), []
    with fleet(None, jobs) as workers:
        made = dict(in_turns(workers, list(SHARED), work, shares, begun.append))
    assert made == {unit: unit.upper() for unit in SHARED}
    assert sorted(begun) == sorted(SHARED)
    assert begun[0] == "a"
    assert max(map(len, work.seen)) <= jobs
    for together in work.seen:
        words = [word for unit in together for word in SHARED[unit]]
        assert len(words) == len(set(words)), together
    assert jobs == 1 or max(map(len, work.seen)) > 1


def test_what_goes_wrong_with_one_is_handed_over_and_holds_none() -> None:
    def work(unit: str, _stop: Stop) -> str:
        if unit == "b":
            raise OSError("no room")
        return unit

    with fleet(None, 2) as workers:
        made = dict(in_turns(workers, list("abc"), work, lambda _: (), lambda _: None))
    assert (made["a"], made["c"]) == ("a", "c")
    assert str(made["b"]) == "no room"


def test_interrupted_it_stops_what_goes_on_and_begins_nothing_more() -> None:
    began, ended = [], []

    def work(unit: str, stop: Stop) -> str:
        if not stop.is_set():
            began.append(unit)
            assert isinstance(stop, threading.Event)
            stop.wait(30)
            ended.append(unit)
        return unit

    def interrupts(unit: str) -> None:
        if unit == "c":
            raise KeyboardInterrupt

    with fleet(None, 3) as workers, pytest.raises(KeyboardInterrupt):
        list(in_turns(workers, list("abcdef"), work, lambda _: (), interrupts))
    assert sorted(began) == sorted(ended)
    assert set(began) <= {"a", "b"}


def test_closed_it_stops_what_goes_on_too() -> None:
    told, ended = [], []

    def work(unit: str, stop: Stop) -> str:
        if unit == "slow":
            assert isinstance(stop, threading.Event)
            stop.wait(30)
            ended.append(unit)
        return unit

    with fleet(None, 2) as workers:
        turns = in_turns(workers, ["slow", "quick"], work, lambda _: (), lambda _: None, told.append)
        assert next(turns) == ("quick", "quick")
        turns.close()
    assert (told, ended) == ([1], ["slow"])


def test_slots_that_come_later_are_used() -> None:
    slots: Iterator[int] = iter([0, 1, 1, *([4] * 1000)])
    work = Work(4)
    with ThreadPoolExecutor(8) as pool:
        workers = Fleet(pool, threading.Event(), lambda: next(slots))
        made = dict(in_turns(workers, [*"abcdefgh"], work, lambda _: (), lambda _: None))
    assert len(made) == 8
    assert len(work.seen[0]) == 1
    assert max(map(len, work.seen)) == 4


def test_without_dask_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(UsageError) as refused, fleet("tcp://127.0.0.1:1", 1):
        pass
    assert "--scheduler tcp://127.0.0.1:1: Dask is not installed" in refused.value.message
    assert "requirements-dask.txt" in refused.value.hint
