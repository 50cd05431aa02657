"""A class's index page in a real browser: no request, readable to all, sorted and filtered by keyboard, quick."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from selftests.browser.chromium import Chromium, Tab, chromium
from selftests.browser.test_report_in_a_browser import axe, violations  # noqa: F401  the fixture is one of this module's
from xenlab.classroom.gradebook import Entry
from xenlab.classroom.page import render
from xenlab.classroom.row import GradebookRow, StepPoints, Trouble, not_graded
from xenlab.grading.rubric import shipped
from xenlab.outcomes import Outcome

pytestmark = pytest.mark.browser

DESK, PHONE = (1280, 800), (390, 844)
SHEET = tuple(shipped().steps)
SQUASHED = Trouble(
    step="shared-storage", check="no-root-squash", outcome=Outcome.FAILED, cause="", words="rw,root_squash"
)
SECONDS = 2.0
"""How much processor time a page of a thousand teams may take to load, and again to be sorted."""

Open = Callable[..., Tab]


def failed(earned: float) -> GradebookRow:
    first, second, *rest = SHEET
    steps = (
        StepPoints(id=first, outcome=Outcome.PASSED, earned=earned, points=10),
        StepPoints(id=second, outcome=Outcome.FAILED, earned=0, points=15),
        *(StepPoints(id=step, outcome=Outcome.BLOCKED, earned=0, points=10) for step in rest),
    )
    return GradebookRow(
        verdict="failed",
        says="1 of 8 steps failed, 6 blocked by that.",
        earned=earned,
        possible=100,
        steps=steps,
        fix="shared-storage: no-root-squash (baye): rw,root_squash",
        hint="write no_root_squash",
        troubles=(SQUASHED,),
    )


def green() -> GradebookRow:
    steps = (StepPoints(id=step, outcome=Outcome.PASSED, earned=12.5, points=12.5) for step in SHEET)
    return GradebookRow(verdict="passed", says="All 8 steps passed.", earned=100, possible=100, steps=tuple(steps))


def entry(name: str, row: GradebookRow) -> Entry:
    return Entry(name, name, attempts=1, number=1, row=row, links=((1, f"teams/{name}/attempt-1/report.html"),))


CLASS = [
    entry("team-10", failed(10)),
    entry("team-2", green()),
    entry("team-1", not_graded("its run did not end within 120 min")),
    entry("team-3", failed(9.5)),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Chromium]:
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("chromium is not installed (Debian's package chromium)")
    with chromium(program) as running:
        yield running


@pytest.fixture
def opened(browser: Chromium, tmp_path: Path) -> Iterator[Open]:
    """Open the index of these teams in a tab of its own."""
    tabs = []

    def open_(entries: list[Entry] = CLASS, size: tuple[int, int] = DESK, *, dark: bool = False) -> Tab:
        path = tmp_path / "index.html"
        path.write_text(render(entries, SHEET, "Xen lab"), encoding="utf-8")
        tab = Tab(browser, *size, dark=dark)
        tab.send("Performance.enable", timeDomain="threadTicks")
        tabs.append(tab)
        tab.open(path)
        return tab

    yield open_
    for tab in tabs:
        tab.close()


def shown(tab: Tab) -> list[str]:
    """The teams that are shown, in their order."""
    found: list[str] = tab.js(
        "[...document.querySelectorAll('#teams-table tbody tr')].filter(row => row.checkVisibility())"
        ".map(row => row.cells[0].textContent)"
    )
    return found


def press_until(tab: Tab, what: str) -> None:
    """Go on by Tab until the focused element says so."""
    for _ in range(60):
        tab.press("Tab")
        if what in tab.js("[document.activeElement.firstChild?.textContent.trim(), document.activeElement.id]"):
            return
    raise AssertionError(f"{what} cannot be reached by keyboard")


def test_it_asks_for_nothing_and_breaks_no_policy_of_its_own(opened: Open) -> None:
    tab = opened()
    assert tab.requests == [tab.js("location.href")]
    assert tab.complaints == []
    assert tab.js("document.getElementById('shown').textContent") == "4 of 4 teams shown"


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_everyone_can_read_it(opened: Open, axe: str, size: tuple[int, int], dark: bool) -> None:  # noqa: F811
    tab = opened(size=size, dark=dark)
    assert violations(tab, axe) == []
    assert tab.js("document.documentElement.scrollWidth") <= size[0]


def test_by_keyboard_it_is_sorted_by_any_column(opened: Open) -> None:
    tab = opened()
    press_until(tab, "Team")
    tab.press("Enter")
    assert shown(tab) == ["team-1", "team-2", "team-3", "team-10"]
    tab.press(" ")
    assert shown(tab) == ["team-10", "team-3", "team-2", "team-1"]
    press_until(tab, "Total")
    tab.press("Enter")
    # What has no total comes last, whichever way.
    assert shown(tab) == ["team-3", "team-10", "team-2", "team-1"]
    tab.press("Enter")
    assert shown(tab) == ["team-2", "team-10", "team-3", "team-1"]
    sorts = (
        "[...document.querySelectorAll('th[aria-sort]')].map(one => one.textContent + one.getAttribute('aria-sort'))"
    )
    assert tab.js(sorts) == ["Totaldescending"]


def test_it_shows_the_teams_that_are_asked_for(opened: Open) -> None:
    tab = opened()
    press_until(tab, "show only these")
    tab.press("Enter")
    assert shown(tab) == ["team-10", "team-3"]
    press_until(tab, "text")
    tab.send("Input.insertText", text="TEAM-3")
    assert shown(tab) == ["team-3"]
    assert tab.js("document.getElementById('shown').textContent") == "1 of 4 teams shown"
    tab.js("document.querySelector('[data-teams]').click(); text.value = ''; verdict.value = 'not gradable'")
    tab.js("verdict.dispatchEvent(new Event('change'))")
    assert shown(tab) == ["team-1"]


def test_every_report_is_a_link(opened: Open) -> None:
    links = opened().js("[...document.querySelectorAll('tbody th a')].map(one => one.getAttribute('href'))")
    assert links[0] == "teams/team-10/attempt-1/report.html"
    assert len(links) == 4


def worked(tab: Tab) -> float:
    """The seconds of processor time that the page has taken so far."""
    metrics = tab.send("Performance.getMetrics")["metrics"]
    return float(next(one["value"] for one in metrics if one["name"] == "TaskDuration"))


def test_a_thousand_teams_are_there_and_sorted_at_once(opened: Open) -> None:
    many = [entry(f"team-{number}", failed(number / 100)) for number in range(1000)]
    laid_out = "document.body.getBoundingClientRect()"
    tab = opened(many)
    tab.js(laid_out)
    loaded = worked(tab)
    assert len(shown(tab)) == 1000
    before = worked(tab)
    tab.js(f"document.querySelectorAll('thead button')[2].click(); {laid_out}")
    assert shown(tab)[0] == "team-0"
    assert 0 < loaded < SECONDS
    assert 0 < worked(tab) - before < SECONDS
