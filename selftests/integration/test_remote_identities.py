"""What each file is: told by the real blkid, and of a file that somebody holds by a lease as well."""

import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from xenlab.remote import questions

# Stands for a client that has a write delegation: it gives the file back a moment after it is asked to (fcntl(2)).
HOLDER = """
import fcntl, os, signal, sys, time
held = os.open(sys.argv[1], os.O_RDWR)

def give_back(*_):
    time.sleep(0.3)
    fcntl.fcntl(held, fcntl.F_SETLEASE, fcntl.F_UNLCK)

signal.signal(signal.SIGIO, give_back)
fcntl.fcntl(held, fcntl.F_SETLEASE, fcntl.F_WRLCK)
print("held", flush=True)
while True:
    signal.pause()
"""


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    if not (shutil.which("mke2fs") and shutil.which("blkid")):
        pytest.skip("e2fsprogs and util-linux are not installed")
    path = tmp_path / "guest2.img"
    subprocess.run(["mke2fs", "-q", "-t", "ext4", path, "8M"], check=True)
    return path


@pytest.fixture
def held(disk: Path) -> Iterator[Path]:
    with subprocess.Popen([sys.executable, "-c", HOLDER, disk], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        yield disk
        holder.kill()


def identity(path: Path) -> list[str]:
    done = subprocess.run(questions.identities([str(path)], 0), capture_output=True, text=True, timeout=30, check=True)
    return done.stdout.splitlines()


def test_a_disk_is_told_by_its_file_system(disk: Path) -> None:
    first, *facts = identity(disk)
    assert first == f"file {8 << 20} - {disk}"
    assert "TYPE=ext4" in facts
    assert any(fact.startswith("UUID=") for fact in facts)


def test_a_disk_that_a_client_has_a_delegation_of_is_told_as_well(held: Path, disk: Path) -> None:
    """Seen with Linux 6.12: blkid on the server said nothing of the disk of a guest that ran on the other host."""
    assert "TYPE=ext4" in identity(held)


def test_what_is_missing_is_said_to_be(tmp_path: Path) -> None:
    assert identity(tmp_path / "none") == [f"missing {tmp_path / 'none'}"]


def test_what_cannot_be_opened_is_no_other_file(tmp_path: Path) -> None:
    """A device without a driver: it is there and may be read, but opening it fails, as on a stale handle."""
    device = tmp_path / "disk"
    try:
        os.mknod(device, 0o600 | stat.S_IFBLK, os.makedev(240, 77))
    except PermissionError:
        pytest.skip("only root makes devices")
    assert identity(device) == [f"unread {device}"]
