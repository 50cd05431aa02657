"""What is done before the reports are written, however the steps ended, and what is kept of a step that failed."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from gradedrun import CHAIN, HEAD, LEFT_OUT, Graded
from paths import ROOT

from xenlab.grading.interrupts import Interrupts
from xenlab.remote.waiting import wait_for

NOTHING_WRONG = CHAIN.replace('guest_name != "guest1"', "True")
NO_COUNT = "this attempt should not count: no fault of yours"

CLOSING = """
from pathlib import Path
from threading import Event
import pytest
from xenlab.errors import CannotObserve, LabFault
from xenlab.grading.run import run_of

@pytest.hookimpl(trylast=True)
def pytest_collection_finish(session):
    run = run_of(session.config)
    run.journal.add_secret("hunter2")

    def home(name, problem=None, wait=False):
        def close():
            Path("homing").touch()
            while wait and not Path("let-home").exists():
                Event().wait(0.05)
            assert not (run.reports / "grade.json").exists()
            with Path("closed.txt").open("a") as file:
                file.write(f"{name}\\n")
            if problem is not None:
                raise problem
            run.whereabouts.append(f"{name} is on baye, as found")
        run.closing.append(close)
"""


def closed(pytester: pytest.Pytester) -> list[str]:
    path = pytester.path / "closed.txt"
    return path.read_text().split() if path.exists() else []


@pytest.mark.parametrize(
    "args", [(), ("-x",), ("--step=hosts",), ("-k", "test_paths and guest1"), ("test_lab.py::test_hosts",)]
)
def test_guests_are_brought_home_before_the_reports_are_written(
    graded: Graded, pytester: pytest.Pytester, args: tuple[str, ...]
) -> None:
    ran = graded(CHAIN, "--grade-output=quiet", *args, conftest=CLOSING + "    home('guest1')\n    home('guest2')\n")
    assert closed(pytester) == ["guest1", "guest2"]
    assert ran.result.outlines[-3:] == [
        "where the guests are:",
        "  guest1 is on baye, as found",
        "  guest2 is on baye, as found",
    ]
    assert ran.grade.whereabouts == ("guest1 is on baye, as found", "guest2 is on baye, as found")
    for name in ("report.html", "summary.md"):
        text = (pytester.path / "reports" / name).read_text().replace("\\", "")
        assert "Where the guests are" in text
        assert "guest2 is on baye, as found" in text


def test_one_that_cannot_be_brought_home_keeps_no_other_from_it(graded: Graded, pytester: pytest.Pytester) -> None:
    problem = "CannotObserve('baye is silent, hunter2\\x1b[31m', hint='xl list on both')"
    conftest = f"{CLOSING}    home('guest1', {problem})\n    home('guest2')\n"
    ran = graded(NOTHING_WRONG, "--grade-output=quiet", conftest=conftest)
    assert closed(pytester) == ["guest1", "guest2"]
    assert (ran.ret, ran.grade.verdict, ran.grade.score.earned) == (3, "error", 100)
    said = "the lab could not be left as it was found: baye is silent, ******** (xl list on both)"
    assert ran.grade.remarks == (said,)
    assert [line for line in ran.result.outlines if line][-5:] == [
        "score: 100 of 100, error",
        NO_COUNT,
        f"remark: {said}",
        "report: reports/report.html",
        "where the guests are: guest2 is on baye, as found",
    ]
    assert not (pytester.path / "reports" / "gradescope-results.json").exists()


def test_a_lab_that_failed_stays_failed_where_it_could_not_be_restored(graded: Graded) -> None:
    ran = graded(CHAIN, conftest=CLOSING + "    home('guest1', LabFault('the share is gone'))\n")
    assert (ran.ret, ran.grade.verdict) == (1, "failed")
    assert ran.grade.remarks == ("the lab could not be left as it was found: the share is gone",)


def test_a_bug_in_bringing_home_costs_neither_the_others_nor_the_reports(
    graded: Graded, pytester: pytest.Pytester
) -> None:
    conftest = CLOSING + "    home('guest1', ZeroDivisionError('a bug'))\n    home('guest2')\n"
    ran = graded(NOTHING_WRONG, "--grade-output=quiet", conftest=conftest)
    assert closed(pytester) == ["guest1", "guest2"]
    assert (ran.ret, ran.grade.verdict, len(ran.grade.whereabouts)) == (3, "error", 1)
    assert ran.grade.remarks[0].endswith("xenlab itself went wrong: ZeroDivisionError: a bug")
    assert "raise problem" in (pytester.path / "reports" / "pytest.txt").read_text()


def test_a_run_that_never_began_brings_home_too(graded: Graded, pytester: pytest.Pytester) -> None:
    conftest = CLOSING + "    home('guest1', LabFault('gone hunter2'))\n    home('guest2')\n"
    conftest += "    pytest.exit('xenlab: no lab', returncode=3)\n"
    ran = graded(NOTHING_WRONG, "--grade-output=quiet", conftest=conftest)
    assert (ran.ret, ran.written, closed(pytester)) == (3, False, ["guest1", "guest2"])
    assert ran.result.errlines == [
        "xenlab: no lab",
        "remark: the lab could not be left as it was found: gone ********",
        "where the guests are: guest2 is on baye, as found",
    ]


def test_what_nobody_closes_is_not_spoken_of(graded: Graded) -> None:
    ran = graded(NOTHING_WRONG, "--grade-output=quiet")
    assert (ran.grade.remarks, ran.grade.whereabouts) == ((), ())
    assert ran.result.outlines[-1] == "report: reports/report.html"


# Signals

WAITING = """
from pathlib import Path
from threading import Event

@step("hosts", points=10)
def test_hosts():
    '''Both hosts answer.'''
    check(True)

@step("move", points=10)
def test_move():
    '''The guest moves.'''
    check(True, id="begun")
    Path("moving").touch()
    Event().wait(30)
"""
WAITING_HOME = CLOSING + "    home('guest1', wait=True)\n    home('guest2')\n"


class Child:
    """A graded session in a process of its own."""

    def __init__(self, folder: Path, *args: str, **variables: str) -> None:
        self.folder = folder
        environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"} | variables
        command = [sys.executable, "-m", "pytest", "-p", "xenlab.grading.plugin", *LEFT_OUT, *args]
        self.process = subprocess.Popen(
            command, cwd=folder, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    def signal_at(self, mark: str, sign: int) -> None:
        """Send a signal once the session has made this file."""
        wait_for((self.folder / mark).exists, mark, 30, 0.02)
        self.process.send_signal(sign)

    def end(self) -> tuple[int, list[str], list[str]]:
        """Its exit status, and the lines that it printed."""
        out, err = self.process.communicate(timeout=100)
        return self.process.returncode, out.splitlines(), err.splitlines()


@pytest.fixture
def child(pytester: pytest.Pytester) -> Iterator[Callable[..., Child]]:
    children = []

    def start(body: str, conftest: str, *args: str, **variables: str) -> Child:
        pytester.makepyfile(test_lab=HEAD + body)
        pytester.makeconftest(conftest)
        children.append(Child(pytester.path, *args, **variables))
        return children[-1]

    yield start
    for one in children:
        with suppress(ProcessLookupError):
            one.process.kill()
        one.process.communicate()


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_whatever_interrupts_it_the_guests_come_home_and_the_reports_are_written(
    child: Callable[..., Child], pytester: pytest.Pytester, sign: signal.Signals
) -> None:
    running = child(WAITING, CLOSING + "    home('guest1')\n")
    running.signal_at("moving", sign)
    code, out, err = running.end()
    assert (code, err) == (2, [])
    assert out[-1] == "where the guests are: guest1 is on baye, as found"
    assert NO_COUNT in out
    grade = json.loads((pytester.path / "reports" / "grade.json").read_text())
    assert grade["steps"][1]["checks"][-1]["actual"] == "stopped while it ran: interrupted"
    assert (grade["verdict"], grade["steps"][1]["ungradable"]) == ("error", 10)


def test_a_second_interruption_does_not_stop_guests_on_their_way_home(
    child: Callable[..., Child], pytester: pytest.Pytester
) -> None:
    running = child(WAITING, WAITING_HOME)
    running.signal_at("moving", signal.SIGINT)
    running.signal_at("homing", signal.SIGINT)
    assert running.process.stderr
    assert running.process.stderr.readline() == "bringing guests home, please wait\n"
    (pytester.path / "let-home").touch()
    code, out, _ = running.end()
    assert (code, closed(pytester)) == (2, ["guest1", "guest2"])
    assert out[-3:] == ["where the guests are:", "  guest1 is on baye, as found", "  guest2 is on baye, as found"]


def test_a_third_one_may_and_says_that_they_may_be_elsewhere(
    child: Callable[..., Child], pytester: pytest.Pytester
) -> None:
    running = child(WAITING, WAITING_HOME)
    running.signal_at("moving", signal.SIGINT)
    running.signal_at("homing", signal.SIGTERM)
    assert running.process.stderr
    assert running.process.stderr.readline() == "bringing guests home, please wait\n"
    running.process.send_signal(signal.SIGINT)
    code, out, err = running.end()
    assert (code, err, closed(pytester)) == (2, [], [])
    said = "remark: interrupted while bringing guests home: some may not be where they were found; "
    assert any(line.startswith(said) and "./lab mend" in line for line in out)
    assert json.loads((pytester.path / "reports" / "grade.json").read_text())["verdict"] == "error"


def test_an_interruption_of_bringing_home_after_a_whole_run_is_only_told_of(
    child: Callable[..., Child], pytester: pytest.Pytester
) -> None:
    running = child(NOTHING_WRONG, WAITING_HOME)
    running.signal_at("homing", signal.SIGINT)
    assert running.process.stderr
    assert running.process.stderr.readline() == "bringing guests home, please wait\n"
    (pytester.path / "let-home").touch()
    code, out, _ = running.end()
    assert (code, closed(pytester)) == (0, ["guest1", "guest2"])
    assert "score: 100 of 100, passed" in out


def test_who_was_told_to_outlive_its_terminal_does(monkeypatch: pytest.MonkeyPatch) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    taken = Interrupts(lambda _line: None)
    try:
        taken.install()
        taken.install()
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        assert signal.getsignal(signal.SIGTERM) == taken._came
        taken.uninstall()
        assert signal.getsignal(signal.SIGTERM) != taken._came
    finally:
        taken.uninstall()
        signal.signal(signal.SIGHUP, before)


def test_each_part_of_the_cleaning_up_is_warned_of_once_but_for_what_goes_to_its_end() -> None:
    said: list[str] = []
    taken = Interrupts(said.append)
    with pytest.raises(KeyboardInterrupt):
        taken._came(2, None)
    for what in ("bringing guests home", "closing the lab"):
        taken.cleaning_up(what)
        taken._came(15, None)
        with pytest.raises(KeyboardInterrupt):
            taken._came(2, None)
    taken.cleaning_up("writing the reports", to_its_end=True)
    for _ in range(3):
        taken._came(2, None)
    assert said == [
        *("bringing guests home, please wait", "closing the lab, please wait"),
        *["writing the reports, please wait"] * 3,
    ]


# Side evidence

SIDE = """
import datetime, pytest, time
from xenlab.errors import CannotObserve
from xenlab.grading.run import run_of
from xenlab.remote.record import CommandRecord

@pytest.fixture(autouse=True)
def looking(request):
    run = run_of(request.config)
    run.journal.add_secret("hunter2")
    if run.on_failure:
        return
    def look(step):
        now = datetime.datetime.now(datetime.timezone.utc)
        name = f"side of {step.spec.id} {step.guest}"
        run.record(CommandRecord("baye", name, 0, "", "", now, time.monotonic(), 0.1, False))
        yield "kernel log: <baye>", f"{step.spec.id} {step.guest} hunter2 \\x1b[31mred\\x1b[0m <b>" + "x" * SIZE
        MORE
    run.on_failure.append(look)
"""


def side_of(size: int = 10, more: str = "") -> str:
    return SIDE.replace("SIZE", str(size)).replace("MORE", more)


def test_a_step_that_fails_brings_side_evidence_with_it(graded: Graded, pytester: pytest.Pytester) -> None:
    ran = graded(CHAIN, "-p", "allure_pytest", conftest=side_of())
    reports = pytester.path / "reports"
    (text,) = ran.steps["paths"].side
    assert (text.title, text.guest) == ("kernel log: <baye>", "guest1")
    assert text.file == "side/1-paths-guest1-kernel-log-baye-.txt"
    shown = "paths guest1 ******** red <b>" + "x" * 10
    assert (reports / "evidence" / text.file).read_text() == shown
    assert [step.side for step in ran.grade.steps if step.id != "paths"] == [()] * 3
    assert ran.steps["paths"].commands == ("cmd-1",)
    page = (reports / "report.html").read_text()
    assert "<summary>kernel log: &lt;baye&gt; <bdi" in page
    assert "paths guest1 ******** red &lt;b&gt;" in page
    attached = [path.read_text() for path in (reports / "allure-results").glob("*-attachment.txt")]
    assert shown in attached


@pytest.mark.parametrize(
    ("step", "asked"),
    [
        ("def test_a():\n    'A.'\n    check(False)\n    check(False)", 1),
        ("def test_a():\n    'A.'\n    raise LabFault('x')", 1),
        ("def test_a():\n    'A.'\n    check(True)\n    assert False", 1),
        ("def test_a(fault):\n    'A.'\n    check(True)", 1),
        ("def test_a(residue):\n    'A.'\n    check(True)", 1),
        ("def test_a(residue):\n    'A.'\n    check(False)", 1),
        ("def test_a():\n    'A.'\n    check(True)", 0),
        ("def test_a():\n    'A.'\n    raise CannotObserve('x')", 0),
        ("def test_a():\n    'A.'\n    check(Finding('x', None, '', ''))", 0),
    ],
)
def test_it_is_gathered_once_and_only_where_the_lab_is_wrong(graded: Graded, step: str, asked: int) -> None:
    fixtures = """
@pytest.fixture
def fault(looking):
    raise LabFault("no export")

@pytest.fixture
def residue(looking):
    yield
    raise LabFault("a loop device stayed")

"""
    ran = graded(f"{fixtures}@step('a', points=1)\n{step}\n", conftest=side_of())
    assert len(ran.steps["a"].side) == asked


def test_side_evidence_is_bounded(graded: Graded, pytester: pytest.Pytester) -> None:
    more = "yield from ((f'more {number}', '') for number in range(10_000_000))"
    ran = graded(CHAIN, conftest=side_of(5_000_000, more))
    side = ran.steps["paths"].side
    assert len(side) == 16
    text = (pytester.path / "reports" / "evidence" / side[0].file).read_text()
    assert 16_000 < len(text) < 16_500
    assert "characters cut" in text
    assert len({one.file for one in side}) == 16


def test_side_evidence_that_cannot_be_had_says_so_and_changes_no_outcome(graded: Graded) -> None:
    ran = graded(CHAIN, conftest=side_of(10, "raise CannotObserve('baye is silent')"))
    assert [one.title for one in ran.steps["paths"].side] == ["kernel log: <baye>", "not gathered"]
    assert (ran.ret, ran.steps["paths"].outcome.value) == (1, "failed")


def test_a_bug_in_gathering_it_is_an_error_of_that_step(graded: Graded) -> None:
    ran = graded(CHAIN, conftest=side_of(10, "{}['bug']"))
    assert [check.id for check in ran.steps["paths"].checks if check.outcome == "error"] == ["unexpected-error"]
    assert (ran.ret, ran.steps["paths"].outcome.value, ran.steps["move"].checks[1].outcome) == (1, "failed", "passed")
