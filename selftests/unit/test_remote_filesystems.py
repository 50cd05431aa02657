"""Where a path really lies: by the kernel's own list of mounts, and by device and inode."""

import subprocess
import time
from pathlib import Path

import pytest

from xenlab.errors import CannotObserve
from xenlab.remote import filesystems
from xenlab.remote.filesystems import FileFact, parse_files, parse_mountinfo, place_of

CLIENT = """\
25 1 254:0 / / rw,noatime shared:1 - ext4 /dev/vda rw
83 25 0:32 / /mnt/private rw,relatime shared:42 - nfs4 10.1.1.143:/srv/private rw,vers=4.2,hard,addr=10.1.1.143
"""
SERVER = """\
25 1 254:0 / / rw,noatime shared:1 - ext4 /dev/vda rw
84 25 254:0 /srv/private /mnt/private rw,noatime shared:1 - ext4 /dev/vda rw
"""


def looked_at(*paths: str) -> tuple[FileFact, ...]:
    argv = filesystems.files(paths)
    ran = subprocess.run(
        argv, capture_output=True, text=True, check=False, env={"LC_ALL": "C", "PATH": "/usr/bin:/bin"}
    )
    return parse_files(paths, ran.stdout, ran.stderr)


def test_files_of_this_machine(tmp_path: Path) -> None:
    real, link = tmp_path / "a b'c", tmp_path / "link"
    real.write_text("12345")
    link.symlink_to(real)
    there, through, nowhere, folder, below = looked_at(
        str(real), str(link), str(tmp_path / "none"), str(tmp_path), str(real / "x")
    )
    assert (there.size, there.inode, there.device) == (5, real.stat().st_ino, real.stat().st_dev)
    assert there.is_regular
    assert there.is_there
    assert through.resolved == str(real)
    assert through.is_same(there)
    assert nowhere.missing == "No such file or directory"
    assert not folder.is_regular
    assert below.missing == "Not a directory"


@pytest.mark.parametrize("why", ["Stale file handle", "Permission denied", "Input/output error"])
def test_not_to_see_a_file_is_not_that_it_is_missing(why: str) -> None:
    for words in (f"stat: cannot statx '/x': {why}", f"stat: cannot stat '/x': {why}", f"stat: can't stat '/x': {why}"):
        (fact,) = parse_files(("/x",), "", f"{words}\n")
        assert (fact.missing, fact.unseen) == ("", why)


def test_nothing_said_of_a_file_is_unseen() -> None:
    (fact,) = parse_files(("/x",), "", "bash: warning: setlocale: LC_ALL: cannot change locale (C.UTF-8)\n")
    assert fact.unseen
    assert not fact.missing


def test_a_place_is_told_by_its_mount() -> None:
    mounts = parse_mountinfo(CLIENT)
    share = place_of(mounts, "/mnt/private")
    assert (share.mount.fstype, share.path) == ("nfs4", "/")
    assert place_of(mounts, "/mnt/private/artem/guest1.img").is_below(share)
    assert not place_of(mounts, "/mnt/privateer/guest1.img").is_below(share)
    assert share.mount.option("addr") == "10.1.1.143"
    assert not share.mount.read_only


def test_the_servers_bind_mount_is_the_exported_folder() -> None:
    mounts = parse_mountinfo(SERVER)
    share = place_of(mounts, "/mnt/private")
    assert share.path == "/srv/private"
    assert place_of(mounts, "/srv/private/artem/guest1.img").is_below(share)
    assert not place_of(mounts, "/home/artem/guest1.img").is_below(share)


@pytest.mark.parametrize(
    "line",
    [
        "90 83 254:0 /home/artem /mnt/private/artem rw - ext4 /dev/vda rw",
        "90 83 0:40 / /mnt/private/artem rw - tmpfs tmpfs rw",
        "90 83 0:41 / /mnt/private rw - nfs4 10.1.1.9:/other rw,addr=10.1.1.9",
    ],
    ids=["bind mount of a local copy", "tmpfs on top", "another export on top"],
)
def test_what_is_mounted_below_or_on_top_is_not_the_share(line: str) -> None:
    share = place_of(parse_mountinfo(CLIENT), "/mnt/private")
    covered = parse_mountinfo(f"{CLIENT}{line}\n")
    assert not place_of(covered, "/mnt/private/artem/guest1.img").is_below(share)


def test_the_later_of_two_mounts_at_one_place_is_seen() -> None:
    mounts = parse_mountinfo(f"{CLIENT}91 83 0:50 / /mnt/private rw - tmpfs tmpfs rw\n")
    assert place_of(mounts, "/mnt/private").mount.fstype == "tmpfs"
    assert place_of(mounts, "/mnt").mount.fstype == "ext4"


def test_odd_names_are_undone() -> None:
    (mount,) = parse_mountinfo("36 35 98:0 / /mnt/a\\040b rw - nfs host:/x\\134y rw,addr=1.2.3.4\n")
    assert (mount.target, mount.source) == ("/mnt/a b", "host:/x\\y")


@pytest.mark.parametrize("text", ["", "\n", "nonsense\n", "1 2 3\n"])
def test_what_is_no_mountinfo_is_not_understood(text: str) -> None:
    with pytest.raises(CannotObserve):
        parse_mountinfo(text)


NFS = """\
83 25 0:32 / /mnt/private rw - nfs4 10.1.1.143:/srv/private rw,vers=4.2,addr=10.1.1.143
84 25 0:1033 / /mnt/again ro - nfs4 baye:/srv/private/artem ro,vers=4.2,nosharecache,addr=10.1.1.143
85 25 0:34 / /mnt/team8 rw - nfs4 10.1.1.143:/srv/team8 rw,vers=4.2,addr=10.1.1.143
86 25 0:35 / /mnt/nas rw - nfs 10.1.1.9:/srv/private rw,vers=3,addr=10.1.1.9
"""


def test_one_export_mounted_twice_is_one_file() -> None:
    numbers = {"/mnt/private/a": 32, "/mnt/again/a": 0x400009, "/mnt/team8/a": 34, "/mnt/nas/a": 35, "/zfs/a": 36}
    stats = "".join(f"{number} 7 9 81a4 {path}\n" for path, number in numbers.items())
    mounts = "".join(f"mount {line}\n" for line in NFS.splitlines())
    ours, again, team8, nas, zfs = parse_files(tuple(numbers), stats + mounts, "")
    assert ours.export == ("10.1.1.143", "/srv/private")
    assert ours.is_same(again)
    assert again.is_same(ours)
    # Images made by one script may well have one inode and one size in two exports, data sets or disks.
    assert not any(one.is_same(other) for one in (ours, again) for other in (team8, nas, zfs))
    assert not team8.is_same(zfs)
    assert not ours.is_same(FileFact("/a", missing="No such file or directory"))


def test_a_loop_device_rests_on_its_file(tmp_path: Path) -> None:
    """As sysfs shows it of a partition of a loop device below device-mapper."""
    disk, other = tmp_path / "guest1.img", tmp_path / "guest2.img"
    disk.write_text("1")
    other.write_text("2")
    for device in ("loop3/loop3p1", "loop3/loop", "dm-0/slaves", "loop4/loop"):
        (tmp_path / "sys" / device).mkdir(parents=True)
    for name, target in (("loop3p1", "loop3/loop3p1"), ("dm-0/slaves/loop3p1", "loop3/loop3p1")):
        (tmp_path / "sys" / name).symlink_to(tmp_path / "sys" / target)
    (tmp_path / "sys/loop3p1/partition").write_text("1\n")
    (tmp_path / "sys/loop3/loop/backing_file").write_text(f"{disk}\n")
    (tmp_path / "sys/loop4/loop/backing_file").write_text("/elsewhere.img\n")
    (tmp_path / "sys/loop5/loop").mkdir(parents=True)
    (tmp_path / "sys/loop5/loop/backing_file").write_text(f"{disk} (deleted)\n")
    for name in ("dm-0", "loop3", "loop4", "loop5"):
        (tmp_path / name).write_text("")
    paths = tuple(str(tmp_path / name) for name in ("dm-0", "guest1.img", "guest2.img", "loop3", "loop4", "loop5"))
    script = filesystems.files(paths)[2].replace("/sys/class/block", f"{tmp_path}/sys").replace("/dev/*", "*")
    ran = subprocess.run(["sh", "-c", script, "sh", *paths], capture_output=True, text=True, check=False)
    mapped, image, another, loop, elsewhere, deleted = parse_files(paths, ran.stdout, ran.stderr)
    assert [file.path for file in mapped.behind] == [str(disk)]
    assert mapped.is_same(image)
    assert loop.is_same(image)
    assert loop.is_same(mapped)
    assert not loop.is_same(another)
    assert loop.is_known
    assert not elsewhere.is_known
    assert deleted.is_known
    assert not deleted.is_same(image)


def test_a_real_loop_device_rests_on_its_file(tmp_path: Path) -> None:
    image = tmp_path / "guest1.img"
    image.write_bytes(b"\0" * 65536)
    attached = subprocess.run(["losetup", "-f", "--show", image], capture_output=True, text=True, check=False)
    if attached.returncode:
        pytest.skip(f"no loop device to be had here: {attached.stderr.strip()}")
    device = attached.stdout.strip()
    try:
        file, loop = looked_at(str(image), device)
    finally:
        subprocess.run(["losetup", "-d", device], check=True)
    assert loop.is_same(file)
    assert [one.path for one in loop.behind] == [str(image)]


def test_hostile_lines_take_no_time() -> None:
    begun = time.monotonic()
    parse_files(("/x",), "1 " * 500_000, "stat: cannot statx '" * 50_000)
    with pytest.raises(CannotObserve):
        parse_mountinfo("1 " * 500_000)
    assert time.monotonic() - begun < 2
