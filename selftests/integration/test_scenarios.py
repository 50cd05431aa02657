"""The catalogue of right and wrong labs: what each names is there, its scripts are shell, its edits do as they say."""

import ast
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from paths import ROOT

from xenlab.errors import LabFault, UsageError
from xenlab.scenarios.catalogue import RIGHT, SCENARIOS, WRONG, scenario_named
from xenlab.scenarios.scenario import LabChange, Scenario
from xenlab.scenarios.shell import (
    appended,
    edited,
    memory_taken,
    once_moved,
    once_under_way,
    running_on,
    when_it_arrives,
    when_it_leaves,
    written,
)
from xenlab.testbed.bootfiles import Images
from xenlab.testbed.labplan import embedded_lab
from xenlab.testbed.plan import GUESTS, HOSTS, MOUNT_POINT
from xenlab.testbed.profiles import PROFILES, profile_named
from xenlab.testbed.provision import shared_paths
from xenlab.testbed.trees import original_config
from xenlab.xen.cfg import parse_config, rewrite_paths
from xenlab.xen.changes import compare

GUEST = GUESTS[0]
RAISED = "lab-fault"
each = pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)


def steps_of_the_lab_sheet() -> set[str]:
    found = set()
    for path in (ROOT / "tests").glob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "step":
                found.add(ast.literal_eval(node.args[0]))
    return found


def ids_of_findings() -> set[str]:
    found = {RAISED}
    for path in (ROOT / "xenlab/lab/judging").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "Finding":
                first = node.args[0]
                if isinstance(first, ast.Constant):
                    found.add(str(first.value))
                elif isinstance(first, ast.JoinedStr):
                    found |= {f"no-stray-{what}" for what in ("loop-devices", "processes", "files")}
    return found


def test_the_catalogue_is_no_smaller_than_it_should_be() -> None:
    assert len(WRONG) >= 60
    assert len(RIGHT) >= 20
    assert all(scenario.red for scenario in WRONG)
    assert all(scenario.is_right for scenario in RIGHT)


def test_scenarios_have_names_of_their_own() -> None:
    assert len({scenario.name for scenario in SCENARIOS}) == len(SCENARIOS)
    for scenario in SCENARIOS:
        assert scenario_named(scenario.name) is scenario
    with pytest.raises(UsageError, match="no scenario is called 'gravity'"):
        scenario_named("gravity")


def test_each_names_steps_checks_and_machines_that_there_are() -> None:
    steps, checks = steps_of_the_lab_sheet(), ids_of_findings()
    machines = {machine.name for machine in (*HOSTS, *GUESTS)}
    for scenario in SCENARIOS:
        assert {scenario.step, *scenario.beside} <= steps, scenario.name
        assert {change.machine for change in scenario.changes} <= machines
        assert scenario.guest in machines
        if scenario.red:
            assert scenario.red.step == scenario.step
            assert scenario.red.check in checks, scenario.name
            assert scenario.red.words
    assert "no-such-check" not in checks


def test_every_step_has_faults_of_its_own() -> None:
    assert {scenario.step for scenario in WRONG} == steps_of_the_lab_sheet()


def test_what_is_done_in_a_guest_needs_one_that_runs() -> None:
    for scenario in SCENARIOS:
        if {change.machine for change in scenario.changes} & {guest.name for guest in GUESTS}:
            assert scenario.runs, scenario.name


@each
def test_every_script_is_shell(scenario: Scenario) -> None:
    for change in scenario.changes:
        for script in (change.script, change.took):
            checked = subprocess.run(["sh", "-n"], input=script, capture_output=True, text=True, check=False)
            assert checked.returncode == 0, checked.stderr


@each
def test_what_the_lab_file_says_otherwise_fits_the_lab(scenario: Scenario, tmp_path: Path) -> None:
    (tmp_path / "id_ed25519").touch()
    lab = embedded_lab(profile_named("classic"), Images(tmp_path), {}, tmp_path / "known_hosts")
    assert (lab.changed(scenario.lab) != lab) == bool(scenario.lab)


# What the scripts do


def sh(script: str, **environment: str) -> int:
    env = os.environ | environment
    return subprocess.run(["sh", "-c", script], capture_output=True, check=False, env=env).returncode


def moved(text: str, folder: Path) -> str:
    """A text with its paths below a folder."""
    for path in (MOUNT_POINT, "/home/", "/etc/", "/run/scenario"):
        text = text.replace(path, f"{folder}{path}")
    return text


def within(change: LabChange, folder: Path) -> LabChange:
    """The same change, of files below a folder."""
    return LabChange(change.machine, moved(change.script, folder), moved(change.took, folder))


def edits_of_configs(profile: str) -> Iterator[Scenario]:
    for scenario in SCENARIOS:
        configs = {GUEST.shared_config, GUEST.original_config}
        scripts = [change.script for change in scenario.changes]
        if scripts and all("sed -i" in text and any(text.endswith(path) for path in configs) for text in scripts):
            yield scenario


EDITS = [(profile, scenario) for profile in PROFILES for scenario in edits_of_configs(profile)]


@pytest.mark.parametrize(("profile", "scenario"), EDITS, ids=lambda it: it if isinstance(it, str) else it.name)
def test_edits_of_configs_take_in_either_profile(profile: str, scenario: Scenario, tmp_path: Path) -> None:
    text = original_config(GUEST, profile_named(profile), "6.1.0")
    before = parse_config(text)
    shared = rewrite_paths(text, shared_paths(GUEST, [entry.path for entry in before.paths()]))
    for path, content in ((GUEST.shared_config, shared), (GUEST.original_config, text)):
        (tmp_path / path[1:]).parent.mkdir(parents=True)
        (tmp_path / path[1:]).write_text(moved(content, tmp_path))
    changes = [within(change, tmp_path) for change in scenario.changes]
    assert [sh(change.took) for change in changes] == [1] * len(changes)
    assert [sh(change.script) for change in changes] == [0] * len(changes)
    assert [sh(change.took) for change in changes] == [0] * len(changes)
    changed = (tmp_path / GUEST.shared_config[1:]).read_text()
    try:
        after = parse_config(changed)
    except LabFault:
        assert scenario.red
        assert scenario.red.check == "config-syntax"
        return
    kinds = {change.kind for change in compare(before, after)}
    other = scenario.red is not None and scenario.red.check == "only-paths-changed"
    assert "other" in kinds or not other
    if scenario.is_right and len(changes) == 1:
        assert kinds <= {"path", "same", "deprecated-key"}


def test_an_edit_that_changes_nothing_did_not_take(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("a\n")
    change = within(edited("baye", str(file), "s/b/c/"), tmp_path)
    assert sh(change.script) == 0
    assert sh(change.took) == 1


def test_texts_are_written_as_they_are(tmp_path: Path) -> None:
    text = 'it\'s "so" $HOME `x` %s \\n'
    change = written("baye", str(tmp_path / "file"), text)
    assert sh(change.took) != 0
    assert sh(change.script) == sh(change.took) == 0
    assert (tmp_path / "file").read_text() == f"{text}\n"
    more = appended("baye", str(tmp_path / "file"), "one more")
    assert sh(more.took) == 1
    assert sh(more.script) == sh(more.took) == 0
    assert (tmp_path / "file").read_text() == f"{text}\none more\n"


def test_a_program_goes_on_by_itself(tmp_path: Path) -> None:
    done = tmp_path / "done"
    change = within(running_on("baye", f"sleep 0.6; touch {done}; exec sleep 60"), tmp_path)
    assert sh(change.script) == 0
    assert sh(change.took) == 0
    while not done.exists():
        pass
    subprocess.run(["sh", "-c", f"kill $(cat {tmp_path}/run/scenario/program)"], check=True)


@pytest.mark.parametrize(
    "change",
    [when_it_arrives("baye", "x"), when_it_leaves("baye", "x"), once_moved("guest1", "x"), once_under_way("x")],
)
def test_what_waits_does_nothing_yet(change: LabChange, tmp_path: Path) -> None:
    (tmp_path / MOUNT_POINT[1:]).mkdir(parents=True)
    change = within(change, tmp_path)
    # A host without a move: other tests, and other labs, play theirs on this machine.
    nothing_found = tmp_path / "bin/pgrep"
    nothing_found.parent.mkdir()
    nothing_found.write_text("#!/bin/sh\nexit 1\n")
    nothing_found.chmod(0o755)
    try:
        assert sh(change.script, PATH=f"{nothing_found.parent}:{os.environ['PATH']}") == sh(change.took) == 0
    finally:
        sh(f"kill $(cat {tmp_path}/run/scenario/program)")


def test_memory_is_taken_by_a_domain_of_what_is_free() -> None:
    change = memory_taken("baye", 60)
    assert "memory=$((free - 60))" in change.script
    assert change.took.endswith("-le 60")
