"""A class on a Dask cluster of two workers, of which one is killed: every team is graded once, and it is said so."""

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from paths import ROOT
from toyclass import ToyClass

from xenlab.classroom.attempt import Order
from xenlab.errors import UsageError
from xenlab.fleet.executors import fleet
from xenlab.remote.waiting import wait_for

distributed = pytest.importorskip("distributed", reason="requirements-dask.txt is not installed")


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[distributed.LocalCluster]:
    """Two workers, each a process of its own with one thread."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, silence_logs=50
    ) as running:
        yield running


def test_one_worker_is_killed_and_every_team_is_graded_once(cluster: distributed.LocalCluster, tmp_path: Path) -> None:
    toy = ToyClass(tmp_path)
    teams = [toy.team(name) for name in ("waits-1", "waits-2", "good", "wrong", "squash", "unseen")]

    def kills() -> None:
        wait_for(lambda: len(toy.seen) == 2, "both workers to have a run", 60)
        begun = (toy.reports / "teams/waits-1/attempt-1/begun").read_text().split()
        os.kill(int(begun[1]), signal.SIGKILL)
        # What it ran is asked to end, as Ctrl-C does, before the team is graded anew.
        wait_for(lambda: toy.seen.count("waits-1") == 2, "the team to be graded anew", 60)
        (toy.working_copy / "go").touch()

    killer = threading.Thread(target=kills)
    killer.start()
    entries = toy.grade(*teams, scheduler=cluster.scheduler_address)
    killer.join()
    assert [(entry.verdict, entry.attempts) for entry in entries.values()] == [
        ("passed", 1),
        ("passed", 1),
        ("passed", 1),
        ("failed", 1),
        ("failed", 1),
        ("not gradable", 1),
    ]
    assert sorted(toy.seen) == ["good", "squash", "unseen", "waits-1", "waits-1", "waits-2", "wrong"]
    assert [entry.words for entry in entries.values()] == [
        "Begun 2 times, since what ran it was lost; graded once.",
        *([""] * 5),
    ]


def test_a_worker_of_another_xenlab_grades_nothing(cluster: distributed.LocalCluster, tmp_path: Path) -> None:
    toy = ToyClass(tmp_path)

    def changes(_order: object) -> None:
        (toy.working_copy / "tests/test_more.py").write_text("# changed since\n")

    (entry,) = toy.grade(toy.team("good"), scheduler=cluster.scheduler_address, begins=changes).values()
    assert entry.verdict == "not graded yet"
    assert "holds another xenlab" in entry.words
    assert toy.seen == []


def test_interrupted_the_workers_runs_are_ended_too(cluster: distributed.LocalCluster, tmp_path: Path) -> None:
    toy = ToyClass(tmp_path)

    def interrupts(order: Order) -> None:
        if order.team.name == "good":
            wait_for(lambda: toy.seen, "the first to run", 60)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        toy.grade(toy.team("waits"), toy.team("good"), scheduler=cluster.scheduler_address, begins=interrupts)
    assert toy.seen == ["waits"]
    assert not (toy.reports / "teams/waits/attempt-1/attempt.json").exists()
    (toy.working_copy / "go").touch()
    assert [entry.words for entry in toy.grade(toy.team("waits"), toy.team("good")).values()] == ["", ""]


def test_where_no_scheduler_is_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xenlab.fleet.executors._CONNECT_SECONDS", 0.5)
    for address in ("tcp://127.0.0.1:9", "nonsense://x"):
        with pytest.raises(UsageError, match="no Dask scheduler answers there"), fleet(address, 1):
            pass
