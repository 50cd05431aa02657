"""Attempts judged again from their own evidence, without a lab: beside what there is, until it is applied or cancelled.

attempt-N/      what counts
regraded-N/     the same evidence, judged by another rubric or a newer xenlab: waits to be applied
before-N-M/     what attempt N was before it was applied the M-th time
"""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path

from pydantic import ValidationError

from xenlab.classroom.attempt import ATTEMPT, SUBMISSION, Attempt, Order, read
from xenlab.errors import UsageError
from xenlab.evidence import bundle
from xenlab.evidence.files import write_whole
from xenlab.grading.lateness import Submission

KIND = "regraded"


def has_evidence(folder: Path, made: Attempt) -> bool:
    """Whether an attempt in a team's folder was graded, and can be judged again."""
    return made.ended == "graded" and (folder / f"attempt-{made.number}" / bundle.PACKED).exists()


def order(now: Order, made: Attempt) -> Order:
    """The order to judge an attempt again, on the terms of the order that the team would be graded by now.

    :raises UsageError: what it notes of its hand-in is none of ours.
    """
    attempt = now.reports(made.number)
    team = replace(now.team, source=attempt / bundle.PACKED, kind="evidence", shares=frozenset(), problem="")
    return replace(
        now,
        team=team,
        number=made.number,
        previous=None,
        basis=now.basis.model_copy(update={"lab": made.basis.lab}),
        submission=_submission(attempt),
        kind=KIND,
    )


def staged(folder: Path) -> dict[int, Attempt]:
    """What was judged again in a team's folder and waits, by the number of the attempt."""
    return {made.number: made for path in folder.glob(f"{KIND}-*") if (made := read(path))}


def apply(folder: Path, reason: str) -> int:
    """Put what was judged again in a team's folder in its attempts' places; returns how many those are.

    What an attempt was before is kept. Cut off in between, it is applied anew: an attempt is never without either.

    :raises OSError: something cannot be moved.
    """
    waiting = staged(folder)
    for number, made in waiting.items():
        attempt, again = folder / f"attempt-{number}", folder / f"{KIND}-{number}"
        write_whole(again / ATTEMPT, made.model_copy(update={"regraded": reason}).model_dump_json(indent=1) + "\n")
        if attempt.exists():
            attempt.rename(next(path for path in _before(folder, number) if not path.exists()))
        again.rename(attempt)
    return len(waiting)


def cancel(folder: Path) -> int:
    """Remove what was judged again in a team's folder; returns how many attempts those were.

    :raises OSError: something cannot be removed.
    """
    waiting = list(folder.glob(f"{KIND}-*"))
    for path in waiting:
        shutil.rmtree(path)
    return len(waiting)


def _before(folder: Path, number: int) -> Iterator[Path]:
    return (folder / f"before-{number}-{time}" for time in count(1))


def _submission(attempt: Path) -> Submission | None:
    try:
        return Submission.model_validate_json((attempt / SUBMISSION).read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as problem:
        raise UsageError(f"{attempt / SUBMISSION}: {problem}") from None
