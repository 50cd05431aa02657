"""The guest's heartbeat: its text, its clocks beside ours, and the real program, frozen and let be."""

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from xenlab.errors import CannotObserve
from xenlab.probes.heartbeat import Beat, Elapsed, analyse_heartbeat, parse_heartbeat, to_summary
from xenlab.remote import commands, facts
from xenlab.remote.waiting import wait_for

STEADY = "".join(f"{n} {1000 + n * 0.05:.6f} {50 + n * 0.05:.6f}\n" for n in range(1, 101))
needs_bash = pytest.mark.skipif(not shutil.which("bash"), reason="no bash on this machine")


# -- reading -------------------------------------------------------------------------------------------


def test_a_steady_heart() -> None:
    seen = analyse_heartbeat(parse_heartbeat(STEADY), 0.05)
    assert seen.beats == 100
    assert seen.stood_still < 1e-5
    assert abs(seen.clock_step) < 1e-5
    assert not seen.corrected


def test_a_last_line_cut_short_is_no_beat() -> None:
    assert len(parse_heartbeat(STEADY + "101 10")) == 100


@pytest.mark.parametrize(
    ("line", "beat"),
    [
        ("7 1000.5 50.25", Beat(7, 1000.5, 50.25)),
        ("7 1000,5 50.25", Beat(7, 1000.5, 50.25)),  # bash in a language with a decimal comma
        ("7  50.25", Beat(7, None, 50.25)),  # bash 4 has no EPOCHREALTIME
    ],
)
def test_every_bash(line: str, beat: Beat) -> None:
    warning = "bash: warning: setlocale: LC_ALL: cannot change locale (de_DE.UTF-8)\n"
    assert parse_heartbeat(f"{warning}{line}\n") == (beat,)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "nohup: failed to run command 'bash': No such file or directory\n",
        "1 2\n",
        "1 nan inf\n",
        "1 1e400 5.0\n",
        "9" * 5000 + " 5.0 5.0\n",
        STEADY + STEADY,  # numbers that begin again
        "1 1000.0 50.0\n2 1000.1 3.0\n",  # an uptime that does
    ],
)
def test_what_is_no_heartbeat_is_not_read_as_one(text: str) -> None:
    with pytest.raises(CannotObserve, match="heartbeat"):
        parse_heartbeat(text)


def test_much_of_anything_is_read_at_once() -> None:
    for text in (
        "1 " * 125_000,
        "9" * 250_000,
        STEADY.splitlines()[0] * 10_000,
        " \n" * 125_000,
        "1 1.0 1.0\n" * 22_500,
    ):
        began = time.process_time()
        with contextlib.suppress(CannotObserve):
            analyse_heartbeat(parse_heartbeat(text), 0.05)
        assert time.process_time() - began < 1.5
    hour = "".join(f"{n} {1000 + n * 0.05:.6f} {50 + n * 0.05:.2f}\n" for n in range(1, 30_001))
    began = time.process_time()
    assert analyse_heartbeat(parse_heartbeat(hour), 0.05).beats == 30_000
    assert time.process_time() - began < 3


# -- its clocks ----------------------------------------------------------------------------------------


def beats_over(wall: float, uptime: float) -> list[Beat]:
    """A second of beats on either side of one step, by which the clocks rise by so much."""
    before = [Beat(n, 100 + n * 0.05, 10 + n * 0.05) for n in range(1, 21)]
    after = [Beat(20 + n, 101 + wall + (n - 1) * 0.05, 11 + uptime + (n - 1) * 0.05) for n in range(1, 21)]
    return before + after


def passed(beats: list[Beat], seconds: float, unsure: float = 0.1) -> Elapsed:
    """The two readings of the uptime around these beats, in which so much time passed in truth."""
    return Elapsed(beats[-1].uptime - beats[0].uptime, seconds - unsure, seconds + unsure)


ROUND = 1.9  # seconds of beats beside the step


@pytest.mark.parametrize(
    ("wall", "uptime", "truth", "corrected"),
    [
        (3.05, 3.05, 3.05, False),  # paused: both clocks went on
        (3.05, 0.05, 3.05, True),  # suspended, as old kernels do to move it: the uptime stood
        (0.05, 0.05, 3.05, True),  # the new host's clock is behind: both stood
        (3603.05, 3603.05, 3.05, True),  # it is an hour ahead: both were put ahead
        (3603.05, 3.05, 3.05, False),  # only the wall clock was set ahead
        (-3600.0, 3.05, 3.05, False),  # or back
        (-2.95, 0.05, 0.05, False),  # set back, and nothing else
        (3600.05, 0.05, 0.05, False),  # set ahead, and nothing else
    ],
)
def test_our_own_clock_tells_for_how_long_it_stood_still(
    wall: float, uptime: float, truth: float, corrected: bool
) -> None:
    beats = beats_over(wall, uptime)
    seen = analyse_heartbeat(beats, 0.05, passed(beats, ROUND + truth))
    assert seen.stood_still == pytest.approx(truth - 0.05)
    assert seen.least - 1e-9 <= truth - 0.05 <= seen.most + 1e-9
    assert seen.most - seen.least == pytest.approx(0.2, abs=0.11)
    assert seen.corrected is corrected
    summary = to_summary(seen)
    assert summary.stood_still_ms == pytest.approx((truth - 0.05) * 1000)
    assert summary.clock_step_ms == pytest.approx((wall - uptime) * 1000)


def test_slow_looks_leave_a_doubt() -> None:
    beats = beats_over(4.05, 4.05)
    seen = analyse_heartbeat(beats, 0.05, passed(beats, ROUND + 4.05, unsure=2.0))
    assert (seen.stood_still, seen.least, seen.most) == pytest.approx((4.0, 2.0, 6.0))


def test_without_our_clock_the_uptime_is_taken_at_its_word() -> None:
    seen = analyse_heartbeat(beats_over(3600.05, 0.05), 0.05)
    assert seen.stood_still == seen.least == pytest.approx(0.0, abs=1e-9)
    assert seen.most == pytest.approx(3600.0)
    assert analyse_heartbeat(beats_over(3.05, 3.05), 0.05).stood_still == pytest.approx(3.0)


def test_when_it_stood_still() -> None:
    beats = beats_over(3.05, 3.05)
    seen = analyse_heartbeat(beats, 0.05, passed(beats, ROUND + 3.05))
    assert (seen.last_before, seen.first_after) == pytest.approx((11.0, 14.05))


def test_where_the_uptime_stood_the_wall_clock_tells_when() -> None:
    beats = beats_over(3.05, 0.05)
    assert analyse_heartbeat(beats, 0.05, passed(beats, ROUND + 3.05)).last_before == pytest.approx(11.0)


@pytest.mark.parametrize("still", [0.0, 7.0])
def test_lines_that_are_missing_are_no_stand_still_but_hide_none(still: float) -> None:
    """A full /dev/shm takes no line; what was noted before and after tells the same."""
    beats = [Beat(n, None, 10 + n * 0.06 + (still if n > 50 else 0.0)) for n in range(1, 101)]
    kept = [beat for beat in beats if not 30 < beat.number <= 60]
    assert analyse_heartbeat(kept, 0.05).stood_still == pytest.approx(still + 0.01 * bool(not still), abs=0.02)


def test_where_beats_are_left_out_it_ran_all_the_same() -> None:
    seen = analyse_heartbeat([Beat(n, None, 10 + n * 0.05) for n in range(1, 101, 20)], 0.05)
    assert seen.first_after - seen.last_before == pytest.approx(0.05)


def test_one_beat_shows_nothing() -> None:
    assert analyse_heartbeat([Beat(1, 1.0, 1.0)], 0.05).stood_still == 0.0


# -- the program ---------------------------------------------------------------------------------------


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Callable[[], facts.Background]]:
    programs: list[facts.Background] = []

    def start() -> facts.Background:
        argv = commands.start_heartbeat(str(tmp_path / f"heart beat {os.getpid()}"), 10, 20)
        ended = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=10)
        programs.append(facts.background(ended.stdout))
        return programs[-1]

    yield start
    for program in programs:
        with contextlib.suppress(ProcessLookupError):
            os.kill(program.pid, signal.SIGKILL)
        Path(program.file).unlink(missing_ok=True)


def stop(program: facts.Background) -> "subprocess.CompletedProcess[str]":
    argv = commands.stop_heartbeat(program.pid, program.file)
    return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=20)


@needs_bash
@pytest.mark.parametrize("frozen", [0.0, 1.0])
def test_the_program_itself_frozen_and_let_be(started: Callable[[], facts.Background], frozen: float) -> None:
    program = started()
    file = Path(program.file)
    wait_for(lambda: file.exists() and len(file.read_text()) > 400, "ten beats", 10, interval=0.01)
    if frozen:
        os.kill(program.pid, signal.SIGSTOP)
        time.sleep(frozen)
        os.kill(program.pid, signal.SIGCONT)
    before = len(file.read_text())
    wait_for(lambda: len(file.read_text()) > before + 400, "ten beats more", 10, interval=0.01)
    stopped = stop(program)
    assert stopped.returncode == 0, stopped.stderr
    whole = analyse_heartbeat(parse_heartbeat(file.read_text()), 0.01)
    thin = analyse_heartbeat(parse_heartbeat(stopped.stdout), 0.01)
    assert frozen * 0.95 <= whole.stood_still <= frozen + 0.5
    assert thin.stood_still == pytest.approx(whole.stood_still, abs=0.05 if frozen else 0.2)
    assert thin.beats == whole.beats
    if frozen:
        assert (thin.last_before, thin.first_after) == (whole.last_before, whole.first_after)


@needs_bash
@pytest.mark.parametrize("interval", [0.05, 0.2])
def test_an_hour_of_beats_is_read_thinned_and_says_the_same(tmp_path: Path, interval: float) -> None:
    file = tmp_path / "heartbeat"
    lines, at, count = ["bash: warning: setlocale: cannot change locale\n"], 50.0, round(3600 / interval)
    for n in range(1, count + 1):
        at += 12.5 if n == count // 2 else interval
        lines.append(f"{n} {1000 + at:.6f} {at:.2f}\n")
    file.write_text("".join(lines))
    argv = commands.stop_heartbeat(2**22 - 1, str(file), round(1000 * interval))
    ended = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=30)
    assert ended.returncode == commands.ALREADY_ENDED, ended.stderr
    # One a second is left, and a few more.
    assert len(ended.stdout.splitlines()) < 3600 + 10
    whole, thin = (analyse_heartbeat(parse_heartbeat(text), interval) for text in (file.read_text(), ended.stdout))
    assert (thin.beats, thin.last_before, thin.first_after) == (count, whole.last_before, whole.first_after)
    assert thin.stood_still == pytest.approx(whole.stood_still) == pytest.approx(12.5 - interval)


@needs_bash
def test_a_guest_whose_uptime_is_put_ahead_goes_on(tmp_path: Path) -> None:
    """As it is where a move takes it to a host whose clock is hours ahead."""
    clock = tmp_path / "uptime"
    clock.write_text("100.00 1.0\n")
    loop = commands._HEARTBEAT.replace("/proc/uptime", str(clock))
    with subprocess.Popen(["bash", "-c", loop, "heartbeat", "0.02", "500", "20"], stdout=subprocess.PIPE) as program:
        try:
            assert program.stdout
            first = program.stdout.readline()
            (tmp_path / "later").write_text("7300.00 1.0\n")
            (tmp_path / "later").rename(clock)
            later = [program.stdout.readline() for _ in range(20)]
        finally:
            program.kill()
    assert first.endswith(b" 100.00\n")
    assert later[-1].endswith(b" 7300.00\n")


@needs_bash
def test_a_heart_that_cannot_wait_stops_rather_than_races() -> None:
    script = commands._HEARTBEAT.replace('exec 9<>"$never"', "exec 9<&-")
    assert "exec 9<&-" in script
    argv = ["bash", "-c", script, "heartbeat", "0.01", "1000", "60"]
    ended = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=10)
    assert ended.returncode != 0
    assert ended.stdout.count("\n") == 1
