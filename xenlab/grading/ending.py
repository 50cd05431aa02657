"""How a graded session ends: what still has to be done to the lab comes before anything is written."""

from collections.abc import Callable
from contextlib import ExitStack

import pytest

from xenlab.errors import XenlabError
from xenlab.grading.interrupts import Interrupts
from xenlab.grading.recording import Wrapper
from xenlab.grading.run import Run
from xenlab.grading.terminal import Terminal
from xenlab.outcomes import Outcome

_HOME = "bringing guests home"


class Ending:
    """The hooks that come before all others when a session ends, however it does."""

    def __init__(self, run: Run, terminal: Terminal, interrupts: Interrupts) -> None:
        self._run = run
        self._terminal = terminal
        self._interrupts = interrupts
        self._stopped = ""

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Remember why the run stopped early."""
        self._stopped = "interrupted" if type(excinfo.value) is KeyboardInterrupt else str(excinfo.value)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Wrapper:
        """Do what is in `Run.closing`, while the lab's fixtures still are what they were."""
        try:
            leave_unrun(self._run, self._stopped or str(session.shouldfail or session.shouldstop or "interrupted"))
            if self._run.closing:
                self._interrupts.cleaning_up(_HOME)
                with self._terminal.cleaning_up(_HOME):
                    bring_home(self._run)
        finally:
            self._interrupts.cleaning_up("writing the reports", to_its_end=True)
            result = yield
            self._interrupts.cleaning_up("closing the lab")
        return result


def leave_unrun(run: Run, reason: str) -> None:
    """Record of every step that has not come to its end that it has not, if any was begun at all."""
    if not any(step.started for step in run.steps):
        return
    for step in run.steps:
        if not step.finished:
            step.ended_early = True
            actual = f"{'stopped while it ran' if step.started else 'not run'}: {reason}"
            step.add("not-run", Outcome.ERROR, actual=actual)
            step.finish()


def bring_home(run: Run) -> None:
    """Call all of `run.closing`, each whatever became of the others; only an interruption ends it all.

    What could not be done is a remark, and keeps the run from counting (`Run.restored`).
    """
    given_up: list[bool] = []

    def call(one: Callable[[], None]) -> None:
        if given_up:
            return
        try:
            one()
        except XenlabError as problem:
            run.restored = False
            run.remarks.append(f"the lab could not be left as it was found: {problem}")
        except KeyboardInterrupt:
            given_up.append(True)
            run.restored = False
            run.remarks.append(f"interrupted while {_HOME}: some may not be where they were found")

    with ExitStack() as calls:
        for one in reversed(run.closing):
            calls.callback(call, one)
        run.closing.clear()
