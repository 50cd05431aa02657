"""What a grade says, in words: pure, and the same wherever it is said."""

from xenlab.outcomes import CheckResult, Grade, Outcome, StepResult


def first_to_fix(grade: Grade) -> tuple[StepResult, CheckResult] | None:
    """The first failed check in the order of the steps, else the first that could not be made."""
    for outcome in (Outcome.FAILED, Outcome.ERROR):
        for step in grade.steps:
            for check in step.checks:
                if check.outcome is outcome:
                    return step, check
    return None


def in_a_sentence(grade: Grade) -> str:
    """The verdict and what it rests on, as one or two sentences."""
    count = {outcome: sum(step.outcome is outcome for step in grade.steps) for outcome in Outcome}
    total = len(grade.steps)
    if not total:
        return "No step ran, so nothing is known about the lab."
    wrong = [
        (count[Outcome.FAILED], "failed"),
        (count[Outcome.ERROR], "could not be observed"),
        (count[Outcome.BLOCKED], "blocked by that"),
    ]
    # "1 of 7 steps failed, 4 blocked by that." A step may be blocked for one guest only.
    parts = [f"{number} {what}" for number, what in wrong if number]
    if not parts:
        waived = f", {count[Outcome.WAIVED]} of them by a waiver" if count[Outcome.WAIVED] else ""
        return f"{'The step' if total == 1 else f'All {total} steps'} passed{waived}."
    first, space, rest = parts[0].partition(" ")
    parts[0] = f"{first} of {total} {'step' if total == 1 else 'steps'}{space}{rest}"
    sentence = ", ".join(parts) + "."
    if not count[Outcome.FAILED]:
        sentence += " This says nothing about whether the lab is right."
    return sentence
