from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xenlab.errors import UsageError
from xenlab.grading.schema import PATH, grade_schema
from xenlab.grading.scoring import (
    Instance,
    StepSpec,
    score_step,
    score_steps,
    total,
    verdict,
    worst,
)
from xenlab.outcomes import CheckResult, Grade, LabInfo, Outcome
from xenlab.report.reading import first_to_fix

PASSED, FAILED, BLOCKED, ERROR, WAIVED = (
    Outcome.PASSED,
    Outcome.FAILED,
    Outcome.BLOCKED,
    Outcome.ERROR,
    Outcome.WAIVED,
)


def run(*outcomes: Outcome, step: str = "s", blocked_by: str | None = None, **more: object) -> Instance:
    checks = tuple(CheckResult(id=f"c{n}", outcome=outcome) for n, outcome in enumerate(outcomes))
    return Instance(step, None, checks, blocked_by=blocked_by, **more)


def spec(points: float = 10.0, id: str = "s") -> StepSpec:
    return StepSpec(id, "A step", points)


@pytest.mark.parametrize(
    ("runs", "outcome", "earned"),
    [
        ([run(PASSED), run(PASSED)], PASSED, 10),
        ([run(PASSED), run(PASSED, FAILED)], FAILED, 7.5),
        ([run(PASSED), run(PASSED, ERROR)], ERROR, 5),
        ([run(PASSED), run(BLOCKED)], BLOCKED, 5),
        ([run(ERROR), run(FAILED), run(BLOCKED)], FAILED, 0),
        ([run(BLOCKED), run(ERROR)], ERROR, 0),
        ([run(PASSED), run()], ERROR, 5),
        ([run(WAIVED), run(PASSED)], WAIVED, 10),
        ([], ERROR, 0),
    ],
)
def test_a_step_over_its_guests(runs: list[Instance], outcome: Outcome, earned: float) -> None:
    result = score_step(spec(), runs)
    assert (result.outcome, result.earned) == (outcome, earned)


@pytest.mark.parametrize(
    ("runs", "earned", "ungradable"),
    [
        ([run(PASSED), run(PASSED, FAILED, ended_early=True)], 5, 0),
        ([run(PASSED, PASSED, FAILED, ended_early=True)], 0, 0),
        ([run(PASSED, PASSED, ended_early=True)], 10, 0),
        ([run(PASSED, WAIVED, ended_early=True)], 10, 0),
        ([run(PASSED, FAILED, ERROR)], 3.33, 0),
        ([run(PASSED), run(ERROR)], 5, 5),
        ([run(ERROR, ended_early=True), run(PASSED, FAILED)], 2.5, 5),
        ([run(BLOCKED, blocked_by="a"), run(BLOCKED, blocked_by="a", root_observed=False)], 0, 5),
        ([run(BLOCKED, blocked_by="a"), run(PASSED)], 5, 0),
        ([run(PASSED), run(PASSED), run(ERROR)], 6.66, 3.33),
        ([run()], 0, 10),
        ([], 0, 10),
    ],
)
def test_what_ended_early_earns_nothing_and_what_was_not_seen_is_not_lost(
    runs: list[Instance], earned: float, ungradable: float
) -> None:
    result = score_step(spec(), runs)
    assert (result.earned, result.ungradable) == (earned, ungradable)
    assert total([result, score_step(spec(), [run(PASSED)])]).ungradable == ungradable


def test_only_a_blocked_step_names_its_root() -> None:
    assert score_step(spec(), [run(PASSED), run(BLOCKED, blocked_by="hosts")]).blocked_by == "hosts"
    assert score_step(spec(), [run(FAILED), run(BLOCKED, blocked_by="hosts")]).blocked_by is None


def test_one_failed_check_in_many_is_never_full() -> None:
    assert score_step(spec(1), [run(*[PASSED] * 5000, FAILED)]).earned == 0.99


outcomes = st.sampled_from([PASSED, FAILED, BLOCKED, ERROR, WAIVED])
a_run = st.lists(outcomes, max_size=6)
a_step = st.tuples(st.integers(0, 4000).map(lambda cents: cents / 100), st.lists(a_run, min_size=1, max_size=4))


@given(st.lists(a_step, max_size=8))
def test_scores_stay_in_bounds_and_add_up(made: list[tuple[float, list[list[Outcome]]]]) -> None:
    specs = [spec(points, f"s{n}") for n, (points, _) in enumerate(made)]
    instances = [run(*checks, step=f"s{n}") for n, (_, runs) in enumerate(made) for checks in runs]
    steps = score_steps(specs, instances)
    score = total(steps)
    for step in steps:
        assert 0 <= step.earned <= step.points
        assert round(step.earned, 2) == step.earned
        assert 0 <= step.ungradable <= round(step.points - step.earned, 2)
        if step.points and step.outcome not in (PASSED, WAIVED):
            assert step.earned < step.points
        else:
            assert step.earned == step.points
    assert 0 <= score.earned <= score.possible
    assert score.earned == round(sum(step.earned for step in steps), 2)
    assert score.possible == round(sum(step.points for step in steps), 2)
    assert (verdict(steps) == "passed") == (
        bool(steps) and score.earned == score.possible and all(step.outcome in (PASSED, WAIVED) for step in steps)
    )


@given(st.lists(outcomes))
def test_the_worst_does_not_depend_on_the_order(some: list[Outcome]) -> None:
    assert worst(some) is worst(reversed(some))


def test_verdicts() -> None:
    def of(*some: Outcome) -> str:
        return verdict([score_step(spec(), [run(outcome)]) for outcome in some])

    assert of(PASSED, WAIVED) == "passed"
    assert of(PASSED, ERROR, BLOCKED) == "error"
    assert of(PASSED, BLOCKED) == "error"
    assert of(ERROR, FAILED) == "failed"
    assert of() == "error"
    assert verdict([score_step(spec(), [run(PASSED)])], restored=False) == "error"
    assert verdict([score_step(spec(), [run(FAILED)])], restored=False) == "failed"


def test_a_failure_is_to_be_fixed_before_an_error() -> None:
    now = datetime.now(UTC)

    def grade(*checks: list[Outcome]) -> Grade:
        steps = score_steps(
            [spec(id="a"), spec(id="b")], [run(*some, step=id) for id, some in zip("ab", checks, strict=True)]
        )
        lab = LabInfo(name="x", kind="real", hosts=())
        return Grade(lab=lab, started=now, finished=now, score=total(steps), verdict=verdict(steps), steps=steps)

    step, check = first_to_fix(grade([PASSED, ERROR], [PASSED, PASSED, FAILED]))
    assert (step.id, check.id) == ("b", "c2")
    step, check = first_to_fix(grade([PASSED, ERROR], [BLOCKED]))
    assert (step.id, check.id) == ("a", "c1")
    assert first_to_fix(grade([PASSED], [PASSED])) is None


@pytest.mark.parametrize(
    ("id", "title", "points"),
    [
        ("", "t", 1),
        ("With Space", "t", 1),
        ("a", "", 1),
        ("a", "t", -1),
        ("a", "t", 0.001),
        ("a", "t", float("nan")),
    ],
)
def test_steps_that_cannot_be(id: str, title: str, points: float) -> None:
    with pytest.raises(UsageError):
        StepSpec(id, title, points)


def test_the_schema_is_up_to_date() -> None:
    assert PATH.read_text(encoding="utf-8") == grade_schema(), "run: python -m xenlab.grading.schema"
