"""What could not be seen is told as such: neither a pass nor a fault of the lab. Pure."""

from xenlab.causes import Match, first_error_line, nfs_trouble
from xenlab.lab.looks import Unknown
from xenlab.outcomes import Finding
from xenlab.remote.commands import NOT_FOUND
from xenlab.remote.sections import Answer


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


def unknown_answer(answer: Answer, hint: str = "") -> Unknown:
    """Why an answer that is no fact about the lab says nothing."""
    said = first_error_line(answer.stderr or answer.stdout)
    if answer.exit_code is None or answer.timed_out:
        return Unknown(said or "it did not answer in time", hint)
    return Unknown(said or f"it ended with exit code {answer.exit_code}", hint)


def trouble_of(answer: Answer) -> Match | None:
    """What a command on a file of the share died of, where it came to its own end and the words are known.

    The share or its file is wrong where `cause.blame` is "lab" (a refusal, a missing file); an I/O error or a stale
    handle only says that the share could not be asked.
    """
    ended = answer.exit_code not in (None, NOT_FOUND) and not answer.timed_out
    return nfs_trouble(answer.stderr) if ended else None
