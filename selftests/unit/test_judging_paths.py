"""What a look says of a path, and where paths lie under mounts that hide each other."""

from dataclasses import replace

import pytest
from madeuplooks import NFS, POINT, ROOT, files_look, mounts, with_file

from xenlab.lab.judging.paths import fact_of, lies_on, place_at, resolved
from xenlab.lab.looks import Unknown
from xenlab.remote.filesystems import place_of

FILE = f"{POINT}/artem/guest1.img"


@pytest.mark.parametrize(
    ("lines", "path", "source"),
    [
        # What an initramfs mounted before / is listed before it.
        (("22 25 0:6 / /dev rw - devtmpfs udev rw", ROOT), "/dev/vda", "udev"),
        (("1 1 0:2 / / rw - rootfs rootfs rw", "25 1 254:0 / / rw - ext4 /dev/vda rw"), "/etc/fstab", "/dev/vda"),
        ((ROOT, NFS, "84 25 0:50 / /mnt rw - tmpfs tmpfs rw"), FILE, "tmpfs"),
        (
            ("84 25 0:50 / /mnt rw - tmpfs tmpfs rw", ROOT, NFS.replace("83 25", "83 84")),
            FILE,
            "10.1.1.143:/srv/private",
        ),
        ((ROOT, "84 83 0:50 / /mnt/private rw - tmpfs tmpfs rw", NFS), FILE, "tmpfs"),
        ((ROOT, NFS), "/mnt/privateer", "/dev/vda"),
    ],
    ids=[
        "moved by an initramfs",
        "rootfs below",
        "folder above hidden",
        "mounted within",
        "on top, listed first",
        "prefix",
    ],
)
def test_the_mount_that_is_seen_is_found_by_what_is_mounted_on_what(
    lines: tuple[str, ...], path: str, source: str
) -> None:
    assert place_of(mounts(*lines), path).mount.source == source


def test_mounts_that_go_round_in_circles_come_to_an_end() -> None:
    odd = (
        "25 26 254:0 / / rw - ext4 /dev/vda rw",
        "26 25 254:1 / / rw - ext4 /dev/vdb rw",
        "27 27 0:9 / / rw - tmpfs t rw",
    )
    assert place_of(mounts(*odd), "/x").mount.source in ("/dev/vda", "/dev/vdb", "t")


def test_nfs_folders_of_one_file_system_are_told_apart_by_their_source() -> None:
    other = "90 25 0:45 / /mnt/other rw - nfs4 10.1.1.143:/srv/other rw,addr=10.1.1.143"
    whole = "91 25 0:45 / /mnt/whole rw - nfs4 10.1.1.143:/srv rw,addr=10.1.1.143"
    every = mounts(ROOT, NFS, other, whole)
    share = place_of(every, POINT)
    assert place_of(every, "/mnt/whole/private/artem").is_below(share)
    assert not place_of(every, "/mnt/other/artem").is_below(share)
    assert not place_of(every, "/mnt/whole/other").is_below(share)
    assert share.is_below(place_of(every, "/mnt/whole"))


def test_a_place_is_on_no_share_only_where_it_is_known_where_all_are() -> None:
    late = Unknown("late")
    there, share, other = (place_of(mounts(ROOT, NFS), path) for path in (FILE, POINT, "/srv/other"))
    assert lies_on(there, [share]) is lies_on(there, [other, share]) is lies_on(there, [late, share]) is True
    assert lies_on(there, [other]) is lies_on(there, [other, other]) is False
    assert lies_on(there, [late]) is lies_on(there, [other, late]) is late


def test_what_a_look_did_not_ask_or_could_not_see_is_unknown() -> None:
    look = files_look()
    assert resolved(with_file(look, FILE, resolved="/elsewhere"), FILE) == "/elsewhere"
    for unseen in (
        replace(look, files=()),
        replace(look, files=Unknown("late")),
        with_file(look, FILE, unseen="Stale"),
    ):
        assert isinstance(fact_of(unseen, FILE), Unknown)
        assert resolved(unseen, FILE) == FILE
    assert isinstance(place_at(replace(look, mounts=Unknown("late")), FILE), Unknown)
    assert isinstance(place_at(replace(look, mounts=mounts(NFS)), "/etc"), Unknown)
    assert isinstance(place_at(with_file(look, FILE, resolved="no path at all"), FILE), Unknown)
