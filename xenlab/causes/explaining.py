"""A command that failed, as the fault that its words are about: what it is, on whose side, and what to do."""

from collections.abc import Mapping
from types import MappingProxyType

from xenlab.causes.cause import Cause, Match, Rank
from xenlab.causes.reading import Reading, read
from xenlab.causes.wording import Names, meaning, remedy
from xenlab.errors import CannotObserve, LabFault
from xenlab.xen.messages import is_course

TIMED_OUT = frozenset({124, 137})
"""timeout(1): the command did not end in its time; 137 is also a command that SIGKILL ended, by whomever."""
_NOT_RUN = frozenset({126, 127})
"""POSIX: the command could not be run, or was not found; then xl did not speak."""
_SHOWN = 300


class XlError(LabFault):
    """An xl command failed: `actual` is the line that says why, `host` the host that spoke it.

    `cause` is the entry of the dictionary, None where it does not know the words.
    """

    cause: Cause | None = None


class StateUndefined(XlError):
    """The final handshake of a move broke: the guest may be on both hosts or on none."""


class GuestDidNotSuspend(XlError):
    """The guest was not sent because it did not suspend, or cannot be sent as it stands (paused)."""


class NotObserved(CannotObserve):
    """An xl command ended in a way that says nothing about the lab; see XlError for what it holds."""

    actual: str = ""
    host: str | None = None
    cause: Cause | None = None


_CLASSES: Mapping[str, type[XlError]] = MappingProxyType(
    {
        "state-undefined": StateUndefined,
        "guest-did-not-suspend": GuestDidNotSuspend,
        "guest-did-not-suspend-in-the-end": GuestDidNotSuspend,
        "guest-not-sendable-as-it-stands": GuestDidNotSuspend,
        "guest-failed-while-suspending": GuestDidNotSuspend,
    }
)


def explain(
    verb: str,
    exit_code: int | None,
    words: str,
    *,
    host: str | None = None,
    peer: str | None = None,
    guest: str | None = None,
    evidence: tuple[str, ...] = (),
) -> XlError | CannotObserve:
    """The fault that a failed `xl VERB` on `host` is about, by both its streams together.

    `peer` is the target of a move. `exit_code` None: the connection to `host` was lost before it ended. A
    CannotObserve where the words or the code mean that something could not be seen, rather than that the lab is
    wrong; but what xl has said of an undefined state is reported in any case.
    """
    moved = verb == "migrate" and exit_code not in _NOT_RUN
    reading = read(words, move=moved)
    primary = _most_telling(reading)
    names = Names(source=host, target=peer, guest=guest)
    if (exit_code is None or exit_code in TIMED_OUT) and not (primary and primary.cause.rank is Rank.GRAVE):
        return _unfinished(verb, exit_code, reading, primary, names, evidence)
    if primary is None:
        line = reading.first_error
        return XlError(
            f"xl {verb} ended with exit code {exit_code}",
            hint="see xl's own words, `xl dmesg`, and /var/log/xen on that host",
            expected=f"xl {verb} succeeds",
            actual=line.text.strip() if line else f"exit code {exit_code}, and nothing said",
            host=names.of(line.side) if line else host,
            guest=guest,
            evidence=evidence,
        )
    speaker = names.of(primary.side)
    meant = meaning(primary, names)
    where = f"on {speaker}: " if primary.side == "target" and speaker is not None and speaker not in meant else ""
    message = f"xl {verb} failed: {where}{meant}"
    hint = "; ".join(dict.fromkeys((remedy(primary, names), *_afterwards(reading, primary, names))))
    if primary.cause.blame == "unobservable":
        return _not_observed(message, hint, primary.line, speaker, primary.cause, evidence)
    error = _CLASSES.get(primary.cause.id, XlError)(
        message,
        hint=hint,
        expected=f"xl {verb} succeeds",
        actual=_proof(reading, primary),
        host=speaker,
        guest=guest,
        evidence=evidence,
    )
    error.cause = primary.cause
    return error


def _most_telling(reading: Reading) -> Match | None:
    """The match to report; None where a line that no entry knows says more than all that is known."""
    first = next((match for match in reading.matches if match.cause.rank is not Rank.NOISE), None)
    if first is None or first.cause.rank < Rank.CONSEQUENCE:
        return first
    return None if reading.unknown_error else first


def _afterwards(reading: Reading, primary: Match, names: Names) -> list[str]:
    return [
        f"{meaning(match, names)}: {remedy(match, names)}"
        for match in reading.matches
        if match.cause.rank is Rank.AFTERMATH and match.cause is not primary.cause
    ]


def _proof(reading: Reading, primary: Match) -> str:
    """The line to show: a line of information is no proof of a fault, so what was said beside it."""
    beside = (reading.unknown_error or reading.first_message) if is_course(primary.line) else None
    return beside.text.strip() if beside else primary.line


def _unfinished(
    verb: str, exit_code: int | None, reading: Reading, primary: Match | None, names: Names, evidence: tuple[str, ...]
) -> NotObserved:
    first = reading.first_error
    said = primary.line if primary and primary.cause.rank < Rank.CONSEQUENCE else (first.text.strip() if first else "")
    ended = "was not seen to end" if exit_code is None else "did not end in its time"
    where = names.source or "the host"
    return _not_observed(
        f"xl {verb} {ended} on {where}",
        f"see on {where} whether it is still at work (`ps -C xl`), and `xl list` on both hosts before anything else",
        said,
        names.source,
        primary.cause if primary else None,
        evidence,
    )


def _not_observed(
    message: str, hint: str, actual: str, host: str | None, cause: Cause | None, evidence: tuple[str, ...]
) -> NotObserved:
    error = NotObserved(f"{message}: {actual[:_SHOWN]}" if actual else message, hint=hint, evidence=evidence)
    error.actual, error.host, error.cause = actual, host, cause
    return error
