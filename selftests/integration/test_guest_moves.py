"""A guest's moves as the lab sheet speaks of them: what a refused, a failed and a taken pause come to."""

import pytest
from playedsessions import Sessions
from playedxen import RUNS, PlayedXen

from xenlab.errors import CannotObserve, LabFault
from xenlab.lab.guest import Guest
from xenlab.lab.lab import Lab

PAUSED = "--p---"


@pytest.fixture
def session(xen: PlayedXen, sessions: Sessions) -> Lab:
    xen.runs("guest1", "labubuntu")
    return sessions.begin()


@pytest.fixture
def guest(session: Lab) -> Guest:
    return session.guest("guest1")


def test_a_live_move_arrives_and_keeps_its_boot(xen: PlayedXen, guest: Guest) -> None:
    with guest.nonce() as nonce:
        move = guest.live_migrate(to=xen.peer, nonce=nonce)
    assert all(move.arrived())
    assert move.kept_its_boot()
    assert not move.booted_anew()
    assert move.left_disk_clean()
    assert xen.where() == {"baye/guest1": RUNS}
    guest.return_to(xen.peer)  # it is there already
    guest.return_to(xen.home)
    assert xen.where() == {"labubuntu/guest1": RUNS}


def test_another_boot_id_after_the_move_is_seen(xen: PlayedXen, guest: Guest) -> None:
    before = xen.boot_id("guest1").read_text().strip()
    move = guest.cold_migrate(to=xen.peer)
    after = xen.boot_id("guest1").read_text().strip()
    finding = move.kept_its_boot()
    assert finding.holds is False
    assert (finding.expected, finding.actual) == (f"boot_id {before}", f"boot_id {after}")
    assert move.booted_anew()


# The report's own way: paused


def test_a_guest_that_moves_while_paused(xen: PlayedXen, guest: Guest) -> None:
    paused = guest.paused_migrate(to=xen.peer)
    assert paused.left_it_unharmed()
    assert paused.left_it_unharmed().actual == "moved to baye while paused"
    assert paused.kept_its_boot()
    assert paused.migration is not None
    assert xen.acted == ["labubuntu pause guest1", "labubuntu migrate guest1"]


def test_a_refused_guest_that_is_unharmed_goes_on_where_it_was(xen: PlayedXen, guest: Guest) -> None:
    xen.plan("labubuntu", "migrate", "refused")
    paused = guest.paused_migrate(to=xen.peer)
    finding = paused.left_it_unharmed()
    assert finding.holds
    assert "guest did not suspend, timed out" in finding.actual
    assert "on labubuntu (--p---)" in finding.actual
    assert paused.kept_its_boot()
    assert paused.migration is None
    assert xen.where() == {"labubuntu/guest1": RUNS}


@pytest.mark.parametrize("how", ["fails", "loses", "halves"])
def test_another_failure_is_no_refusal(how: str, xen: PlayedXen, guest: Guest) -> None:
    """The target's missing disk was taken for Xen's refusal of a pause, and passed."""
    xen.plan("labubuntu", "migrate", how)
    with pytest.raises(LabFault) as fault:
        guest.paused_migrate(to=xen.peer)
    assert fault.value.host == ("baye" if how == "fails" else "labubuntu")
    left = {
        "fails": {"labubuntu/guest1": RUNS},  # it is let go on, all the same
        "loses": {},
        "halves": {"labubuntu/guest1--migratedaway": "---ss-", "baye/guest1--incoming": PAUSED},
    }
    assert xen.where() == left[how]


def test_a_guest_that_does_not_come_back_to_life_hides_no_failure(
    xen: PlayedXen, guest: Guest, session: Lab, sessions: Sessions
) -> None:
    """H10: what is done to tidy up must not stand in for what went wrong."""
    xen.plan("labubuntu", "migrate", "fails")
    guest.acts._timeouts = guest.acts._timeouts.model_copy(update={"boot_seconds": 0.3})
    pause = guest.acts.pause

    def then_silent(on: object) -> None:
        pause(on)  # type: ignore[arg-type]
        xen.silence("guest1")

    guest.acts.pause = then_silent  # type: ignore[method-assign, assignment]
    with pytest.raises(LabFault, match="xl migrate failed"):
        guest.paused_migrate(to=xen.peer)
    assert xen.where() == {"labubuntu/guest1": RUNS}
    assert sessions.end(session)[0] == "guest1 is on labubuntu (-b----), as found"


def test_a_refusal_that_leaves_half_a_guest_on_the_target_is_told(xen: PlayedXen, guest: Guest) -> None:
    xen.plan("labubuntu", "migrate", "refused")
    (xen.folder / "keeps-half").write_text("")
    finding = guest.paused_migrate(to=xen.peer).left_it_unharmed()
    assert finding.holds is False
    assert "baye as guest1--incoming" in finding.actual
    assert finding.hint


def test_a_silent_target_says_nothing_of_harm(xen: PlayedXen, guest: Guest) -> None:
    xen.plan("labubuntu", "migrate", "refused")
    (xen.folder / "falls-silent").write_text("")
    with pytest.raises(CannotObserve, match="baye cannot be reached"):
        guest.paused_migrate(to=xen.peer)
    assert xen.acted[:2] == ["labubuntu pause guest1", "labubuntu migrate guest1"]
