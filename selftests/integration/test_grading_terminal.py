"""What a graded run shows: plain lines, the end only, grade.json, a live table, or pytest's own words."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
import termios
from collections.abc import Callable
from contextlib import suppress
from fcntl import ioctl
from struct import pack

import pytest
from gradedrun import CHAIN, HEAD, LEFT_OUT, Graded
from paths import ROOT

ANSI = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
REDRAWN = "\x1b[2K"
HIDDEN, SHOWN = "\x1b[?25l", "\x1b[?25h"

SUMMARY = [
    "passed       10 of 10    hosts  Both hosts answer.",
    "failed       15 of 20    paths  Paths lie under the share.",
    "blocked      15 of 30    boot   The guest boots. (blocked by paths)",
    "blocked      20 of 40    move   The guest moves. (blocked by paths)",
    "",
    "score: 60 of 100, failed",
    "fix this first: paths: kernel-exists (guest1): expected a file, found nothing",
    "hint: mend the path",
    "report: reports/report.html",
]


def test_without_a_terminal_each_finished_step_is_a_line(graded: Graded, pytester: pytest.Pytester) -> None:
    ran = graded(CHAIN, "--grade-output=live")
    assert ran.ret == 1
    assert ran.result.errlines == []
    lines = [re.sub(r" +\d+\.\d s", " N s", line) for line in ran.result.outlines]
    assert lines == [
        "passed  hosts N s",
        "failed  paths guest1 N s  kernel-exists: expected a file, found nothing",
        "passed  paths guest2 N s",
        "blocked boot guest1 N s  blocked by paths",
        "passed  boot guest2 N s",
        "blocked move guest1 N s  blocked by paths",
        "passed  move guest2 N s",
        *SUMMARY,
    ]
    assert "\x1b" not in ran.result.stdout.str()
    words = (pytester.path / "reports" / "pytest.txt").read_text()
    assert "test session starts" in words
    assert "1 of 2 checks failed" in words


def test_a_line_is_there_as_soon_as_its_step_is_over(graded: Graded) -> None:
    ran = graded(
        """
@step("first", points=1)
def test_first():
    '''First.'''
    check(True)

@step("second", points=1)
def test_second(capfd):
    '''Second.'''
    with capfd.disabled():
        print("between")
    check(True)
""",
        "--grade-output=plain",
    )
    assert [line.split()[1] for line in ran.result.outlines[:3] if line != "between"] == ["first", "second"]
    assert ran.result.outlines[1] == "between"


def test_quiet_is_the_summary_only(graded: Graded) -> None:
    ran = graded(CHAIN, "--grade-output=quiet")
    assert (ran.ret, ran.result.outlines, ran.result.errlines) == (1, SUMMARY, [])


def test_json_is_grade_json_and_nothing_else_on_stdout(graded: Graded, pytester: pytest.Pytester) -> None:
    ran = graded(CHAIN + "print('imported')\n", "--grade-output=json")
    assert ran.result.outlines == (pytester.path / "reports" / "grade.json").read_text().splitlines()
    assert json.loads(ran.result.stdout.str())["score"] == {
        "earned": 60.0,
        "possible": 100.0,
        "late": None,
        "ungradable": 0.0,
    }
    assert ran.result.errlines[-9:] == SUMMARY
    assert ran.result.errlines[0].startswith("passed  hosts")


@pytest.mark.parametrize("option", ["--grade-output=json", "--grade-output=quiet", "--grade-output=plain"])
def test_a_refused_run_says_one_line(graded: Graded, option: str) -> None:
    conftest = "import pytest\ndef pytest_collection_finish():\n    pytest.exit('xenlab: no lab', returncode=3)\n"
    ran = graded(CHAIN, option, conftest=conftest)
    assert (ran.ret, ran.written) == (3, False)
    assert ran.result.outlines == []
    assert ran.result.errlines == ["xenlab: no lab"]


def test_a_wrong_lab_file_is_one_line(graded: Graded) -> None:
    conftest = 'pytest_plugins = ["fixtures.lab"]'
    ran = graded("def test_plain():\n    pass\n", "--grade-output=plain", "--lab=missing.toml", conftest=conftest)
    assert (ran.ret, ran.written, ran.result.outlines) == (2, False, [])
    assert ran.result.errlines == [
        "xenlab: missing.toml: No such file or directory (./lab init makes one; docs/lab-file.md shows a lab.toml)"
    ]


def test_what_cannot_be_collected_is_told_in_pytests_words(graded: Graded) -> None:
    ran = graded(CHAIN + "import nowhere\n", "--grade-output=json")
    assert (ran.ret, ran.written, ran.result.outlines) == (2, False, [])
    ran.result.stderr.fnmatch_lines(["*test session starts*", "*No module named 'nowhere'*"])


def test_a_fault_of_a_plugin_is_told_beside_the_summary(graded: Graded) -> None:
    conftest = "def pytest_runtest_logfinish(nodeid):\n    assert 'boot' not in nodeid, 'our own fault'\n"
    ran = graded(CHAIN, "--grade-output=quiet", conftest=conftest)
    assert ran.ret == 3
    ran.result.stdout.fnmatch_lines(["score: *", "INTERNALERROR>*our own fault*"])


def test_a_session_without_a_step_is_as_pytest_shows_it(graded: Graded) -> None:
    body = "def test_plain(capfd):\n    with capfd.disabled():\n        print('meanwhile')\n"
    ran = graded(body, "--grade-output=plain")
    ran.result.assert_outcomes(passed=1)
    ran.result.stdout.fnmatch_lines(["*test session starts*", "collected 1 item", "*meanwhile"])


def test_pytests_words_are_kept_without_secrets(graded: Graded, pytester: pytest.Pytester) -> None:
    ran = graded(
        """
@step("a", points=1)
def test_a(request):
    '''A.'''
    from xenlab.grading.run import run_of
    run_of(request.config).journal.add_secret("hunter" + "2")
    check(True)
    {}["hunter" + "2"]
""",
        "--grade-output=plain",
    )
    ran.result.stdout.fnmatch_lines(["error   a*unexpected-error: KeyError: '[*][*]*'"])
    words = (pytester.path / "reports" / "pytest.txt").read_text()
    assert "KeyError: '********'" in words
    assert "test_lab.py:" in words
    assert "hunter2" not in words


@pytest.mark.parametrize("args", [["-v"], ["-q"], ["-s"], ["-ra"], ["--tb=long"]])
def test_who_asks_for_pytests_words_gets_them(pytester: pytest.Pytester, args: list[str]) -> None:
    pytester.makepyfile(test_lab=HEAD + CHAIN)
    result = pytester.runpytest_inprocess("-p", "xenlab.grading.plugin", "-p", "no:cacheprovider", *args)
    result.assert_outcomes(passed=4, failed=1, skipped=2)
    result.stdout.fnmatch_lines(["*= grade =*", *SUMMARY[:3]])


def test_an_interrupted_run_ends_with_its_summary(graded: Graded) -> None:
    body = CHAIN.replace("'''The guest boots.'''", "raise KeyboardInterrupt")
    ran = graded(
        body.replace("def test_boot(guest_name):", "def test_boot(guest_name):\n    '''B.'''"), "--grade-output=plain"
    )
    assert ran.ret == 2
    ran.result.stdout.fnmatch_lines(
        [
            "failed  paths guest1*",
            "error         0 of 30    boot   B. (15 points not gradable)",
            "error         - of 40    move   The guest moves. (not gradable)",
            "score: 25 of 100 seen; 55 could not be observed, failed",
            "report: *",
        ]
    )


# On a terminal

WAITING = """
import os, threading, time
from xenlab.remote.activity import activity
from xenlab.remote.waiting import wait_for

def wait(what, seconds=2.2):
    end = time.monotonic() + seconds
    wait_for(lambda: time.monotonic() > end, what, 30, 0.05)

@step("hosts", points=10)
def test_hosts():
    '''Both hosts answer.'''
    print("captured")
    os.write(1, b"captured as well")
    wait("baye to boot")
    check(True)

@guests
@step("paths", points=20, needs="hosts")
def test_paths(guest_name, request):
    '''Paths lie under the share.'''
    from xenlab.grading.run import run_of
    run_of(request.config).journal.add_secret("hunter2")
    with activity("baye: sh … hunter2"):
        threading.Event().wait(1.2)
    check(guest_name != "guest1", id="kernel-exists", expected="a file", actual="nothing", hint="mend the path")
"""


@pytest.fixture
def on_a_terminal(pytester: pytest.Pytester) -> Callable[..., tuple[str, int]]:
    """Run these steps in a terminal of 100 by `lines`; returns all that it was sent, and the exit status."""

    def run(body: str, *args: str, lines: int = 24, interrupt_at: str = "", **variables: str) -> tuple[str, int]:
        pytester.makepyfile(test_lab=HEAD + body)
        outer, inner = pty.openpty()
        ioctl(inner, termios.TIOCSWINSZ, pack("HHHH", lines, 100, 0, 0))
        unset = ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES", "PYTEST_ADDOPTS")
        environment = {name: value for name, value in os.environ.items() if name not in unset}
        environment |= {"TERM": "xterm-256color", "PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
        command = [sys.executable, "-m", "pytest", "-p", "xenlab.grading.plugin", *LEFT_OUT, *args]
        child = subprocess.Popen(
            command, cwd=pytester.path, stdin=inner, stdout=inner, stderr=inner, env=environment | variables
        )
        os.close(inner)
        sent = b""
        with suppress(OSError):  # EIO: nobody holds the other end any longer
            while True:
                sent += os.read(outer, 65536)
                if interrupt_at and interrupt_at in ANSI.sub("", sent.decode(errors="ignore")):
                    child.send_signal(signal.SIGINT)
                    interrupt_at = ""
        os.close(outer)
        return sent.decode(), child.wait(30)

    return run


def frames(sent: str) -> list[list[str]]:
    """The table's pictures one after the other, and what is left on the screen after the last was erased."""
    return [
        ANSI.sub("", frame).replace("\r", "").splitlines() for frame in re.split(r"(?:\x1b\[2K(?:\x1b\[1A)?)+", sent)
    ]


def test_on_a_terminal_the_table_follows_the_run_and_gives_way_to_the_summary(
    on_a_terminal: Callable[..., tuple[str, int]],
) -> None:
    sent, code = on_a_terminal(WAITING)
    assert code == 1
    *shown, last = frames(sent)
    rows = ["\n".join(frame) for frame in shown]
    assert {len(line) for row in rows for line in row.splitlines() if "waiting for baye" in line} == {100}
    assert any(re.search(r"running  hosts +\d s  waiting for baye to boot \(\d s\)", row) for row in rows)
    assert any(re.search(r"running  paths guest1 +\d s  baye: sh … \*{8}", row) for row in rows)
    assert any(
        re.search(r"failed +paths guest1 +1\.\d s  kernel-exists: expected a file, found nothing", row) for row in rows
    )
    assert any("grading embedded: 1 passed, 2 to come" in row for row in rows)
    assert "hunter2" not in sent
    assert "captured" not in sent
    assert "test session starts" not in sent
    assert [line for line in last if line][-4:] == [
        "score: 20 of 30, failed",
        "fix this first: paths: kernel-exists (guest1): expected a file, found nothing",
        "hint: mend the path",
        "report: reports/report.html",
    ]
    assert "running" not in "".join(last)
    assert sent.rindex(SHOWN) > sent.rindex(HIDDEN)
    assert "\x1b[32m" in sent


def test_what_the_labs_start_and_end_show_stands_around_the_table(
    on_a_terminal: Callable[..., tuple[str, int]], pytester: pytest.Pytester
) -> None:
    pytester.makeconftest("""
from pathlib import Path
from rich.console import Console
from xenlab.testbed.progress import Progress

def stage(text):
    with Progress(Console(stderr=True), Path("durations.json")).stage(text, text):
        pass

def pytest_collection_finish():
    stage("booting")

def pytest_unconfigure():
    stage("ending")
""")
    sent, _ = on_a_terminal(WAITING, "--step=hosts")
    words = ("booting: done in ", "running  hosts", "report: reports/report.html", "ending: done in ")
    text = ANSI.sub("", sent)
    assert sorted(words, key=text.index) == list(words)
    assert "grading embedded" not in text.partition(words[0])[0]
    assert sent.rindex(SHOWN) > sent.rindex(HIDDEN)


def test_bringing_guests_home_is_shown_above_the_table(
    on_a_terminal: Callable[..., tuple[str, int]], pytester: pytest.Pytester
) -> None:
    pytester.makeconftest("""
import os, signal, threading, time
from xenlab.grading.run import run_of
from xenlab.remote.activity import activity

def pytest_collection_finish(session):
    def home():
        with activity("guest1: xl migrate"):
            threading.Event().wait(1.3)
            os.kill(os.getpid(), signal.SIGINT)
            threading.Event().wait(1.3)
        run.whereabouts.append("guest1 is on baye, as found")
    run = run_of(session.config)
    run.closing.append(home)
""")
    sent, code = on_a_terminal(WAITING, "--step=hosts")
    assert code == 0
    *shown, last = frames(sent)
    rows = ["\n".join(frame) for frame in shown]
    said = r"grading embedded: 1 passed; bringing guests home: guest1: xl migrate( \(\d s\))?"
    assert any(re.search(said, row) for row in rows)
    assert any("bringing guests home, please wait" in row for row in rows)
    assert last[-1] == "where the guests are: guest1 is on baye, as found"
    assert sent.rindex(SHOWN) > sent.rindex(HIDDEN)


def test_no_color_leaves_colours_out(on_a_terminal: Callable[..., tuple[str, int]]) -> None:
    sent, _ = on_a_terminal(WAITING, "--step=hosts", NO_COLOR="1")
    assert REDRAWN in sent
    assert not re.search(r"\x1b\[(\d+;)*(3|4|9|10)\d(;\d+)*m", sent)


def test_a_dumb_terminal_gets_lines(on_a_terminal: Callable[..., tuple[str, int]]) -> None:
    sent, _ = on_a_terminal(WAITING, "--step=hosts", TERM="dumb")
    assert "\x1b" not in sent
    assert sent.startswith("passed  hosts")


def test_more_steps_than_lines_keep_the_running_one_in_sight(on_a_terminal: Callable[..., tuple[str, int]]) -> None:
    body = """
@pytest.mark.parametrize("guest_name", [f"guest{number}" for number in range(20)])
@step("paths", points=20)
def test_paths(guest_name):
    '''Paths lie under the share.'''
    check(True)
"""
    sent, code = on_a_terminal(body, lines=10)
    assert code == 0
    *shown, last = frames(sent)
    assert max(len(frame) for frame in shown) <= 10
    for number in range(20):
        assert any(re.search(rf"running  paths guest{number} ", line) for frame in shown for line in frame)
    assert last[-1] == "report: reports/report.html"


def test_an_interruption_gives_the_terminal_back_and_the_reports_are_written(
    on_a_terminal: Callable[..., tuple[str, int]], pytester: pytest.Pytester
) -> None:
    sent, code = on_a_terminal(WAITING, interrupt_at="baye: sh")
    assert code == 2
    assert sent.rindex(SHOWN) > sent.rindex(HIDDEN)
    *_, last = frames(sent)
    assert last[-1] == "report: reports/report.html"
    steps = json.loads((pytester.path / "reports" / "grade.json").read_text())["steps"]
    assert steps[1]["checks"][0]["actual"] == "stopped while it ran: interrupted"


def test_without_a_terminal_it_is_told_that_guests_are_brought_home(graded: Graded) -> None:
    conftest = """
from xenlab.grading.run import run_of

def pytest_collection_finish(session):
    run_of(session.config).closing.append(lambda: None)
"""
    lines = graded(CHAIN, "--grade-output=plain", conftest=conftest).result.outlines
    at = lines.index("bringing guests home")
    assert lines[at - 1].startswith("passed  move guest2")
    assert lines[at + 1] == SUMMARY[0]
    assert "bringing guests home" not in graded(CHAIN, "--grade-output=quiet", conftest=conftest).result.outlines
