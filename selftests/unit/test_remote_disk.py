"""Nonces read from the disk and not from memory."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from xenlab.remote import commands

WRITTEN, CHANGED = "feedbeef" * 4, "beeffeed" * 4


def run(argv: commands.Argv) -> subprocess.CompletedProcess[str]:
    return subprocess.run(argv, capture_output=True, text=True, timeout=15, check=False)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system on a disk of its own, mounted at `mnt` beside the file that the disk is."""
    image, folder = tmp_path / "disk", tmp_path / "mnt"
    if os.geteuid() != 0 or not shutil.which("mkfs.ext4", path="/usr/sbin:/sbin"):
        pytest.skip("needs root and mkfs.ext4")
    with image.open("wb") as file:
        file.truncate(16 << 20)
    subprocess.run(["/sbin/mkfs.ext4", "-q", str(image)], check=True)
    folder.mkdir()
    if run(("mount", "-o", "loop", str(image), str(folder))).returncode != 0:
        pytest.skip("no file can be mounted here")
    yield image
    subprocess.run(["umount", str(folder)], check=True)


def test_what_the_disk_has_is_read_whatever_memory_holds(disk: Path) -> None:
    file = str(disk.with_name("mnt") / "nonce")
    assert run(commands.write_nonce(file, WRITTEN)).returncode == 0
    os.sync()
    at = disk.read_bytes().find(WRITTEN.encode())
    assert at >= 0
    with disk.open("r+b") as changed:
        changed.seek(at)
        changed.write(CHANGED.encode())
        changed.flush()
        os.fsync(changed.fileno())
    assert run(commands.read(file)).stdout.strip() == WRITTEN  # from the page cache
    assert run(commands.read_nonce_from_disk(file)).stdout.strip() == CHANGED


@pytest.mark.parametrize("busybox", [False, True])
def test_a_nonce_is_read_from_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, busybox: bool) -> None:
    file = str(tmp_path / "a nonce")
    assert run(commands.write_nonce(file, "feedbeef")).returncode == 0
    assert run(commands.read_nonce_from_disk(file)).stdout == "feedbeef\n"
    # Where the file system takes no O_DIRECT, or dd knows none, the cache is dropped first.
    asked = tmp_path / "asked"
    refusal = "*iflag=*) exit 1" if busybox else "*direct*) exit 1"
    (tmp_path / "dd").write_text(f'#!/bin/sh\necho "$@" >>{asked}\ncase "$*" in {refusal} ;; esac\nexec /bin/dd "$@"\n')
    (tmp_path / "dd").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    if busybox:
        drop = "echo 1 >/proc/sys/vm/drop_caches"
        assert drop in commands._READ_FROM_DISK
        changed = commands._READ_FROM_DISK.replace(drop, f"echo dropped >>{asked}")
        monkeypatch.setattr(commands, "_READ_FROM_DISK", changed)
    assert run(commands.read_nonce_from_disk(file)).stdout == "feedbeef\n"
    assert ("dropped" in asked.read_text()) == busybox
    assert "iflag=nocache count=0" in asked.read_text()
    asked.unlink()
    missing = run(commands.read_nonce_from_disk(str(tmp_path / "none")))
    assert missing.returncode != 0
    assert "No such file" in missing.stderr
    assert not asked.exists()  # nothing of the machine's cache is dropped for what is not there


def test_what_cannot_be_read_past_the_cache_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = str(tmp_path / "nonce")
    run(commands.write_nonce(file, "feedbeef"))
    (tmp_path / "dd").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "dd").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    changed = commands._READ_FROM_DISK.replace("/proc/sys/vm/drop_caches", "/proc/no/such/file")
    monkeypatch.setattr(commands, "_READ_FROM_DISK", changed)
    refused = run(commands.read_nonce_from_disk(file))
    assert (refused.returncode != 0, refused.stdout) == (True, "")
