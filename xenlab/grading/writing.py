"""What a run leaves: the files under reports/ and the lines at the end of the terminal."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from pydantic import ValidationError

from xenlab.errors import UsageError
from xenlab.evidence.text import brief, points
from xenlab.grading.run import Run, StepRun
from xenlab.grading.scoring import first_to_fix
from xenlab.outcomes import CheckResult, Grade, Outcome
from xenlab.report.html import render


def write_reports(run: Run, grade: Grade) -> None:
    """Write the evidence, the timelines, grade.json and report.html into the reports folder.

    What the lab gave comes first, so that it is there even if making a page of it goes wrong.
    """
    run.journal.write(run.reports / "evidence")
    timelines = run.reports / "timelines"
    timelines.mkdir(parents=True, exist_ok=True)
    for old in (*timelines.glob("*.svg"), *timelines.glob("*.csv")):
        old.unlink()
    for name, text in {**run.timelines, **run.traces}.items():
        (timelines / name).write_text(text, encoding="utf-8")
    (run.reports / "grade.json").write_text(grade.model_dump_json(by_alias=True, indent=2) + "\n", encoding="utf-8")
    _write_page(run.reports, grade, run.journal.entries, run.timelines)


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
    """Write report.html from what lies beside it, without the lab; returns its path.

    :raises UsageError: the evidence is not what a run writes.
    """
    log = reports / "evidence" / "commands.jsonl"
    try:
        entries = [json.loads(line) for line in log.read_text(encoding="ascii").splitlines()]
    except (OSError, ValueError) as problem:
        raise UsageError(f"{log} cannot be read: {problem}", hint="./lab verify writes it anew") from None
    timelines = {path.name: path.read_text(encoding="utf-8") for path in (reports / "timelines").glob("*.svg")}
    return _write_page(reports, grade, entries, timelines)


def _write_page(
    reports: Path, grade: Grade, entries: Sequence[Mapping[str, object]], timelines: Mapping[str, str]
) -> Path:
    path = reports / "report.html"
    path.write_text(render(grade, entries, timelines), encoding="utf-8")
    return path


def summary(grade: Grade, report: Path) -> Iterator[str]:
    """The score, a line a step, what to fix first and where `report` is."""
    width = max((len(step.id) for step in grade.steps), default=0)
    for step in grade.steps:
        blocked = f" (blocked by {step.blocked_by})" if step.blocked_by else ""
        yield (
            f"{step.outcome.value:8}{points(step.earned):>7} of {points(step.points):<6}"
            f"{step.id:{width}}  {step.title}{blocked}"
        )
    yield ""
    yield f"score: {points(grade.score.earned)} of {points(grade.score.possible)}, {grade.verdict}"
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
    """The first thing that is wrong with a finished run, on one line; nothing where nothing is."""
    if run.blocked_by:
        return f"blocked by {run.blocked_by}"
    for check in run.checks:
        if check.outcome is run.outcome and check.outcome in (Outcome.FAILED, Outcome.ERROR):
            return f"{check.id}: {_found(check)}"
    return ""


def _found(check: CheckResult) -> str:
    expected = f"expected {brief(check.expected)}, found " if check.expected else ""
    return f"{expected}{brief(check.actual)}"
