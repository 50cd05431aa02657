"""How late work was handed in, as Gradescope tells it.

Source: Gradescope's autograder documentation, "Submission metadata". Only what is needed of it is read.
"""

from datetime import timedelta
from pathlib import Path

from pydantic import AwareDatetime, BaseModel, ValidationError

from xenlab.errors import UsageError
from xenlab.grading.rubric import Rubric
from xenlab.outcomes import Late

ON_GRADESCOPE = Path("/autograder/submission_metadata.json")


class DueAssignment(BaseModel):
    """When it was due; None: never."""

    due_date: AwareDatetime | None


class Submission(BaseModel):
    """When work was handed in, and for which assignment."""

    created_at: AwareDatetime
    assignment: DueAssignment


def late(metadata: Path | None, rubric: Rubric) -> Late | None:
    """How late the work of `metadata` came and what `rubric` leaves of it; None when it was in time.

    Without `metadata` Gradescope's own place is looked at. Hours are rounded up to hundredths: a second late
    is late.

    :raises UsageError: the file is not there or does not tell the two times, each with its offset from UTC.
    """
    if metadata is None:
        if not ON_GRADESCOPE.exists():
            return None
        metadata = ON_GRADESCOPE
    try:
        submission = Submission.model_validate_json(metadata.read_bytes())
    except OSError as problem:
        raise UsageError(f"{metadata}: {problem.strerror or problem}") from problem
    except ValidationError as problems:
        lines = [f"{'.'.join(map(str, error['loc'])) or 'file'}: {error['msg']}" for error in problems.errors()]
        raise UsageError("\n".join(f"{metadata.name}: {line}" for line in lines)) from problems
    due = submission.assignment.due_date
    if due is None or submission.created_at <= due:
        return None
    hours = -((due - submission.created_at) // timedelta(hours=0.01)) / 100
    return Late(hours=hours, factor=rubric.factor(hours))
