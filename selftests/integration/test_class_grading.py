"""A class graded for real: one hangs, one dies, one floods, one is hostile; the others as if they were alone."""

import csv
import json
import os
import signal
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
from paths import RECORDINGS, ROOT
from toyclass import ToyClass

from xenlab.errors import UsageError
from xenlab.evidence import bundle
from xenlab.remote.waiting import wait_for


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ToyClass:
    """A class whose runs find xenlab here."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    return ToyClass(tmp_path)


def test_one_that_hangs_dies_floods_or_is_hostile_holds_none(toy: ToyClass) -> None:
    hostile = "=cmd|'calc'!A1 \x1b[31m\n<script>"
    good = toy.team("good")
    alone = toy.grade(good)["good"]
    teams = [
        *(good, toy.team("wrong"), toy.team("hangs"), toy.team("dies"), toy.team("floods"), toy.team("unseen")),
        *(toy.team(hostile, "hostile"), toy.team("../teams/-squash", "squash")),
    ]
    entries = toy.grade(*teams, again="all", seconds=30)
    verdicts = {entry.team: (entry.verdict, entry.row.earned if entry.row else None) for entry in entries.values()}
    assert verdicts == {
        "good": ("passed", 25.0),
        "wrong": ("failed", 0.0),
        "hangs": ("not gradable", None),
        "dies": ("not gradable", None),
        "floods": ("passed", 25.0),
        "unseen": ("not gradable", None),
        "=cmd|'calc'!A1 <script>": ("passed", 25.0),
        "-squash": ("failed", 10.0),
    }
    assert entries["good"].row == alone.row
    assert entries["hangs"].row is not None
    assert entries["hangs"].row.says == "its run did not end within 0.5 min"
    assert entries["dies"].row is not None
    assert entries["dies"].row.says.startswith("its run ended by signal 9, without a grade")
    log = toy.reports / "teams" / "floods" / "attempt-1" / "run.log"
    assert log.stat().st_size < 1_100_000
    rows = list(csv.reader(toy.gradebook.splitlines()))
    assert len(rows) == 1 + len(teams)
    assert not [cell for row in rows for cell in row if cell.startswith(("=", "+", "-", "@"))]
    assert "\x1b" not in toy.gradebook
    page = (toy.reports / "index.html").read_text()
    assert "\x1b" not in page
    assert page.count("<script>") == 1
    assert {path.name for path in (toy.reports / "teams").iterdir()} == {entry.folder for entry in entries.values()}


def test_what_is_graded_and_as_it_was_is_not_graded_again(toy: ToyClass) -> None:
    teams = [toy.team("good"), toy.team("wrong"), toy.team("unseen")]
    toy.grade(*teams)
    first = toy.gradebook
    assert sorted(toy.seen) == ["good", "unseen", "wrong"]
    toy.grade(*teams)
    assert len(toy.seen) == 3
    assert toy.gradebook == first
    toy.grade(*teams, again="failed")
    assert toy.seen[3:] == ["wrong"]
    toy.grade(*teams, again="error")
    assert toy.seen[4:] == ["unseen"]
    toy.grade(*teams, only=["good"])
    assert toy.seen[5:] == ["good"]
    with pytest.raises(UsageError, match="--team bad: the teams are good, wrong, unseen"):
        toy.grade(*teams, only=["bad"])
    toy.team("good", "good-2")
    toy.grade(*teams)
    assert toy.seen[6:] == ["good-2"]
    entries = toy.grade(*teams, again="all")
    assert len(toy.seen) == 10
    assert [entry.attempts for entry in entries.values()] == [4, 3, 3]


def test_another_rubric_or_sheet_is_graded_by_anew(toy: ToyClass, tmp_path: Path) -> None:
    team, rubric = toy.team("squash"), tmp_path / "rubric.toml"
    assert toy.grade(team)["squash"].row.earned == 10  # type: ignore[union-attr]
    rubric.write_text("[steps]\nhosts = { points = 50 }\n")
    assert toy.grade(team, rubric=rubric)["squash"].row.earned == 50  # type: ignore[union-attr]
    toy.grade(team, rubric=rubric)
    assert len(toy.seen) == 2
    (toy.working_copy / "tests" / "test_more.py").write_text("# more\n")
    toy.grade(team, rubric=rubric)
    assert len(toy.seen) == 3


def test_which_attempt_counts_is_the_rubrics_and_each_is_kept(toy: ToyClass, tmp_path: Path) -> None:
    rubric = tmp_path / "rubric.toml"
    rubric.write_text('attempts = "best"\n')
    for lab in ("squash", "good", "wrong", "unseen"):
        entry = toy.grade(toy.team("team", lab), rubric=rubric)["team"]
    assert entry.row is not None
    assert (entry.row.earned, entry.number, entry.attempts, len(entry.links)) == (25, 2, 4, 4)
    second = (toy.reports / "teams" / "team" / "attempt-2" / "report.html").read_text()
    assert "Since the previous attempt" in second
    assert "+15 points, shared-storage now passed" in second


def test_hosts_of_two_teams_are_never_used_at_once(toy: ToyClass) -> None:
    shared = ("203.0.113.1", "203.0.113.2")
    teams = [toy.team("waits-1", hosts=shared), toy.team("good-1", hosts=("203.0.113.9", shared[1])), toy.team("good")]
    begun = []

    def opens() -> None:
        wait_for(lambda: {"waits-1", "good"} <= set(toy.seen), "the first and the third to run", 60)
        assert "good-1" not in toy.seen
        (toy.working_copy / "go").touch()

    opener = threading.Thread(target=opens)
    opener.start()
    entries = toy.grade(*teams, begins=lambda order: begun.append(order.team.name))
    opener.join()
    assert begun == ["waits-1", "good", "good-1"]
    assert [entry.verdict for entry in entries.values()] == ["passed"] * 3


def test_who_is_late_loses_what_the_rubric_says(toy: ToyClass, tmp_path: Path) -> None:
    toy.team("good")
    toy.team("late", "good")
    rubric, table = tmp_path / "rubric.toml", tmp_path / "teams.csv"
    rubric.write_text("late = [[0, 0.5]]\n")
    rows = [
        "team,lab,handed_in,student,id",
        "good,teams/good,2026-03-01T11:59Z,A,1",
        "late,teams/late,2026-03-01T15:00+01:00,=B,2",
    ]
    table.write_text("\n".join(rows))
    entries = toy.grade(table, rubric=rubric, due=datetime(2026, 3, 1, 12, tzinfo=UTC))
    rows_ = [(entry.row.earned, entry.row.late_hours) for entry in entries.values() if entry.row]
    assert rows_ == [(25.0, None), (12.5, 2.0)]
    assert (toy.reports / "canvas.csv").read_text().splitlines() == [
        "Student,ID,SIS User ID,SIS Login ID,Section,xenlab",
        "Points Possible,,,,,25",
        "A,,1,,,25",
        "'=B,,2,,,12.5",
    ]
    assert (toy.reports / "moodle.csv").read_text().splitlines()[2].startswith(",2,12.5,All 2 steps passed.")


CALL = """
import sys
from pathlib import Path
from xenlab.cli import main as cli
cli.WORKING_COPY = Path(sys.argv[1])
sys.exit(cli.main(sys.argv[2:]))
"""


def call(toy: ToyClass, *words: str) -> list[str]:
    return [sys.executable, "-c", CALL, str(toy.working_copy), "grade", *words, "--reports", str(toy.reports)]


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGKILL])
def test_interrupted_and_resumed_the_gradebook_is_that_of_one_that_was_not(toy: ToyClass, sign: int) -> None:
    teams = [toy.team("good"), toy.team("waits"), toy.team("squash")]
    words = [*map(str, teams), "--jobs", "2"]
    interrupted = subprocess.Popen(call(toy, *words), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(lambda: set(toy.seen) == {"good", "waits", "squash"}, "all to run", 60)
    ended = [toy.reports / "teams" / name / "attempt-1" / "attempt.json" for name in ("good", "squash")]
    wait_for(lambda: all(path.exists() for path in ended), "the others to end", 60)
    interrupted.send_signal(sign)
    code = interrupted.wait(60)
    assert code == (-sign if sign == signal.SIGKILL else 130)
    if sign != signal.SIGKILL:
        rows = list(csv.DictReader(toy.gradebook.splitlines()))
        assert [row["verdict"] for row in rows] == ["passed", "not graded yet", "failed"]
    (toy.working_copy / "go").touch()
    resumed = subprocess.run(call(toy, *words), capture_output=True, text=True, check=False, timeout=60)
    assert resumed.returncode == 1
    assert "3 teams, 1 to be graded" in resumed.stderr
    assert sorted(toy.seen) == ["good", "squash", "waits", "waits"]
    assert ("Begun 2 times" in resumed.stderr) == (sign == signal.SIGKILL)
    book = toy.gradebook
    whole = ToyClass(toy.folder / "whole")
    (whole.working_copy / "go").touch()
    whole.grade(*teams)
    assert whole.gradebook == book


def test_a_call_shows_lines_a_summary_and_the_page_and_ends_by_the_verdicts(toy: ToyClass) -> None:
    def grade(*names: str) -> subprocess.CompletedProcess[str]:
        words = call(toy, *(str(toy.team(name)) for name in names))
        return subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)

    assert grade("good").returncode == 0
    assert grade("good", "unseen").returncode == 3
    done = grade("good", "unseen", "squash", "squash-too")
    assert done.returncode == 1
    assert done.stdout.splitlines() == [
        "1 passed, 2 failed, 1 not gradable",
        "2 of 4 teams: shared-storage/no-root-squash: rw,root_squash",
        str(toy.reports / "index.html"),
    ]
    assert "4 teams, 2 to be graded" in done.stderr
    assert "2/2  failed" in done.stderr


def test_two_calls_at_once_on_one_class_are_refused(toy: ToyClass) -> None:
    team = toy.team("waits")
    first = subprocess.Popen(call(toy, str(team)), stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    wait_for(lambda: toy.seen, "it to run", 60)
    second = subprocess.run(call(toy, str(team)), capture_output=True, text=True, check=False, timeout=60)
    assert second.returncode == 2
    assert "another run writes there" in second.stderr
    (toy.working_copy / "go").touch()
    assert first.wait(60) == 0


def test_evidence_of_their_own_runs_is_judged_by_us_and_not_believed(tmp_path: Path) -> None:
    """The lab sheet itself; a bundle that was changed is not graded."""
    teams = [tmp_path / name for name in ("root-squashed", "unmounted", "changed")]
    for team in teams[:2]:
        team.mkdir()
        (team / "evidence.zip").write_bytes((RECORDINGS / f"{team.name}.zip").read_bytes())
    teams[2].mkdir()
    with bundle.opened(RECORDINGS / "unmounted.zip") as folder:
        grade = json.loads((folder / bundle.GRADE).read_text())
        (folder / bundle.GRADE).write_text(json.dumps({**grade, "verdict": "passed"}))
        bundle.pack(folder, teams[2] / "evidence.zip")
    reports = tmp_path / "class"
    words = [sys.executable, "-m", "xenlab", "grade", *map(str, teams), "--reports", str(reports)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False, timeout=100, env={**os.environ})
    assert done.returncode == 1, done.stderr
    rows = {row["team"]: row for row in csv.DictReader((reports / "gradebook.csv").read_text().splitlines())}
    assert [row["total"] for row in rows.values()] == ["10", "10", "not gradable"]
    assert "no-root-squash (baye)" in rows["root-squashed"]["fix first"]
    assert "mounted-by-nfs" in rows["unmounted"]["fix first"]
    assert "is not as its run left it: grade.json was changed" in rows["changed"]["outcome"]


def regraded(teams: list[Path], reports: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "xenlab", "grade", *map(str, teams), "--reports", str(reports), *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=100)


def test_attempts_are_judged_again_by_another_rubric_and_count_once_that_is_applied(tmp_path: Path) -> None:
    team, reports, rubric = tmp_path / "team", tmp_path / "class", tmp_path / "rubric.toml"
    team.mkdir()
    (team / "evidence.zip").write_bytes((RECORDINGS / "root-squashed.zip").read_bytes())
    rubric.write_text("[steps]\nhosts = { points = 50 }\n")
    regraded([team], reports)
    first = (reports / "gradebook.csv").read_text()
    attempt = reports / "teams" / "team" / "attempt-1"
    by = ("--rubric", str(rubric))
    for end in (("--cancel",), ("--apply", "hosts count more")):
        shown = regraded([team], reports, *by, "--regrade")
        assert shown.returncode == 1, shown.stderr
        assert shown.stdout.splitlines()[:2] == [
            "    1  failed -> failed",
            f"team: failed 10 of 100 -> failed 50 of 140: {next(csv.DictReader(first.splitlines()))['fix first']}",
        ]
        assert (reports / "gradebook.csv").read_text() == first
        assert (attempt.parent / "regraded-1").is_dir()
        regraded([team], reports, *by, *end)
        assert not (attempt.parent / "regraded-1").exists()
        if end == ("--cancel",):
            assert (reports / "gradebook.csv").read_text() == first
    (row,) = csv.DictReader((reports / "gradebook.csv").read_text().splitlines())
    assert (row["total"], row["hosts"], row["attempts"]) == ("50", "50", "1")
    assert "Judged again: hosts count more." in (reports / "index.html").read_text()
    assert json.loads((attempt.parent / "before-1-1" / "grade.json").read_text())["score"]["earned"] == 10
    assert "1 teams, 0 to be graded" in regraded([team], reports, *by).stderr
    assert "1 teams, 1 to be graded" in regraded([team], reports, "--regrade").stderr
