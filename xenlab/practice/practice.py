"""A practice on the embedded lab: begun unsolved, solved task by task, gone back in, and told how far it is."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

from rich.console import Console

from xenlab.errors import CannotObserve, LabFault, UsageError
from xenlab.evidence.text import plain
from xenlab.lab.guest import Guest
from xenlab.lab.lab import Lab
from xenlab.lab.lock import HostLock
from xenlab.outcomes import Grade, Outcome
from xenlab.remote.waiting import NotInTime, wait_for
from xenlab.report.reading import first_to_fix, found_by
from xenlab.scenarios.planting import note, plant
from xenlab.scenarios.sheet import (
    SEEN,
    START,
    TASKS,
    UNSOLVED,
    GuestsMust,
    Task,
    TypedLine,
    checkpoint_after,
    not_there_yet,
    task_of,
)
from xenlab.testbed.embedded import EmbeddedLab
from xenlab.testbed.joining import join
from xenlab.testbed.provision import no_record
from xenlab.testbed.state import LabState, lab_folder

Judge: TypeAlias = Callable[[Sequence[str], Sequence[str]], Grade]
"""Has a run that only reads grade these steps, of these guests or of all."""

# Under emulation a guest's disk is copied onto the share, and a guest moved, in minutes.
_SECONDS = 1800.0
_SETTLE_SECONDS, _LOOK_SECONDS = 60.0, 2.0
_LINES = 40
_BOOT = next(task.step for task in TASKS if task.guests is GuestsMust.BE_OFF_OR_HOME)


def start(working_copy: Path, profile: str | None, network: str | None) -> LabState:
    """Bring the lab up unsolved, and keep it so.

    :raises UsageError: a lab is up already, or this machine lacks something.
    :raises CannotObserve: it does not come up, or cannot be had unsolved; then it is down again.
    """
    embedded = EmbeddedLab(working_copy, Console(stderr=True))
    state = embedded.state()
    if state is not None and state.running and state.checkpoints:
        raise UsageError(
            "a practice is on already", hint="./lab status says how far it is, ./lab back start begins it anew"
        )
    state = embedded.up(profile, network=network)
    try:
        spec = join(working_copy)
        with embedded.progress.stage(f"{state.profile}-unsolved", "having the lab unsolved"):
            plant(UNSOLVED, spec, embedded)
        _keep(embedded, checkpoint_after(START))
    except BaseException:
        embedded.down()
        raise
    return state


def go_back(working_copy: Path, step: str) -> None:
    """Have the lab as it was when this step's task was solved, or when the practice began (START).

    :raises UsageError: no practice is on, or that task was not solved in it.
    :raises CannotObserve: the lab does not come back.
    """
    kept = practice_in(working_copy).checkpoints
    wanted = checkpoint_after(step)
    if wanted not in kept:
        steps = [one for one in (START, *(task.step for task in TASKS)) if checkpoint_after(one) in kept]
        raise UsageError(f"nothing is kept of the lab after {step!r}", hint=f"kept: after {', '.join(steps)}")
    join(working_copy)
    embedded = EmbeddedLab(working_copy, Console(stderr=True))
    embedded.go_back(wanted)
    _note(embedded, kept[: kept.index(wanted) + 1])
    note(embedded)


def practice_in(working_copy: Path) -> LabState:
    """The lab of the practice that is on.

    :raises UsageError: none is.
    """
    state = LabState.load(lab_folder(working_copy))
    if state is None or not state.running:
        raise UsageError("no practice is on in this working copy", hint="./lab start")
    if not state.checkpoints:
        raise UsageError("the lab that is up is for no practice: it is solved", hint="./lab down, then ./lab start")
    return state


class Practice:
    """The practice that is on in a working copy; `say` shows a line.

    :raises UsageError: none is on, or something is planted in its lab.
    """

    def __init__(self, working_copy: Path, judge: Judge, say: Callable[[str], None]) -> None:
        state = practice_in(working_copy)
        if state.planted:
            raise UsageError(f"{', '.join(state.planted)} is planted in the lab", hint="./lab break --undo")
        self._spec = join(working_copy)
        self._embedded = EmbeddedLab(working_copy, Console(stderr=True))
        self._kept = state.checkpoints
        self._judge = judge
        self._say = say

    def solve(self, step: str | None, guests: Sequence[str]) -> None:
        """Do this step's task, or the next one, for these guests or all, unless a look shows that it is done.

        What the student has made is never written over. Once it is solved, the lab is kept.

        :raises UsageError: an earlier task comes first, or guests are elsewhere.
        :raises LabFault: a line did not do what it is typed for, or the step does not pass after all.
        :raises CannotObserve: the lab could not be seen.
        """
        wanted = task_of(step) if step else None
        grade = self._judge(_seen_up_to(wanted), guests)
        with Lab(self._spec, no_record) as lab:
            chosen = [guest for name, guest in lab.guests.items() if not guests or name in guests]
            task = wanted or self._next(grade, chosen)
            if task is None:
                self._say("every task is solved: ./lab finish grades the lab as it is")
                return
            _require_earlier(task, grade)
            done = _is_done(task, grade, chosen)
            if not done:
                _require_guests(task, chosen)
                self._say(f"{task.step}: {task.aim}")
                with _held(lab, f"solve {task.step}"):
                    for line in task.lines_for(guests):
                        self._type(lab, line)
        if not done:
            _require(_seen_up_to(task), self._judge(_seen_up_to(task), guests))
        if not done or task.checkpoint not in self._kept:
            _keep(self._embedded, task.checkpoint)
        self._say(f"{task.step}: {'done already' if done else 'solved'}; ./lab back {task.step} comes back to here")

    def _next(self, grade: Grade, guests: Iterable[Guest]) -> Task | None:
        seen = [task.step for task in TASKS if task.is_seen]
        if (task := not_there_yet(grade, seen)) is not None:
            return task
        acts = [task for task in TASKS if not task.is_seen]
        if not all(_is_at_home(guest) for guest in guests):
            return acts[0]
        return next((task for task in acts[1:] if task.checkpoint not in self._kept), None)

    def _type(self, lab: Lab, line: TypedLine) -> None:
        machine = lab.hosts.named(line.machine).remote
        given = None
        if line.reads is not None:
            given = lab.hosts.named(line.reads.machine).remote.run("sh", "-c", line.reads.command).check().stdout

        def is_there() -> bool:
            return machine.run("sh", "-c", line.took, stdin=given, timeout=_SECONDS).ok

        if is_there():
            return
        if machine.run("sh", "-c", line.would_write_over).ok:
            raise LabFault(
                f"{line.makes} is there on {line.machine}, and is not what `{line.script}` makes",
                hint="nothing is written over: move it away, and call it again",
            )
        guest = lab.guest(line.guest) if line.does else None
        if guest and line.does == "start":
            guest.acts.may_be_started(lab.hosts.named(line.machine))
        self._say(str(line))
        script = ("sh", "-c", line.script)
        try:
            typed = machine.run(*script, stdin=given, timeout=_SECONDS, changes=True, leave_running=True)
        except KeyboardInterrupt:
            self._say(f"it goes on on {line.machine}: neither a move nor a copy is cut off")
            raise
        words = plain(f"{typed.stdout}{typed.stderr}").splitlines()
        for word in words[-_LINES:]:
            self._say(word)
        try:  # a domain that has shut down is taken down a moment later
            wait_for(is_there, line.script, _SETTLE_SECONDS if typed.ok else 0, _LOOK_SECONDS)
        except NotInTime as late:
            last = words[-1] if words else f"exit code {typed.exit_code}"
            raise LabFault(
                f"`{line.script}` on {line.machine} did not do what it is typed for: {last}",
                hint="what was done by hand may be in its way: ./lab back STEP has the lab as it was after a step",
            ) from late
        if guest:
            guest.machine.close()
            guest.machine.wait_until_reachable(self._spec.timeouts.boot_seconds, f"{guest.name} to take logins")


def _seen_up_to(task: Task | None) -> tuple[str, ...]:
    """What a run that only reads can judge of the tasks up to this one."""
    return SEEN if task is None or task.step not in SEEN else SEEN[: SEEN.index(task.step) + 1]


def _require_earlier(task: Task, grade: Grade) -> None:
    """See that what the task builds upon is there."""
    earlier = [one.step for one in TASKS[: TASKS.index(task)] if one.is_seen]
    if (missing := not_there_yet(grade, earlier)) is None:
        return
    if _outcome(grade, missing.step) is Outcome.ERROR:
        _require(earlier, grade)
    raise UsageError(
        f"{missing.step} comes before {task.step}, and is not there yet: {_why(grade)[0]}",
        hint=f"./lab solve {missing.step}",
    )


def _require(steps: Sequence[str], grade: Grade) -> None:
    """See that all of these steps have passed."""
    if (missing := not_there_yet(grade, steps)) is None:
        return
    why, hint = _why(grade)
    if _outcome(grade, missing.step) is Outcome.FAILED:
        raise LabFault(f"{missing.step} is not there yet: {why}", hint=hint)
    raise CannotObserve(f"whether {missing.step} is there could not be seen: {why}", hint=hint)


def _why(grade: Grade) -> tuple[str, str]:
    """What is to be fixed first, and how."""
    found = first_to_fix(grade)
    return (f"{found[1].id}: {found_by(found[1])}", found[1].hint) if found else ("nothing was judged", "")


def _outcome(grade: Grade, step: str) -> Outcome | None:
    return next((result.outcome for result in grade.steps if result.id == step), None)


def _is_done(task: Task, grade: Grade, guests: Iterable[Guest]) -> bool:
    """Whether a look shows the task done, whoever did it and however."""
    if task.step not in SEEN or _outcome(grade, task.step) is not Outcome.PASSED:
        return False
    return task.is_seen or all(_is_at_home(guest) for guest in guests)


def _is_at_home(guest: Guest) -> bool:
    places = guest.acts.where()
    return places.host == guest.home.name and places.row is not None and not places.row.paused


def _require_guests(task: Task, guests: Iterable[Guest]) -> None:
    """See that guests are where the task begins with them."""
    if task.guests is GuestsMust.BE_ANYWHERE:
        return
    for guest in guests:
        places = guest.acts.look_settled()
        if places.is_off:
            if task.guests is GuestsMust.RUN_AT_HOME:
                raise UsageError(
                    f"{guest.name} is off: boot-from-share comes first", hint="./lab solve boot-from-share"
                )
            continue
        host = places.whole_on()
        if task.guests is GuestsMust.BE_OFF:
            hint = f"./lab ssh {host} xl shutdown -w {guest.name}"
            raise UsageError(
                f"{guest.name} is {places.words}: its files are copied and changed while it is off", hint=hint
            )
        if not _is_at_home(guest):
            raise UsageError(
                f"{guest.name} is {places.words}, and {task.step} begins with it running at home on {guest.home.name}",
                hint=f"bring it there, or shut it down and ./lab solve {_BOOT}",
            )


@contextmanager
def _held(lab: Lab, what: str) -> Iterator[None]:
    """Nobody grades the lab meanwhile."""
    lock = HostLock(lab.hosts, lab.custody.run, str(os.getpid()), lambda: what)
    lock.take()
    try:
        yield
    finally:
        lock.release()


def _keep(embedded: EmbeddedLab, checkpoint: str) -> None:
    embedded.keep(checkpoint)
    state = embedded.state()
    kept = state.checkpoints if state else []
    _note(embedded, [*(name for name in kept if name != checkpoint), checkpoint])


def _note(embedded: EmbeddedLab, checkpoints: Sequence[str]) -> None:
    if (state := embedded.state()) is not None:
        state.checkpoints = [*checkpoints]
        state.save()
