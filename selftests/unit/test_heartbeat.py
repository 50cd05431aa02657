"""The guest's pulse: its text, and the real program, frozen and let be."""

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from xenlab.errors import CannotObserve
from xenlab.probes.heartbeat import Beat, feel, parse_heartbeat, to_summary
from xenlab.remote import commands, facts
from xenlab.remote.waiting import wait_for

STEADY = "".join(f"{n} {1000 + n * 0.05:.6f} {50 + n * 0.05:.6f}\n" for n in range(1, 101))


def test_a_steady_heart() -> None:
    pulse = feel(parse_heartbeat(STEADY), 0.05)
    assert pulse.beats == 100
    assert pulse.stood_still < 1e-5
    assert abs(pulse.clock_step) < 1e-5


def test_a_last_line_cut_short_is_no_beat() -> None:
    assert len(parse_heartbeat(STEADY + "101 10")) == 100


@pytest.mark.parametrize(
    ("wall", "uptime", "still", "step"),
    [
        (3.05, 3.05, 3.0, 0.0),  # paused: both clocks went on
        (3.05, 0.05, 3.0, 3.0),  # suspended, as Xen does to move it: its uptime stood, too
        (0.05, 3.05, 3.0, -3.0),  # paused on one host, and the other's wall clock is behind
        (-2.95, 0.05, 0.0, -3.0),  # only the wall clock was set back
    ],
)
def test_a_heart_that_stopped(wall: float, uptime: float, still: float, step: float) -> None:
    beats = [Beat(1, 100.0, 10.0), Beat(2, 100.05, 10.05), Beat(3, 100.05 + wall, 10.05 + uptime)]
    summary = to_summary(feel(beats, 0.05))
    assert summary.stood_still_ms == pytest.approx(still * 1000)
    assert summary.clock_step_ms == pytest.approx(step * 1000)


@pytest.mark.parametrize(
    "text",
    ["", "\n", "nohup: failed to run command 'bash': No such file or directory\n", "1 2\n", STEADY + STEADY],
)
def test_what_is_no_heartbeat_is_not_read_as_one(text: str) -> None:
    with pytest.raises(CannotObserve, match="heartbeat"):
        parse_heartbeat(text)


@pytest.mark.skipif(not shutil.which("bash"), reason="no bash on this machine")
@pytest.mark.parametrize("frozen", [0.0, 1.0])
def test_the_program_itself_frozen_and_let_be(tmp_path: Path, frozen: float) -> None:
    started = subprocess.run(
        commands.start_heartbeat(str(tmp_path / f"heart beat {os.getpid()}"), 10),
        capture_output=True,
        text=True,
        check=True,
        timeout=10,
    )
    beating = facts.background(started.stdout)
    file = Path(beating.file)
    try:
        wait_for(lambda: file.exists() and len(file.read_text()) > 400, "ten beats", 10, interval=0.01)
        if frozen:
            subprocess.run(["kill", "-s", "STOP", str(beating.pid)], check=True)
            time.sleep(frozen)
            subprocess.run(["kill", "-s", "CONT", str(beating.pid)], check=True)
        before = len(file.read_text())
        wait_for(lambda: len(file.read_text()) > before + 400, "ten beats more", 10, interval=0.01)
    finally:
        stopped = subprocess.run(
            commands.stop_heartbeat(beating.pid, beating.file), capture_output=True, text=True, check=False, timeout=20
        )
        file.unlink()
    assert stopped.returncode == 0, stopped.stderr
    pulse = feel(parse_heartbeat(stopped.stdout), 0.01)
    assert frozen * 0.95 <= pulse.stood_still <= frozen + 0.5


@pytest.mark.skipif(not shutil.which("bash"), reason="no bash on this machine")
def test_a_heart_that_cannot_wait_stops_rather_than_races() -> None:
    program = commands.start_heartbeat("/x")[-1].replace("9<> <(:)", "9<&-")
    argv = ["bash", "-c", program, "heartbeat", "0.01", "1000", "60"]
    ended = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=10)
    assert ended.returncode != 0
    assert ended.stdout.count("\n") == 1
