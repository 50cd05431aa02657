"""What a check of the rubric's own makes of a machine's answer. Pure."""

from collections.abc import Iterator

from xenlab.lab.judging.unseen import cannot_tell
from xenlab.lab.looks import OwnLook, Unknown
from xenlab.lab.own_check import OwnCheck
from xenlab.outcomes import Finding
from xenlab.remote.commands import NOT_FOUND
from xenlab.remote.result import printable, shortened
from xenlab.remote.sections import Answer

_WORDS = 200


def answers_as_it_should(check: OwnCheck, look: OwnLook, guest: str | None = None) -> Finding:
    """The command ended as it should, and wrote what it should; `guest` is the one that was asked."""
    host = look.host if guest is None else None
    expected = ", ".join(_expected(check))
    if isinstance(look.answer, Unknown):
        return cannot_tell(check.id, expected, look.answer, host=host, guest=guest, evidence=look.ids)
    answer = look.answer
    holds = answer.exit_code == check.exit_code and check.fits(answer.stdout)
    return Finding(
        check.id,
        holds,
        expected,
        _seen(answer),
        check.hint,
        host,
        guest,
        proof="" if holds else answer.stdout,
        evidence=look.ids,
    )


def _expected(check: OwnCheck) -> Iterator[str]:
    yield f"`{shortened(check.typed)}` ends with exit code {check.exit_code}"
    if check.contains is not None:
        yield f"writes {check.contains!r}"
    if check.matches is not None:
        yield f"writes what matches /{check.matches}/"


def _seen(answer: Answer) -> str:
    code = f"exit code {answer.exit_code}{' (no such program)' if answer.exit_code == NOT_FOUND else ''}"
    written = [f"{name}: {printable(shortened(text, _WORDS))}" for name, text in _streams(answer) if text.strip()]
    return "; ".join((code, *written)) if written else f"{code}, and nothing was written"


def _streams(answer: Answer) -> tuple[tuple[str, str], ...]:
    return ("stdout", answer.stdout), ("stderr", answer.stderr)
