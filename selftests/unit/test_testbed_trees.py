"""What is put on the embedded machines' disks, and the guests' move onto the share."""

import shutil
import subprocess
import tarfile
from pathlib import Path

import paramiko
import pytest

from xenlab.errors import UsageError
from xenlab.testbed.keys import LabKeys
from xenlab.testbed.overlay import Overlay
from xenlab.testbed.plan import GUEST_PASSWORD, GUESTS, HOSTS, MOUNT_POINT, SERVER, GuestPlan, HostPlan
from xenlab.testbed.profiles import PROFILES, profile_named
from xenlab.testbed.provision import shared_paths
from xenlab.testbed.trees import dom0_overlay, guest_overlay, original_config
from xenlab.xen.cfg import XlConfig, parse_config, rewrite_paths
from xenlab.xen.changes import compare

KEYS = LabKeys.generate([*HOSTS, *GUESTS])
KERNEL = "6.1.0-xen"

both_profiles = pytest.mark.parametrize("profile", PROFILES)
both_guests = pytest.mark.parametrize("guest", GUESTS, ids=lambda guest: guest.name)


def config_of(guest: GuestPlan, profile: str) -> tuple[str, XlConfig]:
    text = original_config(guest, profile_named(profile), KERNEL)
    return text, parse_config(text)


# Configs


@both_profiles
@both_guests
def test_the_original_config_is_the_reports(guest: GuestPlan, profile: str) -> None:
    _, config = config_of(guest, profile)
    boot = [] if guest.boots_by == "pygrub" else [f"/boot/vmlinuz-{KERNEL}", f"/boot/initrd.img-{KERNEL}"]
    disks = [f"/home/{guest.owner}/UbuntuXen.{suffix}" for suffix in ("img", "swap")]
    assert sorted(entry.path for entry in config.paths()) == sorted(boot + disks)
    assert config.name == guest.name
    assert config.type == {"modern": "pvh", "classic": "pv"}[profile]
    assert config.memory == profile_named(profile).guest_memory_mib
    assert [(disk.vdev, disk.access) for disk in config.disks] == [("xvda1", "rw"), ("xvda2", "rw")]
    assert [(vif.mac, vif.bridge) for vif in config.vifs] == [(guest.mac, "xenbr0")]
    assert (config.bootloader == "pygrub") == (guest.boots_by == "pygrub")


@both_profiles
@both_guests
def test_the_move_onto_the_share_changes_every_path_and_nothing_else(guest: GuestPlan, profile: str) -> None:
    text, original = config_of(guest, profile)
    before = [entry.path for entry in original.paths()]
    mapping = shared_paths(guest, before)
    fixed = parse_config(rewrite_paths(text, mapping))
    after = [entry.path for entry in fixed.paths()]
    assert set(mapping) == set(before)
    assert len(set(after)) == len(before)
    assert all(path.startswith(f"{MOUNT_POINT}/{guest.owner}/") for path in after)
    assert f"{MOUNT_POINT}/{guest.owner}/{guest.name}.img" in after
    changes = compare(original, fixed)
    assert len(changes) == len(before)
    assert {change.kind for change in changes} == {"path"}


def test_an_unknown_profile_is_refused() -> None:
    with pytest.raises(UsageError, match="--profile vintage: no such profile"):
        profile_named("vintage")


# Keys and trees


def test_known_hosts_has_every_machine_by_name_and_address(tmp_path: Path) -> None:
    (tmp_path / "known_hosts").write_text(KEYS.known_hosts)
    known = paramiko.HostKeys(str(tmp_path / "known_hosts"))
    for machine in (*HOSTS, *GUESTS):
        public = KEYS.host_public[machine.name].split()[1]
        for name in (machine.name, machine.address):
            found = known.lookup(name)
            assert found is not None
            assert found["ssh-ed25519"].get_base64() == public
    assert len(set(KEYS.host_public.values())) == len(HOSTS) + len(GUESTS)


def test_private_keys_belong_to_their_public_ones(tmp_path: Path) -> None:
    pairs = [(KEYS.login_private, KEYS.login_public)]
    pairs += [(KEYS.host_private[machine.name], KEYS.host_public[machine.name]) for machine in (*HOSTS, *GUESTS)]
    for private, public in pairs:
        (tmp_path / "key").write_text(private)
        key = paramiko.Ed25519Key.from_private_key_file(str(tmp_path / "key"))
        assert key.get_base64() == public.split()[1]


def members(overlay: Overlay, folder: Path) -> tuple[dict[str, tarfile.TarInfo], dict[str, str]]:
    overlay.write(folder / "overlay.tar")
    with tarfile.open(folder / "overlay.tar") as archive:
        infos = {info.name.removeprefix("."): info for info in archive}
        files = {name: archive.extractfile(info) for name, info in infos.items() if info.isfile()}
        return infos, {name: file.read().decode() for name, file in files.items() if file}


def test_an_overlay_carries_modes_owners_and_links(tmp_path: Path) -> None:
    tree = Overlay()
    tree.directory("/root", 0o700)
    tree.file("/root/key", b"\0secret", 0o600)
    tree.file("/etc/hostname", "old\n")
    tree.file("/etc/hostname", "new\n")
    tree.mask("a.service", "b.timer")
    tree.enable("c.service")
    infos, files = members(tree, tmp_path)
    assert {(info.uid, info.gid) for info in infos.values()} == {(0, 0)}
    assert (infos["/root"].isdir(), infos["/root"].mode) == (True, 0o700)
    assert (infos["/root/key"].mode, files["/root/key"]) == (0o600, "\0secret")
    assert (infos["/etc/hostname"].mode, files["/etc/hostname"]) == (0o644, "new\n")
    for unit in ("a.service", "b.timer"):
        assert (infos[f"/etc/systemd/system/{unit}"].issym(), infos[f"/etc/systemd/system/{unit}"].linkname) == (
            True,
            "/dev/null",
        )
    wanted = "/etc/systemd/system/multi-user.target.wants/c.service"
    assert infos[wanted].linkname == "/etc/systemd/system/c.service"


@both_profiles
@pytest.mark.parametrize("host", HOSTS, ids=lambda host: host.name)
def test_a_dom0_tree(host: HostPlan, profile: str, tmp_path: Path) -> None:
    infos, files = members(dom0_overlay(host, profile_named(profile), KEYS), tmp_path)
    assert files["/etc/hostname"] == f"{host.name}\n"
    for private in ("/root/.ssh/id_ed25519", "/root/.ssh/authorized_keys", "/etc/ssh/ssh_host_ed25519_key"):
        assert infos[private].mode == 0o600
    assert infos["/root/.ssh"].mode == 0o700
    assert files["/etc/ssh/ssh_host_ed25519_key"] == KEYS.host_private[host.name]
    for machine in (*HOSTS, *GUESTS):
        assert f"{machine.address}\t{machine.name}\n" in files["/etc/hosts"]
    assert f"{host.address}/24 dev xenbr0" in files["/etc/systemd/system/xenlab-network.service"]
    assert infos[MOUNT_POINT].isdir()
    serves = "/etc/systemd/system/nfs-server.service" not in infos
    assert serves == ("/etc/exports" in files) == (host is SERVER)
    masked = {name.rpartition("/")[2] for name, info in infos.items() if info.linkname == "/dev/null"}
    assert "apt-daily.timer" in masked
    assert ("rpcbind.service" in masked) == (profile == "modern")
    assert not masked & {"ssh.service", "xenconsoled.service", "xen-init-dom0.service", "xenlab-network.service"}


def test_the_exports_let_root_write() -> None:
    exports = dom0_overlay(SERVER, profile_named("modern"), KEYS)._entries["/etc/exports"][1].decode()
    assert "(rw,sync,no_root_squash,no_subtree_check)" in exports


@both_guests
def test_a_guest_tree(guest: GuestPlan, tmp_path: Path) -> None:
    own = (b"kernel", b"initrd") if guest.boots_by == "pygrub" else (None, None)
    infos, files = members(guest_overlay(guest, KEYS, *own), tmp_path)
    assert ("/boot/grub/grub.cfg" in files) == (guest.boots_by == "pygrub")
    for script in ("/etc/init.d/start", "/etc/init.d/stop"):
        assert infos[script].mode == 0o755
        assert script in files["/etc/inittab"]
    assert f"ip address add {guest.address}/24 dev eth0" in files["/etc/init.d/start"]
    assert "/root/.ssh/id_ed25519" not in files, "no guest can log in on the others"


def test_root_of_a_guest_has_a_password_for_the_console_alone(tmp_path: Path) -> None:
    infos, files = members(guest_overlay(GUESTS[0], KEYS, None, None), tmp_path)
    assert infos["/etc/shadow"].mode == 0o600
    user, hashed, *ageing = files["/etc/shadow"].strip().split(":")
    _, method, salt, _ = hashed.split("$")
    assert (user, method, len(ageing)) == ("root", "6", 7)
    assert "PasswordAuthentication no\n" in files["/etc/ssh/sshd_config.d/xenlab.conf"]
    for host in HOSTS:
        assert "/etc/shadow" not in dom0_overlay(host, profile_named("modern"), KEYS)._entries
    if not (openssl := shutil.which("openssl")):
        pytest.skip("openssl, which can hash the password again, is not installed")
    argv = [openssl, "passwd", "-6", "-salt", salt, GUEST_PASSWORD]
    assert subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip() == hashed
