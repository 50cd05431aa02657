"""A guest that runs, judged: red where its lab is wrong, green on unusual right ones, unknown where it was not seen."""

from dataclasses import replace

import pytest
from madeuplooks import (
    GUEST,
    HOME,
    NFS,
    POINT,
    ROOT,
    fails,
    files_look,
    holds,
    share_place,
    undecided,
    with_file,
    with_mounts,
)
from test_places import RUNS, look, places, unseen

from xenlab.lab.judging import boot
from xenlab.lab.looks import GuestLook, Unknown
from xenlab.lab.observed import PingAnswer
from xenlab.labfile import GuestSpec
from xenlab.remote.facts import Swap
from xenlab.xen.parsers import Domain, DomainDisk

BOOT_ID = "5f0e1d5c-3a51-4f8a-9c38-0f2f0f6d8e11"
NOTHING = Unknown("guest1 cannot be reached: no answer")
FOLDER = f"{POINT}/artem"


def inside(**facts: object) -> GuestLook:
    """A guest that boots from xvda1 and swaps on xvda2."""
    whole = GuestLook(
        host="guest1",
        ids=("cmd-inside",),
        at=6.0,
        boot_id=BOOT_ID,
        uptime=60.0,
        root_devices=("xvda1",),
        swaps=(Swap("/dev/xvda2", 65532),),
        kernel_log="[    0.000000] Linux version 5.10.0\n",
        nonce="feedbeef",
    )
    return replace(whole, **facts)  # type: ignore[arg-type]


def spec(**changes: object) -> GuestSpec:
    return GUEST.model_copy(update=changes)


def domain(*targets: str, kernel: str | None = None, bootloader: str | None = None) -> Domain:
    disks = tuple(DomainDisk(target, f"xvda{number}", "raw", "rw") for number, target in enumerate(targets, 1))
    return Domain("guest1", 3, "pv", kernel, None, bootloader, disks, ())


# Its console, its address, its login


@pytest.mark.parametrize("shown", ["\r\nDebian GNU/Linux 11 guest1 hvc0\r\n\r\nguest1 login: ", "(none) login:"])
def test_a_prompt_is_shown(shown: str) -> None:
    holds(boot.shows_prompt("guest1", HOME, shown, ("cmd-1",)))


@pytest.mark.parametrize("shown", ["", "Last login: Tue Nov 24 on hvc0\r\nroot@guest1:~# ", "[  1.0] Kernel panic"])
def test_what_is_no_prompt_is_told(shown: str) -> None:
    fails(boot.shows_prompt("guest1", HOME, shown, ("cmd-1",)), "the console shows", hint="getty")


def test_pings_are_answered_or_not_or_were_not_sent() -> None:
    silent = ("no reply from 10.1.1.85 in 30 s", "")
    here = PingAnswer("this machine", None, could_send=True)
    assert boot.answers_ping(GUEST, [here]).holds is True
    red = boot.answers_ping(GUEST, [replace(here, silent=silent)])
    assert (red.holds, red.actual) == (False, silent[0])
    assert "bridge" in red.hint
    assert boot.answers_ping(GUEST, [replace(here, silent=("x", "no route from here"))]).hint == "no route from here"
    assert boot.answers_ping(GUEST, [replace(here, silent=silent, could_send=False)]).holds is None


def test_a_guest_is_to_answer_every_seat() -> None:
    hears = PingAnswer("labubuntu", None, could_send=True, evidence=("cmd-1",))
    deaf = PingAnswer("baye", ("it does not answer", ""), could_send=True, evidence=("cmd-2",))
    mute = replace(deaf, silent=("no route", ""), could_send=False)
    red = boot.answers_ping(GUEST, [hears, deaf])
    assert (red.holds, red.actual, red.evidence) == (False, "it does not answer", ("cmd-1", "cmd-2"))
    assert red.expected == "replies to a ping of 10.1.1.85 from labubuntu and baye"
    assert boot.answers_ping(GUEST, [hears, hears]).holds
    assert boot.answers_ping(GUEST, [hears, mute]).holds is None
    assert boot.answers_ping(GUEST, [mute, deaf]).holds is False


def test_a_login_works_or_not_or_cannot_be_tried() -> None:
    assert boot.takes_login("guest1", "over SSH, host key SHA256:x").holds is True
    why = ("waited 180 s for a login on guest1: no answer", "look at its address")
    fails(boot.takes_no_login("guest1", *why, places(look("labubuntu", guest1=RUNS), look("baye"))), "no answer")
    undecided(boot.takes_no_login("guest1", *why, places(look("labubuntu", guest1=RUNS), unseen())))


# What it runs on


def judged(running: Domain, seen: object = None, place: object = None) -> list[object]:
    seen = seen or files_look(HOME)
    return list(boot.devices_on_share(running, seen, [place or share_place(seen)]))  # type: ignore[arg-type]


def test_its_devices_lie_on_the_share() -> None:
    findings = judged(domain(f"{FOLDER}/guest1.img", f"{FOLDER}/guest1.swap", kernel=f"{FOLDER}/vmlinuz"))
    expected = [f"{role} on the share" for role in ("disk xvda1", "disk xvda2", "kernel")]
    assert [finding.expected for finding in findings] == expected  # type: ignore[attr-defined]
    for finding in findings:
        holds(finding, "nfs4")  # type: ignore[arg-type]


@pytest.mark.parametrize("path", ["/home/artem/guest1.img", f"{POINT}-old/guest1.img"])
def test_a_device_beside_the_share_is_told(path: str) -> None:
    (finding,) = judged(domain(path), with_file(files_look(HOME), path))
    fails(finding, path, "ext4", hint="create it again")  # type: ignore[arg-type]


def test_a_device_below_the_share_but_not_on_it_is_told() -> None:
    """By prefix it would be on the share."""
    covered = with_mounts(files_look(HOME), ROOT, NFS, f"90 83 254:0 /home/artem {FOLDER} rw - ext4 /dev/vda rw")
    (finding,) = judged(domain(f"{FOLDER}/guest1.img"), covered)
    fails(finding, "ext4")  # type: ignore[arg-type]


def test_a_device_that_is_gone_is_told() -> None:
    gone = with_file(files_look(HOME), f"{FOLDER}/guest1.img", missing="No such file or directory")
    (finding,) = judged(domain(f"{FOLDER}/guest1.img"), gone)
    fails(finding, "No such file")  # type: ignore[arg-type]


def test_a_link_onto_the_share_leads_there() -> None:
    linked = with_file(files_look(HOME), "/vms/guest1.img", resolved=f"{FOLDER}/guest1.img", device=45)
    (finding,) = judged(domain("/vms/guest1.img"), linked)
    holds(finding)  # type: ignore[arg-type]


def test_what_a_bootloader_took_out_and_an_empty_drive_are_no_devices() -> None:
    running = domain(f"{FOLDER}/guest1.img", "", kernel="/var/run/xen/boot_kernel.x", bootloader="pygrub")
    assert [path for path, _ in boot.device_files(running)] == [f"{FOLDER}/guest1.img"]


@pytest.mark.parametrize("part", ["files", "mounts"])
def test_what_cannot_be_looked_at_is_unknown(part: str) -> None:
    hidden = replace(files_look(HOME), **{part: Unknown("it did not answer in time")})
    place = share_place(files_look(HOME))
    (finding,) = judged(domain(f"{FOLDER}/guest1.img"), hidden, place)
    undecided(finding, "did not answer in time")  # type: ignore[arg-type]


def test_a_stale_device_a_share_that_is_not_seen_and_an_unread_domain_are_unknown() -> None:
    stale = with_file(files_look(HOME), f"{FOLDER}/guest1.img", unseen="Stale file handle")
    (finding,) = judged(domain(f"{FOLDER}/guest1.img"), stale)
    undecided(finding, "Stale file handle")  # type: ignore[arg-type]
    (finding,) = judged(domain(f"{FOLDER}/guest1.img"), None, Unknown("/mnt/private: it was not asked for"))
    undecided(finding, "not asked for")  # type: ignore[arg-type]
    (finding,) = judged(domain(f"{FOLDER}/nobody-asked.img"))
    undecided(finding, "not asked for")  # type: ignore[arg-type]
    undecided(boot.devices_unknown("guest1", HOME, Unknown("xl list -l hangs"), ("cmd-1",)), "hangs")


# / and swap


@pytest.mark.parametrize(
    ("chain", "vdevs", "wanted"),
    [
        (("xvda1",), ("xvda1", "xvda2"), None),  # the disk itself
        (("xvda2", "xvda"), ("xvda",), None),  # a partition of it
        (("dm-0", "xvda2", "xvda"), ("xvda",), "xvda2"),  # LVM on a partition
        (("md0", "xvdb", "xvda"), ("xvda", "xvdb"), None),
        (("xvda1", "xvda"), ("hda",), "hda1"),  # HVM: two names of one
        (("xvda",), ("sda",), "xvda"),
    ],
)
def test_the_root_rests_on_a_disk_of_the_config(
    chain: tuple[str, ...], vdevs: tuple[str, ...], wanted: str | None
) -> None:
    finding = boot.has_root_device(inside(root_devices=chain), spec(root_device=wanted), vdevs)
    holds(finding, chain[0])
    assert finding.expected == f"/ on {wanted or 'a disk of the config'} ({', '.join(vdevs)} in the config)"


@pytest.mark.parametrize(
    ("chain", "vdevs", "wanted"),
    [
        (("xvdb1",), ("xvda1",), None),
        (("xvda10",), ("xvda1",), None),
        (("xvda1",), ("xvda1", "xvda2"), "xvda2"),
        (("nbd0",), ("xvda1",), None),
        (("xvda1",), (), None),
    ],
)
def test_a_root_elsewhere_is_told(chain: tuple[str, ...], vdevs: tuple[str, ...], wanted: str | None) -> None:
    fails(boot.has_root_device(inside(root_devices=chain), spec(root_device=wanted), vdevs), chain[0], hint="root=")


def test_an_unknown_root_or_an_unread_domain_is_no_fault() -> None:
    undecided(boot.has_root_device(inside(root_devices=NOTHING), GUEST, ("xvda1",)), "no answer")
    undecided(boot.has_root_device(inside(), GUEST, Unknown("xl list -l hangs")), "hangs")


@pytest.mark.parametrize(
    ("device", "vdevs"),
    [
        ("/dev/xvda2", ("xvda1", "xvda2")),
        ("/dev/xvda5", ("xvda",)),
        ("/dev/xvdb", ("hdb",)),
        ("/dev/nvme0n1p2", ("nvme0n1",)),
        ("/dev/dm-1", ("xvda",)),
        ("/dev/mapper/vg-swap", ("xvda",)),
        ("/swapfile", ("xvda1",)),
    ],
)
def test_swap_is_on_a_disk(device: str, vdevs: tuple[str, ...]) -> None:
    seen = inside(swaps=(Swap("/dev/zram0", 9), Swap(device, 65532)))
    (finding,) = boot.has_swap(seen, spec(swap=True), vdevs)
    holds(finding, device)
    assert finding.expected == "swap in use on a disk of the config"
    (finding,) = boot.has_swap(seen, spec(swap=False), vdevs)
    fails(finding, device)
    assert finding.expected == "no swap on a disk"


@pytest.mark.parametrize("device", ["/dev/zram0", "/dev/xvda10", "/dev/xvdc1", None])
def test_swap_that_is_on_no_disk_of_its_is_told(device: str | None) -> None:
    seen = inside(swaps=(Swap(device, 65532),) if device else ())
    (finding,) = boot.has_swap(seen, spec(swap=True), ("xvda1",))
    fails(finding, device or "no swap in use", hint="fstab")
    (finding,) = boot.has_swap(seen, spec(swap=False), ("xvda1",))
    holds(finding)


def test_of_swap_that_nobody_prescribes_nothing_is_said() -> None:
    assert list(boot.has_swap(inside(), spec(swap=None), ("xvda1",))) == []


def test_unknown_swap_or_an_unread_domain_is_no_fault() -> None:
    (finding,) = boot.has_swap(inside(swaps=NOTHING), spec(swap=True), ("xvda1",))
    undecided(finding, "no answer")
    (finding,) = boot.has_swap(inside(), spec(swap=True), Unknown("xl list -l hangs"))
    undecided(finding, "/dev/xvda2", "hangs")
