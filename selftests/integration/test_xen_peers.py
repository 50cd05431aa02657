"""What outlives the session that began it: begun, awaited and read, by this machine's own sh."""

import os
import shlex
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from xenlab.remote.waiting import wait_for
from xenlab.xen import peers, xl
from xenlab.xen.stamps import ActAnswer, read_answer, read_log


def ran(argv: peers.Argv) -> str:
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout


def told(answer: str) -> list[str]:
    """The state, and the words."""
    read = read_answer(answer)
    return [read.state, *read.log.words.splitlines()]


def begun(folder: Path, *argv: str, seconds: int = -8) -> list[str]:
    """Started, and not waited for unless so many seconds are said."""
    return told(ran(peers.start(str(folder), "m", seconds, argv)))


def until(file: Path) -> tuple[str, ...]:
    """A program that ends once there is such a file."""
    return ("sh", "-c", 'while [ ! -e "$0" ]; do sleep 0.02; done', str(file))


def awaited(folder: Path, seconds: int = 20) -> list[str]:
    return told(ran(peers.await_end(str(folder), "m", seconds)))


def test_its_words_and_its_code_are_kept(tmp_path: Path) -> None:
    words = ["3", "one", "two"]
    assert begun(tmp_path / "new", "sh", "-c", "echo one; echo two >&2; exit 3", seconds=20) == words
    assert awaited(tmp_path / "new") == words


@pytest.mark.skipif(shutil.which("ssh") is None, reason="no ssh here")
@pytest.mark.parametrize("target", ["2001:db8::143", "fe80::fc:ff:fe00:3%xenbr0", "baye"])
def test_ssh_takes_a_target_as_xl_hands_it_on(target: str) -> None:
    """xl_migrate.c makes "exec SSH HOST xl migrate-receive" for sh: an IPv6 address stands there without brackets."""
    *_, given = xl.migrate("guest1", target)
    shown = ran(("sh", "-c", f"exec ssh -F none -G {given} xl migrate-receive"))
    assert f"\nhostname {target}\n" in f"\n{shown}"
    program, *words = peers.ask_peer(target)
    assert f"\nhostname {target}\n" in f"\n{ran((program, '-F', 'none', '-G', *words))}"


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
    log = tmp_path / "m.log"
    wait_for(lambda: log.exists() and "half" in log.read_text(), "its first words", 20, 0.02)
    os.killpg(int((tmp_path / "m.pid").read_text()), signal.SIGKILL)
    assert awaited(tmp_path) == ["gone", "half"]


def answered(folder: Path, script: str, seconds: int = 20) -> ActAnswer:
    return read_answer(ran(peers.start(str(folder), "m", seconds, ("sh", "-c", script))))


def test_each_line_is_stamped_as_it_comes(tmp_path: Path) -> None:
    answer = answered(tmp_path, "echo one; sleep 0.5; echo two >&2; sleep 0.3; printf half; sleep 0.3; echo ' a line'")
    log = answer.log
    assert [line.text for line in log.lines] == ["one", "two", "half a line"]
    assert log.began is not None
    assert answer.at is not None
    one, two, three = (line.at for line in log.lines)
    assert log.began <= one
    assert 0.45 <= two - one < 5
    assert 0.55 <= three - two < 5
    assert three <= answer.at < float(Path("/proc/uptime").read_text().split()[0]) + 0.02


def test_what_it_writes_is_kept_as_it_is(tmp_path: Path) -> None:
    said = "  \\n  %s $HOME `x`  \r\n\x1b[1mb\x01 \xe4\n-n\n\n12.5 not a stamp\nno end"
    (tmp_path / "said").write_bytes(said.encode("latin-1"))
    argv = peers.start(str(tmp_path), "m", 20, ("cat", str(tmp_path / "said")))
    shown = subprocess.run(argv, capture_output=True, check=True).stdout.decode("latin-1")
    assert read_answer(shown).log.words == said.replace("\n\n", "\n") + "\n"


def test_a_megabyte_without_end_is_one_line(tmp_path: Path) -> None:
    answer = answered(tmp_path, "head -c 1000000 /dev/zero | tr '\\0' x; echo; echo end", 60)
    assert [len(line.text) for line in answer.log.lines] == [1_000_000, 3]


def test_the_end_is_its_own_and_not_that_of_what_it_leaves_behind(tmp_path: Path) -> None:
    """A connection that ssh shares keeps our words' pipe open for as long as it lives."""
    shared = tmp_path / "shared"
    shared.write_text("")
    answer = answered(tmp_path, f"(while [ -e {shared} ]; do sleep 0.02; done; echo late) & echo said; exit 3")
    shared.unlink()
    assert (answer.state, answer.log.words) == ("3", "said\n")


def test_it_goes_on_where_nobody_reads_its_words_any_more(tmp_path: Path) -> None:
    """xl in the middle of a move: a reader that dies must not end it, nor let it wait."""
    end = tmp_path / "end"
    flood = "i=0; while [ $i -lt 3000 ]; do echo 0123456789012345678901234567890123456789; i=$((i + 1)); done"
    begun(tmp_path, "sh", "-c", f'echo said; while [ ! -e {end} ]; do sleep 0.02; done; {flood}; echo x >"$0"; exit 7',
          str(tmp_path / "done"))  # fmt: skip
    log = tmp_path / "m.log"
    wait_for(lambda: log.exists() and "said" in log.read_text(), "its first words", 20, 0.02)
    (reader,) = [
        pid
        for pid in (int(path.name) for path in Path("/proc").iterdir() if path.name.isdecimal())
        if writes(pid) == log.resolve()
    ]
    os.kill(reader, signal.SIGKILL)
    end.write_text("")
    assert awaited(tmp_path) == ["7", "said"]
    assert (tmp_path / "done").exists()


def writes(pid: int) -> Path | None:
    try:
        return Path(f"/proc/{pid}/fd/1").resolve()
    except OSError:
        return None


def test_a_host_that_does_not_tell_its_uptime_is_read_as_well() -> None:
    log = read_log("- \n- one\n- two\n")
    assert (log.words, log.began, log.lines) == ("one\ntwo\n", None, ())
    assert read_log("12.50 \nold line\n12.60 new").words == "old line\nnew\n"
    assert read_log("") == read_answer("never\n").log


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
    assert told(ran(peers.await_end(str(folder), "guest1-3", 20))) == ["0"]
    assert ours() == []


def test_a_dead_peer_is_noticed_and_nothing_is_asked() -> None:
    words = peers.ssh(2222)
    assert "BatchMode=yes" in words
    assert "ServerAliveInterval=10" in words
    assert words[-2:] == ("-p", "2222")
    assert "-p" not in peers.ssh()


@pytest.mark.skipif(shutil.which("ssh") is None, reason="needs an ssh")
def test_asking_the_peer_notes_no_keys_of_it() -> None:
    argv = peers.ask_peer("192.0.2.1")
    said = subprocess.run([argv[0], "-G", *argv[1:]], capture_output=True, text=True, check=True).stdout
    assert "updatehostkeys false" in said.splitlines()
    assert "batchmode yes" in said.splitlines()
