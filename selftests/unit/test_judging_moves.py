"""What a move left, judged: red where the guest was harmed, green where it was not, unknown where nothing was seen."""

from dataclasses import replace

import pytest
from madeuplooks import fails, holds, undecided
from test_judging_boot import BOOT_ID, NOTHING, inside
from test_places import RUNS, look, places, unseen

from xenlab.lab.judging import moves
from xenlab.lab.looks import DomainsLook, Unknown
from xenlab.lab.migration import Migration
from xenlab.lab.places import Places
from xenlab.xen.xenstore import StoredDomain

OTHER_BOOT = f"{'0' * 8}{BOOT_ID[8:]}"
ON_TARGET = places(look("labubuntu"), look("baye", guest1=RUNS))
ON_SOURCE = places(look("labubuntu", guest1=RUNS), look("baye"))
LOST = places(look("labubuntu"), look("baye"))
MOVING = places(look("labubuntu", migrations={7: "xl migrate guest1 baye"}, guest1=RUNS), look("baye"))
SILENT = places(look("labubuntu"), unseen())
HALF = places(look("labubuntu", guest1__migratedaway="---ss-"), look("baye", guest1__incoming="--p---"))
PAUSED = places(look("labubuntu", guest1="--p---"), look("baye"))


def disputed() -> Places:
    stored = (StoredDomain(0, "Domain-0"), StoredDomain(4, "guest1"))
    rows = look("baye").rows
    return places(look("labubuntu"), DomainsLook("baye", ("cmd-baye",), 0.0, rows, stored, {}))


def moved(**changes: object) -> Migration:
    move = Migration("guest1", "live", "labubuntu", "baye", 1.0, 30.0, inside(), inside(), ON_TARGET)
    return replace(move, **changes)  # type: ignore[arg-type]


# Where it is


@pytest.mark.parametrize("state", [RUNS, "r-----", "------"])
def test_it_runs_there_and_nowhere_else(state: str) -> None:
    holds(moves.runs_only_on(places(look("labubuntu", other=RUNS), look("baye", guest1=state)), "baye"), state)


@pytest.mark.parametrize(
    "seen",
    [
        ON_SOURCE,
        LOST,
        HALF,
        places(look("labubuntu", guest1=RUNS), look("baye", guest1=RUNS)),
        *(places(look("labubuntu"), look("baye", guest1=state)) for state in ("--p---", "---s--", "---sc-", "-----d")),
    ],
)
def test_a_guest_elsewhere_twice_in_half_or_lifeless_is_told(seen: Places) -> None:
    fails(moves.runs_only_on(seen, "baye"), seen.words)


@pytest.mark.parametrize("seen", [SILENT, MOVING, disputed()])
def test_where_nobody_can_tell_where_it_is_nobody_is_blamed(seen: Places) -> None:
    undecided(moves.runs_only_on(seen, "baye"), seen.words)


# Its life


def test_it_answers_after_the_move() -> None:
    holds(moves.answers_after(moved()))


def test_a_guest_that_lost_its_network_for_good_is_a_fault() -> None:
    """H10: told as "cannot be reached", the commonest fault of a live migration was no failure."""
    fails(moves.answers_after(moved(after=inside(boot_id=NOTHING))), "no answer", "on baye", hint="bridge")


@pytest.mark.parametrize(
    "changes",
    [
        {"places": SILENT},  # its host is silent, too
        {"places": MOVING},
        {"before": inside(boot_id=NOTHING)},  # from here it could not be logged in on before either
    ],
)
def test_silence_that_may_be_ours_is_no_fault(changes: dict[str, object]) -> None:
    undecided(moves.answers_after(moved(after=inside(boot_id=NOTHING), **changes)), "no answer")


def test_a_boot_is_kept_or_new_or_unknown() -> None:
    holds(moves.kept_boot(inside(), inside()), BOOT_ID)
    fails(moves.kept_boot(inside(), inside(boot_id=OTHER_BOOT)), OTHER_BOOT, hint="rebooted")
    undecided(moves.kept_boot(inside(), inside(boot_id=NOTHING)), "no answer")
    undecided(moves.kept_boot(inside(boot_id=NOTHING), inside()), BOOT_ID)


def test_a_cold_move_boots_anew() -> None:
    holds(moves.booted_anew(moved(after=inside(boot_id=OTHER_BOOT))), OTHER_BOOT)
    fails(moves.booted_anew(moved()), BOOT_ID, hint="never went down")
    undecided(moves.booted_anew(moved(after=inside(boot_id=NOTHING))), "no answer")
    undecided(moves.booted_anew(moved(before=inside(boot_id=NOTHING))), BOOT_ID)


# Its disk


def test_a_nonce_is_there_or_another_or_gone_or_unread() -> None:
    holds(moves.still_has(inside(), "feedbeef"))
    fails(moves.still_has(inside(nonce="0123"), "feedbeef"), "0123", hint="another disk")
    fails(moves.still_has(inside(nonce=""), "feedbeef"), "nothing")
    fails(moves.still_has(inside(nonce=Unknown("cat: /root/x: No such file or directory")), "feedbeef"), "No such file")
    undecided(moves.still_has(inside(nonce=NOTHING), "feedbeef"), "no answer")
    undecided(moves.still_has(inside(nonce=Unknown("dd: Input/output error")), "feedbeef"), "Input/output error")


@pytest.mark.parametrize(
    "line",
    [
        "EXT4-fs error (device xvda1): ext4_lookup:1700: inode #2: comm ls: deleted inode referenced: 12",
        "blk_update_request: I/O error, dev xvda1, sector 2048",
        "XFS (xvda1): Corruption detected. Unmount and run xfs_repair",
    ],
)
def test_a_disk_in_trouble_is_told(line: str) -> None:
    fails(moves.has_clean_disk(inside(kernel_log=f"[    1.0] Linux\n[   17.2] {line}\n"), ("xvda1",)), line[:20])


@pytest.mark.parametrize(
    "line", ["blk_update_request: I/O error, dev fd0, sector 0", "EXT4-fs (xvda1): mounted filesystem", ""]
)
def test_a_floppy_and_a_mount_are_no_trouble(line: str) -> None:
    holds(moves.has_clean_disk(inside(kernel_log=f"[    1.0] {line}\n"), ("xvda1",)))


def test_a_log_that_may_not_be_read_is_no_trouble_of_the_disk() -> None:
    forbidden = Unknown("dmesg: read kernel buffer failed: Operation not permitted")
    undecided(moves.has_clean_disk(inside(kernel_log=forbidden), ("xvda1",)), "not permitted")


# While paused


def test_a_pause_that_xen_took() -> None:
    holds(moves.pause_was_taken(moved(kind="paused")), "moved to baye")


@pytest.mark.parametrize("words", ["guest did not suspend, timed out"])
def test_a_refusal_leaves_it_paused_where_it_was(words: str) -> None:
    holds(moves.refused_unharmed("guest1", "labubuntu", words, PAUSED), words, "labubuntu (--p---)")


@pytest.mark.parametrize(
    "seen",
    [
        ON_SOURCE,  # it goes on, though nobody let it
        ON_TARGET,
        LOST,
        HALF,
        places(look("labubuntu", guest1="--p---"), look("baye", guest1__incoming="--p---")),
    ],
)
def test_a_refusal_that_harmed_it_is_told(seen: Places) -> None:
    fails(moves.refused_unharmed("guest1", "labubuntu", "timed out", seen), seen.words, hint="xl list")


@pytest.mark.parametrize("seen", [SILENT, MOVING, disputed()])
def test_where_it_cannot_be_told_whether_it_was_harmed(seen: Places) -> None:
    undecided(moves.refused_unharmed("guest1", "labubuntu", "timed out", seen))
