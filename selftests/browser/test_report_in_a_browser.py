"""The report in a real browser: what it asks for, what is seen first, who can read it.

Every property is also looked for on a page that was spoilt on purpose.
"""

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from selftests.browser.chromium import Chromium, Tab, chromium
from selftests.browser.madeup import RUNS, page
from xenlab.report.html import View

pytestmark = pytest.mark.browser

HERE = Path(__file__).parent
AXE = HERE / "node_modules/axe-core"
DESK, PHONE = (1280, 800), (390, 844)
UNFOLD = "document.querySelectorAll('details').forEach(one => one.open = true)"
PAGES: tuple[tuple[str, View], ...] = (*((name, "student") for name in RUNS), ("failed", "instructor"))

Open = Callable[..., Tab]


@pytest.fixture(scope="module")
def browser() -> Iterator[Chromium]:
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("chromium is not installed (Debian's package chromium)")
    with chromium(program) as running:
        yield running


@pytest.fixture
def opened(browser: Chromium, tmp_path: Path) -> Iterator[Open]:
    """Open a report, or the HTML given, in a tab of its own."""
    tabs = []

    def open_(
        name: str = "failed",
        size: tuple[int, int] = DESK,
        *,
        view: View = "student",
        html: str | None = None,
        **how: bool | str,
    ) -> Tab:
        path = tmp_path / "report.html"
        path.write_text(page(name, view) if html is None else html, encoding="utf-8")
        tab = Tab(browser, *size, **how)
        tabs.append(tab)
        tab.open(path)
        return tab

    yield open_
    for tab in tabs:
        tab.close()


@pytest.fixture(scope="module")
def axe() -> str:
    """The source of axe-core, as package-lock.json pins it."""
    pinned = json.loads((HERE / "package-lock.json").read_text())["packages"]["node_modules/axe-core"]["version"]
    own = AXE / "package.json"
    if not own.exists() or json.loads(own.read_text())["version"] != pinned:
        npm = shutil.which("npm")
        if npm is None:
            pytest.skip("npm, which brings axe-core, is not installed")
        subprocess.run([npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts"], cwd=HERE, check=True)
    return (AXE / "axe.min.js").read_text(encoding="utf-8")


def place(tab: Tab, selector: str) -> dict[str, float]:
    """Where an element is, from the top left of the window; fails if it is not there."""
    box: dict[str, float] = tab.js(f"document.querySelector({selector!r}).getBoundingClientRect().toJSON()")
    return box


def within_first_screen(tab: Tab, selector: str, height: int) -> bool:
    box = place(tab, selector)
    return bool(tab.js("scrollY === 0")) and 0 <= box["top"] < box["bottom"] <= height


def width(tab: Tab) -> int:
    """How wide the page is with everything unfolded."""
    tab.js(UNFOLD)
    wide: int = tab.js("document.documentElement.scrollWidth")
    return wide


def violations(tab: Tab, axe: str) -> list[str]:
    """What axe finds of serious or critical impact with everything unfolded."""
    tab.js(UNFOLD)
    tab.js(axe)
    found = tab.js("axe.run(document, {resultTypes: ['violations']}).then(result => result.violations)")
    return [
        f"{one['id']}: {node['html'][:200]}"
        for one in found
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
    ]


def focused(tab: Tab) -> dict[str, Any]:
    """The focused element: its text, its place in the document's order, its outline's width in pixels."""
    found: dict[str, Any] = tab.js("""(() => {
        const one = document.activeElement, style = getComputedStyle(one);
        return {text: one.textContent.trim().replace(/\\s+/g, ' '),
                order: [...document.querySelectorAll('*')].indexOf(one),
                outline: style.outlineStyle === 'none' ? 0 : parseFloat(style.outlineWidth)};
    })()""")
    return found


def headings(tab: Tab) -> list[str]:
    """The headings in the order in which they are read out."""
    nodes = {node["nodeId"]: node for node in tab.send("Accessibility.getFullAXTree")["nodes"]}
    found = []
    todo = [next(iter(nodes))]
    while todo:
        node = nodes[todo.pop()]
        if not node["ignored"] and node["role"]["value"] == "heading":
            found.append(" ".join(node["name"]["value"].split()))
        todo += reversed([child for child in node.get("childIds", []) if child in nodes])
    return found


# On the reports


@pytest.mark.parametrize(("name", "view"), PAGES)
def test_it_asks_for_nothing_and_the_console_is_quiet(opened: Open, name: str, view: View, tmp_path: Path) -> None:
    tab = opened(name, view=view)
    tab.js(UNFOLD)
    assert tab.requests == [(tmp_path / "report.html").as_uri()]
    assert tab.complaints == []


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
@pytest.mark.parametrize("name", RUNS)
def test_score_and_what_to_fix_are_on_the_first_screen(opened: Open, name: str, size: tuple[int, int]) -> None:
    tab = opened(name, size)
    assert within_first_screen(tab, ".score", size[1])
    if name == "passed":
        assert tab.js("document.querySelector('.fix')") is None
    else:
        assert "Fix this first" in tab.js("document.querySelector('.fix').innerText")
        assert within_first_screen(tab, ".fix", size[1])


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
@pytest.mark.parametrize(("name", "view"), PAGES)
def test_the_page_never_scrolls_sideways(opened: Open, name: str, view: View, size: tuple[int, int]) -> None:
    assert width(opened(name, size, view=view)) == size[0]


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
@pytest.mark.parametrize(("name", "view"), PAGES)
def test_everyone_can_read_it(opened: Open, axe: str, name: str, view: View, size: tuple[int, int], dark: bool) -> None:
    assert violations(opened(name, size, view=view, dark=dark), axe) == []


def test_light_and_dark_differ(opened: Open) -> None:
    shade = "getComputedStyle(document.body).backgroundColor"
    assert opened().js(shade) != opened(dark=True).js(shade)


def test_headings_are_read_from_the_score_down(opened: Open) -> None:
    read = headings(opened("passed"))
    wanted = [
        *("100 of 100 points", "Steps", "Since the previous attempt", "Where each guest was", "Migrations"),
        *("Commands", "The lab", "Run it again"),
    ]
    assert [heading for heading in read if heading in wanted] == wanted
    assert headings(opened("failed"))[:3] == ["38.25 of 100 points", "Fix this first", "Steps"]


def test_the_keyboard_reaches_everything_in_order_and_shows_where_it_is(opened: Open) -> None:
    tab = opened("failed")
    stops = []
    for _ in range(12):
        tab.press("Tab")
        stops.append(focused(tab))
    assert [stop["text"] for stop in stops[2:10]] == [
        *("hosts", "shared-storage", "path-fixes", "boot-from-share", "cold-migration", "paused-migration"),
        *("live-migration", "left-as-found"),
    ]
    assert [stop["order"] for stop in stops] == sorted({stop["order"] for stop in stops})
    assert all(stop["outline"] >= 2 for stop in stops)


def test_a_node_of_the_graph_leads_to_its_step_and_unfolds_it(opened: Open) -> None:
    tab = opened("failed", PHONE)
    folded = "document.getElementById('step-boot-from-share').closest('details').open"
    assert tab.js(folded) is False
    tab.js("document.querySelector('.map a[href=\"#step-boot-from-share\"]').focus()")
    tab.press("Enter")
    assert tab.js("location.hash") == "#step-boot-from-share"
    assert tab.js(folded) is True
    assert 0 < place(tab, "#step-boot-from-share")["top"] < PHONE[1]


def test_a_check_leads_to_the_command_it_was_seen_in(opened: Open) -> None:
    tab = opened("failed")
    tab.js("document.querySelector('.check.failed .evidence a').click()")
    assert tab.js("document.getElementById('cmd-3').closest('details').open") is True
    assert 0 < place(tab, "#cmd-3")["top"] < DESK[1]


def test_every_way_back_from_what_is_blocked_is_drawn(opened: Open) -> None:
    tab = opened("failed")
    assert tab.js("document.querySelectorAll('.rail.back.failed').length") == 4
    shade = "getComputedStyle(document.querySelector('.rail{}')).stroke"
    assert tab.js(shade.format(".back")) != tab.js(shade.format(":not(.back)"))
    shapes = "[...document.querySelectorAll('.rails use')].map(one => one.getAttribute('href'))"
    assert tab.js(shapes) == [f"#mark-{o}" for o in (*("passed",) * 2, "failed", *("blocked",) * 4, "passed")]


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_on_paper_every_step_is_unfolded_and_the_ground_is_white(opened: Open, dark: bool) -> None:
    tab = opened("passed", media="print", dark=dark)
    assert tab.js("[...document.querySelectorAll('.checks')].map(one => one.checkVisibility())") == [True] * 8
    assert opened("passed").js("document.querySelector('.checks').checkVisibility()") is False
    assert tab.js("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert tab.printed().startswith(b"%PDF")


# On pages spoilt on purpose: each of the above can fail


def spoilt(extra: str, *, guarded: bool = True) -> str:
    html = page("failed").replace("</main>", f"{extra}</main>")
    return html if guarded else html.replace("default-src 'none'; ", "").replace("img-src data:", "")


def test_a_request_and_a_breach_of_the_policy_are_noticed(opened: Open) -> None:
    image = '<img src="http://127.0.0.1:1/x.png" alt="">'
    assert len(opened(html=spoilt(image, guarded=False)).requests) == 2
    assert any("Content Security Policy" in said for said in opened(html=spoilt(image)).complaints)
    assert opened(html=spoilt("<script>1</script>")).complaints


def test_what_is_below_the_first_screen_is_noticed(opened: Open) -> None:
    low = page("failed").replace("<body>", '<body><div style="height: 700px"></div>')
    assert not within_first_screen(opened(html=low), ".fix", DESK[1])


def test_a_page_that_is_too_wide_is_noticed(opened: Open) -> None:
    assert width(opened(size=PHONE, html=spoilt('<div style="width: 500px">wide</div>'))) > PHONE[0]


def test_what_not_everyone_can_read_is_noticed(opened: Open, axe: str) -> None:
    found = violations(opened(html=spoilt('<p style="color: #ccc; background: #fff">pale</p>')), axe)
    assert [one.partition(":")[0] for one in found] == ["color-contrast"]
