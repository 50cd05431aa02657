"""The grade as Gradescope takes it: results.json. Pure.

Gradescope knows passed and failed only, so a step that was blocked is failed with 0 points and says why. What could
not be observed has no points there to be lost; where that is all that is wrong, no results are handed over at all,
which makes Gradescope say that the grading went wrong. Source: Gradescope's autograder documentation, "Output format".
"""

from typing import Literal

from pydantic import Field

from xenlab.evidence.text import bounded, brief, plain
from xenlab.grading.exporters.words import details, score_line, state, visible_fix, where
from xenlab.outcomes import Grade, Model, Outcome, StepResult

_OUTPUT_TEXT = 8_000
_NAME_TEXT = 200


class GradescopeTest(Model):
    """One step; `number` is its place on the lab sheet, `max_score` what of its points could be observed."""

    name: str
    name_format: Literal["text"] = "text"
    number: str
    score: float = Field(ge=0)
    max_score: float = Field(ge=0)
    status: Literal["passed", "failed"]
    output: str
    output_format: Literal["text"] = "text"
    visibility: Literal["visible", "after_published"]
    tags: tuple[str, ...] = ()


class GradescopeResults(Model):
    """The whole file; `score` counts, whatever the tests' scores add up to, and `execution_time` is in seconds.

    What the run prints is for the instructor: of a hidden step it shows what students may not see.
    """

    score: float = Field(ge=0)
    execution_time: float = Field(ge=0)
    output: str
    output_format: Literal["text"] = "text"
    test_output_format: Literal["text"] = "text"
    test_name_format: Literal["text"] = "text"
    visibility: Literal["visible"] = "visible"
    stdout_visibility: Literal["hidden"] = "hidden"
    tests: tuple[GradescopeTest, ...]


def gradescope(grade: Grade) -> GradescopeResults | None:
    """The results, their texts plain and bounded; None where the verdict is error: no attempt that should count."""
    if grade.verdict == "error":
        return None
    lines = [f"{score_line(grade)}: {grade.verdict}."]
    if grade.score.ungradable:
        lines.append("What could not be observed is no fault of yours: have it graded again.")
    if found := visible_fix(grade):
        step, check = found
        at = where(check)
        lines.append(f"Fix this first: {step.id}: {check.id}{f' ({at})' if at else ''}: {brief(check.actual)}")
        lines += [f"Hint: {brief(check.hint)}"] if check.hint else []
    return GradescopeResults(
        score=grade.score.earned,
        execution_time=max(0.0, round((grade.finished - grade.started).total_seconds(), 1)),
        output=_text("\n".join(lines)),
        tests=tuple(_test(number, step) for number, step in enumerate(grade.steps, 1)),
    )


def _test(number: int, step: StepResult) -> GradescopeTest:
    passed = step.outcome in (Outcome.PASSED, Outcome.WAIVED)
    return GradescopeTest(
        name=brief(plain(f"{step.id}: {step.title}"), _NAME_TEXT),
        number=str(number),
        score=step.earned,
        max_score=round(step.points - step.ungradable, 2),
        status="passed" if passed else "failed",
        output=_text("\n".join([state(step), *details(step)])),
        visibility="after_published" if step.hidden else "visible",
        tags=(step.outcome.value, *(() if step.required else ("optional",))),
    )


def _text(text: str) -> str:
    return bounded(plain(text), _OUTPUT_TEXT)[0]
