"""How the share is mounted, and what it carries: red with a wrong lab, green with an unusual but right one."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from madeuplooks import (
    ADDRESSES,
    BIND,
    EXPORT,
    HOME,
    NFS,
    POINT,
    ROOT,
    SERVER,
    SHARE,
    fails,
    files_looks,
    holds,
    one,
    share_look,
    share_looks,
    trip,
    undecided,
    with_file,
    with_mounts,
)

from xenlab.lab.judging import share as judge
from xenlab.lab.looks import ShareLook, Unknown
from xenlab.outcomes import Finding
from xenlab.remote.sections import Answer

SILENT = Unknown("no answer from 10.1.1.143 within 15 s", "is it up?")


def client_with(*lines: str, **facts: object) -> tuple[ShareLook, ShareLook]:
    look = with_mounts(share_look(HOME), *lines) if lines else share_look(HOME)
    return replace(look, **facts), share_look(SERVER)  # type: ignore[arg-type]


def server_with(*lines: str, **facts: object) -> tuple[ShareLook, ShareLook]:
    look = with_mounts(share_look(SERVER), *lines) if lines else share_look(SERVER)
    return share_look(HOME), replace(look, **facts)  # type: ignore[arg-type]


def mounted(looks: Sequence[ShareLook], host: str = HOME) -> Finding:
    return one(judge.is_mounted(looks, SHARE, ADDRESSES), "mounted-by-nfs", host)


# Mounted


def test_a_right_share_is_mounted() -> None:
    holds(mounted(share_looks()), f"10.1.1.143:{EXPORT} on {POINT}, type nfs4")
    holds(mounted(share_looks(), SERVER), f"{POINT} is {EXPORT}")


def nfs(source: str, addr: str = "10.1.1.143", fstype: str = "nfs4", target: str = POINT, options: str = "rw") -> str:
    return f"83 25 0:45 / {target} {options},relatime - {fstype} {source} {options},vers=4.2,addr={addr}"


@pytest.mark.parametrize(
    "line",
    [
        nfs("baye:/srv/private"),
        nfs("BAYE.lab.example:/srv/private/"),
        nfs("10.1.1.143:/"),
        nfs("[fd00::143]:/srv/private", "fd00::143"),
        nfs("storage:/srv/private", "192.168.99.2"),
        nfs("10.1.1.163:/private", "10.1.1.163"),
        nfs("10.1.1.143:/srv/private", fstype="nfs"),
        nfs("10.1.1.143:/srv", target="/mnt"),
        nfs("10.1.1.143:/srv/private/lab"),
    ],
    ids=[
        "by name",
        "by full name",
        "pseudo-root",
        "IPv6",
        "second NIC",
        "alias",
        "NFSv3",
        "mounted above",
        "folder below",
    ],
)
def test_whose_share_it_is_the_nonces_tell_and_not_the_spelling(line: str) -> None:
    holds(mounted(client_with(ROOT, line)), "nfs")


def test_an_address_that_the_lab_file_does_not_know_is_worth_a_word() -> None:
    holds(mounted(client_with(ROOT, nfs("storage:/srv/private", "192.168.99.2"))), "192.168.99.2 is no address of baye")
    named_only = judge.is_mounted(share_looks(), SHARE, {HOME: {HOME}, SERVER: {SERVER}})
    assert "no address" not in one(named_only, "mounted-by-nfs", HOME).actual


def test_an_automount_that_came_about_is_a_mount() -> None:
    autofs = "82 25 0:44 / /mnt/private rw,relatime - autofs systemd-1 rw,fd=40,direct"
    holds(mounted(client_with(ROOT, autofs, NFS.replace("83 25", "83 82"))), "nfs4")
    direct = client_with(ROOT, autofs)
    fails(mounted(direct), "autofs", hint="mount -t nfs 10.1.1.143:/srv/private /mnt/private")
    refused = Answer(2, "", "ls: cannot access '/mnt/private/.': No such device\n")
    fails(mounted(client_with(ROOT, autofs, entered=refused)), "automounter", "No such device", hint="mount -t nfs")
    undecided(mounted(client_with(ROOT, autofs, entered=Answer(124))))


def test_a_mount_point_may_be_a_link() -> None:
    look = with_mounts(share_look(HOME), ROOT, NFS.replace("/mnt/private", "/net/baye"))
    looks = with_file(look, POINT, resolved="/net/baye"), share_look(SERVER)
    holds(mounted(looks), "/net/baye")
    fails(mounted((with_file(look, POINT, resolved="/home/copy"), looks[1])), "nothing is mounted", "/home/copy")


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ((ROOT,), ("nothing is mounted", "/dev/vda", "ext4")),
        ((ROOT, "83 25 254:0 /home/copy /mnt/private rw - ext4 /dev/vda rw"), ("/dev/vda", "no NFS")),
        ((ROOT, "83 25 0:50 / /mnt/private rw - fuse.sshfs root@baye:/srv/private rw"), ("fuse.sshfs", "no NFS")),
        ((ROOT, NFS, "84 83 0:50 / /mnt/private rw - tmpfs tmpfs rw"), ("tmpfs", "over the NFS mount")),
        ((ROOT, NFS, "84 83 254:16 / /mnt/private rw - ext4 /dev/vdb rw"), ("/dev/vdb", "over the NFS mount")),
        ((ROOT, NFS, "84 25 0:50 / /mnt rw - tmpfs tmpfs rw"), ("tmpfs", "on /mnt", "over the NFS mount")),
        ((ROOT, NFS.replace("/mnt/private", "/mnt/share")), ("nothing is mounted",)),
    ],
    ids=[
        "nothing",
        "a copy bound",
        "sshfs",
        "tmpfs on top",
        "a disk on top",
        "tmpfs on the folder above",
        "another path",
    ],
)
def test_what_lies_there_instead_is_named(lines: tuple[str, ...], words: tuple[str, ...]) -> None:
    fails(mounted(client_with(*lines)), *words)


def test_a_mount_that_cannot_be_written_is_refused_on_either_side() -> None:
    fails(mounted(client_with(ROOT, nfs("10.1.1.143:/srv/private", options="ro"))), "read-only", hint="fstab")
    fails(mounted(server_with(ROOT, BIND.replace("rw,noatime", "ro,noatime")), SERVER), "read-only")


def test_a_missing_mount_point_is_named() -> None:
    gone = Answer(2, "", f"ls: cannot access '{POINT}/.': No such file or directory\n")
    looks = (
        with_file(client_with(ROOT, entered=gone)[0], POINT, missing="No such file or directory"),
        share_look(SERVER),
    )
    fails(mounted(looks), "does not exist on labubuntu", hint=f"mkdir -p {POINT}, then mount -t nfs")
    nowhere = replace(looks[1], host=SERVER, entered=gone)
    finding = mounted((looks[0], nowhere), SERVER)
    fails(finding, "does not exist on baye")
    assert "only" not in finding.hint
    silent = looks[0], replace(looks[1], exports=Answer(None))
    fails(mounted(silent), "does not exist on labubuntu", hint="mount -t nfs 10.1.1.143:/srv/private")


def test_a_folder_that_root_may_not_enter_is_squashed() -> None:
    denied = Answer(2, "", f"ls: cannot access '{POINT}/.': Permission denied\n")
    fails(mounted(client_with(entered=denied)), "Permission denied", hint="no_root_squash")


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (Answer(2, "", "ls: cannot access '/mnt/private/.': Stale file handle\n"), "mount made anew on labubuntu"),
        (Answer(2, "", "ls: cannot access '/mnt/private/.': Input/output error\n"), "kernel log of labubuntu"),
        (Answer(124, "", ""), "does baye answer it"),
        (Answer(137, "", "ls: cannot access '/mnt/private/.': No such file or directory\n"), "does baye answer it"),
    ],
    ids=["stale", "soft", "hard", "killed"],
)
def test_a_mount_whose_server_does_not_answer_is_in_trouble(answer: Answer, hint: str) -> None:
    fails(mounted(client_with(entered=answer)), "cannot be looked into", hint=hint)
    undecided(mounted(client_with(ROOT, entered=answer)), "cannot be looked into")
    undecided(mounted(client_with(entered=answer, mounts=SILENT)), "cannot be looked into")
    down = replace(share_look(HOME), entered=answer), replace(share_look(SERVER), nfsd_threads=0)
    assert "baye's NFS server does not run" in mounted(down).hint


@pytest.mark.parametrize("answer", [Answer(None, "", ""), Answer(127, "", "ls: not found\n")])
def test_a_mount_that_was_not_looked_into_is_not_judged(answer: Answer) -> None:
    undecided(mounted(client_with(entered=answer)), "cannot be looked into")


def test_a_mount_of_which_the_host_says_nothing_is_not_judged() -> None:
    undecided(mounted(client_with(mounts=SILENT)), SILENT.why)
    undecided(mounted(client_with(files=SILENT)), SILENT.why)


# The server's own way into it


@pytest.mark.parametrize(
    "lines",
    [
        (ROOT, BIND),
        (
            ROOT,
            "30 25 253:3 / /srv/private rw - xfs /dev/vg/share rw",
            "84 25 253:3 / /mnt/private rw - xfs /dev/vg/share rw",
        ),
        (ROOT, nfs("127.0.0.1:/srv/private", "127.0.0.1")),
        (
            ROOT,
            "30 25 0:30 /@share /srv/private rw - btrfs /dev/vdb rw",
            "84 25 0:30 /@share /mnt/private rw - btrfs /dev/vdb rw",
        ),
    ],
    ids=["bind mount", "a disk of its own", "NFS of itself", "btrfs"],
)
def test_the_server_may_reach_its_export_in_its_own_way(lines: tuple[str, ...]) -> None:
    holds(mounted(server_with(*lines), SERVER))


def test_the_server_may_reach_its_export_by_a_link_or_at_once() -> None:
    linked = with_file(with_mounts(share_look(SERVER), ROOT), POINT, resolved=EXPORT)
    holds(mounted((share_look(HOME), linked), SERVER))
    same = SHARE.model_copy(update={"export": POINT})
    looks = share_look(HOME), with_mounts(share_look(SERVER), ROOT)
    holds(one(judge.is_mounted(looks, same, ADDRESSES), "mounted-by-nfs", SERVER))
    # The client may have mounted a folder above the export, or one within it: so may the server.
    for folder in ("/srv", f"{EXPORT}/lab"):
        look = with_file(with_mounts(share_look(SERVER), ROOT), POINT, resolved=folder)
        holds(mounted((share_look(HOME), look), SERVER), folder)
    # The export itself may be a link to another disk.
    data = "31 25 254:16 / /data rw - ext4 /dev/vdb rw"
    look = with_mounts(share_look(SERVER), ROOT, data, "84 25 254:16 /private /mnt/private rw - ext4 /dev/vdb rw")
    holds(mounted((share_look(HOME), with_file(look, EXPORT, resolved="/data/private")), SERVER), "/dev/vdb")


@pytest.mark.parametrize(
    "lines",
    [
        (ROOT,),
        (ROOT, "84 25 254:0 /home/copy /mnt/private rw - ext4 /dev/vda rw"),
        (ROOT, "84 25 254:0 /srv/privateer /mnt/private rw - ext4 /dev/vda rw"),
        (ROOT, "30 25 253:3 / /srv/private rw - xfs /dev/vg/share rw", BIND),
        (ROOT, BIND, "85 84 0:50 / /mnt/private rw - tmpfs tmpfs rw"),
    ],
    ids=["a folder of its own", "a copy", "a name that begins so", "bound before the disk was mounted", "tmpfs on top"],
)
def test_a_copy_on_the_server_is_found(lines: tuple[str, ...]) -> None:
    fails(mounted(server_with(*lines), SERVER), POINT, hint="mount --bind /srv/private /mnt/private")


# Nonces


def shared(**facts: object) -> Finding:
    return one(judge.nonces_are_shared([replace(trip(), **facts)]), "nonce-shared")  # type: ignore[arg-type]


WARNING = "bash: warning: setlocale: LC_ALL: cannot change locale (C.UTF-8)\n"


def test_nonces_that_arrive() -> None:
    there, back = judge.nonces_are_shared([trip(), trip(SERVER, HOME)])
    holds(there, "it is")
    holds(back)
    assert (there.host, back.host) == (SERVER, HOME)


def test_a_warning_beside_success_is_no_complaint() -> None:
    loud = Answer(0, "feedbeef" * 4 + "\n", WARNING)
    holds(shared(wrote=Answer(0, "", WARNING), read=loud))
    missing = Answer(1, "", f"{WARNING}cat: /mnt/private/.xenlab-nonce: No such file or directory\n")
    finding = shared(wrote=Answer(0, "", WARNING), read=missing)
    fails(finding, "cat: /mnt/private/.xenlab-nonce: No such file or directory", hint="findmnt")
    assert "setlocale" not in finding.actual


def test_another_nonce_is_another_folder() -> None:
    fails(shared(read=Answer(0, "0123\n")), "0123", hint="findmnt")
    fails(shared(read=Answer(0, "")), "nothing")


@pytest.mark.parametrize(
    ("why", "hint"),
    [
        ("Read-only file system", "read-only"),
        ("No space left on device", "df -h"),
        ("Disk quota exceeded", "make room"),
        ("Permission denied", "no_root_squash"),
        ("Operation not permitted", "no_root_squash"),
        ("No such file or directory", "findmnt"),
    ],
)
def test_a_write_that_is_refused_is_the_writers_trouble(why: str, hint: str) -> None:
    line = f"dd: failed to open '/mnt/private/.xenlab-nonce': {why}"
    finding = shared(wrote=Answer(1, "", f"{WARNING}{line}\n"), read=Answer(1, "", "cat: No such file or directory\n"))
    fails(finding, line, hint=hint)
    assert finding.host == HOME


def test_a_read_that_is_refused_is_squashed() -> None:
    fails(
        shared(read=Answer(1, "", "dd: failed to open '/x': Permission denied\n")), "Permission denied", hint="squash"
    )


@pytest.mark.parametrize(
    "answer",
    [
        Answer(1, "", "dd: fsync failed for '/x': Input/output error\n"),
        Answer(1, "", "dd: failed to open '/x': Stale file handle\n"),
        Answer(124, "", ""),
        Answer(None, "", "no answer from baye: No such file or directory"),
        Answer(127, "", "sh: dd: not found\n"),
    ],
)
def test_a_trip_that_could_not_be_made_is_not_judged(answer: Answer) -> None:
    undecided(shared(wrote=answer), "not written")
    undecided(shared(read=answer))


# The same files

IMAGE = f"{POINT}/artem/guest1.img"


def same(changes: dict[str, object], growing: tuple[str, ...] = ()) -> Finding:
    home, server = files_looks()
    (finding,) = judge.same_files((home, with_file(server, IMAGE, **changes)), {}, {IMAGE: "guest1"}, growing)
    return finding


def test_one_file_from_both_hosts() -> None:
    findings = judge.same_files(files_looks(), {}, {IMAGE: "guest1", f"{POINT}/artem/vmlinuz": "guest1"})
    assert len(findings) == 2
    for finding in findings:
        holds(finding, "inode")
        assert finding.guest == "guest1"


def test_clones_are_two_files() -> None:
    fails(same({"inode": 4711}), "labubuntu: inode 100", "baye: inode 4711")
    fails(same({"size": 1}), "1 bytes")


def test_an_image_that_grows_may_be_ahead_on_one_host() -> None:
    holds(same({"size": 1}, growing=(IMAGE,)))
    fails(same({"inode": 4711}, growing=(IMAGE,)))


def test_a_file_that_one_host_lacks_is_named_with_the_host() -> None:
    finding = same({"missing": "No such file or directory"})
    fails(finding, "baye: No such file or directory")
    assert "labubuntu" not in finding.actual


def test_a_name_that_leads_nowhere_on_either_host_is_not_blamed_on_the_share() -> None:
    home, server = (with_file(look, IMAGE, missing="No such file or directory") for look in files_looks())
    assert judge.same_files((home, server), {}, {IMAGE: "guest1"}) == ()
    (config,) = judge.same_files((home, server), {IMAGE: "guest1"}, {})
    fails(config, "labubuntu: No such file or directory; baye: No such file or directory")


def test_a_link_to_where_one_host_has_nothing_is_left_to_the_paths_step() -> None:
    home, server = files_looks()
    home = with_file(home, IMAGE, resolved="/home/artem/UbuntuXen.img")
    server = with_file(server, IMAGE, missing="No such file or directory")
    assert judge.same_files((home, server), {}, {IMAGE: "guest1"}) == ()


def test_a_file_that_cannot_be_seen_is_not_missing() -> None:
    undecided(same({"unseen": "Stale file handle"}), "Stale file handle", "baye")
    home, server = files_looks()
    undecided(judge.same_files((home, replace(server, files=SILENT)), {}, {IMAGE: "guest1"})[0], SILENT.why)
    undecided(judge.same_files((home, server), {}, {"/mnt/private/other": "guest1"})[0], "not looked at")
