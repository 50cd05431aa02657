"""What the share and a guest's config are judged by."""

import pytest
from fakelab import CONFIG, EXPORT, MOUNT_POINT, ORIGINAL, FakeLab, FakeRemote, SeenAtExport, config, failed, findmnt

from xenlab.errors import CannotObserve, LabFault
from xenlab.remote import commands
from xenlab.xen.cfg import ConfigPath

# The share


def test_a_good_share(lab: FakeLab) -> None:
    assert lab.share.is_exported_by_one()
    assert lab.share.lets_root_write()
    assert lab.share.is_mounted_by_nfs()


@pytest.mark.parametrize(
    ("source", "fstype", "target"),
    [
        (f"/dev/vda[{EXPORT}]", "ext4", MOUNT_POINT),  # a bind mount
        ("/dev/vda", "ext4", "/"),  # nothing is mounted there
        (f"10.1.1.143:{EXPORT}", "fuse.sshfs", MOUNT_POINT),  # it looks like NFS by its source
        ("10.1.1.143:/srv/other", "nfs4", MOUNT_POINT),  # another export
        (f"10.1.1.143:{EXPORT}[/artem]", "nfs4", MOUNT_POINT),  # a folder of it, bound there
        (f"10.1.1.144:{EXPORT}", "nfs4", MOUNT_POINT),  # another server
        (f"10.1.1.143:{EXPORT}", "nfs4", "/mnt"),  # mounted above it
    ],
)
def test_nfs_is_told_by_type_source_and_place(source: str, fstype: str, target: str, lab: FakeLab) -> None:
    lab.home.says[commands.mount_of(MOUNT_POINT)] = findmnt(source, fstype, target)
    finding = lab.share.is_mounted_by_nfs()
    failed(finding, source, fstype, target)
    assert f"mount -t nfs 10.1.1.143:{EXPORT} {MOUNT_POINT}" in finding.hint
    assert finding.host == "labubuntu"


@pytest.mark.parametrize("source", [f"10.1.1.143:{EXPORT}", f"baye:{EXPORT}", f"baye:{EXPORT}/"])
@pytest.mark.parametrize("fstype", ["nfs", "nfs4"])
def test_the_server_may_be_named_or_numbered(source: str, fstype: str, lab: FakeLab) -> None:
    lab.home.says[commands.mount_of(MOUNT_POINT)] = findmnt(source, fstype)
    assert lab.share.is_mounted_by_nfs()


def test_two_servers_or_none_are_not_one(lab: FakeLab) -> None:
    lab.home.says[commands.exports()] = f"{EXPORT} <world>(rw,no_root_squash)\n"
    failed(lab.share.is_exported_by_one(), "labubuntu and baye")
    lab.server.says[commands.exports()] = ""
    failed(lab.share.is_exported_by_one(), "labubuntu")
    lab.home.says[commands.exports()] = "/srv/other <world>(rw,no_root_squash)\n"
    failed(lab.share.is_exported_by_one(), "no host")


def test_a_silent_host_exports_neither_something_nor_nothing(lab: FakeLab) -> None:
    lab.unreachable(lab.home)
    with pytest.raises(CannotObserve):
        lab.share.is_exported_by_one()


def test_a_host_without_an_nfs_server_exports_nothing(lab: FakeLab) -> None:
    lab.home.says[commands.exports()] = (127, "", "sh: 1: exportfs: not found")
    assert lab.share.exports_of(lab.first) == ()


def test_an_exportfs_that_fails_does_not_read_as_no_export(lab: FakeLab) -> None:
    lab.home.says[commands.exports()] = (1, "", "exportfs: could not open /var/lib/nfs/.etab.lock")
    with pytest.raises(LabFault) as fault:
        lab.share.is_exported_by_one()
    assert (fault.value.host, fault.value.actual) == ("labubuntu", "exportfs: could not open /var/lib/nfs/.etab.lock")
    assert "NFS server" in fault.value.hint


@pytest.mark.parametrize("options", ["rw,root_squash", "ro,no_root_squash", "rw,no_root_squash,all_squash"])
def test_squashed_root_or_read_only_is_refused(options: str, lab: FakeLab) -> None:
    lab.server.says[commands.exports()] = f"{EXPORT} 10.1.1.0/24({options})\n"
    failed(lab.share.lets_root_write(), options)


@pytest.mark.parametrize("writer", ["first", "second"])
def test_a_nonce_written_on_one_host_is_read_on_both_and_removed(writer: str, lab: FakeLab) -> None:
    before = dict(lab.shared)
    findings = lab.share.carries_a_nonce(getattr(lab, writer))
    assert [bool(finding) for finding in findings] == [True, True]
    assert lab.shared == before


def test_a_nonce_in_another_folder_is_not_shared(lab: FakeLab) -> None:
    lab.home.files = dict(lab.shared)  # the client has a folder of its own there
    findings = lab.share.carries_a_nonce(lab.first)
    assert [finding.host for finding in findings] == ["baye", "baye"]
    for finding in findings:
        failed(finding, "No such file")


def test_a_stale_nonce_is_another_one(lab: FakeLab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("secrets.token_hex", lambda _: "feedbeef" * 4)
    lab.home.files = dict(lab.shared)
    lab.shared[f"{MOUNT_POINT}/.xenlab-nonce-feedbeef"] = "0123\n"
    for finding in lab.share.carries_a_nonce(lab.first):
        failed(finding, "0123")


def test_a_write_that_fails_is_told_in_its_own_words(lab: FakeLab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("secrets.token_hex", lambda _: "feedbeef" * 4)
    path = f"{MOUNT_POINT}/.xenlab-nonce-feedbeef"
    lab.home.says[commands.write_nonce(path, "feedbeef" * 4)] = (1, "", "dd: Permission denied")
    for finding in lab.share.carries_a_nonce(lab.first):
        failed(finding, "Permission denied")


def test_same_file_means_same_size_and_ends_on_both(lab: FakeLab) -> None:
    path = f"{MOUNT_POINT}/artem/guest1.img"
    digest = commands.ends_digest(path)
    assert lab.share.shows_same(path, "guest1")
    lab.server.says[digest] = f"99 {'a' * 64} {'b' * 64}"
    lab.home.says[digest] = f"99 {'a' * 64} {'c' * 64}"
    failed(lab.share.shows_same(path, "guest1"), "99 bytes", "not the same content")
    lab.server.says[digest] = (1, "", f"{path} cannot be read")
    failed(lab.share.shows_same(path, "guest1"), "baye", "cannot be read")


# The config


def paths(lab: FakeLab) -> dict[str, ConfigPath]:
    return {entry.key: entry for entry in lab.guest.config.paths()}


def test_files_on_the_share_hold_from_both_hosts(lab: FakeLab) -> None:
    for host in lab.hosts:
        assert [lab.guest.config.names_file(entry, host).holds for entry in paths(lab).values()] == [True, True]


def test_a_missing_file_is_told_with_its_line(lab: FakeLab) -> None:
    del lab.shared[f"{MOUNT_POINT}/artem/vmlinuz"]
    finding = lab.guest.config.names_file(paths(lab)["kernel"], lab.second)
    failed(finding, f"{MOUNT_POINT}/artem/vmlinuz does not exist")
    assert f"{CONFIG} line 4: put the file there" in finding.hint
    assert (finding.host, finding.guest) == ("baye", "guest1")


def test_a_directory_is_no_file(lab: FakeLab) -> None:
    path = f"{MOUNT_POINT}/artem/vmlinuz"
    lab.home.says[commands.is_file(path)] = (1, "", "")  # it is there, and readlink -e resolves it
    failed(lab.guest.config.names_file(paths(lab)["kernel"], lab.first), f"{path} is no file")


def test_a_file_beside_the_share_is_refused(lab: FakeLab) -> None:
    lab.shared[CONFIG] = config("/home/artem")
    lab.home.files["/home/artem/guest1.img"] = "bytes"
    finding = lab.guest.config.names_file(paths(lab)["disk[xvda1]"], lab.first)
    failed(finding, "/home/artem/guest1.img")
    assert f"must name a file below {MOUNT_POINT}" in finding.hint


@pytest.mark.parametrize("place", ["/home/artem/guest1.img", f"{MOUNT_POINT}-old/guest1.img"])
def test_a_link_on_the_share_that_leads_away_from_it_is_refused(place: str, lab: FakeLab) -> None:
    lab.home.files[place] = "bytes"
    lab.home.links[f"{MOUNT_POINT}/artem/guest1.img"] = place
    failed(lab.guest.config.names_file(paths(lab)["disk[xvda1]"], lab.first), f"is {place}")


def test_a_link_onto_the_share_is_fine(lab: FakeLab) -> None:
    lab.shared[CONFIG] = config("/vms")
    lab.home.links["/vms/guest1.img"] = f"{MOUNT_POINT}/artem/guest1.img"
    assert lab.guest.config.names_file(paths(lab)["disk[xvda1]"], lab.first)


def test_the_servers_mount_point_may_be_a_link_to_the_export(lab: FakeLab) -> None:
    lab.server.links[MOUNT_POINT] = EXPORT
    for entry in paths(lab).values():
        assert lab.guest.config.names_file(entry, lab.second)


def test_the_clients_mount_point_may_not_be_a_link_to_a_folder_named_as_the_export(lab: FakeLab) -> None:
    lab.home.files = SeenAtExport(lab.shared)
    lab.home.links[MOUNT_POINT] = EXPORT
    for entry in paths(lab).values():
        failed(lab.guest.config.names_file(entry, lab.first), f"is {EXPORT}/artem/")


def test_only_paths_may_change(lab: FakeLab) -> None:
    lab.home.files[ORIGINAL] = config("/home/artem")
    finding = lab.guest.config.differs_only_in_paths(ORIGINAL)
    assert finding
    assert finding.actual == "2 paths changed"
    changed = [line for line in finding.proof.splitlines() if line[0] in "+-"][2:]
    assert [line[:8] for line in changed] == ["-kernel=", "-disk = ", "+kernel=", "+disk = "]


def test_another_memory_is_more_than_a_path(lab: FakeLab) -> None:
    lab.home.files[ORIGINAL] = config("/home/artem", memory=256)
    failed(lab.guest.config.differs_only_in_paths(ORIGINAL), "memory: 256", "128")


def test_a_config_that_was_only_copied_is_not_fixed(lab: FakeLab) -> None:
    lab.home.files[ORIGINAL] = config()
    failed(lab.guest.config.differs_only_in_paths(ORIGINAL), "no path was changed")


def test_a_config_that_is_not_there_is_a_fault_of_the_lab(lab: FakeLab) -> None:
    with pytest.raises(LabFault) as fault:
        lab.guest.config.differs_only_in_paths(ORIGINAL)
    assert f"{ORIGINAL} cannot be read on labubuntu" in fault.value.message
    assert fault.value.hint


def test_a_fake_answers_nothing_that_nobody_told_it() -> None:
    with pytest.raises(AssertionError, match="unexpected"):
        FakeRemote("baye").run("uptime")
