"""What a run takes over from the one before: steps that passed then, while nothing that they rest on has changed.

They are judged again, by what was seen and done then: its tape and its journal are this run's, too.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TypeVar

from xenlab.grading.before import Before
from xenlab.grading.run import StepRun, running_or_none
from xenlab.lab.kinds import kinds
from xenlab.lab.seen import UNSEEN, others_of
from xenlab.lab.tape import PlayedTape, Tape
from xenlab.labfile import GuestSpec
from xenlab.tomlfile import listed

T = TypeVar("T")


def take_over(
    before: Before, steps: Sequence[StepRun], seen: Mapping[str, str], guests: Sequence[GuestSpec]
) -> Mapping[str, datetime]:
    """Mark those of `steps`, which are in their order, that are taken over; returns their names, and of when they are.

    Such a step passed then, and all that it needs is either taken over as well or judged by a look that is made anew.
    """
    then = before.facts.seen
    same = {subject for subject, what in seen.items() if what == then.get(subject) and what != UNSEEN}
    changed = {*seen, *then} - same
    names = Counter(step.name for step in steps)
    for step in steps:
        kept = step.name in before.facts.passed and step.name in before.tape and names[step.name] == 1
        # What a check of the rubric's own rests on, nobody but its command knows.
        anew = step.spec.of_the_run or step.spec.own
        holds = kept and not anew and not changed - others_of(guests, step.guest)
        if holds and all(need.taken_over or need.name not in before.tape for need in step.needed):
            step.taken_over = before.facts.taken_over.get(step.name, before.started)
    return {step.name: step.taken_over for step in steps if step.taken_over}


def remarks(taken: Mapping[str, datetime]) -> Iterator[str]:
    """Which steps are of an earlier run, a line for each such run with its date."""
    for when in sorted(set(taken.values())):
        names = listed(name for name, of in taken.items() if of == when)
        yield f"taken over from the run of {when:%Y-%m-%d %H:%M} UTC, as nothing that it rests on has changed: {names}"


class ContinuedTape:
    """A tape that records: steps that are taken over get what was kept of them, for all else it is done."""

    is_played = False

    def __init__(self, recording: Tape, before: Before) -> None:
        self._recording = recording
        self._kept = {name: PlayedTape(lines, kinds()) for name, lines in before.tape.items()}

    def take(self, what: str, do: Callable[[], T], /) -> T:
        """See `Tape`."""
        step = running_or_none()
        if step is None or step.taken_over is None:
            return self._recording.take(what, do)
        kept = self._kept[step.name]
        return self._recording.take(what, lambda: kept.take(what, do))
