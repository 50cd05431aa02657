"""The embedded lab for real: it comes up, passes, tells each planted fault, and leaves nothing.

One lab serves all tests; a fault is undone by restoring the hosts, which takes seconds.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from xenlab.outcomes import CheckResult, Grade, Outcome
from xenlab.probes.diagnosis import PingCause
from xenlab.proving.proof import Proof
from xenlab.proving.row import RowEnd
from xenlab.remote.waiting import wait_for
from xenlab.scenarios.catalogue import SCENARIOS
from xenlab.testbed.state import LabState

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [pytest.mark.embedded, pytest.mark.timeout(2700)]

PROVEN = (
    *("no-key-to-peer", "bridge-renamed", "root-squashed", "unmounted", "path-misses-a-folder", "more-memory"),
    *("no-getty", "image-mounted", "target-cannot-see-the-share", "target-has-that-name"),
    *("target-without-memory", "key-gone-before-the-move", "left-paused", "left-a-file", "runs-when-found"),
)
"""Two faults of each module of the lab sheet, and a right lab."""


def lab(*arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """One call of the command line in a working copy, as a user makes it."""
    return subprocess.run(
        [sys.executable, "-m", "xenlab", *arguments], cwd=cwd, capture_output=True, text=True, check=False
    )


def graded(reports: Path, *options: str) -> tuple[int, Grade]:
    """A plain `pytest` run of the graded steps on the lab that is up; its output passes through."""
    command = [sys.executable, "-m", "pytest", f"--reports={reports}", f"--junitxml={reports}/junit.xml"]
    run = subprocess.run([*command, f"--alluredir={reports}/allure-results", *options], cwd=ROOT, check=False)
    return run.returncode, Grade.model_validate_json((reports / "grade.json").read_text())


def outcomes(grade: Grade) -> dict[str, Outcome]:
    return {step.id: step.outcome for step in grade.steps}


def failed_checks(grade: Grade) -> list[CheckResult]:
    return [check for step in grade.steps for check in step.checks if check.outcome is Outcome.FAILED]


@pytest.fixture(scope="module")
def one_lab() -> Iterator[None]:
    lab("down")
    up = lab("up")
    assert up.returncode == 0, up.stderr
    yield
    lab("down")


@pytest.fixture
def fresh_lab(one_lab: None) -> None:
    """The lab as it comes up: both hosts restored from their snapshot."""
    lab("down")
    up = lab("up")
    assert up.returncode == 0, up.stderr


def test_a_second_up_is_refused_in_one_line(one_lab: None) -> None:
    again = lab("up")
    assert again.returncode == 2
    assert "already up" in again.stderr
    assert again.stderr.count("\n") == 1


def test_status_shows_both_hosts(one_lab: None) -> None:
    status = lab("status")
    assert status.returncode == 0
    assert "labubuntu" in status.stdout
    assert "baye" in status.stdout


def test_two_working_copies_have_a_lab_each(one_lab: None, tmp_path: Path) -> None:
    other = tmp_path / "another working copy"
    shutil.copytree(ROOT / "xenlab", other / "xenlab")
    up = lab("up", cwd=other)
    try:
        assert up.returncode == 0, up.stderr
        for copy in (ROOT, other):
            assert lab("ssh", "labubuntu", "cat", "/mnt/private/artem/guest1.cfg", cwd=copy).returncode == 0
    finally:
        assert lab("down", cwd=other).returncode == 0
    assert not (other / ".lab").exists()
    assert lab("status").returncode == 0


@pytest.mark.parametrize("hosts", [0, 1, 2])
def test_an_interrupted_up_leaves_nothing(hosts: int, one_lab: None, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(ROOT / "xenlab", copy / "xenlab")
    up = subprocess.Popen([sys.executable, "-m", "xenlab", "up"], cwd=copy, stderr=subprocess.PIPE, text=True)
    state = wait_for(lambda: _half_up(copy, hosts), f"{hosts} hosts to be started", timeout=120, interval=0.001)
    up.send_signal(signal.SIGINT)
    _, said = up.communicate(timeout=60)
    assert up.returncode == 130, said
    assert "Traceback" not in said
    assert not any(process.alive for process in state.hosts.values())
    assert state.keeper
    assert not state.keeper.alive
    assert not Path(state.sockets).exists()
    assert [path.name for path in (copy / ".lab").iterdir()] == ["lock"]
    # Whatever the state knew of: no program that was started for this lab is left.
    assert _programs_with(str(copy)) == []


def test_a_host_that_hangs_in_boot_is_told_by_its_console(one_lab: None, tmp_path: Path) -> None:
    state = LabState.load(ROOT / ".lab")
    assert state is not None
    copy, images = tmp_path / "copy", tmp_path / "cache/xenlab" / Path(state.images).name
    shutil.copytree(ROOT / "xenlab", copy / "xenlab")
    shutil.copytree(state.images, images, ignore=shutil.ignore_patterns("warm-*"), copy_function=os.symlink)
    hasty = "from xenlab.cli.main import main; from xenlab.testbed import embedded; "
    hasty += "embedded._BOOT_SECONDS.update(tcg=12.0, kvm=12.0); raise SystemExit(main(['up']))"
    up = subprocess.run(
        [sys.executable, "-c", hasty],
        cwd=copy,
        env={**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert up.returncode == 3, up.stderr
    said = up.stderr.splitlines()[-1]
    assert re.fullmatch(r"xenlab: waited 12 s for (labubuntu|baye) to boot; its console ends with: .*\(XEN\).*", said)
    assert [path.name for path in (copy / ".lab").iterdir()] == ["lock"]
    assert not list(images.glob("warm-*"))


def _half_up(copy: Path, hosts: int) -> LabState | None:
    state = LabState.load(copy / ".lab")
    return state if state and state.keeper and len(state.hosts) >= hosts else None


def _programs_with(word: str) -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            found.append(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
    return [line for line in found if word in line]


def test_every_step_passes_on_real_xen(one_lab: None, tmp_path: Path) -> None:
    code, grade = graded(tmp_path)
    assert set(outcomes(grade).values()) == {Outcome.PASSED}, outcomes(grade)
    assert code == 0
    assert grade.score.earned == grade.score.possible == 100
    moves = Counter((move.kind, move.source) for move in grade.migrations)
    # Xen refuses to send these guests while they are paused.
    assert moves == {("cold", "labubuntu"): 2, ("cold", "baye"): 2, ("live", "labubuntu"): 2, ("live", "baye"): 2}
    assert all(move.same_boot == (move.kind != "cold") for move in grade.migrations)
    watched = [move for move in grade.migrations if move.outside or move.inside]
    assert [move.kind for move in watched] == ["live"] * 4
    for move in watched:
        assert move.outside is not None
        assert move.inside is not None
        assert move.outside.sent == move.outside.received + move.outside.lost
        assert move.outside.sent > 1000 * move.seconds / move.outside.interval_ms * 0.8
        assert move.inside.last_before is not None
        assert move.heartbeat is not None
        assert move.heartbeat.beats > 1000 * move.seconds / move.heartbeat.interval_ms * 0.5
        assert move.connection is not None
        assert move.connection.intact
        assert move.connection.returned_bytes == move.connection.sent_bytes > 0
    for name in ("report.html", "grade.json", "junit.xml", "evidence/commands.jsonl"):
        assert (tmp_path / name).stat().st_size > 0
    commands = [json.loads(line) for line in (tmp_path / "evidence/commands.jsonl").read_text().splitlines()]
    assert sum("xl -vvv migrate" in command["command"] for command in commands) >= 6
    # What changes the lab is told apart from what only looks at it.
    assert all(command["changes"] for command in commands if "xl create /" in command["command"])
    assert len(commands) <= 220


def test_planted_faults_turn_their_checks_red_and_right_labs_stay_green(fresh_lab: None, tmp_path: Path) -> None:
    """Two faults of each module, planted, graded and undone; that the lab as it is passes has been shown before."""
    proven = lab("prove", *PROVEN, "--skip-steady", "--reports", str(tmp_path))
    assert proven.returncode == 0, proven.stdout + proven.stderr
    rows = Proof(tmp_path / "proof", SCENARIOS).matrix.rows
    assert {row.scenario for row in rows} >= set(PROVEN)
    assert {row.ended for row in rows} == {RowEnd.KILLED, RowEnd.GREEN}


def test_a_planted_fault_is_undone_in_place(fresh_lab: None, tmp_path: Path) -> None:
    planted = lab("break", "config-empty")
    assert planted.returncode == 0, planted.stderr
    assert "step path-fixes should now fail at config-readable" in planted.stdout
    assert "planted    config-empty" in lab("status").stdout
    code, grade = graded(tmp_path, "--guest=guest1")
    assert code == 1
    assert "config-readable" in {check.id for check in failed_checks(grade)}
    assert outcomes(grade)["live-migration"] is Outcome.BLOCKED
    # What needs nothing but two hosts is still graded, so that one run tells all that is wrong.
    assert outcomes(grade)["left-as-found"] is Outcome.PASSED
    assert lab("break", "--undo").stdout == "the lab is as it was before config-empty\n"
    code, grade = graded(tmp_path, "--guest=guest1", "--step=path-fixes")
    assert code == 0, outcomes(grade)


def befallen(what: str) -> dict[str, Any]:
    """What the probes make of guest1 when that befalls it."""
    argv = [sys.executable, str(Path(__file__).with_name("plant.py")), str(ROOT), what]
    run = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    found: dict[str, Any] = json.loads(run.stdout)
    return found


def test_what_befalls_a_guest_is_told_apart(fresh_lab: None) -> None:
    calm, frozen, cut, filtered = (befallen(what) for what in ("nothing", "freeze", "cut", "filter"))
    assert calm["causes"] == []
    assert frozen["causes"] == [PingCause.GUEST_STOOD_STILL]
    assert cut["causes"] == [PingCause.NETWORK_CUT]
    assert filtered["causes"] == [PingCause.FILTERED]
    for found in (calm, frozen, cut, filtered):
        assert found["same_boot"]
        assert found["same_connection"]
        assert (found["stood_still"] > 3) == (found is frozen)
        assert found["writes_go_on"]
        assert (found["silence"] > 3) == (found is not calm)
    rebooted = befallen("reboot")
    assert not rebooted["same_boot"]
    assert not rebooted["same_connection"]
    assert rebooted["stood_still"] is None


def test_down_leaves_nothing(one_lab: None) -> None:
    """Only this lab's own processes are looked at: another working copy may have its lab up."""
    state = LabState.load(ROOT / ".lab")
    assert state is not None
    assert state.running
    assert set(state.hosts) == {"labubuntu", "baye"}
    assert state.keeper is not None
    down = lab("down")
    assert down.returncode == 0, down.stderr
    assert [name for name, host in state.hosts.items() if host.alive] == []
    assert not state.keeper.alive
    assert not Path(state.sockets).exists()
    assert not (ROOT / ".lab").exists()
