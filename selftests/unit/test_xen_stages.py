"""The stages of a move, read from xl's stamped lines: of a verbose xl, a terse one, and one that says anything."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stampedmove import BEGAN, LINES, changed, told, without_debug

from xenlab.xen.stages import Course, Kind, course
from xenlab.xen.stamps import Stamped, StampedWords

NOISE = st.sampled_from([text for _, text in LINES]) | st.text(max_size=40)


def read(lines: tuple[tuple[float, str], ...]) -> Course:
    found = course(told(lines))
    assert found is not None
    return found


def shown(found: Course) -> dict[str, float]:
    return {stage.name: round(stage.end - stage.start, 2) for stage in found.stages}


def test_a_verbose_xl_tells_every_stage() -> None:
    found = read(LINES)
    assert [(s.name, round(s.end - s.start, 2), s.scripts) for s in found.stages] == [
        ("connect", 1.5, 0),
        ("copy", 18.2, 0),
        ("suspend", 0.3, 0),
        ("last copy", 0.05, 0),
        ("restore", 0.15, 0),
        ("disks", 12.0, 2),
        ("devices", 0.3, 0),
        ("vif", 3.2, 1),
        ("devices", 0.2, 0),
        ("resume", 0.1, 0),
    ]
    assert (found.stopped, found.permitted, found.started) == (BEGAN + 20.0, BEGAN + 35.95, BEGAN + 36.0)
    assert found.qemu_waits == 0


def test_an_xl_that_is_not_verbose_tells_less_and_nothing_wrong() -> None:
    found = read(without_debug())
    assert shown(found) == {
        "connect": 1.5,
        "copy, suspend, last copy and restore": 18.65,
        "disks, vif and devices": 15.75,
        "resume": 0.1,
    }
    assert found.stopped == BEGAN + 20.15, "it stood still by then, whenever it began to"


@pytest.mark.parametrize("silent", ["guest has suspended", "suspend request via"])
def test_half_of_what_tells_two_stages_apart_tells_nothing(silent: str) -> None:
    names = [stage.name for stage in read(tuple(line for line in LINES if silent not in line[1])).stages]
    assert ("suspend and last copy" if silent.startswith("guest") else "copy and suspend") in names


def test_a_slow_script_is_in_its_own_stage() -> None:
    slow_disk = shown(read(changed(LINES, "num_exec 1, not running", 5.0)))
    assert (slow_disk["disks"], slow_disk["vif"]) == (17.0, 3.2)
    slow_vif = shown(read(changed(LINES, "No hotplug script to execute", 5.0)))
    assert (slow_vif["disks"], slow_vif["vif"]) == (12.0, 8.2)


def test_the_tap_of_a_guest_with_a_device_model_is_no_disk() -> None:
    device = "libxl: debug: libxl_device.c:1:device_hotplug: Domain 4:"
    tap = (33.0, device + "calling hotplug script: /etc/xen/scripts/vif-bridge add")
    found = read((*(line for line in LINES if line[0] < 33.0), tap, *(line for line in LINES if line[0] > 33.0)))
    assert [(s.name, s.scripts) for s in found.stages if Kind.VIFS in s.kinds] == [("vif", 1)]
    assert [s.scripts for s in found.stages if Kind.DISKS in s.kinds] == [2]


def test_a_guest_whose_disks_need_no_script() -> None:
    found = read(tuple(line for line in LINES if not 20.19 < line[0] < 32.3))
    assert "disks" not in shown(found)
    assert shown(found)["vif"] == 3.2


def test_a_device_model_that_does_not_answer_is_waited_for() -> None:
    qmp = "libxl: {}: libxl_qmp.c:470:qmp_next: Domain 3:{}"
    late = (
        *(line for line in LINES if line[0] <= 20.0),
        (20.01, qmp.format("debug", 'next qmp command: \'{"execute":"stop"}\'')),
        (25.02, qmp.format("error", "timeout")),
        (30.03, qmp.format("error", "Failed to connect to QMP")),
        *((at + 10.2, text) for at, text in LINES if at > 20.0),
    )
    assert read(late).qemu_waits == pytest.approx(10.02)


def test_words_that_tell_of_no_stage() -> None:
    assert course(told(())) is None
    assert course(told(((0.1, "libxl: error: no"), (0.2, "migration aborted")))) is None


def test_a_line_without_end_is_read_at_once() -> None:
    flood = "libxl: debug: libxl_device.c:" + ":" * 1_000_000
    assert shown(read((*LINES[:20], (20.1, flood), *LINES[20:]))) == shown(read(LINES))


@given(st.lists(st.tuples(st.integers(0, 300), NOISE), max_size=60))
def test_whatever_comes_the_stages_follow_each_other_without_a_hole(said: list[tuple[int, str]]) -> None:
    lines = tuple(Stamped(100.0 + at / 100, text) for at, text in sorted(said, key=lambda line: line[0]))
    found = course(StampedWords(100.0, lines, 0.0, 0.0))
    if found is None:
        return
    assert found.stages[0].start == 100.0
    assert all(a.end == b.start for a, b in zip(found.stages, found.stages[1:], strict=False))
    assert all(stage.start <= stage.end for stage in found.stages)
    kinds = [kind for stage in found.stages for kind in stage.kinds]
    assert Kind.RESUME in found.stages[-1].kinds
    assert set(kinds) <= set(Kind)
