"""Planned and asked for from the command line: who is asked, when, and what pytest is then called with."""

import io
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from paths import ROOT

from xenlab.cli.main import main
from xenlab.grading.planning import load_plan, save_plan
from xenlab.lab.act_plan import ActPlan, GuestStops, Pace


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[list[str]]]:
    """What pytest is called with; what would plan writes the plan that is in PLAN."""
    before = {sign: signal.getsignal(sign) for sign in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    given: list[list[str]] = []

    def run_pytest(arguments: list[str], _copy: Path, *, silent: bool = False, secrets: object = None) -> int:
        given.append([*arguments, *(["silent"] if silent else [])])
        for word in arguments:
            if word.startswith("--plan-file=") and (tmp_path / "next.json").exists():
                Path(word.partition("=")[2]).write_bytes((tmp_path / "next.json").read_bytes())
        return 0

    (tmp_path / "lab.toml").write_text(LAB)
    monkeypatch.setattr("xenlab.cli.pytest_child.run_pytest", run_pytest)
    monkeypatch.setattr("xenlab.cli.main.WORKING_COPY", tmp_path)
    monkeypatch.chdir(tmp_path)
    yield given
    for sign, handler in before.items():
        signal.signal(sign, handler)


LAB = """
name = "team-7"
share = { server = "baye", export = "/srv/private", mount_point = "/mnt/private" }
hosts = [{ name = "labubuntu", address = "192.0.2.1" }, { name = "baye", address = "192.0.2.2" }]

[[guests]]
name = "guest1"
address = "192.0.2.85"
home = "labubuntu"
config = "/mnt/private/guest1.cfg"
ping_target = "192.0.2.1"
"""


def next_plan(folder: Path, *, touched: bool = True) -> ActPlan:
    told = ActPlan(
        lab_name=str(folder / "lab.toml"),
        guests=("guest1",),
        steps=("hosts", "cold-migration"),
        alone=True,
        made=datetime.now(UTC),
        seen={},
        acts=(),
        stops=(GuestStops(guest="guest1", found="on baye", shut_down=2 * touched, started=2 * touched),),
        seconds=1,
        pace=Pace(),
    )
    save_plan(told, folder / "next.json")
    return told


def test_a_plan_is_asked_of_pytest_and_nothing_else(calls: list[list[str]], tmp_path: Path) -> None:
    assert main(["verify", "--lab", "lab.toml", "--plan", "-o", "plan.json", "--step", "cold-migration"]) == 0
    assert calls == [
        ["tests", "--lab=lab.toml", "--step=cold-migration", "--plan", f"--plan-file={tmp_path / 'plan.json'}"]
    ]


def test_a_plan_brings_its_own_lab_guests_and_steps(calls: list[list[str]], tmp_path: Path) -> None:
    next_plan(tmp_path)
    assert main(["verify", "--as-planned", "next.json"]) == 0
    (call,) = calls
    assert call[1:3] == [f"--lab={tmp_path / 'lab.toml'}", "--guest=guest1"]
    assert call[3:] == [f"--as-planned={tmp_path / 'next.json'}", "--step=hosts", "--step=cold-migration", "--alone"]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (["--as-planned", "next.json", "--step", "hosts"], "has its own --lab, --guest, --step, --alone and --again"),
        (["--as-planned", "next.json", "--lab", "lab.toml"], "has its own --lab"),
        (["--as-planned", "none.json"], "none.json: No such file or directory"),
        (["-o", "plan.json"], "-o is where a --plan is written"),
    ],
)
def test_a_wrong_call_is_one_line(
    call: list[str], words: str, calls: list[list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    next_plan(tmp_path)
    assert main(["verify", *call]) == 2
    said = capsys.readouterr().err
    assert words in said
    assert said.count("\n") == 1
    assert calls == []


@pytest.mark.parametrize("call", [[], ["--step", "cold-migration"]])
def test_the_embedded_lab_is_not_asked_for(call: list[str], calls: list[list[str]]) -> None:
    assert main(["verify", *call]) == 0
    assert [each[:2] for each in calls] == [["tests", "--lab=embedded"]]
    assert not any("plan" in word for word in calls[0])


def test_yes_asks_nothing(calls: list[list[str]]) -> None:
    assert main(["verify", "--lab", "lab.toml", "--yes"]) == 0
    assert calls == [["tests", "--lab=lab.toml"]]


def test_without_a_terminal_guests_of_a_lab_file_are_not_stopped(
    calls: list[list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    next_plan(tmp_path)
    monkeypatch.setattr("sys.stdin", io.StringIO())
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / "grade.json").write_text("of the run before")
    assert main(["verify", "--lab", "lab.toml"]) == 2
    looks, told, refused = capsys.readouterr().err.splitlines()
    assert looks == "looking at lab.toml, to tell what is done to it"
    assert told.startswith("guest1, now on baye: started 2 times, shut down 2 times")
    assert "may guest1 be stopped and moved? Nobody is here to be asked (--yes grants it" in refused
    assert [call[-1] for call in calls] == ["silent"]
    assert not (tmp_path / "reports" / "grade.json").exists()


@pytest.mark.parametrize(("answer", "granted"), [("y\n", True), ("n\n", False), ("\n", False), ("", False)])
def test_on_a_terminal_it_is_asked_once_and_done_as_told(
    answer: str, granted: bool, calls: list[list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    next_plan(tmp_path)
    stdin = io.StringIO(answer)
    monkeypatch.setattr(stdin, "isatty", lambda: True)
    monkeypatch.setattr("sys.stdin", stdin)
    assert main(["verify", "--lab", "lab.toml", "--step", "cold-migration"]) == (0 if granted else 2)
    assert calls[0][2:4] == ["--step=cold-migration", "--plan"]
    assert len(calls) == 1 + granted
    if granted:
        assert calls[1][:3] == ["tests", "--lab=lab.toml", "--step=cold-migration"]
        assert calls[1][3].startswith("--as-planned=")


def test_a_run_that_stops_nobody_asks_nothing(
    calls: list[list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    next_plan(tmp_path, touched=False)
    monkeypatch.setattr("sys.stdin", io.StringIO())
    assert main(["verify", "--lab", "lab.toml", "--step", "hosts"]) == 0
    assert len(calls) == 2
    assert calls[1][-1].startswith("--as-planned=")


def test_what_cannot_be_planned_is_not_run(calls: list[list[str]]) -> None:
    assert main(["verify", "--lab", "lab.toml"]) == 3
    assert len(calls) == 1


def test_what_is_not_foreseen_is_told_and_the_run_is_not_bound(
    calls: list[list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    save_plan(next_plan(tmp_path).model_copy(update={"unforeseen": ("clocks: why",)}), tmp_path / "next.json")
    stdin = io.StringIO("y\n")
    monkeypatch.setattr(stdin, "isatty", lambda: True)
    monkeypatch.setattr("sys.stdin", stdin)
    assert main(["verify", "--lab", "lab.toml"]) == 0
    assert calls[1] == ["tests", "--lab=lab.toml"]
    assert "not foreseen: clocks: why" in capsys.readouterr().err


def test_a_plan_leaves_the_reports_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh" / "known_hosts").touch()
    ways = (
        'address = "192.0.2.1", ssh_address = "127.0.0.1", port = 9',
        'address = "192.0.2.2", ssh_address = "127.0.0.2", port = 9',
    )
    text = LAB.replace('address = "192.0.2.1" }', f"{ways[0]} }}").replace('address = "192.0.2.2" }', f"{ways[1]} }}")
    (tmp_path / "lab.toml").write_text(text)
    reports = tmp_path / "reports"
    reports.mkdir()
    (reports / "grade.json").write_text("of the run before")
    options = [
        "--lab",
        str(tmp_path / "lab.toml"),
        "--reports",
        str(reports),
        "--plan",
        "-o",
        str(tmp_path / "plan.json"),
    ]
    call = [sys.executable, "-m", "xenlab", "verify", *options]
    ended = subprocess.run(call, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 3, ended.stderr  # no host can be seen, so that what is done to the guest is unforeseen
    assert [path.name for path in reports.iterdir()] == ["grade.json"]
    told = load_plan(tmp_path / "plan.json")
    assert told.seen["baye"] == told.seen["guest1"] == "not to be told"
    assert "live-migration guest1: " in ended.stdout
    assert ended.stdout.splitlines()[-1] == "only read: of 0 commands on hosts and in guests none changes anything"
