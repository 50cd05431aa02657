"""The index page of a class: every team with its report, what many share, one script of ours, nothing hostile."""

import base64
import hashlib
import re
import time

from pages import HOSTILE, Page, check, failing, grade, step

from xenlab.classroom.gradebook import Entry
from xenlab.classroom.page import render
from xenlab.classroom.row import graded, not_graded

SHEET = ("hosts", "path-fixes", "boot")
GREEN = grade(*(step(name, "passed", 10) for name in SHEET), verdict="passed")


def entry(name: str, number: int = 1, **more: object) -> Entry:
    links = ((number, f"teams/{name}/attempt-{number}/report.html"),)
    given = {"attempts": number, "number": number, "row": graded(failing()), "links": links, **more}
    return Entry(name, name, **given)  # type: ignore[arg-type]


CLASS = [
    entry("alpha"),
    entry("beta", row=graded(GREEN)),
    entry("gamma", row=not_graded("its run died")),
    entry("delta", 2, words="Begun 2 times."),
    Entry("epsilon", "epsilon"),
]


def test_it_has_a_row_a_team_with_verdict_points_report_and_what_to_fix() -> None:
    page = Page(render(CLASS, SHEET, "Xen lab"))
    assert "1 of 5 teams passed" in page.text
    assert "2 failed" in page.text
    assert "1 not gradable" in page.text
    assert "1 not graded yet" in page.text
    assert page.tags.count("tr") == 6
    assert "alpha failed 15 / 30 10 5 0 path-fixes: kernel-exists (guest1 on baye): nothing" in page.text
    labels = [value for name, value in page.attributes if name == "aria-label"]
    assert labels[:3] == ["10, passed", "5, failed", "0, blocked"]
    assert "gamma not gradable its run died" in page.text
    assert "Begun 2 times." in page.text
    hrefs = [value for name, value in page.attributes if name == "href"]
    assert "teams/delta/attempt-2/report.html" in hrefs


def test_it_tells_what_many_share_and_which_teams_they_are() -> None:
    page = render(CLASS, SHEET, "Xen lab")
    assert "2 of 5 teams : path-fixes/kernel-exists : nothing" in Page(page).text
    assert 'data-teams="team-alpha team-delta"' in page
    assert "What many share" not in render(CLASS[:2], SHEET, "Xen lab")


def test_its_policy_takes_its_own_script_and_nothing_else() -> None:
    page = render(CLASS, SHEET, "Xen lab")
    (script,) = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', page)
    assert policy == (f"default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src 'sha256-{digest}'")
    assert "http" not in page.replace("http-equiv", "")


def test_nothing_hostile_gets_into_it() -> None:
    bad = grade(step("hosts", "failed", checks=[check("seen", "failed", actual=HOSTILE, hint=HOSTILE)] * 2))
    entries = [entry("a", row=graded(bad), words=HOSTILE), entry("b", row=graded(bad))]
    page = render([*entries, Entry(HOSTILE, "c")], SHEET, HOSTILE)
    assert page.count("<script>") == 1
    assert "<script>alert" not in page
    assert "\x1b" not in page
    assert "\udce9" not in page
    assert "‮" not in page
    assert Page(page).text.count("<script>alert(1)</script>") > 3  # as words


def test_a_thousand_teams_are_rendered_in_no_time() -> None:
    many = [entry(f"team-{number}") for number in range(1000)]
    render(many[:1], SHEET, "Xen lab")
    began = time.process_time()
    page = render(many, SHEET, "Xen lab")
    assert time.process_time() - began < 5
    assert len(page) < 3_000_000
