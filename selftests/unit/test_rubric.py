"""The rubric's file, and how late work is: what is read, and what is said about what is wrong."""

import ast
import json
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paths import ROOT

from xenlab.errors import UsageError
from xenlab.grading.lateness import late
from xenlab.grading.rubric import SHIPPED, Rubric, Thresholds, load, shipped
from xenlab.grading.scoring import StepSpec
from xenlab.labfile_limits import ProbeSpec
from xenlab.outcomes import CheckResult, Late, Outcome, StepResult

STEPS = ("hosts", "boot-from-share")

GOOD = """
late = [[0, 0.9], [24, 0.5], [72, 0]]

[thresholds]
max_outside_gap_ms = 1500

[steps]
hosts = { points = 12.5, required = false }

[steps.boot-from-share]
hidden = true

[[waivers]]
step = "boot-from-share"
check = "swap"
guest = "guest2"
who = "A. Teacher"
why = "its disk came without"
until = 2026-03-31
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "rubric.toml"
    path.write_text(GOOD)
    return path


def problems(file: Path, text: str) -> list[str]:
    file.write_text(text)
    with pytest.raises(UsageError) as refusal:
        load(file, STEPS)
    return refusal.value.message.splitlines()


def test_a_good_file(file: Path) -> None:
    rubric = load(file, STEPS)
    hosts = rubric.weighed(StepSpec("hosts", "Hosts.", 10, ("x",)))
    assert (hosts.points, hosts.required, hosts.hidden, hosts.needs) == (12.5, False, False, ("x",))
    boot = rubric.weighed(StepSpec("boot-from-share", "Boot.", 15))
    assert (boot.points, boot.required, boot.hidden) == (15, True, True)
    other = StepSpec("other", "Other.", 3)
    assert rubric.weighed(other) == other
    probes = ProbeSpec(max_outside_gap_ms=9, max_inside_lost=7)
    assert rubric.thresholds.over(probes) == ProbeSpec(max_outside_gap_ms=1500, max_inside_lost=7)
    assert Thresholds().over(probes) == probes


def test_a_waiver_covers_what_it_names_until_its_last_day(file: Path) -> None:
    rubric = load(file, STEPS)
    (waiver,) = rubric.in_force(date(2026, 3, 31))
    assert list(rubric.remarks(date(2026, 3, 31), [])) == []
    assert rubric.in_force(date(2026, 4, 1)) == ()
    assert list(rubric.remarks(date(2026, 4, 1), [])) == [
        "waiver expired on 2026-03-31: boot-from-share swap guest2 (A. Teacher: its disk came without)"
    ]

    def covered(step: str, check: str, guest: str | None) -> bool:
        return waiver.covers(step, CheckResult(id=check, outcome=Outcome.FAILED, guest=guest))

    assert covered("boot-from-share", "swap", "guest2")
    assert not covered("hosts", "swap", "guest2")
    assert not covered("boot-from-share", "answers", "guest2")
    assert not covered("boot-from-share", "swap", "guest1")
    assert not covered("boot-from-share", "swap", None)


@pytest.mark.parametrize(
    ("check", "outcome", "remarks"), [("swap", "passed", 0), ("spaw", "passed", 1), ("not-run", "blocked", 0)]
)
def test_a_waiver_for_no_check_that_was_made_is_said(file: Path, check: str, outcome: str, remarks: int) -> None:
    done = CheckResult(id=check, outcome=Outcome(outcome), guest="guest2")
    step = StepResult(id="boot-from-share", title="Boot.", points=1, earned=1, outcome=Outcome(outcome), checks=(done,))
    said = list(load(file).remarks(date(2026, 3, 31), [step]))
    assert len(said) == remarks
    assert all(line.startswith("waiver for no check that was made: boot-from-share swap guest2") for line in said)


WAIVER = '[[waivers]]\nstep = "hosts"\nwho = "T"\nwhy = "w"\nuntil = 2026-03-31\n'


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[steps]\nhots = {}", "steps.hots: 'hots' is not a step: allowed are hosts, boot-from-share"),
        ("[steps.hosts]\npoints = -1", "steps.hosts.points: -1 is not allowed: points are from 0 to 10000, with two"),
        ("[steps.hosts]\npoints = 1.005", "steps.hosts.points: 1.005 is not allowed: points are from 0"),
        ("[steps.hosts]\npoints = inf", "steps.hosts.points: inf is not allowed"),
        ("[steps.hosts]\npoints = nan", "steps.hosts.points: nan is not allowed"),
        ('[steps.hosts]\npoints = "5"', 'steps.hosts.points: "5" is not allowed: it must be a valid number'),
        ("[steps.hosts]\nrequired = 1", "steps.hosts.required: 1 is not allowed: it must be a valid boolean"),
        ("[steps.hosts]\npiont = 1", "steps.hosts.piont: unknown key: allowed are points, required, hidden"),
        ("[steps]\nhosts = 5", "steps.hosts: 5 is not allowed: it must be an object"),
        ("step = 1", "step: unknown key: allowed are late, attempts, thresholds, steps, waivers"),
        ("[thresholds]\nmax_gap = 1", "thresholds.max_gap: unknown key: allowed are max_outside_gap_ms, max_inside"),
        ("[thresholds]\nmax_outside_gap_ms = 0", "thresholds.max_outside_gap_ms: 0 is not allowed: it must be greater"),
        ("[thresholds]\nmax_inside_lost = -1", "thresholds.max_inside_lost: -1 is not allowed"),
        ("late = [[0, 1.5]]", "late.0.1: 1.5 is not allowed: it must be less than or equal to 1"),
        ("late = [[0, -0.5]]", "late.0.1: -0.5 is not allowed: it must be greater than or equal to 0"),
        ("late = [[0, nan]]", "late.0.1: NaN is not allowed"),
        ("late = [[-1, 0.5]]", "late.0.0: -1 is not allowed"),
        ("late = [[inf, 0.5]]", "late.0.0: Infinity is not allowed: it must be a finite number"),
        ("late = [[0, 0.5, 1]]", "late.0: [0, 0.5, 1] is not allowed: it must have at most 2 items"),
        ("late = [[0]]", "late.0.1: is missing and must be given"),
        ("late = [[0, 0.5], [1, 0.6]]", "late: 0.6 after 1 h is more than 0.5: factors must not rise"),
        ("late = [[1, 0.5], [1, 0.4]]", "late: after 1 h cannot come behind after 1 h: hours must rise"),
        (WAIVER.replace('who = "T"\n', ""), "waivers.0.who: is missing and must be given"),
        (WAIVER.replace('why = "w"\n', ""), "waivers.0.why: is missing and must be given"),
        (WAIVER.replace("until = 2026-03-31\n", ""), "waivers.0.until: is missing and must be given"),
        (WAIVER.replace('"T"', '" \\u001b[31m"'), "waivers.0.who: must say something"),
        (WAIVER.replace('"w"', '""'), "waivers.0.why: must say something"),
        (WAIVER.replace("2026-03-31", '"soon"'), 'waivers.0.until: "soon" is not allowed: it must be a valid date'),
        (WAIVER.replace("2026-03-31", "20260331"), "waivers.0.until: 20260331 is not allowed"),
        (WAIVER.replace('"hosts"', '"hots"'), "waivers.0.step: 'hots' is not a step: allowed are hosts, boot"),
        (WAIVER + "whom = 1", "waivers.0.whom: unknown key: allowed are who, why, until, step, check, guest"),
        ("late = [[0, 0.9]", "not valid TOML"),
    ],
)
def test_one_clear_line(file: Path, text: str, line: str) -> None:
    (said,) = problems(file, text)
    assert said.startswith(f"rubric.toml: {line}")


def test_every_problem_is_told(file: Path) -> None:
    text = 'late = [[0, 0.5], [0, 0.9]]\n[steps.hots]\npoints = -1\n[thresholds]\nx = 1\n[[waivers]]\nstep = "hots"\n'
    said = problems(file, text)
    keys = [line.split(": ")[1] for line in said]
    assert sorted(keys) == sorted(
        ["late", "late", "steps.hots", "steps.hots.points", "thresholds.x"]
        + [f"waivers.0.{key}" for key in ("step", "who", "why", "until")]
    )


def test_a_missing_file_points_at_the_readme(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file") as refusal:
        load(tmp_path / "rubric.toml")
    assert "README.md" in refusal.value.hint


def test_the_readme_shows_a_rubric_that_is_read(file: Path) -> None:
    section = (ROOT / "README.md").read_text().partition("## Points, waivers, late work")[2].partition("\n## ")[0]
    lines = [line[4:] for line in section.splitlines() if line.startswith("    ") and "./lab" not in line]
    file.write_text("\n".join(lines))
    rubric = load(file, shipped().steps)
    assert rubric.late
    assert rubric.waivers
    assert rubric.steps
    assert rubric.thresholds != Thresholds()


# The sheet's points


def sheet() -> dict[str, set[str]]:
    """The keyword arguments of each @step in tests/, by its id."""
    found = {}
    for path in sorted((ROOT / "tests").glob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "step":
                found[ast.literal_eval(node.args[0])] = {keyword.arg for keyword in node.keywords}
    return found


def test_the_shipped_rubric_weighs_every_step_and_adds_up_to_100() -> None:
    assert load(SHIPPED, sheet()) == shipped()
    points = {id: rule.points for id, rule in shipped().steps.items()}
    assert points.keys() == sheet().keys()
    assert sum(points.values()) == 100


def test_the_sheet_itself_gives_no_points() -> None:
    assert not [id for id, keywords in sheet().items() if "points" in keywords]


# Late work


@pytest.mark.parametrize(
    ("hours", "factor"), [(0, 1), (0.01, 0.9), (24, 0.9), (24.01, 0.5), (72, 0.5), (72.01, 0), (1e6, 0)]
)
def test_late_work_loses_by_the_hour(file: Path, hours: float, factor: float) -> None:
    assert load(file).factor(hours) == factor


@given(st.lists(st.tuples(st.integers(0, 500), st.integers(0, 100)), max_size=6), st.floats(0, 1e4), st.floats(0, 1e4))
def test_later_is_never_more(some: list[tuple[int, int]], one: float, other: float) -> None:
    hours = sorted({hour for hour, _ in some})
    factors = sorted((factor / 100 for _, factor in some), reverse=True)
    rubric = Rubric(late=tuple(zip(hours, factors, strict=False)))
    early, later = sorted((one, other))
    assert 0 <= rubric.factor(later) <= rubric.factor(early) <= 1


def handed_in(folder: Path, created: object, due: object) -> Path:
    path = folder / "submission_metadata.json"
    text = {"id": 1, "created_at": created, "assignment": {"due_date": due, "title": "x"}, "users": []}
    path.write_text(json.dumps(text))
    return path


@pytest.mark.parametrize(
    ("created", "due", "hours"),
    [
        ("2018-07-01T14:22:32.365935-07:00", "2018-07-31T23:00:00.000000-07:00", None),
        ("2018-08-01T00:00:00-07:00", "2018-08-01T00:00:00-07:00", None),
        ("2018-08-01T00:00:00.000001-07:00", "2018-08-01T00:00:00-07:00", 0.01),
        ("2018-08-01T00:00:36-07:00", "2018-08-01T00:00:00-07:00", 0.01),
        ("2018-08-01T00:00:37-07:00", "2018-08-01T00:00:00-07:00", 0.02),
        ("2018-08-01T12:00:00Z", "2018-08-01T00:00:00-07:00", 5),
        ("2018-08-02T00:00:00Z", "2018-08-01T00:00:00Z", 24),
        ("2018-08-01T12:00:00Z", None, None),
    ],
)
def test_hours_late(file: Path, created: str, due: str | None, hours: float | None) -> None:
    found = late(handed_in(file.parent, created, due), load(file))
    assert found == (None if hours is None else Late(hours=hours, factor=0.9))


@pytest.mark.parametrize(
    ("created", "due", "line"),
    [
        ("2018-08-01T12:00:00", "2018-08-01T00:00:00Z", "created_at: Input should have timezone info"),
        ("2018-08-01T12:00:00Z", "tomorrow", "assignment.due_date: Input should be a valid datetime"),
        (None, "2018-08-01T00:00:00Z", "created_at: "),
    ],
)
def test_metadata_that_tells_no_time_is_refused(file: Path, created: object, due: object, line: str) -> None:
    with pytest.raises(UsageError) as refusal:
        late(handed_in(file.parent, created, due), load(file))
    assert refusal.value.message.startswith(f"submission_metadata.json: {line}")


def test_metadata_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        late(tmp_path / "none.json", Rubric())
    (tmp_path / "broken.json").write_bytes(b"\xff{")
    with pytest.raises(UsageError, match=r"broken.json: "):
        late(tmp_path / "broken.json", Rubric())


def test_gradescope_is_found_by_itself(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xenlab.grading.lateness.ON_GRADESCOPE", file.parent / "submission_metadata.json")
    assert late(None, load(file)) is None
    handed_in(file.parent, "2018-08-01T10:00:00Z", "2018-08-01T00:00:00Z")
    assert late(None, load(file)) == Late(hours=10, factor=0.9)
