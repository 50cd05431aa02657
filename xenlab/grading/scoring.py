"""From what each run of a step found to points and a verdict: pure.

Sums are made in whole hundredths of a point, so that every total equals the sum of what is printed.
"""

import math
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal

from xenlab.errors import UsageError
from xenlab.grading.schedule import Claim
from xenlab.outcomes import CheckResult, Late, Outcome, Score, SideEvidence, StepResult

MOST_POINTS = 10_000
"""More than any sheet gives for a step, and few enough for hundredths to stay exact."""

# A step that passed but for a waiver says so.
_WORST_FIRST = (Outcome.FAILED, Outcome.ERROR, Outcome.BLOCKED, Outcome.WAIVED, Outcome.PASSED)
_HELD = (Outcome.PASSED, Outcome.WAIVED)
_KEBAB = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")


@dataclass(frozen=True, slots=True)
class StepSpec:
    """A step as the lab sheet has it; `title` is what the student reads.

    What is not `required` may fail without failing the whole; of what is `hidden` students see the outcome only.
    While it runs it has what it `claims` to itself. One that is `in_check` is run by `./lab check` as well,
    one `of_the_run` judges the run itself, so that none is like it; one that is `own` is a check of the rubric's own.

    :raises UsageError: an id that is no kebab-case, no title, or points that cannot be (`are_points`).
    """

    id: str
    title: str
    points: float
    needs: tuple[str, ...] = ()
    required: bool = True
    hidden: bool = False
    claims: Claim = Claim.LAB
    in_check: bool = False
    of_the_run: bool = False
    own: bool = False

    def __post_init__(self) -> None:
        if not is_step_id(self.id):
            raise UsageError(f"{self.id!r} cannot be a step's id", hint="ids look like path-fixes")
        if not self.title:
            raise UsageError(f"step {self.id!r} has no title", hint="the first line of a step's docstring is its title")
        if not are_points(self.points):
            raise UsageError(
                f"step {self.id!r} cannot give {self.points} points",
                hint=f"points are from 0 to {MOST_POINTS}, with two decimals at most",
            )


def is_step_id(text: str) -> bool:
    """Whether it can be a step's id: kebab-case."""
    return bool(_KEBAB.fullmatch(text))


def are_points(value: float) -> bool:
    """Whether a step can give as many points: from 0 to `MOST_POINTS`, with two decimals at most."""
    return math.isfinite(value) and 0 <= value <= MOST_POINTS and _cents(value) == Fraction(str(value)) * 100


@dataclass(frozen=True, slots=True)
class Instance:
    """One run of a step, on one guest or on the lab as a whole (`guest` None); `seconds` it took.

    Its outcome is that of its worst check; with no check at all nothing was seen, which is an error. One that
    `ended_early` did not come to make all its checks; of one that was blocked, `root_observed` says whether
    what blocked it had been. `commands` and `side` are as in `StepResult`.
    """

    step: str
    guest: str | None
    checks: tuple[CheckResult, ...]
    seconds: float = 0.0
    blocked_by: str | None = None
    ended_early: bool = False
    root_observed: bool = True
    commands: tuple[str, ...] = ()
    side: tuple[SideEvidence, ...] = ()

    @property
    def outcome(self) -> Outcome:
        """Its worst check's outcome."""
        return worst(check.outcome for check in self.checks)

    @property
    def share(self) -> Fraction:
        """The part of its points it earns, from 0 to 1.

        A failed run that came to its end earns the share of its checks that held. How much of the rest would
        have held nobody knows of one that ended early, so it earns nothing, nor does what could not be seen.
        """
        match self.outcome:
            case Outcome.PASSED | Outcome.WAIVED:
                return Fraction(1)
            case Outcome.FAILED if not self.ended_early:
                return Fraction(sum(check.outcome in _HELD for check in self.checks), len(self.checks))
            case _:
                return Fraction(0)

    @property
    def gradable(self) -> bool:
        """Whether it was observed or, where it was blocked, what blocked it."""
        match self.outcome:
            case Outcome.ERROR:
                return False
            case Outcome.BLOCKED:
                return self.root_observed
            case _:
                return True


def worst(outcomes: Iterable[Outcome]) -> Outcome:
    """The outcome of a whole from its parts: failed, then error, blocked, waived, passed; of none: error.

    What failed is known whatever else could not be seen; that it could not is then said beside it.
    """
    return min(outcomes, key=_WORST_FIRST.index, default=Outcome.ERROR)


def score_step(spec: StepSpec, instances: Sequence[Instance]) -> StepResult:
    """The result of one step over all its runs.

    Each run weighs the same; points are rounded down to hundredths: only a step without fault is full.
    """
    outcome = worst(instance.outcome for instance in instances)
    share = sum((instance.share for instance in instances), Fraction(0)) / max(1, len(instances))
    unseen = Fraction(sum(not run.gradable for run in instances), len(instances)) if instances else Fraction(1)
    roots = [run.blocked_by for run in instances if run.outcome is Outcome.BLOCKED and run.blocked_by]
    return StepResult(
        id=spec.id,
        title=spec.title,
        points=spec.points,
        earned=math.floor(_cents(spec.points) * share) / 100,
        outcome=outcome,
        blocked_by=roots[0] if roots and outcome is Outcome.BLOCKED else None,
        seconds=round(sum(instance.seconds for instance in instances), 3),
        checks=tuple(check for instance in instances for check in instance.checks),
        needs=spec.needs,
        required=spec.required,
        hidden=spec.hidden,
        ungradable=math.floor(_cents(spec.points) * unseen) / 100,
        commands=tuple(dict.fromkeys(id_ for instance in instances for id_ in instance.commands)),
        side=tuple(text for instance in instances for text in instance.side),
    )


def score_steps(specs: Sequence[StepSpec], instances: Iterable[Instance]) -> tuple[StepResult, ...]:
    """The results of all steps, in the order of `specs`."""
    runs: dict[str, list[Instance]] = {spec.id: [] for spec in specs}
    for instance in instances:
        runs[instance.step].append(instance)
    return tuple(score_step(spec, runs[spec.id]) for spec in specs)


def total(steps: Iterable[StepResult], late: Late | None = None) -> Score:
    """The points of all steps together; of `late` work what its factor leaves, rounded down to hundredths."""
    steps = tuple(steps)
    return Score(
        earned=_left(sum(_cents(step.earned) for step in steps), late) / 100,
        possible=sum(_cents(step.points) for step in steps) / 100,
        late=late,
        ungradable=sum(_cents(step.ungradable) for step in steps) / 100,
    )


def verdict(steps: Iterable[StepResult], *, restored: bool = True) -> Literal["passed", "failed", "error"]:
    """Failed when any step failed, else error when any step could not be seen or none ran, else passed.

    A lab that could not be `restored` to what was found is an error, too. An optional step that failed or was
    blocked counts for its points only; a required one that was blocked by a failed step has failed the whole,
    whether or not that step was required.
    """
    steps = tuple(steps)
    failed = {step.id for step in steps if step.outcome is Outcome.FAILED}
    outcomes = [_bearing(step, failed) for step in steps]
    match worst([*outcomes, Outcome.PASSED if restored and steps else Outcome.ERROR]):
        case Outcome.FAILED:
            return "failed"
        case Outcome.PASSED | Outcome.WAIVED:
            return "passed"
        case _:
            return "error"


def _bearing(step: StepResult, failed: Collection[str]) -> Outcome:
    """What a step's outcome comes to for the whole, when `failed` are the steps that failed."""
    if step.required:
        return Outcome.FAILED if step.outcome is Outcome.BLOCKED and step.blocked_by in failed else step.outcome
    unseen = step.outcome is Outcome.ERROR or any(check.outcome is Outcome.ERROR for check in step.checks)
    return Outcome.ERROR if unseen else Outcome.PASSED


@dataclass(slots=True)
class Apportioner:
    """Tells each run, as it ends, its part of the points that its step gives and of those that the whole earned.

    `runs` is how many runs each step has. The parts are whole hundredths; those of all runs add up to the
    `Score` of `total`, and no run has more than it could get. (A run's exact part may be a fraction of a hundredth;
    what was rounded off is given to a later run, which has the room for it since points are spread likewise.)
    """

    runs: Mapping[str, int]
    late: Late | None = None
    _given: int = 0
    _ended: dict[str, list[Instance]] = field(default_factory=dict)
    _earned: dict[str, int] = field(default_factory=dict)

    def add(self, spec: StepSpec, run: Instance) -> tuple[float, float]:
        """The points earned and possible of `run`, which has ended."""
        parts = self.runs[spec.id]
        ended = self._ended.setdefault(spec.id, [])
        before = len(ended)
        ended.append(run)
        cents = _cents(spec.points)
        possible = cents * (before + 1) // parts - cents * before // parts
        self._earned[spec.id] = math.floor(cents * sum((each.share for each in ended), Fraction(0)) / parts)
        earned = min(possible, _left(sum(self._earned.values()), self.late) - self._given)
        self._given += earned
        return earned / 100, possible / 100


def _left(cents: int, late: Late | None) -> int:
    return math.floor(cents * Fraction(str(late.factor))) if late else cents


def _cents(value: float) -> int:
    return round(Fraction(str(value)) * 100)
