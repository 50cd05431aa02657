"""What is asked for often starts at once: it imports what it needs, and nothing of what other verbs need."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from paths import ROOT

from xenlab.testbed.plan import HOSTS
from xenlab.testbed.state import LabState, ProcessId, lab_folder

# Prints which modules a call has loaded by its end, or when it becomes another program.
CALL = """
import json, os, sys
before = set(sys.modules)
from pathlib import Path
from xenlab.cli import main
main.WORKING_COPY = Path(sys.argv[1])

def tell(*became):
    json.dump({"modules": sorted(set(sys.modules) - before), "became": became}, open(sys.argv[2], "w"))
    os._exit(0)

os.execvp = lambda _file, argv: tell(*argv)
try:
    main.main(sys.argv[3:])
except SystemExit:
    pass
tell()
"""
# Of the standard library, what takes long to import.
SLOW_STANDARD = frozenset({"asyncio", "concurrent", "ctypes", "email", "http", "multiprocessing", "ssl", "tarfile"})
# What the lab file's models stand on.
PYDANTIC = frozenset({"annotated_types", "pydantic", "pydantic_core", "typing_extensions", "typing_inspection"})


@pytest.fixture
def up(tmp_path: Path) -> Iterator[LabState]:
    """The state of a lab that is up, as far as can be told without asking its hosts."""
    images = tmp_path / "images"
    images.mkdir()
    for name in ("id_ed25519", "known_hosts"):
        (images / name).touch()
    lab_folder(tmp_path).mkdir()
    sleeper = subprocess.Popen(["sleep", "60"])
    process = ProcessId.of(sleeper.pid)
    hosts = {host.name: process for host in HOSTS}
    state = LabState(lab_folder(tmp_path), profile="classic", images=str(images), keeper=process, hosts=hosts)
    state.ready = True
    state.save()
    yield state
    sleeper.kill()
    sleeper.wait()


def called(working_copy: Path, *arguments: str) -> tuple[frozenset[str], list[str], str]:
    """The modules that a call loads in an interpreter of its own, what it becomes, and what it prints."""
    told = working_copy / "told.json"
    command = [sys.executable, "-c", CALL, str(working_copy), str(told), *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    found = json.loads(told.read_text())
    return frozenset(found["modules"]), found["became"], done.stdout


def not_standard(modules: frozenset[str]) -> frozenset[str]:
    """The packages among `modules` that are neither Python's (as sysconfig's data of this build is) nor ours."""
    packages = {name.partition(".")[0] for name in modules if not name.startswith("_sysconfigdata")}
    return frozenset(packages - sys.stdlib_module_names - {"xenlab"})


def ours(modules: frozenset[str]) -> frozenset[str]:
    """Our own rooms among `modules`, without the command line's."""
    return frozenset(name.split(".")[1] for name in modules if name.startswith("xenlab.")) - {"cli"}


@pytest.mark.parametrize(
    "arguments", [["--help"], ["--version"], [], ["frobnicate"], ["up", "--help"], ["ssh", "--help"], ["verify", "-h"]]
)
def test_saying_what_it_takes_needs_python_alone(arguments: list[str], tmp_path: Path) -> None:
    modules, _, _ = called(tmp_path, *arguments)
    assert "argparse" in modules
    assert not_standard(modules) == frozenset()
    assert not SLOW_STANDARD & modules
    assert ours(modules) == {"errors", "evidence", "testbed"}
    assert {name for name in modules if name.startswith("xenlab.testbed.")} == {
        "xenlab.testbed.network",
        "xenlab.testbed.plan",
        "xenlab.testbed.profiles",
    }


def test_status_needs_python_alone(up: LabState, tmp_path: Path) -> None:
    modules, _, said = called(tmp_path, "status")
    assert said.startswith("classic lab: up, since 0 min")
    assert not_standard(modules) == frozenset()
    assert not SLOW_STANDARD & modules
    assert ours(modules) == {"errors", "evidence", "jsontext", "testbed", "remote", "labfile_change"}
    assert {name for name in modules if name.startswith("xenlab.remote.")} == {
        "xenlab.remote.activity",
        "xenlab.remote.waiting",
    }


def test_status_without_a_lab_needs_no_more(tmp_path: Path) -> None:
    modules, _, said = called(tmp_path, "status")
    assert said == "no lab is up in this working copy\n"
    assert not_standard(modules) == frozenset()


def test_ssh_needs_the_lab_file_and_becomes_openssh(up: LabState, tmp_path: Path) -> None:
    modules, became, _ = called(tmp_path, "ssh", "baye", "xl", "list")
    assert became[0] == "ssh"
    assert became[-3:] == ["root@10.1.1.143", "xl", "list"]
    assert not_standard(modules) == PYDANTIC
    assert not {"asyncio", "ssl", "tarfile"} & modules
    rooms = {"errors", "evidence", "jsontext", "testbed", "remote", "outcomes", "xen"}
    assert ours(modules) == rooms | {"labfile", "labfile_change", "labfile_limits", "fields", "tomlfile"}


def test_what_is_heavy_is_noticed(tmp_path: Path) -> None:
    modules, _, _ = called(tmp_path, "break", "unmounted")
    assert {"paramiko", "lark"} <= not_standard(modules)
    assert {"lab", "xen"} <= ours(modules)
