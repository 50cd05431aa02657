"""Running this machine's own programs: logged, bounded, and ended with all their children."""

import _thread
import signal
import subprocess
import threading
from pathlib import Path

import pytest

from xenlab.errors import CannotObserve, UsageError
from xenlab.remote.waiting import wait_for
from xenlab.testbed import tools

# A child in the background of a script ignores SIGINT (POSIX): ending the script alone would leave it.
FAMILY = 'sleep 60 & echo $! >"$1"; echo started; wait'


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def run(tmp_path: Path, *argv: str, timeout: float = 20, hint: str = "") -> str:
    log = tmp_path / "build.log"
    tools.run(tools.Program(argv, log, "building", timeout, hint))
    return log.read_text()


def test_output_is_appended_to_the_log(tmp_path: Path) -> None:
    assert run(tmp_path, "sh", "-c", "echo one; echo two >&2") == "one\ntwo\n"
    assert run(tmp_path, "echo", "three") == "one\ntwo\nthree\n"


def test_a_failure_tells_the_last_lines_and_where_the_log_is(tmp_path: Path) -> None:
    with pytest.raises(CannotObserve) as failed:
        run(tmp_path, "sh", "-c", "echo zero; echo one; echo; echo two; printf '\\033[31mE: three\\033[0m\\n'; exit 3")
    assert "building failed: one | two | " in failed.value.message
    assert "E: three" in failed.value.message
    assert "zero" not in failed.value.message
    assert failed.value.message.isprintable()
    assert failed.value.hint == f"see {tmp_path / 'build.log'}"


def test_of_a_long_log_the_first_errors_are_told(tmp_path: Path) -> None:
    noise = "; ".join(f"echo I: step {n}" for n in range(30))
    with pytest.raises(CannotObserve) as failed:
        run(tmp_path, "sh", "-c", f"echo E: no network; {noise}; echo E: gave up; echo I: cleaning; exit 1")
    assert failed.value.message == "building failed: E: no network | E: gave up"


def test_a_hint_of_the_caller_wins(tmp_path: Path) -> None:
    with pytest.raises(CannotObserve) as failed:
        run(tmp_path, "false", hint="buy more memory")
    assert failed.value.message == "building failed: (the log is empty)"
    assert failed.value.hint == "buy more memory"


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever does not listen to a signal is sent the next one after a moment."""
    end_groups = tools.end_groups
    monkeypatch.setattr(tools, "end_groups", lambda processes: end_groups(processes, patience=0.3))


@pytest.mark.usefixtures("impatient")
def test_what_takes_too_long_is_ended_with_its_children(tmp_path: Path) -> None:
    with pytest.raises(CannotObserve, match="building: not done within 1 s"):
        run(tmp_path, "sh", "-c", FAMILY, "sh", str(tmp_path / "pid"), timeout=1.0)
    child = int((tmp_path / "pid").read_text())
    wait_for(lambda: gone(child), "the child to end", 10, 0.02)


@pytest.mark.usefixtures("impatient")
def test_who_ignores_polite_signals_is_killed(tmp_path: Path) -> None:
    stubborn = 'trap "" INT TERM; echo $$ >"$1"; while :; do sleep 0.05; done'
    with pytest.raises(CannotObserve, match="not done within"):
        run(tmp_path, "sh", "-c", stubborn, "sh", str(tmp_path / "pid"), timeout=1.0)
    leader = int((tmp_path / "pid").read_text())
    wait_for(lambda: gone(leader), "the script to end", 10, 0.02)


@pytest.mark.usefixtures("impatient")
def test_an_interruption_ends_the_program_with_its_children(tmp_path: Path) -> None:
    def interrupt_once_started() -> None:
        pid = tmp_path / "pid"
        wait_for(lambda: pid.exists() and pid.read_text().strip(), "the script to start", 10, 0.02)
        _thread.interrupt_main()

    thread = threading.Thread(target=interrupt_once_started)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, "sh", "-c", FAMILY, "sh", str(tmp_path / "pid"))
    thread.join()
    child = int((tmp_path / "pid").read_text())
    wait_for(lambda: gone(child), "the child to end", 10, 0.02)


def test_an_interruption_is_put_off_until_what_was_started_is_noted_down() -> None:
    noted: list[str] = []

    def start_and_note() -> None:
        with tools.uninterrupted():
            signal.raise_signal(signal.SIGINT)
            noted.append("started")
        noted.append("went on")

    with pytest.raises(KeyboardInterrupt):
        start_and_note()
    assert noted == ["started"]
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_ending_what_has_ended_is_no_harm() -> None:
    process = subprocess.Popen(["true"], start_new_session=True)
    process.wait()
    tools.end_groups([process])


@pytest.mark.usefixtures("impatient")
def test_of_programs_side_by_side_one_that_fails_ends_the_others(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    failing = f'while [ ! -s "{pid}" ]; do sleep 0.05; done; exit 1'
    with pytest.raises(CannotObserve, match="failing failed"):
        tools.run(
            tools.Program(("sh", "-c", failing), tmp_path / "a.log", "failing", 20),
            tools.Program(("sh", "-c", FAMILY, "sh", str(pid)), tmp_path / "b.log", "the other", 20),
        )
    child = int(pid.read_text())
    wait_for(lambda: gone(child), "the other's child to end", 10, 0.02)


def test_last_lines_leave_out_control_characters_and_empty_lines(tmp_path: Path) -> None:
    log = tmp_path / "console.log"
    log.write_bytes(b"first\r\n\x1b[2J\x07 second \x00\n\n   \nthird \xff\x08\n")
    assert tools.last_lines(log, 2) == "[2J second | third \ufffd"
    assert tools.last_lines(log, 9).startswith("first | ")
    assert tools.last_lines(tmp_path / "absent", 3) == "(no log)"


def test_every_missing_package_is_named_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for program in ("tar", "ssh"):
        (tmp_path / program).write_text("#!/bin/sh\n")
        (tmp_path / program).chmod(0o755)
    monkeypatch.setattr(tools, "environment", lambda: {"PATH": str(tmp_path)})
    with pytest.raises(UsageError) as refused:
        tools.require_programs()
    packages = sorted(set(tools.PROGRAMS.values()) - {"tar", "openssh-client"})
    assert refused.value.message == f"missing Debian packages: {', '.join(packages)}"
    assert refused.value.hint == f"sudo apt-get install {' '.join(packages)}"


def test_nothing_is_missing_where_all_is_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for program in tools.PROGRAMS:
        (tmp_path / program).write_text("#!/bin/sh\n")
        (tmp_path / program).chmod(0o755)
    monkeypatch.setattr(tools, "environment", lambda: {"PATH": str(tmp_path)})
    tools.require_programs()


def test_an_ordinary_users_path_gets_the_sbin_folders(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/usr/bin")
    assert tools.environment()["PATH"].split(":") == ["/usr/bin", "/usr/local/sbin", "/usr/sbin", "/sbin"]
    assert tools.environment()["LC_ALL"] == "C.UTF-8"
