"""A guest that is reached by its console alone, on real Xen: booted, moved live and back, and left as found.

Its moves, and what is said of a wrong password, take ten minutes, and are run by `./lab test --whole`.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from test_embedded_lab import ROOT, lab, outcomes

from xenlab.outcomes import CheckResult, Grade, Outcome
from xenlab.testbed.plan import GUEST_PASSWORD

pytestmark = [pytest.mark.embedded, pytest.mark.timeout(2700)]


@pytest.fixture
def fresh_lab() -> Iterator[None]:
    lab("down")
    up = lab("up")
    assert up.returncode == 0, up.stderr
    yield
    lab("down")


def graded_by_console(folder: Path, password: str, *steps: str) -> tuple[int, Grade]:
    program = Path(__file__).with_name("console.py")
    options = [f"--reports={folder}", "--guest=guest1", *(f"--step={step}" for step in steps)]
    run = subprocess.run(
        [sys.executable, str(program), str(ROOT), str(folder), *options],
        cwd=ROOT,
        env={**os.environ, "XENLAB_GUEST_PASSWORD": password},
        check=False,
    )
    return run.returncode, Grade.model_validate_json((folder / "grade.json").read_text())


def checks_of(grade: Grade) -> dict[str, CheckResult]:
    return {check.id: check for step in grade.steps for check in step.checks}


def test_a_guest_by_its_console_boots(fresh_lab: None, tmp_path: Path) -> None:
    code, grade = graded_by_console(tmp_path, GUEST_PASSWORD, "boot-from-share")
    found = outcomes(grade)
    assert found["boot-from-share"] is Outcome.PASSED, found
    assert code == 0, found
    assert checks_of(grade)["login"].actual == "logged in on its console on labubuntu"


@pytest.mark.whole
def test_a_guest_by_its_console_moves_live(fresh_lab: None, tmp_path: Path) -> None:
    code, grade = graded_by_console(tmp_path, GUEST_PASSWORD, "live-migration")
    found = outcomes(grade)
    assert found["live-migration"] is Outcome.PASSED, found
    assert code == 0, found
    assert "same-connection" not in checks_of(grade)
    live = [move for move in grade.migrations if move.kind == "live"]
    assert [move.source for move in live] == ["labubuntu", "baye"]
    for move in live:
        assert move.same_boot
        assert move.connection is None
        assert move.inside is not None
        assert move.inside.last_before is not None
        assert move.heartbeat is not None
    text = (tmp_path / "evidence/commands.jsonl").read_text()
    commands = [json.loads(line) for line in text.splitlines()]
    assert sum(command["host"] == "guest1" for command in commands) > 20
    assert not any("login:" in command["stdout"] for command in commands if command["host"] == "guest1")


@pytest.mark.whole
def test_a_wrong_console_password_is_no_fault_of_the_lab(fresh_lab: None, tmp_path: Path) -> None:
    code, grade = graded_by_console(tmp_path, "battery-staple", "boot-from-share")
    assert outcomes(grade)["boot-from-share"] is Outcome.ERROR
    assert code == 3
    assert "battery-staple" not in (tmp_path / "evidence/commands.jsonl").read_text()
