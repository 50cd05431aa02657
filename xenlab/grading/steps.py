"""What a graded test is written with: `@step` on the test, `check` within it."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TypeVar

import pytest
from _pytest.mark.structures import ParameterSet

from xenlab.errors import CannotObserve, UsageError, WouldChange
from xenlab.grading.problems import ChecksFailedError, ChecksUnknownError
from xenlab.grading.rubric import CheckRule, StepRule, shipped
from xenlab.grading.run import StepRun, running
from xenlab.grading.schedule import Claim
from xenlab.grading.scoring import StepSpec
from xenlab.lab.own_check import SERVER, WORDS
from xenlab.outcomes import CheckResult, Finding, Outcome
from xenlab.remote.waiting import is_stopped
from xenlab.tomlfile import listed

F = TypeVar("F", bound=Callable[..., object])


def step(
    id: str,
    *,
    points: float | None = None,
    needs: str | tuple[str, ...] | None = None,
    claims: str = "lab",
    in_check: bool = False,
    of_the_run: bool = False,
) -> Callable[[F], F]:
    """Mark a test as a graded step, to be run after the steps it `needs` have passed.

    While it runs it has what it `claims` to itself (a value of `schedule.Claim`): other guests' steps run beside it,
    where that is not the lab. A step that is `in_check` is also run by `./lab check`, up to its first act. One
    `of_the_run` judges the run itself, and is never taken over from another.

    The first line of the test's docstring is the step's title, which is what the student reads. Tests that
    share an id are parts of one step, each weighing the same. Its points are those of the shipped rubric; a
    step that this does not know says its own.

    :raises UsageError: no docstring, no points, or an id, points or a claim that cannot be.
    """
    required = (needs,) if isinstance(needs, str) else tuple(needs or ())
    worth = shipped().steps.get(id, StepRule()).points if points is None else points
    if worth is None:
        raise UsageError(f"step {id!r} has no points", hint="give them to @step, or to it in grading/rubric.toml")

    if claims not in list(Claim):
        raise UsageError(f"step {id!r} cannot claim {claims!r}", hint=f"it may claim: {', '.join(Claim)}")

    def mark(function: F) -> F:
        title = next(iter((function.__doc__ or "").strip().splitlines()), "")
        kind = Claim(claims)
        sheet = StepSpec(id, title, worth, required, claims=kind, in_check=in_check, of_the_run=of_the_run)
        spec = replace(shipped().weighed(sheet), points=worth)
        marked: F = pytest.mark.step(spec)(function)
        return marked

    return mark


def is_step(item: pytest.Item) -> bool:
    """Whether a test is a graded step."""
    return item.get_closest_marker("step") is not None


def own_steps(
    checks: Sequence[CheckRule], hosts: Sequence[str], server: str, guests: Sequence[str], *, in_guest: bool
) -> list[ParameterSet]:
    """What a test of the rubric's own checks is called with: a check and, `in_guest`, a guest; each is a step.

    :raises UsageError: one is to be run on what is no machine of this lab.
    """
    found = []
    for number, each in enumerate(checks):
        on_hosts, in_guests = each.hosts_of(hosts, server), each.guests_of(guests)
        if not (on_hosts or in_guests):
            words = (word for word in WORDS if word != SERVER or server in hosts)
            allowed = listed([*words, *hosts, *guests])
            raise UsageError(f"checks.{number}.on: {each.on!r} is no machine of this lab: allowed are {allowed}")
        for guest in in_guests if in_guest else [None] * bool(on_hosts):
            mark = pytest.mark.step(each.step(guest))
            id_ = f"{each.id}-{guest}" if guest else each.id
            found.append(pytest.param(each, *([guest] if guest else []), marks=mark, id=id_))
    return found


@contextmanager
def apart() -> Iterator[None]:
    """A part of a step that the rest of it does not rest on: what is essential within it ends that part alone.

    What is wrong with it is told at the step's end.
    """
    run = running()
    reported = run.reported
    try:
        yield
    except (ChecksFailedError, ChecksUnknownError):
        run.reported = reported


Checkable = Finding | bool | Iterable[Finding | Iterable[Finding]]
"""What `check` takes: a finding, a bool, or findings, which may lie one level deeper."""


def check(
    *findings: Checkable,
    id: str = "",
    hint: str = "",
    expected: str = "",
    actual: str = "",
    essential: bool = False,
) -> bool:
    """Record whether each of `findings` holds, and go on either way; returns whether all hold.

    A step with a failed check fails at its end, one with a finding that could not be told is an error; both tell all
    that is wrong. With `essential`, which is for what the rest of the step rests on, it ends once all that was given
    is recorded. One that is waived fails nothing. What would take an act in a run that only reads is noted as not
    judged. Texts given here win over the findings'; an `id` is for one alone.

    :raises UsageError: no step is running.
    :raises CannotObserve: the run is ending.
    :raises TypeError: there is nothing to check, or something that is neither a finding nor a bool, such as a method
        that was not called and so would always hold.
    :raises ChecksFailedError, ChecksUnknownError: something essential failed or could not be told.
    """
    __tracebackhide__ = True
    run = running()
    if is_stopped():
        raise CannotObserve("the run is ending: what is seen now is no measure of the lab")
    if id and not (len(findings) == 1 and isinstance(findings[0], Finding | bool)):
        raise TypeError("check() takes an id beside one finding or bool only")
    recorded, unjudged = [], len(run.unjudged)
    holds = True
    for finding in _judged(run, findings):
        if isinstance(finding, bool):
            finding = Finding(f"check-{len(run.checks) + 1}", finding, expected="true", actual=str(finding).lower())
        finding = replace(
            finding,
            id=id or finding.id,
            hint=hint or finding.hint,
            expected=expected or finding.expected,
            actual=actual or finding.actual,
        )
        recorded.append(_record(run, finding))
        holds &= bool(finding)
    if not recorded and len(run.unjudged) == unjudged:
        raise TypeError("check() was given nothing to check: it could not have failed, so it would prove nothing")
    if essential and any(result.outcome in (Outcome.FAILED, Outcome.ERROR) for result in recorded):
        run.ended_early = True
        if problem := run.problem():
            raise problem
    return holds


def _record(run: StepRun, finding: Finding) -> CheckResult:
    outcome = {True: Outcome.PASSED, False: Outcome.FAILED, None: Outcome.ERROR}[finding.holds]
    return run.add(
        finding.id,
        outcome,
        expected=finding.expected,
        actual=finding.actual,
        # A hint says what to mend: beside a check that holds it would only mislead.
        hint="" if finding.holds else finding.hint,
        host=finding.host,
        guest=finding.guest,
        proof=finding.proof,
        evidence=finding.evidence,
    )


def _judged(run: StepRun, findings: Iterable[Checkable]) -> Iterator[Finding | bool]:
    """The findings one by one; of those that cannot be made without an act only that."""
    for each in findings:
        try:
            yield from _flat((each,))
        except WouldChange as change:
            run.unjudged.append(change.message)


def _flat(findings: Iterable[Checkable], depth: int = 0) -> Iterator[Finding | bool]:
    """The findings one by one, so that those before one that cannot be made are recorded."""
    for finding in findings:
        if isinstance(finding, Finding) or (isinstance(finding, bool) and depth == 0):
            yield finding
        elif isinstance(finding, Iterable) and not isinstance(finding, str | bytes) and depth < 2:
            yield from _flat(finding, depth + 1)
        else:
            raise TypeError(
                f"check() takes findings, bools and iterables of findings, no {type(finding).__name__} here"
            )
