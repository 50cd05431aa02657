"""Programs that run on in a guest: each is run for real, by this machine's shells, and ends by itself."""

import ctypes
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from xenlab.errors import CannotObserve
from xenlab.remote import commands, facts
from xenlab.remote.facts import Background, Written
from xenlab.remote.waiting import wait_for

BUSYBOX = shutil.which("busybox")
TOOLS = [
    *("cat", "chattr", "head", "kill", "mkfifo", "ping", "readlink", "rm", "setsid", "sh"),
    *("sleep", "stat", "sync", "timeout"),
]


@pytest.fixture(autouse=True)
def reaped() -> Iterator[None]:
    """Reap background processes at once, as init does; a container's may take its time."""
    prctl, set_child_subreaper = ctypes.CDLL(None).prctl, 36
    prctl(set_child_subreaper, 1)
    yield
    prctl(set_child_subreaper, 0)


def run(argv: commands.Argv) -> subprocess.CompletedProcess[str]:
    return subprocess.run(argv, capture_output=True, text=True, timeout=20, check=False)


def start(argv: commands.Argv) -> Background:
    started = run(argv)
    assert started.returncode == 0, started.stderr
    program = facts.background(started.stdout)
    threading.Thread(target=os.waitpid, args=(program.pid, 0), daemon=True).start()
    return program


def ended(program: Background) -> bool:
    return not Path(f"/proc/{program.pid}").exists()


def lines(file: Path | str) -> int:
    return Path(file).read_text().count("\n")


@pytest.fixture
def only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Leave only these programs on the path, the others of a small guest as they are here; busybox stands for all."""

    def leave(*, without: tuple[str, ...] = (), busybox: bool = False) -> Path:
        folder = tmp_path / "bin"
        folder.mkdir()
        for tool in TOOLS:
            found = BUSYBOX if busybox else shutil.which(tool)
            if tool not in without and found:
                (folder / tool).symlink_to(found)
        monkeypatch.setenv("PATH", str(folder))
        return folder

    return leave


# The writer


def test_the_writer_outlives_its_session_and_is_stopped(tmp_path: Path) -> None:
    writer = start(commands.start_writer(str(tmp_path / "a log"), 10))
    assert writer.file == str(tmp_path / "a log")
    wait_for(lambda: lines(writer.file) > 3, "four lines", 5, 0.01)
    stopped = run(commands.stop_writer(writer.pid, writer.file))
    assert stopped.returncode == 0, stopped.stderr
    left = facts.written(stopped.stdout)
    assert left.is_unbroken
    assert len(left.numbers) == len(left.uptimes) > 3
    assert list(left.uptimes) == sorted(left.uptimes)
    now = facts.uptime(run(commands.uptime()).stdout)
    assert now - 10 < left.uptimes[-1] <= now
    again = run(commands.stop_writer(writer.pid, writer.file))
    assert again.returncode == commands.ALREADY_ENDED
    assert facts.written(again.stdout) == left


@pytest.mark.parametrize("without", [(), ("chattr",), ("bash", "chattr")], ids=" ".join)
def test_a_line_is_on_the_disk_before_the_next(
    tmp_path: Path, only: Callable[..., Path], without: tuple[str, ...]
) -> None:
    # `sync` and `sleep` are only run where the file or the shell needs them, which shows in what they leave here.
    folder = only(without=(*without, "sync", "sleep"))
    if "bash" not in without and (bash := shutil.which("bash", path="/usr/bin:/bin")):
        (folder / "bash").symlink_to(bash)
    for tool in ("sync", "sleep"):
        (folder / tool).write_text(f'#!/bin/sh\necho "$@" >>{tmp_path}/{tool}s\n')
        (folder / tool).chmod(0o755)
    writer = start(commands.start_writer(str(tmp_path / "log"), 20, seconds=1))
    wait_for(lambda: ended(writer), "the writer to end", 10, 0.02)
    left = facts.written(Path(writer.file).read_text())
    assert left.is_unbroken
    assert (tmp_path / "sleeps").exists() == ("bash" in without)
    attributes = subprocess.run(["/usr/bin/lsattr", writer.file], capture_output=True, text=True, check=False).stdout
    synchronous = "S" in attributes.partition(" ")[0]
    assert (tmp_path / "syncs").exists() == (not synchronous)
    if not synchronous:
        assert lines(tmp_path / "syncs") == len(left.numbers)


def test_the_writer_ends_at_the_first_line_that_is_not_on_the_disk(tmp_path: Path, only: Callable[..., Path]) -> None:
    folder = only(without=("chattr", "sync"))
    (folder / "sync").write_text('#!/bin/sh\nread -r first <"$1"; [ -z "$second" ] && echo "sync: I/O error" && exit 1')
    (folder / "sync").chmod(0o755)
    writer = start(commands.start_writer(str(tmp_path / "log"), 10))
    wait_for(lambda: ended(writer), "the writer to end", 5, 0.02)
    stopped = run(commands.stop_writer(writer.pid, writer.file))
    assert stopped.returncode == commands.ALREADY_ENDED
    left = facts.written(stopped.stdout)
    assert (left.numbers, left.complaints) == ((1,), ("sync: I/O error",))
    assert not left.is_unbroken


def test_what_was_written_is_read() -> None:
    assert facts.written("1 10.01\n2 10.25\n3 10.5") == Written((1, 2), (10.01, 10.25), ())
    assert not facts.written("1 1.0\n2 1.2\n4 1.4\n").is_unbroken
    assert not facts.written("1 1.0\nsync: I/O error\n").is_unbroken
    assert not facts.written("").is_unbroken
    assert facts.written("1 1.0\n2\n").complaints == ("2",)
    assert facts.written(f"{'9' * 100_000} 1.0\n").numbers == ()


# Each ends by itself, whoever forgets it


@pytest.mark.parametrize("with_bash", [True, False])
def test_a_program_that_nobody_stops_ends_by_itself(tmp_path: Path, only: Callable[..., Path], with_bash: bool) -> None:
    folder = only()
    if with_bash and (bash := shutil.which("bash", path="/usr/bin:/bin")):
        (folder / "bash").symlink_to(bash)
    writer = start(commands.start_writer(str(tmp_path / "log"), 100, seconds=1))
    wait_for(lambda: ended(writer), "the writer to end", 10, 0.05)
    assert 2 <= lines(writer.file) <= 10
    # Its number of lines is bounded as well, should the clock stand still.
    *head, _count, _seconds, writes = commands.start_writer(str(tmp_path / "short"), 10)
    counted = start((*head, "3", "1000", writes))
    wait_for(lambda: ended(counted), "three lines", 10, 0.02)
    assert lines(counted.file) == 3


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash here")
def test_the_heartbeat_is_bounded_and_beats_where_no_disk_is_waited_for(tmp_path: Path) -> None:
    beating = start(commands.start_heartbeat(str(tmp_path / f".xenlab-test-{os.getpid()}"), 50, seconds=1))
    try:
        there = Path("/dev/shm").is_dir() and os.access("/dev/shm", os.W_OK)
        assert Path(beating.file).parent == (Path("/dev/shm") if there else tmp_path)
        wait_for(lambda: ended(beating), "the heartbeat to end", 10, 0.02)
        assert 5 <= lines(beating.file) <= 20
    finally:
        Path(beating.file).unlink()


def test_a_guest_without_bash_has_no_heartbeat(tmp_path: Path, only: Callable[..., Path]) -> None:
    only()
    refused = run(commands.start_heartbeat(str(tmp_path / "beats")))
    assert refused.returncode == commands.NOT_FOUND
    assert "bash" in refused.stderr


@pytest.mark.parametrize("start_it", [commands.start_writer, lambda file: commands.start_ping("127.0.0.1", file)])
def test_a_folder_that_cannot_be_written_is_told_at_once(
    tmp_path: Path, start_it: Callable[[str], commands.Argv]
) -> None:
    refused = run(start_it(str(tmp_path / "no" / "log")))
    assert refused.returncode != 0
    with pytest.raises(CannotObserve, match="not understood"):
        facts.background(refused.stdout)


# The ping


PINGS = {
    "iputils": 'case $1 in -V) echo "ping from iputils 20210202"; exit ;; esac',
    "busybox": 'case $1 in -*[VDOn]*) echo "ping: invalid option -- V" >&2; exit 1 ;; esac',
    "old busybox": 'case "$1 $2" in *-[VDOn]* | *0.2*) echo "ping: invalid number 0.2" >&2; exit 1 ;; esac',
}


@pytest.mark.parametrize(
    ("kind", "asked"),
    [
        ("iputils", "-D -O -n -i 0.2 -c 300 10.1.1.1"),
        ("busybox", "-i 0.2 -c 300 10.1.1.1"),
        ("old busybox", "-c 60 10.1.1.1"),
    ],
)
def test_every_ping_is_asked_for_what_it_can_and_for_an_end(
    tmp_path: Path, only: Callable[..., Path], kind: str, asked: str
) -> None:
    folder = only(without=("ping",))
    (folder / "ping").write_text(f'#!/bin/sh\n{PINGS[kind]}\necho "$@"\n')
    (folder / "ping").chmod(0o755)
    ping = start(commands.start_ping("10.1.1.1", str(tmp_path / "log"), 200, seconds=60))
    wait_for(lambda: lines(ping.file) == 1, "its arguments", 5, 0.01)
    assert Path(ping.file).read_text() == f"{asked}\n"


OLD_PING = 'case $* in *:*) echo "unknown host" >&2; exit 2 ;; esac'


@pytest.mark.parametrize(
    ("ping", "has_ping6", "target", "taken"),
    [
        (PINGS["iputils"], True, "2001:db8::1", "ping"),
        (OLD_PING, True, "2001:db8::1", "ping6"),
        (OLD_PING, True, "10.1.1.1", "ping"),
        (OLD_PING, False, "2001:db8::1", "unknown host"),
    ],
)
def test_of_an_old_ping_the_other_program_is_taken_for_ipv6(
    tmp_path: Path, only: Callable[..., Path], ping: str, has_ping6: bool, target: str, taken: str
) -> None:
    """iputils before 2015, and inetutils, have two programs."""
    folder = only(without=("ping", "ping6"))
    for name in ("ping", "ping6") if has_ping6 else ("ping",):
        says = PINGS["iputils"] if name == "ping6" else ping
        (folder / name).write_text(f'#!/bin/sh\n{says}\necho "{name} $@"\n')
        (folder / name).chmod(0o755)
    begun = start(commands.start_ping(target, str(tmp_path / "log"), 200, seconds=60))
    wait_for(lambda: lines(begun.file) == 1, "its arguments", 5, 0.01)
    assert Path(begun.file).read_text().split(" -")[0].strip() == taken
    few = run(commands.ping_few(target))
    assert (few.stdout or few.stderr).split(" -")[0].strip() == taken


@pytest.mark.skipif(shutil.which("ping") is None, reason="no ping here")
def test_the_background_ping_prints_its_summary(tmp_path: Path) -> None:
    if run(("ping", "-c1", "-W1", "127.0.0.1")).returncode != 0:
        pytest.skip("ping is not allowed here")
    ping = start(commands.start_ping("127.0.0.1", str(tmp_path / "ping log")))
    wait_for(lambda: "seq=2" in Path(ping.file).read_text(), "two replies", 5, 0.02)
    stopped = run(commands.stop_ping(ping.pid, ping.file))
    assert stopped.returncode == 0
    assert "seq=1 " in stopped.stdout
    assert "packets transmitted" in stopped.stdout
    short = start(commands.start_ping("127.0.0.1", str(tmp_path / "short"), 200, seconds=1))
    wait_for(lambda: ended(short), "the ping to end", 5, 0.02)
    assert "5 packets transmitted" in Path(short.file).read_text()


# Stopping


def test_someone_elses_process_is_never_signalled(tmp_path: Path) -> None:
    file = tmp_path / "log"
    file.write_text("1 1.0\n")
    with subprocess.Popen(["sleep", "30"]) as stranger:
        assert run(commands.stop_writer(stranger.pid, str(file))).returncode == commands.ALREADY_ENDED
        run(commands.end_background("log", str(tmp_path)))
        assert stranger.poll() is None
        stranger.kill()


def test_a_file_reached_by_a_link_is_the_programs_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "really").mkdir()
    (tmp_path / "root").symlink_to("really")
    writer = start(commands.start_writer(str(tmp_path / "root" / "log"), 10))
    assert run(commands.stop_writer(writer.pid, writer.file)).returncode == 0
    assert ended(writer)


def test_one_that_does_not_heed_its_signal_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        commands, "_STOP_BACKGROUND", commands._STOP_BACKGROUND.replace(str(commands.LAST_WORDS_SECONDS), "1")
    )
    file = tmp_path / "log"
    with (
        file.open("w") as output,
        subprocess.Popen(
            ["sh", "-c", "trap '' TERM; echo 1 1.0; while :; do sleep 1; done"], stdout=output
        ) as stubborn,
    ):
        wait_for(lambda: lines(file) == 1, "it to be deaf", 5, 0.01)
        stopped = run(commands.stop_writer(stubborn.pid, str(file)))
        assert (stopped.returncode, stopped.stdout) == (commands.ENDED_LATE, "1 1.0\n")
        assert stubborn.wait(5) == -9


def test_a_run_that_died_is_cleared_up_after_by_one_command(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    ours = [start(commands.start_writer(str(tmp_path / folder / ".xenlab-r1-log"), 10)) for folder in "ab"]
    other = start(commands.start_writer(str(tmp_path / "a" / ".xenlab-r2-log"), 10))
    cleared = run(
        commands.end_background(".xenlab-r1-", str(tmp_path / "a"), str(tmp_path / "b"), str(tmp_path / "no"))
    )
    assert cleared.returncode == 0
    assert cleared.stdout.splitlines() == [program.file for program in ours]
    wait_for(lambda: all(map(ended, ours)), "ours to end", 5, 0.01)
    assert not any(Path(program.file).exists() for program in ours)
    assert not ended(other)
    assert run(commands.end_background(".xenlab-r2-", str(tmp_path / "a"))).stdout.splitlines() == [other.file]
    wait_for(lambda: ended(other), "the other to end", 5, 0.01)


@pytest.mark.skipif(BUSYBOX is None, reason="no busybox here")
def test_busybox_is_enough(tmp_path: Path, only: Callable[..., Path]) -> None:
    only(busybox=True)
    writer = start(commands.start_writer(str(tmp_path / "log"), 50))
    wait_for(lambda: lines(writer.file) > 3, "four lines", 10, 0.02)
    stopped = run(commands.stop_writer(writer.pid, writer.file))
    assert stopped.returncode == 0, stopped.stderr
    assert facts.written(stopped.stdout).is_unbroken
    begun = time.monotonic()
    writer = start(commands.start_writer(str(tmp_path / "short"), 50, seconds=1))
    wait_for(lambda: ended(writer), "the writer to end", 10, 0.02)
    assert time.monotonic() - begun < 5
