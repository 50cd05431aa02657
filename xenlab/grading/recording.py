"""From what is raised in a step to its checks and to pytest's report of it."""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from xenlab.errors import XenlabError
from xenlab.evidence.recorder import Journal
from xenlab.evidence.text import plain
from xenlab.grading.problems import TOLD, ChecksFailedError, ChecksUnknownError, FaultWaivedError
from xenlab.grading.run import StepRun
from xenlab.outcomes import Outcome

Wrapper = Generator[None, object, object]


@contextmanager
def recorded(run: StepRun, *, ends_early: bool) -> Iterator[None]:
    """Record what is raised within as a check of `run`, and raise it as what is wrong with its checks.

    :raises ChecksFailedError, ChecksUnknownError: something failed or could not be told.
    :raises FaultWaivedError: a fault was raised that is waived, and nothing else is wrong.
    """
    __tracebackhide__ = True
    try:
        yield
    except ChecksUnknownError:
        raise  # recorded where it was raised
    except XenlabError as error:
        result = run.add_raised(error)
        run.ended_early |= ends_early
        raise (run.problem() or FaultWaivedError(result.actual)) from error


def record(run: StepRun, item: pytest.Item, when: str, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
    """Record what ended a phase of the step, where that has not been done."""
    error = excinfo.value
    blocked = isinstance(error, pytest.skip.Exception) and run.root is not None
    if blocked or isinstance(error, TOLD):
        return
    if isinstance(error, XenlabError):
        run.add_raised(error)
    elif isinstance(error, AssertionError) and when == "call" and Path(excinfo.traceback[-1].path) == item.path:
        # An assertion of the step itself; one that fails deeper down is a fault of ours, not of the lab.
        run.add("assertion", Outcome.FAILED, actual=str(error) or "an assertion failed")
        run.ended_early = True
    else:
        run.add(
            "unexpected-error",
            Outcome.ERROR,
            actual=f"{excinfo.typename}: {error}",
            hint="this says nothing about the lab: the grading itself went wrong",
        )
    run.problem()  # pytest's report tells it


def is_waived(run: StepRun, error: BaseException) -> bool:
    """Whether `error` ended the step for nothing but what is waived, so that nothing of it has failed."""
    return isinstance(error, FaultWaivedError) or (
        isinstance(error, AssertionError) and not isinstance(error, ChecksFailedError) and run.outcome is Outcome.WAIVED
    )


def clean(report: pytest.TestReport, journal: Journal) -> None:
    """Make pytest's report fit for a terminal and for every file that is made of it."""
    shown = report.longrepr
    if isinstance(shown, tuple):
        path, line, reason = shown
        report.longrepr = (path, line, _clean(reason, journal))
    elif shown is not None and (text := _clean(str(shown), journal)) != str(shown):
        report.longrepr = text
    report.sections = [(name, _clean(content, journal)) for name, content in report.sections]


def _clean(text: str, journal: Journal) -> str:
    return plain(journal.mask(text))
