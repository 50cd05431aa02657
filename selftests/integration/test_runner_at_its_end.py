"""This machine at its end: no file handle, no room, another time. Nobody else is blamed, and guests go home."""

import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from gradedrun import CHAIN, HEAD, LEFT_OUT
from paths import ROOT
from playedsessions import Sessions
from playedxen import RUNS, PlayedXen
from sshd import Sshd

from xenlab.errors import CannotObserve
from xenlab.grading import run as run_module
from xenlab.grading.run import Run
from xenlab.remote.errors import ConnectionLost, NoHandlesLeft
from xenlab.remote.host import RemoteHost
from xenlab.remote.login import Limits, Login
from xenlab.report.folder import ReportsFolder

NOTHING_WRONG = CHAIN.replace('guest_name != "guest1"', "True")


# File handles


@contextmanager
def no_handles() -> Iterator[None]:
    """This process can open nothing more; what is open stays so."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_host_that_cannot_be_asked_for_want_of_handles_is_not_called_unreachable(host: RemoteHost) -> None:
    with no_handles(), pytest.raises(NoHandlesLeft) as told:
        host.run("true")
    assert "baye was not asked: this machine has no file handle left (Too many open files)" in str(told.value)
    assert "ulimit -n" in told.value.hint
    assert host.run("true").ok  # once there are some again


def test_waiting_for_a_login_ends_at_once(host: RemoteHost) -> None:
    began = time.monotonic()
    with no_handles(), pytest.raises(NoHandlesLeft):
        host.wait_until_reachable(30)
    assert time.monotonic() - began < 5


UNSEEN = (
    NOTHING_WRONG
    + """
@step("left", points=1)
def test_left():
    '''The lab is as it was.'''
    raise CannotObserve("baye was not asked")
"""
)
NO_MORE = """
import os, resource, pytest
from xenlab.grading.run import run_of

@pytest.hookimpl(trylast=True)
def pytest_collection_finish(session):
    run = run_of(session.config)
    run.closing.append(lambda: run.whereabouts.append("guest1 is on baye, as found"))
    resource.setrlimit(resource.RLIMIT_NOFILE, (HANDLES, 4096))
"""


@pytest.mark.parametrize(("handles", "steps"), [(3, NOTHING_WRONG), (3, UNSEEN), (20, NOTHING_WRONG)])
def test_a_run_without_handles_has_its_end_and_its_words(handles: int, steps: str, tmp_path: Path) -> None:
    (tmp_path / "test_lab.py").write_text(HEAD + steps)
    (tmp_path / "conftest.py").write_text(NO_MORE.replace("HANDLES", str(handles)))
    command = [sys.executable, "-m", "pytest", "-p", "xenlab.grading.plugin", *LEFT_OUT]
    ran = subprocess.run(
        [*command, "--grade-output=plain"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert "Traceback" not in ran.stdout + ran.stderr
    assert ("score: 100 of 100, passed" in ran.stdout) == (steps is NOTHING_WRONG)
    assert ("baye was not asked" in ran.stdout) == (steps is UNSEEN)
    assert ran.stdout.splitlines()[-1] == "where the guests are: guest1 is on baye, as found"
    assert (ran.returncode == 3) == ("not written: " in ran.stdout or steps is UNSEEN)
    if handles == 3:
        assert "Too many open files" in ran.stdout


# A machine that hangs, but keeps its connection up


def test_a_server_that_takes_a_command_and_never_answers_is_not_waited_for(login: Login, sshd: Sshd) -> None:
    remote = RemoteHost("guest1", login, lambda _: "", limits=Limits(connect=5, banner=10, login=10, channel=0.5))
    remote.run("true").check()
    sshd.hangs_on = "exec cat"
    sshd.answers.clear()
    connection = remote.pinned_connection()
    began = time.monotonic()
    with pytest.raises(ConnectionLost):
        connection.echo(0.1)
    assert time.monotonic() - began < 5
    sshd.answers.set()
    remote.close()


# Room


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A folder on a disk of 64 KiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("a small disk can be made by root only")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def fill(path: Path, block: bytes) -> None:
    """Append to a file until its disk takes no more."""
    with path.open("ab", buffering=0) as file, suppress(OSError):
        while file.write(block):
            pass


def test_a_full_disk_lets_nothing_more_be_done_but_keeps_no_guest_from_home(
    small: Path, xen: PlayedXen, sessions: Sessions
) -> None:
    (xen.folder / "custody").symlink_to(small)
    xen.runs("guest1", "labubuntu")
    xen.runs("guest2", "labubuntu")
    session = sessions.begin()
    guest, other = session.guests.values()
    guest.live_migrate(session.hosts.named("baye"))
    fill(small / "others", b"x" * 4096)
    fill(session.custody.path, b"\n")  # what is left of its own last page
    with pytest.raises(CannotObserve, match=r"its undo cannot be noted.*No space left on device"):
        other.live_migrate(session.hosts.named("baye"))
    assert sessions.end(session) == [
        "guest1 is on labubuntu (-b----), as found",
        "guest2 is on labubuntu (-b----), as found, and was not touched",
    ]
    assert xen.where() == {"labubuntu/guest1": RUNS}
    assert (sessions.locked(), sessions.noted()) == ([], [])


# Time


class SetBack(datetime):
    """A clock that was set back by a day once it has been looked at."""

    looked = 0

    @classmethod
    def now(cls, tz: object = None) -> datetime:
        cls.looked += 1
        return datetime.now(UTC) - timedelta(days=min(1, cls.looked - 1))


def test_a_run_takes_no_less_than_no_time_when_the_clock_is_set_back(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(run_module, "datetime", SetBack)
    run = Run("lab.toml", None, (), ReportsFolder(tmp_path), started=SetBack.now(UTC))
    grade = run.grade()
    assert 0 <= (grade.finished - grade.started).total_seconds() < 5
