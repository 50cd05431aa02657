"""Where the downtime of a move went: parts that add up, blackout and brownout, and nothing that is not known."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stampedmove import LINES, changed, told, without_debug
from watchedmove import GONE, LIMITS, NO_BASH, WINDOW, Move

from xenlab.lab.watch_analysis import Analysis, analyse, with_figures
from xenlab.outcomes import AnatomySummary, MigrationRecord
from xenlab.xen.stamps import StampedWords

RECORD = MigrationRecord(guest="guest1", kind="live", source="a", target="b", seconds=40.0, same_boot=True)
# The guest's programs are frozen from 0.1 s before "guest has suspended" to 0.1 s after it was started.
STOPPED, STOOD = 119.9, 16.2


def seen(move: Move, words: StampedWords | None) -> Analysis:
    return analyse(move.observed(), WINDOW, LIMITS, words)


def dissected(move: Move, words: StampedWords | None) -> AnatomySummary:
    summary = with_figures(RECORD, seen(move, words)).anatomy
    assert summary is not None
    return summary


def stood(found: AnatomySummary) -> dict[str, float]:
    return {stage.stage: stage.stood_still_ms / 1000 for stage in found.stages if stage.stood_still_ms}


def whole(found: AnatomySummary) -> float:
    """What the parts add up to, in milliseconds."""
    return sum(stage.stood_still_ms for stage in found.stages) + found.untold_ms


def moved(**other: object) -> Move:
    """The move of `stampedmove`; it ends later than others."""
    return Move(**({"stopped": STOPPED, "stood": STOOD} | other))  # type: ignore[arg-type]


def deaf_until(at: float) -> Callable[[float], bool]:
    return lambda when: STOPPED <= when < at


def test_most_of_it_were_hotplug_scripts() -> None:
    found = dissected(moved(), told())
    parts = stood(found)
    assert parts["disks"] == pytest.approx(12.0, abs=0.001)
    assert parts["vif"] == pytest.approx(3.2, abs=0.001)
    assert parts["suspend"] == pytest.approx(0.1, abs=0.1)
    assert whole(found) == pytest.approx(STOOD * 1000, abs=50)
    assert found.sentence == (
        "Of 16.2 s in which the guest stood still, 12.0 s went to hotplug scripts of two disks, 3.2 s to the hotplug "
        "script of one vif, 1.0 s to the rest; the first answer outside came at once."
    )
    assert found.causes == ()
    assert found.brownout_ms == pytest.approx(0.0, abs=60)


@settings(max_examples=25, deadline=None)
@given(
    stopped=st.floats(115.0, 135.0),
    early=st.floats(0.0, 0.4),
    late=st.floats(0.0, 2.0),
    ahead=st.floats(-0.2, 0.2),
    terse=st.booleans(),
    latency=st.floats(0.01, 0.3),
)
def test_the_parts_add_up_to_the_stand_still(
    stopped: float, early: float, late: float, ahead: float, terse: bool, latency: float
) -> None:
    """Whenever it stopped, however the clocks stand and whatever xl says; and the parts within are exact."""
    move = Move(stopped=stopped - early, stood=early + 16.0 + late, latency=latency)
    words = told(without_debug() if terse else LINES, ahead=ahead, stopped_at=stopped)
    analysis = seen(move, words)
    found = dissected(move, words)
    assert analysis.beating is not None
    assert found.blackout_ms == pytest.approx(analysis.beating.stood_still * 1000, abs=0.01)
    assert whole(found) == pytest.approx(found.blackout_ms, abs=0.01)
    parts = stood(found)
    assert parts["disks, vif and devices" if terse else "disks"] == pytest.approx(15.75 if terse else 12.0, abs=0.001)
    assert found.doubt_ms <= 1000


def test_a_slow_script_and_a_late_bridge_grow_their_own_part() -> None:
    usual = dissected(moved(), told())
    slow = dissected(moved(stood=STOOD + 5), told(changed(LINES, "num_exec 1, not running", 5.0)))
    assert stood(slow)["disks"] - stood(usual)["disks"] == pytest.approx(5.0, abs=0.01)
    assert stood(slow)["vif"] == stood(usual)["vif"]
    late = dissected(moved(deaf=deaf_until(STOPPED + STOOD + 4.0)), told())
    assert late.brownout_ms == pytest.approx(4000, abs=150)
    assert stood(late) == stood(usual)
    assert "not in the bridge yet" in late.causes[0]
    assert "the network then took 4.0 s" in late.sentence


def test_a_dead_neighbour_is_told_from_a_late_bridge() -> None:
    """The guest's own ping is answered: only who pings it has to ask for it again."""
    move = moved(deaf=deaf_until(STOPPED + STOOD + 5.0))
    hearing = moved()
    move.changes = {"inside": hearing.observed().inside}
    (cause,) = dissected(move, told()).causes
    assert "dead neighbour" in cause


def test_an_unanswering_device_model_is_named() -> None:
    qmp = "libxl: error: libxl_qmp.c:470:qmp_next: Domain 3:timeout"
    lines = (
        *(line for line in LINES if line[0] <= 20.0),
        (25.0, qmp),
        (30.0, qmp),
        *((at + 10.1, text) for at, text in LINES if at > 20.0),
    )
    found = dissected(moved(stood=STOOD + 10.1), told(lines))
    assert "libxl waited 10 s for the guest's device model" in found.causes[0]
    assert stood(found)["last copy"] == pytest.approx(10.15, abs=0.01)


def test_without_stamps_it_says_less() -> None:
    found = dissected(moved(), None)
    assert found.stages == ()
    assert found.untold_ms == found.blackout_ms
    assert "xl does not tell what for" in found.sentence


@pytest.mark.parametrize("missing", [NO_BASH, GONE])
def test_without_a_heartbeat_no_stand_still_is_told(missing: object) -> None:
    found = dissected(moved(changes={"heartbeat": missing}), told())
    assert (found.blackout_ms, found.brownout_ms, found.sentence) == (None, None, "")
    assert [stage.stage for stage in found.stages][:3] == ["connect", "copy", "suspend"]
    assert seen(moved(changes={"heartbeat": missing}), None).anatomy is None


def test_lines_that_the_heartbeat_contradicts_are_not_believed() -> None:
    for wrong in (dissected(moved(stood=3.0), told()), dissected(moved(), told(stopped_at=110.0))):
        assert wrong.stages == ()
        assert wrong.untold_ms == wrong.blackout_ms


def test_a_guest_that_is_heard_no_more_has_no_network_part() -> None:
    found = dissected(moved(deaf=lambda at: at >= STOPPED), told())
    assert found.brownout_ms is None
    assert found.sentence.endswith("then nothing was heard of it from outside.")


def test_a_short_stand_still_is_told_by_hundredths() -> None:
    """As on hardware: 0.75 s."""
    quick = tuple((at if at <= 20.2 else 20.2 + (at - 20.2) / 30, text) for at, text in LINES)
    found = dissected(moved(stood=0.75, stopped=119.98), told(quick))
    assert found.blackout_ms == pytest.approx(750, abs=20)
    assert whole(found) == pytest.approx(found.blackout_ms, abs=0.01)
    first, second = stood(found)["disks"], stood(found)["vif"]
    assert (first, second) == (pytest.approx(12.0 / 30), pytest.approx(3.2 / 30, abs=0.01))
    assert "0.40 s went to hotplug scripts of two disks, " in found.sentence
    assert found.sentence.endswith("; the first answer outside came at once.")
