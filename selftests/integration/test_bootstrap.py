"""The shell script `lab`: what it installs and makes, what it says meanwhile, and that it does nothing twice.

Its apt-get, sudo, python3 and pip are played; each call of them is noted.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from paths import ROOT

from xenlab.testbed.tools import PROGRAMS

NEEDED = ("sh", "env", "cat", "cksum", "cp", "date", "dirname", "awk", "mkdir", "rm", "touch", "chmod")
RELEASE = "{}.{}".format(*sys.version_info)

# `$HERE` is the folder of the played machine. A failing program says what real ones say.
PLAYED = {
    "id": "echo ${PLAYED_UID:-0}",
    "sudo": 'note sudo "$1"; exec "$@"',
    "apt-get": """
        note apt-get "$@"
        echo "Reading package lists..."
        [ "$1" = install ] || exit 0
        if [ -e "$HERE/offline" ]; then
            echo "E: Failed to fetch qemu-utils  Temporary failure resolving 'mirror'"
            echo "E: Unable to fetch some archives, maybe run apt-get update?"
            exit 100
        fi
        for program in $PROGRAMS; do cp "$HERE/bin/sudo" "$HERE/bin/$program"; done
        rm -f "$HERE/without-ensurepip"
        echo "Setting up qemu-utils"
    """,
    "python3": """
        note python3 "$@"
        case "$*" in
            "-c import ensurepip") [ ! -e "$HERE/without-ensurepip" ] ;;
            "-m venv .venv") mkdir -p .venv/bin && cp "$HERE/python" .venv/bin/python && cp "$HERE/pip" .venv/bin/pip ;;
        esac
    """,
}
PIP = """
    note pip "$@"
    echo "Collecting pytest==9"
    if [ -e "$HERE/offline" ]; then
        echo "ERROR: Could not find a version that satisfies the requirement pytest==9"
        echo "ERROR: No matching distribution found for pytest==9"
        echo "WARNING: There was an error checking the latest version of pip."
        exit 1
    fi
    mkdir -p .venv/lib/python$RELEASE/site-packages/pytest
    echo "Successfully installed pytest-9"
"""
PYTHON = """
    case "$*" in
        "-m xenlab "*) echo "ran: $*" ;;
        *) echo $RELEASE ;;
    esac
"""


class Machine:
    """A machine that has nothing but a shell, a Python and apt-get, and a working copy on it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.copy = folder, folder / "copy"
        (folder / "bin").mkdir()
        self.copy.mkdir()
        shutil.copy(ROOT / "lab", self.copy)
        (self.copy / "requirements.txt").write_text("pytest==9\n")
        for name in NEEDED:
            found = shutil.which(name)
            assert found is not None, name
            (folder / "bin" / name).symlink_to(found)
        for name, body in PLAYED.items():
            self._play(folder / "bin" / name, body)
        self._play(folder / "pip", PIP)
        self._play(folder / "python", PYTHON)

    def _play(self, path: Path, body: str) -> None:
        path.write_text(f'#!/bin/sh\nnote() {{ echo "$*" >>"$HERE/calls"; }}\n{body}\n')
        path.chmod(0o755)

    def lab(self, *arguments: str, uid: int = 0, stderr: int = subprocess.PIPE) -> "subprocess.CompletedProcess[str]":
        environ = {"PATH": str(self.folder / "bin"), "HERE": str(self.folder), "RELEASE": RELEASE}
        environ |= {"PROGRAMS": " ".join([*PROGRAMS, "chromium"]), "PLAYED_UID": str(uid)}
        call = [str(self.copy / "lab"), *arguments]
        return subprocess.run(call, env=environ, stdout=subprocess.PIPE, stderr=stderr, text=True, check=False)

    def calls(self) -> list[str]:
        """Calls of the played programs since they were asked for last."""
        noted = self.folder / "calls"
        lines = noted.read_text().splitlines() if noted.exists() else []
        noted.unlink(missing_ok=True)
        return lines

    def log(self, name: str) -> str:
        return (self.copy / ".setup" / name).read_text()


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A bare machine."""
    return Machine(tmp_path)


def test_what_is_missing_is_said_and_installed_a_line_each(machine: Machine) -> None:
    first = machine.lab("up", "--cold")
    assert (first.returncode, first.stdout) == (0, "ran: -m xenlab up --cold\n")
    missing, installing, making = first.stderr.splitlines()
    assert missing.startswith("lab: missing Debian packages: qemu-system-x86 qemu-utils mmdebstrap ")
    assert installing == "lab: installing them by apt-get (log: .setup/packages.log)"
    assert making == "lab: making .venv from requirements.txt (log: .setup/venv.log)"
    assert machine.log("packages.log").splitlines() == ["Reading package lists..."] * 2 + ["Setting up qemu-utils"]
    assert machine.log("venv.log").splitlines() == ["Collecting pytest==9", "Successfully installed pytest-9"]


def test_once_all_is_there_nothing_is_said_and_no_other_python_is_started(machine: Machine) -> None:
    machine.lab("up")
    assert machine.calls()
    shutil.rmtree(machine.copy / ".setup")
    again = machine.lab("--help")
    assert (again.returncode, again.stdout, again.stderr) == (0, "ran: -m xenlab --help\n", "")
    assert machine.calls() == []
    assert not (machine.copy / ".setup").exists()


NOTHING_BOOTS = (
    *("--help", "status", "down", "report", "regrade", "grade", "faults", "mend", "unlock"),
    *("init root@192.0.2.189", "check --lab lab.toml", "explain report.md", "fix-paths guest1.cfg"),
    *("verify --lab lab.toml", "verify --lab=lab.toml --plan"),
)


@pytest.mark.parametrize("call", NOTHING_BOOTS)
def test_what_needs_no_machine_to_boot_installs_no_machine(call: str, machine: Machine) -> None:
    done = machine.lab(*call.split())
    assert done.stdout == f"ran: -m xenlab {call}\n"
    assert done.stderr == "lab: making .venv from requirements.txt (log: .setup/venv.log)\n"
    assert not [call for call in machine.calls() if call.startswith("apt-get")]


@pytest.mark.parametrize("call", ["verify", "verify --step hosts", "verify --lab embedded", "verify --lab=embedded"])
def test_what_boots_the_embedded_lab_installs_it(call: str, machine: Machine) -> None:
    assert machine.lab(*call.split()).stdout == f"ran: -m xenlab {call}\n"
    assert [line for line in machine.calls() if line.startswith("apt-get install")]


def test_a_python_that_can_make_no_venv_gets_what_it_lacks(machine: Machine) -> None:
    (machine.folder / "without-ensurepip").touch()
    done = machine.lab("status")
    assert done.returncode == 0
    assert done.stderr.splitlines()[0] == "lab: missing Debian packages: python3-venv"
    assert "apt-get install -q -y --no-install-recommends python3-venv" in machine.calls()


def test_without_root_sudo_installs(machine: Machine) -> None:
    done = machine.lab("up", uid=1000)
    assert "lab: installing them by sudo apt-get (log: .setup/packages.log)" in done.stderr
    assert [call for call in machine.calls() if call.startswith("sudo")] == ["sudo apt-get", "sudo env"]


def test_without_root_and_sudo_it_is_said_whom_to_ask(machine: Machine) -> None:
    (machine.folder / "bin" / "sudo").unlink()
    done = machine.lab("up", uid=1000)
    assert done.returncode == 2
    missing = "lab: missing Debian packages, and no sudo to install them: ask for: apt-get install "
    assert done.stderr.startswith(missing)
    assert done.stderr.count("\n") == 1
    assert not (machine.copy / ".venv").exists()


def test_packages_that_cannot_be_had_are_told_by_apts_first_error(machine: Machine) -> None:
    (machine.folder / "offline").touch()
    done = machine.lab("up")
    assert (done.returncode, done.stdout) == (2, "")
    last = done.stderr.splitlines()[-1]
    assert last.startswith("lab: could not install: qemu-system-x86 ")
    assert ": E: Failed to fetch qemu-utils  Temporary failure resolving 'mirror' (is the network up?" in last
    assert last.endswith("log: .setup/packages.log)")
    assert "E: Unable to fetch some archives" in machine.log("packages.log")
    assert not (machine.copy / ".venv").exists()


def test_a_venv_that_cannot_be_made_is_told_by_pips_last_error_and_is_gone(machine: Machine) -> None:
    (machine.folder / "offline").touch()
    done = machine.lab("status")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[-1] == (
        "lab: could not make .venv: ERROR: No matching distribution found for pytest==9"
        " (is the network up? log: .setup/venv.log)"
    )
    assert "ERROR: Could not find a version" in machine.log("venv.log")
    assert not (machine.copy / ".venv").exists()


@pytest.mark.parametrize(
    "harm", ["interpreter-gone", "interpreter-broken", "other-release", "requirements", "half-made"]
)
def test_a_venv_that_does_not_fit_is_made_anew(harm: str, machine: Machine) -> None:
    machine.lab("status")
    venv = machine.copy / ".venv"
    python = venv / "bin/python"
    match harm:
        case "interpreter-gone":
            python.unlink()
            python.symlink_to(machine.folder / "python-of-old")
        case "interpreter-broken":
            python.write_bytes(b"\x7fELF of another machine")
        case "other-release":
            (venv / "lib" / f"python{RELEASE}").rename(venv / "lib" / "python3.10")
        case "requirements":
            (machine.copy / "requirements.txt").write_text("pytest==10\n")
        case "half-made":
            (venv / "requirements.cksum").unlink()
    machine.calls()
    done = machine.lab("status")
    assert done.stdout == "ran: -m xenlab status\n"
    assert done.stderr == "lab: making .venv from requirements.txt (log: .setup/venv.log)\n"
    assert "python3 -m venv .venv" in machine.calls()
    assert machine.lab("status").stderr == ""


def test_a_real_interpreter_with_its_packages_is_left_alone(machine: Machine) -> None:
    machine.lab("status")
    python = machine.copy / ".venv/bin/python"
    python.unlink()
    python.symlink_to(sys.executable)
    machine.calls()
    done = machine.lab("status")
    assert "No module named xenlab" in done.stderr  # there is none in this copy: it was that Python that ran
    assert machine.calls() == []


def test_on_a_terminal_the_line_goes_on_and_ends_as_one(machine: Machine) -> None:
    ours, theirs = os.openpty()
    with os.fdopen(theirs), os.fdopen(ours, "rb", buffering=0) as terminal:
        done = machine.lab("up", stderr=theirs)
        said = ""
        while not said.endswith("venv.log)\r\n"):  # it is all there by now; one read may be of a part
            said += terminal.read(4096).decode()
    assert done.returncode == 0
    assert "\r\x1b[Klab: installing them by apt-get: Setting up qemu-utils\r\x1b[K" in said
    assert "\r\x1b[Klab: making .venv from requirements.txt: Collecting pytest==9\r\x1b[K" in said
    left = [line.rpartition("\r\x1b[K")[2] for line in said.split("\r\n")]
    assert left[0].startswith("lab: missing Debian packages: ")
    assert re.fullmatch(r"lab: installing them by apt-get: done in \d+ s \(log: \.setup/packages\.log\)", left[1])
    assert re.fullmatch(r"lab: making \.venv from requirements\.txt: done in \d+ s \(log: .*venv\.log\)", left[2])
    assert left[3:] == [""]


def test_the_bootstrap_installs_what_the_testbed_needs() -> None:
    """./lab runs before there is a Python to ask: it has the list once more."""
    listed = re.search(r'^ +needs="([^"$]*)"$', (ROOT / "lab").read_text(), re.MULTILINE)
    assert listed is not None
    assert dict(need.split(":") for need in listed[1].split()) == PROGRAMS
