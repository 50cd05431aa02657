"""From what each run of a step found to points and a verdict: pure.

Sums are made in whole hundredths of a point, so that every total equals the sum of what is printed.
"""

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from xenlab.errors import UsageError
from xenlab.outcomes import CheckResult, Outcome, Score, StepResult
from xenlab.report.reading import first_to_fix

__all__ = [
    "Instance",
    "StepSpec",
    "first_to_fix",
    "score_step",
    "score_steps",
    "total",
    "verdict",
    "worst",
]

_WORST_FIRST = (Outcome.FAILED, Outcome.ERROR, Outcome.BLOCKED, Outcome.PASSED, Outcome.WAIVED)
_HELD = (Outcome.PASSED, Outcome.WAIVED)
_KEBAB = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")


@dataclass(frozen=True, slots=True)
class StepSpec:
    """A step as the lab sheet has it; `title` is what the student reads.

    :raises UsageError: an id that is no kebab-case, no title, or points that are not from 0 up or have more
        than two decimals.
    """

    id: str
    title: str
    points: float
    needs: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not _KEBAB.fullmatch(self.id):
            raise UsageError(f"{self.id!r} cannot be a step's id", hint="ids look like path-fixes")
        if not self.title:
            raise UsageError(f"step {self.id!r} has no title", hint="the first line of a step's docstring is its title")
        if not math.isfinite(self.points) or self.points < 0 or _cents(self.points) != self._exact * 100:
            raise UsageError(
                f"step {self.id!r} cannot give {self.points} points",
                hint="points are from 0 up, with two decimals at most",
            )

    @property
    def _exact(self) -> Fraction:
        return Fraction(str(self.points))


@dataclass(frozen=True, slots=True)
class Instance:
    """One run of a step, on one guest or on the lab as a whole (`guest` None); `seconds` it took.

    Its outcome is that of its worst check; with no check at all nothing was seen, which is an error.
    """

    step: str
    guest: str | None
    checks: tuple[CheckResult, ...]
    seconds: float = 0.0
    blocked_by: str | None = None

    @property
    def outcome(self) -> Outcome:
        """Its worst check's outcome."""
        return worst(check.outcome for check in self.checks)

    @property
    def share(self) -> Fraction:
        """The part of its points it earns, from 0 to 1.

        A failed run earns the share of its checks that held; what could not be seen earns nothing.
        """
        match self.outcome:
            case Outcome.PASSED | Outcome.WAIVED:
                return Fraction(1)
            case Outcome.FAILED:
                return Fraction(sum(check.outcome in _HELD for check in self.checks), len(self.checks))
            case _:
                return Fraction(0)


def worst(outcomes: Iterable[Outcome]) -> Outcome:
    """The outcome of a whole from its parts: failed, then error, blocked, passed, waived; of none: error."""
    return min(outcomes, key=_WORST_FIRST.index, default=Outcome.ERROR)


def score_step(spec: StepSpec, instances: Sequence[Instance]) -> StepResult:
    """The result of one step over all its runs.

    Each run weighs the same; points are rounded down to hundredths: only a step without fault is full.
    """
    outcome = worst(instance.outcome for instance in instances)
    share = sum((instance.share for instance in instances), Fraction(0)) / max(1, len(instances))
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
    )


def score_steps(specs: Sequence[StepSpec], instances: Iterable[Instance]) -> tuple[StepResult, ...]:
    """The results of all steps, in the order of `specs`."""
    runs: dict[str, list[Instance]] = {spec.id: [] for spec in specs}
    for instance in instances:
        runs[instance.step].append(instance)
    return tuple(score_step(spec, runs[spec.id]) for spec in specs)


def total(steps: Iterable[StepResult]) -> Score:
    """The points of all steps together."""
    steps = tuple(steps)
    return Score(
        earned=sum(_cents(step.earned) for step in steps) / 100,
        possible=sum(_cents(step.points) for step in steps) / 100,
    )


def verdict(steps: Iterable[StepResult]) -> Literal["passed", "failed", "error"]:
    """Failed when any step failed, else error when any step could not be seen or none ran, else passed."""
    match worst(step.outcome for step in steps):
        case Outcome.FAILED:
            return "failed"
        case Outcome.PASSED | Outcome.WAIVED:
            return "passed"
        case _:
            return "error"


def _cents(value: float) -> int:
    return round(Fraction(str(value)) * 100)
