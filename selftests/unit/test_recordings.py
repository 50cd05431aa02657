"""What scenarios showed on the real embedded lab, judged again: each as it should be, in milliseconds.

A recording is a run's evidence, made by `./lab record NAME`.
"""

from pathlib import Path

import pytest
from paths import RECORDINGS
from recorded import judged, steps

from xenlab.evidence import bundle
from xenlab.proving.row import Row, graded
from xenlab.report.compare import differences
from xenlab.scenarios.catalogue import scenario_named

RECORDED = sorted(RECORDINGS.glob("*.zip"))
each = pytest.mark.parametrize("recording", RECORDED, ids=lambda path: path.stem)


def row(recording: Path) -> Row:
    with bundle.opened(recording) as folder:
        return graded(scenario_named(recording.stem), judged(folder), 0)


@each
def test_a_recording_is_judged_as_its_scenario_says(recording: Path) -> None:
    found = row(recording)
    assert found.is_good, f"{found.ended}: {found.not_held}"


@each
def test_it_is_judged_as_it_was_then(recording: Path) -> None:
    with bundle.opened(recording) as folder:
        again = judged(folder)
        then = bundle.grade_of(folder)
    assert list(differences(then, again)) == []


def test_every_step_has_recordings_of_its_own() -> None:
    reddened = {scenario.red.step for path in RECORDED if (scenario := scenario_named(path.stem)).red}
    assert reddened == set(steps())
