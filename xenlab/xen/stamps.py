"""The words of an act by itself on a host, each line with the host's uptime when it was written; see `peers.start`.

A line of the log is "UPTIME TEXT". The first has no text and says when the act began, the last, where the act is over,
when it ended. The uptime, proc(5), counts hundredths of a second and is "-" on a host that does not have it.
"""

import re
from dataclasses import dataclass

from xenlab.remote.answers import ends_of

_TICK = 0.01
"""Seconds that the uptime counts by: it is cut off, so that what has the stamp t came from t to t + `_TICK`."""

_LINE = re.compile(r"(\d{1,12}\.\d{1,9}|-) (.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Stamped:
    """One line, and the uptime in seconds of the host on which it arrived."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Log:
    """An act's words. `lines` are those that have a stamp, in their order, `began` when the act began."""

    words: str = ""
    began: float | None = None
    lines: tuple[Stamped, ...] = ()


@dataclass(frozen=True, slots=True)
class ActAnswer:
    """How an act is, as its host told it at its uptime `at`.

    `state` is its exit code, `running`, `gone` (without an exit code) or `never` (it was not begun).
    """

    state: str
    at: float | None = None
    log: Log = Log()


@dataclass(frozen=True, slots=True)
class StampedWords:
    """An act's lines with their times on its host's clock, and how that clock stands to ours; all in seconds.

    The act began at `began`. What happened at t on the host's clock happened at t + `least` to t + `most` on ours.
    """

    began: float
    lines: tuple[Stamped, ...]
    least: float
    most: float


def placed(answer: ActAnswer, asked: float, answered: float) -> StampedWords | None:
    """An act's lines, begun after `asked` on our clock, by an answer that was there at `answered`.

    None where the host has not told the time.
    """
    log = answer.log
    if log.began is None or answer.at is None:
        return None
    # It began after it was asked for, and its host's last word was said before we heard it.
    return StampedWords(log.began, log.lines, asked - log.began - _TICK, answered - answer.at + _TICK)


def read_answer(text: str) -> ActAnswer:
    """Read what `peers.start` and `peers.await_end` print: the state, the uptime, and the log, each on its own line."""
    state, _, rest = text.partition("\n")
    at, _, log = rest.partition("\n")
    return ActAnswer(state, _uptime(at), read_log(log))


def read_log(text: str) -> Log:
    """Read a log; a line that bears no stamp is among the words only."""
    lines = ends_of(text.removesuffix("\n").split("\n")) if text else []
    read = [match.groups() if (match := _LINE.fullmatch(line)) else ("-", line) for line in lines]
    said = [(_uptime(stamp), words) for stamp, words in read if words]
    return Log(
        words="".join(f"{words}\n" for _, words in said),
        began=_uptime(read[0][0]) if read and not read[0][1] else None,
        lines=tuple(Stamped(at, words) for at, words in said if at is not None),
    )


def _uptime(stamp: str) -> float | None:
    return float(stamp) if re.fullmatch(r"\d{1,12}\.\d{1,9}", stamp) else None
