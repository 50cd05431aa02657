"""Runs that were killed, and mended by another process from what they noted."""

import json
from pathlib import Path

import pytest
from playedsessions import Sessions
from playedxen import RUNS, PlayedXen

from xenlab.cli.main import main
from xenlab.errors import CannotObserve, UsageError
from xenlab.lab import custody
from xenlab.lab.custody import Custody
from xenlab.lab.lab import Lab
from xenlab.lab.lock import LabInUse
from xenlab.remote.waiting import wait_for


@pytest.mark.parametrize("found", ["off", "labubuntu", "baye"])
@pytest.mark.parametrize("at", ["started", "moved", "paused", "moving"])
def test_a_killed_run_is_mended(at: str, found: str, xen: PlayedXen, sessions: Sessions) -> None:
    if found != "off":
        xen.runs("guest1", found)
    session = sessions.begin()
    guest, home, peer = session.guest("guest1"), *session.hosts
    guest.start(home)
    if at in ("moved", "paused"):
        guest.live_migrate(peer)
    if at == "paused":
        guest.acts.pause(peer)
    if at == "moving":
        xen.plan("labubuntu", "migrate", "works", 0.3)
        xen.machines["labubuntu"].cut("setsid", silent_for=0.02)
        xen.machines["labubuntu"].wait_until_reachable = _killed  # type: ignore[method-assign]
        with pytest.raises(SystemExit):
            guest.live_migrate(peer)
        wait_for(lambda: guest.acts.look().busy, "xl migrate to begin", 5, 0.01)
        del xen.machines["labubuntu"].wait_until_reachable
    sessions.kill(session)
    assert sessions.locked() == ["labubuntu", "baye"]
    with pytest.raises(LabInUse):
        sessions.begin()  # its lock holds until it expires
    first, second = sessions.mend()
    assert ", as found" in first
    assert second == "guest2 is on neither host, as found, and was not touched"
    assert xen.where() == ({} if found == "off" else {f"{found}/guest1": RUNS})
    assert (sessions.locked(), sessions.noted()) == ([], [])
    assert not list((xen.machines["labubuntu"].folder / "run").glob("xenlab-*"))


def _killed(timeout: float, word: str = "") -> None:
    raise SystemExit


def test_files_of_a_killed_run_are_removed_and_no_others(xen: PlayedXen, sessions: Sessions) -> None:
    xen.runs("guest1", "labubuntu")
    session = sessions.begin()
    root, run = xen.machines["guest1"].folder / "root", session.custody.run
    ours, others = root / f".xenlab-{run}-nonce", root / ".xenlab-0000-nonce"
    on_share = xen.share / f".xenlab-{run}-baye"
    for file in (ours, others, on_share):
        file.write_text("x")
    session.custody.will("write", guest="guest1", file=f"/root/{ours.name}")
    session.custody.will("write", guest="guest1", file=f"/root/{others.name}")
    session.custody.will("write", host="baye", file=str(on_share))
    session.custody.will("write", host="another", file=str(on_share))
    sessions.kill(session)
    sessions.mend()
    assert [file.exists() for file in (ours, others, on_share)] == [False, True, False]


def test_what_cannot_be_mended_yet_stays_noted(xen: PlayedXen, sessions: Sessions) -> None:
    session = sessions.begin()
    session.guest("guest1").start(session.hosts.named("labubuntu"))
    sessions.kill(session)
    xen.plan("labubuntu", "shutdown", "fails")
    (xen.machines["labubuntu"].folder / "domains/guest1").rename(
        xen.machines["labubuntu"].folder / "domains/guest1--migratedaway"
    )
    assert "NOT as found" in sessions.mend()[0]
    assert sessions.noted()
    (xen.machines["labubuntu"].folder / "domains/guest1--migratedaway").unlink()
    assert sessions.mend()[0] == "guest1 is on neither host, as found"
    assert sessions.noted() == []


def test_a_silent_host_lets_nothing_be_mended(xen: PlayedXen, sessions: Sessions) -> None:
    session = sessions.begin()
    session.guest("guest1").start(session.hosts.named("labubuntu"))
    sessions.kill(session)
    xen.silence("baye")
    with pytest.raises(CannotObserve):
        sessions.mend()
    xen.machines["baye"].silent = False
    assert sessions.mend()[0] == "guest1 is on neither host, as found"


def test_a_lab_file_that_has_changed_is_not_mended_by(xen: PlayedXen, sessions: Sessions) -> None:
    session = sessions.begin()
    session.guest("guest1").start(session.hosts.named("labubuntu"))
    sessions.kill(session)
    (found, acts) = sessions.noted()[0]
    other = Lab(xen.spec.model_copy(update={"guests": xen.spec.guests[1:]}), lambda _: "", {}, Custody(xen.folder))
    with pytest.raises(UsageError, match="knew guest1"):
        other.mend(found, acts)
    assert xen.acted == ["labubuntu create guest1"]


def test_a_run_that_goes_on_elsewhere_is_not_mended(
    xen: PlayedXen, sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = sessions.begin()
    session.guest("guest1").start(session.hosts.named("labubuntu"))
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr("socket.gethostname", lambda: "another-seat")
        with pytest.raises(LabInUse):
            sessions.mend()
    assert xen.where() == {"labubuntu/guest1": RUNS}
    sessions.end(session)


def mend(xen: PlayedXen, monkeypatch: pytest.MonkeyPatch) -> int:
    """The verb itself, once the process that noted the runs is gone."""
    monkeypatch.setattr(custody, "default_folder", lambda: xen.folder / "custody")
    monkeypatch.setattr(custody, "is_running", lambda _: False)
    return main(["mend"])


def test_the_verb_mends_every_run_from_what_it_noted(
    xen: PlayedXen, sessions: Sessions, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The lab file may have been changed, moved or removed since: the run's own words are on the disk."""
    session = sessions.begin()
    session.guest("guest1").start(xen.home)
    sessions.kill(session)
    assert not Path("lab.toml").exists()
    assert mend(xen, monkeypatch) == 0
    assert "guest1 is on neither host, as found" in capsys.readouterr().out
    assert sessions.noted() == []
    assert mend(xen, monkeypatch) == 0


def test_the_verb_tells_of_what_cannot_be_mended_and_goes_on(
    xen: PlayedXen, sessions: Sessions, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    session = sessions.begin()
    session.guest("guest1").start(xen.home)
    sessions.kill(session)
    custody_of = xen.folder / "custody"
    head, *rest = session.custody.path.read_text().splitlines()
    broken = json.loads(head) | {"run": "0000", "lab_file": "nothing", "began": "2000-01-01T00:00:00Z"}
    (custody_of / "0000.jsonl").write_text("\n".join([json.dumps(broken), *rest, ""]))
    assert mend(xen, monkeypatch) == 2
    shown = capsys.readouterr()
    assert "guest1 is on neither host, as found" in shown.out
    assert "run 0000: the lab file of run 0000: not valid TOML" in shown.err
    assert [found.run for found, _ in sessions.noted()] == ["0000"]
