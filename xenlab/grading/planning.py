"""A run that is only planned: its steps are rehearsed on the lab as it is seen, and what they would do is told."""

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import mean

import pytest
from pydantic import ValidationError

from xenlab.errors import UsageError, XenlabError
from xenlab.evidence.files import write_whole
from xenlab.grading.run import STEP_KEY, Run, StepRun, entered, running_or_none
from xenlab.lab.act_plan import ActPlan, Pace, PlannedAct, seconds_of, stops_of
from xenlab.lab.lab import Lab
from xenlab.lab.rehearsal import Rehearsal
from xenlab.lab.seen import found_words
from xenlab.outcomes import Grade
from xenlab.report.grade_file import previous_grade
from xenlab.testbed.plan import EMBEDDED
from xenlab.tomlfile import listed


@dataclass(frozen=True, slots=True)
class StepTest:
    """A step, its test, and what this is called with beside the nouns."""

    step: StepRun
    function: Callable[..., object]
    given: Mapping[str, object]


AROUND = "around all steps"
"""Where the acts are told that belong to no step."""


def plan(lab: Lab, run: Run, tests: Iterable[StepTest]) -> ActPlan:
    """What the run's steps (`tests`) would do to the lab, which has been looked at; nothing for those taken over."""
    graded = run.guests or tuple(lab.guests)
    acts, unforeseen = rehearse(lab, tests, graded)
    pace = pace_of(previous_grade(run.reports), lab.spec.name)
    found = lab.found.guests
    return ActPlan(
        lab_name=_name(run),
        guests=run.guests,
        steps=_steps(run),
        alone=run.alone,
        again=run.before is not None,
        made=datetime.now(UTC),
        seen=dict(run.seen),
        acts=acts,
        stops=tuple(
            stops_of(name, found_words(found[name]), acts, pace, runs=found[name].host is not None) for name in graded
        ),
        seconds=seconds_of(acts, pace),
        pace=pace,
        unforeseen=unforeseen,
    )


def rehearse(
    lab: Lab, tests: Iterable[StepTest], graded: Sequence[str]
) -> tuple[tuple[PlannedAct, ...], tuple[str, ...]]:
    """What would be done to a lab that has been looked at, `graded` being the guests; and which steps do not tell.

    Nobody is asked for anything.
    """
    unforeseen = []
    with Rehearsal(lab, _where) as rehearsal:
        for test in tests:
            if test.step.taken_over is not None:
                continue
            unforeseen += _rehearse(test, rehearsal, graded)
    return tuple(rehearsal.acts), tuple(unforeseen)


def keep_to(plan: ActPlan, lab: Lab, run: Run) -> None:
    """Have a run that has begun do what was planned, and nothing else.

    :raises UsageError: it is of other steps or guests, or the lab is not as it was.
    """
    again = run.before is not None
    called = (_name(run), run.guests, _steps(run), run.alone, again)
    if (plan.lab_name, plan.guests, plan.steps, plan.alone, plan.again) != called:
        raise UsageError("the plan is of another lab, or of other steps or guests", hint="call it as it was planned")
    if changes := list(plan.changes_since(run.seen)):
        raise UsageError(
            f"not as planned on {plan.made:%Y-%m-%d %H:%M} UTC: {'; '.join(changes)}",
            hint="./lab verify --plan makes a plan anew",
        )
    lab.custody.planned = plan.allowed()


def load_plan(path: Path) -> ActPlan:
    """A plan that was written.

    :raises UsageError: it cannot be read, or is none of ours.
    """
    try:
        return ActPlan.model_validate_json(path.read_bytes())
    except OSError as problem:
        raise UsageError(f"{path}: {problem.strerror}", hint="./lab verify --plan -o writes a plan") from None
    except ValidationError as problem:
        raise UsageError(f"{path} is no plan of ours: {problem.errors()[0]['msg']}") from None


def save_plan(plan: ActPlan, path: Path) -> None:
    """Write a plan, whole or not at all.

    :raises UsageError: it cannot be written.
    """
    try:
        write_whole(path, plan.model_dump_json(indent=1) + "\n")
    except OSError as problem:
        raise UsageError(f"{path}: {problem.strerror}", hint="choose another -o") from None


def pace_of(previous: Grade | None, lab: str) -> Pace:
    """How long acts take: as the moves of the lab's last run did, where there were any."""
    usual = Pace()
    moves = previous.migrations if previous and previous.lab.name == lab else ()
    cold, live = ([move.seconds for move in moves if move.kind == kind] for kind in ("cold", "live"))
    if not (cold and live):
        return usual
    still = [move.heartbeat.stood_still_ms / 1000 for move in moves if move.kind == "live" and move.heartbeat]
    down = mean(cold) * usual.shut_down / (usual.shut_down + usual.start)
    return Pace(
        start=mean(cold) - down,
        shut_down=down,
        move=mean(live),
        still=max(still, default=usual.still),
        measured=True,
    )


def tests_of(items: Iterable[pytest.Item]) -> Iterator[StepTest]:
    """The steps among a session's tests."""
    for item in items:
        step = item.stash.get(STEP_KEY, None)
        if step is not None and isinstance(item, pytest.Function):
            yield StepTest(step, item.obj, item.callspec.params if hasattr(item, "callspec") else {})


def _rehearse(test: StepTest, rehearsal: Rehearsal, graded: Sequence[str]) -> list[str]:
    """Go through one step; why its acts are not all known, if they are not."""
    step, nouns = test.step, rehearsal.nouns(test.step.guest, graded)
    asked = [name for name, one in inspect.signature(test.function).parameters.items() if one.default is one.empty]
    if unknown := [name for name in asked if name not in nouns and name not in test.given]:
        return [f"{step.name}: it asks for {listed(unknown)}, which cannot be rehearsed"]
    with entered(step):
        given = {name: nouns[name]() if name in nouns else test.given[name] for name in asked}
        call = pytest.CallInfo.from_call(lambda: test.function(**given), when="call")
    if call.excinfo is None:
        return []
    raised = call.excinfo.value
    return [f"{step.name}: {raised.message if isinstance(raised, XenlabError) else call.excinfo.exconly()}"]


def _where() -> str:
    step = running_or_none()
    return AROUND if step is None else step.name


def _name(run: Run) -> str:
    return EMBEDDED if run.lab_name == EMBEDDED else str(Path(run.lab_name).absolute())


def _steps(run: Run) -> tuple[str, ...]:
    return tuple(dict.fromkeys(step.spec.id for step in run.steps))
