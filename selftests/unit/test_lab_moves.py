"""A guest's moves: what is asked of xl in which order, and what a refusal or a failure means."""

import pytest
from fakelab import ADDRESSES, BOOT_ID, Answer, FakeLab, xl_list

from xenlab.causes import GuestDidNotSuspend, StateUndefined, XlError
from xenlab.errors import LabFault
from xenlab.lab.dom0 import BATCH_SSH
from xenlab.remote import commands
from xenlab.xen import xl

PAUSE, UNPAUSE = xl.pause("guest1"), xl.unpause("guest1")
MIGRATE = xl.migrate("guest1", ADDRESSES["baye"], BATCH_SSH)
MOVED = (0, "", "migration target: Ready to receive domain.\nMigration successful.\n")
REFUSED = (
    1,
    "",
    "libxl: error: libxl_dom_suspend.c: guest did not suspend, timed out\n"
    "Migration failed, failed to suspend at sender.\n",
)
NO_LOGIN = (1, "", "root@10.1.1.143: Permission denied (publickey).\n")


def asked_of_xl(lab: FakeLab) -> list[tuple[str, ...]]:
    """What the home host was asked to do, without the listings."""
    return [argv for argv in lab.home.asked if argv in (PAUSE, UNPAUSE, MIGRATE)]


def pausing(lab: FakeLab, *answers: Answer) -> None:
    """xl pauses and unpauses the guest, and answers each migration in turn."""
    lab.home.says |= {PAUSE: "", UNPAUSE: "", MIGRATE: list(answers)}
    lab.home.says[xl.list_domains()] = [xl_list(guest1="-b----"), xl_list(guest1="--p---")]


def test_a_live_migration_is_told_with_its_ends_and_its_boot(lab: FakeLab) -> None:
    lab.home.says[MIGRATE] = MOVED
    move = lab.guest.live_migrate(to=lab.second)
    assert (move.guest, move.kind, move.source, move.target) == ("guest1", "live", lab.first, lab.second)
    assert (move.boot_id_before, move.boot_id_after, move.same_boot) == (BOOT_ID, BOOT_ID, True)
    assert move.stages == ("connected", "finished")
    assert 0 <= move.seconds < 5


def test_another_boot_id_after_the_move_is_seen(lab: FakeLab) -> None:
    lab.home.says[MIGRATE] = MOVED
    lab.inside.says[commands.boot_id()] = [f"{BOOT_ID}\n", f"{'0' * 8}{BOOT_ID[8:]}\n"]
    finding = lab.guest.live_migrate(to=lab.second).kept_its_boot()
    assert not finding.holds
    assert finding.actual == f"boot_id {'0' * 8}{BOOT_ID[8:]}"


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (NO_LOGIN, XlError),
        (REFUSED, GuestDidNotSuspend),
        ((1, "", "CHECK AT BOTH ENDS\n"), StateUndefined),
        ((1, "", "the sky fell\n"), XlError),
        ((0, "", "migration sender: nothing more was said\n"), XlError),  # no word of success
        ((1, "", "Migration successful.\n"), XlError),  # and a word that the exit code belies
    ],
)
def test_a_migration_that_fails_raises_the_fault_that_its_words_tell_of(
    answer: Answer, error: type[LabFault], lab: FakeLab
) -> None:
    lab.home.says[MIGRATE] = answer
    with pytest.raises(XlError) as fault:
        lab.guest.live_migrate(to=lab.second)
    assert type(fault.value) is error
    assert (fault.value.host, fault.value.guest) == ("labubuntu", "guest1")
    assert fault.value.hint


# The report's own way: paused


def test_a_guest_that_moves_while_paused(lab: FakeLab) -> None:
    pausing(lab, MOVED)
    move, finding = lab.guest.paused_migrate(to=lab.second)
    assert finding
    assert finding.actual == "moved while paused"
    assert (move.kind, move.source, move.target, move.same_boot) == ("paused", lab.first, lab.second, True)
    assert asked_of_xl(lab) == [PAUSE, MIGRATE]


def test_a_refused_guest_that_is_unharmed_is_unpaused_and_moves(lab: FakeLab) -> None:
    pausing(lab, REFUSED, MOVED)
    move, finding = lab.guest.paused_migrate(to=lab.second)
    assert finding
    assert "refused" in finding.actual
    assert "guest did not suspend, timed out" in finding.actual
    assert "on labubuntu still paused, on baye: nothing" in finding.actual
    assert (move.kind, move.target, move.same_boot) == ("paused", lab.second, True)
    assert asked_of_xl(lab) == [PAUSE, MIGRATE, UNPAUSE, MIGRATE]


def test_a_refusal_that_leaves_half_a_guest_on_the_target_is_told(lab: FakeLab) -> None:
    pausing(lab, REFUSED, MOVED)
    lab.server.says[xl.list_domains()] = [xl_list(), xl_list(guest1__incoming="--p---")]
    _, finding = lab.guest.paused_migrate(to=lab.second)
    assert not finding.holds
    assert "on baye: guest1--incoming" in finding.actual
    assert finding.hint


@pytest.mark.parametrize("after", [xl_list(guest1="-b----"), xl_list()])
def test_a_refusal_that_does_not_leave_the_guest_paused_is_told(after: str, lab: FakeLab) -> None:
    pausing(lab, REFUSED, MOVED)
    lab.home.says[xl.list_domains()] = [xl_list(guest1="-b----"), after]
    _, finding = lab.guest.paused_migrate(to=lab.second)
    assert not finding.holds
    assert "on labubuntu not paused" in finding.actual


def test_another_failure_of_a_paused_move_is_no_refusal(lab: FakeLab) -> None:
    pausing(lab, NO_LOGIN)
    with pytest.raises(XlError, match="refused root's login"):
        lab.guest.paused_migrate(to=lab.second)
    assert asked_of_xl(lab) == [PAUSE, MIGRATE]
