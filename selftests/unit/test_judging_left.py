"""What a run left, judged: its own is told, what others did is a remark, what was not seen is neither."""

from dataclasses import replace

import pytest
from madeuplooks import HOME, NFS, ROOT, fails, holds, host_look, mounts, one, undecided
from test_judging_moves import HALF, LOST, MOVING, ON_SOURCE, ON_TARGET, PAUSED, SILENT, disputed
from test_places import RUNS, look, places

from xenlab.lab.found import GuestFound
from xenlab.lab.judging import left
from xenlab.lab.looks import HostLook, Unknown
from xenlab.lab.places import Places
from xenlab.outcomes import Finding
from xenlab.remote.facts import LoopDevice

OFF, ON_HOME, STOPPED = GuestFound(), GuestFound(host="labubuntu"), GuestFound(host="labubuntu", paused=True)
IMAGE = "/mnt/private/artem/guest1.img"
DISKS = {"guest1": {IMAGE}, "guest2": {"/mnt/private/artem/guest2.img"}}
SILENCE = Unknown("labubuntu cannot be reached: no answer")


def host(*, loops: object = (), migrations: dict[int, str] | None = None, **states: str) -> HostLook:
    """labubuntu with these domains, loop devices and acts under way."""
    files = loops if isinstance(loops, Unknown) else tuple(LoopDevice(f"/dev/loop{n}", f) for n, f in enumerate(loops))  # type: ignore[arg-type, var-annotated]
    return replace(host_look(HOME), domains=look(HOME, migrations=migrations, **states), loops=files)


# Where guests are


@pytest.mark.parametrize(
    ("seen", "found"),
    [
        (LOST, OFF),
        (ON_SOURCE, ON_HOME),
        (PAUSED, STOPPED),
        (places(look("labubuntu", guest1="r-----", other=RUNS), look("baye")), ON_HOME),
    ],
)
def test_a_guest_in_place(seen: Places, found: GuestFound) -> None:
    holds(left.guest_in_place(seen, found), seen.words)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (OFF, "shut down, as found"),
        (ON_HOME, "on labubuntu"),
        (STOPPED, "on labubuntu, paused"),
        (GuestFound(unclear="on both"), "as found: on both"),
    ],
)
def test_it_says_how_the_guest_was_found(found: GuestFound, expected: str) -> None:
    assert left.guest_in_place(ON_TARGET, found).expected == expected


@pytest.mark.parametrize(
    ("seen", "found"),
    [
        (ON_SOURCE, OFF),
        (LOST, ON_HOME),
        (ON_TARGET, ON_HOME),
        (PAUSED, ON_HOME),
        (ON_SOURCE, STOPPED),
        (HALF, ON_HOME),
        (HALF, OFF),  # H2: by its exact name it is on no host
        (places(look("labubuntu", guest1="---ss-"), look("baye")), ON_HOME),  # H5: suspended for good
    ],
)
def test_a_guest_out_of_place(seen: Places, found: GuestFound) -> None:
    fails(left.guest_in_place(seen, found), seen.words)


@pytest.mark.parametrize(
    ("seen", "found"),
    [
        (SILENT, OFF),
        (MOVING, ON_HOME),  # H4: listed on its source still, it passed as in place
        (disputed(), OFF),
        (ON_SOURCE, GuestFound(unclear="on baye as guest1--incoming")),
    ],
)
def test_where_it_cannot_be_told_whether_it_is_in_place(seen: Places, found: GuestFound) -> None:
    undecided(left.guest_in_place(seen, found), seen.words)


# Halves


@pytest.mark.parametrize("name", ["guest1--incoming", "guest2--migratedaway"])
def test_a_half_of_a_named_guest_is_told(name: str) -> None:
    states = {name.replace("--", "__"): "--p---"}
    fails(left.nothing_half_moved(host(**states), DISKS), name, hint="may be the only copy")


def test_others_halves_and_domains_are_none_of_ours() -> None:
    """H7: a colleague's payroll was a stray, with the advice to destroy it."""
    seen = host(payroll=RUNS, mail__incoming="--p---", guest10__incoming="--p---", guest1=RUNS)
    holds(left.nothing_half_moved(seen, DISKS), "none")


def test_halves_on_a_host_that_is_not_seen_are_unknown() -> None:
    hidden = replace(host_look(HOME), domains=replace(look(HOME), rows=SILENCE))
    undecided(left.nothing_half_moved(hidden, DISKS), "no answer")


# What else is there


def judged(before: HostLook, now: HostLook, ours: object = ()) -> list[Finding]:
    return list(left.no_leftovers(before, now, DISKS, ours))  # type: ignore[arg-type]


def test_a_host_that_is_as_it_was() -> None:
    for finding in judged(host(), host()):
        holds(finding, "none")


@pytest.mark.parametrize(
    ("before", "now"),
    [
        ((), (IMAGE,)),
        ((IMAGE,), (IMAGE, IMAGE)),  # one more of what was there
    ],
)
def test_a_disk_that_stays_attached_without_its_guest_is_told(before: tuple[str, ...], now: tuple[str, ...]) -> None:
    finding = one(judged(host(loops=before), host(loops=now)), "no-stray-loop-devices")
    fails(finding, IMAGE, hint="losetup -l")


@pytest.mark.parametrize(
    ("before", "now", "states"),
    [
        ((), (IMAGE,), {"guest1": RUNS}),  # its guest is here
        ((), (IMAGE,), {"guest1__incoming": "--p---"}),  # told as a half
        ((IMAGE,), (IMAGE,), {}),  # it was there before
        ((), ("/snap/core.snap", "/srv/payroll.img"), {}),  # H7: others'
        ((IMAGE,), (), {}),
    ],
)
def test_other_loop_devices_are_none_of_ours(
    before: tuple[str, ...], now: tuple[str, ...], states: dict[str, str]
) -> None:
    holds(one(judged(host(loops=before), host(loops=now, **states)), "no-stray-loop-devices"))


@pytest.mark.parametrize(
    "args",
    [
        "xl migrate guest1 baye",
        'sh -c "$@" /run/xenlab-1a2b3c4d/guest2-3 xl create /mnt/private/artem/guest2.cfg',
    ],
)
def test_an_act_on_a_guest_that_is_under_way_is_told(args: str) -> None:
    finding = one(judged(host(), host(migrations={7: args}, guest1=RUNS)), "no-stray-processes")
    fails(finding, args, hint="ends by itself")


@pytest.mark.parametrize(
    "args",
    ["xl migrate-receive", "xl create /etc/xen/payroll.cfg", "xl migrate mail baye", "libxl-save-helper --save 8"],
)
def test_the_monitor_of_an_arrived_guest_and_others_acts_are_no_strays(args: str) -> None:
    """H6: on every lab whose guests run when found, the hint was to end the guest's own monitor."""
    holds(one(judged(host(), host(migrations={7: args}, guest1=RUNS)), "no-stray-processes"))


def test_a_file_of_this_run_is_told() -> None:
    file = "/mnt/private/.xenlab-1a2b3c4d-baye"
    finding = one(judged(host(), host(), (file,)), "no-stray-files")
    assert finding.holds is False
    assert finding.actual == file
    assert finding.hint


@pytest.mark.parametrize("kind", ["loop-devices", "processes", "files"])
def test_what_could_not_be_seen_is_no_pass(kind: str) -> None:
    hidden = replace(host().domains, migrations=SILENCE)
    now = {"loop-devices": host(loops=SILENCE), "processes": replace(host(), domains=hidden), "files": host()}[kind]
    ours = SILENCE if kind == "files" else ()
    findings = judged(host(), now, ours)
    undecided(one(findings, f"no-stray-{kind}"), "no answer")
    assert sum(finding.holds is None for finding in findings) == 1


def test_loop_devices_of_a_host_whose_domains_are_not_seen_are_unknown() -> None:
    hidden = replace(host(loops=(IMAGE,)), domains=replace(host().domains, rows=SILENCE))
    undecided(one(judged(host(), hidden), "no-stray-loop-devices"))
    undecided(one(judged(host(loops=SILENCE), host()), "no-stray-loop-devices"))


# What others did


def test_what_others_did_is_a_remark() -> None:
    before = replace(host(mail=RUNS, guest1=RUNS), mounts=mounts(ROOT))
    now = replace(host(payroll=RUNS, guest1__incoming="--p---"), mounts=mounts(ROOT, NFS))
    assert list(left.what_others_did(before, now, DISKS)) == [
        "labubuntu: a domain payroll came meanwhile",
        "labubuntu: a domain mail went meanwhile",
        "labubuntu: mounted meanwhile: 10.1.1.143:/srv/private on /mnt/private",
    ]
    assert list(left.what_others_did(before, before, DISKS)) == []


def test_of_a_host_that_was_not_seen_nothing_is_remarked() -> None:
    hidden = replace(host(), domains=replace(host().domains, rows=SILENCE), mounts=SILENCE)
    assert list(left.what_others_did(host(mail=RUNS), hidden, DISKS)) == []
