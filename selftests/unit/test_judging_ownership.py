"""No disk and no MAC of two guests: red with a wrong lab, green with an unusual but right one."""

from dataclasses import replace

import pytest
from madeuplooks import (
    FIXED_TEXT,
    NFS,
    POINT,
    ROOT,
    changed,
    config,
    fails,
    files_look,
    holds,
    undecided,
    with_file,
    with_mounts,
)

from xenlab.lab.judging import config as judge
from xenlab.lab.looks import FilesLook, Unknown
from xenlab.outcomes import Finding
from xenlab.remote.filesystems import FileFact
from xenlab.xen.cfg import XlConfig

FOLDER = f"{POINT}/artem"
IMAGE, SWAP = f"{FOLDER}/guest1.img", f"{FOLDER}/guest1.swap"
OTHER_TEXT = FIXED_TEXT.replace("guest1", "guest2").replace("00:85", "00:86")


def beside(other: XlConfig, look: FilesLook | None = None, own: XlConfig | None = None) -> dict[str, Finding]:
    look = look or others_files()
    return {f.id: f for f in judge.serves_one_guest("guest1", own or config(), {"guest2": other}, look)}


def others_files() -> FilesLook:
    look = files_look()
    for number, name in enumerate(("guest2.img", "guest2.swap")):
        path = f"{FOLDER}/{name}"
        look = with_file(with_file(look, path), path, inode=200 + number, size=600_000_000, device=45)
    return look


def test_each_guest_has_disks_and_a_mac_of_its_own() -> None:
    # They share the kernel: nobody writes to that.
    found = beside(config(OTHER_TEXT))
    holds(found["own-files"])
    holds(found["own-mac"])
    assert {f.id for f in judge.serves_one_guest("guest1", config(), {}, files_look())} == {"own-files", "own-mac"}


def test_a_disk_of_two_guests_is_found_by_name_link_and_inode() -> None:
    by_name = beside(changed(OTHER_TEXT, **{"guest2.swap": "guest1.swap"}))["own-files"]
    fails(by_name, f"{SWAP} (xvda2) is guest2's {SWAP}", hint="of its own")
    linked = with_file(others_files(), f"{FOLDER}/guest2.img", inode=100, size=600_000_000)
    fails(beside(config(OTHER_TEXT), linked)["own-files"], "guest2.img (xvda1)")


def test_a_disk_may_be_read_by_several_but_not_beside_a_writer() -> None:
    shared = {"guest2.swap,raw,xvda2,w": "guest1.swap,raw,xvda2,r"}
    reader = changed(OTHER_TEXT, **shared)
    fails(beside(reader)["own-files"], "guest1.swap")
    readers = changed(FIXED_TEXT, **{"guest1.swap,raw,xvda2,w": "guest1.swap,raw,xvda2,r"})
    holds(beside(reader, own=readers)["own-files"])


def test_equal_numbers_on_two_shares_are_two_files() -> None:
    second = "90 25 0:61 / /mnt/second rw - nfs4 10.1.1.143:/srv/second rw,addr=10.1.1.143"
    path = "/mnt/second/guest2.img"
    seen = {"inode": 100, "size": 600_000_000, "device": 61, "export": ("10.1.1.143", "/srv/second")}
    look = with_file(with_file(with_mounts(others_files(), ROOT, NFS, second), path), path, **seen)
    other = changed(OTHER_TEXT, **{f"{FOLDER}/guest2.img": path})
    holds(beside(other, look)["own-files"])
    # One export that is mounted twice, with other options, has two numbers.
    fails(beside(other, with_file(look, path, export=("10.1.1.143", "/srv/private")))["own-files"], path)


def test_what_is_behind_a_device_counts() -> None:
    path = "/dev/mapper/guest2"
    image = FileFact(IMAGE, IMAGE, 100, 600_000_000, 45, True)
    look = with_file(with_file(others_files(), path), path, resolved="/dev/dm-1", is_regular=False, behind=(image,))
    other = changed(OTHER_TEXT, **{f"{FOLDER}/guest2.img": path})
    fails(beside(other, look)["own-files"], path)
    hidden = with_file(look, path, behind=(FileFact(IMAGE, unseen="it cannot be looked at"),))
    undecided(beside(other, hidden)["own-files"], path, "behind")


def test_what_cannot_be_seen_is_not_judged_but_what_is_seen_counts() -> None:
    unseen = with_file(others_files(), f"{FOLDER}/guest2.img", unseen="Stale file handle")
    undecided(beside(config(OTHER_TEXT), unseen)["own-files"], "Stale file handle")
    undecided(
        beside(config(OTHER_TEXT), with_file(others_files(), SWAP, unseen="Stale file handle"))["own-files"], SWAP
    )
    fails(beside(changed(OTHER_TEXT, **{"guest2.swap": "guest1.swap"}), unseen)["own-files"], "guest1.swap")
    blind = replace(others_files(), files=Unknown("no answer"))
    undecided(beside(config(OTHER_TEXT), blind)["own-files"], "no answer")
    fails(beside(changed(OTHER_TEXT, **{"guest2.swap": "guest1.swap"}), blind)["own-files"], "guest1.swap")
    gone = with_file(others_files(), f"{FOLDER}/guest2.img", missing="No such file or directory")
    holds(beside(config(OTHER_TEXT), gone)["own-files"])


@pytest.mark.parametrize("mac", ["00:16:3e:00:00:85", "00:16:3E:00:00:85", "00-16-3e-00-00-85"])
def test_one_mac_for_two_guests_is_found(mac: str) -> None:
    other = changed(OTHER_TEXT, **{"00:16:3e:00:00:86": mac})
    fails(beside(other)["own-mac"], "00:16:3e:00:00:85: guest1 and guest2", hint="mac=")


def test_macs_of_other_guests_alone_and_random_ones_are_no_matter() -> None:
    third = changed(OTHER_TEXT, guest2="guest3")
    found = judge.serves_one_guest("guest1", config(), {"guest2": config(OTHER_TEXT), "guest3": third}, others_files())
    holds({finding.id: finding for finding in found}["own-mac"])
    holds(beside(changed(OTHER_TEXT, **{"mac=00:16:3e:00:00:86,": ""}))["own-mac"])
