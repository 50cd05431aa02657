"""A run that is only planned: what it would do is told as it would be typed, and a run as planned does nothing else."""

import json
import re
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from paths import RECORDINGS
from playedsessions import Sessions
from playedxen import GUESTS, PlayedXen
from recorded import step_tests, steps

from xenlab.errors import CannotObserve, UsageError
from xenlab.evidence import bundle
from xenlab.grading.planning import StepTest, keep_to, load_plan, pace_of, plan, rehearse, save_plan
from xenlab.grading.run import Run, StepRun
from xenlab.grading.scoring import StepSpec
from xenlab.lab.act_plan import ActPlan, GuestStops, Pace, PlannedAct, key_of
from xenlab.lab.custody import WATCH
from xenlab.lab.kinds import kinds
from xenlab.lab.lab import Lab
from xenlab.lab.seen import seen_of
from xenlab.lab.tape import PlayedTape
from xenlab.labfile import load
from xenlab.outcomes import Grade, LabInfo, MigrationRecord, Score
from xenlab.remote.record import MASK
from xenlab.report import act_plan as shown
from xenlab.report.folder import ReportsFolder
from xenlab.testbed.plan import GUEST_PASSWORD

RECORDED = sorted(RECORDINGS.glob("*.zip"))
PAUSED = "--p---"
MOVES = ["migrate labubuntu", "migrate baye"]
TO_AND_FRO = ["shutdown labubuntu", "create baye", "shutdown baye", "create labubuntu"]


def a_run(folder: Path, guests: tuple[str, ...] = ()) -> Run:
    return Run(str(folder / "lab.toml"), None, guests, ReportsFolder(folder))


@pytest.fixture
def lab(xen: PlayedXen, sessions: Sessions) -> Iterator[Lab]:
    """The played lab, opened to be planned for."""
    with Lab(xen.spec, lambda _: "", {}, read_only=True) as opened:
        yield opened


def planned(lab: Lab, xen: PlayedXen, *ids: str) -> ActPlan:
    lab.begin("lab.toml", str(xen.folder))
    run = a_run(xen.folder)
    run.seen = seen_of(lab)
    return plan(lab, run, step_tests(lab, run, ids or tuple(steps())))


def moves_of(plan: ActPlan, guest: str) -> list[str]:
    """What is done to a guest itself, with the host where it is typed."""
    acts = (act for act in plan.acts if act.facts.get("guest") == guest and act.act not in ("write", WATCH))
    return [f"{act.act} {act.machine}" for act in acts]


# What is planned


@pytest.mark.parametrize(
    ("where", "state", "before", "after"),
    [
        (None, "", ["create labubuntu"], ["shutdown labubuntu"]),
        ("labubuntu", "-b----", [], []),
        ("baye", "-b----", ["shutdown baye", "create labubuntu"], ["migrate labubuntu"]),
        ("labubuntu", PAUSED, ["unpause labubuntu"], ["pause labubuntu"]),
    ],
)
def test_a_guest_goes_through_the_whole_sheet_and_home_again(
    where: str | None, state: str, before: list[str], after: list[str], lab: Lab, xen: PlayedXen
) -> None:
    if where:
        xen.runs("guest1", where, state)
    world = xen.state
    told = planned(lab, xen)
    assert moves_of(told, "guest1") == [*before, *TO_AND_FRO, "pause labubuntu", *MOVES, *MOVES, *after]
    assert told.unforeseen == ()
    assert (xen.state, xen.acted) == (world, [])


def test_each_act_is_told_as_it_is_typed_with_its_undo(lab: Lab, xen: PlayedXen) -> None:
    xen.runs("guest1", "labubuntu")
    told = planned(lab, xen, "cold-migration", "live-migration")
    typed_of = {act.act: act for act in reversed(told.acts) if act.facts.get("guest") == "guest1"}
    assert typed_of["shutdown"].command == "timeout 5 xl shutdown -w guest1"
    assert typed_of["shutdown"].undo == f"on labubuntu: xl create {xen.config('guest1')}"
    assert typed_of["create"].command == f"xl create {xen.config('guest1')}"
    assert typed_of["create"].undo == "on baye: xl shutdown -w guest1"
    assert typed_of["migrate"].command.startswith("xl -vvv migrate -s 'ssh -o BatchMode=yes")
    assert typed_of["migrate"].command.endswith("guest1 10.1.1.143")
    assert typed_of["migrate"].undo == "on baye: xl migrate guest1 10.1.1.189"
    assert typed_of["write"].command.endswith("/root/.xenlab-RUN-nonce NONCE")
    assert typed_of["write"].undo == "on guest1: rm -f -- /root/.xenlab-RUN-nonce"
    assert ".xenlab-RUN-watch-heartbeat" in typed_of["watch"].command


def test_a_guest_that_is_unclear_is_not_planned_for(lab: Lab, xen: PlayedXen) -> None:
    xen.runs("guest1--incoming", "baye", PAUSED)
    told = planned(lab, xen, "boot-from-share", "cold-migration")
    assert moves_of(told, "guest1") == []
    assert moves_of(told, "guest2") != []
    assert [why.partition(":")[0] for why in told.unforeseen] == ["boot-from-share guest1", "cold-migration guest1"]


def test_what_looks_at_the_hosts_alone_only_locks_them(lab: Lab, xen: PlayedXen) -> None:
    told = planned(lab, xen, "hosts")
    assert {act.act for act in told.acts} == {""}
    assert shown.files(told) == [
        f"{host}:{path}" for host in ("baye", "labubuntu") for path in ("/run/xenlab-RUN", "/run/xenlab.lock")
    ]
    assert not any(stops.is_touched for stops in told.stops)


def test_a_step_that_cannot_be_rehearsed_is_told(lab: Lab, xen: PlayedXen) -> None:
    def asks(clock: object) -> None:
        """It asks for something of its own."""

    def breaks(guests: list[object]) -> None:
        """It looks closer than a rehearsal can show."""
        raise ZeroDivisionError(len(guests))

    lab.begin("lab.toml", str(xen.folder))
    run = a_run(xen.folder)
    tests = [StepTest(StepRun(StepSpec(f.__name__, "A step.", 1), None, run.journal), f, {}) for f in (asks, breaks)]
    told = plan(lab, run, tests)
    assert told.unforeseen == (
        "asks: it asks for clock, which cannot be rehearsed",
        "breaks: ZeroDivisionError: 2",
    )


# Against what real runs typed


@pytest.mark.parametrize("recording", RECORDED, ids=lambda path: path.stem)
def test_nothing_was_ever_done_that_a_plan_would_not_have_told(recording: Path, tmp_path: Path) -> None:
    with bundle.opened(recording) as folder:
        facts, then = bundle.facts_of(folder), bundle.grade_of(folder)
        spec = load(folder / bundle.LAB)
        tape = PlayedTape((folder / bundle.TAPE).read_text().splitlines(), kinds())
        lab = Lab(spec, lambda _: "", dict.fromkeys(spec.password_variables, "-"), tape=tape, read_only=True)
        lab.begin("", "")
        run = a_run(tmp_path, facts.guests)
        told, _ = rehearse(lab, step_tests(lab, run, facts.steps), facts.guests)
        entries = [json.loads(line) for line in (folder / bundle.COMMANDS).read_text().splitlines()]
    id_of_run = next(re.findall(r'"id": "([0-9a-f]{8})"', each["command"]) for each in entries if each["changes"])[0]
    of_steps = {id_ for step in then.steps if step.id != "left-as-found" for id_ in step.commands}
    # How a watch ends names processes that nobody can know before.
    acts = [each for each in entries if each["changes"] and each["id"] in of_steps and "remove=" not in each["command"]]
    foreseen = [(act.machine, own_part(act.command)) for act in told]
    for entry in acts:
        command = re.sub(r"\b(?:[0-9a-f]{16}){1,2}\b", "NONCE", entry["command"].replace(id_of_run, "RUN"))
        command = own_part(command).replace(MASK, GUEST_PASSWORD)
        assert any(entry["host"] == machine and command.endswith(each) for machine, each in foreseen), command


def own_part(command: str) -> str:
    """What a command has of its own: how its parts are bounded and told apart was otherwise in older recordings."""
    return command.partition("nonce=NONCE\n")[2] or command


def test_recorded_runs_have_done_each_kind_of_act() -> None:
    journals = "".join(zipfile.ZipFile(path).read("commands.jsonl").decode() for path in RECORDED)
    for words in ("xl create /", "xl shutdown -w", "xl pause", "xl -vvv migrate", "-nonce", "-watch-ping"):
        assert words in journals


# As planned


def as_planned(xen: PlayedXen, sessions: Sessions, told: ActPlan, **more: str) -> Lab:
    session = sessions.begin()
    run = a_run(xen.folder)
    run.steps = [StepRun(steps()[id_][0], None, run.journal) for id_ in told.steps]
    run.seen = {**seen_of(session), **more}
    keep_to(told, session, run)
    return session


def test_a_run_as_planned_does_what_is_planned_and_nothing_else(lab: Lab, xen: PlayedXen, sessions: Sessions) -> None:
    xen.runs("guest1", "labubuntu")
    session = as_planned(xen, sessions, planned(lab, xen, "cold-migration"))
    guest, (home, peer) = session.guest("guest1"), session.hosts
    with pytest.raises(CannotObserve, match="the plan has no such act: pause guest=guest1 host=labubuntu"):
        guest.acts.pause(home)
    guest.cold_migrate(peer)
    guest.cold_migrate(home)
    with pytest.raises(CannotObserve, match="the plan has no such act: shutdown guest=guest1 host=labubuntu"):
        guest.cold_migrate(peer)  # it was planned once
    assert xen.acted == [
        *("labubuntu shutdown guest1", "baye create guest1"),
        *("baye shutdown guest1", "labubuntu create guest1"),
    ]
    assert sessions.end(session)[0] == "guest1 is on labubuntu (-b----), as found"


def test_guests_are_brought_home_whatever_the_plan_says(lab: Lab, xen: PlayedXen, sessions: Sessions) -> None:
    xen.runs("guest1", "labubuntu")
    session = as_planned(xen, sessions, planned(lab, xen, "cold-migration"))
    session.guest("guest1").cold_migrate(session.hosts.named("baye"))
    assert sessions.end(session)[0] == "guest1 is on labubuntu (-b----), as found"
    assert "baye migrate guest1" in xen.acted


def test_what_was_paused_as_planned_may_go_on(lab: Lab, xen: PlayedXen, sessions: Sessions) -> None:
    xen.runs("guest1", "labubuntu")
    session = as_planned(xen, sessions, planned(lab, xen, "paused-migration"))
    home = session.hosts.named("labubuntu")
    session.guest("guest1").acts.pause(home)
    session.guest("guest1").acts.unpause(home)
    assert xen.where() == {"labubuntu/guest1": "-b----"}
    sessions.end(session)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda xen: xen.goes("guest1", "labubuntu"), "guest1 was on labubuntu, now off"),
        (lambda xen: xen.runs("guest2", "baye", PAUSED), "guest2 was off, now on baye, paused"),
        (lambda xen: xen.config("guest2").write_text("memory=1\n"), "guest2.cfg has changed"),
        (lambda xen: xen.silence("baye"), "host key SHA256:played, now not to be told"),
    ],
)
def test_a_lab_that_has_changed_is_refused_and_left(
    change: object, told: str, lab: Lab, xen: PlayedXen, sessions: Sessions
) -> None:
    assert callable(change)
    xen.runs("guest1", "labubuntu")
    rests_on = planned(lab, xen, "cold-migration")
    change(xen)
    with pytest.raises(UsageError, match="not as planned on .*" + re.escape(told)):
        as_planned(xen, sessions, rests_on)
    assert xen.acted == []


def test_a_plan_of_others_is_refused(lab: Lab, xen: PlayedXen, sessions: Sessions) -> None:
    told = planned(lab, xen, "cold-migration")
    for other in (
        {"steps": ("hosts",)},
        {"guests": ("guest2",)},
        {"lab_name": "embedded"},
        {"alone": True},
        {"again": True},
    ):
        session = sessions.begin()
        run = a_run(xen.folder)
        run.steps = [StepRun(steps()["cold-migration"][0], None, run.journal)]
        with pytest.raises(UsageError, match="of another lab, or of other steps or guests"):
            keep_to(told.model_copy(update=other), session, run)
        sessions.end(session)


def test_another_xenlab_is_a_change(lab: Lab, xen: PlayedXen, sessions: Sessions) -> None:
    told = planned(lab, xen, "hosts")
    with pytest.raises(UsageError, match="suite has changed"):
        as_planned(xen, sessions, told, suite="0" * 64)


def test_files_are_known_by_their_machine_alone() -> None:
    assert key_of("write", {"guest": "guest1", "file": "/root/.xenlab-1"}) == "write guest=guest1"


# Written and read


def test_a_plan_comes_back_as_it_was(lab: Lab, xen: PlayedXen, tmp_path: Path) -> None:
    told = planned(lab, xen)
    save_plan(told, tmp_path / "plan.json")
    assert load_plan(tmp_path / "plan.json") == told


@pytest.mark.parametrize("content", ["", "{}", '{"version": 2}', "[]"])
def test_what_is_no_plan_is_refused_in_a_line(content: str, tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_text(content)
    with pytest.raises(UsageError, match=r"plan\.json is no plan of ours") as refused:
        load_plan(tmp_path / "plan.json")
    assert "\n" not in str(refused.value)


def test_a_plan_that_is_not_there_or_cannot_be_written_is_told(lab: Lab, xen: PlayedXen, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        load_plan(tmp_path / "none.json")
    (tmp_path / "folder").mkdir()
    with pytest.raises(UsageError, match="choose another -o"):
        save_plan(planned(lab, xen, "hosts"), tmp_path / "folder")


# How long, and in words


def graded_before(name: str, *moves: MigrationRecord) -> Grade:
    return Grade(
        lab=LabInfo(name=name, kind="real", hosts=()),
        started=datetime.now(UTC),
        finished=datetime.now(UTC),
        score=Score(earned=0, possible=0),
        verdict="passed",
        steps=(),
        migrations=moves,
    )


def move(kind: str, seconds: float) -> MigrationRecord:
    return MigrationRecord.model_validate(
        {"guest": "guest1", "kind": kind, "source": "a", "target": "b", "seconds": seconds, "same_boot": True}
    )


def test_the_pace_is_that_of_the_labs_last_run() -> None:
    before = graded_before("team-7", move("cold", 30), move("cold", 50), move("live", 12))
    pace = pace_of(before, "team-7")
    assert (pace.start + pace.shut_down, pace.move, pace.measured) == (40, 12, True)
    assert pace_of(before, "team-8") == pace_of(None, "team-7") == Pace()
    assert not pace_of(graded_before("team-7", move("cold", 30)), "team-7").measured


def test_it_is_said_which_guests_stop_how_often_and_for_how_long(lab: Lab, xen: PlayedXen) -> None:
    xen.runs("guest1", "labubuntu")
    told = planned(lab, xen)
    first, second = shown.summary(told)
    assert first == (
        "guest1, now on labubuntu: started 2 times, shut down 2 times, paused once, moved while it runs 4 times; "
        "stopped for about 4 min in all; in a move it stands still for about 3 s; then on labubuntu again"
    )
    assert second.startswith("guest2, now off: started 3 times, shut down 3 times, paused once")
    assert "stopped for" not in second


def test_the_text_has_every_command_on_a_line_of_its_own(lab: Lab, xen: PlayedXen) -> None:
    told = planned(lab, xen)
    lines = list(shown.lines(told))
    assert sum(line.startswith("  on ") for line in lines) == len(told.acts)
    assert all("\n" not in line for line in lines)
    assert "boot-from-share guest2:" in lines
    assert any("guest1:/root/.xenlab-RUN-nonce" in line for line in lines if line.startswith("files written"))
    assert lines[-1].startswith("takes about ")
    assert lines[-1].endswith("(assumed, as no run of this lab has been measured)")


def test_a_guest_that_is_left_alone_is_told_so() -> None:
    acts = (PlannedAct(step="hosts", machine="baye", command="true"),)
    told = ActPlan(
        lab_name="embedded",
        guests=(),
        steps=(),
        alone=False,
        made=datetime.now(UTC),
        seen={},
        acts=acts,
        stops=(GuestStops(guest="guest1", found="off"),),
        seconds=300,
        pace=Pace(measured=True),
        unforeseen=("why",),
    )
    assert list(shown.lines(told)) == [
        "hosts:",
        "  on baye: true",
        "",
        "guest1, now off: not touched",
        "files written, and removed again: none",
        "not foreseen: why",
        "takes about 5 min, and less where guests go side by side (as in the last run)",
    ]


def test_guests_of_the_played_lab_are_those_of_these_tests(xen: PlayedXen) -> None:
    assert tuple(guest.name for guest in xen.spec.guests) == GUESTS
