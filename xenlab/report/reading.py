"""What a grade says, in words: pure, and the same wherever it is said."""

from collections.abc import Sequence

from xenlab.evidence.text import brief
from xenlab.outcomes import CheckResult, Grade, Outcome, Score, StepResult

NO_COUNT = "this attempt should not count: no fault of yours"
"""What is said of a run whose verdict is error."""


def is_ungradable(step: StepResult) -> bool:
    """Whether nothing of a step could be observed: it has no points to be told, not none."""
    nothing_observed = step.ungradable == step.points
    return nothing_observed and (step.outcome is Outcome.ERROR or (step.outcome is Outcome.BLOCKED and step.points > 0))


def nothing_observed(score: Score) -> bool:
    """Whether no point of a run could be observed: its score is none, not 0."""
    return score.possible > 0 and score.ungradable == score.possible


def unseen_checks(step: StepResult) -> str:
    """How many checks of a step could not be observed, in words; "" where all were."""
    unseen = sum(check.outcome is Outcome.ERROR for check in step.checks)
    return f"{unseen} {'check' if unseen == 1 else 'checks'} of it could not be observed" if unseen else ""


def first_to_fix(grade: Grade) -> tuple[StepResult, CheckResult] | None:
    """The first failed check in the order of the steps, else the first that could not be made.

    What no step that is required has is looked for in the optional ones.
    """
    for required in (True, False):
        for outcome in (Outcome.FAILED, Outcome.ERROR):
            for step in grade.steps:
                for check in step.checks:
                    if step.required is required and check.outcome is outcome:
                        return step, check
    return None


def found_by(check: CheckResult) -> str:
    """What a check expected and found, on one line."""
    expected = f"expected {brief(check.expected)}, found " if check.expected else ""
    return f"{expected}{brief(check.actual)}"


def in_a_sentence(grade: Grade) -> str:
    """The verdict and what it rests on, as one or two sentences; optional steps have one of their own."""
    if not grade.steps:
        return "No step ran, so nothing is known about the lab."
    required = [step for step in grade.steps if step.required]
    optional = [step for step in grade.steps if not step.required]
    if not required:
        return _of(optional, "optional ")
    sentence = _of(required, "required " if optional else "")
    wrong = sum(step.outcome not in (Outcome.PASSED, Outcome.WAIVED) for step in optional)
    if wrong:
        sentence += f" {wrong} optional {'step' if wrong == 1 else 'steps'} did not pass."
    in_part = sum(step.outcome is Outcome.FAILED and bool(unseen_checks(step)) for step in grade.steps)
    if in_part:
        sentence += f" In {in_part} failed {'step' if in_part == 1 else 'steps'} a part could not be observed."
    return sentence


def _of(steps: Sequence[StepResult], kind: str) -> str:
    count = {outcome: sum(step.outcome is outcome for step in steps) for outcome in Outcome}
    total = len(steps)
    wrong = [
        (count[Outcome.FAILED], "failed"),
        (count[Outcome.ERROR], "could not be observed"),
        (count[Outcome.BLOCKED], "blocked by that"),
    ]
    # "1 of 7 steps failed, 4 blocked by that." A step may be blocked for one guest only.
    parts = [f"{number} {what}" for number, what in wrong if number]
    if not parts:
        by_waiver = sum(any(check.outcome is Outcome.WAIVED for check in step.checks) for step in steps)
        waived = f", {by_waiver} of them by a waiver" if by_waiver else ""
        return f"{f'The {kind}step' if total == 1 else f'All {total} {kind}steps'} passed{waived}."
    first, space, rest = parts[0].partition(" ")
    parts[0] = f"{first} of {total} {kind}{'step' if total == 1 else 'steps'}{space}{rest}"
    sentence = ", ".join(parts) + "."
    if not count[Outcome.FAILED]:
        sentence += " This says nothing about whether the lab is right."
    return sentence
