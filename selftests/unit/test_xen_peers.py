"""What outlives the session that began it: begun, awaited and read, by this machine's own sh."""

import subprocess
import time
from pathlib import Path

from xenlab.xen import peers


def ran(argv: peers.Argv) -> str:
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout


def begun(folder: Path, *argv: str) -> int:
    return int(ran(peers.start(str(folder), "m", argv)))


def test_its_words_and_its_code_are_kept(tmp_path: Path) -> None:
    pid = begun(tmp_path / "new", "sh", "-c", "echo one; echo two >&2; exit 3")
    assert ran(peers.await_end(str(tmp_path / "new"), "m", pid, 20)).splitlines() == ["3", "one", "two"]


def test_what_goes_on_is_told_as_such_and_left_alone(tmp_path: Path) -> None:
    pid = begun(tmp_path, "sleep", "5")
    before = time.monotonic()
    assert ran(peers.await_end(str(tmp_path), "m", pid, 1)).splitlines() == ["running"]
    assert time.monotonic() - before < 4
    assert ran(peers.await_end(str(tmp_path), "m", pid, 20)).splitlines() == ["0"]


def test_what_was_killed_without_a_code_is_gone(tmp_path: Path) -> None:
    pid = begun(tmp_path, "sh", "-c", "echo half; sleep 30")
    own = subprocess.run(["pkill", "-KILL", "-P", str(pid)], check=False)
    assert own.returncode == 0
    subprocess.run(["kill", "-KILL", str(pid)], check=False)
    state, *_ = ran(peers.await_end(str(tmp_path), "m", pid, 20)).splitlines()
    assert state in ("gone", "137")


def test_nothing_of_it_is_left(tmp_path: Path) -> None:
    pid = begun(tmp_path / "x", "true")
    ran(peers.await_end(str(tmp_path / "x"), "m", pid, 20))
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
