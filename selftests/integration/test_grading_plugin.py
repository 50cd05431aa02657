"""What is chosen and in which order, how a session ends, and where its reports go."""

import json

import pytest
from gradedrun import CHAIN, Graded

from xenlab.grading import plugin
from xenlab.grading.run import RUN_KEY, run_of


@pytest.mark.parametrize("args", [("--step", "boot"), ("-k", "test_boot"), ("--step=boot", "--step=hosts")])
def test_choosing_a_step_pulls_in_what_it_needs(graded: Graded, args: tuple[str, ...]) -> None:
    ran = graded(CHAIN.replace('guest_name != "guest1"', "True"), *args)
    assert list(ran.steps) == ["hosts", "paths", "boot"]
    assert ran.ret == 0
    ran.result.assert_outcomes(passed=5, deselected=2)
    ran.result.stdout.fnmatch_lines(["collected 7 items / 2 deselected / 5 selected"])


@pytest.mark.parametrize("args", [("--guest", "guest2"), ("-k", "guest2")])
def test_choosing_a_guest_leaves_the_other_alone(graded: Graded, args: tuple[str, ...]) -> None:
    ran = graded(CHAIN, *args)
    assert ran.ret == 0
    assert ran.grade.score.earned == 100
    assert {guest for guest, _ in ran.ran} == {None, "guest2"}


def test_steps_run_after_what_they_need_and_otherwise_as_collected(graded: Graded) -> None:
    ran = graded("""
order = []

@step("late", points=1, needs=("b", "a"))
def test_1():
    '''1.'''
    check(order == ["a", "b"], id="order", actual=str(order))

@step("a", points=1)
def test_2():
    '''2.'''
    order.append("a")
    check(True)

@step("b", points=1, needs="a")
def test_3():
    '''3.'''
    order.append("b")
    check(True)
""")
    assert ran.ret == 0
    assert list(ran.steps) == ["a", "b", "late"]


def test_a_step_on_the_lab_needs_every_guest(graded: Graded) -> None:
    ran = graded(
        CHAIN
        + """
@step("left", points=5, needs="move")
def test_left():
    '''Left as found.'''
    check(True)
"""
    )
    assert (ran.steps["left"].outcome.value, ran.steps["left"].blocked_by) == ("blocked", "paths")


BAD = {
    "a circle": (
        "@step('a', points=1, needs='b')\ndef test_a():\n 'A'\n@step('b', points=1, needs='a')\ndef test_b():\n 'B'\n",
        "*in a circle*",
    ),
    "itself": ("@step('a', points=1, needs='a')\ndef test_a():\n 'A'\n", "*in a circle*"),
    "unknown": (
        "@step('a', points=1, needs='zzz')\ndef test_a():\n 'A'\n",
        "*'a' needs 'zzz', which was not collected*",
    ),
    "points": (
        "@step('a', points=1)\ndef test_a():\n 'A'\n@step('a', points=2)\ndef test_b():\n 'B'\n",
        "*different points: 1 and 2*",
    ),
    "by hand": ("@pytest.mark.step('a')\ndef test_a():\n 'A'\n", "*marked as a step by hand*"),
}


@pytest.mark.parametrize("bad", BAD)
def test_contradictions_are_refused_at_collection(graded: Graded, bad: str) -> None:
    body, message = BAD[bad]
    ran = graded(body)
    assert ran.ret == 4
    assert not ran.written
    ran.result.stderr.fnmatch_lines([message])


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("--step", "*no step is called 'zzz' (known: hosts, paths*"),
        ("--guest", "*no guest is called 'zzz' (known: guest1, guest2)*"),
    ],
)
def test_unknown_choices_are_refused(graded: Graded, option: str, message: str) -> None:
    ran = graded(CHAIN, option, "zzz")
    assert ran.ret == 4
    ran.result.stderr.fnmatch_lines([message])


def test_an_interrupted_run_says_so_and_is_no_pass(graded: Graded) -> None:
    ran = graded("""
@step("a", points=1)
def test_a():
    '''A.'''
    check(True)

@step("b", points=1)
def test_b():
    '''B.'''
    check(True)
    raise KeyboardInterrupt

@step("c", points=1)
def test_c():
    '''C.'''
    check(True)
""")
    assert ran.ret == 2
    assert ran.grade.verdict == "error"
    assert [step.outcome.value for step in ran.grade.steps] == ["passed", "error", "error"]
    assert ran.steps["b"].checks[-1].actual == "stopped while it ran: interrupted"
    assert ran.steps["c"].checks[0].actual == "not run: interrupted"


def test_stopping_at_the_first_failure_leaves_the_rest_not_run(graded: Graded) -> None:
    ran = graded(CHAIN, "-x")
    assert (ran.ret, ran.grade.verdict) == (1, "failed")
    assert ran.steps["move"].checks[0].actual == "not run: stopping after 1 failures"


CONFTEST = """
import datetime, pytest, time
from xenlab.grading.run import run_of
from xenlab.outcomes import LabInfo, MigrationRecord
from xenlab.remote.record import CommandRecord

@pytest.fixture
def say(request):
    run = run_of(request.config)
    run.journal.add_secret("hunter2")
    run.lab = LabInfo(name="embedded", kind="embedded", hosts=("baye",), xen={"baye": "4.20"})
    def say(command, stdout=""):
        now = datetime.datetime.now(datetime.timezone.utc)
        return run.record(CommandRecord("baye", command, 0, stdout, "", now, time.monotonic(), 0.1, False))
    return say

@pytest.fixture
def moved(request):
    run = run_of(request.config)
    record = MigrationRecord(guest="guest/1", kind="live", source="a", target="b", seconds=1, same_boot=True)
    return run.add_migration(record, svg="<svg></svg>", csvs={"inside": "sequence\\n1\\n"})
"""


def test_evidence_is_what_a_finding_names(graded: Graded, pytester: pytest.Pytester) -> None:
    ran = graded(
        """
@step("a", points=1)
def test_a(say):
    '''A.'''
    one, two = say("one"), say("two")
    check(Finding("first", True, "", "", evidence=(two, one, two)))
    check(True, id="again")
    say("three")
    check(True, id="last", actual="hunter2 \\x1b[31mred\\x1b[0m \\udce9")

@step("b", points=1)
def test_b(say, moved):
    '''B.'''
    say("four")
    check(Finding("of-before", True, "", "", evidence=("cmd-1",)))
""",
        conftest=CONFTEST,
    )
    assert ran.ret == 0
    first, again, last = ran.steps["a"].checks
    assert (first.evidence, again.evidence, last.evidence) == (("cmd-2", "cmd-1"), (), ())
    assert last.actual == "******** red \ufffd"
    assert ran.steps["b"].checks[0].evidence == ("cmd-1",)
    assert [ran.steps[id].commands for id in "ab"] == [("cmd-1", "cmd-2", "cmd-3"), ("cmd-4",)]
    assert ran.grade.lab.xen == {"baye": "4.20"}
    (move,) = ran.grade.migrations
    assert move.timeline == "b-1-guest_1-live-a-to-b.svg"
    files = sorted(path.name for path in (pytester.path / "reports" / "timelines").iterdir())
    assert files == ["b-1-guest_1-live-a-to-b.inside.csv", "b-1-guest_1-live-a-to-b.svg"]


@pytest.mark.parametrize("error", ["LabFault", "CannotObserve", "UsageError"])
def test_what_is_raised_brings_its_evidence(graded: Graded, error: str) -> None:
    ran = graded(f"""
from xenlab.errors import UsageError

@step("a", points=1)
def test_a():
    'A.'
    raise {error}("why", evidence=("cmd-3", "cmd-1", "cmd-3"))
""")
    assert ran.steps["a"].checks[0].evidence == ("cmd-3", "cmd-1")


def test_commands_are_those_of_the_step_that_they_were_begun_for(graded: Graded) -> None:
    ran = graded(
        """
from contextvars import copy_context
from threading import Event, Thread

from xenlab.remote.side_by_side import side_by_side

go_on = Event()

@step("a", points=1)
def test_a(say, request):
    '''A.'''
    side_by_side(say, ["beside 1", "beside 2", "beside 3"])
    def late():
        go_on.wait(10)
        say("for a, while b runs")
    request.session.late = Thread(target=copy_context().run, args=(late,))
    request.session.late.start()
    check(True)

@step("b", points=1)
def test_b(say, request):
    '''B.'''
    say("b's own")
    go_on.set()
    request.session.late.join()
    check(True)
""",
        conftest=CONFTEST,
    )
    assert ran.ret == 0
    assert ran.steps["a"].commands == ("cmd-1", "cmd-2", "cmd-3", "cmd-5")
    assert ran.steps["b"].commands == ("cmd-4",)


def test_reports_go_where_they_are_told_with_junit_and_allure_beside_them(
    graded: Graded, pytester: pytest.Pytester
) -> None:
    ran = graded(CHAIN, "--reports", "elsewhere", "--junitxml=j.xml", "--alluredir=allure", "-p", "allure_pytest")
    assert not ran.written
    assert (pytester.path / "elsewhere" / "grade.json").exists()
    junit = (pytester.path / "j.xml").read_text()
    for name, value in (("step", "paths"), ("outcome", "failed"), ("score", "5.00"), ("outcome", "blocked")):
        assert f'<property name="{name}" value="{value}"' in junit
    results = [json.loads(path.read_text()) for path in (pytester.path / "allure").glob("*-result.json")]
    (failed,) = (result for result in results if result["status"] == "failed")
    labels = {(label["name"], label["value"]) for label in failed["labels"]}
    assert {("feature", "Paths lie under the share."), ("story", "guest1")} <= labels
    assert [(s["name"], s["status"]) for s in failed["steps"]] == [
        ("kernel-exists: a file", "failed"),
        ("disk-exists: true", "passed"),
    ]


def test_a_session_without_steps_is_left_alone(graded: Graded) -> None:
    ran = graded("def test_plain():\n    assert True\n")
    assert ran.ret == 0
    assert not ran.written
    assert "grade" not in ran.result.stdout.str()


def test_collecting_only_writes_nothing(graded: Graded) -> None:
    assert not graded(CHAIN, "--collect-only").written


def test_the_run_is_reachable(pytester: pytest.Pytester) -> None:
    config = pytester.parseconfigure("-p", "xenlab.grading.plugin", "--lab", "my.toml", "--guest", "g")
    run = run_of(config)
    assert run is config.stash[RUN_KEY]
    assert (run.lab_name, run.guests, run.profile) == ("my.toml", ("g",), None)
    assert run.reports == config.rootpath / "reports"
    assert plugin.STEP_KEY is not None


def test_a_step_may_be_graded_alone_without_a_score(graded: Graded, pytester: pytest.Pytester) -> None:
    ran = graded(CHAIN, "--step=boot", "--alone")
    assert list(ran.steps) == ["boot"]
    assert ran.ret == 0
    assert (ran.grade.verdict, ran.grade.score.possible) == ("passed", 0)
    assert ran.grade.remarks == ("no score: of all steps only boot was graded, what it needs taken as given",)
    ran.result.stdout.fnmatch_lines(["score: 0 of 0, passed", "remark: no score: of all steps only boot *"])
    assert not (pytester.path / "reports/gradescope-results.json").exists()


def test_steps_that_are_graded_alone_still_come_after_each_other(graded: Graded) -> None:
    ran = graded(CHAIN, "--step=move", "--step=paths", "--alone")
    assert list(ran.steps) == ["paths", "move"]
    # Of a step in between nothing is known.
    assert {step.id: step.outcome.value for step in ran.grade.steps} == {"paths": "failed", "move": "passed"}


def test_alone_needs_a_step(graded: Graded) -> None:
    ran = graded(CHAIN, "--alone")
    assert ran.ret == 4
    ran.result.stderr.fnmatch_lines(["*--alone needs a --step*"])
