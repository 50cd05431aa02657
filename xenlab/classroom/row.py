"""What the gradebook says of one attempt: points a step, the total, what to fix first, and what went wrong. Pure."""

from collections.abc import Iterator
from typing import Literal

from xenlab.causes.cause import Rank
from xenlab.causes.reading import find_causes
from xenlab.evidence.text import brief, plain
from xenlab.grading.exporters.words import visible_fix
from xenlab.outcomes import CheckResult, Grade, Model, Outcome, StepResult
from xenlab.report.reading import first_to_fix, in_a_sentence, is_ungradable, nothing_observed

NOT_GRADABLE: Literal["not gradable"] = "not gradable"
"""The verdict, and the points, of what could not be observed: nobody's zero."""

_MOST_TROUBLES = 40
_WORDS = 240
_ID = 80


class StepPoints(Model):
    """One step: `earned` is None where it is not gradable."""

    id: str
    outcome: Outcome
    earned: float | None
    points: float


class Trouble(Model):
    """One check that did not hold, on whichever guests and hosts; `cause` is the dictionary's entry, "" for none.

    Two teams have the same trouble where step, check, outcome and cause are the same; `words` are this one's.
    """

    step: str
    check: str
    outcome: Outcome
    cause: str
    words: str

    @property
    def key(self) -> tuple[str, str, Outcome, str]:
        """What tells it from other troubles."""
        return self.step, self.check, self.outcome, self.cause


class GradebookRow(Model):
    """One attempt. `earned` is None where it is not gradable; `says` is its outcome in a sentence.

    `ungradable` are the points that could not be observed in an attempt that is gradable all the same. `fix` and `hint`
    are what to mend first, `fix_shown` is that of what students may see.
    """

    verdict: Literal["passed", "failed", "not gradable"]
    says: str
    earned: float | None = None
    possible: float = 0.0
    ungradable: float = 0.0
    late_hours: float | None = None
    steps: tuple[StepPoints, ...] = ()
    fix: str = ""
    hint: str = ""
    fix_shown: str = ""
    troubles: tuple[Trouble, ...] = ()


def graded(grade: Grade) -> GradebookRow:
    """The row of a run that came to its end."""
    gradable = grade.verdict != "error" and not nothing_observed(grade.score)
    found, visible = first_to_fix(grade), visible_fix(grade)
    return GradebookRow(
        verdict=grade.verdict if gradable and grade.verdict != "error" else NOT_GRADABLE,
        says=in_a_sentence(grade),
        earned=grade.score.earned if gradable else None,
        possible=grade.score.possible,
        ungradable=grade.score.ungradable,
        late_hours=grade.score.late.hours if grade.score.late else None,
        steps=tuple(
            StepPoints(
                id=_line(step.id, _ID),
                outcome=step.outcome,
                earned=None if is_ungradable(step) else step.earned,
                points=step.points,
            )
            for step in grade.steps
        ),
        fix=_fix(*found) if found else "",
        hint=_line(found[1].hint) if found else "",
        fix_shown=_fix(*visible) if visible else "",
        troubles=tuple({trouble.key: trouble for trouble in _troubles(grade)}.values())[:_MOST_TROUBLES],
    )


def not_graded(why: str) -> GradebookRow:
    """The row of a run that came to no grade."""
    return GradebookRow(verdict=NOT_GRADABLE, says=_line(why))


def _troubles(grade: Grade) -> Iterator[Trouble]:
    for step in grade.steps:
        for check in step.checks:
            if check.outcome in (Outcome.FAILED, Outcome.ERROR):
                yield Trouble(
                    step=_line(step.id, _ID),
                    check=_line(check.id, _ID),
                    outcome=check.outcome,
                    cause=_cause(check),
                    words=_line(check.actual),
                )


def _cause(check: CheckResult) -> str:
    known = (match.cause for match in find_causes(check.actual) if match.cause.rank < Rank.CONSEQUENCE)
    return next((cause.id for cause in known), "")


def _fix(step: StepResult, check: CheckResult) -> str:
    return _line(f"{step.id}: {check.id}{_where(check)}: {check.actual}")


def _where(check: CheckResult) -> str:
    where = " on ".join(part for part in (check.guest, check.host) if part)
    return f" ({where})" if where else ""


def _line(text: str, limit: int = _WORDS) -> str:
    return brief(plain(text), limit)
