"""rubric.toml: what steps are worth, what may be missed, what late work loses, which failures are waived, and checks
of the rubric's own, each a step beside those of the sheet.

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
from xenlab.grading.scoring import MOST_POINTS, StepSpec, are_points, is_step_id
from xenlab.lab.own_check import OwnCheck
from xenlab.labfile_limits import ProbeSpec
from xenlab.outcomes import CheckResult, Model, Outcome, StepResult, Waiver
from xenlab.tomlfile import listed, read

SHIPPED = Path(__file__).with_name("rubric.toml")

# The spaces that pydantic gives a validator for what is not in the data: the ids of the sheet's steps, and those of the
# rubric's own checks.
STEPS, OWN = "steps", "own"


def _of_the_sheet(id_: str, info: ValidationInfo) -> str:
    known: Collection[str] | None = (info.context or {}).get(STEPS)
    if known is not None and id_ not in known:
        raise ValueError(f"{id_!r} is not a step: allowed are {listed(known)}")
    return id_


def _known(id_: str, info: ValidationInfo) -> str:
    return id_ if id_ in (info.context or {}).get(OWN, ()) else _of_the_sheet(id_, info)


def _new(id_: str, info: ValidationInfo) -> str:
    if not is_step_id(id_):
        raise ValueError(f"{id_!r} cannot be an id: ids look like share-in-fstab")
    if id_ in shipped().steps or id_ in ((info.context or {}).get(STEPS) or ()):
        raise ValueError(f"{id_!r} is a step of the sheet: choose another id")
    return id_


def _points(value: float) -> float:
    if not are_points(value):
        raise ValueError(f"{value:.12g} is not allowed: points are from 0 to {MOST_POINTS}, with two decimals at most")
    return value


def _said(text: str) -> str:
    if not (text := plain(text).strip()):
        raise ValueError("must say something")
    return text


def _with_unique_ids(checks: "tuple[CheckRule, ...]") -> "tuple[CheckRule, ...]":
    ids = [check.id for check in checks]
    if twice := [id_ for id_ in dict.fromkeys(ids) if ids.count(id_) > 1]:
        raise ValueError(f"{listed(twice)}: each check has an id of its own")
    return checks


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


SheetStepId = Annotated[str, AfterValidator(_of_the_sheet)]
StepId = Annotated[str, AfterValidator(_known)]
Points = Annotated[float, AfterValidator(_points)]
Said = Annotated[str, AfterValidator(_said)]
LateStep = tuple[Annotated[float, Field(ge=0, allow_inf_nan=False)], Annotated[float, Field(ge=0, le=1)]]


class StepRule(Model):
    """What a rubric says of one step; what it leaves out (None) stays as it is."""

    points: Points | None = None
    required: bool | None = None
    hidden: bool | None = None


class CheckRule(OwnCheck):
    """A check of the rubric's own: a step beside those of the sheet, whose title is `what` it says.

    It comes after the step that it `needs`: where it does not say, after the hosts' one, in a guest once that runs.
    Of one that is `hidden` students see title, outcome and points.
    """

    id: Annotated[str, AfterValidator(_new)]
    what: Said
    points: Points
    needs: StepId | None = None
    required: bool = True
    hidden: bool = False

    def step(self, guest: str | None) -> StepSpec:
        """The step, on one guest or on hosts."""
        return StepSpec(
            self.id,
            " ".join(self.what.split()),
            self.points,
            (self.needs or ("boot-from-share" if guest else "hosts"),),
            required=self.required,
            hidden=self.hidden,
            in_check=not self.changes,
            own=True,
        )


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
    steps: dict[SheetStepId, StepRule] = Field(default_factory=dict)
    waivers: tuple[WaiverRule, ...] = ()
    checks: Annotated[tuple[CheckRule, ...], AfterValidator(_with_unique_ids)] = ()

    def weighed(self, spec: StepSpec) -> StepSpec:
        """`spec` as this rubric has it."""
        rule = self.steps.get(spec.id, StepRule())
        return replace(spec, **rule.model_dump(exclude_none=True))

    def factor(self, hours: float) -> float:
        """The part of its points that work handed in so many hours late keeps."""
        return next((factor for after, factor in reversed(self.late) if hours > after), 1.0)

    @property
    def columns(self) -> tuple[str, ...]:
        """The steps that a gradebook has a column of, whatever was graded: the sheet's, and the rubric's own checks."""
        return (*shipped().steps, *(check.id for check in self.checks))

    def to_judge_again(self, graded: Collection[str], then: "Rubric", *, whole: bool) -> list[str]:
        """The steps to judge again by this rubric of a run that `graded` those by the rubric of `then`.

        Own checks are those of this rubric: of a run that was `whole` all of them, else those that it had graded.
        """
        then_own = {check.id for check in then.checks}
        sheet = [id_ for id_ in graded if id_ not in then_own]
        return [*sheet, *(check.id for check in self.checks if whole or check.id in graded)]

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


def load(path: Path, steps: Collection[str] | None = None, own: Collection[str] = ()) -> Rubric:
    """Read and check a rubric; `steps` are the ids of the sheet that it may name (None: any), `own` its checks'.

    :raises UsageError: it cannot be read or has problems: one line each.
    """
    tables: dict[str, type[Model]] = {
        "steps": StepRule,
        "thresholds": Thresholds,
        "waivers": WaiverRule,
        "checks": CheckRule,
    }
    hint = "README.md shows a rubric.toml, docs/instructor.md checks of its own"
    return read(path, Rubric, tables, hint=hint, context={STEPS: steps, OWN: own})


@cache
def shipped() -> Rubric:
    """The rubric of a run that is given none."""
    return load(SHIPPED)
