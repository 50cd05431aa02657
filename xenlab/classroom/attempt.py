"""One attempt of one team: a graded run in a process of its own, bounded in time, whatever the team handed in.

It is written down where it ends, so that it is there even if whoever asked for it is not, and is made once only: a
worker that is lost leaves its run to be brought home, and another one makes the attempt anew.
"""

import os
import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from pydantic import ValidationError

from xenlab.classroom.row import GradebookRow, graded, not_graded
from xenlab.classroom.team import Team
from xenlab.errors import CannotObserve, UsageError
from xenlab.evidence import bundle
from xenlab.evidence.files import make_folder, write_whole
from xenlab.evidence.text import points
from xenlab.fleet.bounded import Bounds, ProgramEnd, Stop, run
from xenlab.fleet.holding import held
from xenlab.grading.lateness import Submission
from xenlab.outcomes import Model
from xenlab.report.grade_file import read_grade

ATTEMPT, LOG = "attempt.json", "run.log"
SUBMISSION = "submission_metadata.json"
_BEGUN, _LOCK = "begun", ".attempt"
_GRADED = (0, 1, 3)
_TAIL = 4000

Ended: TypeAlias = Literal["graded", "hung", "died", "refused"]
"""How a run ended: with a grade, at its limit, without a grade, or before it began."""


class Basis(Model):
    """What an attempt rests on, as digests: what was handed in and when, the rubric, and xenlab itself."""

    lab: str
    rubric: str
    suite: str


class Attempt(Model):
    """One attempt that has ended.

    `begun` is how often it was begun: more than once where a worker, or the machine, was lost meanwhile. `ended` is
    how its run ended; `seconds` it took. `regraded` says why it was judged again, where it was.
    """

    number: int
    basis: Basis
    begun: int
    ended: Ended
    seconds: float
    row: GradebookRow
    regraded: str = ""


@dataclass(frozen=True, slots=True)
class Order:
    """An attempt that is to be made: attempt `number` of `team`, below `folder`, beside the one of `previous`.

    `kind` is what its own folder is called.
    """

    team: Team
    folder: Path
    number: int
    previous: int | None
    basis: Basis
    bounds: Bounds
    working_copy: Path
    rubric: Path | None = None
    steps: tuple[str, ...] = ()
    submission: Submission | None = None
    kind: str = "attempt"

    def reports(self, number: int) -> Path:
        """Where an attempt's reports lie."""
        return self.folder / f"{self.kind}-{number}"


def make(order: Order, stop: Stop) -> Attempt | None:
    """Make the attempt, unless it is there; None where it was stopped.

    :raises CannotObserve: this machine has another xenlab, or the run of a lost worker does not end.
    :raises OSError: nothing can be run or written here.
    """
    reports = order.reports(order.number)
    if order.basis.suite != bundle.suite_digest(order.working_copy):
        raise CannotObserve(f"{order.working_copy} on this machine holds another xenlab")
    make_folder(reports)
    patience = order.bounds.mend_seconds + order.bounds.end_seconds
    with held(reports / _LOCK, "the run before to bring its lab home", patience) as lock:
        if (made := read(reports)) and made.basis == order.basis:
            return made
        if stop.is_set():
            return None
        with (reports / _BEGUN).open("a") as file:
            file.write(f"{os.uname().nodename} {os.getpid()}\n")
        attempt = _made(order, reports, stop, lock)
        if attempt is None:
            (reports / _BEGUN).unlink()
        else:
            write_whole(reports / ATTEMPT, attempt.model_dump_json(indent=1) + "\n")
        return attempt


def read(reports: Path) -> Attempt | None:
    """The attempt that lies in a folder; None where none has ended there, or another version wrote it."""
    try:
        return Attempt.model_validate_json((reports / ATTEMPT).read_bytes())
    except (OSError, ValidationError):
        return None


def _made(order: Order, reports: Path, stop: Stop, lock: int) -> Attempt | None:
    begun = len((reports / _BEGUN).read_text().splitlines())
    made = Attempt(number=order.number, basis=order.basis, begun=begun, ended="refused", seconds=0, row=not_graded(""))
    if order.team.problem:
        return made.model_copy(update={"row": not_graded(order.team.problem)})
    (reports / "grade.json").unlink(missing_ok=True)
    with ExitStack() as opened:
        try:
            options = _options(order, reports, opened)
        except UsageError as problem:
            return made.model_copy(update={"row": not_graded(str(problem))})
        command = [sys.executable, "-m", "pytest", "tests", "-p", "no:cacheprovider", "--grade-output=quiet", *options]
        ending = run(command, cwd=order.working_copy, log=reports / LOG, bounds=order.bounds, stop=stop, holding=lock)
    if ending.why == "stopped":
        return None
    if order.team.kind == "evidence":
        # What is handed in may be replaced; what an attempt rests on stays with it.
        shutil.copyfile(order.team.source, reports / bundle.PACKED)
    ended, row = _judged(ending, reports, order.bounds)
    return made.model_copy(update={"ended": ended, "row": row, "seconds": ending.seconds})


def _options(order: Order, reports: Path, opened: ExitStack) -> Iterator[str]:
    """What its run is called with; evidence is opened until `opened` is closed.

    :raises UsageError: the evidence is none.
    """
    lab = order.team.source
    options = [f"--reports={reports}", *(f"--step={step}" for step in order.steps)]
    if order.team.kind == "evidence":
        folder = opened.enter_context(bundle.opened(lab))
        lab = folder / bundle.LAB
        options.append(f"--played={folder}")
    options += [f"--rubric={order.rubric}"] if order.rubric else []
    options += [f"--previous={order.reports(order.previous)}"] if order.previous else []
    if order.submission:
        path = reports / SUBMISSION
        write_whole(path, order.submission.model_dump_json())
        options.append(f"--submission-metadata={path}")
    return iter([f"--lab={lab}", *options])


def _judged(
    ending: ProgramEnd, reports: Path, bounds: Bounds
) -> tuple[Literal["graded", "hung", "died", "refused"], GradebookRow]:
    killed = "; it had to be killed: ./lab mend brings its guests home" if ending.killed else ""
    if ending.why == "limit":
        return "hung", not_graded(f"its run did not end within {points(bounds.seconds / 60)} min{killed}")
    if ending.code in _GRADED and (reports / "grade.json").exists():
        try:
            return "graded", graded(read_grade(reports))
        except UsageError as problem:
            return "died", not_graded(str(problem))
    said = _last_words(reports / LOG)
    if ending.code == UsageError.exit_code:
        return "refused", not_graded(said or "its run was refused")
    how = f"by signal {-ending.code}" if ending.code < 0 else f"with {ending.code}"
    return "died", not_graded(f"its run ended {how}, without a grade{f': {said}' if said else ''}")


def _last_words(log: Path) -> str:
    """What a run said of why it had no grade: its last line of ours, else its last line."""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - _TAIL))
        lines = [line for line in file.read(_TAIL).decode(errors="replace").splitlines() if line.strip()]
    ours = [line for line in lines if re.match(r"(ERROR: )?xenlab: ", line)]
    return (ours or lines or [""])[-1]
