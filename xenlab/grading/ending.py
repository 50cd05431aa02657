"""How a graded session ends: what still has to be done to the lab comes before anything is written."""

import pytest

from xenlab.errors import XenlabError
from xenlab.grading.bodies import Bodies
from xenlab.grading.interrupts import Interrupts
from xenlab.grading.recording import Wrapper
from xenlab.grading.run import Run
from xenlab.grading.terminal import TerminalReport
from xenlab.outcomes import Outcome

_STEPS = "ending the steps that run"
_HOME = "bringing guests home"


class Ending:
    """The hooks that come before all others when a session ends, however it does."""

    def __init__(self, run: Run, bodies: Bodies, terminal: TerminalReport, interrupts: Interrupts) -> None:
        self._run = run
        self._bodies = bodies
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
            self._end_steps()
            leave_unrun(self._run, self._stopped or str(session.shouldfail or session.shouldstop or "interrupted"))
            if self._run.closing:
                self._interrupts.cleaning_up(_HOME)
                with self._terminal.cleaning_up(_HOME):
                    for fault in bring_home(self._run):
                        self._terminal.say_in_pytests_words(fault)
        finally:
            self._interrupts.cleaning_up("ending the run")
            result = yield
            self._interrupts.cleaning_up("closing the lab")
        return result

    def _end_steps(self) -> None:
        """Have what runs beside pytest come to its end, so that nobody else does anything to the lab.

        Where that is not waited for, nothing more is done to it.
        """
        if not self._bodies.are_running:
            return
        self._interrupts.cleaning_up(_STEPS)
        try:
            with self._terminal.cleaning_up(_STEPS):
                self._bodies.stop()
        except KeyboardInterrupt:
            self._run.closing.clear()
            self._run.restored = False
            self._run.remarks.append(f"interrupted while {_STEPS}: ./lab mend brings the guests home")


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


def bring_home(run: Run) -> list[str]:
    """Call all of `run.closing`, each whatever became of the others; only an interruption ends it all.

    What could not be done is a remark, and keeps the run from counting (`Run.restored`).

    :returns: a traceback for each fault of our own.
    """
    faults = []
    for one in run.closing:
        raised = pytest.CallInfo.from_call(one, when="teardown").excinfo
        if raised is None:
            continue
        run.restored = False
        if isinstance(raised.value, KeyboardInterrupt):
            run.remarks.append(
                f"interrupted while {_HOME}: some may not be where they were found; ./lab mend goes on with it"
            )
            break
        if isinstance(raised.value, XenlabError):
            why = str(raised.value)
        else:
            why = f"xenlab itself went wrong: {raised.exconly()}"
            faults.append(str(raised.getrepr(style="short")))
        run.remarks.append(f"the lab could not be left as it was found: {why}")
    run.closing.clear()
    return faults
