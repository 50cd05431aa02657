"""A plan of acts as text: what is typed where, its undo, which guests stop, what is written, how long it takes.

Pure.
"""

import re
import shlex
from collections.abc import Iterator

from xenlab.evidence.text import plain
from xenlab.lab.act_plan import ActPlan, GuestStops, PlannedAct

_PROGRAMS = {"watch": "    # programs that watch it: a ping, in the guest also a writer and a heartbeat"}
_OURS = re.compile(r"/[\w./-]*(?:xenlab-RUN[\w.-]*|xenlab\.lock)(?=[\s'\"]|$)")


def lines(plan: ActPlan) -> Iterator[str]:
    """All of it, a line an act."""
    step = ""
    for act in plan.acts:
        if act.step != step:
            step = act.step
            yield f"{step}:"
        undo = f"    (undo: {act.undo})" if act.undo else ""
        yield plain(f"  on {act.machine}: {shown(act)}{_PROGRAMS.get(act.act, '')}{undo}")
    yield ""
    yield from summary(plan)
    yield f"files written, and removed again: {', '.join(files(plan)) or 'none'}"
    yield from unforeseen(plan)
    measured = "as in the last run" if plan.pace.measured else "assumed, as no run of this lab has been measured"
    yield f"takes about {duration(plan.seconds)}, and less where guests go side by side ({measured})"


def files(plan: ActPlan) -> list[str]:
    """Every file and folder of the run's that the commands name, as "machine:path"."""
    return sorted({f"{act.machine}:{path}" for act in plan.acts for path in _OURS.findall(act.command)})


def summary(plan: ActPlan) -> Iterator[str]:
    """What each guest goes through, a line each."""
    yield from (plain(_stops(guest)) for guest in plan.stops)


def unforeseen(plan: ActPlan) -> Iterator[str]:
    """What cannot be told of it, a line each."""
    yield from (plain(f"not foreseen: {why}") for why in plan.unforeseen)


def shown(act: PlannedAct) -> str:
    """A command on one line: of a script only what it is given."""
    return " ".join("…" if "\n" in word else shlex.quote(word) for word in shlex.split(act.command))


def duration(seconds: float) -> str:
    """Seconds for people."""
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def _stops(guest: GuestStops) -> str:
    said = f"{guest.guest}, now {guest.found}:"
    if not guest.is_touched:
        return f"{said} not touched"
    counts = [
        (guest.started, "started"),
        (guest.shut_down, "shut down"),
        (guest.paused, "paused"),
        (guest.moved, "moved while it runs"),
    ]
    times = [f"{what} {'once' if count == 1 else f'{count} times'}" for count, what in counts if count]
    stopped = f"; stopped for about {duration(guest.stopped_seconds)} in all" if guest.stopped_seconds else ""
    still = f"; in a move it stands still for about {guest.still_seconds:.0f} s" if guest.still_seconds else ""
    return f"{said} {', '.join(times)}{stopped}{still}; then {guest.found} again"
