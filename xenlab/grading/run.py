"""The run that is being graded: what the plugin and the fixtures hand each other.

One `Run` lies in `config.stash`; a `StepRun` is one step's go on one guest and collects its checks.
"""

import math
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

import pytest

from xenlab.errors import CannotObserve, LabFault, UsageError, XenlabError
from xenlab.evidence.lines import Lines
from xenlab.evidence.recorder import Journal
from xenlab.evidence.text import bounded, plain
from xenlab.grading.before import Before
from xenlab.grading.played import Played
from xenlab.grading.problems import ChecksFailedError, ChecksUnknownError, problem_of
from xenlab.grading.rubric import Rubric, WaiverRule, shipped
from xenlab.grading.schedule import Claim
from xenlab.grading.scoring import Instance, StepSpec, score_steps, total, verdict
from xenlab.outcomes import CheckResult, Grade, LabInfo, Late, MigrationRecord, Outcome, SideEvidence
from xenlab.remote.record import CommandRecord
from xenlab.remote.waiting import since_boot
from xenlab.report.folder import ReportsFolder

CHECK_TEXT = 4096
"""Characters kept of one text of a check; the whole output is in the evidence."""


SIDE_TEXT = 16 * 1024
"""Characters kept of one text of side evidence."""

SIDE_TEXTS = 16
"""Texts of side evidence kept of one step on one guest."""


@dataclass(eq=False, slots=True)
class StepRun:
    """One step on one guest (`guest` None: on the lab as a whole) while and after it runs.

    `needed` are the runs that have to pass before it is run, `root` the one that keeps it from being run, `waivers`
    those that are in force. One that `ended_early` did not come to make all its checks; `unjudged` is what would have
    taken an act in a run that only reads, `taken_over` when an earlier run saw and did what it is judged by. `commands`
    are the ids of those that were begun for it, `claim` is what it has to itself meanwhile. It is `over` when its test
    is, and `finished` when pytest has told how it went: of two that run side by side one may wait for that. `reported`
    is how many of its checks have been looked through for problems.
    """

    spec: StepSpec
    guest: str | None
    journal: Journal
    waivers: tuple[WaiverRule, ...] = ()
    checks: list[CheckResult] = field(default_factory=list)
    side: list[SideEvidence] = field(default_factory=list)
    migrations: list[MigrationRecord] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    seconds: float = 0.0
    needed: tuple["StepRun", ...] = ()
    root: "StepRun | None" = None
    ended_early: bool = False
    unjudged: list[str] = field(default_factory=list)
    taken_over: datetime | None = None
    started: bool = False
    running: bool = False
    over: bool = False
    finished: bool = False
    claim: Claim = Claim.LAB
    begun: float = math.inf
    reported: int = 0
    _side_asked: bool = False

    @property
    def name(self) -> str:
        """Its step, and its guest if it has one."""
        return f"{self.spec.id} {self.guest}" if self.guest else self.spec.id

    def start(self) -> None:
        """Begin, if that has not been done."""
        if not self.started:
            self.started = self.running = True
            self.begun = time.monotonic()

    def finish(self) -> None:
        """End: nothing more is checked."""
        self.running = False
        self.over = self.finished = True

    def add(
        self,
        id: str,
        outcome: Outcome,
        *,
        expected: str = "",
        actual: str = "",
        hint: str = "",
        host: str | None = None,
        guest: str | None = None,
        proof: str = "",
        evidence: Iterable[str] = (),
    ) -> CheckResult:
        """Record a check, a failed one that a waiver covers as waived; `evidence` are ids of recorded commands."""
        guest = guest or self.guest
        result = CheckResult(
            id=self._text(id),
            outcome=outcome,
            expected=self._text(expected),
            actual=self._text(actual),
            hint=self._text(hint),
            host=None if host is None else self._text(host),
            guest=None if guest is None else self._text(guest),
            evidence=tuple(dict.fromkeys(evidence)),
            proof=self._text(proof),
        )
        covering = (waiver.reason for waiver in self.waivers if waiver.covers(self.spec.id, result))
        if outcome is Outcome.FAILED and (reason := next(covering, None)):
            result = result.model_copy(update={"outcome": Outcome.WAIVED, "waiver": reason})
        self.checks.append(result)
        return result

    def add_raised(self, error: XenlabError) -> CheckResult:
        """Record what was raised rather than checked: a fault of the lab as failed, all else as an error."""
        if isinstance(error, LabFault):
            return self.add(
                "lab-fault",
                Outcome.FAILED,
                expected=error.expected,
                actual=error.actual,
                hint=error.hint,
                host=error.host,
                guest=error.guest,
                evidence=error.evidence,
            )
        id_ = "cannot-observe" if isinstance(error, CannotObserve) else "cannot-run"
        return self.add(id_, Outcome.ERROR, actual=error.message, hint=error.hint, evidence=error.evidence)

    def add_block(self, root: "StepRun") -> None:
        """Record that the step is not run since `root` did not pass."""
        self.root = root
        self.add("not-run", Outcome.BLOCKED, actual=f"not run: blocked by {root.spec.id}")

    def ask_side(self) -> bool:
        """Whether side evidence is to be gathered now: once it has failed, and once."""
        ask = self.outcome is Outcome.FAILED and not self._side_asked
        self._side_asked |= ask
        return ask

    def problem(self) -> ChecksFailedError | ChecksUnknownError | None:
        """What failed or could not be told since this was last asked, to be raised; None when nothing did."""
        new = self.checks[self.reported :]
        self.reported = len(self.checks)
        return problem_of(new, len(self.checks))

    @property
    def blocked_by(self) -> str | None:
        """The id of the step that keeps it from being run."""
        return None if self.root is None else self.root.spec.id

    @property
    def instance(self) -> Instance:
        """What the run found so far, to be scored."""
        return Instance(
            self.spec.id,
            self.guest,
            tuple(self.checks),
            self.seconds,
            self.blocked_by,
            ended_early=self.ended_early,
            root_observed=self.root is None or self.root.outcome is not Outcome.ERROR,
            commands=tuple(self.commands),
            side=tuple(self.side),
        )

    @property
    def outcome(self) -> Outcome:
        """How it went so far."""
        return self.instance.outcome

    @property
    def passed(self) -> bool:
        """Whether it ran to its end and nothing was wrong."""
        return self.over and self.outcome in (Outcome.PASSED, Outcome.WAIVED)

    @property
    def root_cause(self) -> "StepRun | None":
        """The run at the root of why this one cannot run; None when it can."""
        return next((run.root or run for run in self.needed if not run.passed), None)

    def _text(self, text: str) -> str:
        return _shown(self.journal, text, CHECK_TEXT)


_RUNNING: ContextVar[StepRun] = ContextVar("xenlab_step")


@contextmanager
def entered(run: StepRun) -> Iterator[StepRun]:
    """Make `run` the running step within a `with` block."""
    token = _RUNNING.set(run)
    try:
        yield run
    finally:
        _RUNNING.reset(token)


def running() -> StepRun:
    """The step that is running.

    :raises UsageError: none is; checks belong in a test marked with `@step`.
    """
    try:
        return _RUNNING.get()
    except LookupError:
        raise UsageError("a check was made outside a step", hint="mark the test with @step") from None


def running_or_none() -> StepRun | None:
    """The step that this thread works for, if it does for one."""
    return _RUNNING.get(None)


@dataclass(eq=False, slots=True)
class Run:
    """A run of the graded steps: its options, and what fixtures add to it.

    `lab_name` is `--lab` as given, `guests` the guests chosen by `--guest` (none: all), `late` how late the work
    came, if it did, `previous` the grade of the attempt before. `tape` is where what is seen of the lab is kept; where
    a run's evidence is graded again instead of a lab, that is `played`. Fixtures set `lab` once the lab is known, with
    `lab_file` (its text), and record commands by `record`; `homes` are the guests' home hosts,
    and `moves_alone` says whether watched moves have the lab to themselves. `remarks` are lines for the reader that no
    check is about, `whereabouts` say where each guest is at the end. One that is `whole` leaves out no step of its
    guests. One that is `read_only` changes nothing, and has `left_out` the steps that begin with an act; of one that
    `is_planned` the steps are only rehearsed. `seen` is what its results rest on; where it goes on from the run
    `before`, some of them are that one's.

    What is in `closing` is called once the steps have ended, however they did (Ctrl-C, -x, an error), and before
    the reports are written; a XenlabError says that the lab could not be left as it was found (`restored`). What is
    in `on_failure` is called once for each step that ends failed and returns titles and texts to be kept with it.
    """

    lab_name: str
    profile: str | None
    guests: tuple[str, ...]
    folder: ReportsFolder
    played: Played | None = None
    journal: Journal = field(default_factory=Journal)
    tape: Lines = field(default_factory=Lines)
    rubric: Rubric = field(default_factory=shipped)
    rubric_text: str = ""
    whole: bool = False
    alone: bool = False
    read_only: bool = False
    left_out: tuple[str, ...] = ()
    is_planned: bool = False
    before: Before | None = None
    seen: Mapping[str, str] = field(default_factory=dict)
    network: str | None = None
    late: Late | None = None
    previous: Grade | None = None
    lab: LabInfo | None = None
    lab_file: str = ""
    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    begun: float = field(default_factory=since_boot)
    homes: Mapping[str, str] = field(default_factory=dict)
    moves_alone: bool = True
    timelines: dict[str, str] = field(default_factory=dict)
    traces: dict[str, str] = field(default_factory=dict)
    side: dict[str, str] = field(default_factory=dict)
    steps: list[StepRun] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    whereabouts: list[str] = field(default_factory=list)
    closing: list[Callable[[], None]] = field(default_factory=list)
    on_failure: list[Callable[[StepRun], Iterable[tuple[str, str]]]] = field(default_factory=list)
    restored: bool = True

    @property
    def reports(self) -> Path:
        """Where the reports go."""
        return self.folder.path

    @property
    def is_scored(self) -> bool:
        """Whether its points tell what the lab is worth."""
        return not (self.alone or self.read_only)

    @property
    def current_step(self) -> str:
        """The steps that run now, and on which guests; empty where none does."""
        return ", ".join(run.name for run in self.steps if run.running)

    @property
    def migrations(self) -> tuple[MigrationRecord, ...]:
        """The moves of all steps, in the steps' order."""
        return tuple(record for run in self.steps for record in run.migrations)

    @property
    def now(self) -> datetime:
        """The time, by a clock that goes on from `started` whatever this machine's is set to meanwhile."""
        return self.started + timedelta(seconds=since_boot() - self.begun)

    def play(self, played: Played) -> None:
        """Grade that evidence again: as of the day when it was gathered, with the commands that were run then."""
        self.played = played
        self.started = played.grade.started
        self.journal.resume(played.commands)

    def go_on_from(self, before: Before) -> None:
        """Take over what still holds of an earlier run; its commands are this run's, too."""
        self.before = before
        if not self.is_planned:
            self.journal.resume(before.commands)

    def record(self, record: CommandRecord) -> str:
        """Keep a command in the journal, as one of the step that it was run for; returns its id."""
        id_ = self.journal.append(record)
        if (step := running_or_none()) is not None:
            step.commands.append(id_)
        return id_

    def add_migration(
        self, record: MigrationRecord, *, svg: str | None = None, csvs: Mapping[str, str] | None = None
    ) -> MigrationRecord:
        """Keep a migration of the running step with its timeline and each ping's packets ("outside-baye", "inside"),
        which all land in `reports/timelines/`.

        Returns the record as kept, its `timeline` naming the SVG.
        """
        step = running()
        stem = (
            f"{step.spec.id}-{len(step.migrations) + 1}-{record.guest}-{record.kind}-{record.source}-to-{record.target}"
        )
        stem = re.sub(r"[^A-Za-z0-9._-]+", "_", stem)[:120]
        if svg is not None:
            self.timelines[f"{stem}.svg"] = svg
            record = record.model_copy(update={"timeline": f"{stem}.svg"})
        self.traces |= {f"{stem}.{name}.csv": text for name, text in (csvs or {}).items()}
        step.migrations.append(record)
        return record

    def add_side(self, run: StepRun, title: str, text: str) -> None:
        """Keep a text of side evidence of a step; past `SIDE_TEXTS` of them none is kept."""
        if len(run.side) >= SIDE_TEXTS:
            return
        title = _shown(self.journal, title, 120)
        stem = "-".join(part for part in (run.spec.id, run.guest, title.lower()) if part)
        stem = re.sub(r"[^A-Za-z0-9._-]+", "-", stem)[:100]
        file = f"side/{len(self.side) + 1}-{stem}.txt"
        self.side[file] = _shown(self.journal, text, SIDE_TEXT)
        run.side.append(SideEvidence(title=title, file=file, guest=run.guest))

    def gather_side(self, run: StepRun) -> None:
        """Ask all of `on_failure` about a step that has failed, once; one that cannot look says so instead."""
        for look in self.on_failure if run.ask_side() else ():
            try:
                for title, text in islice(look(run), SIDE_TEXTS):
                    self.add_side(run, title, text)
            except XenlabError as problem:
                self.add_side(run, "not gathered", str(problem))

    def grade(self) -> Grade:
        """The grade of what has run so far."""
        specs: dict[str, StepSpec] = {}
        for run in self.steps:
            specs.setdefault(run.spec.id, run.spec)
        steps = score_steps(tuple(specs.values()), (run.instance for run in self.steps))
        unknown = LabInfo(name=self.lab_name, kind="embedded" if self.lab_name == "embedded" else "real", hosts=())
        grade = Grade(
            lab=self.lab or unknown,
            started=self.started,
            finished=self.now,
            score=total(steps, self.late),
            verdict=verdict(steps, restored=self.restored),
            steps=steps,
            migrations=self.migrations,
            remarks=tuple(_shown(self.journal, text, CHECK_TEXT) for text in self.remarks),
            whereabouts=tuple(_shown(self.journal, text, CHECK_TEXT) for text in self.whereabouts),
        )
        return self.played.timed(grade) if self.played else grade


RUN_KEY = pytest.StashKey[Run]()
STEP_KEY = pytest.StashKey[StepRun]()
"""Where an item keeps the run of its step."""


def run_of(config: pytest.Config) -> Run:
    """The run that `config` belongs to."""
    return config.stash[RUN_KEY]


def _shown(journal: Journal, text: str, limit: int) -> str:
    return plain(bounded(journal.mask(text), limit)[0])
