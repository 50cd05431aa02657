"""What must never harm a guest, on real Xen: no second writer, no stranded guest, no blame for others' doings.

Those that take longest are run by `./lab test --whole`.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from test_embedded_lab import ROOT, lab

from xenlab.remote.waiting import wait_for
from xenlab.testbed.state import LabState

pytestmark = [pytest.mark.embedded, pytest.mark.timeout(1800)]
PROGRAM = Path(__file__).with_name("harm.py")


@pytest.fixture(autouse=True)
def fresh_lab() -> Iterator[None]:
    lab("down")
    up = lab("up")
    assert up.returncode == 0, up.stderr
    yield
    lab("down")


def done(what: str, folder: Path, **environ: str) -> dict[str, Any]:
    argv = [sys.executable, str(PROGRAM), str(ROOT), str(folder), what]
    run = subprocess.run(argv, capture_output=True, text=True, check=False, env={**os.environ, **environ})
    assert run.returncode == 0, run.stderr
    found: dict[str, Any] = json.loads(run.stdout)
    return found


def test_a_guest_is_never_started_beside_itself(tmp_path: Path) -> None:
    found = done("second-writer", tmp_path)
    assert found["taken"]["fault"]
    assert "artem-guest1 on baye has its disk" in found["taken"]["words"]
    assert found["named"]["fault"]
    assert "artem-guest1" in found["named"]["words"]
    assert "guest1" not in found["lists"]["labubuntu"]
    assert found["as_found"] == [True, True]
    assert found["sound"]


def test_a_guest_that_crashes_while_it_boots_is_told_by_its_own_words(tmp_path: Path) -> None:
    found = done("panics", tmp_path)
    assert found["told"]["fault"]
    assert "guest1 crashed while booting on labubuntu" in found["told"]["words"]
    assert "its domain is gone: it crashed (" in found["told"]["actual"]
    assert "; its console: " in found["told"]["actual"]
    assert "Kernel panic - not syncing" in found["told"]["actual"]
    assert found["seconds"] < 120
    assert found["as_found"] == [True, True]
    assert found["sound"]


def test_a_half_moved_guest_is_left_alone_and_told(tmp_path: Path) -> None:
    found = done("halves", tmp_path)
    assert found["again"]["fault"]
    assert "guest1--migratedaway" in found["again"]["words"]
    assert any("guest1--migratedaway" in red for red in found["red"])
    assert found["as_found"][0] is False
    assert "xl rename" in found["last_words"][0]
    assert "destroy" not in found["last_words"][0]
    assert "guest1--migratedaway" in found["where"]["guest1"]
    assert found["sound"]


def test_guests_are_left_running_and_paused_as_found(tmp_path: Path) -> None:
    found = done("as-they-were", tmp_path)
    assert found["as_found"] == [True, True], found
    assert found["before"]["guest1"].startswith("on baye")
    assert found["moved"]["guest1"].startswith("on labubuntu")
    assert found["after"]["guest1"].startswith("on baye")
    assert "--p---" in found["before"]["guest2"]
    assert "--p---" in found["after"]["guest2"]
    assert found["same_boot"]
    assert found["nonce"]


@pytest.mark.whole
def test_what_colleagues_do_is_a_remark(tmp_path: Path) -> None:
    found = done("colleague", tmp_path)
    assert found["red"] == []
    assert found["as_found"] == [True, True]
    assert any("mail--incoming" in remark for remark in found["remarks"])
    # guest2's own disk is theirs by now, which must keep it from being started.
    assert "mail--incoming on baye has its disk" in found["taken"]["words"]


def test_a_second_run_is_told_in_one_line(tmp_path: Path) -> None:
    found = done("two-runs", tmp_path)
    assert found["second"]["kind"] == "LabInUse"
    assert "\n" not in found["second"]["words"]
    assert "is in use: run " in found["second"]["words"]
    assert found["act"]["words"].startswith("nothing is done to the lab")
    assert found["as_found"] == [True, True]
    assert found["third"] == [True, True]


def test_a_move_outlives_our_ssh_to_its_sender(tmp_path: Path) -> None:
    found = done("ssh-cut", tmp_path)
    assert found["red"] == []
    assert found["as_found"] == [True, True]
    assert found["sound"]


@pytest.mark.whole
def test_a_guest_that_loses_its_network_for_good_has_failed(tmp_path: Path) -> None:
    found = done("network-lost", tmp_path)
    assert found["outcome"]["runs-only-on"]
    assert found["outcome"]["answers-after-move"] is False
    assert found["outcome"]["outside-ping-continuous"] is False
    assert found["as_found"] == [True, True], found
    assert found["sound"]


@pytest.mark.whole
def test_a_target_that_dies_in_a_move_costs_no_guest(tmp_path: Path) -> None:
    state = LabState.load(ROOT / ".lab")
    assert state is not None
    found = done("target-dies", tmp_path, XENLAB_TARGET_PID=str(state.hosts["labubuntu"].pid))
    assert not found["ended"]["fault"], found["ended"]
    assert "guest1" in found["rows"]
    assert "guest1--" not in found["rows"]
    assert found["kept"]
    assert "labubuntu" in found["last_words"][0]
    assert found["sound"]


def test_mend_brings_home_what_a_killed_run_left(tmp_path: Path) -> None:
    environ = {**os.environ, "XDG_STATE_HOME": str(tmp_path / "state")}
    argv = [sys.executable, str(PROGRAM), str(ROOT), str(tmp_path), "move"]
    run = subprocess.Popen(argv, env=environ, stdout=subprocess.PIPE)
    wait_for((tmp_path / "moving").exists, "the guest to be on its way", 300.0, 0.2)
    run.send_signal(signal.SIGKILL)
    run.communicate(timeout=60)
    verify = subprocess.run(
        [sys.executable, "-m", "pytest", f"--reports={tmp_path}/reports"],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert verify.returncode == 2
    assert "./lab mend" in verify.stderr + verify.stdout
    mended = subprocess.run(
        [sys.executable, "-m", "xenlab", "mend"], cwd=ROOT, env=environ, capture_output=True, text=True, check=False
    )
    assert mended.returncode == 0, mended.stdout + mended.stderr
    assert "guest1 is on neither host, as found" in mended.stdout
    assert list((tmp_path / "state/xenlab/custody").iterdir()) == []
    for host in ("labubuntu", "baye"):
        seen = lab("ssh", host, "sh", "-c", "'xl list; ls -d /run/xenlab*.lock /run/xenlab-* 2>/dev/null'")
        assert "guest1" not in seen.stdout
        assert "xenlab" not in seen.stdout.replace("xenlab.lock.guard", "")
