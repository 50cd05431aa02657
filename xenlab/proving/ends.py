"""How a run ended that was disrupted, beside how it must have. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from xenlab.outcomes import Grade, Outcome
from xenlab.scenarios.scenario import Underneath

_CODES = {Outcome.PASSED: 0, Outcome.FAILED: 1, Outcome.ERROR: 3}
_INTERRUPTED = 2
_BY_HAND = ("by hand: ", "./lab mend")


@dataclass(frozen=True, slots=True)
class RunEnd:
    """A run's end.

    `code` is its exit status (None: it had to be killed), `said` all that it showed, `grade` what it wrote, if it did,
    `evidence` why that is neither whole nor readable up to where it was cut off ("" where it is).
    `torn` are the guests that were seen in more than one place afterwards, `away` those not as they were before.
    """

    code: int | None
    said: str
    grade: Grade | None
    evidence: str
    torn: tuple[str, ...] = ()
    away: tuple[str, ...] = ()


def shortfalls(scenario: Underneath, end: RunEnd) -> Iterator[str]:
    """What was not as it must be, a sentence each."""
    must = scenario.must_end
    if end.code is None:
        yield f"it did not end within {must.within:g} s"
    elif end.code not in _codes(scenario):
        yield f"it ended with {end.code}, not {' or '.join(map(str, sorted(_codes(scenario))))}"
    if "Traceback" in end.said:
        yield "it shows a traceback"
    if (outcome := outcome_of(scenario, end)) not in must.outcomes:
        yield f"{scenario.step} is {outcome.value if outcome else 'not graded'}, not {must.graded}"
    if must.words.lower() not in words_of(end).lower():
        yield f"nothing says {must.words!r}"
    if end.evidence:
        yield end.evidence
    for guest in end.torn:
        yield f"{guest} is in more than one place"
    if must.home:
        yield from (f"{guest} is not as it was" for guest in end.away)
    elif (end.away or "NOT as found" in end.said) and not any(words in end.said for words in _BY_HAND):
        yield "nothing says what to type to bring the guests home"


def outcome_of(scenario: Underneath, end: RunEnd) -> Outcome | None:
    """The step's outcome: as graded or, where the grade could not be written, as it was shown."""
    if end.grade is not None:
        return next((step.outcome for step in end.grade.steps if step.id == scenario.step), None)
    shown = (line.split() for line in end.said.splitlines())
    words = {line[0] for line in shown if scenario.step in line[1:] and line[0] in tuple(Outcome)}
    return Outcome(words.pop()) if len(words) == 1 else None


def words_of(end: RunEnd) -> str:
    """All that the run told, on the terminal and in its grade."""
    if end.grade is None:
        return end.said
    checks = (check for step in end.grade.steps for check in step.checks)
    return "\n".join([end.said, *(f"{check.actual} {check.hint}" for check in checks), *end.grade.remarks])


def _codes(scenario: Underneath) -> set[int]:
    must = scenario.must_end
    codes = {_CODES[outcome] for outcome in must.outcomes if outcome is not None}
    if not any(disruption.kind.is_signal for disruption in scenario.disruptions):
        return codes
    return {_INTERRUPTED} | codes & {_CODES[Outcome.PASSED]}
