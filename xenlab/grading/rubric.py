"""rubric.toml: what steps are worth, what may be missed, what late work loses, and which failures are waived.

The rubric beside this module is the one source of the sheet's points. A step's test says what must hold and
not what that is worth, so that an instructor weighs it anew without touching a test.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from datetime import date
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationInfo

from xenlab.evidence.text import plain
from xenlab.grading.scoring import MOST_POINTS, StepSpec, are_points
from xenlab.labfile import ProbeSpec
from xenlab.outcomes import CheckResult, Model, Outcome, StepResult, Waiver
from xenlab.tomlfile import listed, read

SHIPPED = Path(__file__).with_name("rubric.toml")

# The space that pydantic gives a validator for what is not in the data: the ids of the steps there are.
STEPS = "steps"


def _known(id_: str, info: ValidationInfo) -> str:
    known: Collection[str] | None = (info.context or {}).get(STEPS)
    if known is not None and id_ not in known:
        raise ValueError(f"{id_!r} is not a step: allowed are {listed(known)}")
    return id_


def _points(value: float) -> float:
    if not are_points(value):
        raise ValueError(f"{value:.12g} is not allowed: points are from 0 to {MOST_POINTS}, with two decimals at most")
    return value


def _said(text: str) -> str:
    if not (text := plain(text).strip()):
        raise ValueError("must say something")
    return text


def _later_is_less(steps: "tuple[LateStep, ...]") -> "tuple[LateStep, ...]":
    problems = []
    for (hours, factor), (then_hours, then_factor) in pairwise(steps):
        if then_hours <= hours:
            problems.append(f"after {then_hours:g} h cannot come behind after {hours:g} h: hours must rise")
        if then_factor > factor:
            problems.append(f"{then_factor:g} after {then_hours:g} h is more than {factor:g}: factors must not rise")
    if problems:
        raise ValueError("\n".join(problems))
    return steps


StepId = Annotated[str, AfterValidator(_known)]
Points = Annotated[float, AfterValidator(_points)]
Said = Annotated[str, AfterValidator(_said)]
LateStep = tuple[Annotated[float, Field(ge=0, allow_inf_nan=False)], Annotated[float, Field(ge=0, le=1)]]


class StepRule(Model):
    """What a rubric says of one step; what it leaves out (None) stays as it is."""

    points: Points | None = None
    required: bool | None = None
    hidden: bool | None = None


class Thresholds(Model):
    """What the pings may miss, where it is not what the lab file says; see `labfile.ProbeSpec`."""

    max_outside_gap_ms: Annotated[int, Field(ge=1)] | None = None
    max_inside_lost: Annotated[int, Field(ge=0)] | None = None

    def over(self, probes: ProbeSpec) -> ProbeSpec:
        """`probes` with these thresholds."""
        return probes.model_copy(update=self.model_dump(exclude_none=True))


class WaiverRule(Waiver):
    """A waiver and what it is for: the failed checks of `step`, or one `check` of it, or on one `guest` only."""

    step: StepId
    check: Said | None = None
    guest: Said | None = None
    who: Said
    why: Said

    def covers(self, step: str, check: CheckResult) -> bool:
        """Whether it is for `check` of `step`."""
        return self.step == step and self.check in (None, check.id) and self.guest in (None, check.guest)

    @property
    def reason(self) -> Waiver:
        """Who, why and until when."""
        return Waiver(who=self.who, why=self.why, until=self.until)


class Rubric(Model):
    """A whole rubric.

    `late` holds pairs of hours and a factor: work handed in later than so many hours after it was due keeps
    that part of its points. `attempts` says which of a team's attempts counts, of those that are gradable.
    """

    late: Annotated[tuple[LateStep, ...], AfterValidator(_later_is_less)] = ()
    attempts: Literal["best", "last", "first"] = "last"
    thresholds: Thresholds = Thresholds()
    steps: dict[StepId, StepRule] = Field(default_factory=dict)
    waivers: tuple[WaiverRule, ...] = ()

    def weighed(self, spec: StepSpec) -> StepSpec:
        """`spec` as this rubric has it."""
        rule = self.steps.get(spec.id, StepRule())
        return replace(spec, **rule.model_dump(exclude_none=True))

    def factor(self, hours: float) -> float:
        """The part of its points that work handed in so many hours late keeps."""
        return next((factor for after, factor in reversed(self.late) if hours > after), 1.0)

    def in_force(self, day: date) -> tuple[WaiverRule, ...]:
        """The waivers that hold on `day`."""
        return tuple(waiver for waiver in self.waivers if waiver.until >= day)

    def remarks(self, day: date, steps: Iterable[StepResult]) -> Iterator[str]:
        """A line for each waiver that no longer holds on `day`, or names a check that none of `steps` made."""
        made = {step.id: step.checks for step in steps if step.outcome not in (Outcome.BLOCKED, Outcome.ERROR)}
        for waiver in self.waivers:
            of = " ".join(part for part in (waiver.step, waiver.check, waiver.guest) if part)
            said = f"{of} ({waiver.who}: {waiver.why})"
            if waiver.until < day:
                yield f"waiver expired on {waiver.until}: {said}"
            elif waiver.step in made and not any(waiver.covers(waiver.step, check) for check in made[waiver.step]):
                yield f"waiver for no check that was made: {said}"


def load(path: Path, steps: Collection[str] | None = None) -> Rubric:
    """Read and check a rubric; `steps` are the ids it may name (None: any).

    :raises UsageError: it cannot be read or has problems: one line each.
    """
    tables: dict[str, type[Model]] = {"steps": StepRule, "thresholds": Thresholds, "waivers": WaiverRule}
    hint = "README.md shows a rubric.toml"
    return read(path, Rubric, tables, hint=hint, context={STEPS: steps})


@cache
def shipped() -> Rubric:
    """The rubric of a run that is given none."""
    return load(SHIPPED)
