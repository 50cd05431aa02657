"""The image cache: a folder is complete or absent, and what is in it is what was built."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from xenlab.errors import UsageError
from xenlab.testbed import cache


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A complete folder of two files."""
    with cache.building(tmp_path / "modern-1234") as partial:
        (partial / "disk.img").write_bytes(b"disk" * 1000)
        (partial / "xen").write_bytes(b"elf")
    return tmp_path / "modern-1234"


def test_a_built_folder_is_complete_under_its_own_name_only(folder: Path) -> None:
    assert cache.is_complete(folder)
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_absent_empty_and_unsealed_folders_are_not_complete(tmp_path: Path) -> None:
    assert not cache.is_complete(tmp_path / "absent")
    assert not cache.is_complete(tmp_path)
    (tmp_path / "disk.img").write_bytes(b"disk")
    assert not cache.is_complete(tmp_path)


@pytest.mark.parametrize("garbage", ["", "{", "[]", "7", "null", "{}", '{"disk.img": 4000}', '{"absent": [1, 2]}'])
def test_a_garbled_manifest_is_no_manifest(garbage: str, folder: Path) -> None:
    (folder / "complete.json").write_text(garbage)
    assert not cache.is_complete(folder)


def test_a_truncated_file_is_noticed(folder: Path) -> None:
    before = (folder / "disk.img").stat()
    os.truncate(folder / "disk.img", 100)
    os.utime(folder / "disk.img", ns=(before.st_atime_ns, before.st_mtime_ns))
    assert not cache.is_complete(folder)


def test_a_touched_file_is_noticed(folder: Path) -> None:
    os.utime(folder / "xen", ns=(1, 1))
    assert not cache.is_complete(folder)


def test_a_copy_that_keeps_whole_seconds_only_is_complete(folder: Path) -> None:
    """As the layers of a container's image do."""
    for path in folder.iterdir():
        seconds = path.stat().st_mtime_ns // 10**9
        os.utime(path, ns=(seconds * 10**9, seconds * 10**9))
    assert cache.is_complete(folder)


def test_a_deleted_file_is_noticed(folder: Path) -> None:
    (folder / "xen").unlink()
    assert not cache.is_complete(folder)


@pytest.mark.parametrize("problem", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_a_build_that_ends_early_leaves_nothing(problem: type[BaseException], tmp_path: Path) -> None:
    def build() -> None:
        with cache.building(tmp_path / "recipe") as partial:
            (partial / "tree").mkdir()
            (partial / "tree/half.img").write_bytes(b"half")
            raise problem

    with pytest.raises(problem):
        build()
    assert list(tmp_path.iterdir()) == []


def test_leftovers_of_a_killed_build_and_an_unwhole_folder_are_replaced(folder: Path) -> None:
    (folder / "xen").unlink()
    killed = folder.with_name(f"{folder.name}.partial")
    (killed / "tree").mkdir(parents=True)
    (killed / "tree/half.img").write_bytes(b"half")
    with cache.building(folder) as partial:
        assert list(partial.iterdir()) == []
        assert not folder.exists()
        (partial / "xen").write_bytes(b"elf")
    assert cache.is_complete(folder)
    assert sorted(path.name for path in folder.iterdir()) == ["complete.json", "xen"]
    assert not killed.exists()


def test_a_lock_keeps_another_process_out_and_is_let_go(tmp_path: Path) -> None:
    lock = tmp_path / "new/recipe.lock"
    ask = "import fcntl, sys; fcntl.flock(open(sys.argv[1]), fcntl.LOCK_EX | fcntl.LOCK_NB)"

    def other_gets_it() -> bool:
        return subprocess.run([sys.executable, "-c", ask, str(lock)], capture_output=True, check=False).returncode == 0

    with cache.locked(lock):
        assert not other_gets_it()
    assert other_gets_it()


def test_too_little_space_is_told_with_folder_and_remedy(tmp_path: Path) -> None:
    folder = tmp_path / "cache/xenlab"
    with pytest.raises(UsageError) as refused:
        cache.require_space(folder, 10**18, "building the modern lab")
    assert f"building the modern lab needs 1000000000.0 GB under {folder}, only " in refused.value.message
    assert "XDG_CACHE_HOME" in refused.value.hint


def test_enough_space_is_fine(tmp_path: Path) -> None:
    cache.require_space(tmp_path / "cache", 1, "building")


def test_the_cache_is_where_xdg_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache.cache_root() == tmp_path / "xenlab"


def test_a_folder_is_used_for_as_long_as_a_process_that_took_it_lives(folder: Path) -> None:
    assert not cache.is_used(folder)
    with cache.using(folder) as descriptor:
        heir = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=(descriptor,))
    assert cache.is_used(folder)
    heir.communicate(b"\n", timeout=10)
    assert not cache.is_used(folder)
