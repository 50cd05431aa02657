"""What changed since the previous attempt: two grades of one lab laid beside each other. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from xenlab.evidence.text import brief, points
from xenlab.outcomes import CheckResult, Grade, MigrationRecord, Outcome, PingSummary, StepResult

_GONE_SHOWN = 100
_WORDS = {outcome: outcome.value for outcome in Outcome} | {Outcome.ERROR: "not observed"}

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Change(Generic[T]):
    """One thing then and now; None where that attempt did not have it."""

    name: str
    then: T | None
    now: T | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """The attempt of `since` beside this one.

    `steps` are in this attempt's order, then those only the previous one had; `gaps` are the outside pings of
    the live migrations, named by guest and way. `gained` are points: of the scores where both attempts had the
    same steps and could see all of them, else of the `seen` steps, which both had and saw.
    """

    since: datetime
    steps: tuple[Change[StepResult], ...]
    gaps: tuple[Change[PingSummary], ...]
    gained: float
    seen: int | None

    def __str__(self) -> str:
        """In a few words: "+12 points, path-fixes now passed"."""
        both = [(change.then, change.now) for change in self.steps if change.then and change.now]
        parts = [f"{'+' if self.gained > 0 else ''}{points(self.gained)} points" if self.gained else "the same points"]
        if self.seen is not None:
            parts[0] += f" in the {self.seen} {'step' if self.seen == 1 else 'steps'} seen in both"
        changed: dict[Outcome, list[str]] = {}
        for then, now in both:
            if then.outcome is not now.outcome:
                changed.setdefault(now.outcome, []).append(now.id)
        parts += [f"{_listed(ids)} now {_WORDS[outcome]}" for outcome, ids in changed.items()]
        return ", ".join(parts if changed else [*parts, "every step as before"])


def _listed(ids: list[str]) -> str:
    shown = ids if len(ids) <= 3 else [*ids[:2], f"{len(ids) - 2} more"]
    return " and ".join(part for part in (", ".join(shown[:-1]), shown[-1]) if part)


def compare(previous: Grade | None, grade: Grade) -> Comparison | None:
    """How `grade` differs from `previous`; None where there is none, or it is no earlier attempt at this lab."""
    if previous is None or (previous.lab.name, previous.lab.kind) != (grade.lab.name, grade.lab.kind):
        return None
    # We write UTC. What is otherwise was not written by us, and could not always be laid on one clock.
    if previous.started.utcoffset() != timedelta() or previous.started >= grade.started:
        return None
    then = {step.id: step for step in previous.steps}
    now = {step.id: step for step in grade.steps}
    gone = [id_ for id_ in then if id_ not in now][:_GONE_SHOWN]
    seen = [id_ for id_ in then.keys() & now.keys() if not then[id_].ungradable and not now[id_].ungradable]
    whole = len(seen) == len(then) == len(now)
    gained = (
        grade.score.earned - previous.score.earned
        if whole
        else sum(now[id_].earned for id_ in seen) - sum(then[id_].earned for id_ in seen)
    )
    return Comparison(
        since=previous.started,
        steps=tuple(Change(id_, then.get(id_), now.get(id_)) for id_ in (*now, *gone)),
        gaps=_gaps(previous.migrations, grade.migrations),
        gained=round(gained, 2) or 0.0,
        seen=None if whole else len(seen),
    )


def differences(then: Grade, now: Grade) -> Iterator[str]:
    """A line for each step and each check that the same evidence was judged otherwise by; nothing where none was."""
    before = {step.id: step for step in then.steps}
    for step in now.steps:
        old = before.pop(step.id, None)
        if old is None:
            yield f"{step.id}: was not graded, now {step.outcome.value}"
            continue
        if (old.outcome, old.earned, old.points) != (step.outcome, step.earned, step.points):
            yield f"{step.id}: {_state(old)} -> {_state(step)}"
        yield from _otherwise(old, step)
    yield from (f"{gone}: was {step.outcome.value}, is not graded any more" for gone, step in before.items())


def _state(step: StepResult) -> str:
    return f"{step.outcome.value}, {points(step.earned)} of {points(step.points)}"


def _otherwise(old: StepResult, new: StepResult) -> Iterator[str]:
    def by_place(step: StepResult) -> dict[tuple[str, str, str, int], CheckResult]:
        times: dict[tuple[str, str, str], int] = defaultdict(int)
        found = {}
        for check in step.checks:
            key = (check.id, check.guest or "", check.host or "")
            times[key] += 1
            found[*key, times[key]] = check
        return found

    then, now = by_place(old), by_place(new)
    for key in {**then, **now}:
        one, other = then.get(key), now.get(key)
        if one is None or other is None or one.outcome is not other.outcome:
            where = " on ".join(part for part in key[1:3] if part)
            words = [check.outcome.value if check else "not made" for check in (one, other)]
            said = f": {brief(other.actual)}" if other else ""
            yield f"  {key[0]}{f' ({where})' if where else ''}: {' -> '.join(words)}{said}"


def _gaps(then: Iterable[MigrationRecord], now: Iterable[MigrationRecord]) -> tuple[Change[PingSummary], ...]:
    before, after = _outside(then), _outside(now)
    gone = [name for name in before if name not in after][:_GONE_SHOWN]
    return tuple(Change(name, before.get(name), after.get(name)) for name in (*after, *gone))


def _outside(migrations: Iterable[MigrationRecord]) -> dict[str, PingSummary]:
    """The outside ping of each live migration by guest and way; a way gone again is numbered."""
    found: dict[str, PingSummary] = {}
    times: dict[str, int] = defaultdict(int)
    for record in migrations:
        if record.kind == "live" and record.outside is not None:
            name = f"{record.guest}, {record.source} to {record.target}"
            times[name] += 1
            found[name if times[name] == 1 else f"{name} ({times[name]})"] = record.outside
    return found
