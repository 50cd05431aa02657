"""The embedded lab in a stock container, on QEMU's own network: it comes up, works, and leaves nothing."""

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from container import contained
from rich.console import Console
from test_embedded_lab import ROOT, _programs_with

from xenlab.remote.waiting import wait_for
from xenlab.testbed.images import ensure_images
from xenlab.testbed.plan import GUESTS, HOSTS
from xenlab.testbed.profiles import profile_named
from xenlab.testbed.progress import Progress
from xenlab.testbed.state import LabState

pytestmark = [pytest.mark.embedded, pytest.mark.timeout(2700)]


def lab(copy: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """One call of the command line in that working copy, in the container."""
    argv = contained([sys.executable, "-m", "xenlab", *arguments])
    return subprocess.run(argv, cwd=copy, capture_output=True, text=True, check=False)


def brought_up(copy: Path) -> LabState:
    shutil.copytree(ROOT / "xenlab", copy / "xenlab", dirs_exist_ok=True)
    up = lab(copy, "up")
    assert up.returncode == 0, up.stderr
    state = LabState.load(copy / ".lab")
    assert state is not None
    return state


def assert_nothing_is_left(copy: Path, state: LabState) -> None:
    assert state.keeper is not None
    assert not any(process.alive for process in (state.keeper, *state.hosts.values()))
    assert not Path(state.sockets).exists()
    assert not (copy / ".lab").exists()
    assert _programs_with(str(copy)) == []
    for way in state.ways_in.values():
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((way.address, way.port), timeout=5)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A working copy whose lab was brought up in the container."""
    folder = tmp_path_factory.mktemp("anywhere")
    ensure_images(profile_named("classic"), Progress(Console(stderr=True), folder / "durations.json"))
    copy = folder / "copy"
    brought_up(copy)
    yield copy
    lab(copy, "down")


def test_status_says_which_network_and_why(copy: Path) -> None:
    status = lab(copy, "status")
    assert status.returncode == 0, status.stderr
    assert "  network    QEMU's user network: /dev/net/tun is missing\n" in status.stdout
    state = LabState.load(copy / ".lab")
    assert state is not None
    for host in HOSTS:
        assert f"from here 127.0.0.1 port {state.ways_in[host.name].port}" in status.stdout


@pytest.mark.parametrize(("host", "peer"), [(0, 1), (1, 0)])
def test_a_host_takes_commands_and_reaches_the_other(host: int, peer: int, copy: Path) -> None:
    asked = lab(copy, "ssh", HOSTS[host].name, f"hostname; ssh {HOSTS[peer].address} hostname; ping -c 1 10.1.1.1")
    assert asked.returncode == 0, asked.stderr
    assert asked.stdout.splitlines()[:2] == [HOSTS[host].name, HOSTS[peer].name]
    assert "1 received" in asked.stdout


def test_the_share_is_mounted_over_it(copy: Path) -> None:
    seen = lab(copy, "ssh", HOSTS[0].name, "findmnt -n -o FSTYPE,SOURCE /mnt/private; ls /mnt/private")
    assert seen.stdout.split() == ["nfs4", "10.1.1.143:/srv/private", "artem", "gaspar"], seen.stderr


def test_a_guest_boots_and_is_reached_on_either_host(copy: Path) -> None:
    guest, (home, other) = GUESTS[0], HOSTS
    created = lab(copy, "ssh", home.name, "xl", "create", guest.shared_config)
    assert created.returncode == 0, created.stderr
    wait_for(lambda: lab(copy, "ssh", guest.name, "true").returncode == 0, f"{guest.name} to boot", 300.0, 2.0)
    moved = lab(copy, "ssh", home.name, "xl", "migrate", guest.name, other.address)
    assert moved.returncode == 0, moved.stderr
    asked = lab(copy, "ssh", guest.name, "ping -c 1 10.1.1.1")
    assert "1 received" in asked.stdout, asked.stderr
    assert lab(copy, "ssh", other.name, "xl", "destroy", guest.name).returncode == 0


def test_the_namespace_asked_for_is_refused_in_one_line(copy: Path, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "xenlab", tmp_path / "xenlab")
    refused = lab(tmp_path, "up", "--network", "namespace")
    assert refused.returncode == 2
    assert refused.stderr == "xenlab: /dev/net/tun is missing (sudo modprobe tun)\n"


def test_another_lab_beside_it_that_loses_a_host_leaves_nothing(copy: Path, tmp_path: Path) -> None:
    other = tmp_path / "another working copy"
    state = brought_up(other)
    os.kill(state.hosts[HOSTS[0].name].pid, signal.SIGKILL)
    # The switch is a process of its own: the other host stays reachable.
    way = state.ways_in[HOSTS[1].name]
    with socket.create_connection((way.address, way.port), timeout=20) as connection:
        connection.settimeout(20)
        assert connection.recv(4) == b"SSH-"
    status = lab(other, "status")
    assert status.returncode == 3
    assert "broken" in status.stdout
    assert lab(other, "down").returncode == 0
    assert_nothing_is_left(other, state)
    assert lab(copy, "status").returncode == 0


def test_down_leaves_nothing_and_the_next_up_is_warm(copy: Path) -> None:
    state = LabState.load(copy / ".lab")
    assert state is not None
    assert lab(copy, "down").returncode == 0
    assert_nothing_is_left(copy, state)
    again = lab(copy, "up")
    assert again.returncode == 0, again.stderr
    assert "booting" not in again.stderr
    assert "the hosts' network is QEMU's user network: /dev/net/tun is missing\n" in again.stderr
