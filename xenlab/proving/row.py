"""One scenario's row of the proof: what a run that graded it showed, beside what it should have shown. Pure.

The words are those of mutation testing: a fault is killed when the check that is there for it turns red for it. What
goes wrong underneath has no check: there the run must come to its end as stated.
"""

from collections.abc import Iterable, Iterator
from dataclasses import fields
from enum import StrEnum
from hashlib import sha256

from pydantic import Field

from xenlab.outcomes import CheckResult, Grade, Model, Outcome
from xenlab.proving.ends import RunEnd, shortfalls
from xenlab.scenarios.scenario import Red, Scenario, Underneath


class RowEnd(StrEnum):
    """How a row ended; the first of wrong labs, of right ones and of those underneath is the only good one."""

    KILLED = "killed"
    """The check that is there for it turned red, with its cause, and no other step failed."""
    BY_ANOTHER = "by another"
    """Something turned red: another check, for another cause, or in another step as well."""
    SURVIVED = "survived"
    """Nothing turned red."""
    GREEN = "green"
    """A right lab, and nothing turned red."""
    REDDENED = "reddened"
    """A right lab, and something turned red."""
    AS_STATED = "as stated"
    """The run was disrupted, and ended as it must."""
    OTHERWISE = "otherwise"
    """The run was disrupted, and did not end as it must."""
    ERROR = "error"
    """It could not be told."""
    NOT_VIABLE = "not viable"
    """It could not be planted, or did not take."""


GOOD = (RowEnd.KILLED, RowEnd.GREEN, RowEnd.AS_STATED)


class NotHeld(Model):
    """One check that did not hold, and what it said."""

    step: str
    check: str
    outcome: Outcome
    words: str


class Row(Model):
    """One scenario as it was graded.

    `checks` are the worst outcomes of all checks by "step/check", `not_held` those that did not hold, `why` is what to
    know besides. `must_end` says how a run that is disrupted must end, and is empty elsewhere. `digest` is the
    scenario's: a row of another digest is of an older scenario.
    """

    scenario: str
    what: str
    step: str
    red: str = ""
    must_end: str = ""
    ended: RowEnd
    digest: str
    checks: dict[str, Outcome] = Field(default_factory=dict)
    not_held: tuple[NotHeld, ...] = ()
    why: str = ""
    seconds: float = 0.0

    @property
    def is_good(self) -> bool:
        """Whether it is as it should be."""
        return self.ended in GOOD


_WORDS = 600
_WORST = (Outcome.FAILED, Outcome.ERROR, Outcome.BLOCKED, Outcome.WAIVED, Outcome.PASSED)


def digest_of(scenario: Scenario) -> str:
    """What tells a scenario from what it was before it was changed; a field that is new to all changes none."""
    said = {field.name: getattr(scenario, field.name) for field in fields(scenario)}
    own = {field.name: said[field.name] for field in fields(scenario) if said[field.name] != field.default}
    return sha256(f"{type(scenario).__name__}{own!r}".encode()).hexdigest()[:12]


def graded(scenario: Scenario, grade: Grade, seconds: float) -> Row:
    """The row of a scenario that took and was graded so."""
    not_held = tuple(_not_held(grade))
    return _row(scenario, _ended(scenario.red, grade, not_held), seconds).model_copy(
        update={"checks": dict(_checks(grade)), "not_held": not_held}
    )


def endured(scenario: Underneath, end: RunEnd, seconds: float) -> Row:
    """The row of a run that was disrupted, and ended so."""
    why = "; ".join(shortfalls(scenario, end))
    row = _row(scenario, RowEnd.OTHERWISE if why else RowEnd.AS_STATED, seconds)
    not_held = tuple(_not_held(end.grade)) if end.grade else ()
    checks = dict(_checks(end.grade)) if end.grade else {}
    return row.model_copy(update={"checks": checks, "not_held": not_held, "why": why[:_WORDS]})


def not_graded(scenario: Scenario, ended: RowEnd, why: str, seconds: float) -> Row:
    """The row of a scenario of which there is no grade: it did not take, or its run told nothing."""
    return _row(scenario, ended, seconds).model_copy(update={"why": why[:_WORDS]})


def _row(scenario: Scenario, ended: RowEnd, seconds: float) -> Row:
    return Row(
        scenario=scenario.name,
        what=scenario.what,
        step=scenario.step,
        red=f"{scenario.red.step}/{scenario.red.check}" if scenario.red else "",
        must_end=str(scenario.must_end) if isinstance(scenario, Underneath) else "",
        ended=ended,
        digest=digest_of(scenario),
        seconds=round(seconds, 1),
    )


def _ended(red: Red | None, grade: Grade, not_held: Iterable[NotHeld]) -> RowEnd:
    failed = [one for one in not_held if one.outcome is Outcome.FAILED]
    if red is None:
        if failed:
            return RowEnd.REDDENED
        return RowEnd.GREEN if grade.verdict == "passed" else RowEnd.ERROR
    if not failed:
        return RowEnd.SURVIVED if grade.verdict == "passed" else RowEnd.ERROR
    if {one.step for one in failed} == {red.step} and any(_is(one, red) for one in failed):
        return RowEnd.KILLED
    return RowEnd.BY_ANOTHER


def _is(one: NotHeld, red: Red) -> bool:
    return (one.step, one.check) == (red.step, red.check) and red.words.lower() in one.words.lower()


def _not_held(grade: Grade) -> Iterator[NotHeld]:
    for step in grade.steps:
        for check in step.checks:
            if check.outcome in (Outcome.FAILED, Outcome.ERROR):
                yield NotHeld(step=step.id, check=check.id, outcome=check.outcome, words=_words(check))


def _words(check: CheckResult) -> str:
    where = " on ".join(part for part in (check.guest, check.host) if part)
    return f"{f'[{where}] ' if where else ''}{check.actual[:_WORDS]} → {check.hint[:_WORDS]}"


def _checks(grade: Grade) -> Iterator[tuple[str, Outcome]]:
    found: dict[str, Outcome] = {}
    for step in grade.steps:
        for check in step.checks:
            key = f"{step.id}/{check.id}"
            found[key] = min(found.get(key, Outcome.PASSED), check.outcome, key=_WORST.index)
    yield from found.items()
