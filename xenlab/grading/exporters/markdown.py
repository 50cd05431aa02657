"""The grade as a page of Markdown, for GitHub's step summaries and for who reads in a terminal. Pure.

Every text from the lab or a file is escaped and cut, so that none of it becomes markup, a link or an image.
Source: the GitHub Flavored Markdown specification, "Backslash escapes" and "Tables (extension)".
"""

import string
from collections.abc import Iterator

from xenlab.evidence.text import brief, plain
from xenlab.grading.exporters.words import details, earned, score_line, state, visible_fix, where
from xenlab.outcomes import Grade, Outcome, StepResult
from xenlab.report.reading import NO_COUNT

CELL = 500
"""Characters of one cell as it is written: what GitHub Classroom shows of a text."""

_LINES = 100

MARKS = {
    Outcome.PASSED: "✅",
    Outcome.FAILED: "❌",
    Outcome.ERROR: "⚠️",
    Outcome.BLOCKED: "⏸️",
    Outcome.WAIVED: "☑️",
}


def markdown(grade: Grade) -> str:
    """The page: score, what to fix first, a table of the steps, where downtime went, remarks, where the guests are."""
    return "\n".join([*_head(grade), "", *_table(grade), "", *_lists(grade)])


def escaped(text: str, limit: int = CELL) -> str:
    """`text` on one line, every mark of Markdown and HTML escaped, `limit` characters at most."""
    line = brief(plain(text), limit)
    pieces = [f"\\{char}" if char in string.punctuation else char for char in line]
    if sum(map(len, pieces)) > limit:
        room = limit - 1
        while sum(map(len, pieces)) > room:
            pieces.pop()
        pieces.append("…")
    return "".join(pieces)


def _head(grade: Grade) -> Iterator[str]:
    yield f"## {escaped(grade.lab.name, 80)}: {escaped(score_line(grade))}"
    yield ""
    yield f"**{grade.verdict}**"
    if grade.verdict == "error":
        yield ""
        yield f"{NO_COUNT[0].upper()}{NO_COUNT[1:]}."
    if found := visible_fix(grade):
        step, check = found
        at = where(check)
        named = f"{step.id}: {check.id}{f' ({at})' if at else ''}"
        yield ""
        yield f"**Fix this first:** {escaped(named)}"
        for name, text in (("expected", check.expected), ("found", check.actual), ("hint", check.hint)):
            if text:
                yield f"- {name}: {escaped(text)}"


def _table(grade: Grade) -> Iterator[str]:
    yield "| step | outcome | points | what |"
    yield "|---|---|---:|---|"
    for step in grade.steps:
        name, outcome, got, what = map(escaped, (step.id, step.outcome.value, earned(step), _what(step)))
        yield f"| {name} | {MARKS[step.outcome]} {outcome} | {got} | {what} |"


def _lists(grade: Grade) -> Iterator[str]:
    lists = (
        ("Downtime", tuple(_downtime(grade))),
        ("Remarks", grade.remarks),
        ("Where the guests are", grade.whereabouts),
    )
    for head, texts in lists:
        if texts:
            yield f"**{head}:**"
            yield from (f"- {escaped(text)}" for text in texts[:_LINES])
            yield ""


def _downtime(grade: Grade) -> Iterator[str]:
    for move in grade.migrations:
        if move.anatomy and move.anatomy.sentence:
            words = " ".join((move.anatomy.sentence, *(f"({cause})" for cause in move.anatomy.causes)))
            yield f"{move.guest}, {move.source} to {move.target}: {words}"


def _what(step: StepResult) -> str:
    if step.hidden or step.outcome is Outcome.PASSED:
        return f"{step.title} {'' if step.outcome is Outcome.PASSED else state(step)}"
    return " ".join([step.title, state(step), *details(step)])
