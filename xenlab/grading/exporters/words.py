"""What a step came to in words, for those who are graded: the same in every export. Pure."""

from collections.abc import Iterator

from xenlab.evidence.text import plain, points
from xenlab.outcomes import CheckResult, Grade, Outcome, StepResult
from xenlab.report.reading import first_to_fix, is_ungradable, unseen_checks

_WORDS = {Outcome.FAILED: "failed", Outcome.ERROR: "could not be observed", Outcome.WAIVED: "waived"}


def score_line(grade: Grade) -> str:
    """The score, what being late has cost of it, and what could not be observed."""
    score = grade.score
    line = f"{points(score.earned)} of {points(score.possible)}"
    if score.ungradable:
        line += " seen"
    if score.late:
        full = points(sum(round(100 * step.earned) for step in grade.steps) / 100)
        line += f" ({points(score.late.hours)} h late: {score.late.factor:g} of {full})"
    return f"{line}; {points(score.ungradable)} could not be observed" if score.ungradable else line


def earned(step: StepResult) -> str:
    """The points of a step; what could not be observed is never told as none."""
    if is_ungradable(step):
        return "not gradable"
    line = f"{points(step.earned)} of {points(step.points)}"
    return f"{line}; {points(step.ungradable)} not gradable" if step.ungradable else line


def where(check: CheckResult) -> str:
    """The guest and host of a check, if it has any."""
    return " on ".join(part for part in (check.guest, check.host) if part)


def visible_fix(grade: Grade) -> tuple[StepResult, CheckResult] | None:
    """What to fix first of what students may see."""
    return first_to_fix(grade.model_copy(update={"steps": tuple(step for step in grade.steps if not step.hidden)}))


def state(step: StepResult) -> str:
    """How a step ended, as one or two short sentences."""
    match step.outcome:
        case Outcome.PASSED:
            return "Passed."
        case Outcome.WAIVED:
            return "Passed, by a waiver."
        case Outcome.FAILED:
            said = "Failed." if step.required else "Failed; optional: it costs its points only."
            unseen = unseen_checks(step)
            return f"{said} {unseen}, which is no fault of yours." if unseen else said
        case Outcome.BLOCKED:
            guests = [check.guest for check in step.checks if check.outcome is Outcome.BLOCKED and check.guest]
            some = f" for {', '.join(guests)}" if guests and len(guests) < len(step.checks) else ""
            said = f"Not run{some}: blocked by {step.blocked_by or 'an earlier step'}"
            return f"{said}, which could not be observed: not gradable." if step.ungradable else f"{said}."
        case _:
            return "Not gradable: it could not be observed, which says nothing about whether the lab is right."


def details(step: StepResult) -> Iterator[str]:
    """A line for each text of each check that did not simply hold."""
    for check in step.checks:
        if check.outcome not in _WORDS:
            continue
        at = where(check)
        yield plain(f"{check.id}{f' ({at})' if at else ''}: {_WORDS[check.outcome]}")
        for name, text in (("expected", check.expected), ("found", check.actual), ("hint", check.hint)):
            if text:
                yield plain(f"  {name}: {text}")
        if check.waiver:
            yield plain(f"  waived by {check.waiver.who} until {check.waiver.until}: {check.waiver.why}")
