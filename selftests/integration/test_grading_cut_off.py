"""A graded session that is cut off at any moment: guests home, reports whole, one end that says so; no traceback."""

import json
import os
import pty
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from gradedrun import HEAD, LEFT_OUT
from paths import ROOT

from xenlab.grading.writing import COMMANDS, TAPE
from xenlab.remote.waiting import wait_for

SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
MOMENTS = ("beginning", "setup", "body", "beside", "teardown", "between", "homing", "closing")
"""Where it is cut off: while the lab is begun, in a step's parts, in one that runs beside, as guests are brought home,
and as connections are closed."""

CONFTEST = """
import os
import pytest
from pathlib import Path
from xenlab.grading.run import run_of

def at(moment):
    if moment in os.environ["CUT_OFF_AT"].split():
        os.kill(os.getpid(), int(os.environ["CUT_OFF_BY"]))

@pytest.hookimpl(trylast=True)
def pytest_collection_finish(session):
    run = run_of(session.config)

    def home():
        at("homing")
        Path("home").touch()
        run.whereabouts.append("guest1 is on baye, as found")

    run.closing.append(home)
    at("beginning")

@pytest.fixture
def part():
    at("setup")
    yield
    at("teardown")

def pytest_runtest_logfinish():
    at("between")

def pytest_unconfigure():
    at("closing")
    Path("closed").touch()
"""

STEPS = """
from conftest import at

@step("hosts", points=10)
def test_hosts(part):
    '''Both hosts answer.'''
    check(True)
    at("body")

@guests
@step("move", points=10, needs="hosts", claims="guest")
def test_move(guest_name):
    '''The guest moves.'''
    check(True)
    at("beside")
"""

COMMAND = ["-m", "pytest", "-p", "xenlab.grading.plugin", *LEFT_OUT, "--grade-output=plain"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project of these steps."""
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_lab.py").write_text(HEAD + STEPS)
    return tmp_path


def environment(at: str, by: int) -> dict[str, str]:
    more = {
        "PYTHONPATH": str(ROOT),
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "CUT_OFF_AT": at,
        "CUT_OFF_BY": str(int(by)),
    }
    return os.environ | more


def ended(folder: Path, at: str, by: int) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *COMMAND],
        cwd=folder,
        env=environment(at, by),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize("by", SIGNALS, ids=lambda sign: sign.name)
@pytest.mark.parametrize("at", MOMENTS)
def test_wherever_it_is_cut_off_guests_come_home_and_one_end_is_told(at: str, by: int, folder: Path) -> None:
    run = ended(folder, at, by)
    assert (folder / "home").exists()
    assert (folder / "closed").exists()
    assert "Traceback" not in run.stdout + run.stderr
    said = (run.stdout + run.stderr).splitlines()
    assert any(line.endswith("guest1 is on baye, as found") for line in said)
    grade = folder / "reports/grade.json"
    if at == "beginning":
        assert (run.returncode, grade.exists()) == (2, False)
        return
    verdict = json.loads(grade.read_text())["verdict"]
    if at in ("homing", "closing"):
        assert (run.returncode, verdict) == (0, "passed")
        assert any(line.endswith(", please wait") for line in said)
    else:
        assert (run.returncode, verdict) == (2, "error")
        assert any("interrupted" in check["actual"] for check in checks(grade)), said
    assert (folder / "reports/evidence.zip").exists()


def checks(grade: Path) -> list[dict[str, str]]:
    return [check for step in json.loads(grade.read_text())["steps"] for check in step["checks"]]


@pytest.mark.parametrize("at", ["body homing", "beside homing", "setup teardown homing", "beginning homing closing"])
def test_impatience_cuts_no_homecoming_off(at: str, folder: Path) -> None:
    run = ended(folder, at, signal.SIGINT)
    assert run.returncode == 2
    assert (folder / "home").exists()
    assert "please wait" in run.stderr
    assert "Traceback" not in run.stdout + run.stderr


def test_a_terminal_that_goes_away_takes_no_guest_with_it(folder: Path) -> None:
    """Its end is a SIGHUP, after which nothing can be shown any more."""
    (folder / "test_lab.py").write_text(HEAD + STEPS.replace('at("body")', "at_its_end()") + WAITS)
    child, terminal = pty.fork()
    if not child:  # pragma: no cover - the session itself
        os.chdir(folder)
        os.execve(sys.executable, [sys.executable, *COMMAND[:-1]], environment("", signal.SIGHUP))
    try:
        wait_for((folder / "waits").exists, "the step to run", 30, 0.02)
        os.close(terminal)
        ends = []

        def has_ended() -> bool:
            pid, status = os.waitpid(child, os.WNOHANG)
            ends.append(os.waitstatus_to_exitcode(status) if pid else None)
            return bool(pid)

        wait_for(has_ended, "the session to end", 30, 0.02)
    except BaseException:
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        raise
    assert (folder / "home").exists()
    grade = folder / "reports/grade.json"
    assert json.loads(grade.read_text())["verdict"] == "error"
    assert (folder / "reports/evidence.zip").exists()
    assert ends[-1] in (2, 3)


WAITS = """
def at_its_end():
    from pathlib import Path
    from threading import Event
    Path("waits").touch()
    Event().wait(30)
"""


def test_one_that_is_killed_leaves_whole_lines_of_what_it_saw(folder: Path) -> None:
    run = ended(folder, "body", signal.SIGKILL)
    assert run.returncode == -signal.SIGKILL
    for name in (COMMANDS, TAPE):
        assert (folder / "reports" / name).exists()
    assert not (folder / "reports/grade.json").exists()
