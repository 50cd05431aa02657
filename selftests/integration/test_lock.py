"""The lock on both hosts: one run at a time, told in one line who has it; lost, it stops the next act."""

import getpass
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playedxen import PlayedXen, played

from xenlab.errors import CannotObserve, UsageError
from xenlab.lab import lock
from xenlab.lab.lock import HostLock, LabInUse, LockLost, unlock
from xenlab.remote.errors import HostUnreachable
from xenlab.remote.waiting import wait_for


@pytest.fixture
def xen(tmp_path: Path) -> Iterator[PlayedXen]:
    with played(tmp_path) as hosts:
        yield hosts


def held(xen: PlayedXen) -> list[str]:
    return [name for name in ("labubuntu", "baye") if lock_file(xen, name).exists()]


def lock_file(xen: PlayedXen, host: str) -> Path:
    return xen.machines[host].folder / "run/xenlab.lock"


def test_a_second_run_is_told_in_one_line_who_has_the_hosts(xen: PlayedXen) -> None:
    first = HostLock(xen.hosts, "aa11", "4711", lambda: "live-migration")
    first.take()
    assert held(xen) == ["labubuntu", "baye"]
    with pytest.raises(LabInUse) as refused:
        HostLock(xen.hosts, "bb22", "4712").take()
    words = refused.value.message
    assert "\n" not in words
    for word in ("baye is in use", "aa11", getpass.getuser(), socket.gethostname(), "4711", "live-migration"):
        assert word in words
    assert f"since {time.strftime('%Y-')}" in words
    assert "./lab unlock aa11" in refused.value.hint
    assert isinstance(refused.value, UsageError)
    first.release()
    assert held(xen) == []
    second = HostLock(xen.hosts, "bb22", "4712")
    second.take()
    second.release()


def test_a_lock_that_is_had_on_one_host_only_is_given_back(xen: PlayedXen) -> None:
    other = lock_file(xen, "labubuntu")
    other.write_text(f'{int(time.time()) + 60}\n{{"id": "cc33"}}\n')
    with pytest.raises(LabInUse, match="labubuntu is in use: by another run"):
        HostLock(xen.hosts, "aa11", "1").take()
    assert held(xen) == ["labubuntu"]
    assert "cc33" in other.read_text()


def test_a_silent_host_leaves_no_lock_on_the_other(xen: PlayedXen) -> None:
    xen.silence("labubuntu")
    with pytest.raises(HostUnreachable):
        HostLock(xen.hosts, "aa11", "1").take()
    assert held(xen) == []


def test_a_lock_whose_answer_was_lost_is_given_back_too(xen: PlayedXen) -> None:
    xen.machines["labubuntu"].cut("take")
    with pytest.raises(CannotObserve):
        HostLock(xen.hosts, "aa11", "1").take()
    xen.machines["labubuntu"].end()
    other = HostLock(xen.hosts, "bb22", "2")
    other.take()
    other.release()


def test_what_expired_is_taken_over(xen: PlayedXen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "SECONDS", -1)
    HostLock(xen.hosts, "aa11", "1").take()
    monkeypatch.setattr(lock, "SECONDS", 60)
    other = HostLock(xen.hosts, "bb22", "2")
    other.take()
    other.check()
    other.release()


def test_it_is_renewed_with_what_the_run_is_at(xen: PlayedXen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "_RENEWAL_SECONDS", 0.01)
    step = "hosts"
    ours = HostLock(xen.hosts, "aa11", "1", lambda: step)
    ours.take()
    step = "live-migration"
    wait_for(lambda: "live-migration" in lock_file(xen, "baye").read_text(), "a renewal", 5, 0.01)
    ours.check()
    ours.release()
    assert held(xen) == []


def test_a_silent_host_loses_no_lock(xen: PlayedXen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "_RENEWAL_SECONDS", 0.01)
    ours = HostLock(xen.hosts, "aa11", "1")
    ours.take()
    xen.silence("baye")
    before = len(xen.machines["baye"].ran)
    wait_for(lambda: len(xen.machines["baye"].ran) > before + 1, "two renewals", 5, 0.01)
    ours.check()
    ours.release()


@pytest.mark.parametrize("taken", [True, False])
def test_a_lost_lock_stops_the_next_act(taken: bool, xen: PlayedXen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "_RENEWAL_SECONDS", 0.01)
    ours = HostLock(xen.hosts, "aa11", "1")
    ours.take()
    ours.check()
    if taken:
        lock_file(xen, "baye").write_text(f'{int(time.time()) + 60}\n{{"id": "cc33"}}\n')
    else:
        lock_file(xen, "baye").unlink()  # rebooted, or unlocked by hand

    def lost() -> str:
        try:
            ours.check()
        except LockLost as lost:
            return lost.message
        return ""

    assert "baye" in wait_for(lost, "the loss to be noticed", 5, 0.01)
    ours.release()
    assert held(xen) == (["baye"] if taken else [])


def test_after_a_sleep_it_is_renewed_before_the_next_act(xen: PlayedXen, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = HostLock(xen.hosts, "aa11", "1")
    ours.take()
    now = lock.since_boot()
    monkeypatch.setattr(lock, "since_boot", lambda: now + lock.SECONDS)
    ours.check()  # nobody took it meanwhile
    monkeypatch.setattr(lock, "since_boot", lambda: now + 3 * lock.SECONDS)
    lock_file(xen, "labubuntu").write_text(f'{int(time.time()) + 60}\n{{"id": "cc33"}}\n')
    with pytest.raises(LockLost, match="labubuntu is in use"):
        ours.check()
    ours.release()


def test_after_a_sleep_a_silent_host_lets_nothing_through(xen: PlayedXen, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = HostLock(xen.hosts, "aa11", "1")
    ours.take()
    now = lock.since_boot()
    monkeypatch.setattr(lock, "since_boot", lambda: now + lock.SECONDS)
    xen.silence("baye")
    with pytest.raises(HostUnreachable):
        ours.check()
    xen.machines["baye"].silent = False
    ours.check()
    ours.release()


def test_only_the_run_that_is_named_is_unlocked(xen: PlayedXen) -> None:
    ours = HostLock(xen.hosts, "aa11", "1")
    ours.take()
    assert unlock(xen.hosts, "aa1") == ()
    assert unlock(xen.hosts, "*") == ()
    assert held(xen) == ["labubuntu", "baye"]
    assert unlock(xen.hosts, "aa11") == ("labubuntu", "baye")
    assert unlock(xen.hosts, "aa11") == ()
    ours.release()


def test_a_run_that_goes_on_elsewhere_is_not_taken_over(xen: PlayedXen, monkeypatch: pytest.MonkeyPatch) -> None:
    first = HostLock(xen.hosts, "aa11", "1")
    first.take()
    again = HostLock(xen.hosts, "aa11", "2")
    again.take()  # the same run, mended on its own machine
    again.release()
    first.release()
    first = HostLock(xen.hosts, "aa11", "1")
    first.take()
    monkeypatch.setattr("socket.gethostname", lambda: "another-seat")
    with pytest.raises(LabInUse, match="aa11"):
        HostLock(xen.hosts, "aa11", "2").take()
    assert unlock(xen.hosts, "aa11") == ("labubuntu", "baye")
    first.release()


def test_a_user_without_a_name_is_told_by_number(xen: PlayedXen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("getpass.getuser", lambda: {}["name"])
    HostLock(xen.hosts, "aa11", "1").take()
    assert f'"who": "uid {os.getuid()}"' in lock_file(xen, "baye").read_text()
