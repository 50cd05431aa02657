"""What changed since the previous attempt, on the page, on the terminal, and out of the reports folder."""

import json
from datetime import timedelta, timezone
from pathlib import Path

import pytest
from gradedrun import CHAIN, Graded
from pages import MOVE, PING, STARTED, Page, check, failing, grade, step

from xenlab.grading.run import Run
from xenlab.grading.writing import summary, write_reports
from xenlab.outcomes import Grade, LabInfo
from xenlab.report.compare import compare
from xenlab.report.folder import ReportsFolder
from xenlab.report.grade_file import previous_grade
from xenlab.report.html import render


def before(*args: object, **more: object) -> Grade:
    return grade(*args, **more).model_copy(update={"started": STARTED - timedelta(days=1)})


NOW = grade(step("a", "passed", 10), step("paths", "passed", 15, 15), step("c", "failed", 2))


@pytest.mark.parametrize(
    ("previous", "says"),
    [
        (
            before(step("a", "passed", 10), step("paths", "failed", 5, 15), step("c", "failed", 0)),
            "+12 points, paths now passed",
        ),
        (
            before(step("a", "passed", 10), step("paths", "passed", 15, 15), step("c", "passed", 10)),
            "-8 points, c now failed",
        ),
        (
            before(step("a", "passed", 10), step("paths", "passed", 15, 15), step("c", "failed", 2)),
            "the same points, every step as before",
        ),
        (
            before(step("a", "error"), step("paths", "blocked", 0, 15), step("c", "passed", 2)),
            "+25 points, a and paths now passed, c now failed",
        ),
        (
            before(step("a", "passed", 10), step("paths", "passed", 15, 15), step("c", "error", ungradable=10)),
            "the same points in the 2 steps seen in both, c now failed",
        ),
        (
            before(step("a", "passed", 9.5), step("z", "passed", 90)),
            "+0.5 points in the 1 step seen in both, every step as before",
        ),
    ],
)
def test_in_a_few_words(previous: Grade, says: str) -> None:
    change = compare(previous, NOW)
    assert str(change) == says
    assert f"Since the previous attempt : {says}." in Page(render(NOW, [], {}, previous=previous)).text
    assert f"since the previous attempt: {says}" in list(summary(NOW, previous))


def test_many_changes_are_counted() -> None:
    ids = "abcde"
    change = compare(before(*(step(i, "blocked") for i in ids)), grade(*(step(i, "passed", 1) for i in ids)))
    assert str(change) == "+5 points, a, b and 3 more now passed"


def test_points_are_those_of_the_scores_where_both_had_the_same_steps() -> None:
    late = NOW.model_copy(update={"score": NOW.score.model_copy(update={"earned": 20.0})})
    previous = before(*NOW.steps)
    assert str(compare(previous, late)) == "-7 points, every step as before"


@pytest.mark.parametrize(
    "previous",
    [
        None,
        NOW,
        NOW.model_copy(update={"started": STARTED + timedelta(days=1)}),
        before(*NOW.steps, lab=LabInfo(name="team-8", kind="embedded", hosts=())),
        before(*NOW.steps, lab=LabInfo(name="embedded", kind="replay", hosts=())),
        before(*NOW.steps).model_copy(update={"started": STARTED.replace(year=2025, tzinfo=None)}),
        before(*NOW.steps).model_copy(
            update={"started": STARTED.replace(year=1, tzinfo=timezone(timedelta(hours=14)))}
        ),
    ],
    ids=["none", "itself", "later", "another lab", "a replay", "no time zone", "no clock of ours"],
)
def test_what_is_no_earlier_attempt_at_this_lab_is_not_compared(previous: Grade | None) -> None:
    assert compare(previous, NOW) is None
    assert render(NOW, [], {}, previous=previous) == render(NOW, [], {})
    assert not any("previous" in line for line in summary(NOW, previous))


def test_steps_and_gaps_stand_side_by_side() -> None:
    slow = MOVE.model_copy(update={"outside": PING.model_copy(update={"longest_gap_ms": 3200})})
    cold = MOVE.model_copy(update={"kind": "cold"})
    unseen = MOVE.model_copy(update={"outside": None, "target": "third"})
    back = MOVE.model_copy(update={"source": "baye", "target": "labubuntu"})
    previous = before(step("a", "failed", 2.5), step("gone", "passed", 1, 1), migrations=[slow, cold, slow])
    made = grade(step("a", "passed", 10), step("new", "passed", 3, 3), migrations=[cold, MOVE, back, unseen])
    section = Page(render(made, [], {}, previous=previous)).text
    section = section[section.rindex("Since the previous attempt") : section.rindex("Migrations")]
    assert "a Failed, 2.5 / 10 Passed, 10 / 10" in section
    assert "new not run Passed, 3 / 3 gone Passed, 1 / 1 not run" in section
    assert "guest1, labubuntu to baye 3,190 to 3,200 ms 230 to 240 ms" in section
    assert "guest1, baye to labubuntu not measured 230 to 240 ms" in section
    assert "guest1, labubuntu to baye (2) 3,190 to 3,200 ms not measured" in section
    assert "third" not in section


BROKEN = {
    "nothing": None,
    "no JSON": b"{",
    "no UTF-8": b'{"schema": "\xff"}',
    "another schema": json.dumps({"schema": 1, "lab": {"name": "embedded"}}).encode(),
    "deep": b"[" * 100_000,
    "empty": b"",
    "a list": b"[]",
}


@pytest.mark.parametrize("broken", BROKEN)
def test_a_grade_that_cannot_be_read_is_no_previous_attempt(broken: str, tmp_path: Path) -> None:
    content = BROKEN[broken]
    if content is not None:
        (tmp_path / "grade.json").write_bytes(content)
    assert previous_grade(tmp_path) is None
    write_reports(Run("embedded", None, (), ReportsFolder(tmp_path)), failing())
    assert "Since the previous" not in (tmp_path / "report.html").read_text()
    assert Grade.model_validate_json((tmp_path / "grade.json").read_bytes()) == failing()


def test_the_previous_attempt_is_read_before_it_is_cleared_away(graded: Graded, pytester: pytest.Pytester) -> None:
    graded(CHAIN)
    ran = graded(CHAIN.replace('guest_name != "guest1"', "True"))
    said = "+40 points, paths, boot and move now passed"
    ran.result.stdout.fnmatch_lines([f"since the previous attempt: {said}"])
    assert said in (pytester.path / "reports" / "report.html").read_text()


def test_the_instructors_page_is_there_only_where_something_is_hidden(tmp_path: Path) -> None:
    folder = ReportsFolder(tmp_path)
    run = Run("embedded", None, (), folder)
    secret = step("a", "passed", 10, checks=[check("secret-check")], hidden=True)
    write_reports(run, grade(secret))
    assert "secret-check" in (tmp_path / "report-instructor.html").read_text()
    assert "secret-check" not in (tmp_path / "report.html").read_text()
    folder.clear()
    write_reports(run, failing())
    assert not (tmp_path / "report-instructor.html").exists()
