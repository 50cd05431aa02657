"""What goes wrong underneath: the catalogue, its moments, its blows on real processes, and how a run's end counts."""

import dataclasses
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from gradedrun import HEAD
from pages import check, grade, step
from paths import ROOT

from xenlab.errors import CannotObserve
from xenlab.lab.custody import Custody, LabFound, now, this_process
from xenlab.outcomes import Outcome
from xenlab.proving import prover as prover_module
from xenlab.proving.disruptions import Disruptions, RunFiles
from xenlab.proving.ends import RunEnd, outcome_of, shortfalls
from xenlab.proving.matrix import Matrix
from xenlab.proving.pages import line, markdown
from xenlab.proving.prover import Prover, unreadable
from xenlab.proving.row import RowEnd, digest_of, endured
from xenlab.remote.waiting import wait_for
from xenlab.scenarios.catalogue import UNDERNEATH
from xenlab.scenarios.planting import NotPlanted
from xenlab.scenarios.scenario import BEGUN, FOUND, MOVED, RUN, Disruption, DisruptionKind, MustEnd, Underneath
from xenlab.testbed.hardware import Hardware
from xenlab.testbed.plan import HOSTS
from xenlab.testbed.qmp import Control
from xenlab.testbed.smalldisk import FILL, small_disk
from xenlab.testbed.state import ProcessId

ACTS = {"create", "shutdown", "pause", "unpause", "migrate", "write", "watch"}


# The catalogue


def test_each_says_who_is_struck_by_what_and_when() -> None:
    hosts = {host.name for host in HOSTS}
    of_hosts = {
        DisruptionKind.POWER_CUT,
        DisruptionKind.HALT,
        DisruptionKind.GO_ON,
        DisruptionKind.UNPLUG,
        DisruptionKind.PLUG_IN,
    }
    for one in UNDERNEATH:
        assert one.changes or one.disruptions, one.name
        assert 0 < one.must_end.within <= 1800
        assert not one.is_right
        for disruption in one.disruptions:
            assert (disruption.whom in hosts) == (disruption.kind in of_hosts), one.name
            assert disruption.whom in {*hosts, RUN}
            assert disruption.moment in ACTS | {BEGUN, FOUND, MOVED}
        assert len(set(one.disruptions)) == len(one.disruptions)


def test_every_step_is_told_to_end_in_both_ways_and_so_is_what_comes_before() -> None:
    steps = {one.step for one in UNDERNEATH if one.name.startswith("interrupted-in-")}
    assert len(steps) == 8
    for word in ("interrupted", "terminated"):
        names = {one.name for one in UNDERNEATH}
        assert {f"{word}-in-{step}" for step in steps} | {f"{word}-before-the-first-step"} <= names


def test_what_befalls_a_run_belongs_to_what_the_scenario_is() -> None:
    plain = Underneath("x", "y", (), "hosts", must_end=MustEnd(1, (), ""))
    assert digest_of(plain) != digest_of(
        dataclasses.replace(plain, disruptions=(Disruption(RUN, DisruptionKind.INTERRUPT, FOUND),))
    )


# Moments, as real files tell them


def test_moments_are_read_from_what_a_run_notes(tmp_path: Path) -> None:
    files = RunFiles(tmp_path / "reports", tmp_path / "state")
    assert [files.times(moment) for moment in (BEGUN, FOUND, MOVED, "migrate")] == [0, 0, 0, 0]
    evidence = files.reports / "evidence"
    evidence.mkdir(parents=True)
    (evidence / "commands.jsonl").write_text('{"id": "cmd-1"}\n{"id": "cmd-2"}\n')
    (evidence / "tape.jsonl").write_text('{"what": "guest1 start"}\n{"what": "guest1 live migration", "value": 1}\n')
    custody = Custody(files.state / "xenlab/custody")
    custody.begin(
        LabFound(
            run=custody.run,
            process=this_process(),
            began=now(),
            lab_name="embedded",
            working_copy="/x",
            lab_file="",
            guests={},
        )
    )
    for _ in range(2):
        custody.will("migrate", guest="guest1", host="baye", to="labubuntu")
    assert [files.times(moment) for moment in (BEGUN, FOUND, MOVED, "migrate", "create")] == [1, 1, 1, 2, 0]


# Blows, on real processes


@pytest.fixture
def run() -> Iterator["subprocess.Popen[bytes]"]:
    """A run that waits, and says by its exit status which signal it was told."""
    body = "import signal, threading; signal.signal(15, lambda *_: exit(7)); print(1, flush=True)"
    process = subprocess.Popen([sys.executable, "-c", f"{body}; threading.Event().wait()"], stdout=subprocess.PIPE)
    assert process.stdout
    process.stdout.readline()
    yield process
    process.kill()
    process.communicate()


@pytest.fixture
def files(tmp_path: Path) -> RunFiles:
    """Those of a run that has run its first command."""
    (tmp_path / "evidence").mkdir()
    (tmp_path / "evidence/commands.jsonl").write_text("{}\n")
    return RunFiles(tmp_path, tmp_path / "state")


@pytest.fixture
def host() -> Iterator[Hardware]:
    """A process in QEMU's place, which nobody can ask anything."""
    process = subprocess.Popen(["sleep", "100"])
    yield Hardware(ProcessId.of(process.pid), Control("QEMU of baye", Path("/nowhere/baye.qmp")))
    process.kill()
    process.wait()


def state(host: Hardware) -> str:
    return Path(f"/proc/{host.process.pid}/stat").read_text().rpartition(")")[2].split()[0]


def test_a_run_is_sent_its_signal_once_its_moment_has_come(
    run: "subprocess.Popen[bytes]", files: RunFiles, host: Hardware
) -> None:
    with Disruptions((Disruption(RUN, DisruptionKind.TERMINATE, BEGUN, 0.1),), {"baye": host}, run, files) as befallen:
        assert run.wait(10) == 7
    assert befallen.missed == {}


def test_what_does_not_come_about_is_told(run: "subprocess.Popen[bytes]", files: RunFiles, host: Hardware) -> None:
    never, late = (
        Disruption("baye", DisruptionKind.POWER_CUT, "migrate"),
        Disruption(RUN, DisruptionKind.TERMINATE, BEGUN, 60),
    )
    refused = Disruption("baye", DisruptionKind.UNPLUG, BEGUN)
    with Disruptions((never, late, refused), {"baye": host}, run, files) as befallen:
        wait_for(lambda: "QEMU of baye" in befallen.missed[refused], "QEMU to be asked", 10, 0.02)
    assert "QEMU of baye does not answer" in befallen.missed.pop(refused)
    assert befallen.missed == dict.fromkeys((never, late), "the run did not come so far")
    assert run.poll() is None
    assert host.process.alive


def test_a_host_that_stands_still_goes_on_when_the_run_is_over(
    run: "subprocess.Popen[bytes]", files: RunFiles, host: Hardware
) -> None:
    with Disruptions((Disruption("baye", DisruptionKind.HALT, BEGUN),), {"baye": host}, run, files):
        wait_for(lambda: state(host) == "T", "it to stand still", 10, 0.02)
    wait_for(lambda: state(host) == "S", "it to go on", 10, 0.02)


def test_a_host_that_loses_its_power_is_gone(run: "subprocess.Popen[bytes]", files: RunFiles, host: Hardware) -> None:
    with Disruptions((Disruption("baye", DisruptionKind.POWER_CUT, BEGUN),), {"baye": host}, run, files) as befallen:
        wait_for(lambda: not host.process.alive, "it to end", 10, 0.02)
    assert befallen.missed == {}
    host.go_on()  # nothing is left to be told


def test_a_cable_is_put_back_and_what_qemu_refuses_is_told(
    run: "subprocess.Popen[bytes]", files: RunFiles, host: Hardware, monkeypatch: pytest.MonkeyPatch
) -> None:
    said, asked = [""], []

    def monitor(_control: Control, command: str) -> str:
        asked.append(command)
        return said[0]

    monkeypatch.setattr(Control, "monitor", monitor)
    with Disruptions((Disruption("baye", DisruptionKind.UNPLUG, BEGUN),), {"baye": host}, run, files) as befallen:
        wait_for(lambda: not befallen.missed, "it to be unplugged", 10, 0.02)
    assert asked == ["set_link net off", "set_link net on"]
    said[0] = "Error: Device 'net' not found"
    with pytest.raises(CannotObserve, match="QEMU of baye, set_link: Error: Device 'net' not found"):
        host.unplug()


def test_a_run_is_left_without_file_handles(run: "subprocess.Popen[bytes]", files: RunFiles, host: Hardware) -> None:
    with Disruptions((Disruption(RUN, DisruptionKind.NO_HANDLES, BEGUN),), {"baye": host}, run, files):
        wait_for(lambda: resource.prlimit(run.pid, resource.RLIMIT_NOFILE)[0] == 3, "its bound", 10, 0.02)


def test_a_small_disk_is_filled_and_what_was_on_it_stays(
    run: "subprocess.Popen[bytes]", host: Hardware, tmp_path: Path
) -> None:
    folder = tmp_path / "disk"
    folder.mkdir()
    files = RunFiles(folder, folder / "state")
    try:
        with small_disk(folder):
            (folder / "evidence").mkdir()
            (folder / "evidence/commands.jsonl").write_text("{}\n")
            with Disruptions((Disruption(RUN, DisruptionKind.NO_ROOM, BEGUN),), {"baye": host}, run, files) as befallen:
                wait_for(lambda: not os.statvfs(folder).f_bavail, "it to be full", 10, 0.02)
            assert befallen.missed == {}
            with pytest.raises(OSError, match="No space left"):
                (folder / "more").write_bytes(b"x" * 5000)
    except CannotObserve:
        pytest.skip("a small disk can be made by root only")
    assert (folder / "evidence/commands.jsonl").read_text() == "{}\n"
    assert not (folder / FILL).exists()
    assert not os.path.ismount(folder)


# A run that is befallen, whole

STEP = (
    HEAD
    + """
from conftest import until_told

@step("move", points=10)
def test_move():
    '''The guest moves.'''
    check(True)
    until_told()

@pytest.mark.parametrize("guest_name", ["guest1"])
@step("boot", points=10)
def test_boot(guest_name):
    '''The guest boots.'''
    check(True)
"""
)
CONFTEST = """
import datetime, time
from threading import Event
from xenlab.grading.run import run_of
from xenlab.remote.record import CommandRecord

def pytest_collection_finish(session):
    global run
    run = run_of(session.config)
    run.closing.append(lambda: run.whereabouts.append("guest1 is on baye, as found"))

def until_told():
    now = datetime.datetime.now(datetime.timezone.utc)
    run.record(CommandRecord("baye", "xl list", 0, "", "", now, time.monotonic(), 0.1, False))
    Event().wait(60)
"""


@pytest.fixture
def prover(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Prover:
    """One whose lab is not there: its runs grade made-up steps, and its guests are nowhere."""
    monkeypatch.setattr(prover_module, "join", lambda _copy: None)
    monkeypatch.setattr(prover_module, "hardware_of", lambda _copy: {})
    monkeypatch.setattr(Prover, "_places", lambda _self: {})
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    (tmp_path / "tests").mkdir()
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = -p xenlab.grading.plugin -p no:cacheprovider\n")
    (tmp_path / "tests/conftest.py").write_text(CONFTEST)
    (tmp_path / "tests/test_lab.py").write_text(STEP)
    return Prover(tmp_path, tmp_path / "proof")


def befallen(must_end: MustEnd, *disruptions: Disruption) -> Underneath:
    return Underneath("told", "x", (), "move", alone=True, must_end=must_end, disruptions=disruptions)


def test_a_run_is_befallen_and_ends_as_it_must(prover: Prover) -> None:
    must = MustEnd(40, (Outcome.ERROR,), "stopped while it ran: interrupted")
    scenario = befallen(must, Disruption(RUN, DisruptionKind.TERMINATE, BEGUN))
    end = prover._endured(scenario)
    assert (end.code, end.evidence) == (2, "")
    assert list(shortfalls(scenario, end)) == []


def test_a_run_that_goes_on_is_ended_and_told(prover: Prover) -> None:
    scenario = befallen(MustEnd(15, (Outcome.ERROR,), ""), Disruption(RUN, DisruptionKind.NO_HANDLES, BEGUN))
    end = prover._endured(scenario)
    assert end.code is None
    assert "it did not end within 15 s" in list(shortfalls(scenario, end))
    assert end.evidence == ""  # up to there


def test_a_run_that_nothing_befell_proves_nothing(prover: Prover) -> None:
    scenario = befallen(MustEnd(4, (Outcome.ERROR,), ""), Disruption(RUN, DisruptionKind.TERMINATE, "migrate"))
    with pytest.raises(NotPlanted, match="told: the run was spared the SIGTERM: the run did not come so far"):
        prover._endured(scenario)


# How an end counts

MUST = MustEnd(60, (Outcome.ERROR,), "labubuntu")
DIES = Underneath(
    "dies",
    "labubuntu dies",
    (),
    "move",
    must_end=MUST,
    disruptions=(Disruption("baye", DisruptionKind.POWER_CUT, "migrate"),),
)
CUT = dataclasses.replace(DIES, disruptions=(Disruption(RUN, DisruptionKind.INTERRUPT, "migrate"),))
AWAY = dataclasses.replace(DIES, must_end=dataclasses.replace(MUST, home=False))
UNSEEN = grade(step("move", "error", checks=[check("cannot-observe", "error", actual="labubuntu is silent")]))
FAILED = grade(step("move", "failed", checks=[check("arrived", "failed", actual="labubuntu has it not")]))
END = RunEnd(3, "guest1 is on baye, as found", UNSEEN, "")


@pytest.mark.parametrize(
    ("scenario", "change", "told"),
    [
        (DIES, {}, []),
        (DIES, {"code": None}, ["it did not end within 60 s"]),
        (DIES, {"code": 1}, ["it ended with 1, not 3"]),
        (CUT, {}, ["it ended with 3, not 2"]),
        (CUT, {"code": 2}, []),
        (DIES, {"said": "Traceback (most recent call last):"}, ["it shows a traceback"]),
        (DIES, {"grade": FAILED}, ["move is failed, not error"]),
        (DIES, {"grade": None}, ["move is not graded, not error", "nothing says 'labubuntu'"]),
        (DIES, {"grade": None, "said": "error   move guest1  3 s  labubuntu is silent"}, []),
        (DIES, {"evidence": "its evidence cannot be read: x"}, ["its evidence cannot be read: x"]),
        (DIES, {"torn": ("guest1",)}, ["guest1 is in more than one place"]),
        (DIES, {"away": ("guest1",)}, ["guest1 is not as it was"]),
        (AWAY, {"away": ("guest1",)}, ["nothing says what to type to bring the guests home"]),
        (AWAY, {"away": ("guest1",), "said": "guest1 is lost, NOT as found; by hand: on baye: xl list"}, []),
        (AWAY, {"said": "guest1 is lost, NOT as found"}, ["nothing says what to type to bring the guests home"]),
        (AWAY, {"torn": ("guest1",)}, ["guest1 is in more than one place"]),
    ],
)
def test_an_end_counts_only_where_all_is_as_it_must_be(
    scenario: Underneath, change: dict[str, object], told: list[str]
) -> None:
    end = dataclasses.replace(END, **change)
    assert list(shortfalls(scenario, end)) == told
    row = endured(scenario, end, 12.34)
    assert (row.ended, row.why) == (RowEnd.OTHERWISE if told else RowEnd.AS_STATED, "; ".join(told))
    assert row.is_good == (not told)


def test_a_step_that_was_not_begun_must_have_no_grade() -> None:
    before = dataclasses.replace(CUT, must_end=MustEnd(60, (None,), "interrupted"))
    assert list(shortfalls(before, RunEnd(2, "Interrupted", None, ""))) == []
    assert "move is error, not not graded" in list(shortfalls(before, dataclasses.replace(END, code=2)))
    assert outcome_of(before, RunEnd(2, "passed move\nerror move", None, "")) is None


def test_rows_underneath_stand_by_themselves() -> None:
    good, bad = endured(DIES, END, 5), endured(dataclasses.replace(DIES, name="other"), RunEnd(None, "", None, ""), 6)
    matrix = Matrix((good, bad))
    assert (matrix.wrong, matrix.right, matrix.underneath) == ((), (), (good, bad))
    assert (matrix.checks, matrix.untouched, matrix.odd) == ((), (), (bad,))
    assert line(good).split()[:3] == ["as", "stated", "5"]
    assert "it did not end within 60 s" in line(bad)
    page = markdown(matrix)
    assert "| dies | labubuntu dies | error within 60 s, guests home | as stated | 5 |" in page
    assert "- **other** (otherwise): it did not end within 60 s" in page


def test_evidence_is_readable_whole_or_up_to_where_it_was_cut_off(tmp_path: Path) -> None:
    assert "No such file" in unreadable(tmp_path)
    evidence = tmp_path / "evidence"
    evidence.mkdir()
    for name in ("commands.jsonl", "tape.jsonl"):
        (evidence / name).write_text('{"a": 1}\n{"b"')
    assert unreadable(tmp_path) == ""
    (evidence / "tape.jsonl").write_text('{"a": 1}\n{"b"\n')
    assert "cannot be read" in unreadable(tmp_path)
    (evidence / "tape.jsonl").write_text("")
    (tmp_path / "evidence.zip").write_bytes(b"PK no archive")
    assert "cannot be read" in unreadable(tmp_path)
