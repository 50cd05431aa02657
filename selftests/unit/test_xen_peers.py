"""What outlives the session that began it: begun, awaited and read, by this machine's own sh."""

import os
import shlex
import signal
import subprocess
from pathlib import Path

import pytest

from xenlab.remote.waiting import wait_for
from xenlab.xen import peers


def ran(argv: peers.Argv) -> str:
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout


def begun(folder: Path, *argv: str, seconds: int = -8) -> list[str]:
    """Started, and not waited for unless so many seconds are said."""
    return ran(peers.start(str(folder), "m", seconds, argv)).splitlines()


def until(file: Path) -> tuple[str, ...]:
    """A program that ends once there is such a file."""
    return ("sh", "-c", 'while [ ! -e "$0" ]; do sleep 0.02; done', str(file))


def awaited(folder: Path, seconds: int = 20) -> list[str]:
    return ran(peers.await_end(str(folder), "m", seconds)).splitlines()


def test_its_words_and_its_code_are_kept(tmp_path: Path) -> None:
    words = ["3", "one", "two"]
    assert begun(tmp_path / "new", "sh", "-c", "echo one; echo two >&2; exit 3", seconds=20) == words
    assert awaited(tmp_path / "new") == words


def test_what_was_never_begun_is_told_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sleep").write_text("#!/bin/sh\n")
    (tmp_path / "sleep").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert awaited(tmp_path) == ["never"]


def test_an_exit_code_of_before_is_not_taken_for_this_one(tmp_path: Path) -> None:
    begun(tmp_path, "sh", "-c", "exit 3")
    assert awaited(tmp_path) == ["3"]
    assert begun(tmp_path, *until(tmp_path / "end")) == ["running"]
    (tmp_path / "end").write_text("")
    assert awaited(tmp_path) == ["0"]


def test_what_goes_on_is_told_as_such_and_left_alone(tmp_path: Path) -> None:
    assert begun(tmp_path, *until(tmp_path / "end")) == ["running"]
    assert awaited(tmp_path, -6) == ["running"]
    (tmp_path / "end").write_text("")
    assert awaited(tmp_path) == ["0"]


def test_what_was_killed_without_a_code_is_gone(tmp_path: Path) -> None:
    begun(tmp_path, "sh", "-c", f"echo half; exec {shlex.join(until(tmp_path / 'end'))}")
    wait_for(lambda: (tmp_path / "m.log").exists() and (tmp_path / "m.log").read_text(), "its first words", 20, 0.02)
    os.killpg(int((tmp_path / "m.pid").read_text()), signal.SIGKILL)
    assert awaited(tmp_path) == ["gone", "half"]


def test_nothing_of_it_is_left(tmp_path: Path) -> None:
    begun(tmp_path / "x", "true")
    awaited(tmp_path / "x")
    ran(peers.forget(str(tmp_path / "x")))
    assert not (tmp_path / "x").exists()


def found() -> list[str]:
    argv = peers.under_way()
    shown = subprocess.run(["sh", "-c", f"pgrep -af -- '{argv[-1]}'"], capture_output=True, text=True, check=False)
    return shown.stdout.splitlines()


def test_a_search_for_what_is_under_way_does_not_find_itself() -> None:
    assert [line for line in found() if "pgrep" in line] == []


def test_what_was_begun_is_found_while_it_runs(tmp_path: Path) -> None:
    folder = tmp_path / "xenlab-1a2b3c4d"

    def ours() -> list[str]:
        return [line for line in found() if str(folder) in line]

    ran(peers.start(str(folder), "guest1-3", -8, peers.bounded(until(tmp_path / "end"), 20)))
    # Where it is just about to become another program, there may be two of it.
    for line in wait_for(ours, "it to run", 20, 0.02):
        assert peers.acts_on(line, "guest1")
        assert not peers.acts_on(line, "guest10")
        assert not peers.acts_on(line, "guest")
    (tmp_path / "end").write_text("")
    assert ran(peers.await_end(str(folder), "guest1-3", 20)).splitlines() == ["0"]
    assert ours() == []


def test_a_dead_peer_is_noticed_and_nothing_is_asked() -> None:
    words = peers.ssh(2222)
    assert "BatchMode=yes" in words
    assert "ServerAliveInterval=10" in words
    assert words[-2:] == ("-p", "2222")
    assert "-p" not in peers.ssh()
