"""The bounded wait."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from xenlab.errors import CannotObserve
from xenlab.remote.activity import activity, show_activity
from xenlab.remote.waiting import NotInTime, wait_for


def test_returns_the_first_true_answer() -> None:
    answers = iter([None, False, "", "ready", "late"])
    assert wait_for(lambda: next(answers), "an answer", 5, 0.001) == "ready"


def test_gives_up_in_time_and_says_what_was_awaited() -> None:
    begun = time.monotonic()
    with pytest.raises(CannotObserve, match=r"^waited 0 s for the moon$"):
        wait_for(lambda: None, "the moon", 0.1, 10)
    assert 0.1 <= time.monotonic() - begun < 1


def test_looks_once_even_without_time_and_a_last_time_at_the_end() -> None:
    assert wait_for(lambda: 1, "one", 0) == 1
    begun = time.monotonic()
    assert wait_for(lambda: time.monotonic() - begun >= 0.1, "the end", 0.1, 0.06)


def test_can_be_stopped() -> None:
    stop = threading.Event()
    threading.Timer(0.05, stop.set).start()
    with pytest.raises(NotInTime, match="stopped waiting for the moon"):
        wait_for(lambda: None, "the moon", 30, 20, stop=stop)


def test_what_the_condition_raises_is_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError):
        wait_for(lambda: 1 / 0, "nothing", 1)


def test_whoever_listens_is_shown_what_goes_on_and_when_it_is_over() -> None:
    shown: list[str] = []

    @contextmanager
    def listener(what: str) -> Iterator[None]:
        shown.append(f"+ {what}")
        yield
        shown.append(f"- {what}")

    def look() -> bool:
        with activity("a look"):
            return True

    def elsewhere() -> None:
        wait_for(look, "another thread", 1)

    with show_activity(listener):
        wait_for(look, "the moon", 1)
        other = threading.Thread(target=elsewhere)
        other.start()
        other.join()
    wait_for(look, "nobody", 1)
    assert shown == ["+ waiting for the moon", "+ a look", "- a look", "- waiting for the moon"]
