"""What is raised of a step's checks, once they are recorded."""

from collections.abc import Sequence

from xenlab.errors import CannotObserve
from xenlab.outcomes import CheckResult, Outcome


class ChecksFailedError(AssertionError):
    """The checks of a step that did not hold, and those that could not be told; already recorded where it is raised."""


class ChecksUnknownError(CannotObserve):
    """The checks of a step that could not be told, none having failed; already recorded where it is raised."""


class FaultWaivedError(AssertionError):
    """A fault of the lab that ended the step early, but is waived."""


TOLD = (ChecksFailedError, ChecksUnknownError, FaultWaivedError)
"""All that is raised of a step once it is recorded."""


def problem_of(checks: Sequence[CheckResult], made: int) -> ChecksFailedError | ChecksUnknownError | None:
    """What failed or could not be told of these checks, of so many that were made; None when nothing did."""
    failed = [check for check in checks if check.outcome is Outcome.FAILED]
    unknown = [check for check in checks if check.outcome is Outcome.ERROR]
    if failed:
        return ChecksFailedError(_text(failed, unknown, made))
    return ChecksUnknownError(_text(failed, unknown, made)) if unknown else None


def _text(failed: Sequence[CheckResult], unknown: Sequence[CheckResult], made: int) -> str:
    counts = [f"{len(some)} {word}" for some, word in ((failed, "failed"), (unknown, "could not be told")) if some]
    first, space, rest = (counts or [""])[0].partition(" ")
    counts[:1] = [f"{first} of {made} {'check' if made == 1 else 'checks'}{space}{rest}"]
    lines = [", ".join(counts)]
    for check in (*failed, *unknown):
        where = " on ".join(part for part in (check.guest, check.host) if part)
        lines.append(f"- {check.id}" + (f" [{where}]" if where else ""))
        texts = (("expected", check.expected), ("actual", check.actual), ("hint", check.hint))
        lines += [f"    {name}: {text}" for name, text in texts if text]
    return "\n".join(lines)
