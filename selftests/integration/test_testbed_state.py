"""What is running: processes known by PID and start time, and the state that outlives us."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from xenlab.remote.waiting import wait_for
from xenlab.testbed.network import WayIn
from xenlab.testbed.state import LabState, ProcessId


@pytest.fixture
def child() -> Iterator["subprocess.Popen[bytes]"]:
    """A process of ours that runs until it is killed."""
    process = subprocess.Popen(["sleep", "60"])
    yield process
    process.kill()
    process.wait()


def test_a_process_is_alive_until_it_is_killed(child: "subprocess.Popen[bytes]") -> None:
    known = ProcessId.of(child.pid)
    assert known.alive
    known.kill()
    assert not known.alive
    known.kill()  # once more is no harm


def test_a_zombie_is_not_alive(child: "subprocess.Popen[bytes]") -> None:
    known = ProcessId.of(child.pid)
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # ended, and not yet collected
    assert Path(f"/proc/{child.pid}").exists()
    assert not known.alive


# A process whose first thread ends while another goes on, as a killed QEMU is for a moment.
HEADLESS = """
import ctypes, platform, threading, time
threading.Thread(target=time.sleep, args=(60,)).start()
ctypes.CDLL(None).syscall({"x86_64": 60, "aarch64": 93}[platform.machine()], 0)  # exit(2): of this thread alone
"""


def test_a_zombie_with_a_thread_that_runs_is_alive_until_killed() -> None:
    process = subprocess.Popen([sys.executable, "-c", HEADLESS])
    try:
        known = ProcessId.of(process.pid)
        stat = Path(f"/proc/{process.pid}/stat")
        wait_for(lambda: ") Z " in stat.read_text(), "the first thread to end", timeout=20, interval=0.02)
        assert known.alive
        known.kill()
        assert not known.alive
    finally:
        process.kill()
        process.wait()


def test_a_reused_pid_is_somebody_else(child: "subprocess.Popen[bytes]") -> None:
    known = replace(ProcessId.of(child.pid), started=1)
    assert not known.alive
    known.kill()
    assert child.poll() is None, "a process that only shares the PID must not be killed"


def test_a_name_with_brackets_and_spaces_does_not_confuse(tmp_path: Path) -> None:
    program = tmp_path / "x) S 1 (y"
    program.symlink_to("/bin/sleep")
    process = subprocess.Popen([program, "60"])
    try:
        assert ProcessId.of(process.pid).alive
    finally:
        process.kill()
        process.wait()
    assert ProcessId(process.pid, 1).alive is False


def a_state(folder: Path, keeper: ProcessId | None) -> LabState:
    return LabState(
        folder,
        profile="classic",
        accelerator="tcg",
        reason="this machine has no /dev/kvm",
        images=str(folder / "images"),
        sockets="/run/xenlab",
        network="user",
        network_reason="/dev/net/tun is missing",
        ways_in={"baye": WayIn("127.0.0.1", 40002)},
        keeper=keeper,
        hosts={"baye": ProcessId(7, 8)},
        ready=True,
        since=1234.5,
    )


@pytest.mark.parametrize("keeper", [None, ProcessId(5, 6)])
def test_state_is_read_back_as_it_was_saved(keeper: ProcessId | None, tmp_path: Path) -> None:
    state = a_state(tmp_path, keeper)
    state.save()
    assert LabState.load(tmp_path) == state
    assert [path.name for path in tmp_path.iterdir()] == ["state.json"]


def test_a_lab_of_an_earlier_version_can_still_be_ended(tmp_path: Path) -> None:
    state = a_state(tmp_path, ProcessId(5, 6))
    state.save()
    older = json.loads((tmp_path / "state.json").read_text())
    for key in ("network", "network_reason", "ways_in", "checkpoints"):
        del older[key]
    (tmp_path / "state.json").write_text(json.dumps(older))
    assert LabState.load(tmp_path) == replace(state, network="namespace", network_reason="", ways_in={})


def test_no_state_is_none(tmp_path: Path) -> None:
    assert LabState.load(tmp_path) is None
    assert LabState.load(tmp_path / "absent") is None


@pytest.mark.parametrize(
    "garbage",
    [
        *(b"", b"{", b"[]", b"null", b"7", b"{}", b"\xff\xfe", b'{"keeper": 5, "hosts": {}}'),
        *(b'{"keeper": null, "hosts": []}', b'{"keeper": null, "hosts": {"baye": {"pid": 1}}}'),
        b'{"keeper": null, "hosts": {}, "colour": "red"}',
    ],
)
def test_a_garbled_state_is_none(garbage: bytes, tmp_path: Path) -> None:
    (tmp_path / "state.json").write_bytes(garbage)
    assert LabState.load(tmp_path) is None


def test_running_means_ready_and_every_process_alive(child: "subprocess.Popen[bytes]", tmp_path: Path) -> None:
    alive, gone = ProcessId.of(child.pid), ProcessId(child.pid, 1)
    state = LabState(tmp_path, keeper=alive, hosts={"baye": alive}, ready=True)
    assert state.running
    assert not replace(state, ready=False).running
    assert not replace(state, keeper=None).running
    assert not replace(state, keeper=gone).running
    assert not replace(state, hosts={"baye": alive, "labubuntu": gone}).running
