"""One program, bounded: in time, in what it says, and in what it leaves running."""

import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from xenlab.fleet.bounded import Bounds, ProgramEnd, run
from xenlab.remote.waiting import wait_for

SHORT = Bounds(30, mend_seconds=20, end_seconds=0.5, output=1000)
TIDY = """
import pathlib, signal, threading
woken = threading.Event()
signal.signal(signal.SIGINT, lambda *_: woken.set())
print("ready", flush=True)
woken.wait(60)
pathlib.Path("home").write_text("brought home")
"""
STUBBORN = """
import signal, subprocess, sys, threading
for sign in (signal.SIGINT, signal.SIGTERM):
    signal.signal(sign, signal.SIG_IGN)
child = subprocess.Popen(["sleep", "60"])
print(child.pid, flush=True)
threading.Event().wait(60)
"""
CALLER = """
import sys, threading
from pathlib import Path
from xenlab.fleet.bounded import Bounds, run
run([sys.executable, "-c", sys.argv[1]], cwd=Path(sys.argv[2]), log=Path(sys.argv[2]) / "log", bounds=Bounds(60),
    stop=threading.Event())
"""


def ran(code: str, folder: Path, bounds: Bounds = SHORT, stop: threading.Event | None = None) -> ProgramEnd:
    command = [sys.executable, "-c", code]
    return run(command, cwd=folder, log=folder / "log", bounds=bounds, stop=stop or threading.Event())


def is_ready(folder: Path) -> bool:
    return (folder / "log").exists() and bool((folder / "log").read_text())


def within(seconds: float, **more: float) -> Bounds:
    return Bounds(**{"seconds": seconds, "mend_seconds": 20, "end_seconds": 0.5, "output": 1000, **more})  # type: ignore[arg-type]


@pytest.mark.parametrize("code", [0, 1, 3])
def test_what_ends_by_itself_is_told_with_its_status(tmp_path: Path, code: int) -> None:
    ending = ran(f"import sys; print('out'); print('err', file=sys.stderr); sys.exit({code})", tmp_path)
    assert (ending.code, ending.why, ending.killed) == (code, "by itself", False)
    assert sorted((tmp_path / "log").read_text().split()) == ["err", "out"]
    assert (tmp_path / "log").stat().st_mode & 0o777 == 0o600


def test_what_a_signal_ended_is_told_as_such(tmp_path: Path) -> None:
    ending = ran("import os; os.kill(os.getpid(), 9)", tmp_path)
    assert (ending.code, ending.why, ending.killed) == (-signal.SIGKILL, "by itself", False)


def test_at_its_limit_it_is_asked_first_and_may_clean_up(tmp_path: Path) -> None:
    ending = ran(TIDY, tmp_path, within(4))
    assert (ending.code, ending.why, ending.killed) == (0, "limit", False)
    assert (tmp_path / "home").exists()


def test_what_is_stopped_may_clean_up_as_well(tmp_path: Path) -> None:
    stop = threading.Event()

    def stops() -> None:
        wait_for(lambda: is_ready(tmp_path), "it to run", 30)
        stop.set()

    threading.Thread(target=stops).start()
    ending = ran(TIDY, tmp_path, within(60), stop)
    assert (ending.why, ending.killed) == ("stopped", False)
    assert (tmp_path / "home").exists()


def test_what_does_not_listen_is_killed_with_all_that_it_started(tmp_path: Path) -> None:
    ending = ran(STUBBORN, tmp_path, within(3, mend_seconds=0.5))
    assert (ending.code, ending.why, ending.killed) == (-signal.SIGKILL, "limit", True)
    started = int((tmp_path / "log").read_text())
    wait_for(lambda: not Path(f"/proc/{started}").exists() or is_zombie(started), "its child to be gone", 10)


def is_zombie(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"


def test_what_floods_is_read_to_its_end_and_kept_in_part(tmp_path: Path) -> None:
    ending = ran("import os\nfor _ in range(300): os.write(1, b'x' * 100_000)", tmp_path)
    assert ending.code == 0
    kept = (tmp_path / "log").read_text()
    assert kept.startswith("x" * 1000 + "\n[... 29999000 bytes more")
    assert len(kept) < 1100


def test_one_that_leaves_a_child_holding_its_output_holds_nobody(tmp_path: Path) -> None:
    code = "import subprocess; subprocess.Popen(['sleep', '60'], start_new_session=True)"
    began = time.monotonic()
    assert ran(code, tmp_path).code == 0
    assert time.monotonic() - began < 30


def test_it_is_asked_to_end_where_its_caller_is_killed(tmp_path: Path) -> None:
    caller = subprocess.Popen([sys.executable, "-c", CALLER, TIDY, str(tmp_path)])
    wait_for(lambda: is_ready(tmp_path), "it to run", 30)
    caller.kill()
    caller.wait()
    wait_for((tmp_path / "home").exists, "its clean-up", 30)


def test_a_file_that_it_holds_is_open_in_it_and_no_other(tmp_path: Path) -> None:
    with (tmp_path / "lock").open("a") as file:
        code = f"import os, sys; os.fstat({file.fileno()})"
        command = [sys.executable, "-c", code]
        held = run(
            command, cwd=tmp_path, log=tmp_path / "log", bounds=SHORT, stop=threading.Event(), holding=file.fileno()
        )
        assert held.code == 0
        assert run(command, cwd=tmp_path, log=tmp_path / "log", bounds=SHORT, stop=threading.Event()).code == 1


def test_what_cannot_be_started_is_told(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="missing"):
        run(["true"], cwd=tmp_path / "missing", log=tmp_path / "log", bounds=SHORT, stop=threading.Event())
    assert [path.name for path in tmp_path.iterdir()] == ["log"]
