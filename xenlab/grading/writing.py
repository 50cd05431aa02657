"""What a run leaves: the files under reports/ and the lines at the end of the terminal."""

import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

from xenlab import __version__
from xenlab.errors import UsageError
from xenlab.evidence import bundle
from xenlab.evidence.recorder import entry_of
from xenlab.evidence.text import brief, points
from xenlab.grading.exporters.gradescope import gradescope
from xenlab.grading.exporters.markdown import markdown
from xenlab.grading.exporters.words import score_line
from xenlab.grading.run import Run, StepRun
from xenlab.outcomes import CheckResult, Grade, Outcome, StepResult
from xenlab.report.compare import compare
from xenlab.report.folder import ReportsFolder
from xenlab.report.grade_file import grade_text
from xenlab.report.html import PAGES, render
from xenlab.report.reading import NO_COUNT, first_to_fix, found_by, is_ungradable, unseen_checks

EVIDENCE = "evidence"
COMMANDS, TAPE = f"{EVIDENCE}/{bundle.COMMANDS}", f"{EVIDENCE}/{bundle.TAPE}"
"""Every remote command, and what was seen and done, one a line; appended to while the run goes on."""

_REMARK_TEXT = 500


def write_reports(run: Run, grade: Grade) -> None:
    """Write the evidence, the timelines, grade.json, the pages (`PAGES`) and the exports into the reports folder.

    What could not be written is in the folder's `problems`. Gradescope is handed a score only where all else is there
    and the verdict is no error. On GitHub Actions the Markdown page becomes the job's summary as well.
    """
    folder = run.folder
    for lines, name in ((run.journal, COMMANDS), (run.tape, TAPE)):
        if problem := lines.close():
            folder.problems.append(f"{folder.path / name} is not whole: {problem.strerror or problem}")
    for name, text in {**run.timelines, **run.traces}.items():
        folder.write(f"timelines/{name}", text)
    for name, text in run.side.items():
        folder.write(f"evidence/{name}", text)
    folder.write("grade.json", grade_text(grade))
    _write_pages(folder, grade, run.journal.entries, run.timelines, run.side, run.previous)
    folder.write("summary.md", markdown(grade))
    if run.is_scored and (results := gradescope(grade)) and not folder.problems:
        folder.write("gradescope-results.json", results.model_dump_json(indent=2) + "\n")
    if run.played is None and not folder.problems:
        _write_bundle(run, grade)
    if into := os.environ.get("GITHUB_STEP_SUMMARY"):
        _append(markdown(grade), Path(into))


def _write_bundle(run: Run, grade: Grade) -> None:
    """Make of the evidence what can be graded again, and one file of it."""
    folder, evidence = run.folder, run.folder.path / EVIDENCE
    try:
        suite = _own_digest()
    except OSError as problem:
        folder.note(problem, evidence)
        return
    facts = bundle.RunFacts(
        guests=run.guests,
        steps=tuple(dict.fromkeys(step.spec.id for step in run.steps)),
        alone=run.alone,
        whole=run.whole,
        read_only=run.read_only,
        seen=dict(run.seen),
        passed=tuple(step.name for step in run.steps if step.passed),
        taken_over={step.name: step.taken_over for step in run.steps if step.taken_over is not None},
        rubric=bool(run.rubric_text),
        version=__version__,
        suite=suite,
    )
    texts = {bundle.LAB: run.lab_file, bundle.RUN: facts.model_dump_json(indent=1), bundle.GRADE: grade_text(grade)}
    texts |= {bundle.RUBRIC: run.rubric_text} if run.rubric_text else {}
    for name, text in texts.items():
        folder.write(f"{EVIDENCE}/{name}", text)
    try:
        bundle.seal(evidence)
        bundle.pack(evidence, folder.path / bundle.PACKED)
    except OSError as problem:
        folder.note(problem, evidence)


@cache
def _own_digest() -> str:
    """The digest of the suite that this process runs: what is imported does not change any more."""
    return bundle.suite_digest(Path(__file__).resolve().parents[2])


def write_page_again(folder: ReportsFolder, grade: Grade) -> Path:
    """Write the pages from what lies beside them, without the lab; returns the path of report.html.

    What changed since an earlier attempt is not known any more, so they do not say it.

    :raises UsageError: the evidence is not what a run writes.
    """
    log = folder.path / COMMANDS
    try:
        # A run that was killed while it wrote has left its last line unended.
        lines = log.read_text(encoding="ascii").splitlines(keepends=True)
        entries = [entry_of(line.removesuffix("\n")) for line in lines if line.endswith("\n")]
    except (OSError, ValueError, UsageError) as problem:
        raise UsageError(f"{log} cannot be read: {problem}", hint="./lab verify writes it anew") from None
    timelines = _texts(folder.path / "timelines", "*.svg")
    side = {f"side/{name}": text for name, text in _texts(folder.path / "evidence" / "side", "*.txt").items()}
    _write_pages(folder, grade, entries, timelines, side, None)
    return folder.path / "report.html"


def _texts(folder: Path, pattern: str) -> dict[str, str]:
    return {path.name: path.read_text(encoding="utf-8", errors="replace") for path in folder.glob(pattern)}


def _write_pages(
    folder: ReportsFolder,
    grade: Grade,
    entries: Sequence[Mapping[str, object]],
    timelines: Mapping[str, str],
    side: Mapping[str, str],
    previous: Grade | None,
) -> None:
    hides = any(step.hidden for step in grade.steps)
    for name, view in PAGES.items():
        if view == "student" or hides:
            try:
                page = render(grade, entries, timelines, side, view=view, previous=previous)
            except OSError as problem:  # its templates are files as well
                folder.note(problem, folder.path / name)
            else:
                folder.write(name, page)


def _append(text: str, path: Path) -> None:
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(text)
    except OSError as problem:
        warnings.warn(f"no step summary: {problem}", stacklevel=1)


def summary(grade: Grade, previous: Grade | None = None, *, all_of_it: bool = False) -> Iterator[str]:
    """A line a step, the score, what to fix first, what changed since the `previous` attempt, and the remarks.

    With `all_of_it` also what else is wrong or could not be observed, a line each.
    """
    width = max((len(step.id) for step in grade.steps), default=0)
    for step in grade.steps:
        earned = "-" if is_ungradable(step) else points(step.earned)
        said = "; ".join(_beside(step))
        yield (
            f"{step.outcome.value:8}{earned:>7} of {points(step.points):<6}"
            f"{step.id:{width}}  {step.title}{f' ({said})' if said else ''}"
        )
    yield ""
    yield f"score: {score_line(grade)}, {grade.verdict}"
    if grade.verdict == "error":
        yield NO_COUNT
    if change := compare(previous, grade):
        yield f"since the previous attempt: {change}"
    if found := first_to_fix(grade):
        step, check = found
        yield f"fix this first: {_named(step, check)}"
        if check.hint:
            yield f"hint: {brief(check.hint)}"
        if all_of_it:
            yield from (f"also: {_named(*other)}" for other in _wrong(grade) if other[1] is not check)
    for remark in grade.remarks:
        yield f"remark: {brief(remark, _REMARK_TEXT)}"


def where_guests_are(whereabouts: Sequence[str]) -> Iterator[str]:
    """Where every guest is, as the last lines of a run."""
    if len(whereabouts) == 1:
        yield f"where the guests are: {' '.join(whereabouts[0].split())}"
    elif whereabouts:
        yield "where the guests are:"
        yield from (f"  {' '.join(text.split())}" for text in whereabouts)


def note_on(run: StepRun) -> str:
    """The first thing that is wrong with a finished run, on one line; nothing where nothing is, or it is hidden.

    Beside what failed it says how much could not be observed.
    """
    if run.blocked_by:
        return f"blocked by {run.blocked_by}"
    if run.spec.hidden:
        return ""
    for check in run.checks:
        if check.outcome is run.outcome and check.outcome in (Outcome.FAILED, Outcome.ERROR):
            unseen = sum(other.outcome is Outcome.ERROR for other in run.checks)
            beside = f" (and {unseen} not observed)" if unseen and check.outcome is Outcome.FAILED else ""
            return f"{check.id}: {found_by(check)}{beside}"
    return ""


def _beside(step: StepResult) -> Iterator[str]:
    if step.blocked_by:
        yield f"blocked by {step.blocked_by}"
    if step.outcome is Outcome.FAILED and not step.hidden and (unseen := unseen_checks(step)):
        yield unseen
    if is_ungradable(step):
        yield "not gradable"
    elif step.ungradable:
        yield f"{points(step.ungradable)} points not gradable"


def _wrong(grade: Grade) -> Iterator[tuple[StepResult, CheckResult]]:
    """Every check that failed or could not be made."""
    for step in grade.steps:
        yield from ((step, check) for check in step.checks if check.outcome in (Outcome.FAILED, Outcome.ERROR))


def _named(step: StepResult, check: CheckResult) -> str:
    where = " on ".join(part for part in (check.guest, check.host) if part)
    return f"{step.id}: {check.id}{f' ({where})' if where else ''}: {found_by(check)}"
