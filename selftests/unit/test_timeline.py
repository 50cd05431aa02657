"""The picture and the table of a migration's pings."""

import csv
import io
import re
import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest
from stampedmove import told, without_debug
from watchedmove import LIMITS, Move
from watchedmove import WINDOW as MOVED

from xenlab.lab.watch_analysis import Analysis, analyse
from xenlab.probes.trace import Packet, PingTrace, Window
from xenlab.report.timeline import timeline_csv, timeline_svg
from xenlab.xen.stamps import StampedWords

SVG = "{http://www.w3.org/2000/svg}"
WINDOW = Window(1010.0, 1049.2)


SEAT = "baye"


def outside(
    count: int = 1200,
    lost: range = range(400, 656),
    twice: tuple[int, ...] = (50, 900),
    failed: tuple[int, ...] = (1000,),
) -> PingTrace:
    packets = []
    for n in range(count):
        at = 1000.0 + n * 0.05
        replies = 0 if n in lost or n in failed else 2 if n in twice else 1
        arrivals = tuple(at + 0.001 * k for k in range(1, replies + 1))
        packets.append(Packet(n + 1, at, arrivals, (64,), "Network is unreachable" if n in failed else None))
    return PingTrace(tuple(packets), 0.05, 1000.0, 1000.0 + count * 0.05)


def inside(started: float = 1001.0) -> PingTrace:
    packets = tuple(Packet(n, started + n - 1, (started + n - 0.95,)) for n in range(1, 51) if n != 24)
    return PingTrace(packets, 1.0, started, started + 49)


def drawn(svg: str, kind: str) -> list[ET.Element]:
    return [e for e in ET.fromstring(svg).iter() if e.get("class") == kind]


def xs(svg: str, kind: str) -> list[float]:
    return [float(e.get("x", "nan")) for e in drawn(svg, kind)]


def test_a_migration_in_the_picture() -> None:
    svg = timeline_svg({SEAT: outside()}, inside(), WINDOW, "guest1: labubuntu to baye")
    root = ET.fromstring(svg)
    assert root.tag == SVG + "svg"
    title, desc = root.find(SVG + "title"), root.find(SVG + "desc")
    assert title is not None
    assert desc is not None
    assert title.text == "guest1: labubuntu to baye"
    assert "1199 sent, 943 received, 256 lost, 2 duplicated, 1 not sent" in (desc.text or "")
    assert "longest gap 12.85 s, from 9.95 s to 22.80 s" in (desc.text or "")
    assert root.get("aria-labelledby") == title.get("id")
    assert root.get("aria-describedby") == desc.get("id")
    texts = [e.text for e in root.iter(SVG + "text")]
    assert {"outside, baye", "inside (own clock)", "migration 39.20 s", "gap 12.85 s", "gap 2.00 s"} <= set(texts)
    assert len(drawn(svg, "gap")) == 2
    for kind in ("lost", "dup", "err"):
        assert len(drawn(svg, kind)) == 2  # in the lane, and in the legend


def test_the_parts_stand_where_they_belong() -> None:
    svg = timeline_svg({SEAT: outside()}, None, WINDOW, "t")
    (shade,) = drawn(svg, "window")
    left, width = float(shade.get("x", "nan")), float(shade.get("width", "nan"))
    scale = width / 39.2
    gap = drawn(svg, "gap")[0].get("d") or ""
    found = re.match(r"M([\d.]+) .*H([\d.]+)v", gap)
    assert found
    assert float(found[1]) == pytest.approx(left + 9.95 * scale, abs=0.2)
    assert float(found[2]) == pytest.approx(left + 22.80 * scale, abs=0.2)
    strokes = re.findall(r"M([\d.]+) ", drawn(svg, "lost")[0].get("d") or "")
    assert all(left + 9.8 * scale < float(x) < left + 22.9 * scale for x in strokes)
    zero = next(e for e in ET.fromstring(svg).iter(SVG + "text") if e.text == "0")
    assert float(zero.get("x", "nan")) == pytest.approx(left, abs=0.1)


def test_thousands_of_packets_stay_a_small_picture() -> None:
    svg = timeline_svg({SEAT: outside(count=20_000)}, None, Window(1100.0, 1150.0), "t")
    assert len(drawn(svg, "ok")) < 6
    assert len(svg) < 20_000
    scattered = tuple(Packet(n, n * 0.05, (n * 0.05,) if n % 2 else ()) for n in range(20_000))
    assert len(timeline_svg({SEAT: PingTrace(scattered, 0.05, 0, 1000)}, None, Window(1, 2), "t")) < 20_000


def test_a_pause_without_loss_interrupts_the_bar() -> None:
    packets = tuple(Packet(n, n + (20.0 if n > 10 else 0.0), (n + 30.0,)) for n in range(21))
    whole = PingTrace(packets[:11], 1.0, 0.0, 10.0)
    paused = PingTrace(packets, 1.0, 0.0, 40.0)
    assert len(drawn(timeline_svg({SEAT: whole}, None, Window(2, 8), "t"), "ok")) == 1 + 1  # and the legend
    assert len(drawn(timeline_svg({SEAT: paused}, None, Window(2, 8), "t"), "ok")) == 2 + 1


def test_an_inside_clock_from_elsewhere_is_lined_up_at_the_start() -> None:
    near = timeline_svg({SEAT: outside()}, inside(1000.0), WINDOW, "t")
    far = timeline_svg({SEAT: outside()}, inside(0.0), WINDOW, "t")
    assert xs(near, "ok") == xs(far, "ok")
    assert "from 12.00 s to 14.00 s" in near
    assert "from 12.00 s to 14.00 s" in far


@pytest.mark.parametrize("window", [WINDOW, Window(0.0, 0.0), Window(5.0, 5.001)])
def test_nothing_seen_is_still_a_picture(window: Window) -> None:
    empty = PingTrace((), 0.05, window.start, window.start)
    for svg in (timeline_svg({}, None, window, "t"), timeline_svg({SEAT: empty}, empty, window, "t")):
        ET.fromstring(svg)
        assert "nan" not in svg
        assert not drawn(svg, "gap")


def test_a_guest_that_stays_silent_is_said_to() -> None:
    svg = timeline_svg({SEAT: outside(lost=range(400, 1200), twice=(), failed=())}, None, WINDOW, "t")
    assert "gap 40.00 s and no reply since" in svg


def test_what_the_guest_could_not_send_is_told_once() -> None:
    unsent = replace(outside(lost=range(0), twice=()), by_guest=True)
    svg = timeline_svg({}, unsent, WINDOW, "t")
    assert "1200 sent, 1199 received, 1 lost, 1 of them could not be sent" in svg
    assert len(drawn(svg, "err")) == 2
    assert len(drawn(svg, "lost")) == 1  # in the legend only


def test_everything_is_escaped() -> None:
    nasty = '</title><script>alert(1)</script> & "x" \x00\x1b\ud800'
    svg = timeline_svg({SEAT: outside()}, None, WINDOW, nasty)
    svg.encode()
    root = ET.fromstring(svg)
    assert not list(root.iter(SVG + "script"))
    title = root.find(SVG + "title")
    assert title is not None
    assert (title.text or "").startswith('</title><script>alert(1)</script> & "x" ')


def test_light_dark_and_print() -> None:
    svg = timeline_svg({SEAT: outside()}, None, WINDOW, "t")
    assert "@media screen and (prefers-color-scheme:dark)" in svg
    assert "http" not in svg.replace("http://www.w3.org/2000/svg", "")  # asks for nothing from outside
    style = svg[svg.index("<style>") : svg.index("</style>")]
    rules = re.findall(r"[{}]\s*([^{}@]+)\{", "}" + style.partition(">")[2])
    assert rules
    assert all(part.strip().startswith(".xtl") for rule in rules for part in rule.split(","))


def test_two_pictures_on_one_page_share_no_id() -> None:
    one, other = (timeline_svg({SEAT: outside(count=n)}, None, WINDOW, "t") for n in (1100, 1200))
    assert set(re.findall(r'id="([^"]+)"', one)).isdisjoint(re.findall(r'id="([^"]+)"', other))


def test_the_table() -> None:
    rows = list(csv.DictReader(io.StringIO(timeline_csv(outside()))))
    assert len(rows) == 1200
    assert rows[0] == {
        "sequence": "1",
        "outcome": "answered",
        "sent_s": "0.000000",
        "received_s": "0.001000",
        "rtt_ms": "1.000",
        "replies": "1",
        "ttl": "64",
        "send_error": "",
    }
    assert (rows[400]["outcome"], rows[400]["received_s"], rows[400]["replies"]) == ("lost", "", "0")
    assert rows[50]["replies"] == "2"
    assert (rows[1000]["outcome"], rows[1000]["send_error"]) == ("send error", "Network is unreachable")


def dissected(words: StampedWords | None, deaf_until: float = 136.1) -> Analysis:
    """A guest that stands still from 119.9 to 136.1, `words` being what xl said."""
    move = Move(stopped=119.9, stood=16.2, deaf=lambda at: 119.9 <= at < deaf_until)
    return analyse(move.observed(), MOVED, LIMITS, words)


def picture(seen: Analysis) -> str:
    return timeline_svg({"here": seen.worst.trace}, None, seen.window, "t", seen.anatomy)


def test_what_xl_did_stands_below_the_pings() -> None:
    seen = dissected(told(), 139.0)
    svg = picture(seen)
    root = ET.fromstring(svg)
    (shade,) = drawn(svg, "window")
    left, width = float(shade.get("x", "nan")), float(shade.get("width", "nan"))
    scale = width / (MOVED.end - MOVED.start)
    boxes = sorted((*drawn(svg, "stage0"), *drawn(svg, "stage1")), key=lambda box: float(box.get("x", "nan")))
    assert seen.anatomy is not None
    stages = [part.stage for part in seen.anatomy.parts]
    assert len(boxes) == len(stages) == 10
    for box, stage in zip(boxes, stages, strict=True):
        assert float(box.get("x", "nan")) == pytest.approx(left + (stage.start - MOVED.start) * scale, abs=0.2)
        assert float(box.get("width", "nan")) == pytest.approx(max(1, (stage.end - stage.start) * scale), abs=0.2)
    (network,) = drawn(svg, "network")
    assert float(network.get("width", "nan")) == pytest.approx(2.9 * scale, abs=0.1 * scale)
    texts = [e.text or "" for e in root.iter(SVG + "text")]
    assert {"what xl did", "stood still 16.20 s", "6 disks 12.00 s", "8 vif 3.20 s"} <= set(texts)
    assert any(text.startswith("□ network 2.") for text in texts)
    desc = root.find(SVG + "desc")
    assert desc is not None
    assert "6 disks: 12.00 s" in (desc.text or "")
    assert "12.0 s went to hotplug scripts of two disks" in (desc.text or "")
    assert "prefers-color-scheme:dark" in svg


def test_a_picture_of_a_terse_xl_has_fewer_boxes_and_room_for_their_names() -> None:
    svg = picture(dissected(told(without_debug())))
    assert len([*drawn(svg, "stage0"), *drawn(svg, "stage1")]) == 4
    names = [e for e in ET.fromstring(svg).iter(SVG + "text") if (e.text or "")[:2] in ("1 ", "2 ", "3 ", "4 ")]
    assert len({e.get("x") for e in names}) == 2


def test_where_xl_told_nothing_the_stand_still_is_shown_alone() -> None:
    svg = picture(dissected(None))
    assert len(drawn(svg, "still")) == 1
    assert drawn(svg, "stage0") == []
    assert drawn(picture(replace(dissected(None), anatomy=None)), "still") == []


def test_the_picture_keeps_its_height_for_all_that_is_in_it() -> None:
    for seen in (dissected(told()), dissected(told(without_debug())), dissected(None)):
        root = ET.fromstring(picture(seen))
        height = float(root.get("viewBox", "").split()[3])
        ys = [float(e.get("y", "nan")) for e in root.iter(SVG + "text")]
        assert max(ys) < height


def test_every_seat_has_a_lane() -> None:
    svg = timeline_svg({"labubuntu": outside(lost=range(0)), "baye": outside()}, inside(), WINDOW, "t")
    assert [name in svg for name in ("outside, labubuntu<", "outside, baye<", "inside (own clock)<")] == [True] * 3
    assert "outside, baye: " in svg.partition("</desc>")[0]
