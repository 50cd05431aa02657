"""A row of the proof: how a graded scenario counts; what all rows together prove, and what is kept of them."""

import dataclasses
from pathlib import Path

import pytest
from pages import check, grade, step

from xenlab.errors import UsageError
from xenlab.outcomes import Grade, Outcome
from xenlab.proving.html import render
from xenlab.proving.matrix import Matrix
from xenlab.proving.pages import line, markdown, summary
from xenlab.proving.proof import Proof
from xenlab.proving.prover import steady
from xenlab.proving.row import Row, RowEnd, graded, not_graded
from xenlab.scenarios.scenario import Red, right, wrong

WRONG = wrong("squashed", "root is squashed", Red("share", "no-root-squash", "no_root_squash"))
RIGHT = right("nfs-3", "the share is mounted by NFSv3", "share")
SQUASHED = check("no-root-squash", "failed", actual="rw,root_squash", hint="write no_root_squash", host="baye")
OTHER = check("one-server", "failed", actual="two", hint="one")
UNSEEN = check("cannot-observe", "error", actual="no answer")


def run(*checks: object, hosts: str = "passed", verdict: str = "failed") -> Grade:
    first = step("hosts", hosts, checks=[check("reached", hosts, actual="?")])
    return grade(first, step("share", "failed", checks=checks), verdict=verdict)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("made", "ended"),
    [
        (run(check("mounted"), SQUASHED), RowEnd.KILLED),
        (run(OTHER, SQUASHED), RowEnd.KILLED),
        (run(UNSEEN, SQUASHED), RowEnd.KILLED),
        (run(OTHER), RowEnd.BY_ANOTHER),
        (run(SQUASHED, hosts="failed"), RowEnd.BY_ANOTHER),
        (run(check("no-root-squash", "failed", actual="ro", hint="write rw")), RowEnd.BY_ANOTHER),
        (run(check("no-root-squash"), verdict="passed"), RowEnd.SURVIVED),
        (run(UNSEEN, verdict="error"), RowEnd.ERROR),
        (run(check("no-root-squash"), verdict="error"), RowEnd.ERROR),
    ],
)
def test_a_fault_is_killed_by_its_own_check_for_its_own_cause(made: Grade, ended: RowEnd) -> None:
    row = graded(WRONG, made, 12.34)
    assert (row.ended, row.seconds, row.red) == (ended, 12.3, "share/no-root-squash")
    assert row.is_good == (ended is RowEnd.KILLED)


@pytest.mark.parametrize(
    ("made", "ended"),
    [
        (run(check("no-root-squash"), verdict="passed"), RowEnd.GREEN),
        (run(SQUASHED), RowEnd.REDDENED),
        (run(UNSEEN, verdict="error"), RowEnd.ERROR),
    ],
)
def test_a_right_lab_is_green_or_it_is_not(made: Grade, ended: RowEnd) -> None:
    assert graded(RIGHT, made, 1).ended is ended


def test_a_row_keeps_each_checks_worst_outcome_and_what_was_told() -> None:
    row = graded(
        WRONG, run(check("same-file"), SQUASHED, check("same-file", "failed", actual="2 inodes", guest="g")), 1
    )
    assert row.checks["share/same-file"] is Outcome.FAILED
    assert row.checks["hosts/reached"] is Outcome.PASSED
    assert [(one.check, one.words) for one in row.not_held] == [
        ("no-root-squash", "[baye] rw,root_squash → write no_root_squash"),
        ("same-file", "[g] 2 inodes → "),
    ]


def rows() -> tuple[Row, ...]:
    other = dataclasses.replace(WRONG, name="unseen")
    return (
        graded(WRONG, run(check("mounted"), SQUASHED), 5),
        graded(other, run(check("mounted"), check("one-server"), verdict="passed"), 6),
        not_graded(dataclasses.replace(WRONG, name="gone"), RowEnd.NOT_VIABLE, "sed: no such file", 7),
        graded(RIGHT, run(OTHER, check("no-root-squash")), 8),
    )


def test_all_rows_tell_which_faults_nobody_saw_and_which_checks_nobody_reddened() -> None:
    matrix = Matrix(rows())
    assert matrix.checks == ("hosts/reached", "share/mounted", "share/no-root-squash", "share/one-server")
    assert [row.scenario for row in matrix.unseen] == ["unseen"]
    # What a right lab reddened is no proof that the check fails where it should.
    assert matrix.untouched == ("hosts/reached", "share/mounted", "share/one-server")
    assert [row.scenario for row in matrix.odd] == ["unseen", "gone", "nfs-3"]
    assert list(summary(matrix)) == [
        "1 killed, 1 survived, 1 not viable, 1 reddened",
        "faults that no check saw: unseen",
        "checks that no fault turned red: hosts/reached, share/mounted, share/one-server",
    ]


def test_what_could_not_be_looked_at_is_no_check() -> None:
    assert "share/cannot-observe" not in Matrix((graded(WRONG, run(UNSEEN), 1),)).checks


def test_a_row_is_a_line_and_what_is_wrong_with_it_is_said() -> None:
    good, survived, gone, red = map(line, rows())
    assert good.split() == ["killed", "5", "s", "squashed", "share/no-root-squash"]
    assert survived.endswith("share/no-root-squash: nothing turned red")
    assert gone.endswith(": sed: no such file")
    assert red.endswith("share: share/one-server failed: two → one")


def test_the_page_has_a_row_a_scenario_and_what_falls_short() -> None:
    page = markdown(Matrix(rows()))
    assert "| squashed | root is squashed | share/no-root-squash | killed | 5 |" in page
    assert "| nfs-3 | the share is mounted by NFSv3 | share | **reddened** | 8 |" in page
    assert "- **gone** (not viable): sed: no such file" in page
    assert page.index("## Wrong labs") < page.index("## Right labs") < page.index("## Not as they should be")


def test_the_html_page_shows_what_falls_short_and_asks_for_nothing() -> None:
    hostile = dataclasses.replace(WRONG, name="hostile", what="<script>alert(1)</script>")
    page = render(Matrix((*rows(), graded(hostile, run(check("one-server", "failed", actual="<b>\x1b[31m")), 1))))
    assert "<script" not in page
    assert "<b>" not in page
    assert "\x1b" not in page
    assert "http" not in page.replace('http-equiv="Content-Security-Policy"', "")
    assert page.index("share/one-server") < page.index("Wrong labs") < page.index("Right labs")
    assert page.count('class="wanted"') == 4  # one in each row of a wrong lab


CATALOGUE = [WRONG, dataclasses.replace(WRONG, name="unseen"), RIGHT]


def test_rows_are_kept_as_they_come_and_read_again(tmp_path: Path) -> None:
    proof = Proof(tmp_path / "proof", CATALOGUE)
    assert proof.matrix.rows == ()
    last, first = rows()[3], rows()[0]
    for row in (last, first):
        proof.keep(row)
    again = Proof(tmp_path / "proof", CATALOGUE)
    assert again.matrix.rows == (first, last)
    page = (tmp_path / "proof/proof.md").read_text()
    assert page == markdown(again.matrix, ["unseen"])
    assert page.endswith("## Not proven yet\n\nunseen\n")
    assert (tmp_path / "proof/proof.html").read_text() == render(again.matrix)
    assert Proof(tmp_path / "proof", CATALOGUE[2:]).matrix.rows == (last,)


def test_what_is_good_and_unchanged_need_not_be_proven_again(tmp_path: Path) -> None:
    proof = Proof(tmp_path, CATALOGUE)
    assert proof.left(CATALOGUE) == CATALOGUE
    for row in rows():
        proof.keep(row)
    assert proof.left(CATALOGUE) == CATALOGUE[1:]
    changed = dataclasses.replace(WRONG, what="root is squashed, for one host alone")
    assert proof.left([changed]) == [changed]


@pytest.mark.parametrize("text", ["{half", '[{"scenario": "x"}]', "[]x"])
def test_what_is_no_proof_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "proof.json").write_text(text)
    with pytest.raises(UsageError, match=r"proof\.json is no proof"):
        Proof(tmp_path, CATALOGUE)


def test_the_lab_as_it_is_is_graded_as_its_scenarios_are() -> None:
    like = wrong("x", "x", Red("live", "c", "w"), alone=True, runs=True, beside=("hosts",))
    calm = steady(like, "before")
    assert (calm.step, calm.alone, calm.runs, calm.beside, calm.changes) == ("live", True, True, ("hosts",), ())
    assert calm.is_right
    assert calm.name != steady(like, "after").name != steady(WRONG, "after").name
