"""The run that is being graded: what the plugin and the fixtures hand each other.

One `Run` lies in `config.stash`; a `StepRun` is one step's go on one guest and collects its checks.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from xenlab.errors import LabFault, UsageError, XenlabError
from xenlab.evidence.recorder import Journal
from xenlab.evidence.text import bounded, plain
from xenlab.grading.rubric import Rubric, WaiverRule, shipped
from xenlab.grading.scoring import Instance, StepSpec, score_steps, total, verdict
from xenlab.outcomes import CheckResult, Grade, LabInfo, Late, MigrationRecord, Outcome

CHECK_TEXT = 4096
"""Characters kept of one text of a check; the whole output is in the evidence."""


class ChecksFailedError(AssertionError):
    """The checks of a step that did not hold, one a line; already recorded where it is raised."""


class FaultWaivedError(AssertionError):
    """A fault of the lab that ended the step early, but is waived."""


class EmptyStepError(XenlabError):
    """A step that made no check: it could not have failed, so it proves nothing."""


@dataclass(eq=False, slots=True)
class StepRun:
    """One step on one guest (`guest` None: on the lab as a whole) while and after it runs.

    `needed` are the runs that have to pass before it is run, `waivers` those that are in force.
    """

    spec: StepSpec
    guest: str | None
    journal: Journal
    waivers: tuple[WaiverRule, ...] = ()
    checks: list[CheckResult] = field(default_factory=list)
    seconds: float = 0.0
    needed: tuple["StepRun", ...] = ()
    blocked_by: str | None = None
    started: bool = False
    finished: bool = False
    _told: int = 0
    _seen: int = 0

    def start(self) -> None:
        """Begin: commands recorded from here on are this run's evidence."""
        self.started = True
        self._seen = len(self.journal)

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
    ) -> CheckResult:
        """Record a check, a failed one that a waiver covers as waived; its evidence is every command since the last."""
        evidence = self.journal.ids_since(self._seen)
        self._seen += len(evidence)
        result = CheckResult(
            id=id,
            outcome=outcome,
            expected=self._text(expected),
            actual=self._text(actual),
            hint=self._text(hint),
            host=None if host is None else self._text(host),
            guest=guest or self.guest,
            evidence=evidence,
            proof=self._text(proof),
        )
        covering = (waiver.reason for waiver in self.waivers if waiver.covers(self.spec.id, result))
        if outcome is Outcome.FAILED and (reason := next(covering, None)):
            result = result.model_copy(update={"outcome": Outcome.WAIVED, "waiver": reason})
        self.checks.append(result)
        return result

    def add_fault(self, fault: LabFault) -> CheckResult:
        """Record a fault of the lab that was raised rather than checked."""
        return self.add(
            "lab-fault",
            Outcome.FAILED,
            expected=fault.expected,
            actual=fault.actual,
            hint=fault.hint,
            host=fault.host,
            guest=fault.guest,
        )

    def add_block(self, root: str) -> None:
        """Record that the step is not run since `root` did not pass."""
        self.blocked_by = root
        self.add("not-run", Outcome.BLOCKED, actual=f"not run: blocked by {root}")

    def failure(self) -> ChecksFailedError | None:
        """What failed since this was last asked, to be raised; None when nothing did."""
        failed = [check for check in self.checks[self._told :] if check.outcome is Outcome.FAILED]
        self._told = len(self.checks)
        return ChecksFailedError(_failure_text(failed, len(self.checks))) if failed else None

    @property
    def instance(self) -> Instance:
        """What the run found so far, to be scored."""
        return Instance(self.spec.id, self.guest, tuple(self.checks), self.seconds, self.blocked_by)

    @property
    def outcome(self) -> Outcome:
        """How it went so far."""
        return self.instance.outcome

    @property
    def passed(self) -> bool:
        """Whether it ran to its end and nothing was wrong."""
        return self.finished and self.outcome in (Outcome.PASSED, Outcome.WAIVED)

    @property
    def root_cause(self) -> str | None:
        """The id of the step at the root of why this one cannot run; None when it can."""
        for run in self.needed:
            if not run.passed:
                return run.blocked_by or run.spec.id
        return None

    def _text(self, text: str) -> str:
        return plain(bounded(self.journal.mask(text), CHECK_TEXT)[0])


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


@dataclass(eq=False, slots=True)
class Run:
    """A run of the graded steps: its options, and what fixtures add to it.

    `lab_name` is `--lab` as given, `guests` the guests chosen by `--guest` (none: all), `late` how late the work
    came, if it did. Fixtures set `lab` once the lab is known, and record commands in `journal`.
    """

    lab_name: str
    profile: str | None
    guests: tuple[str, ...]
    reports: Path
    journal: Journal = field(default_factory=Journal)
    rubric: Rubric = field(default_factory=shipped)
    late: Late | None = None
    lab: LabInfo | None = None
    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    migrations: list[MigrationRecord] = field(default_factory=list)
    timelines: dict[str, str] = field(default_factory=dict)
    traces: dict[str, str] = field(default_factory=dict)
    steps: list[StepRun] = field(default_factory=list)

    def add_migration(
        self, record: MigrationRecord, *, svg: str | None = None, csvs: Mapping[str, str] | None = None
    ) -> MigrationRecord:
        """Keep a migration with its timeline and each ping's packets ("outside", "inside"), which all land in
        `reports/timelines/`.

        Returns the record as kept, its `timeline` naming the SVG.
        """
        stem = f"{len(self.migrations) + 1}-{record.guest}-{record.kind}-{record.source}-to-{record.target}"
        stem = re.sub(r"[^A-Za-z0-9._-]+", "_", stem)[:120]
        if svg is not None:
            self.timelines[f"{stem}.svg"] = svg
            record = record.model_copy(update={"timeline": f"{stem}.svg"})
        self.traces |= {f"{stem}.{name}.csv": text for name, text in (csvs or {}).items()}
        self.migrations.append(record)
        return record

    def grade(self) -> Grade:
        """The grade of what has run so far."""
        specs: dict[str, StepSpec] = {}
        for run in self.steps:
            specs.setdefault(run.spec.id, run.spec)
        steps = score_steps(tuple(specs.values()), (run.instance for run in self.steps))
        unknown = LabInfo(name=self.lab_name, kind="embedded" if self.lab_name == "embedded" else "real", hosts=())
        return Grade(
            lab=self.lab or unknown,
            started=self.started,
            finished=datetime.now(UTC),
            score=total(steps, self.late),
            verdict=verdict(steps),
            steps=steps,
            migrations=tuple(self.migrations),
        )


RUN_KEY = pytest.StashKey[Run]()
STEP_KEY = pytest.StashKey[StepRun]()
"""Where an item keeps the run of its step."""


def run_of(config: pytest.Config) -> Run:
    """The run that `config` belongs to."""
    return config.stash[RUN_KEY]


def _failure_text(failed: list[CheckResult], made: int) -> str:
    lines = [f"{len(failed)} of {made} {'check' if made == 1 else 'checks'} failed"]
    for check in failed:
        where = " on ".join(part for part in (check.guest, check.host) if part)
        lines.append(f"- {check.id}" + (f" [{where}]" if where else ""))
        texts = (("expected", check.expected), ("actual", check.actual), ("hint", check.hint))
        lines += [f"    {name}: {text}" for name, text in texts if text]
    return "\n".join(lines)
