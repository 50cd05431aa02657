"""What a rubric does to a run: waivers, optional and hidden steps, thresholds, late work."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from gradedrun import CHAIN, Graded, Ran

from xenlab.grading.run import run_of
from xenlab.labfile_limits import ProbeSpec

RIGHT = CHAIN.replace('guest_name != "guest1"', "True")
TODAY = datetime.now(UTC).date()
Weighed = Callable[..., Ran]


def waiver(until: object = TODAY + timedelta(days=1), **names: str) -> str:
    lines = [f'{key} = "{value}"' for key, value in ({"who": "T", "why": "told so"} | names).items()]
    return "\n".join(["[[waivers]]", *lines, f"until = {until}", ""])


@pytest.fixture
def weighed(graded: Graded, pytester: pytest.Pytester) -> Weighed:
    """Run these steps under this rubric."""

    def run(body: str, rubric: str, *args: str, conftest: str = "") -> Ran:
        (pytester.path / "rubric.toml").write_text(rubric)
        return graded(body, "--rubric", "rubric.toml", *args, conftest=conftest)

    return run


def outcomes(ran: Ran) -> dict[str, str]:
    return {id: step.outcome.value for id, step in ran.steps.items()}


# Points


def test_the_rubric_says_what_a_step_is_worth(weighed: Weighed) -> None:
    ran = weighed(CHAIN, "[steps]\npaths = { points = 10.1 }\nmove = { points = 0 }\n")
    assert [step.points for step in ran.grade.steps] == [10, 10.1, 30, 0]
    assert [step.earned for step in ran.grade.steps] == [10, 7.57, 15, 0]
    assert (ran.grade.score.earned, ran.grade.score.possible) == (32.57, 50.1)


def test_a_step_of_the_shipped_rubric_has_its_points_from_there(graded: Graded) -> None:
    ran = graded("@step('live-migration')\ndef test_a():\n    'A.'\n    check(True)\n")
    assert (ran.steps["live-migration"].points, ran.grade.score.earned) == (20, 20)


def test_a_step_without_points_is_refused(graded: Graded) -> None:
    ran = graded("@step('mine')\ndef test_a():\n    'A.'\n    check(True)\n")
    assert not ran.written
    ran.result.stdout.fnmatch_lines(["*step 'mine' has no points*"])


@pytest.mark.parametrize(
    ("rubric", "lines"),
    [
        ("[steps]\nhots = {}", ["*rubric.toml: steps.hots: 'hots' is not a step: allowed are hosts, paths, boot*"]),
        ("[steps]\npaths = { points = -1 }", ["*rubric.toml: steps.paths.points: -1 is not allowed*"]),
        (
            "late = [[0, 2]]\n[[waivers]]\nstep = 'hots'\nwho = 'T'\nwhy = 'w'\nuntil = 2026-01-01",
            ["*rubric.toml: late.0.1: 2 is not*", "*rubric.toml: waivers.0.step: 'hots' is not a step*"],
        ),
        (waiver(step="paths").replace('who = "T"\n', ""), ["*waivers.0.who: is missing*"]),
    ],
)
def test_a_wrong_rubric_is_refused_at_collection(weighed: Weighed, rubric: str, lines: list[str]) -> None:
    ran = weighed(CHAIN, rubric)
    assert (ran.ret, ran.written) == (4, False)
    ran.result.stderr.fnmatch_lines(lines)


def test_one_file_of_the_sheet_takes_a_rubric_for_all(weighed: Weighed) -> None:
    assert weighed(RIGHT, "[steps]\nlive-migration = { points = 50 }\n").ret == 0


# Waivers


def test_a_waived_check_counts_as_held_and_blocks_nothing(weighed: Weighed, pytester: pytest.Pytester) -> None:
    ran = weighed(CHAIN, waiver(step="paths", check="kernel-exists", guest="guest1"))
    assert ran.ret == 0
    assert outcomes(ran) == {"hosts": "passed", "paths": "waived", "boot": "passed", "move": "passed"}
    assert (ran.grade.verdict, ran.grade.score.earned) == ("passed", 100)
    waived, held = ran.steps["paths"].checks[:2]
    assert (waived.outcome.value, waived.waiver.who, waived.waiver.why) == ("waived", "T", "told so")
    assert (waived.actual, held.waiver) == ("nothing", None)
    ran.result.assert_outcomes(passed=7)
    assert "waiver" not in ran.result.stdout.str()


@pytest.mark.parametrize(
    "names",
    [
        {"step": "paths", "check": "disk-exists"},
        {"step": "paths", "guest": "guest2"},
        {"step": "boot"},
    ],
)
def test_a_waiver_for_something_else_changes_nothing(weighed: Weighed, names: dict[str, str]) -> None:
    ran = weighed(CHAIN, waiver(**names))
    assert (ran.ret, ran.steps["paths"].outcome.value) == (1, "failed")
    assert outcomes(ran)["boot"] == "blocked"


def test_an_expired_waiver_does_nothing_but_is_said(weighed: Weighed) -> None:
    ran = weighed(CHAIN, waiver(TODAY - timedelta(days=1), step="paths"))
    assert (ran.ret, ran.steps["paths"].outcome.value) == (1, "failed")
    ran.result.stdout.fnmatch_lines([f"waiver expired on {TODAY - timedelta(days=1)}: paths (T: told so)"])


TWO = """
@step("a", points=10)
def test_a():
    '''A.'''
    check(False, id="one")
    check(False, id="two")

@step("b", points=10, needs="a")
def test_b():
    '''B.'''
    check(True)
"""


def test_a_step_with_another_failed_check_still_fails_and_blocks(weighed: Weighed) -> None:
    ran = weighed(TWO, waiver(step="a", check="one"))
    assert (ran.ret, outcomes(ran)) == (1, {"a": "failed", "b": "blocked"})
    assert ran.steps["a"].earned == 5
    ran.result.stdout.fnmatch_lines(["*1 of 2 checks failed*", "- two*"])


def test_a_waiver_for_the_whole_step_covers_all_its_checks(weighed: Weighed) -> None:
    ran = weighed(TWO, waiver(step="a"))
    assert (ran.ret, outcomes(ran)) == (0, {"a": "waived", "b": "passed"})


def test_an_error_is_never_waived(weighed: Weighed) -> None:
    body = """
@step("a", points=10)
def test_a():
    '''A.'''
    check(False, id="one")
    raise CannotObserve("no answer")
"""
    ran = weighed(body, waiver(step="a"))
    assert (ran.ret, outcomes(ran)) == (3, {"a": "error"})
    assert [check.outcome.value for check in ran.steps["a"].checks] == ["waived", "error"]
    assert ran.grade.score.earned == 0


RAISED = """
@pytest.fixture
def broken():
    raise LabFault("no export")

@pytest.fixture
def residue():
    yield
    raise LabFault("a loop device stayed")

@step("setup", points=1)
def test_setup(broken):
    '''A fault found while setting up.'''
    check(False, id="never")

@step("call", points=1)
def test_call():
    '''A fault that was raised.'''
    check(True, id="first")
    raise LabFault("not mounted")

@step("assertion", points=1)
def test_assertion():
    '''An assertion.'''
    assert 1 == 2

@step("essential", points=1)
def test_essential():
    '''A check that the rest rests on.'''
    check(False, id="first", essential=True)
    check(True, id="second")

@step("teardown", points=1)
def test_teardown(residue):
    '''A fault found while cleaning up.'''
    check(True)

@step("last", points=1, needs=("setup", "call", "assertion", "essential", "teardown"))
def test_last():
    '''Comes after all.'''
    check(True)
"""
RAISING = ("setup", "call", "assertion", "essential", "teardown")


def test_what_ended_a_step_early_can_be_waived_too(weighed: Weighed, pytester: pytest.Pytester) -> None:
    rubric = "".join(waiver(step=id) for id in RAISING)
    ran = weighed(RAISED, rubric, "-x", "-rs", "--alluredir=allure", "-p", "allure_pytest")
    assert outcomes(ran) == dict.fromkeys(RAISING, "waived") | {"last": "passed"}
    assert (ran.ret, ran.grade.verdict, ran.grade.score.earned) == (0, "passed", 6)
    assert [[check.id for check in ran.steps[id].checks] for id in RAISING] == [
        ["lab-fault"],
        ["first", "lab-fault"],
        ["assertion"],
        ["first", "second"],
        ["check-1", "lab-fault"],
    ]
    ran.result.stdout.fnmatch_lines(["SKIPPED*waived: no export"])
    results = [json.loads(path.read_text()) for path in (pytester.path / "allure").glob("*-result.json")]
    assert {result["status"] for result in results} == {"passed", "skipped"}
    assert {check["status"] for result in results for check in result.get("steps", ())} == {"passed"}


def test_without_the_waivers_all_of_these_fail(graded: Graded) -> None:
    ran = graded(RAISED)
    assert (ran.ret, outcomes(ran)) == (1, dict.fromkeys(RAISING, "failed") | {"last": "blocked"})


# Optional and hidden steps


def test_an_optional_step_costs_its_points_but_not_the_verdict(weighed: Weighed) -> None:
    ran = weighed(CHAIN, "[steps]\npaths = { required = false }\nboot = { required = false }\nmove.required = false\n")
    assert (ran.ret, ran.grade.verdict) == (0, "passed")
    assert outcomes(ran) == {"hosts": "passed", "paths": "failed", "boot": "blocked", "move": "blocked"}
    assert ran.grade.score.earned == 60
    assert [step.required for step in ran.grade.steps] == [True, False, False, False]


def test_a_required_step_that_an_optional_one_blocks_fails_the_whole(weighed: Weighed) -> None:
    ran = weighed(CHAIN, "[steps]\npaths = { required = false }\n")
    assert (ran.ret, ran.grade.verdict) == (1, "failed")
    assert ran.steps["boot"].blocked_by == "paths"


def test_an_optional_step_that_could_not_be_seen_is_still_an_error(weighed: Weighed) -> None:
    body = "@step('a', points=1)\ndef test_a():\n    'A.'\n    check(False)\n    raise CannotObserve('no answer')\n"
    ran = weighed(body, "[steps]\na = { required = false }\n")
    assert (ran.ret, ran.grade.verdict) == (3, "error")


def test_beside_an_optional_step_a_plain_test_may_not_fail(weighed: Weighed) -> None:
    body = "@step('a', points=1)\ndef test_a():\n    'A.'\n    check(False)\n\ndef test_plain():\n    assert False\n"
    ran = weighed(body, "[steps]\na = { required = false }\n")
    assert (ran.ret, ran.grade.verdict) == (1, "passed")


def test_a_hidden_step_is_marked(weighed: Weighed, pytester: pytest.Pytester) -> None:
    ran = weighed(CHAIN, "[steps]\npaths = { hidden = true }\n")
    assert [step.hidden for step in ran.grade.steps] == [False, True, False, False]
    results = json.loads((pytester.path / "reports" / "gradescope-results.json").read_text())
    assert [test["visibility"] for test in results["tests"]] == ["visible", "after_published", "visible", "visible"]
    assert "kernel-exists" not in results["output"]
    assert "kernel-exists" not in (pytester.path / "reports" / "summary.md").read_text()


# Late work


def hand_in(pytester: pytest.Pytester, hours: float) -> tuple[str, ...]:
    due = datetime(2026, 3, 1, 12, tzinfo=UTC)
    text = {
        "created_at": (due + timedelta(hours=hours)).isoformat(),
        "assignment": {"due_date": due.isoformat()},
    }
    (pytester.path / "metadata.json").write_text(json.dumps(text))
    return ("--submission-metadata", "metadata.json")


# 0.33343 of 60 points is 20.0058: hundredths are rounded down.
@pytest.mark.parametrize(("hours", "earned"), [(-1, 60), (0, 60), (1, 59.4), (24.5, 20), (80, 0)])
def test_late_work_keeps_a_part_of_its_points(
    weighed: Weighed, pytester: pytest.Pytester, hours: float, earned: float
) -> None:
    ran = weighed(CHAIN, "late = [[0, 0.99], [24, 0.33343], [72, 0]]\n", *hand_in(pytester, hours))
    assert (ran.grade.score.earned, ran.grade.score.possible) == (earned, 100)
    assert sum(step.earned for step in ran.grade.steps) == 60
    if hours <= 0:
        assert ran.grade.score.late is None
        ran.result.stdout.fnmatch_lines(["score: 60 of 100, failed"])
    else:
        assert ran.grade.score.late.hours == hours
        ran.result.stdout.fnmatch_lines([f"score: {earned:g} of 100 ({hours:g} h late: * of 60), failed"])


def test_without_a_rule_late_work_loses_nothing(graded: Graded, pytester: pytest.Pytester) -> None:
    ran = graded(CHAIN, *hand_in(pytester, 5))
    assert (ran.grade.score.earned, ran.grade.score.late.factor) == (60, 1)


def test_metadata_that_is_not_there_is_refused(graded: Graded) -> None:
    ran = graded(CHAIN, "--submission-metadata", "none.json")
    assert (ran.ret, ran.written) == (4, False)
    ran.result.stderr.fnmatch_lines(["*none.json: No such file*"])


# Thresholds


def test_the_rubric_s_thresholds_reach_the_pings(weighed: Weighed, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lab file allows 3000 ms and 2 replies, the rubric 1500 ms: the watch is made with the rubric's."""
    conftest = """
import pytest
from types import SimpleNamespace
from xenlab.grading.moves import Moves
from xenlab.grading.run import run_of
from xenlab.lab.custody import Custody
from xenlab.lab.tape import Untaped
from xenlab.labfile_limits import ProbeSpec, TimeoutSpec

@pytest.fixture
def moves(request):
    custody = SimpleNamespace(run="1a2b", will=lambda *_, **__: None, not_watched=lambda _: None)
    spec = SimpleNamespace(probes=ProbeSpec(), timeouts=TimeoutSpec())
    return Moves(SimpleNamespace(spec=spec, custody=custody, tape=Untaped()), run_of(request.config))
"""
    given: list[ProbeSpec] = []

    class Watch:
        def __init__(self, probes: ProbeSpec, *, run: str, seconds: float) -> None:
            given.append(probes)

        @contextmanager
        def around(self, guest: object) -> Iterator[SimpleNamespace]:
            yield SimpleNamespace(observed=SimpleNamespace(outside=()))

    monkeypatch.setattr("xenlab.grading.moves.Watch", Watch)
    body = """
from types import SimpleNamespace

@step("a", points=1)
def test_a(moves):
    '''A.'''
    with moves.watched(SimpleNamespace(name="guest1", seats=())):
        check(True)
"""
    assert weighed(body, "[thresholds]\nmax_outside_gap_ms = 1500\n", conftest=conftest).ret == 0
    assert given == [ProbeSpec(max_outside_gap_ms=1500)]


# The command line


def test_the_options_are_those_of_the_run(pytester: pytest.Pytester) -> None:
    config = pytester.parseconfigure("-p", "xenlab.grading.plugin", "--rubric", "r.toml")
    assert config.getoption("--rubric") == "r.toml"
    assert run_of(config).rubric.steps


def test_a_step_summary_of_github_is_added_to(
    graded: Graded, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    graded(CHAIN)
    page = (pytester.path / "reports" / "summary.md").read_text()
    into = pytester.path / "step-summary.md"
    into.write_text("before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(into))
    graded(CHAIN)
    assert into.read_text() == "before\n" + page


def test_a_step_summary_that_cannot_be_written_is_a_warning(
    graded: Graded, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(Path("nowhere") / "summary.md"))
    ran = graded(CHAIN)
    assert (ran.ret, ran.written) == (1, True)
    ran.result.stdout.fnmatch_lines(["*no step summary: *No such file*"])
