"""What a graded test is written with: `@step` on the test, `check` within it."""

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

import allure
import pytest

from xenlab.errors import UsageError
from xenlab.grading.rubric import StepRule, shipped
from xenlab.grading.run import ChecksFailedError, running
from xenlab.grading.scoring import StepSpec
from xenlab.outcomes import Finding, Outcome

F = TypeVar("F", bound=Callable[..., object])


def step(id: str, *, points: float | None = None, needs: str | tuple[str, ...] | None = None) -> Callable[[F], F]:
    """Mark a test as a graded step, to be run after the steps it `needs` have passed.

    The first line of the test's docstring is the step's title, which is what the student reads. Tests that
    share an id are parts of one step, each weighing the same. Its points are those of the shipped rubric; a
    step that this does not know says its own.

    :raises UsageError: no docstring, no points, or an id or points that cannot be.
    """
    required = (needs,) if isinstance(needs, str) else tuple(needs or ())
    worth = shipped().steps.get(id, StepRule()).points if points is None else points
    if worth is None:
        raise UsageError(f"step {id!r} has no points", hint="give them to @step, or to it in grading/rubric.toml")

    def mark(function: F) -> F:
        title = next(iter((function.__doc__ or "").strip().splitlines()), "")
        spec = replace(shipped().weighed(StepSpec(id, title, worth, required)), points=worth)
        marked: F = pytest.mark.step(spec)(function)
        return marked

    return mark


def check(
    finding: Finding | bool,
    *,
    id: str = "",
    hint: str = "",
    expected: str = "",
    actual: str = "",
    essential: bool = False,
) -> bool:
    """Record whether `finding` holds, and go on either way; returns whether it holds.

    A step with a failed check fails at its end, and tells all that failed; with `essential`, which is for
    what the rest of the step rests on, it ends at once. One that is waived fails nothing. Texts given here win
    over the finding's.

    :raises UsageError: no step is running.
    :raises TypeError: `finding` is neither a finding nor a bool, such as a method that was not called and so
        would always hold.
    :raises ChecksFailedError: an essential check failed.
    """
    __tracebackhide__ = True
    run = running()
    if isinstance(finding, bool):
        number = len(run.checks) + 1
        finding = Finding(f"check-{number}", finding, expected="true", actual=str(finding).lower())
    elif not isinstance(finding, Finding):
        raise TypeError(f"check() takes a Finding or a bool, not {type(finding).__name__}")
    result = run.add(
        id or finding.id,
        Outcome.PASSED if finding.holds else Outcome.FAILED,
        expected=expected or finding.expected,
        actual=actual or finding.actual,
        # A hint says what to mend: beside a check that holds it would only mislead.
        hint="" if finding.holds else hint or finding.hint,
        host=finding.host,
        guest=finding.guest,
        proof=finding.proof,
    )
    try:
        with allure.step(f"{result.id}: {result.expected}" if result.expected else result.id):
            if result.proof:
                allure.attach(result.proof, "proof", allure.attachment_type.TEXT)
            if result.outcome is Outcome.FAILED:
                raise ChecksFailedError(f"found {result.actual}")
    except ChecksFailedError:
        if essential and (failure := run.failure()):
            raise failure from None
    return bool(finding)
