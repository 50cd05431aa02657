"""The gradebook as data: what counts, what many share, and what spreadsheets, Moodle and Canvas are handed."""

import csv
from io import BytesIO, StringIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import load_workbook
from pages import HOSTILE, check, failing, grade, step

from xenlab.classroom import gradebook
from xenlab.classroom.gradebook import Cell, Entry, as_csv, as_xlsx, canvas, counting, moodle, safe, shared, table
from xenlab.classroom.member import Member
from xenlab.classroom.row import NOT_GRADABLE, GradebookRow, graded, not_graded
from xenlab.outcomes import Grade

SHEET = ("hosts", "path-fixes", "boot")
UNSEEN = grade(step("hosts", "error", ungradable=10, checks=[check("seen", "error")]), verdict="error")


def entry(name: str, made: Grade | GradebookRow | None = None, *members: Member, number: int = 1) -> Entry:
    row = graded(made) if isinstance(made, Grade) else made
    return Entry(name, name, members, attempts=1, number=number, row=row, links=((1, f"teams/{name}/report.html"),))


def cells(*entries: Entry) -> list[dict[str, Cell]]:
    head, *rows = table(entries, SHEET)
    return [dict(zip(map(str, head), row, strict=True)) for row in rows]


def test_a_row_tells_points_a_step_what_to_fix_and_how_it_ended() -> None:
    (row,) = cells(entry("team", failing()))
    assert row == {
        "team": "team",
        "total": 15.0,
        "of": 30.0,
        "verdict": "failed",
        "points not gradable": 0.0,
        "hosts": 10.0,
        "path-fixes": 5.0,
        "boot": 0.0,
        "outcome": "1 of 3 steps failed, 1 blocked by that.",
        "fix first": "path-fixes: kernel-exists (guest1 on baye): nothing",
        "hint": "the path misses a folder",
        "attempts": 1,
        "counts": 1,
        "late": None,
        "report": "teams/team/report.html",
    }


def test_what_is_not_gradable_is_its_own_word_and_no_zero() -> None:
    unseen, dead, waiting = cells(entry("a", UNSEEN), entry("b", not_graded("its run died")), entry("c"))
    assert [row["total"] for row in (unseen, dead, waiting)] == [NOT_GRADABLE, NOT_GRADABLE, None]
    assert (unseen["hosts"], unseen["of"], unseen["points not gradable"]) == (NOT_GRADABLE, 10.0, 0.0)
    assert (dead["verdict"], dead["outcome"], dead["hosts"], dead["of"]) == (NOT_GRADABLE, "its run died", None, None)
    assert (waiting["verdict"], waiting["hosts"]) == ("not graded yet", None)
    assert 0 not in (unseen["total"], dead["total"], unseen["hosts"])


def test_the_columns_are_the_same_whatever_was_graded() -> None:
    ones = [[], [entry("a")], [entry("a", not_graded("x"))], [entry("a", UNSEEN)], [entry("a", failing())]]
    heads = {tuple(next(table(some, SHEET))) for some in ones}
    assert len(heads) == 1
    of_their_own = grade(step("hosts", "passed", 10), step("clocks", "passed", 5))
    (head,) = heads
    assert [name for name in next(table([entry("a", of_their_own)], SHEET)) if name not in head] == ["clocks"]


@pytest.mark.parametrize(("rule", "number"), [("best", 2), ("first", 1), ("last", 3)])
def test_which_attempt_counts(rule: gradebook.Rule, number: int) -> None:
    rows = [
        (one, GradebookRow(verdict="failed", says="", earned=earned, possible=30))
        for one, earned in ((1, 10.0), (2, 20.0), (3, 15.0))
    ]
    assert counting(rows, rule) == rows[number - 1]
    unseen = (4, not_graded("died"))
    assert counting([*rows, unseen], rule) == rows[number - 1]
    assert counting([unseen], rule) == unseen
    assert counting([], rule) is None


def test_of_two_best_ones_the_later_counts() -> None:
    rows = [(one, GradebookRow(verdict="passed", says="", earned=30, possible=30)) for one in (1, 2)]
    assert counting(rows, "best") == rows[1]


def test_what_many_share_is_told_by_check_and_cause() -> None:
    def squashed(actual: str, *more: object) -> Grade:
        return grade(step("hosts", "failed", checks=[check("squash", "failed", actual=actual), *more]))  # type: ignore[list-item]

    denied = "mount.nfs: access denied by server while mounting 10.1.1.143:/srv"
    entries = [
        entry("a", squashed("rw,root_squash", check("seen", "error", actual="?"))),
        entry("b", squashed("ro,root_squash", check("squash", "failed", actual="twice"), check("seen", "error"))),
        entry("c", squashed(denied, check("seen", "error"))),
        entry("d", grade(step("hosts", "passed", checks=[check("squash")]), verdict="passed")),
        entry("e"),
    ]
    found = [(one.trouble.check, one.trouble.outcome.value, one.trouble.cause, one.teams) for one in shared(entries)]
    assert found == [("squash", "failed", "", ("a", "b")), ("seen", "error", "", ("a", "b", "c"))]
    assert entries[2].row is not None
    assert [trouble.cause for trouble in entries[2].row.troubles] == ["mount-denied", ""]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\x1b[31m=1", "＝1", " =1", "\n\n=1"])
def test_no_text_is_a_formula(text: str) -> None:
    assert safe(text).startswith("'")
    book = load_workbook(BytesIO(as_xlsx([[safe(text)]])))
    assert book.active is not None
    assert book.active["A1"].data_type == "s"


@given(st.text())
def test_whatever_a_team_is_called_stays_in_its_cell(name: str) -> None:
    text = as_csv(table([entry("x"), Entry(name, "y", words=name)], SHEET))
    rows = list(csv.reader(StringIO(text), strict=True))
    assert {len(row) for row in rows} == {len(rows[0])}
    assert not rows[2][0].startswith(("=", "+", "-", "@", "\t", "\r"))


def test_the_workbook_holds_what_the_csv_holds_and_numbers_are_numbers() -> None:
    rows = list(table([entry(HOSTILE, failing()), entry("b", UNSEEN)], SHEET))
    sheet = load_workbook(BytesIO(as_xlsx(rows))).active
    assert sheet is not None
    read = [list(row) for row in sheet.iter_rows(values_only=True)]
    assert read == [[None if cell == "" else cell for cell in row] for row in rows]
    assert sheet["B2"].value == 15
    assert sheet["B2"].data_type == "n"
    assert sheet.freeze_panes == "B2"


def test_what_would_change_is_counted_and_told_by_team() -> None:
    better = GradebookRow(verdict="failed", says="said", earned=20, possible=30)
    before = [entry("a", failing()), entry("b", failing()), entry("c", UNSEEN), entry("d")]
    after = [
        entry("a", better),
        entry("b", failing()),
        entry("c", GradebookRow(verdict="passed", says="said", earned=30, possible=30)),
        entry("d"),
    ]
    assert list(gradebook.differences(before, after)) == [
        "    2  failed -> failed",
        "    1  not gradable -> passed",
        "    1  not graded yet -> not graded yet",
        "a: failed 15 of 30 -> failed 20 of 30: said",
        "c: not gradable -> passed 30 of 30: said",
    ]
    assert list(gradebook.differences(before[:1], before[:1])) == ["    1  failed -> failed"]


MEMBERS = (
    Member(student="Ada", email="ada@example.org", id="1", login="al", canvas_id="77", section="A"),
    Member(student="=cmd", email="", id="", login="bo"),
)


def test_moodle_is_handed_who_is_gradable_by_email_or_number() -> None:
    head, *rows = moodle([entry("a", failing(), *MEMBERS), entry("b", UNSEEN, MEMBERS[0]), entry("c")], "Xen lab")
    assert head == ["Email address", "ID number", "Xen lab", "Xen lab feedback"]
    said = "1 of 3 steps failed, 1 blocked by that. Fix this first: path-fixes: kernel-exists (guest1 on baye): nothing"
    assert rows == [["ada@example.org", "1", 15.0, said]]


def test_canvas_is_handed_its_five_columns_and_the_points_possible() -> None:
    head, possible, *rows = canvas([entry("a", failing(), *MEMBERS), entry("b", UNSEEN, *MEMBERS)], "-lab", 30.0)
    assert head == ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", "'-lab"]
    assert possible == ["Points Possible", None, None, None, None, 30.0]
    assert rows == [["Ada", "77", "1", "al", "A", 15.0], ["'=cmd", "", "", "bo", "", 15.0]]
