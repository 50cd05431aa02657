"""A run that only reads: which steps it judges, and how far; what it leaves unjudged; that it has changed nothing.

No act comes about in it: `Custody` and `RemoteHost` refuse each. What was refused is no fault and no error, but told.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from xenlab.errors import UsageError, WouldChange
from xenlab.grading.run import Run, StepRun
from xenlab.outcomes import Outcome
from xenlab.tomlfile import listed

FIRST_WORDS = "this only reads: nothing is changed, on no host and in no guest"


def without_acts(run: Run, chosen: Sequence[StepRun], ids: Sequence[str]) -> list[StepRun]:
    """Those of the chosen steps that show something without an act, and need none that does not; they give no points.

    :raises UsageError: of those that were asked for by their `ids` one does not.
    """
    run.left_out = tuple(dict.fromkeys(step.spec.id for step in chosen if not _is_seen(step)))
    if given := [id_ for id_ in run.left_out if id_ in ids]:
        raise UsageError(f"{listed(given)} cannot be judged without an act", hint="./lab verify --step does")
    seen = [step for step in chosen if _is_seen(step)]
    for step in seen:
        step.spec = replace(step.spec, points=0)
    return seen


def _is_seen(step: StepRun) -> bool:
    return step.spec.in_check and all(map(_is_seen, step.needed))


@contextmanager
def up_to_acts(step: StepRun) -> Iterator[None]:
    """End the step where a run that only reads comes to an act of it.

    That the act may be done is then a check of its own: whatever forbids it is looked at before.
    """
    try:
        yield
    except WouldChange as change:
        step.unjudged.append(change.message)
        if change.act:
            expected = f"nothing forbids xl {change.act}"
            step.add(f"may-{change.act}", Outcome.PASSED, expected=expected, actual="nothing does; this run only reads")


def remarks(run: Run) -> Iterator[str]:
    """What was not judged, a line a step and guest; before all else, where something was changed, that."""
    if acts := _acts(run):
        yield f"xenlab itself went wrong: a run that only reads has changed something: {listed(acts)}"
    left_out = f"; {listed(run.left_out)} take acts from the start" if run.left_out else ""
    yield f"no score: this run only reads{left_out}"
    for step in run.steps:
        if step.unjudged:
            yield f"{step.name}: not judged without an act: {'; '.join(step.unjudged)}"


def changed_something(run: Run) -> bool:
    """Whether the journal shows that it did what it must not, which is a fault of ours."""
    return run.read_only and bool(_acts(run))


def last_words(run: Run) -> str:
    """What the journal shows."""
    if acts := _acts(run):
        return f"NOT only read: {len(acts)} of {len(run.journal)} commands changed something; please report this"
    own = listed(dict.fromkeys(step.spec.id for step in run.steps if step.spec.own and step.root is None))
    by_word = f"; of those of {own} that is the rubric's word" if own and not run.is_planned else ""
    return f"only read: of {len(run.journal)} commands on hosts and in guests none changes anything{by_word}"


def _acts(run: Run) -> list[str]:
    return [f"{entry['id']} on {entry['host']}" for entry in run.journal.entries if entry["changes"]]
