"""What outlives the session that began it: begun, awaited and read, by this machine's own sh."""

import subprocess
import time
from pathlib import Path

import pytest

from xenlab.xen import peers


def ran(argv: peers.Argv) -> str:
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout


def begun(folder: Path, *argv: str) -> int:
    assert ran(peers.start(str(folder), "m", argv)) == ""
    return int((folder / "m.pid").read_text())


def awaited(folder: Path, seconds: int = 20) -> list[str]:
    return ran(peers.await_end(str(folder), "m", seconds)).splitlines()


def test_its_words_and_its_code_are_kept(tmp_path: Path) -> None:
    begun(tmp_path / "new", "sh", "-c", "echo one; echo two >&2; exit 3")
    assert awaited(tmp_path / "new") == ["3", "one", "two"]


def test_what_was_never_begun_is_told_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sleep").write_text("#!/bin/sh\n")
    (tmp_path / "sleep").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert awaited(tmp_path) == ["never"]


def test_an_exit_code_of_before_is_not_taken_for_this_one(tmp_path: Path) -> None:
    begun(tmp_path, "sh", "-c", "exit 3")
    assert awaited(tmp_path) == ["3"]
    begun(tmp_path, "sleep", "5")
    assert awaited(tmp_path, 1) == ["running"]


def test_what_goes_on_is_told_as_such_and_left_alone(tmp_path: Path) -> None:
    begun(tmp_path, "sleep", "3")
    before = time.monotonic()
    assert awaited(tmp_path, 1) == ["running"]
    assert time.monotonic() - before < 3
    assert awaited(tmp_path) == ["0"]


def test_what_was_killed_without_a_code_is_gone(tmp_path: Path) -> None:
    pid = begun(tmp_path, "sh", "-c", "echo half; sleep 30")
    own = subprocess.run(["pkill", "-KILL", "-P", str(pid)], check=False)
    assert own.returncode == 0
    subprocess.run(["kill", "-KILL", str(pid)], check=False)
    state, *_ = awaited(tmp_path)
    assert state in ("gone", "137")


def test_nothing_of_it_is_left(tmp_path: Path) -> None:
    begun(tmp_path / "x", "true")
    awaited(tmp_path / "x")
    ran(peers.forget(str(tmp_path / "x")))
    assert not (tmp_path / "x").exists()


def test_a_search_for_migrations_does_not_find_itself() -> None:
    script = " ".join(peers.migrations_under_way())
    assert (
        subprocess.run(
            ["sh", "-c", f": {script!r}; exec pgrep -af -- '{peers.migrations_under_way()[-1]}'"],
            capture_output=True,
            text=True,
            check=False,
        ).stdout
        == ""
    )


def test_a_dead_peer_is_noticed_and_nothing_is_asked() -> None:
    words = peers.ssh(2222)
    assert "BatchMode=yes" in words
    assert "ServerAliveInterval=10" in words
    assert words[-2:] == ("-p", "2222")
    assert "-p" not in peers.ssh()
