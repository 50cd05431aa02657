"""The command line: what it takes, what it says of a wrong call, and the exit status."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from pages import failing
from paths import ROOT

from xenlab.cli.main import main
from xenlab.cli.pytest_child import run_pytest
from xenlab.errors import CannotObserve
from xenlab.report.folder import ReportsFolder
from xenlab.scenarios.catalogue import RIGHT, UNDERNEATH, WRONG

VERBS = (
    *("init", "check", "verify", "grade", "report", "test", "up", "status", "ssh", "console", "down", "break"),
    *("faults", "prove", "start", "solve", "back", "finish"),
    *("mend", "unlock", "explain", "fix-paths"),
)
RUN_PYTEST = "xenlab.cli.pytest_child.run_pytest"


@pytest.fixture(autouse=True)
def working_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working copy without a lab; main()'s signal handlers are taken back afterwards."""
    before = {sign: signal.getsignal(sign) for sign in (signal.SIGTERM, signal.SIGHUP)}
    monkeypatch.setattr("xenlab.cli.main.WORKING_COPY", tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    yield tmp_path
    for sign, handler in before.items():
        signal.signal(sign, handler)


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one line that a wrong call is answered with."""
    assert main(arguments) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("xenlab: ")
    assert said.err.count("\n") == 1
    return said.err


def help_of(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as ended:
        main([*arguments, "--help"])
    assert ended.value.code == 0
    return capsys.readouterr().out


def test_help_tells_verbs_examples_and_exit_status(capsys: pytest.CaptureFixture[str]) -> None:
    text = help_of(capsys)
    for verb in VERBS:
        assert re.search(rf"\n    {verb}\s", text)
    assert "./lab verify --lab lab.toml" in text
    assert "exit status: 0" in text


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_with_an_example(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = help_of(capsys, verb)
    assert text.startswith(f"usage: ./lab {verb}")
    assert "example" in text
    assert f"./lab {verb}" in text.partition("example")[2]


@pytest.mark.parametrize("arguments", [["frobnicate"], [], ["up", "--profile", "vintage"], ["ssh"]])
def test_what_is_no_call_exits_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "usage: ./lab" in capsys.readouterr().err


def test_an_unknown_guest_is_refused_before_anything_starts(capsys: pytest.CaptureFixture[str]) -> None:
    line = refused(capsys, "verify", "--guest", "nobody")
    assert "nobody" in line
    assert "guest1, guest2" in line


def test_a_missing_lab_file_is_refused_with_a_remedy(capsys: pytest.CaptureFixture[str]) -> None:
    line = refused(capsys, "verify", "--lab", "missing.toml")
    assert "missing.toml: No such file or directory" in line
    assert "docs/lab-file.md shows a lab.toml" in line


@pytest.mark.parametrize(
    "arguments", ["ssh baye", "ssh baye uname -n", "console guest1", "break unmounted", "break --undo"]
)
def test_what_needs_a_lab_says_how_to_get_one(arguments: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert refused(capsys, *arguments.split()) == "xenlab: no lab is up in this working copy (./lab up)\n"


@pytest.mark.parametrize("arguments", ["solve", "solve hosts", "back start", "finish"])
def test_what_needs_a_practice_says_how_to_begin_one(arguments: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = refused(capsys, *arguments.split())
    assert words == "xenlab: no practice is on in this working copy (./lab start)\n"


def test_an_unknown_fault_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert "./lab faults" in refused(capsys, "break", "gravity")


def test_a_break_takes_a_fault_or_the_undoing(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in ([], ["unmounted", "--undo"]):
        assert "./lab faults" in refused(capsys, "break", *arguments)


def test_faults_are_listed_with_the_check_they_turn_red(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["faults"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(WRONG)
    for fault, line in zip(WRONG, lines, strict=True):
        assert fault.red
        assert line.startswith(f"{fault.name} ")
        assert f"{fault.red.step}, {fault.red.check}" in line


def test_right_labs_are_listed_by_themselves(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["faults", "--right"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == [lab.name for lab in RIGHT]


def test_what_goes_wrong_underneath_is_listed_with_how_a_run_must_end(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["faults", "--underneath"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == [one.name for one in UNDERNEATH]
    assert all(str(one.must_end) in line for one, line in zip(UNDERNEATH, lines, strict=True))


def test_what_befalls_a_run_is_not_planted_without_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert "./lab prove target-dies-in-the-move" in refused(capsys, "break", "target-dies-in-the-move")


@pytest.mark.parametrize(
    ("verb", "words"), [("down", "no lab was up\n"), ("status", "no lab is up in this working copy\n")]
)
def test_without_a_lab_down_and_status_are_content(
    verb: str, words: str, working_copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([verb]) == 0
    assert capsys.readouterr().out == words
    assert not (working_copy / ".lab").exists()


def test_down_clears_a_lab_that_never_came_up(working_copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (working_copy / ".lab").mkdir()
    (working_copy / ".lab/state.json").write_text("{half")
    (working_copy / ".lab/baye.qcow2").write_text("")
    assert main(["down"]) == 0
    assert not (working_copy / ".lab").exists()


@pytest.mark.parametrize("chosen", ["quiet", "json"])
def test_what_verify_shows_can_be_chosen(
    chosen: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given: list[list[str]] = []
    monkeypatch.setattr(RUN_PYTEST, lambda arguments, _copy, **_: given.append(arguments) or 0)
    assert main(["verify", f"--{chosen}"]) == 0
    assert given == [["tests", "--lab=embedded", f"--grade-output={chosen}"]]
    with pytest.raises(SystemExit):
        main(["verify", "--quiet", "--json"])
    assert "not allowed with" in capsys.readouterr().err


def test_verify_hands_its_options_to_pytest(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[list[str]] = []

    def taken(arguments: list[str], _working_copy: Path, **_: object) -> int:
        given.append(arguments)
        return 3

    monkeypatch.setattr(RUN_PYTEST, taken)
    options = ["--profile", "classic", "--guest", "guest2", "--step", "hosts", "--step", "live-migration"]
    options += ["--rubric", "my/rubric.toml", "--reports", "team-7", "--network", "user", "--alone"]
    options += ["--again"]
    assert main(["verify", *options]) == 3
    # pytest runs in the working copy, wherever the call came from.
    wanted = ["tests", "--lab=embedded", f"--reports={Path.cwd() / 'team-7'}", "--guest=guest2"]
    wanted += [f"--rubric={Path.cwd() / 'my/rubric.toml'}", "--profile=classic", "--network=user"]
    assert given == [[*wanted, "--step=hosts", "--step=live-migration", "--alone", "--again"]]


def test_check_only_reads_and_has_a_folder_of_its_own(
    working_copy: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given: list[list[str]] = []
    monkeypatch.setattr(RUN_PYTEST, lambda arguments, _copy, **_: given.append(arguments) or 1)
    assert main(["check", "--guest", "guest2"]) == 1
    assert main(["check", "--reports", "team-7"]) == 1
    assert given == [
        ["tests", "--lab=embedded", f"--reports={working_copy / 'reports/check'}", "--guest=guest2", "--read-only"],
        ["tests", "--lab=embedded", f"--reports={Path.cwd() / 'team-7'}", "--read-only"],
    ]
    assert "nobody" in refused(capsys, "check", "--guest", "nobody")


def left_by_a_run(reports: Path) -> None:
    reports.mkdir()
    for name in ("grade.json", "gradescope-results.json", "report.html", "README.md"):
        (reports / name).write_text("of the team before")


@pytest.mark.parametrize(
    "wrong",
    [
        *(["--lab", "missing.toml"], ["--guest", "nobody"], ["--frobnicate"], ["--profile", "vintage"]),
        *(["--quiet", "--json"], ["--step"], ["--lab"]),
    ],
)
@pytest.mark.parametrize("there", ["reports", "team-7"])
def test_a_wrong_call_leaves_nothing_of_the_run_before(
    working_copy: Path, monkeypatch: pytest.MonkeyPatch, wrong: list[str], there: str
) -> None:
    monkeypatch.chdir(working_copy)
    left_by_a_run(working_copy / there)
    call = ["verify", *([] if there == "reports" else ["--reports", there]), *wrong]
    try:
        code = main(call)
    except SystemExit as end:
        code = end.code
    assert code == 2
    assert sorted(path.name for path in (working_copy / there).iterdir()) == [".lock", "README.md"]


@pytest.mark.parametrize("wrong", [["--frobnicate"], ["--lab", "missing.toml"]])
def test_a_wrong_check_leaves_the_run_before_but_not_the_check(working_copy: Path, wrong: list[str]) -> None:
    left_by_a_run(working_copy / "reports")
    left_by_a_run(working_copy / "reports" / "check")
    with suppress(SystemExit):
        main(["check", *wrong])
    assert (working_copy / "reports" / "grade.json").exists()
    assert not (working_copy / "reports" / "check" / "grade.json").exists()


@pytest.mark.parametrize(
    "call", [["frobnicate"], ["report", "--frobnicate"], ["verify", "--help"], ["up", "--profile", "x"]]
)
def test_a_wrong_call_of_another_verb_leaves_the_run_before(working_copy: Path, call: list[str]) -> None:
    left_by_a_run(working_copy / "reports")
    with pytest.raises(SystemExit):
        main(call)
    assert len(list((working_copy / "reports").iterdir())) == 4


def test_a_wrong_call_leaves_a_run_that_goes_on_alone(working_copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    left_by_a_run(working_copy / "reports")
    running = ReportsFolder(working_copy / "reports").hold()
    refused(capsys, "verify", "--lab", "missing.toml")
    assert (working_copy / "reports" / "grade.json").exists()
    running.release()


def test_nothing_raw_is_said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def fails(_arguments: list[str], _working_copy: Path, **_: object) -> int:
        raise CannotObserve("\x1b]0;title\x07\x1b[2Jbanner \u202egnp\udce9", hint="\x9b31mred")

    monkeypatch.setattr(RUN_PYTEST, fails)
    assert main(["verify"]) == 3
    assert capsys.readouterr().err == "xenlab: banner \\u202egnp\ufffd (red)\n"


def test_a_page_that_cannot_be_written_is_one_line(
    working_copy: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    reports = working_copy / "reports"
    (reports / "evidence").mkdir(parents=True)
    (reports / "evidence" / "commands.jsonl").write_text("")
    (reports / "report.html").mkdir()
    monkeypatch.setattr("xenlab.report.grade_file.read_grade", lambda _reports: failing())
    assert main(["report"]) == 3
    assert capsys.readouterr().err == f"xenlab: not written: {reports}/report.html: Is a directory\n"


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    """As in `./lab faults | head -1`."""
    call = subprocess.Popen(
        [sys.executable, "-m", "xenlab", "faults"],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert call.stdout
    assert call.stderr
    call.stdout.close()
    assert (call.wait(), call.stderr.read()) == (128 + signal.SIGPIPE, b"")
    call.stderr.close()


def test_an_interrupted_verb_exits_130(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def terminated(_arguments: list[str], _working_copy: Path, **_: object) -> int:
        signal.raise_signal(signal.SIGTERM)
        return 0

    monkeypatch.setattr(RUN_PYTEST, terminated)
    assert main(["verify"]) == 130
    assert "interrupted" in capsys.readouterr().err


def test_a_call_that_is_to_outlive_its_terminal_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """nohup(1) has it started with SIGHUP ignored."""

    def hung_up(_arguments: list[str], _working_copy: Path, *, silent: bool, **_: object) -> int:
        assert not silent
        signal.raise_signal(signal.SIGHUP)
        return 0

    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    monkeypatch.setattr(RUN_PYTEST, hung_up)
    assert main(["verify"]) == 0


@pytest.fixture
def tests_called(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The folders of each call that ./lab test makes of pytest; what it calls beside them finds nothing wrong."""
    called: list[list[str]] = []

    def run(arguments: list[str], _working_copy: Path) -> int:
        called.append([given for given in arguments if given.startswith("selftests/")])
        return 0

    monkeypatch.setattr(RUN_PYTEST, run)
    monkeypatch.setattr("xenlab.cli.pytest_child.run_tool", lambda *_: 0)
    return called


@pytest.mark.parametrize(
    ("others", "embedded", "exit_code", "calls"),
    [(0, 0, 0, 2), (1, 0, 1, 2), (0, 1, 1, 2), (0, 2, 2, 2), (130, 0, 130, 1)],
)
def test_those_on_the_one_lab_are_run_by_themselves(
    others: int, embedded: int, exit_code: int, calls: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends, called = [embedded, others], []

    def run(arguments: list[str], _working_copy: Path) -> int:
        called.append("selftests/embedded" in arguments)
        return ends.pop()

    monkeypatch.setattr(RUN_PYTEST, run)
    monkeypatch.setattr("xenlab.cli.pytest_child.run_tool", lambda *_: 0)
    assert main(["test"]) == exit_code
    assert called == [False, True][:calls]


def test_every_kind_of_the_projects_own_tests_is_run(tests_called: list[list[str]]) -> None:
    assert main(["test"]) == 0
    there = {path.parent.name for path in (ROOT / "selftests").glob("*/test_*.py")}
    assert sorted(folder for call in tests_called for folder in call) == sorted(f"selftests/{kind}" for kind in there)


def test_one_kind_of_the_projects_own_tests_is_run_alone(tests_called: list[list[str]]) -> None:
    assert main(["test", "--only", "unit"]) == 0
    assert main(["test", "--only", "unit", "--only", "fuzz", "--", "-k", "ping"]) == 0
    assert main(["test", "--only", "embedded"]) == 0
    assert tests_called == [["selftests/unit"], ["selftests/unit", "selftests/fuzz"], ["selftests/embedded"]]


def test_ctrl_c_reaches_the_graded_run_once_and_lets_it_clean_up(working_copy: Path) -> None:
    """A terminal interrupts its whole foreground group: a run told twice would leave its cleaning-up half done."""
    (working_copy / "test_long.py").write_text(
        "import os, signal, threading\n"
        "from pathlib import Path\n"
        "def test_long():\n"
        "    Path('group').write_text(str(os.getpgrp()))\n"
        "    os.kill(os.getppid(), signal.SIGINT)\n"
        "    threading.Event().wait(30)\n"
    )
    cleaning = "from pathlib import Path\ndef pytest_unconfigure():\n    Path('cleaned').touch()\n"
    (working_copy / "conftest.py").write_text(cleaning)
    assert run_pytest(["-q", "-p", "no:cacheprovider", "test_long.py"], working_copy) == 130
    assert (working_copy / "cleaned").exists()
    assert int((working_copy / "group").read_text()) != os.getpgrp()
