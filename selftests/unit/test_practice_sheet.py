"""The lab sheet as tasks: each step has one, what is typed does as it says, and the page shows the same."""

import os
import subprocess
from pathlib import Path

import pytest
from pages import check, grade, step
from paths import ROOT

from xenlab.errors import UsageError
from xenlab.scenarios.sheet import SEEN, TASKS, UNSOLVED, Task, TypedLine, not_there_yet, task_of, what_is_next
from xenlab.testbed.plan import GUESTS, HOSTS, GuestPlan
from xenlab.testbed.profiles import PROFILES, profile_named
from xenlab.testbed.provision import shared_paths
from xenlab.testbed.trees import original_config
from xenlab.xen.cfg import parse_config, rewrite_paths

PAGE = (ROOT / "docs" / "practice.md").read_text("utf-8")
RELEASE = os.uname().release
each = pytest.mark.parametrize("task", TASKS, ids=lambda task: task.step)


def test_each_step_but_the_last_has_a_task_in_the_sheets_order() -> None:
    steps = [task.step for task in TASKS]
    assert [*steps, "left-as-found"] == steps_of_the_tests()
    assert steps[: len(SEEN)] == list(SEEN)
    for task in TASKS:
        assert task_of(task.step) is task
    with pytest.raises(UsageError, match="no task is called 'gravity'") as refused:
        task_of("gravity")
    assert "shared-storage" in refused.value.hint


def steps_of_the_tests() -> list[str]:
    """The steps as the modules of tests/ have them, one after the other."""
    texts = (path.read_text("utf-8") for path in sorted((ROOT / "tests").glob("test_*.py")))
    return [found.partition('"')[0] for text in texts for found in text.split('@step("')[1:]]


@each
def test_every_line_is_shell_on_a_host_of_the_lab(task: Task) -> None:
    for line in task.lines:
        scripts = [line.script, line.took, line.would_write_over, *([line.reads.command] if line.reads else [])]
        for script in scripts:
            checked = subprocess.run(["sh", "-n"], input=script, capture_output=True, text=True, check=False)
            assert checked.returncode == 0, checked.stderr
        assert line.machine in {host.name for host in HOSTS}
        assert not line.does or line.guest


def test_what_has_a_lab_unsolved_is_shell() -> None:
    for change in UNSOLVED.changes:
        for script in (change.script, change.took):
            assert subprocess.run(["sh", "-n"], input=script, text=True, check=False).returncode == 0


@each
def test_the_page_shows_what_is_typed(task: Task) -> None:
    """Of tasks that are acts it shows those on the first guest."""
    shown = {line.strip() for line in PAGE.splitlines()}
    for line in task.lines_for([] if task.is_seen else [GUESTS[0].name]):
        assert str(line) in shown
    assert f"`{task.step}`" in PAGE


def test_a_line_that_is_not_of_the_sheet_is_not_on_the_page() -> None:
    assert str(TypedLine("baye", "xl destroy guest1", "false")) not in PAGE


@each
def test_lines_can_be_had_of_one_guest(task: Task) -> None:
    ours = [*task.lines_for([GUESTS[0].name])]
    assert ours == [line for line in task.lines if line.guest in ("", GUESTS[0].name)]
    assert [*task.lines_for([])] == list(task.lines)
    assert task.step == "hosts" or len(ours) < len(task.lines)


# What the lines do


def sh(script: str, folder: Path, stdin: str | None = None) -> int:
    """Run it with its files below a folder."""
    for path in ("/mnt/private", "/home/", "/root/", "/boot/vmlinuz", "/boot/initrd"):
        script = script.replace(path, f"{folder}{path}")
    return subprocess.run(["sh", "-c", script], input=stdin, capture_output=True, text=True, check=False).returncode


def with_originals(guest: GuestPlan, profile: str, folder: Path) -> str:
    """The guest's files as they are before the sheet is begun; returns its config."""
    home = folder / guest.original_folder[1:]
    for made in (home, folder / "boot", folder / "mnt/private"):
        made.mkdir(parents=True)
    text = original_config(guest, profile_named(profile), RELEASE)
    (home / f"{guest.name}.cfg").write_text(text)
    for name, size in (("UbuntuXen.img", 4096), ("UbuntuXen.swap", 512)):
        (home / name).write_bytes(b"x" * size)
    for name in ("vmlinuz", "initrd.img"):
        (folder / "boot" / f"{name}-{RELEASE}").write_text(name)
    return text


def lines_on(guest: GuestPlan, *steps: str) -> list[TypedLine]:
    return [line for name in steps for line in task_of(name).lines_for([guest.name]) if line.guest]


@pytest.mark.parametrize("guest", GUESTS, ids=lambda guest: guest.name)
@pytest.mark.parametrize("profile", PROFILES)
def test_files_and_paths_end_up_as_in_the_lab_that_is_solved(guest: GuestPlan, profile: str, tmp_path: Path) -> None:
    text = with_originals(guest, profile, tmp_path)
    paths = [entry.path for entry in parse_config(text).paths()]
    for line in lines_on(guest, "shared-storage"):
        assert sh(line.took, tmp_path) != 0
        assert sh(line.script, tmp_path) == sh(line.took, tmp_path) == 0
    (fixed,) = (line for line in lines_on(guest, "path-fixes") if line.script.startswith("sed"))
    config = tmp_path / guest.shared_config[1:]
    assert config.read_text() == text
    # sed is about what the config says, not about where it lies here.
    script = fixed.script.replace(guest.shared_config, str(config))
    took = fixed.took.replace(guest.shared_config, str(config))
    run = [subprocess.run(["sh", "-c", one], check=False).returncode for one in (took, script, took)]
    assert run == [1, 0, 0]
    solved = shared_paths(guest, paths)
    assert config.read_text() == rewrite_paths(text, solved)
    for before, after in solved.items():
        assert (tmp_path / after[1:]).read_bytes() == (tmp_path / before[1:]).read_bytes()


def test_a_file_that_was_moved_is_there_and_another_one_is_not_written_over(tmp_path: Path) -> None:
    guest = GUESTS[0]
    with_originals(guest, "classic", tmp_path)
    disk = next(line for line in lines_on(guest, "shared-storage") if line.makes.endswith("guest1.img"))
    new = tmp_path / disk.makes[1:]
    new.parent.mkdir()
    assert sh(disk.would_write_over, tmp_path) != 0
    new.write_text("another disk")
    assert sh(disk.took, tmp_path) != 0
    assert sh(disk.would_write_over, tmp_path) == 0
    (tmp_path / guest.original_folder[1:] / "UbuntuXen.img").rename(new)
    assert sh(disk.took, tmp_path) == 0


def test_a_key_is_carried_over_once_and_is_told_from_another(tmp_path: Path) -> None:
    (tmp_path / "root/.ssh").mkdir(parents=True)
    own = tmp_path / "root/.ssh/authorized_keys"
    own.write_text("ssh-ed25519 AAAA xenlab\n")
    made, carried, known, *_ = task_of("hosts").lines
    assert sh(made.took, tmp_path) != 0
    assert sh(made.script, tmp_path) == sh(made.took, tmp_path) == 0
    key = (tmp_path / "root/.ssh/id_ed25519.pub").read_text()
    assert sh(carried.took, tmp_path, key) != 0
    assert sh(carried.script, tmp_path, key) == sh(carried.took, tmp_path, key) == 0
    assert own.read_text() == f"ssh-ed25519 AAAA xenlab\n{key}"
    assert sh(carried.took, tmp_path, key.replace("AAAA", "AAAB")) != 0
    assert sh(carried.took, tmp_path, "") != 0
    assert sh(known.took, tmp_path) != 0
    (tmp_path / "root/.ssh/known_hosts").write_text(f"10.1.1.143 {key}")
    assert sh(known.took, tmp_path) == 0


# What is next


def seen(**outcomes: str) -> str:
    """What is next where these steps were not seen to pass."""
    steps = (step(name, outcomes.get(name.replace("-", "_"), "passed"), checks=[check()]) for name in SEEN)
    return what_is_next(grade(*steps))


def test_the_first_step_that_is_not_there_is_next() -> None:
    assert seen(hosts="failed", shared_storage="blocked").startswith("next: hosts: let root of each host log in")
    assert "stuck? ./lab solve shared-storage" in seen(shared_storage="failed")
    assert "./lab solve path-fixes" in seen(path_fixes="error", boot_from_share="blocked")
    assert "./lab solve boot-from-share" in seen(boot_from_share="failed")
    assert seen().endswith("./lab finish")


def test_a_step_that_was_not_judged_was_not_seen_to_be_there() -> None:
    made = grade(step("hosts", "passed"))
    assert not_there_yet(made, ["hosts"]) is None
    assert not_there_yet(made) is task_of("shared-storage")
