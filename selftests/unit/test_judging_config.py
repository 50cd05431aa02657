"""What a guest's config is judged by: each check red with a wrong lab, green with an unusual but right one."""

from dataclasses import replace

import pytest
from madeuplooks import (
    BIND,
    CONFIG_PATH,
    FIXED_TEXT,
    GUEST,
    HOME,
    NFS,
    ORIGINAL_PATH,
    ORIGINAL_TEXT,
    POINT,
    ROOT,
    SERVER,
    changed,
    config,
    config_look,
    config_looks,
    fails,
    files_look,
    holds,
    identity,
    identity_look,
    one,
    share_place,
    undecided,
    with_file,
    with_mounts,
)

from xenlab.errors import LabFault
from xenlab.lab.judging import config as judge
from xenlab.lab.looks import FileIdentity, FilesLook, IdentityLook, Unknown
from xenlab.outcomes import Finding
from xenlab.remote.sections import Answer
from xenlab.xen.cfg import XlConfig
from xenlab.xen.conf import parse_xl_conf

SILENT = Unknown("no answer from 10.1.1.189 within 15 s", "is it up?")
FOLDER = f"{POINT}/artem"
IMAGE, SWAP, KERNEL, RAMDISK = (f"{FOLDER}/{name}" for name in ("guest1.img", "guest1.swap", "vmlinuz", "initrd.img"))


# Reading it


def readable(text: str | Unknown, host: str = HOME) -> Finding:
    looks = tuple(replace(look, text=text) if look.host == host else look for look in config_looks())
    return one(judge.is_readable("guest1", CONFIG_PATH, looks, config()), "config-readable", host)


def test_a_right_config_is_read_on_both_hosts() -> None:
    findings = judge.is_readable("guest1", CONFIG_PATH, config_looks(), config())
    assert [finding.id for finding in findings] == ["config-readable", "config-readable", "names-guest"]
    for finding in findings:
        holds(finding)


@pytest.mark.parametrize("why", ["No such file or directory", "Not a directory", "Permission denied", "Is a directory"])
def test_a_config_that_is_not_there_is_named_with_its_host(why: str) -> None:
    hint = "no_root_squash" if why == "Permission denied" else f"copy the guest's config to {CONFIG_PATH}"
    fails(readable(Unknown(f"cat: {CONFIG_PATH}: {why}"), SERVER), why, hint=hint)
    fails(readable(" \n"), "2 bytes", hint="empty")


@pytest.mark.parametrize("why", ["Stale file handle", "Input/output error", "it did not answer in time", "no answer"])
def test_a_config_that_cannot_be_seen_is_not_missing(why: str) -> None:
    undecided(readable(Unknown(f"cat: {CONFIG_PATH}: {why}")), why)


def test_a_config_must_be_one() -> None:
    fault = LabFault("guest1.cfg:4: unexpected '“'", hint="write plain quotes")
    findings = judge.is_readable("guest1", CONFIG_PATH, config_looks(), fault)
    fails(one(findings, "config-syntax"), "unexpected", hint="plain quotes")
    assert [f.id for f in judge.is_readable("guest1", CONFIG_PATH, config_looks(), SILENT)] == ["config-readable"] * 2


@pytest.mark.parametrize("name", ["guest2", "artem-guest1", "Guest1"])
def test_a_config_names_its_guest(name: str) -> None:
    finding = judge.names_guest("guest1", CONFIG_PATH, changed(FIXED_TEXT, **{'"guest1"': f'"{name}"'}), ("cmd-1",))
    fails(finding, name, hint='name = "guest1"')
    nameless = judge.names_guest("guest1", CONFIG_PATH, changed(FIXED_TEXT, **{'name = "guest1"': ""}), ("cmd-1",))
    fails(nameless, "no name")


def accepted(answer: Answer) -> Finding:
    return judge.xl_accepts("guest1", CONFIG_PATH, replace(config_look(), dryrun=answer))


def test_xl_takes_it_or_says_why_not() -> None:
    holds(accepted(Answer(0, "{}\n", "xl: warning: 'builder' is deprecated\n")))
    words = "/mnt/private/artem/guest1.cfg:4: config parsing error near `\"': lexical error\n"
    fails(accepted(Answer(1, "", f"{words}Failed to parse config\n")), "config parsing error")


@pytest.mark.parametrize("answer", [Answer(None), Answer(124, "{"), Answer(127, "", "xl: not found\n")])
def test_a_dry_run_that_could_not_be_made_is_not_judged(answer: Answer) -> None:
    undecided(accepted(answer))


# Where it leads


def led(look: FilesLook, asked: XlConfig | None = None) -> dict[str, Finding]:
    asked = asked or config()
    findings = list(judge.files_on_share("guest1", asked, CONFIG_PATH, look, [share_place(look)]))
    assert all(finding.id == "path-on-share" and finding.host == look.host for finding in findings)
    return {finding.expected.partition(":")[0]: finding for finding in findings}


@pytest.mark.parametrize("host", [HOME, SERVER])
def test_a_right_config_leads_to_the_share_from_both_hosts(host: str) -> None:
    found = led(files_look(host))
    assert set(found) == {"kernel", "ramdisk", "disk[xvda1]", "disk[xvda2]"}
    for finding in found.values():
        holds(finding, POINT)
        assert finding.guest == "guest1"


def test_a_missing_an_empty_and_an_odd_file_are_told_with_their_line() -> None:
    look = files_look()
    missing = led(with_file(look, KERNEL, missing="No such file or directory"))["kernel"]
    fails(missing, f"{KERNEL}: No such file or directory", hint=f"{CONFIG_PATH} line 4: kernel")
    fails(led(with_file(look, IMAGE, size=0))["disk[xvda1]"], "is empty", hint="copy it again")
    fails(led(with_file(look, IMAGE, is_regular=False))["disk[xvda1]"], "no regular file")


def test_a_file_that_cannot_be_seen_is_not_missing() -> None:
    look = files_look()
    undecided(led(with_file(look, KERNEL, unseen="Stale file handle"))["kernel"], "Stale file handle")
    assert led(with_file(look, KERNEL, unseen="Input/output error"))["ramdisk"].holds is True
    for unseen in (replace(look, files=SILENT), replace(look, mounts=SILENT)):
        for finding in judge.files_on_share("guest1", config(), CONFIG_PATH, unseen, [SILENT]):
            undecided(finding, SILENT.why)
    (first, *_) = judge.files_on_share("guest1", config(), CONFIG_PATH, look, [SILENT])
    undecided(first, SILENT.why)
    unmounted = replace(look, mounts=SILENT)
    (first, *_) = judge.files_on_share("guest1", config(), CONFIG_PATH, unmounted, [share_place(look)])
    undecided(first, SILENT.why)
    undecided(led(replace(look, files=()))["kernel"], "not looked at")


@pytest.mark.parametrize(
    "line",
    [
        "90 83 254:0 /home/artem /mnt/private/artem rw - ext4 /dev/vda rw",
        "90 83 254:16 / /mnt/private/artem rw - ext4 /dev/vdb rw",
        "90 83 0:60 / /mnt/private/artem rw - tmpfs tmpfs rw",
        "90 83 0:61 / /mnt/private/artem rw - nfs4 10.1.1.9:/srv/other rw,addr=10.1.1.9",
        "90 83 0:45 / /mnt/private/artem rw - nfs4 10.1.1.143:/srv/other rw,addr=10.1.1.143",
        "90 83 0:61 / /mnt/private/artem rw - nfs4 10.1.1.143:/srv/private/other rw,addr=10.1.1.143",
        "90 83 254:0 /boot/img /mnt/private/artem/guest1.img rw - ext4 /dev/vda rw",
    ],
    ids=[
        *("a local copy bound below", "a local disk below", "tmpfs below", "another server's export below"),
        *("another export of one file system", "another folder of the share's server", "one file bound over"),
    ],
)
def test_what_is_mounted_below_the_mount_point_is_not_the_share(line: str) -> None:
    finding = led(with_mounts(files_look(), ROOT, NFS, line))["disk[xvda1]"]
    fails(finding, line.split(" - ")[1].split()[1], "not the share", hint=f"{CONFIG_PATH} line 6: disk[xvda1]")


def test_a_link_off_the_share_is_found_and_one_within_it_is_right() -> None:
    look = files_look()
    away = with_file(look, IMAGE, resolved="/home/artem/UbuntuXen.img")
    fails(led(away)["disk[xvda1]"], "leads to /home/artem/UbuntuXen.img", "/dev/vda")
    holds(led(with_file(look, IMAGE, resolved=f"{POINT}/images/guest1.img"))["disk[xvda1]"], "images")


def test_the_server_may_be_led_into_its_export() -> None:
    look = files_look(SERVER)
    linked = with_file(with_mounts(look, ROOT, BIND), IMAGE, resolved="/srv/private/artem/guest1.img")
    holds(led(linked)["disk[xvda1]"])
    fails(led(with_file(look, IMAGE, resolved="/srv/privateer/guest1.img"))["disk[xvda1]"])


def test_what_the_server_mounts_below_its_export_is_part_of_the_share() -> None:
    client = "90 83 0:61 / /mnt/private/artem rw - nfs4 10.1.1.143:/srv/private/artem rw,addr=10.1.1.143"
    holds(led(with_mounts(files_look(), ROOT, NFS, client))["disk[xvda1]"])
    datasets = (
        "84 25 0:70 / /mnt/private rw - zfs tank/private rw",
        "90 84 0:71 / /mnt/private/artem rw - zfs tank/private/artem rw",
    )
    holds(led(with_mounts(files_look(SERVER), ROOT, *datasets))["disk[xvda1]"])
    bound = "90 84 254:0 /home/artem /mnt/private/artem rw - ext4 /dev/vda rw"
    memory = "90 84 0:72 / /mnt/private/artem rw - tmpfs tmpfs rw"
    elsewhere = "90 84 0:72 / /mnt/private/artem rw - nfs4 10.1.1.9:/artem rw"
    for line in (bound, memory, elsewhere):
        fails(led(with_mounts(files_look(SERVER), ROOT, datasets[0], line))["disk[xvda1]"], "not the share")


def test_paths_that_are_not_whole_or_off_the_share_by_their_spelling() -> None:
    asked = changed(FIXED_TEXT, **{KERNEL: "vmlinuz", IMAGE: "/home/artem/guest1.img"})
    found = led(with_file(files_look(), "/home/artem/guest1.img"), asked)
    fails(found["kernel"], "depends on where xl is called")
    fails(found["disk[xvda1]"], "/home/artem/guest1.img", "not the share")


@pytest.mark.parametrize(
    ("disk", "words"),
    [
        ("vdev=xvda,script=block-iscsi,target=iqn.2001-05.com.example:disk", "script block-iscsi"),
        (f"{IMAGE},raw,xvda1,w,backend=storage", "driver domain storage"),
    ],
)
def test_a_disk_of_a_script_or_driver_domain_is_not_on_the_share(disk: str, words: str) -> None:
    asked = config(f"name = 'guest1'\nbootloader = 'pygrub'\ndisk = [ '{disk}' ]\n")
    (finding,) = led(files_look(), asked).values()
    fails(finding, words, hint="image of it on the share")


def test_a_logical_volume_is_not_on_the_share_and_an_empty_cd_drive_is_no_file() -> None:
    asked = config(
        "name = 'guest1'\nbootloader = 'pygrub'\ndisk = [ 'phy:/dev/vg/guest1,xvda,w', ',empty,hdc,cdrom' ]\n"
    )
    volume = with_file(files_look(), "/dev/vg/guest1", resolved="/dev/dm-3", is_regular=False, size=0)
    found = led(with_mounts(volume, ROOT, NFS, "26 25 0:6 / /dev rw - devtmpfs udev rw"), asked)
    assert set(found) == {"disk[xvda]"}
    fails(found["disk[xvda]"], "/dev/dm-3, a block device of", hint="copy the device into an image on the share")


def test_a_shared_folder_of_dom0_is_a_path_as_well() -> None:
    text = "p9 = [ 'tag=home,path={0},security_model=none' ]\n"
    home = with_file(files_look(), f"{POINT}/home", is_regular=False, size=4096)
    holds(led(home, config(FIXED_TEXT + text.format(f"{POINT}/home")))["p9[home]"])
    local = with_file(files_look(), "/srv/home", is_regular=False, size=4096)
    fails(led(local, config(FIXED_TEXT + text.format("/srv/home")))["p9[home]"], "not the share")
    before, after = config(ORIGINAL_TEXT + text.format("/srv/home")), config(FIXED_TEXT + text.format(f"{POINT}/home"))
    assert "p9[home]" not in compared(identity_look(), before, after)


def test_a_kernel_beside_a_bootloader_is_no_file_of_dom0() -> None:
    asked = changed(FIXED_TEXT, **{"memory = 1024": 'memory = 1024\nbootloader = "pygrub"'})
    assert set(led(files_look(), asked)) == {"disk[xvda1]", "disk[xvda2]"}


# Only paths


def against(original: XlConfig | LabFault | Unknown, fixed: str = FIXED_TEXT, before: str = ORIGINAL_TEXT) -> Finding:
    look = replace(config_look(), text=fixed, original=before)
    return judge.only_paths_changed(GUEST, look, original, config(fixed))


def test_only_paths_differ_and_the_proof_shows_it() -> None:
    finding = against(config(ORIGINAL_TEXT))
    holds(finding, "4 paths changed")
    assert f"--- {ORIGINAL_PATH}" in finding.proof
    assert f'+kernel = "{KERNEL}"' in finding.proof


def test_a_config_that_was_right_before_has_nothing_to_change() -> None:
    holds(against(config(FIXED_TEXT), before=FIXED_TEXT), "no paths changed")


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ("memory = 1024", "memory = 512", "memory"),
        ("memory = 1024", "memory = 1024\nvcpus = 4", "vcpus"),
        ("raw,xvda1,w'", "raw,xvda1,r'", "disk[xvda1]"),
        ("bridge=xenbr0", "bridge=br0", "vif"),
    ],
)
def test_what_is_no_path_must_stay(old: str, new: str, key: str) -> None:
    finding = against(config(ORIGINAL_TEXT), FIXED_TEXT.replace(old, new))
    fails(finding, key, hint="undo")
    assert new.splitlines()[-1].partition("'")[0] in finding.proof


def test_a_bridge_that_xl_would_have_taken_anyway_is_no_change() -> None:
    before, fixed = ORIGINAL_TEXT.replace(",bridge=xenbr0", ""), FIXED_TEXT.replace("xenbr0", "br0")
    look = replace(config_look(), text=fixed, original=before)
    fails(judge.only_paths_changed(GUEST, look, config(before), config(fixed)), "vif")
    there = replace(look, xl_conf=parse_xl_conf('vif.default.bridge="br0"\n'))
    holds(judge.only_paths_changed(GUEST, there, config(before), config(fixed)), "4 paths")


def test_passwords_of_consoles_stay_out_of_the_proof() -> None:
    secret = "vncpasswd = 'hunter2'\nvfb = [ 'vnc=1,vncpasswd=hunter2,keymap=de' ]\nspicepasswd=\"hunter2\"\n"
    finding = against(config(ORIGINAL_TEXT), FIXED_TEXT + secret)
    fails(finding, "vncpasswd")
    assert "hunter2" not in finding.proof + finding.actual
    assert "keymap=de" in finding.proof


def test_an_original_that_cannot_be_read_is_not_judged() -> None:
    undecided(against(Unknown("cat: No such file or directory")), ORIGINAL_PATH, "No such file")
    undecided(against(LabFault("guest1.cfg:1: unexpected 'import'", hint="an xm config is Python")), "unexpected")


def test_a_huge_config_is_compared_in_a_moment() -> None:
    lines = [f"# {number % 1000}" for number in range(40_000)]
    look = replace(config_look(), text="\n".join(lines), original="\n".join(reversed(lines)))
    assert judge.only_paths_changed(GUEST, look, config(ORIGINAL_TEXT), config())


# The originals


def compared(look: IdentityLook, original: XlConfig | None = None, fixed: XlConfig | None = None) -> dict[str, Finding]:
    findings = judge.same_as_original("guest1", original or config(ORIGINAL_TEXT), fixed or config(), look)
    return {finding.expected.partition(" ")[0]: finding for finding in findings}


def other_identity(path: str, fact: FileIdentity | Unknown) -> IdentityLook:
    look = identity_look()
    return replace(look, identities={**look.identities, path: fact})


def test_every_file_is_what_it_was() -> None:
    found = compared(identity_look())
    assert set(found) == {"kernel", "ramdisk", "disk[xvda1]", "disk[xvda2]"}
    for finding in found.values():
        holds(finding, "bytes")


@pytest.mark.parametrize(
    ("path", "role", "changes"),
    [
        (KERNEL, "kernel", {"digest": "f" * 64}),
        (RAMDISK, "ramdisk", {"digest": "f" * 64}),
        (IMAGE, "disk[xvda1]", {"uuid": "6c0b0e0a-6a1e-4b5f-9d3c-00000000000f"}),
        (IMAGE, "disk[xvda1]", {"size": 1}),
        (IMAGE, "disk[xvda1]", {"kind": "", "uuid": ""}),
        (KERNEL, "kernel", {"digest": "", "kind": "squashfs"}),
        (SWAP, "disk[xvda2]", {"kind": "", "uuid": ""}),
        (SWAP, "disk[xvda2]", {"size": 1}),
    ],
    ids=[
        "kernel",
        "ramdisk",
        "fresh disk",
        "truncated",
        "empty disk",
        "no kernel",
        "swap without signature",
        "smaller swap",
    ],
)
def test_another_file_in_its_place_is_found(path: str, role: str, changes: dict[str, object]) -> None:
    wrong = replace(identity(path.rpartition("/")[2]), **changes)  # type: ignore[arg-type]
    found = compared(other_identity(path, wrong))
    fails(found.pop(role), path, hint=f"to {path} again")
    assert all(finding.holds for finding in found.values())


def test_disks_and_kernels_that_were_exchanged_are_told_as_such() -> None:
    exchanged = changed(FIXED_TEXT, **{IMAGE: "@", SWAP: IMAGE, "@": SWAP})
    for role in ("disk[xvda1]", "disk[xvda2]"):
        fails(compared(identity_look(), fixed=exchanged)[role], hint="exchanged")
    boot = changed(FIXED_TEXT, **{KERNEL: "@", RAMDISK: KERNEL, "@": RAMDISK})
    for role in ("kernel", "ramdisk"):
        fails(compared(identity_look(), fixed=boot)[role], hint="exchanged")


def test_right_copies_that_are_not_alike_in_everything() -> None:
    # mkswap gives a new UUID, a partition table may be all there is, a device of its own has no size.
    holds(compared(other_identity(SWAP, replace(identity("guest1.swap"), uuid="another")))["disk[xvda2]"])
    bare = replace(identity("guest1.img"), kind="", uuid="")
    look = identity_look()
    both = replace(look, identities={**look.identities, IMAGE: bare, "/home/artem/guest1.img": bare})
    holds(compared(both)["disk[xvda1]"])
    upgraded = replace(identity("guest1.img"), kind="ext3")
    holds(compared(other_identity("/home/artem/guest1.img", upgraded))["disk[xvda1]"])
    holds(compared(other_identity("/home/artem/guest1.img", replace(identity("guest1.img"), size=0)))["disk[xvda1]"])
    big = replace(identity("initrd.img"), digest="")
    holds(compared(other_identity(RAMDISK, big))["ramdisk"])
    fails(compared(other_identity(RAMDISK, replace(big, size=1)))["ramdisk"])


def test_a_disk_is_the_same_by_any_name_of_its_vdev() -> None:
    by_number = changed(ORIGINAL_TEXT, **{"xvda1": "51713"})
    holds(compared(identity_look(), by_number)["disk[xvda1]"])
    fails(compared(other_identity(IMAGE, identity("guest1.swap")), by_number)["disk[xvda1]"], hint="exchanged")


def test_what_is_kept_no_more_and_what_is_no_raw_image_is_not_compared() -> None:
    look = identity_look()
    gone = replace(look, missing=frozenset({"/home/artem/vmlinuz", IMAGE}))
    assert set(compared(gone)) == {"ramdisk", "disk[xvda2]"}
    # What only one of the two names is a matter of only-paths-changed.
    assert "ramdisk" not in compared(look, changed(ORIGINAL_TEXT, **{'ramdisk = "/home/artem/initrd.img"\n': ""}))
    cow = {"guest1.img,raw": "guest1.img,qcow2"}
    found = compared(look, changed(ORIGINAL_TEXT, **cow), changed(FIXED_TEXT, **cow))
    assert "disk[xvda1]" not in found


def test_an_identity_that_is_not_known_is_not_judged() -> None:
    for path in (KERNEL, "/home/artem/vmlinuz"):
        undecided(compared(other_identity(path, SILENT))["kernel"], path, SILENT.why)
    undecided(compared(replace(identity_look(), identities={}))["kernel"], "not looked at")
