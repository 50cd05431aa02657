"""An act of xl on a host that goes on when its session is lost, and whose true result is fetched all the same."""

import time
from dataclasses import dataclass

from xenlab.errors import CannotObserve
from xenlab.lab.dom0 import Dom0
from xenlab.remote.answers import whole_number
from xenlab.remote.errors import CommandTimedOut, ConnectionLost, HostUnreachable
from xenlab.remote.result import CommandResult
from xenlab.xen import peers
from xenlab.xen.stamps import StampedWords, placed, read_answer

# A host is asked again after so many seconds: no command of ours lasts for hours.
_ASK_SECONDS = 300.0
# What a busy host may need beyond that to answer at all.
_SLACK_SECONDS = 60.0


class StillUnderWay(CannotObserve):
    """It did not end in its time; it goes on, and is left alone."""


@dataclass(frozen=True, slots=True)
class OutlivingAct:
    """An act by itself on a host: its files there are `folder`/`name`.*, and it may take so many seconds.

    A host that falls silent meanwhile is waited for up to `patience` seconds.
    """

    host: Dom0
    folder: str
    name: str
    seconds: float
    patience: float


@dataclass(frozen=True, slots=True)
class Ended:
    """How it ended: its exit code (None: it was gone without one), its words, and the ids of what was run.

    `stamped` are the words with their times, where the host has told them.
    """

    code: int | None
    words: str
    ids: tuple[str, ...]
    stamped: StampedWords | None = None


def run_to_its_end(run: OutlivingAct, argv: peers.Argv) -> Ended:
    """Begin `argv`, once, and wait for its end, even over a connection that breaks.

    :raises StillUnderWay: it did not end in time.
    :raises CannotObserve: it was not begun, or the host does not answer any more.
    """
    begun = time.monotonic()
    deadline, wait = begun + run.seconds, _wait(run.seconds)
    seen: tuple[str, ...] = ()
    try:
        asked = run.host.remote.run(*peers.start(run.folder, run.name, wait, argv), timeout=_bound(wait), changes=True)
        if (ended := _read(asked.check(), (), begun)) is not None:
            return ended
        seen = (asked.id,)
    except CommandTimedOut as late:
        seen = late.evidence
    except ConnectionLost as cut:
        if not cut.sent:
            raise
        # It may have been begun all the same: a file on the host tells. It is not sent again.
    return _follow(run, deadline, seen, begun)


def see_its_end(run: OutlivingAct) -> Ended:
    """Wait for the end of what was begun before; raises as `run_to_its_end` does."""
    return _follow(run, time.monotonic() + run.seconds, ())


def _follow(run: OutlivingAct, deadline: float, seen: tuple[str, ...], begun: float | None = None) -> Ended:
    last = False
    while not last:
        left = deadline - time.monotonic()
        last, wait = left <= 0, _wait(left)
        try:
            asked = run.host.remote.run(*peers.await_end(run.folder, run.name, wait), timeout=_bound(wait)).check()
        except CommandTimedOut as late:
            seen = (*seen, *late.evidence)
            continue
        except HostUnreachable:
            run.host.remote.wait_until_reachable(run.patience, f"{run.host.name} to answer again")
            continue
        if (ended := _read(asked, seen, begun)) is not None:
            return ended
        seen = (*seen, asked.id)
    raise StillUnderWay(
        f"what was begun on {run.host.name} is under way after {run.seconds:.0f} s",
        hint=f"it goes on by itself: see xl list on both hosts, and {run.folder}/{run.name}.log on {run.host.name}",
        evidence=seen,
    )


def _read(asked: CommandResult, seen: tuple[str, ...], begun: float | None) -> Ended | None:
    """How it ended, or None where it runs; `begun` is when it was, where this run began it."""
    answered, answer = time.monotonic(), read_answer(asked.stdout)
    if answer.state == "never":
        raise CannotObserve(f"it was not begun on {asked.host}", evidence=(*seen, asked.id))
    if answer.state == "running":
        return None
    code = whole_number(answer.state)
    stamped = None if begun is None else placed(answer, begun, answered)
    return Ended(code, answer.log.words, (*seen, asked.id), stamped)


def _wait(seconds: float) -> int:
    return int(max(1.0, min(_ASK_SECONDS, seconds)))


def _bound(wait: int) -> float:
    return wait * 3.0 + _SLACK_SECONDS
