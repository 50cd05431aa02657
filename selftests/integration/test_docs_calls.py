"""Every call of ./lab that README.md and docs/ show is one; those that need no lab, and the student's, are run."""

import argparse
import importlib.util
import io
import re
import shlex
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from foundlab import BAYE, LABUBUNTU
from initcalls import Init, made
from paths import DATA, RECORDINGS, ROOT
from playedsessions import Sessions
from playedxen import PlayedXen

from xenlab.cli.main import main, parser
from xenlab.report.grade_file import read_grade
from xenlab.tomlfile import dump

RECORDING = RECORDINGS / "root-squashed.zip"
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
STUDENT = ROOT / "docs" / "student.md"

FENCED = re.compile(r"^```\w*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INDENTED = re.compile(r"^    (.*)$", re.MULTILINE)
CALL = re.compile(r"(?:^|\s)\./lab(?: (?P<words>.*))?$")
SPAN = re.compile(r"`\./lab (?P<verb>[a-z][a-z-]*)(?P<words>[^`]*)`")
MODULE = re.compile(r"python -m (?P<module>(?:xenlab|benchmarks|selftests)[\w.]*)")
# What another program's words begin with.
ELSEWHERE = frozenset({"||", "&&", "|", "<", ";"})

ENDS = {"explain": 1, "fix-paths": 0, "faults": 0, "status": 0, "mend": 0, "down": 0, "regrade": 1}
"""How those that need no lab end here: the report and the recorded lab are wrong."""


def calls(page: str) -> list[str]:
    """The words after ./lab in a page's blocks of code."""
    found = []
    for line in [*INDENTED.findall(FENCED.sub("", page)), *"\n".join(FENCED.findall(page)).splitlines()]:
        if (call := CALL.search(line)) and "$@" not in line:
            words = shlex.split(call["words"] or "", comments=True)
            end = next((at for at, word in enumerate(words) if word in ELSEWHERE), len(words))
            found.append(shlex.join(words[:end]))
    return list(dict.fromkeys(found))


def options_of(verb: str) -> frozenset[str]:
    """The options that a verb takes."""
    (verbs,) = (action for action in parser()._actions if isinstance(action, argparse._SubParsersAction))
    return frozenset(verbs.choices[verb]._option_string_actions)


def unknown_options(text: str) -> list[str]:
    """What calls within sentences name, which may leave out what an option is given."""
    return [
        f"{span['verb']} {word}"
        for span in SPAN.finditer(text)
        for word in span["words"].split()
        if word.startswith("-") and word != "--" and word not in options_of(span["verb"])
    ]


ALL = [pytest.param(call, id=f"{page.name}: {call}") for page in PAGES for call in calls(page.read_text("utf-8"))]
OFFLINE = sorted({call for page in PAGES for call in calls(page.read_text("utf-8")) if call.split(" ")[0] in ENDS})


@pytest.fixture(autouse=True)
def working_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with the files that the pages name; main()'s signal handlers are taken back."""
    before = {sign: signal.getsignal(sign) for sign in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    for name in ("report.md", "transcript.txt"):
        (tmp_path / name).write_bytes((DATA / "lab-report.md").read_bytes())
    (tmp_path / "guest1.cfg").write_bytes((DATA / "report_guest1_original.cfg").read_bytes())
    (tmp_path / "rubric.toml").write_text("attempts = 'last'\n")
    monkeypatch.setattr("xenlab.cli.main.WORKING_COPY", tmp_path)
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    for sign, handler in before.items():
        signal.signal(sign, handler)


@pytest.mark.parametrize("call", ALL)
def test_every_call_that_is_shown_is_one(call: str) -> None:
    if call.split(" ")[0] in ("--help", "--version"):
        return  # argparse answers these itself
    assert parser().parse_args(shlex.split(call)).verb == call.split(" ")[0]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_calls_in_sentences_name_options_that_there_are(page: Path) -> None:
    assert unknown_options(page.read_text("utf-8")) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_modules_that_are_to_be_run_are_there(page: Path) -> None:
    missing = [name for name in MODULE.findall(page.read_text("utf-8")) if importlib.util.find_spec(name) is None]
    assert missing == []


def test_what_is_no_call_is_noticed() -> None:
    assert calls("    ./lab up; x\nso `./lab down`:\n\n```sh\nrun: ./lab grade 'a b' || true  # all\n```\n") == [
        *("'up;' x", "grade 'a b'"),
    ]
    assert unknown_options("`./lab verify --agian`, `./lab verify --again`, `./lab init -J HOST`") == ["verify --agian"]


@pytest.mark.parametrize("call", OFFLINE)
def test_calls_that_need_no_lab_end_as_they_should(
    call: str, working_copy: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    verb, *words = shlex.split(call)
    kept = {word: ROOT / word for word in words if word.startswith("selftests/")} | {"reports/evidence.zip": RECORDING}
    for word, file in kept.items():
        (working_copy / word).parent.mkdir(parents=True, exist_ok=True)
        (working_copy / word).write_bytes(file.read_bytes())
    if verb == "regrade":
        words = [str(working_copy / words[0]), *words[1:], f"--reports={working_copy / 'again'}"]
        monkeypatch.setattr("xenlab.cli.main.WORKING_COPY", ROOT)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO((working_copy / "transcript.txt").read_bytes())))
    assert main([verb, *words]) == ENDS[verb], capsys.readouterr().err
    assert ("--write" in words) == (working_copy / "guest1.cfg.before-1").exists()


# docs/student.md, from its first call to its last


def test_init_describes_the_students_lab(init: Init) -> None:
    verb, *words = calls(STUDENT.read_text("utf-8"))[0].split()
    assert verb == "init"
    places = {"root@192.0.2.189": f"root@{LABUBUNTU}", "root@192.0.2.143": f"root@{BAYE}"}
    said = init(hosts=tuple(places[word] for word in words))
    assert said.splitlines()[-1] == "next: ./lab check --lab lab.toml"
    assert calls(STUDENT.read_text("utf-8"))[1] == "check --lab lab.toml"
    assert [guest.name for guest in made().guests] == ["guest1", "guest2"]


Typed = Callable[[str], tuple[int, str]]


@pytest.fixture
def typed(
    xen: PlayedXen,
    sessions: Sessions,
    pytester: pytest.Pytester,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Typed:
    """Types a call at a terminal, on played hosts; how it ends, and what it says."""
    del sessions  # they play the hosts
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("HOME", str(xen.folder))
    monkeypatch.setattr("xenlab.cli.main.WORKING_COPY", xen.folder)
    (xen.folder / ".ssh").mkdir()
    (xen.folder / ".ssh" / "known_hosts").touch()
    (xen.folder / "lab.toml").write_text(dump(xen.spec))
    xen.runs("guest1", "labubuntu")

    def run_pytest(arguments: list[str], _copy: Path, *, silent: bool = False, secrets: object = None) -> int:
        del silent
        where = [f"--rootdir={ROOT}", "-c", str(ROOT / "pytest.ini"), str(ROOT / "tests")]
        quiet = ["-p", "no:cacheprovider", "-p", "no:unraisableexception"]
        reports = (
            [] if any(word.startswith("--reports=") for word in arguments) else [f"--reports={xen.folder}/reports"]
        )
        return int(pytester.runpytest_inprocess(*where, *quiet, *reports, *arguments[1:]).ret)

    monkeypatch.setattr("xenlab.cli.pytest_child.run_pytest", run_pytest)

    def type_(call: str) -> tuple[int, str]:
        terminal = io.StringIO("y\n")
        monkeypatch.setattr(terminal, "isatty", lambda: True)
        monkeypatch.setattr("sys.stdin", terminal)
        monkeypatch.chdir(xen.folder)
        capsys.readouterr()
        status = main(shlex.split(call))
        said = capsys.readouterr()
        return status, said.out + said.err

    return type_


def test_the_students_calls_go_one_after_the_other(typed: Typed, xen: PlayedXen) -> None:
    """Here no console daemon runs, so that each run tells to mend that first, and does nothing to a guest."""
    _, *shown = calls(STUDENT.read_text("utf-8"))
    ended = {call: typed(call) for call in shown}
    assert {call: status for call, (status, _) in ended.items()} == {
        "check --lab lab.toml": 1,
        "verify --lab lab.toml --plan": 0,
        "verify --lab lab.toml": 1,
        "verify --lab lab.toml --again": 1,
        "verify --lab lab.toml --step path-fixes --guest guest1": 1,
        "fix-paths guest1.cfg --share /mnt/private/artem": 0,
        "explain report.md": 1,
        "mend": 0,
        "regrade reports/evidence.zip": 1,
    }
    for call, (status, said) in ended.items():
        if status == 1 and "explain" not in call:
            assert "fix this first: hosts: xen-runs" in said, call
            # What it is called depends on this machine, which plays the host.
            assert re.search(r"hint: .*(start xenconsoled|xen start) on labubuntu", said), call
    assert ended["check --lab lab.toml"][1].startswith("this only reads: ")
    assert "guest1, now on labubuntu: started 2 times, shut down 2 times" in ended["verify --lab lab.toml --plan"][1]
    assert (xen.folder / "reports/check/report.html").exists()
    assert [step.id for step in read_grade(xen.folder / "reports").steps] == ["hosts", "shared-storage", "path-fixes"]
    assert xen.acted == []
