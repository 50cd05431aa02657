"""The same thing done with several at once, and threads that are told to end."""

from contextvars import ContextVar
from threading import Barrier, Event, Thread

import pytest

from xenlab.remote.side_by_side import side_by_side
from xenlab.remote.waiting import NotInTime, is_stopped, stopped_by, wait_for

WHOSE: ContextVar[str] = ContextVar("whose")


def test_all_run_at_once_and_answer_in_order() -> None:
    both = Barrier(2)

    def meet(name: str) -> str:
        both.wait(20)
        return name.upper()

    assert side_by_side(meet, ("labubuntu", "baye")) == ["LABUBUNTU", "BAYE"]


def test_they_know_whom_they_work_for() -> None:
    WHOSE.set("guest1")
    assert side_by_side(lambda _: WHOSE.get(), (1, 2)) == ["guest1", "guest1"]


def test_the_first_fault_in_order_is_raised_once_all_have_ended() -> None:
    second_failed = Event()
    done = []

    def fail(number: int) -> None:
        if number == 1:
            second_failed.wait(20)
        done.append(number)
        if number == 2:
            second_failed.set()
        raise ValueError(number)

    with pytest.raises(ValueError, match="1"):
        side_by_side(fail, (1, 2))
    assert done == [2, 1]


def test_a_thread_that_is_told_to_end_waits_for_nothing() -> None:
    stop, waits = Event(), Event()
    said: list[str] = []

    def work() -> None:
        with stopped_by(stop):
            assert not is_stopped()
            waits.set()
            try:
                wait_for(lambda: False, "what never comes", 60, 60)
            except NotInTime as ended:
                said.append(ended.message)
            said.append(str(is_stopped()))
        said.append(str(is_stopped()))

    thread = Thread(target=work)
    thread.start()
    waits.wait(20)
    stop.set()
    thread.join(20)
    assert said == ["stopped waiting for what never comes", "True", "False"]
