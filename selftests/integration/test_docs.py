"""What README.md and docs/ show works as shown, and what they name is there."""

import argparse
import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from gradedrun import Graded
from paths import ROOT
from rooms import DOWNWARD
from testinfra.modules.service import Service

from xenlab.cli.main import parser
from xenlab.labfile import loads
from xenlab.outcomes import Outcome
from xenlab.testbed.tools import PROGRAMS

NEW_STEP = (ROOT / "docs" / "new-step.md").read_text("utf-8")
CONTAINERS = (ROOT / "docs" / "containers.md").read_text("utf-8")
OUTCOMES = (ROOT / "docs" / "outcomes.md").read_text("utf-8")
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text("utf-8")
SECURITY = (ROOT / "docs" / "security.md").read_text("utf-8")
LAB_FILE = (ROOT / "docs" / "lab-file.md").read_text("utf-8")
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))

CALL = re.compile(r"\./lab (?P<verb>[a-z][a-z-]*)")
ID = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
# A reader may have typed other words between backticks: only what looks like a check's or step's id is one.
CODED_ID = re.compile(r"`(?P<id>[a-z0-9]+(?:-[a-z0-9]+)+)`")
PLACE = re.compile(r"(?<![\w./-])(?:xenlab|selftests|tests|fixtures|benchmarks|docs)/[\w./*-]*")
LINK = re.compile(r"\]\((?!https?:|#)(?P<to>[^)#]+)")
# What a reader is to make, or a run writes.
NOT_THERE = frozenset({"tests/test_9_clocks.py", "xenlab/custody"})
# Where a way to end is met other than in one step.
NO_STEP = frozenset(
    {
        *("before anything", "before the first step", "where it is needed", "where it would be started"),
        *("the step that moved it", "`./lab mend` finishes it", "the run's last words", "at the end"),
    }
)

HOSTS = """
@step("hosts", points=1)
def test_hosts():
    '''Both hosts answer.'''
    check(True)
"""
CONFTEST = """
from types import SimpleNamespace
import pytest

def host(name, running):
    services = {"chrony": SimpleNamespace(is_running=running)}
    return SimpleNamespace(name=name, testinfra=SimpleNamespace(service=services.__getitem__))

@pytest.fixture
def hosts():
    return host("labubuntu", True), host("baye", BAYE)
"""


# What stands before the part of the lab file that is shown for machines behind others.
BESIDE = """
name = "team-7"
share = { server = "baye", export = "/srv/private", mount_point = "/mnt/private" }
[[hosts]]
name = "baye"
address = "10.1.1.143"
"""
GUEST = """
address = "10.1.1.85"
home = "baye"
config = "/mnt/private/guest1.cfg"
ping_target = "10.1.1.1"
"""


def blocks(page: str, language: str) -> list[str]:
    """The page's blocks of code in that language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)


def block(page: str, language: str) -> str:
    """The page's one block of code in that language."""
    (code,) = blocks(page, language)
    return code


def verbs() -> frozenset[str]:
    """What ./lab takes."""
    actions = [action for action in parser()._actions if isinstance(action, argparse._SubParsersAction)]
    return frozenset(name for action in actions for name in action.choices)


def unknown_verbs(text: str) -> list[str]:
    return sorted({found["verb"] for found in CALL.finditer(text)} - verbs())


def steps_of_the_sheet() -> frozenset[str]:
    """The ids that tests/ gives to `@step`."""
    calls = (
        node
        for path in (ROOT / "tests").glob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "step"
    )
    return frozenset(str(ast.literal_eval(call.args[0])) for call in calls)


def ids_in_the_code() -> frozenset[str]:
    """Every word in the lab's code and the sheet that a check's id could be."""
    return frozenset(
        node.value
        for folder in ("xenlab/lab", "xenlab/grading", "tests")
        for path in (ROOT / folder).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and ID.fullmatch(node.value)
    )


def checks_in_the_code() -> frozenset[str]:
    """The ids of all checks of the sheet: of findings, and of what a judgement cannot tell."""
    calls = (
        node
        for path in (ROOT / "xenlab/lab/judging").glob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("Finding", "cannot_tell")
    )
    named = {call.args[0].value for call in calls if isinstance(call.args[0], ast.Constant)}
    return frozenset(named) | {f"no-stray-{what}" for what in ("loop-devices", "processes", "files")}


def first_column(page: str, heading: str) -> list[str]:
    """The code in the first column of the table below a heading."""
    section = page.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    return re.findall(r"^\| `([^`]+)` \|", section, re.MULTILINE)


def places(page: str) -> Iterator[str]:
    """The steps that the table's third column names, or what else it says there."""
    for row in page.splitlines():
        if row.startswith("|") and not row.startswith(("|-", "| what happens")):
            where = row.strip("| ").split(" | ")[2]
            yield from ([where] if where in NO_STEP else re.split(r", (?:in seconds)?|: .*", where))


def test_the_step_of_ones_own_fails_and_passes_as_its_checks_do(graded: Graded) -> None:
    body = HOSTS + block(NEW_STEP, "python")
    red = graded(body, conftest=CONFTEST.replace("BAYE", "False"))
    assert red.steps["clocks"].outcome == Outcome.FAILED
    assert red.steps["clocks"].title == (
        "Both hosts keep their clocks by NTP, so that a guest finds the same time on either."
    )
    held, failed = red.steps["clocks"].checks
    assert [(check.id, check.outcome) for check in (held, failed)] == [
        ("chrony-runs", Outcome.PASSED),
        ("chrony-runs", Outcome.FAILED),
    ]
    assert "chrony runs on baye" in failed.expected
    assert failed.hint == "on baye: apt-get install chrony"


def test_the_step_of_ones_own_passes_where_all_is_well(graded: Graded) -> None:
    green = graded(HOSTS + block(NEW_STEP, "python"), conftest=CONFTEST.replace("BAYE", "True"))
    assert green.ret == 0
    assert green.steps["clocks"].outcome == Outcome.PASSED
    assert green.steps["clocks"].points == 5


def test_what_it_asks_testinfra_for_is_there() -> None:
    asked = set(re.findall(r"\bservice\.(\w+)", block(NEW_STEP, "python")))
    assert asked
    assert all(hasattr(Service, name) for name in asked)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_verb_that_is_named_exists(page: Path) -> None:
    assert unknown_verbs(page.read_text("utf-8")) == []


def test_a_verb_that_is_none_is_noticed() -> None:
    assert unknown_verbs("run `./lab verify` or `./lab undo`") == ["undo"]


def test_the_container_has_every_package_that_the_lab_needs() -> None:
    assert set(PROGRAMS.values()) <= set(block(CONTAINERS, "dockerfile").split())


def test_the_autograder_hands_over_what_was_written_and_nothing_after_an_error(tmp_path: Path) -> None:
    """Its script run as it stands, /autograder being elsewhere and `./lab` a stand-in that notes its call."""
    for folder in ("cache", "results", "submission", "source/reports"):
        (tmp_path / folder).mkdir(parents=True)
    source, results = tmp_path / "source", tmp_path / "results/results.json"
    (source / "lab").write_text('#!/bin/sh\necho "$XDG_CACHE_HOME $@" >>calls\n')
    (source / "lab").chmod(0o755)
    setup, run = (code.replace("/autograder", str(tmp_path)) for code in blocks(CONTAINERS, "sh"))
    for script in (setup, run):
        subprocess.run(["sh", "-c", script], check=True)
    assert not results.exists()
    (tmp_path / "submission/lab.toml").touch()
    (source / "reports/gradescope-results.json").write_text("{}")
    subprocess.run(["sh", "-c", run], check=True)
    assert results.read_text() == "{}"
    calls = ["up", "down", "verify", f"verify --lab {tmp_path}/submission/lab.toml"]
    assert (source / "calls").read_text().splitlines() == [f"{tmp_path}/cache {call}" for call in calls]


def test_every_step_that_the_outcomes_name_exists() -> None:
    named = list(places(OUTCOMES))
    assert len(named) > 20
    assert set(named) - NO_STEP - {""} <= steps_of_the_sheet()


def test_every_check_that_the_outcomes_name_exists() -> None:
    assert {found["id"] for found in CODED_ID.finditer(OUTCOMES)} <= ids_in_the_code()
    assert {"config-readable", "ssh-to-peer", "path-fixes"} <= ids_in_the_code()
    assert "no-such-check" not in ids_in_the_code()


def test_the_rooms_are_told_in_the_order_that_is_enforced() -> None:
    rooms = [place.removesuffix("/") for place in first_column(ARCHITECTURE, "Rooms, from the top down")]
    package = [room.removeprefix("xenlab/").removesuffix(".py").replace("__init__", "xenlab") for room in rooms]
    assert tuple(package) == DOWNWARD
    assert all((ROOT / room).exists() for room in rooms)


def test_whose_word_each_check_rests_on_is_told_once() -> None:
    section = SECURITY.partition("| whose word |")[2].partition("\n\n")[0]
    told = [word for row in section.splitlines()[2:] for word in re.findall(r"`([a-z-]+)`", row.split(" | ")[2])]
    assert sorted(told) == sorted(checks_in_the_code())
    assert {"reached", "same-connection"} <= set(told)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_that_are_named_or_linked_are_there(page: Path) -> None:
    text = page.read_text("utf-8")
    named = {place.rstrip(".") for place in PLACE.findall(text)} - NOT_THERE
    assert [place for place in sorted(named) if not list(ROOT.glob(place))] == []
    linked = {found["to"] for found in LINK.finditer(text)}
    assert [link for link in sorted(linked) if not (page.parent / link).exists()] == []


def test_every_page_is_found_from_the_readme() -> None:
    linked = {(ROOT / found["to"]).resolve() for found in LINK.finditer(PAGES[0].read_text("utf-8"))}
    assert {page for page in PAGES[1:] if page.name != "README.md"} <= linked


def test_the_lab_file_that_is_shown_is_read() -> None:
    shown = "\n".join(line[4:] for line in LAB_FILE.splitlines() if line.startswith("    "))
    shown, share, more = shown.partition("[[share]]")
    first, jumps, second = shown.partition("[[jumps]]")
    assert [guest.name for guest in loads(first, "lab-file.md").guests] == ["guest1"]
    as_student = loads(re.sub(r"# (user|sudo_password_env) =", r"\1 =", first), "lab-file.md").hosts[1]
    assert (as_student.user, as_student.sudo, as_student.sudo_password_env) == ("student", True, "LAB_SUDO")
    behind = loads(f"{BESIDE}{jumps}{second}".replace('address = "10.1.1.85"\n', GUEST), "lab-file.md")
    assert (behind.guests[0].via, behind.probes.outside_from) == ("hosts", "hosts")
    several = loads(re.sub(r"\[share\][^[]*", "", first) + share + more, "lab-file.md").shares
    assert [one.mount_point for one in several] == ["/mnt/private", "/mnt/second"]
