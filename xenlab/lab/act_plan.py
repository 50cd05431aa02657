"""What a run would do to a lab, told before it is done: each act as it will be typed, and what it rests on. Pure."""

import re
import shlex
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Literal

from pydantic import Field

from xenlab.outcomes import Model
from xenlab.xen import xl

RUN, NONCE = "RUN", "NONCE"
"""What stands in a plan for the run's id, and for a random word that it writes."""

_RANDOM = re.compile(r"\b(?:[0-9a-f]{16}){1,2}\b")


class PlannedAct(Model):
    """One act: typed as `command` on a host or in a guest (`machine`), while `step` runs, and taken back by `undo`.

    `act` and `facts` are what custody notes of it. What itself takes an act of ours back has neither these nor an undo.
    """

    step: str
    machine: str
    command: str
    act: str = ""
    facts: dict[str, str] = Field(default_factory=dict)
    undo: str = ""


class GuestStops(Model):
    """What a guest that was found so (`found`) goes through: how often it is shut down, paused, started and moved live.

    `stopped_seconds` is about how long one that runs is off or paused in all, `still_seconds` how long it stands still
    in a move.
    """

    guest: str
    found: str
    shut_down: int = 0
    paused: int = 0
    started: int = 0
    moved: int = 0
    stopped_seconds: float = 0.0
    still_seconds: float = 0.0

    @property
    def is_touched(self) -> bool:
        """Whether anything is done to it at all."""
        return bool(self.shut_down or self.paused or self.started or self.moved)


class Pace(Model):
    """How long acts take, in seconds: `measured` by an earlier run of the lab, or assumed."""

    start: float = 60.0
    shut_down: float = 20.0
    move: float = 60.0
    still: float = 3.0
    watch: float = 40.0
    measured: bool = False


class ActPlan(Model):
    """All that a run of these steps and guests would do to a lab that was `seen` so, if all goes well.

    `seen` tells by subject (a host, a guest, a file) what the plan rests on; `unforeseen` why acts of a step are not
    known. `lab_name` is "embedded" or the lab file's path, `alone` and `again` as in `--alone` and `--again`.
    """

    version: Literal[1] = 1
    lab_name: str
    guests: tuple[str, ...]
    steps: tuple[str, ...]
    alone: bool
    again: bool = False
    made: datetime
    seen: dict[str, str]
    acts: tuple[PlannedAct, ...]
    stops: tuple[GuestStops, ...]
    seconds: float
    pace: Pace
    unforeseen: tuple[str, ...] = ()

    def changes_since(self, seen: Mapping[str, str]) -> Iterator[str]:
        """What is not as the plan rests on, a few words a subject."""
        for subject in sorted({*self.seen, *seen}):
            then, now = self.seen.get(subject, "not there"), seen.get(subject, "not there")
            if then != now:
                is_digest = bool(re.fullmatch(r"[0-9a-f]{64}", then) or re.fullmatch(r"[0-9a-f]{64}", now))
                yield f"{subject} has changed" if is_digest else f"{subject} was {then}, now {now}"

    def allowed(self) -> Counter[str]:
        """How often each act may be done, by `key_of`; what was paused may go on, which is all that Xen may leave."""
        keys = Counter(key_of(act.act, act.facts) for act in self.acts if act.act)
        keys.update(key_of("unpause", act.facts) for act in self.acts if act.act == "pause")
        return keys


def key_of(act: str, facts: Mapping[str, str]) -> str:
    """An act as a plan knows it, whichever run does it: its files bear the run's id."""
    return " ".join([act, *(f"{name}={value}" for name, value in sorted(facts.items()) if name != "file")])


def typed(argv: Sequence[str]) -> str:
    """A command as it will be typed, with `NONCE` for what is random."""
    return _RANDOM.sub(NONCE, shlex.join(argv))


def undo_of(act: str, facts: Mapping[str, str], config: str, back_to: str) -> str:
    """What to type against an act on a guest, whose config is `config`; a move goes `back_to` an address."""
    guest, host = facts.get("guest", ""), facts.get("host", "")
    undo = {
        "create": xl.shutdown,
        "pause": xl.unpause,
        "unpause": xl.pause,
    }
    if act in undo:
        return f"on {host}: {shlex.join(undo[act](guest))}"
    if act == "shutdown":
        return f"on {host}: {shlex.join(xl.create(config))}"
    return f"on {facts['to']}: {shlex.join(('xl', 'migrate', guest, back_to))}" if act == "migrate" else ""


def stops_of(guest: str, found: str, acts: Sequence[PlannedAct], pace: Pace, *, runs: bool) -> GuestStops:
    """What the acts come to for one guest, which was `found` so; one that `runs` is missed while it is stopped."""
    count = Counter(act.act for act in acts if act.facts.get("guest") == guest)
    stopped = count["shutdown"] * (pace.shut_down + pace.start) + count["pause"] * pace.move
    return GuestStops(
        guest=guest,
        found=found,
        shut_down=count["shutdown"],
        paused=count["pause"],
        started=count["create"],
        moved=count["migrate"],
        stopped_seconds=round(stopped) if runs else 0.0,
        still_seconds=pace.still if count["migrate"] else 0.0,
    )


def seconds_of(acts: Sequence[PlannedAct], pace: Pace) -> float:
    """About how long the acts take one after the other, and the looks beside them."""
    each = {"create": pace.start, "shutdown": pace.shut_down, "migrate": pace.move, "watch": pace.watch}
    return round(sum(each.get(act.act, 1.0) for act in acts) + 30.0)
