"""What takes hours: whole runs with guests on and off when found, from a container, from behind a jump host, and runs
that are cut off at each step that acts.
"""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from container import contained
from test_embedded_lab import ROOT, graded, lab, outcomes

from xenlab.outcomes import Grade
from xenlab.remote.waiting import wait_for
from xenlab.testbed.plan import GUESTS

pytestmark = [pytest.mark.embedded, pytest.mark.whole, pytest.mark.timeout(5400)]

RUNS = [("classic", n) for n in (1, 2, 3)] + [("modern", 1)]
# What a run does first in that step, as it notes before it does it.
ACTS = {
    "boot-from-share": "create",
    "cold-migration": "shutdown",
    "paused-migration": "pause",
    "live-migration": "migrate",
}


def up(profile: str) -> None:
    lab("down")
    came = lab("up", "--profile", profile)
    assert came.returncode == 0, came.stderr


def listed(host: str) -> dict[str, str]:
    """Each domain's state on a host."""
    shown = lab("ssh", host, "xl", "list")
    assert shown.returncode == 0, shown.stderr
    rows = [line.split() for line in shown.stdout.splitlines()[1:]]
    return {row[0]: row[4] for row in rows}


def start_both() -> None:
    """guest1 runs on its home, guest2 away from its own: as a run may well find them."""
    for guest in GUESTS:
        created = lab("ssh", "labubuntu", "xl", "create", guest.shared_config)
        assert created.returncode == 0, created.stderr
        wait_for(lambda name=guest.name: lab("ssh", name, "true").returncode == 0, f"{guest.name} to boot", 300.0, 5.0)


@pytest.mark.parametrize(("profile", "run"), RUNS)
def test_a_right_lab_whose_guests_run_when_found(profile: str, run: int, tmp_path: Path) -> None:
    up(profile)
    start_both()
    code, grade = graded(tmp_path)
    assert (code, grade.score.earned) == (0, 100), outcomes(grade)
    assert set(listed("labubuntu")) == {"Domain-0", "guest1", "guest2"}
    assert set(listed("baye")) == {"Domain-0"}


@pytest.mark.parametrize(("profile", "run"), RUNS)
def test_a_right_lab_whose_guests_are_off_when_found(profile: str, run: int, tmp_path: Path) -> None:
    up(profile)
    code, grade = graded(tmp_path)
    assert (code, grade.score.earned) == (0, 100), outcomes(grade)
    assert set(listed("labubuntu")) == set(listed("baye")) == {"Domain-0"}


@pytest.mark.parametrize("profile", ["classic", "modern"])
def test_a_right_lab_in_a_stock_container(profile: str, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(".git", ".lab", ".venv", ".*_cache", "reports"))
    verify = contained([sys.executable, "-m", "xenlab", "verify", "--profile", profile])
    assert subprocess.run(verify, cwd=copy, check=False).returncode == 0
    grade = Grade.model_validate_json((copy / "reports/grade.json").read_text())
    assert grade.score.earned == 100, outcomes(grade)
    assert all(move.outside and move.outside.seat != "this machine" for move in grade.migrations if move.kind == "live")
    assert not (copy / ".lab").exists()


def test_a_right_lab_behind_a_jump_host_with_no_way_to_its_guests(tmp_path: Path) -> None:
    up("classic")
    gate = [sys.executable, str(Path(__file__).with_name("gate.py")), str(ROOT), str(tmp_path)]
    run = [sys.executable, "-m", "pytest", f"--lab={tmp_path}/lab.toml", f"--reports={tmp_path}/reports"]
    assert subprocess.run([*gate, *run], cwd=ROOT, check=False).returncode == 0
    grade = Grade.model_validate_json((tmp_path / "reports/grade.json").read_text())
    assert grade.score.earned == 100, outcomes(grade)


@pytest.mark.parametrize("step", ACTS)
@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda sign: sign.name)
def test_a_run_that_is_cut_off_leaves_no_guest_behind(sign: signal.Signals, step: str, tmp_path: Path) -> None:
    up("classic")
    environ = {**os.environ, "XDG_STATE_HOME": str(tmp_path / "state")}
    command = [sys.executable, "-m", "pytest", f"--reports={tmp_path}/reports", "--guest=guest1", f"--step={step}"]
    run = subprocess.Popen(command, cwd=ROOT, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def acts() -> bool:
        assert run.poll() is None, run.communicate()[0]
        noted = (path.read_text() for path in (tmp_path / "state/xenlab/custody").glob("*.jsonl"))
        return any(f'"act":"{ACTS[step]}"' in text for text in noted)

    try:
        wait_for(acts, f"{step} to act", 1200.0, 0.5)
    finally:
        run.send_signal(sign)
    said, _ = run.communicate(timeout=1200)
    if sign is signal.SIGKILL:
        mended = subprocess.run(
            [sys.executable, "-m", "xenlab", "mend"], cwd=ROOT, env=environ, capture_output=True, text=True, check=False
        )
        assert mended.returncode == 0, mended.stdout + mended.stderr
        said = mended.stdout
    assert "guest1 is on neither host, as found" in said
    assert set(listed("labubuntu")) == set(listed("baye")) == {"Domain-0"}
    assert list((tmp_path / "state/xenlab/custody").glob("*")) == []
    image = f"/srv/private/{GUESTS[0].owner}/guest1.img"
    checked = lab("ssh", "baye", "e2fsck", "-fn", image)
    assert checked.returncode in (0, 1), checked.stdout
