"""A practice on played hosts: what is solved and in which order, what is refused, and what is kept."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from pages import check, grade, step
from playedsessions import Sessions
from playedxen import RUNS, PlayedXen

from xenlab.errors import CannotObserve, LabFault, UsageError
from xenlab.lab.lab import Lab
from xenlab.lab.lock import LabInUse
from xenlab.outcomes import Grade
from xenlab.practice import practice
from xenlab.practice.practice import Practice, go_back, start
from xenlab.remote.result import CommandResult
from xenlab.scenarios.planting import NotPlanted
from xenlab.scenarios.sheet import SEEN, TASKS, TypedLine, checkpoint_after
from xenlab.testbed.state import LabState, ProcessId

START = checkpoint_after("start")
PAUSED = "--p---"


class Embedded:
    """Stands in for EmbeddedLab: notes what is asked of it."""

    asked: list[str]

    def __init__(self, working_copy: Path, *_: object) -> None:
        self.folder = working_copy / ".lab"

    def state(self) -> LabState | None:
        return LabState.load(self.folder)

    def up(self, profile: str | None, *, network: str | None) -> LabState:
        self.asked.append(f"up {profile} {network}")
        return up(self.folder)

    def down(self) -> None:
        self.asked.append("down")

    def keep(self, checkpoint: str) -> None:
        self.asked.append(f"keep {checkpoint}")

    def go_back(self, checkpoint: str) -> None:
        self.asked.append(f"go back {checkpoint}")

    @property
    def progress(self) -> "Embedded":
        return self

    def stage(self, _key: str, text: str) -> "Embedded":
        self.asked.append(text)
        return self

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...


def up(folder: Path, *checkpoints: str, planted: Sequence[str] = ()) -> LabState:
    """A lab of this working copy that is up: its processes are this one."""
    folder.mkdir(exist_ok=True)
    ours = ProcessId.of(os.getpid())
    state = LabState(folder, "classic", images="/images", sockets="/sockets", keeper=ours, hosts={"baye": ours})
    state.ready, state.checkpoints, state.planted = True, [*checkpoints], [*planted]
    state.save()
    return state


class Judge:
    """Stands in for runs that only read: one that finds these steps wrong, then one that finds `then` wrong."""

    def __init__(self, wrong: Sequence[str] = (), then: Sequence[str] = (), outcome: str = "failed") -> None:
        self.runs: list[tuple[tuple[str, ...], tuple[str, ...]]] = []
        self._wrong = [wrong, then]
        self._outcome = outcome

    def __call__(self, steps: Sequence[str], guests: Sequence[str]) -> Grade:
        self.runs.append((tuple(steps), tuple(guests)))
        wrong = self._wrong[min(len(self.runs), len(self._wrong)) - 1]
        return grade(*(self._step(name, self._outcome if name in wrong else "passed") for name in steps))

    @staticmethod
    def _step(name: str, outcome: str) -> object:
        return step(name, outcome, checks=[check("a-check", outcome, expected="this", actual="that", hint="do it")])


@pytest.fixture
def embedded(xen: PlayedXen, sessions: Sessions, monkeypatch: pytest.MonkeyPatch) -> type[Embedded]:
    """The played hosts as the embedded lab, with the practice just begun."""
    monkeypatch.setattr(practice, "EmbeddedLab", Embedded)
    monkeypatch.setattr(practice, "join", lambda _: xen.spec)
    monkeypatch.setattr("xenlab.scenarios.planting.lab_file_of", lambda _: xen.spec)
    monkeypatch.setattr(Embedded, "asked", [], raising=False)
    for name in ("labubuntu", "baye"):
        xen.machines[name].puts("/mnt/private/artem", xen.share)
    up(xen.folder / ".lab", START)
    return Embedded


@pytest.fixture
def said() -> list[str]:
    return []


def solve(xen: PlayedXen, said: list[str], step: str | None = None, judge: Judge | None = None) -> None:
    """Of guest1 alone: here both guests are at home on one host."""
    Practice(xen.folder, judge or Judge(), said.append).solve(step, ["guest1"])


def kept(xen: PlayedXen) -> list[str]:
    state = LabState.load(xen.folder / ".lab")
    assert state
    return state.checkpoints


# Task by task


def test_acts_are_solved_one_after_the_other(xen: PlayedXen, embedded: type[Embedded], said: list[str]) -> None:
    solve(xen, said)
    assert xen.where() == {"labubuntu/guest1": RUNS}
    assert xen.acted == ["labubuntu create guest1"]
    assert "root@labubuntu:~# xl create /mnt/private/artem/guest1.cfg" in said
    solve(xen, said)
    assert xen.acted[1:] == [
        "labubuntu shutdown guest1",
        "baye create guest1",
        "baye shutdown guest1",
        "labubuntu create guest1",
    ]
    xen.plan("labubuntu", "migrate", "refused")
    solve(xen, said)
    assert xen.acted[5:] == ["labubuntu pause guest1", "labubuntu migrate guest1", "labubuntu unpause guest1"]
    assert "Migration failed, failed to suspend at sender." in said
    xen.plan("labubuntu", "migrate", "works")
    solve(xen, said)
    assert xen.acted[8:] == ["labubuntu migrate guest1", "baye migrate guest1"]
    assert xen.where() == {"labubuntu/guest1": RUNS}
    steps = ["boot-from-share", "cold-migration", "paused-migration", "live-migration"]
    assert kept(xen) == [START, *map(checkpoint_after, steps)]
    assert embedded.asked == [f"keep {checkpoint_after(step)}" for step in steps]
    solve(xen, said)
    assert said[-1] == "every task is solved: ./lab finish grades the lab as it is"
    assert len(xen.acted) == 10


def test_nothing_is_held_once_it_is_solved(
    xen: PlayedXen, embedded: type[Embedded], sessions: Sessions, said: list[str]
) -> None:
    solve(xen, said)
    assert sessions.locked() == []


def test_what_is_there_already_is_left_as_it_is(xen: PlayedXen, embedded: type[Embedded], said: list[str]) -> None:
    xen.runs("guest1", "labubuntu")
    for name in SEEN:
        judge = Judge()
        solve(xen, said, name, judge)
        assert judge.runs == [(SEEN[: SEEN.index(name) + 1], ("guest1",))]
        assert said == [f"{name}: done already; ./lab back {name} comes back to here"]
        said.clear()
    assert xen.acted == []
    solve(xen, said, "hosts")
    assert kept(xen) == [START, *map(checkpoint_after, SEEN)]
    assert len(embedded.asked) == len(SEEN)


def test_the_first_task_that_a_look_does_not_show_is_next(
    xen: PlayedXen, embedded: type[Embedded], said: list[str]
) -> None:
    xen.runs("guest1", "labubuntu")
    with pytest.raises(UsageError, match=r"guest1 is on labubuntu \(-b----\): its files are copied") as refused:
        solve(xen, said, judge=Judge(["path-fixes"]))
    assert refused.value.hint == "./lab ssh labubuntu xl shutdown -w guest1"
    assert (said, xen.acted, embedded.asked) == ([], [], [])


@pytest.mark.parametrize("step", [task.step for task in TASKS[1:]])
def test_an_earlier_task_comes_first(step: str, xen: PlayedXen, embedded: type[Embedded], said: list[str]) -> None:
    words = rf"hosts comes before {step}, and is not there yet: a-check: expected this, found that"
    with pytest.raises(UsageError, match=words) as refused:
        solve(xen, said, step, Judge(["hosts"]))
    assert refused.value.hint == "./lab solve hosts"
    with pytest.raises(CannotObserve, match="whether hosts is there could not be seen"):
        solve(xen, said, step, Judge(["hosts"], outcome="error"))
    assert (said, xen.acted, embedded.asked) == ([], [], [])


@pytest.mark.parametrize("step", ["cold-migration", "paused-migration", "live-migration"])
def test_a_guest_that_is_off_is_not_moved(step: str, xen: PlayedXen, embedded: type[Embedded], said: list[str]) -> None:
    with pytest.raises(UsageError, match="guest1 is off: boot-from-share comes first"):
        solve(xen, said, step)
    assert (said, xen.acted, embedded.asked) == ([], [], [])


@pytest.mark.parametrize(("host", "state"), [("baye", RUNS), ("labubuntu", PAUSED)])
@pytest.mark.parametrize("step", ["boot-from-share", "live-migration"])
def test_a_guest_that_is_elsewhere_is_left_there(
    step: str, host: str, state: str, xen: PlayedXen, embedded: type[Embedded], said: list[str]
) -> None:
    xen.runs("guest1", host, state)
    with pytest.raises(UsageError, match="begins with it running at home on labubuntu"):
        solve(xen, said, step)
    assert (said, xen.acted) == ([], [])


def test_no_guest_is_started_on_a_disk_that_another_one_has(
    xen: PlayedXen, embedded: type[Embedded], said: list[str]
) -> None:
    xen.runs("backup", "baye", RUNS, f"{xen.disk('guest1')} xvda1 w")
    with pytest.raises(LabFault, match="guest1 must not be started: backup on baye has its disk"):
        solve(xen, said)
    assert xen.acted == []


def test_a_run_that_goes_on_is_not_disturbed(
    xen: PlayedXen, embedded: type[Embedded], sessions: Sessions, said: list[str]
) -> None:
    run = sessions.begin()
    with pytest.raises(LabInUse):
        solve(xen, said)
    assert xen.acted == []
    sessions.end(run)


def test_what_does_not_pass_after_all_is_not_kept(xen: PlayedXen, embedded: type[Embedded], said: list[str]) -> None:
    with pytest.raises(LabFault, match="boot-from-share is not there yet: a-check: expected this") as fault:
        solve(xen, said, judge=Judge(then=["boot-from-share"]))
    assert fault.value.hint == "do it"
    assert xen.acted == ["labubuntu create guest1"]
    assert (embedded.asked, kept(xen)) == ([], [START])


def test_a_line_that_fails_is_told_in_its_own_words(xen: PlayedXen, embedded: type[Embedded], said: list[str]) -> None:
    xen.plan("labubuntu", "create", "fails")
    with pytest.raises(LabFault, match=r"`xl create /mnt/private/artem/guest1.cfg` on labubuntu did not do") as fault:
        solve(xen, said)
    assert fault.value.message.endswith(said[-1])
    assert embedded.asked == []


def test_a_paused_guest_that_xen_did_move_comes_home(xen: PlayedXen, embedded: type[Embedded], said: list[str]) -> None:
    """As in the report; here its way back, which an ssh to the other host types, is played by that host."""
    xen.runs("guest1", "labubuntu")
    back = xen.machines["labubuntu"].folder / "bin"
    back.mkdir()
    (back / "ssh").write_text('#!/bin/sh\nshift\nPLAYED_HOST=baye exec "$@"\n')
    (back / "ssh").chmod(0o755)
    environ = xen.machines["labubuntu"]._environ
    environ["PATH"] = f"{back}:{environ['PATH']}"
    solve(xen, said, "paused-migration")
    assert xen.acted == ["labubuntu pause guest1", "labubuntu migrate guest1", "baye migrate guest1"]
    assert xen.where() == {"labubuntu/guest1": RUNS}


# Single lines


@pytest.fixture
def lab(xen: PlayedXen, embedded: type[Embedded]) -> Iterator[Lab]:
    with Lab(xen.spec, lambda _: "", {}) as opened:
        yield opened


def test_a_file_is_never_written_over(xen: PlayedXen, lab: Lab, said: list[str], tmp_path: Path) -> None:
    mine, new = tmp_path / "mine", tmp_path / "new"
    mine.write_text("what I did")
    new.write_text("another")
    line = TypedLine("baye", f"cp {new} {mine}", f"cmp -s {new} {mine}", makes=str(mine))
    with pytest.raises(LabFault, match="is there on baye, and is not what") as fault:
        Practice(xen.folder, Judge(), said.append)._type(lab, line)
    assert "nothing is written over" in fault.value.hint
    assert mine.read_text() == "what I did"
    mine.unlink()
    Practice(xen.folder, Judge(), said.append)._type(lab, line)
    assert mine.read_text() == "another"
    assert said == [f"root@baye:~# cp {new} {mine}"]


def test_what_is_typed_goes_on_where_solving_is_interrupted(
    xen: PlayedXen, embedded: type[Embedded], sessions: Sessions, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    home, left = xen.machines["labubuntu"], []
    run = home.run

    def interrupted(*argv: str, leave_running: bool = False, **options: object) -> CommandResult:
        if "xl create /mnt/private/artem/guest1.cfg" in argv:
            left.append(leave_running)
            raise KeyboardInterrupt
        return run(*argv, **options)

    monkeypatch.setattr(home, "run", interrupted)
    with pytest.raises(KeyboardInterrupt):
        solve(xen, said)
    assert left == [True]
    assert said[-1] == "it goes on on labubuntu: neither a move nor a copy is cut off"
    assert (sessions.locked(), embedded.asked) == ([], [])


# Where there is no practice, and its ends


def test_what_is_planted_is_undone_first(xen: PlayedXen, embedded: type[Embedded], said: list[str]) -> None:
    up(xen.folder / ".lab", START, planted=["unmounted"])
    with pytest.raises(UsageError, match="unmounted is planted"):
        solve(xen, said)


def test_a_lab_that_is_solved_is_for_no_practice(xen: PlayedXen, embedded: type[Embedded], said: list[str]) -> None:
    up(xen.folder / ".lab")
    for call in (lambda: solve(xen, said), lambda: go_back(xen.folder, "start")):
        with pytest.raises(UsageError, match="is for no practice") as refused:
            call()
        assert "./lab start" in refused.value.hint


def test_going_back_forgets_what_came_later(xen: PlayedXen, embedded: type[Embedded]) -> None:
    steps = ["hosts", "shared-storage", "path-fixes"]
    up(xen.folder / ".lab", START, *map(checkpoint_after, steps), planted=["unmounted"])
    go_back(xen.folder, "shared-storage")
    assert kept(xen) == [START, checkpoint_after("hosts"), checkpoint_after("shared-storage")]
    state = LabState.load(xen.folder / ".lab")
    assert state
    assert state.planted == []
    with pytest.raises(UsageError, match="nothing is kept of the lab after 'path-fixes'") as refused:
        go_back(xen.folder, "path-fixes")
    assert refused.value.hint == "kept: after start, hosts, shared-storage"
    go_back(xen.folder, "start")
    assert kept(xen) == [START]
    assert embedded.asked == ["go back after-shared-storage", "go back after-start"]


def test_a_practice_begins_unsolved_and_kept(
    xen: PlayedXen, embedded: type[Embedded], monkeypatch: pytest.MonkeyPatch
) -> None:
    (xen.folder / ".lab/state.json").unlink()
    had: list[str] = []
    monkeypatch.setattr(practice, "plant", lambda scenario, spec, _embedded: had.append(f"{scenario.name} {spec.name}"))
    start(xen.folder, "modern", "user")
    assert had == ["start played"]
    assert embedded.asked == ["up modern user", "having the lab unsolved", "keep after-start"]
    assert kept(xen) == [START]
    with pytest.raises(UsageError, match="a practice is on already"):
        start(xen.folder, None, None)


def test_a_lab_that_cannot_be_had_unsolved_is_down_again(
    xen: PlayedXen, embedded: type[Embedded], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_of: object) -> None:
        raise NotPlanted("umount: target is busy")

    (xen.folder / ".lab/state.json").unlink()
    monkeypatch.setattr(practice, "plant", fails)
    with pytest.raises(NotPlanted):
        start(xen.folder, None, None)
    assert embedded.asked[-1] == "down"
