"""The picture of where each guest was."""

import re
import xml.etree.ElementTree as ET
from datetime import timedelta

from pages import MOVE, STARTED, Page, grade, step

from xenlab.outcomes import MigrationRecord
from xenlab.report.html import render
from xenlab.report.whereabouts import GUESTS, whereabouts_svg

SVG = "{http://www.w3.org/2000/svg}"
HOSTS = ("labubuntu", "baye")


def move(
    at: float, guest: str = "guest1", kind: str = "live", back: bool = False, seconds: float = 30
) -> MigrationRecord:
    source, target = HOSTS[::-1] if back else HOSTS
    return MOVE.model_copy(
        update={
            "guest": guest,
            "kind": kind,
            "source": source,
            "target": target,
            "started": STARTED + timedelta(seconds=at),
            "seconds": seconds,
        }
    )


def drawn(svg: str, kind: str) -> list[str]:
    """The paths of that class, but for the legend's."""
    paths = [e.get("d") or "" for e in ET.fromstring(svg).iter(SVG + "path") if (e.get("class") or "").startswith(kind)]
    return [path for path in paths if "h34" not in path]


def numbers(path: str) -> list[float]:
    return [float(n) for n in re.findall(r"-?[\d.]+", path)]


def test_a_line_leads_from_lane_to_lane_and_back() -> None:
    svg = whereabouts_svg(HOSTS, [move(200, kind="cold", back=True), move(100)], STARTED)
    root = ET.fromstring(svg)
    there, back = (numbers(path) for path in drawn(svg, "move"))
    assert there[1] == back[3] < there[3] == back[1]
    assert there[0] < there[2] < back[0] < back[2]
    scale = (there[2] - there[0]) / 30
    assert abs((back[0] - there[0]) - 100 * scale) < 0.3
    assert [e.get("class") for e in root.iter(SVG + "path") if "move" in (e.get("class") or "")][:2] == [
        *("move live", "move cold")
    ]
    stays = [numbers(path) for path in drawn(svg, "stay")]
    assert [y for _, y, _ in stays] == [there[1], there[3], there[1]]
    tops = [float(e.get("y", "nan")) for e in root.iter(SVG + "rect")]
    assert tops[0] < there[1] < tops[1] < there[3]
    assert not drawn(svg, "unknown")


def test_it_is_told_in_words_too() -> None:
    svg = whereabouts_svg(HOSTS, [move(100), move(131, "guest2", "cold")], STARTED)
    root = ET.fromstring(svg)
    title, desc = root.find(SVG + "title"), root.find(SVG + "desc")
    assert title is not None
    assert desc is not None
    assert (title.text, root.get("aria-labelledby")) == ("Where each guest was", title.get("id"))
    assert root.get("aria-describedby") == desc.get("id")
    assert desc.text == (
        "guest1 was on labubuntu; live to baye from 100 s to 130 s of the run. "
        "guest2 was on labubuntu; cold to baye from 131 s to 161 s of the run."
    )
    texts = [e.text for e in root.iter(SVG + "text")]
    assert texts.count("guest1") == 2
    assert {"labubuntu", "baye", "s of the run", "paused"} <= set(texts)


def test_two_moves_that_do_not_join_are_not_made_to() -> None:
    svg = whereabouts_svg(HOSTS, [move(100), move(200)], STARTED)
    (unknown,) = drawn(svg, "unknown")
    assert numbers(unknown)[0] == numbers(drawn(svg, "move")[1])[0]


def test_nothing_is_drawn_where_no_move_is_known_to_have_begun() -> None:
    assert whereabouts_svg(HOSTS, [], STARTED) == ""
    assert whereabouts_svg(HOSTS, [MOVE], STARTED) == ""
    assert "Where each guest was" not in render(grade(step("a", "passed"), migrations=[MOVE]), [], {})
    page = Page(render(grade(step("a", "passed"), migrations=[MOVE, move(5)]), [], {}))
    assert "Where each guest was" in page.text


def test_a_class_is_cut_to_what_can_be_told_apart() -> None:
    svg = whereabouts_svg(HOSTS, [move(n, f"g{n}") for n in range(64)], STARTED)
    assert len(drawn(svg, "move")) == GUESTS
    texts = [e.text for e in ET.fromstring(svg).iter(SVG + "text")]
    assert f"{64 - GUESTS} more guests are not drawn" in texts


def test_odd_records_still_make_a_picture() -> None:
    odd = MOVE.model_copy(update={"started": STARTED, "seconds": 0.0, "source": "third", "target": "third"})
    for svg in (whereabouts_svg((), [odd], STARTED), whereabouts_svg(HOSTS, [odd, move(-50, seconds=1e7)], STARTED)):
        assert "nan" not in svg
        assert ">third</text>" in svg
        ET.fromstring(svg)


def test_everything_is_escaped() -> None:
    nasty = '</title><script>alert(1)</script> & "x" \x00\x1b\ud800'
    odd = move(1).model_copy(update={"guest": nasty, "source": nasty})
    svg = whereabouts_svg((nasty,), [odd], STARTED)
    svg.encode()
    assert not list(ET.fromstring(svg).iter(SVG + "script"))
