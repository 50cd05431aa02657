"""grade.json, written and read again; what only reads it needs nothing of what makes a grade."""

from pathlib import Path

from pydantic import ValidationError

from xenlab.errors import UsageError
from xenlab.outcomes import Grade


def grade_text(grade: Grade) -> str:
    """grade.json."""
    return grade.model_dump_json(by_alias=True, indent=2) + "\n"


def read_grade(reports: Path) -> Grade:
    """The grade of the run that `reports` is of.

    :raises UsageError: there is none, or another version of xenlab wrote it.
    """
    path = reports / "grade.json"
    try:
        return Grade.model_validate_json(path.read_bytes())
    except OSError as problem:
        raise UsageError(f"{path}: {problem.strerror}", hint="./lab verify writes it") from None
    except ValidationError as problem:
        first = problem.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise UsageError(f"{path}: {where}: {first['msg']}", hint="./lab verify writes it anew") from None


def previous_grade(reports: Path) -> Grade | None:
    """The grade that lies in `reports`; None where there is none, or none that this version can read."""
    try:
        return read_grade(reports)
    except UsageError:
        return None
