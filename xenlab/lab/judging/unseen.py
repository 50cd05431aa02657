"""What could not be seen is told as such: neither a pass nor a fault of the lab. Pure.

The words of a failed system call tell which it was: a refusal and a missing file are facts about the lab, an I/O
error or a stale handle only say that the share could not be asked. Source: strerror(3) of glibc and musl.
"""

from collections.abc import Collection

from xenlab.lab.looks import Unknown
from xenlab.outcomes import Finding
from xenlab.remote.sections import Answer

MISSING = ("No such file or directory", "Not a directory")
REFUSED = (
    *("Read-only file system", "No space left on device", "Disk quota exceeded", "Quota exceeded"),
    *("Permission denied", "Operation not permitted"),
)


def cannot_tell(
    id_: str,
    expected: str,
    unknown: Unknown,
    *,
    host: str | None = None,
    guest: str | None = None,
    evidence: tuple[str, ...] = (),
) -> Finding:
    """The finding that a fact which could not be read leaves."""
    return Finding(id_, None, expected, unknown.why, unknown.hint, host, guest, evidence=evidence)


def line_with(words: str, phrases: Collection[str]) -> str:
    """The first line that has one of the phrases, or an empty one: a program may warn of other things before."""
    return next((line.strip() for line in words.splitlines() if any(phrase in line for phrase in phrases)), "")


def unknown_answer(answer: Answer, hint: str = "") -> Unknown:
    """Why an answer that is no fact about the lab says nothing."""
    if answer.exit_code is None or answer.timed_out:
        return Unknown(answer.complaint or "it did not answer in time", hint)
    return Unknown(answer.complaint or f"it ended with exit code {answer.exit_code}", hint)
