"""A practice on real Xen: unsolved it fails each step, each is solved in turn, and solved it has all points.

Takes an hour, and is run by `./lab test --whole`.
"""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from test_embedded_lab import ROOT, lab, outcomes

from xenlab.outcomes import Grade, Outcome
from xenlab.remote.waiting import wait_for
from xenlab.report.grade_file import read_grade
from xenlab.scenarios.sheet import SEEN, TASKS
from xenlab.testbed.plan import GUESTS, MOUNT_POINT

pytestmark = [pytest.mark.embedded, pytest.mark.whole, pytest.mark.timeout(7200)]
GUEST = GUESTS[0]
ONLY = f"--guest={GUEST.name}"
STEPS = [task.step for task in TASKS]


def looked(reports: Path) -> tuple[str, Grade]:
    """What a look at the practice says last, and what it found."""
    check = lab("check", ONLY, "--reports", str(reports))
    assert check.returncode in (0, 1), check.stdout + check.stderr
    return check.stdout.splitlines()[-1], read_grade(reports)


def finished(reports: Path) -> Grade:
    """What the practice is worth as it is."""
    finish = lab("finish", ONLY, "--reports", str(reports))
    assert finish.returncode in (0, 1), finish.stdout + finish.stderr
    return read_grade(reports)


def alone(reports: Path) -> dict[str, Outcome]:
    """Each step of the sheet that is somebody's task judged by itself, whatever it needs; by plain pytest."""
    call = [sys.executable, "-m", "pytest", "tests", f"--reports={reports}", ONLY, "--alone"]
    found = {}
    for step in STEPS:
        subprocess.run([*call, f"--step={step}"], cwd=ROOT, check=False)
        found |= outcomes(read_grade(reports))
    return found


@contextmanager
def practice(profile: str) -> Iterator[None]:
    """A practice that begins unsolved, and leaves nothing."""
    lab("down")
    began = lab("start", "--profile", profile)
    assert began.returncode == 0, began.stdout + began.stderr
    try:
        yield
    finally:
        assert lab("down").returncode == 0
    assert not (ROOT / ".lab").exists()


def test_unsolved_fails_each_step_and_what_is_solved_passes(tmp_path: Path) -> None:
    with practice("classic"):
        assert alone(tmp_path / "unsolved") == dict.fromkeys(STEPS, Outcome.FAILED)
        for number, step in enumerate(SEEN):
            _solve_next(number, step, tmp_path)
        _go_back_and_forth(tmp_path)


@pytest.mark.parametrize("profile", ["classic", "modern"])
def test_from_unsolved_to_all_points(profile: str, tmp_path: Path) -> None:
    with practice(profile):
        assert finished(tmp_path / "nothing").score.earned == 0
        for number, step in enumerate(STEPS):
            _solve_next(number, step, tmp_path)
        last, grade = looked(tmp_path / "solved")
        assert last.endswith("then ./lab finish")
        assert set(outcomes(grade).values()) == {Outcome.PASSED}
        assert "every task is solved" in lab("solve", ONLY).stdout
        grade = finished(tmp_path / "all")
        assert (grade.verdict, grade.score.earned) == ("passed", 100), outcomes(grade)
        assert any("for practice" in remark for remark in grade.remarks)


def _solve_next(number: int, step: str, folder: Path) -> None:
    if step in SEEN[:-1]:
        last, grade = looked(folder / f"before-{step}")
        assert last.startswith(f"next: {step}: ")
        assert outcomes(grade)[step] is Outcome.FAILED
        refused = lab("solve", "live-migration", ONLY)
        assert refused.returncode == 2
        assert f"{step} comes before live-migration" in refused.stderr
    solved = lab("solve", ONLY)
    assert solved.returncode == 0, solved.stdout + solved.stderr
    assert solved.stdout.splitlines()[-1].startswith(f"{step}: solved; ")
    assert "root@" in solved.stdout
    assert f"solved: {', '.join(STEPS[: number + 1])} (" in lab("status").stdout


def _go_back_and_forth(folder: Path) -> None:
    """The guest runs, is not there any more in seconds, and what was done by hand meanwhile is left as it is."""
    assert GUEST.name in lab("ssh", GUEST.home.name, "xl", "list").stdout
    back = lab("back", "hosts")
    assert back.returncode == 0, back.stderr
    assert GUEST.name not in lab("ssh", GUEST.home.name, "xl", "list").stdout
    assert looked(folder / "back")[0].startswith("next: shared-storage: ")
    refused = lab("back", "path-fixes")
    assert refused.returncode == 2
    assert "kept: after start, hosts" in refused.stderr
    for step in SEEN[1:]:
        solved = lab("solve", step, ONLY)
        assert solved.returncode == 0, solved.stdout + solved.stderr
    again = lab("solve", "shared-storage", ONLY)
    assert again.stdout.splitlines()[-1].startswith("shared-storage: done already; ")
    assert f"cp --sparse=always {GUEST.original_folder}" not in again.stdout
    gone = lab("ssh", GUEST.home.name, "xl", "shutdown", "-w", GUEST.name)
    assert gone.returncode == 0, gone.stderr
    wait_for(lambda: lab("ssh", GUEST.home.name, "umount", MOUNT_POINT).returncode == 0, "the share to be free", 120, 2)
    by_hand = lab("solve", ONLY)
    assert by_hand.returncode == 0, by_hand.stdout + by_hand.stderr
    assert f"root@{GUEST.home.name}:~# mount -t nfs4" in by_hand.stdout
    assert "exportfs" not in by_hand.stdout
