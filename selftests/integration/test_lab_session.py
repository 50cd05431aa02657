"""A whole session on a lab: begun, acted on, brought home and left; killed, and mended by another process."""

import json
import os
from threading import Timer

import pytest
from playedsessions import Sessions
from playedxen import GUESTS, RUNS, PlayedXen

from xenlab.errors import CannotObserve
from xenlab.lab import acts, lab, lock
from xenlab.lab.left import LabLeft
from xenlab.lab.lock import LabInUse
from xenlab.remote.waiting import wait_for

PAUSED = "--p---"


# From beginning to end


def test_a_session_notes_how_it_found_the_lab_and_leaves_nothing(xen: PlayedXen, sessions: Sessions) -> None:
    xen.runs("guest1", "baye")
    xen.runs("guest2", "labubuntu", PAUSED)
    session = sessions.begin()
    assert sessions.locked() == ["labubuntu", "baye"]
    ((found, acts),) = sessions.noted()
    assert {name: (guest.host, guest.paused, guest.unclear) for name, guest in found.guests.items()} == {
        "guest1": ("baye", False, ""),
        "guest2": ("labubuntu", True, ""),
    }
    assert acts == ()
    assert found.lab_name == "lab.toml"
    assert "guest1.cfg" in found.lab_file
    assert sessions.end(session) == [
        "guest1 is on baye (-b----), as found, and was not touched",
        "guest2 is on labubuntu (--p---), as found, and was not touched",
    ]
    assert (sessions.locked(), sessions.noted(), xen.acted) == ([], [], [])
    session.leave()  # once more changes nothing


@pytest.mark.parametrize("found", ["off", "labubuntu", "baye", "paused"])
def test_whatever_a_run_does_each_guest_is_brought_back(found: str, xen: PlayedXen, sessions: Sessions) -> None:
    """H3: only one graded test brought guests back, and the first that failed ended it for all."""
    where = {"off": {}, "labubuntu": {"labubuntu": RUNS}, "baye": {"baye": RUNS}, "paused": {"labubuntu": PAUSED}}[
        found
    ]
    for host, state in where.items():
        for name in GUESTS:
            xen.runs(name, host, state)
    session = sessions.begin()
    one, other = session.guests.values()
    one.start(session.hosts.named("labubuntu"))
    one.live_migrate(session.hosts.named("baye"))
    other.start(session.hosts.named("baye"))
    other.acts.pause(session.hosts.named("baye"))
    words = sessions.end(session)
    for name in GUESTS:
        assert xen.where(name) == {f"{host}/{name}": state for host, state in where.items()}
    assert all(said.endswith(", as found") for said in words)
    assert (sessions.locked(), sessions.noted()) == ([], [])
    assert not list((xen.machines["labubuntu"].folder / "run").glob("xenlab-*"))


def test_one_that_cannot_be_brought_back_keeps_no_other(xen: PlayedXen, sessions: Sessions) -> None:
    for name in GUESTS:
        xen.runs(name, "labubuntu")
    session = sessions.begin()
    for guest in session.guests.values():
        guest.live_migrate(session.hosts.named("baye"))
    (xen.machines["baye"].folder / "domains" / "guest1").rename(
        xen.machines["baye"].folder / "domains" / "guest1--incoming"
    )
    first, second = sessions.end(session)
    assert first.startswith("guest1 is on baye as guest1--incoming, NOT as found; by hand: on both hosts: xl list")
    assert second == "guest2 is on labubuntu (-b----), as found"
    assert sessions.locked() == []
    ((_, acts),) = sessions.noted()  # still to be mended
    assert acts


def test_bringing_home_once_more_tries_what_failed_again(xen: PlayedXen, sessions: Sessions) -> None:
    xen.runs("guest1", "labubuntu")
    session = sessions.begin()
    session.guest("guest1").live_migrate(session.hosts.named("baye"))
    xen.silence("baye")
    said = str(session.bring_home()[0])
    assert "which may or may not be as found; by hand: on both hosts: xl list" in said
    assert "it was found on labubuntu" in said
    xen.machines["baye"].silent = False
    assert sessions.end(session)[0] == "guest1 is on labubuntu (-b----), as found"
    assert sessions.noted() == []


def test_what_others_do_meanwhile_is_not_undone(xen: PlayedXen, sessions: Sessions) -> None:
    session = sessions.begin()
    xen.runs("guest1", "baye")  # a colleague starts it
    assert sessions.end(session)[0] == "guest1 is on baye (-b----), NOT as found, and was not touched"
    assert xen.acted == []
    assert sessions.noted() == []


def test_a_nonce_moves_no_guest(xen: PlayedXen, sessions: Sessions) -> None:
    xen.runs("guest1", "labubuntu")
    session = sessions.begin()
    with session.guest("guest1").nonce():
        pass
    xen.goes("guest1", "labubuntu")
    assert "not touched" in sessions.end(session)[0]
    assert xen.acted == []


def test_a_file_that_could_not_be_removed_goes_once_its_guest_answers(xen: PlayedXen, sessions: Sessions) -> None:
    xen.runs("guest1", "labubuntu")
    session = sessions.begin()
    with pytest.raises(CannotObserve), session.guest("guest1").nonce():
        xen.silence("guest1")
    root = xen.machines["guest1"].folder / "root"
    assert list(root.iterdir())
    xen.machines["guest1"].silent = False
    sessions.end(session)
    assert list(root.iterdir()) == []


def test_leaving_without_bringing_home_leaves_all_to_mend(xen: PlayedXen, sessions: Sessions) -> None:
    session = sessions.begin()
    session.guest("guest1").start(session.hosts.named("labubuntu"))
    session.leave()
    assert sessions.locked() == []
    assert sessions.noted()
    assert sessions.mend()[0] == "guest1 is on neither host, as found"
    assert sessions.noted() == []


# What forbids all acts


def test_a_second_run_is_refused_and_changes_nothing(xen: PlayedXen, sessions: Sessions) -> None:
    first = sessions.begin()
    with pytest.raises(LabInUse, match=rf"run {first.custody.run} .*, at live-migration"):
        sessions.begin()
    assert sessions.locked() == ["labubuntu", "baye"]
    assert len(sessions.noted()) == 1
    sessions.end(first)
    sessions.end(sessions.begin())


def test_a_lab_that_cannot_be_locked_is_only_looked_at(xen: PlayedXen, sessions: Sessions) -> None:
    xen.silence("baye")
    session = sessions.begin()
    xen.machines["baye"].silent = False
    with pytest.raises(CannotObserve, match="its hosts could not be locked: baye cannot be reached"):
        session.guest("guest1").start(session.hosts.named("labubuntu"))
    assert session.found.guests["guest1"].unclear
    assert session.describe().xen == {"labubuntu": "4.14.5"}
    assert sessions.end(session) == []
    assert (sessions.locked(), sessions.noted(), xen.acted) == ([], [], [])


def test_where_nothing_can_be_noted_the_lab_is_only_looked_at(xen: PlayedXen, sessions: Sessions) -> None:
    (xen.folder / "custody").write_text("no folder")
    session = sessions.begin()
    with pytest.raises(CannotObserve, match="its undo cannot be noted"):
        session.guest("guest1").start(session.hosts.named("labubuntu"))
    sessions.end(session)
    assert (sessions.locked(), xen.acted) == ([], [])


def test_a_guest_that_was_found_unclear_is_never_acted_on(xen: PlayedXen, sessions: Sessions) -> None:
    """As after a broken handshake: it would be taken for off, and for as found in the end."""
    xen.runs("guest1--incoming", "baye", PAUSED)
    session = sessions.begin()
    xen.goes("guest1--incoming", "baye")
    with pytest.raises(CannotObserve, match="guest1--incoming"):
        session.guest("guest1").start(session.hosts.named("labubuntu"))
    session.guest("guest2").start(session.hosts.named("labubuntu"))
    first, second = sessions.end(session)
    assert "it was found on baye as guest1--incoming, NOT as found, and was not touched" in first
    assert second == "guest2 is on neither host, as found"
    assert [act for act in xen.acted if "guest1" in act] == []
    assert sessions.noted() == []


def test_a_guest_that_is_just_going_down_is_found_off(
    xen: PlayedXen, sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lab, "_SETTLE_SECONDS", 5.0)
    xen.runs("guest1", "baye", "---s--")
    gone = Timer(0.2, xen.goes, ("guest1", "baye"))
    gone.start()
    session = sessions.begin()
    gone.join()
    assert session.found.guests["guest1"].host is None
    assert not session.found.guests["guest1"].unclear
    sessions.end(session)


def test_a_lost_lock_stops_acts_and_what_it_did_is_mended_later(
    xen: PlayedXen, sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "_RENEWAL_SECONDS", 0.02)
    session = sessions.begin()
    session.guest("guest1").start(session.hosts.named("labubuntu"))
    held = xen.machines["baye"].folder / "run/xenlab.lock"

    def noticed() -> str:
        held.unlink(missing_ok=True)  # again: a renewal that is under way writes it anew
        assert session._lock is not None
        return session._lock._lost

    wait_for(noticed, "the loss to be noticed", 30, 0.01)
    with pytest.raises(CannotObserve, match="the lock on the lab was lost"):
        session.guest("guest2").start(session.hosts.named("labubuntu"))
    assert "the lock on the lab was lost" in sessions.end(session)[0]
    assert xen.acted == ["labubuntu create guest1"]
    assert sessions.mend()[0] == "guest1 is on neither host, as found"


# How it was left


def test_left_as_found_is_green_when_guests_ran_all_along(xen: PlayedXen, sessions: Sessions) -> None:
    """H6, H7: a monitor of an arrived guest, a colleague's domain and migration were strays."""
    xen.runs("guest1", "baye")
    session = sessions.begin()
    session.guest("guest1").start(session.hosts.named("labubuntu"))
    session.guest("guest1").live_migrate(session.hosts.named("baye"))
    xen.runs("payroll", "labubuntu", RUNS, "/srv/payroll.img xvda w")
    xen.runs("mail--incoming", "labubuntu", PAUSED, "/srv/mail.img xvda w")
    left = LabLeft.of(session)
    findings = [*left.guests_are_in_place(), *left.nothing_is_half_moved(), *left.nothing_of_ours_is_there()]
    assert [finding.id for finding in findings if not finding.holds] == []
    assert sorted(left.what_others_did()) == [
        "labubuntu: a domain mail--incoming came meanwhile",
        "labubuntu: a domain payroll came meanwhile",
    ]
    sessions.end(session)


def test_a_half_is_a_stray_once_nobody_moves_it_any_more(
    xen: PlayedXen, sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(acts, "_SETTLE_SECONDS", 0.1)
    session = sessions.begin()
    xen.runs("guest1--incoming", "baye", PAUSED)
    move = xen.machines["labubuntu"].folder / "migrating" / str(os.getpid())
    move.write_text("xl migrate guest1 10.1.1.143")

    def strays() -> list[bool | None]:
        return [finding.holds for finding in LabLeft.of(session).nothing_is_half_moved()]

    assert strays() == [True, True]
    move.unlink()
    assert strays() == [True, False]
    sessions.end(session)


def test_the_custody_of_a_run_holds_no_secret(xen: PlayedXen, sessions: Sessions) -> None:
    session = sessions.begin()
    head = json.loads(session.custody.path.read_text().splitlines()[0])
    assert "password" not in head["lab_file"].replace("password_env", "")
    sessions.end(session)
