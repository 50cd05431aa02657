"""What Allure is given, and its page made fit to be handed on."""

import base64
import json
import re
import shutil
from datetime import UTC, datetime
from pathlib import Path

import platformdirs
import pytest
from gradedrun import CHAIN, Graded
from paths import ROOT

from xenlab.cli.main import main
from xenlab.errors import UsageError, XenlabError
from xenlab.grading.allure_results import category_of, command_log, environment
from xenlab.grading.run import Run, StepRun
from xenlab.grading.scoring import StepSpec
from xenlab.outcomes import CheckResult, Grade, LabInfo, Outcome, Score, StepResult
from xenlab.report.allure import banner, fetched, finished, without_call_home
from xenlab.report.allure_cli import forget_this_run
from xenlab.report.folder import ReportsFolder

USERS_CACHE = platformdirs.user_cache_dir()  # before pytester gives each test a home of its own

# As Allure 3.18.0 writes it, without the parts between.
PAGE = """<!DOCTYPE html>
<html dir="ltr" lang="en">
<head>
    <meta charset="utf-8">
    <title> xenlab </title>
    <link rel="icon" href="data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg'%3E%3C/svg%3E">
    <link rel="stylesheet" type="text/css" href="data:text/css;base64,LyogKi8=">
</head>
<body>
    <div id="app"></div>
    <script>
      window.allure = window.allure || {};
    </script>
    <script   src="data:text/javascript;base64,LyogKi8="></script>
    <script async src="https://www.googletagmanager.com/gtag/js?id=G-LNDJ3J7WT0"></script>
    <script>
        window.dataLayer = window.dataLayer || [];
        function gtag(){dataLayer.push(arguments);}
        gtag('js', new Date());
        gtag('config', 'G-LNDJ3J7WT0', {
          "report": "awesome",
          "reportUuid": "b8732e1b-1afd-472a-9b38-212b1df4396c",
        });
    </script>

    <script async>
      window.allureReportDataReady = false;
    </script>
</body>
</html>
"""


def grade(*checks: CheckResult, verdict: str = "failed") -> Grade:
    step = StepResult(id="paths", title="T.", points=10, earned=2.5, outcome=Outcome(verdict), checks=checks)
    now = datetime(2026, 2, 8, tzinfo=UTC)
    lab = LabInfo(name="embedded", kind="embedded", hosts=("baye",))
    score = Score(earned=2.5, possible=10)
    return Grade(lab=lab, started=now, finished=now, score=score, verdict=verdict, steps=(step,))


FAILED = CheckResult(
    id="kernel-exists",
    outcome=Outcome.FAILED,
    expected="a <file>",
    actual='"nothing" & \x1b[31mmore',
    hint="mend the path",
    guest="guest1",
    host="baye",
)


def test_the_call_home_goes_and_nothing_else() -> None:
    left = without_call_home(PAGE)
    assert "googletagmanager" not in left
    assert "dataLayer" not in left
    assert left.count("<script") == PAGE.count("<script") - 2
    assert fetched(PAGE) == ["https://www.googletagmanager.com/gtag/js?id=G-LNDJ3J7WT0"]
    for kept in ("window.allure =", "allureReportDataReady", "data:text/javascript", '<div id="app">'):
        assert kept in left


@pytest.mark.parametrize(
    "more",
    [
        '<img alt="" src="https://example.net/pixel.gif">',
        "<link rel=stylesheet href=//example.net/a.css>",
        "<style>@import 'http://example.net/a.css';</style>",
        '<p style="background:url(https://example.net/a.png)">',
        "<script>gtag('config', 'G-1')</script>",
    ],
)
def test_a_page_that_would_still_call_is_refused(more: str) -> None:
    with pytest.raises(XenlabError, match="would still call"):
        finished(PAGE.replace("</body>", f"{more}</body>"), grade(FAILED))


def test_a_link_to_be_followed_is_no_call() -> None:
    assert fetched('<a class="x" href="https://example.net">there</a>') == []


def test_a_page_of_another_make_is_refused() -> None:
    with pytest.raises(XenlabError, match=r"no <body> .*does not know that version"):
        finished(PAGE.replace("<body>", "<body class='new'>"), grade(FAILED))


def test_the_grade_stands_on_top_and_the_browser_may_fetch_nothing() -> None:
    page = finished(PAGE, grade(FAILED))
    assert re.search(
        r'<body><header id="xenlab-grade" class="failed">\s*<strong>2.5 of 10 points: failed</strong>', page
    )
    assert "Fix this first: paths: kernel-exists (guest1 on baye): expected a &lt;file&gt;, found" in page
    assert "&#34;nothing&#34; &amp; more</p>" in page
    assert "<p>Hint: mend the path</p>" in page
    assert "1 of 1 step failed." in page
    policy = re.search(r'<head><meta http-equiv="Content-Security-Policy" content="([^"]+)">', page)
    assert policy
    assert "default-src data: blob:" in policy[1]
    assert "http" not in policy[1]


def test_an_attempt_that_should_not_count_says_so() -> None:
    unseen = CheckResult(id="c", outcome=Outcome.ERROR, actual="no answer")
    made = grade(unseen, verdict="error")
    assert "<p>this attempt should not count: no fault of yours</p>" in banner(made)
    made = made.model_copy(update={"score": made.score.model_copy(update={"ungradable": 7.5})})
    assert "<p>7.5 points could not be observed; this attempt should not count: no fault of yours</p>" in banner(made)
    assert "should not count" not in banner(grade(FAILED))


def test_where_all_passed_there_is_nothing_to_fix() -> None:
    assert "Fix" not in banner(grade(CheckResult(id="c", outcome=Outcome.PASSED), verdict="passed"))


def test_a_run_counts_once_in_the_history(tmp_path: Path) -> None:
    history = tmp_path / "history.jsonl"
    forget_this_run(history, tmp_path)
    assert not history.exists()
    (tmp_path / "1-result.json").write_text('{"start": 30}')
    lines = [json.dumps({"testResults": {"x": {"start": start}}}) + "\n" for start in (10, 20, 30)]
    history.write_text("".join(lines))
    forget_this_run(history, tmp_path)
    assert history.read_text() == "".join(lines[:2])
    history.write_text("{half")
    with pytest.raises(UsageError, match=r"history.jsonl:1: not a run"):
        forget_this_run(history, tmp_path)


# What Allure is given


def ended(*checks: tuple[str, Outcome]) -> StepRun:
    run = StepRun(StepSpec("paths", "T.", 1), None, Run("embedded", None, (), ReportsFolder(Path())).journal)
    for id, outcome in checks:
        run.add(id, outcome)
    return run


@pytest.mark.parametrize(
    ("checks", "category"),
    [
        ([("c", Outcome.PASSED)], ""),
        ([("c", Outcome.FAILED), ("cannot-observe", Outcome.ERROR)], "failed lab"),
        ([("not-run", Outcome.BLOCKED)], "blocked"),
        ([("c", Outcome.PASSED), ("cannot-observe", Outcome.ERROR)], "could not observe"),
        ([("cannot-run", Outcome.ERROR)], "grader error"),
        ([("cannot-observe", Outcome.ERROR), ("unexpected-error", Outcome.ERROR)], "grader error"),
        ([], "grader error"),
    ],
)
def test_what_did_not_pass_falls_into_a_category_of_allurerc(checks: list[tuple[str, Outcome]], category: str) -> None:
    assert category_of(ended(*checks)) == category
    assert not category or f'xenlab: "^{category}$"' in (ROOT / "allurerc.yaml").read_text()


def entry(**more: object) -> dict[str, object]:
    usual = {"id": "cmd-7", "host": "baye", "command": "xl list", "exit_code": 0, "timed_out": False}
    return {**usual, "started": "2026-02-08T22:06:00+00:00", "seconds": 1.25, "stdout": "", "stderr": "", **more}


def test_the_command_log_tells_how_each_ended_and_is_bounded() -> None:
    log = command_log([entry(stdout="Name\n", stderr="\x1b[31mbad\udce9\n"), entry(timed_out=True, exit_code=None)])
    assert log.splitlines() == [
        "cmd-7  baye  2026-02-08T22:06:00+00:00  1.25 s  exit 0",
        "$ xl list",
        "Name",
        "bad\ufffd",
        "",
        "cmd-7  baye  2026-02-08T22:06:00+00:00  1.25 s  timed out",
        "$ xl list",
    ]
    assert len(command_log([entry(stdout="x" * 100_000)])) < 5_000
    assert len(command_log([entry(stdout="x" * 4_000)] * 1_000)) < 260_000
    assert "the connection broke" in command_log([entry(exit_code=None)])
    assert command_log([]) == ""


def test_the_environment_names_lab_hosts_and_xen() -> None:
    run = Run("my.toml", None, (), ReportsFolder(Path()))
    assert "lab=my.toml\n" in environment(run)
    run.lab = LabInfo(name="a=b: #1", kind="real", hosts=("x", "y"), xen={"x": "4.20"})
    assert r"lab=a\=b\:\ \#1\ (real)" in environment(run)
    assert r"hosts=x,\ y" in environment(run)
    assert r"Xen\ on\ x=4.20" in environment(run)


ATTACHING = """
import datetime, pytest, time
from xenlab.grading.run import run_of
from xenlab.outcomes import LabInfo, MigrationRecord
from xenlab.remote.record import CommandRecord

@pytest.fixture(autouse=True)
def left(request):
    run = run_of(request.config)
    run.journal.add_secret("hunter2")
    run.lab = LabInfo(name="embedded", kind="embedded", hosts=("baye",), xen={"baye": "4.20"})
    now = datetime.datetime.now(datetime.timezone.utc)
    command = f"look {request.node.name}"
    run.record(CommandRecord("baye", command, 0, "hunter2", "", now, time.monotonic(), 0.1, False))
    if "test_move" in request.node.name:
        move = MigrationRecord(guest="guest2", kind="live", source="a", target="b", seconds=1, same_boot=True)
        run.add_migration(move, svg="<svg xmlns='http://www.w3.org/2000/svg'><text>pings</text></svg>")
"""
ALLURE = ("-p", "allure_pytest", "--alluredir=reports/allure-results")


def results(folder: Path) -> dict[str, dict[str, object]]:
    found = [json.loads(path.read_text()) for path in (folder / "reports" / "allure-results").glob("*-result.json")]
    return {result["name"]: result for result in found}


def test_what_pytest_made_of_an_exception_is_cleaned_for_allure_too(graded: Graded, pytester: pytest.Pytester) -> None:
    body = r"""
@step("a", points=1)
def test_a():
    'A.'
    check(True)
    raise ValueError("hunter" + "2 \x1b]0;title\x07\x1b[31mred caf\udce9")
"""
    graded(body, *ALLURE, conftest=ATTACHING)
    (result,) = results(pytester.path).values()
    assert result["statusDetails"]["message"] == "ValueError: ******** red caf\ufffd"
    assert "hunter2" not in json.dumps(result)
    assert "\\u001b" not in json.dumps(result)


def test_each_step_has_its_own_commands_and_timelines(graded: Graded, pytester: pytest.Pytester) -> None:
    graded(CHAIN, *ALLURE, conftest=ATTACHING)
    folder = pytester.path / "reports" / "allure-results"
    found = results(pytester.path)
    assert sorted(found) == sorted(
        ["hosts", *(f"{step} guest{number}" for step in ("paths", "boot", "move") for number in (1, 2))]
    )
    given = {
        name: {attached["name"]: folder / attached["source"] for attached in result.get("attachments", [])}
        for name, result in found.items()
    }
    assert given["boot guest1"] == {}  # blocked: nothing was run
    assert list(given["move guest2"]) == ["live migration a → b", "commands"]
    assert "pings" in given["move guest2"]["live migration a → b"].read_text()
    log = given["paths guest2"]["commands"].read_text()
    assert "$ look test_paths[guest2]\n********" in log
    assert "guest1" not in log
    labels = {name: {label["name"]: label["value"] for label in result["labels"]} for name, result in found.items()}
    assert labels["paths guest1"]["xenlab"] == "failed lab"
    assert labels["boot guest1"]["xenlab"] == "blocked"
    assert "xenlab" not in labels["hosts"]
    assert (labels["hosts"]["epic"], labels["hosts"]["story"]) == ("embedded", "lab")
    assert r"Xen\ on\ baye=4.20" in (folder / "environment.properties").read_text()
    assert not any("hunter2" in path.read_text() for path in folder.iterdir())


# ./lab report


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one line that a refusal is."""
    assert main(["report", *arguments]) == 2
    said = capsys.readouterr()
    assert said.err.count("\n") == 1
    return said.err


def test_the_page_is_made_anew_as_it_was(
    graded: Graded, pytester: pytest.Pytester, capsys: pytest.CaptureFixture[str]
) -> None:
    graded(CHAIN, conftest=ATTACHING)
    page = pytester.path / "reports" / "report.html"
    before = page.read_text()
    assert "pings" in before
    page.unlink()
    capsys.readouterr()
    assert main(["report", "--reports", str(page.parent)]) == 0
    assert capsys.readouterr().out == f"{page}\n"
    assert page.read_text() == before


def test_without_a_run_there_is_nothing_to_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = said(capsys, "--reports", str(tmp_path))
    assert "grade.json: No such file or directory (./lab verify writes it)" in line
    (tmp_path / "grade.json").write_text(grade().model_dump_json(by_alias=True))
    assert "commands.jsonl cannot be read" in said(capsys, "--reports", str(tmp_path))
    (tmp_path / "grade.json").write_text('{"schema": 99}')
    assert "grade.json: schema: " in said(capsys, "--reports", str(tmp_path))


def test_without_node_one_line_says_what_to_do(
    graded: Graded,
    pytester: pytest.Pytester,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    graded(CHAIN)
    options = ["--allure", "--reports", str(pytester.path / "reports")]
    assert "holds no results (./lab verify writes them)" in said(capsys, *options)
    graded(CHAIN, *ALLURE)
    monkeypatch.setenv("PATH", "")
    line = said(capsys, *options)
    assert "needs Node.js 20 and npm: there is no node here (sudo apt-get install nodejs npm" in line


@pytest.mark.node
@pytest.mark.timeout(700)
def test_allures_own_page_calls_nobody_and_says_the_grade(
    graded: Graded, pytester: pytest.Pytester, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", USERS_CACHE)  # npm installs once, not at each run of the tests
    for program in ("node", "npm"):
        if not shutil.which(program):
            pytest.skip(f"there is no {program} here")
    reports = pytester.path / "reports"
    for times in (1, 2):
        graded(CHAIN, *ALLURE, "--clean-alluredir", conftest=ATTACHING)
        for _ in range(times):
            capsys.readouterr()
            if main(["report", "--allure", "--reports", str(reports)]) != 0:
                line = capsys.readouterr().err
                if "installing Allure" in line:
                    pytest.skip(line)
                pytest.fail(line)
    page = (reports / "allure.html").read_text()
    assert fetched(page) == []
    assert "googletagmanager" not in page
    assert "<strong>60 of 100 points: failed</strong>" in page
    assert "Fix this first: paths: kernel-exists (guest1): expected a file, found nothing" in page
    data = dict(re.findall(r'd\("([^"]+)","([^"]*)"\)', page))
    categories = json.loads(base64.b64decode(data["widgets/tree-filters.json"]))["categories"]
    assert sorted(categories) == ["Blocked by an earlier step", "Failed lab"]
    told = json.loads(base64.b64decode(data["widgets/allure_environment.json"]))
    assert {"name": "Xen on baye", "values": ["4.20"]} in told
    assert any(name.endswith(".svg") for name in data)
    assert len((reports / "allure-history.jsonl").read_text().splitlines()) == 2
