"""Who sees what on the page: hidden and optional steps, waivers, late work, host keys."""

from datetime import date

import pytest
from pages import Page, check, command, grade, step

from xenlab.outcomes import Grade, LabInfo, Late, Score, SideEvidence, Waiver
from xenlab.report.html import render
from xenlab.report.views import for_students

SECRET = (
    *("secret-check", "a secret wish", "a secret find", "a secret hint", "secret command", "tidying up"),
    *("secret side", "a secret log"),
)
SIDE = {"side/1.txt": "a secret log"}
COMMANDS = (
    command(1, command="open command"),
    command(2, command="secret command"),
    command(3, command="shared command"),
    command(4, command="secret command"),
    command(5, command="tidying up"),
    command(6, command="open command again"),
    command(7, command="the fixtures' own"),
)


def sealed(outcome: str = "failed") -> Grade:
    secret = check(
        *("secret-check", outcome),
        expected="a secret wish",
        actual="a secret find",
        hint="a secret hint",
        evidence=("cmd-2", "cmd-3", "cmd-4"),
    )
    return grade(
        step("open", "passed", 10, checks=[check("c", evidence=("cmd-1", "cmd-3"))]),
        step(
            *("sealed", outcome, 2.5),
            checks=[secret],
            hidden=True,
            seconds=77.0,
            commands=("cmd-2", "cmd-3", "cmd-4", "cmd-5"),
            side=(SideEvidence(title="secret side", file="side/1.txt"),),
        ),
        step("last", "passed", 10, checks=[check("c", evidence=("cmd-6",))]),
    )


def test_of_a_hidden_step_students_see_title_outcome_and_points() -> None:
    text = render(sealed(), COMMANDS, {}, SIDE, view="student")
    page = Page(text)
    assert "Title of sealed. Failed 2.5 / 10" in page.text
    assert [word for word in (*SECRET, "1 min 17 s", "hidden from students") if word in text] == []
    assert "Fix this first Title of sealed. What this step looks at is not shown to students." in page.text
    for shown in ("open command", "shared command", "open command again", "the fixtures' own"):
        assert shown in page.text
    assert not page.stack


def test_the_instructor_sees_everything() -> None:
    text = render(sealed(), COMMANDS, {}, SIDE, view="instructor")
    page = Page(text)
    assert [word for word in SECRET if word not in text] == []
    assert "Title of sealed. hidden from students" in page.text
    assert "not shown to students" not in text
    assert not page.stack


def test_students_are_told_first_what_they_can_see() -> None:
    made = sealed()
    wrong = step("x", "failed", checks=[check("seen", "failed", actual="a thing seen")])
    made = made.model_copy(update={"steps": (*made.steps, wrong)})
    assert "Fix this first Title of x. seen" in Page(render(made, COMMANDS, {})).text
    told = Page(render(made, COMMANDS, {}, view="instructor")).text
    assert "Fix this first Title of sealed. hidden from students secret-check" in told


def test_a_student_may_see_all_where_nothing_is_hidden() -> None:
    made = grade(step("a", "passed", 10, checks=[check("c", evidence=("cmd-1",))]))
    assert for_students(made, COMMANDS) == (made, COMMANDS)


def test_a_waived_check_says_who_why_and_until_when() -> None:
    waiver = Waiver(who="Ada", why="the switch is broken", until=date(2026, 12, 1))
    made = grade(step("a", "waived", 10, checks=[check("c", "waived", waiver=waiver)]), verdict="passed")
    assert "Waived by Ada until 1 December 2026: the switch is broken" in Page(render(made, [], {})).text


@pytest.mark.parametrize(
    ("hours", "says"),
    [
        (26.5, "Handed in 26.5 hours late: 90 % of 15 points count."),
        (1, "Handed in 1 hour late: 90 % of 15 points count."),
    ],
)
def test_late_work_is_told_beside_the_score(hours: float, says: str) -> None:
    made = grade(step("a", "passed", 10), step("b", "failed", 5))
    late = Score(earned=13.5, possible=20, late=Late(hours=hours, factor=0.9))
    page = Page(render(made.model_copy(update={"score": late}), [], {}))
    assert f"13.5 of 20 points {says}" in page.text
    assert "Handed in" not in Page(render(made, [], {})).text


def test_an_optional_step_says_so() -> None:
    page = Page(render(grade(step("a", "passed"), step("b", "failed", required=False)), [], {}))
    assert "Title of b. optional" in page.text
    assert "Title of a. optional" not in page.text


def test_hosts_show_what_they_run_and_their_keys() -> None:
    lab = LabInfo(
        name="x",
        kind="real",
        hosts=("baye", "silent"),
        xen={"baye": "4.20.2"},
        host_keys={"baye": "SHA256:abc", "third": "SHA256:def"},
    )
    page = Page(render(grade(lab=lab), [], {}))
    assert "baye Xen 4.20.2 SSH key SHA256:abc silent version not read third version not read SSH key" in page.text


def test_what_stands_between_backticks_in_a_title_is_code() -> None:
    made = step("a", "passed").model_copy(update={"title": "`xl <pause>` and `on"})
    assert "<h3><code>xl &lt;pause&gt;</code> and `on</h3>" in render(grade(made), [], {})
