"""What a run leaves: the files under reports/ and the lines at the end of the terminal."""

import json
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from pydantic import ValidationError

from xenlab.errors import UsageError
from xenlab.evidence.text import brief, points
from xenlab.grading.exporters.gradescope import gradescope
from xenlab.grading.exporters.markdown import markdown
from xenlab.grading.exporters.words import score_line
from xenlab.grading.run import Run, StepRun
from xenlab.grading.scoring import first_to_fix
from xenlab.outcomes import CheckResult, Grade, Outcome
from xenlab.report.compare import compare
from xenlab.report.html import View, render

PAGES: dict[str, View] = {"report.html": "student", "report-instructor.html": "instructor"}
"""The pages by file name; the instructor's is only there when a step is hidden from students."""


def write_reports(run: Run, grade: Grade) -> Grade | None:
    """Write the evidence, the timelines, grade.json, the pages (`PAGES`) and the exports into the reports folder.

    What the lab gave comes first, so that it is there even if making a page of it goes wrong. On GitHub Actions
    the Markdown page becomes the job's summary as well.

    :returns: the previous attempt's grade as it lay there until now, if there was one.
    """
    previous = previous_grade(run.reports)
    run.journal.open(run.reports / "evidence" / "commands.jsonl")
    if problem := run.journal.close():
        warnings.warn(f"the evidence is not whole: {problem}", stacklevel=2)
    timelines = run.reports / "timelines"
    timelines.mkdir(parents=True, exist_ok=True)
    for old in (*timelines.glob("*.svg"), *timelines.glob("*.csv")):
        old.unlink()
    for name, text in {**run.timelines, **run.traces}.items():
        (timelines / name).write_text(text, encoding="utf-8")
    (run.reports / "grade.json").write_text(grade.model_dump_json(by_alias=True, indent=2) + "\n", encoding="utf-8")
    _write_pages(run.reports, grade, run.journal.entries, run.timelines, previous)
    results = gradescope(grade).model_dump_json(indent=2) + "\n"
    (run.reports / "gradescope-results.json").write_text(results, encoding="utf-8")
    (run.reports / "summary.md").write_text(markdown(grade), encoding="utf-8")
    if into := os.environ.get("GITHUB_STEP_SUMMARY"):
        _append(markdown(grade), Path(into))
    return previous


def read_grade(reports: Path) -> Grade:
    """The grade of the run that `reports` is of.

    :raises UsageError: there is none, or another version of xenlab wrote it.
    """
    path = reports / "grade.json"
    try:
        return Grade.model_validate_json(path.read_bytes())
    except OSError as problem:
        raise UsageError(f"{path}: {problem.strerror}", hint="./lab verify writes it") from None
    except ValidationError as problem:
        first = problem.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise UsageError(f"{path}: {where}: {first['msg']}", hint="./lab verify writes it anew") from None


def write_page_again(reports: Path, grade: Grade) -> Path:
    """Write the pages from what lies beside them, without the lab; returns the path of report.html.

    What changed since an earlier attempt is not known any more, so they do not say it.

    :raises UsageError: the evidence is not what a run writes.
    """
    log = reports / "evidence" / "commands.jsonl"
    try:
        entries = [json.loads(line) for line in log.read_text(encoding="ascii").splitlines()]
    except (OSError, ValueError) as problem:
        raise UsageError(f"{log} cannot be read: {problem}", hint="./lab verify writes it anew") from None
    timelines = {path.name: path.read_text(encoding="utf-8") for path in (reports / "timelines").glob("*.svg")}
    _write_pages(reports, grade, entries, timelines, None)
    return reports / "report.html"


def _write_pages(
    reports: Path,
    grade: Grade,
    entries: Sequence[Mapping[str, object]],
    timelines: Mapping[str, str],
    previous: Grade | None,
) -> None:
    hides = any(step.hidden for step in grade.steps)
    for name, view in PAGES.items():
        if view == "instructor" and not hides:
            (reports / name).unlink(missing_ok=True)
        else:
            page = render(grade, entries, timelines, view=view, previous=previous)
            (reports / name).write_text(page, encoding="utf-8")


def _append(text: str, path: Path) -> None:
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(text)
    except OSError as problem:
        warnings.warn(f"no step summary: {problem}", stacklevel=1)


def previous_grade(reports: Path) -> Grade | None:
    """The grade that lies in `reports`; None where there is none, or none that this version can read."""
    try:
        return read_grade(reports)
    except UsageError:
        return None


def summary(grade: Grade, report: Path, previous: Grade | None = None) -> Iterator[str]:
    """The score, a line a step, what to fix first, what changed since the `previous` attempt, where `report` is."""
    width = max((len(step.id) for step in grade.steps), default=0)
    for step in grade.steps:
        blocked = f" (blocked by {step.blocked_by})" if step.blocked_by else ""
        yield (
            f"{step.outcome.value:8}{points(step.earned):>7} of {points(step.points):<6}"
            f"{step.id:{width}}  {step.title}{blocked}"
        )
    yield ""
    yield f"score: {score_line(grade)}, {grade.verdict}"
    if change := compare(previous, grade):
        yield f"since the previous attempt: {change}"
    if found := first_to_fix(grade):
        step, check = found
        where = " on ".join(part for part in (check.guest, check.host) if part)
        named = f"{step.id}: {check.id}" + (f" ({where})" if where else "")
        yield f"fix this first: {named}: {_found(check)}"
        if check.hint:
            yield f"hint: {brief(check.hint)}"
    yield f"report: {report}"


def name_of(run: StepRun) -> str:
    """A run of a step by its id and its guest, if it has one."""
    return f"{run.spec.id} {run.guest}" if run.guest else run.spec.id


def note_on(run: StepRun) -> str:
    """The first thing that is wrong with a finished run, on one line; nothing where nothing is, or it is hidden."""
    if run.blocked_by:
        return f"blocked by {run.blocked_by}"
    if run.spec.hidden:
        return ""
    for check in run.checks:
        if check.outcome is run.outcome and check.outcome in (Outcome.FAILED, Outcome.ERROR):
            return f"{check.id}: {_found(check)}"
    return ""


def _found(check: CheckResult) -> str:
    expected = f"expected {brief(check.expected)}, found " if check.expected else ""
    return f"{expected}{brief(check.actual)}"
