"""./lab init on labs of many kinds, from the call to the lab.toml: what it writes, asks for, and leaves alone.

The hosts are played (`foundlab`): every command really runs, in this machine's sh, on what a real host printed.
"""

import re
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from foundlab import BAYE, GUEST1_MAC, LABUBUNTU, FoundLab, told_config

from xenlab.cli.main import main
from xenlab.labfile import LabFile, load
from xenlab.testbed import emulation

CALL = (f"root@{LABUBUNTU}", BAYE)
NFS = "83 25 0:32 / {point} rw,relatime shared:42 - nfs4 {source} rw,vers=4.2,sec=sys,clientaddr=x,addr={address}"
ROOT_ONLY = "25 1 254:0 / / rw,noatime shared:1 - ext4 /dev/vda rw\n"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIM4PFFf1GhqsQSj/lhZG0tqmo+h1tFuHGwd0lKl+6Fg"


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FoundLab]:
    """Two hosts as the embedded lab has them, met without SSH; the guests' keys are known. Nothing of it is changed."""
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh/known_hosts").write_text("".join(f"10.1.1.{n} {KEY}\n" for n in range(70, 100)))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    found = FoundLab(tmp_path / "hosts")
    monkeypatch.setattr("xenlab.discovery.session.RemoteHost", found.remote())
    yield found
    assert not [argv for argv, changes in found.ran() if changes]


@pytest.fixture
def init(lab: FoundLab, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """./lab init with these words, ending so; returns what it said on stdout."""

    def call(*words: str, ends: int = 0, hosts: tuple[str, ...] = CALL) -> str:
        capsys.readouterr()
        assert main(["init", *hosts, *words]) == ends, capsys.readouterr()
        said = capsys.readouterr()
        assert said.out.splitlines()[-1].startswith("next: ./lab ")
        assert Path("lab.toml").exists() == (ends == 0 or "--update" in words)
        return said.out

    return call


Init = Callable[..., str]


def made() -> LabFile:
    return load(Path("lab.toml"))


def behind(key: str, number: int = 0) -> str:
    """The comment behind the n-th value of that key."""
    return re.findall(rf"^{key} = .*?  # (.*)$", Path("lab.toml").read_text(), re.MULTILINE)[number]


def missing(said: str) -> dict[str, str]:
    """Why each value is missing, by its key."""
    return dict(re.findall(r"^missing: (\S+): (.*)$", said, re.MULTILINE))


def perhaps(said: str) -> list[str]:
    return re.findall(r"^    perhaps (.*?) \(", said, re.MULTILINE)


# A right lab


def test_a_lab_like_the_embedded_one_is_found_whole(lab: FoundLab, init: Init) -> None:
    said = init()
    spec = made()
    assert [(host.name, host.address, host.port, host.via) for host in spec.hosts] == [
        ("labubuntu", LABUBUNTU, 22, None),
        ("baye", BAYE, 22, None),
    ]
    assert spec.share.model_dump() == {"server": "baye", "export": "/srv/private", "mount_point": "/mnt/private"}
    guest1, guest2 = spec.guests
    assert guest1.model_dump(exclude={"known_hosts"}, exclude_none=True) == {
        **{"name": "guest1", "address": "10.1.1.85", "user": "root", "port": 22, "sudo": True, "login": "ssh"},
        **{"home": "labubuntu", "config": "/mnt/private/artem/guest1.cfg", "ping_target": "10.1.1.1"},
        **{"original_config": "/home/artem/guest1.cfg", "root_device": "xvda1", "swap": True},
    }
    assert (guest2.home, guest2.address, guest2.root_device) == ("baye", "10.1.1.86", "xvda1")
    assert spec.probes == type(spec.probes)()
    assert said.splitlines()[-1] == "next: ./lab verify --lab lab.toml"


def test_each_value_says_where_it_was_seen(lab: FoundLab, init: Init) -> None:
    init()
    lines = [line for line in Path("lab.toml").read_text().splitlines() if " = " in line]
    assert len(lines) > 20
    assert all("  # " in line for line in lines)
    assert behind("address", 2) == f"ip neigh on labubuntu: xenbr0, by its MAC {GUEST1_MAC}"
    assert behind("home", 0) == "it runs there (xenstore)"
    assert behind("ping_target", 1) == "the default gateway of baye, by xenbr0; it answers pings"
    assert behind("export").startswith("mounted on labubuntu: 10.1.1.143:/srv/private, type nfs4")


def test_guests_that_are_off_are_found_by_their_configs_and_names(lab: FoundLab, init: Init) -> None:
    """As in the embedded lab when it is found: the hosts' /etc/hosts names the guests."""
    lab.off()
    lab.baye.says("getent", "10.1.1.85       guest1\n10.1.1.86       guest2\n")
    init()
    assert [(guest.name, guest.address, guest.home) for guest in made().guests] == [
        ("guest1", "10.1.1.85", "labubuntu"),
        ("guest2", "10.1.1.86", "baye"),
    ]
    assert behind("address", 2) == "getent hosts guest1 on baye"
    assert behind("home") == "its original config lies there: /home/artem/guest1.cfg"


def test_emulated_hosts_are_given_more_time(lab: FoundLab, init: Init) -> None:
    for host in lab.hosts.values():
        host.has("/proc/cpuinfo", "processor : 0\nmodel name : QEMU TCG CPU version 2.5+\nflags : fpu\n")
    init()
    data = tomllib.loads(Path("lab.toml").read_text())
    assert (data["probes"], data["timeouts"]) == (emulation.PROBES, emulation.TIMEOUTS)
    assert "QEMU TCG" in behind("max_outside_gap_ms")


# Other right labs


def test_open_vswitch_and_hosts_that_know_each_other_by_name(lab: FoundLab, init: Init) -> None:
    for host, name in ((lab.labubuntu, "baye.lab"), (lab.baye, "labubuntu.lab")):
        (host.root / "sys/class/net/xenbr0/bridge").rmdir()
        host.says("ovs-vsctl", "xenbr0\n")
        host.says("ssh", f"{name}\n")
    lab.labubuntu.says("getent", f"{BAYE} baye.lab baye\n")
    lab.baye.says("getent", f"{LABUBUNTU} labubuntu.lab\n")
    for host in lab.hosts.values():
        host.has("/etc/xen/xl.conf", 'vif.default.script="vif-openvswitch"\n')
    assert "note:" not in init()
    assert [host.peer_address for host in made().hosts] == ["labubuntu.lab", "baye.lab"]
    assert behind("peer_address") == "root on baye gets in by it, not by the address"


def test_ssh_to_the_peer_leaves_nothing_behind(lab: FoundLab, init: Init) -> None:
    init()
    calls = (lab.baye.answers / "ssh-calls").read_text()
    for option in ("BatchMode=yes", "StrictHostKeyChecking=yes", "UpdateHostKeys=no", "ControlMaster=no"):
        assert option in calls


def test_a_host_that_does_not_get_to_the_other_is_a_remark(lab: FoundLab, init: Init) -> None:
    lab.baye.says("ssh", "")
    assert "note: root on baye does not get to labubuntu without being asked anything" in init()
    assert made().hosts[0].peer_address is None


def test_hosts_behind_forwarded_ports_and_their_guests_through_them(lab: FoundLab, init: Init) -> None:
    lab.hosts["127.0.0.1"] = lab.labubuntu
    lab.hosts["gate.example.org"] = lab.baye
    init(hosts=("root@127.0.0.1:40001", "root@gate.example.org:40002"))
    spec = made()
    assert [(h.address, h.ssh_address, h.port, h.peer_port) for h in spec.hosts] == [
        (LABUBUNTU, "127.0.0.1", 40001, 22),
        (BAYE, "gate.example.org", 40002, 22),
    ]
    assert {guest.via for guest in spec.guests} == {"hosts"}
    assert "SSH_CONNECTION" in behind("address")


def test_a_login_that_tells_no_connection_has_its_address_on_the_common_network(lab: FoundLab, init: Init) -> None:
    for address, host in list(lab.hosts.items()):
        host.says("connection", "")
        host.also_says("address", f"3: eth1 inet 172.16.{address[-1]}.5/24 scope global eth1")
        lab.hosts[host.name] = host
    init(hosts=("labubuntu", "baye"))
    assert [(host.address, host.ssh_address) for host in made().hosts] == [(LABUBUNTU, "labubuntu"), (BAYE, "baye")]


def test_an_export_below_the_root_of_nfs_4(lab: FoundLab, init: Init) -> None:
    """A client of an export with fsid=0 mounts SERVER:/private, and the server has it elsewhere (exports(5))."""
    lab.baye.says("exportfs", "/srv \t10.1.1.0/24(rw,fsid=0,no_root_squash)\n")
    lab.labubuntu.has("/proc/self/mountinfo", ROOT_ONLY)
    lab.labubuntu.mounts(NFS.format(point="/mnt/private", source="baye:/private", address=BAYE))
    init()
    assert made().share.export == "/srv/private"


def test_of_several_shares_the_one_with_configs_is_taken(lab: FoundLab, init: Init) -> None:
    lab.labubuntu.mounts(NFS.format(point="/mnt/scratch", source="10.1.1.143:/srv/scratch", address=BAYE))
    lab.labubuntu.mounts(NFS.format(point="/mnt/music", source="10.1.1.9:/music", address="10.1.1.9"))
    lab.labubuntu.has("/mnt/scratch/grub.txt", "nothing")
    lab.baye.also_says("exportfs", "/srv/scratch 10.1.1.0/24(rw)")
    init()
    assert made().share.export == "/srv/private"


def test_of_several_shares_with_configs_one_is_to_be_named(lab: FoundLab, init: Init) -> None:
    lab.labubuntu.mounts(NFS.format(point="/mnt/team8", source="10.1.1.143:/srv/team8", address=BAYE))
    lab.labubuntu.has("/mnt/team8/guest8.cfg", "name='guest8'\ndisk=['/mnt/team8/guest8.img,raw,xvda,w']\n")
    lab.baye.also_says("exportfs", "/srv/team8 10.1.1.0/24(rw)")
    said = init(ends=2)
    assert missing(said) == {"share": "several shares may be meant"}
    assert perhaps(said) == ["baye:/srv/private=/mnt/private", "baye:/srv/team8=/mnt/team8"]
    init("--share", "/mnt/private")
    assert [guest.name for guest in made().guests] == ["guest1", "guest2"]


def test_guests_that_run_on_the_peer_are_at_home_there(lab: FoundLab, init: Init) -> None:
    stored, listed = ((lab.labubuntu.answers / name).read_text() for name in ("xenstore-ls", "xl"))
    lab.off()
    lab.baye.says("xenstore-ls", stored)
    lab.baye.says("xl", listed)
    lab.baye.says("neigh", f"10.1.1.85 dev xenbr0 lladdr {GUEST1_MAC} REACHABLE\n")
    said = init("--guest", "guest2=10.1.1.86")
    guest1, guest2 = made().guests
    assert (guest1.home, guest1.original_config, guest2.home) == ("baye", None, "baye")
    assert "note: guest1: its original config /home/artem/guest1.cfg lies on labubuntu, not on its home baye" in said
    Path("lab.toml").unlink()
    init("--guest", "guest2=10.1.1.86", "--home", "guest1=labubuntu")
    assert made().guests[0].original_config == "/home/artem/guest1.cfg"


def test_addresses_from_leases_from_the_kernels_command_line_and_from_comments(lab: FoundLab, init: Init) -> None:
    lab.off()
    lab.baye.has("/var/lib/misc/dnsmasq.leases", f"1799999999 {GUEST1_MAC} 10.1.1.91 guest1 *\n")
    guest2 = told_config("baye", "config-0").replace("/home/gaspar/UbuntuXen", "/mnt/private/gaspar/guest2")
    lab.share("/gaspar/guest2.cfg", f'{guest2}extra="ip=10.1.1.92::10.1.1.1:255.255.255.0 quiet"\n')
    guest3 = "# reached at 10.1.1.93\nname='guest3'\ndisk=['/mnt/private/guest3.img,raw,xvda,w']\n"
    lab.share("/guest3.cfg", guest3)
    init("--home", "guest3=baye")
    assert [guest.address for guest in made().guests] == ["10.1.1.91", "10.1.1.92", "10.1.1.93"]
    assert [behind("address", n) for n in (2, 3, 4)] == [
        f"DHCP lease on baye, by its MAC {GUEST1_MAC}: /var/lib/misc/dnsmasq.leases",
        "ip= of its kernel's command line in /mnt/private/gaspar/guest2.cfg",
        "a comment in /mnt/private/guest3.cfg",
    ]


def test_who_says_another_address_is_told(lab: FoundLab, init: Init) -> None:
    lab.baye.says("getent", "10.1.1.99 guest1\n")
    said = init()
    assert "note: guest1: 10.1.1.99 by getent hosts guest1 on baye, but 10.1.1.85 was taken" in said


# Labs of which something is missing


def test_what_is_missing_is_listed_with_what_to_type_and_nothing_is_written(lab: FoundLab, init: Init) -> None:
    lab.off()
    said = init(ends=2)
    assert list(missing(said)) == ["guests.guest1.address", "guests.guest2.address"]
    assert f"has its MAC ({GUEST1_MAC})" in missing(said)["guests.guest1.address"]
    last = "next: ./lab init root@10.1.1.189 root@10.1.1.143 --guest guest1=ADDRESS --guest guest2=ADDRESS"
    assert said.splitlines()[-1] == last
    init("--guest", "guest1=10.1.1.85", "--guest", "guest2=lab@10.1.1.86")
    assert [(guest.user, guest.address) for guest in made().guests] == [("root", "10.1.1.85"), ("lab", "10.1.1.86")]


def test_two_guests_with_one_mac_are_not_told_by_it(lab: FoundLab, init: Init) -> None:
    lab.off()
    twin = told_config("labubuntu", "config").replace("guest1", "twin").replace("/artem/", "/twin/")
    lab.share("/twin/twin.cfg", twin)
    lab.baye.has("/home/gaspar/twin.cfg", twin.replace("/mnt/private", "/home"))
    lab.baye.says("neigh", f"10.1.1.85 dev xenbr0 lladdr {GUEST1_MAC} REACHABLE\n")
    said = init("--guest", "guest2=10.1.1.86", ends=2)
    assert list(missing(said)) == ["guests.guest1.address", "guests.twin.address"]
    assert f"note: guest1 and twin have one MAC, {GUEST1_MAC}" in said


def test_two_configs_of_one_guest_are_told_apart_by_the_disks_it_runs_on(lab: FoundLab, init: Init) -> None:
    old = told_config("labubuntu", "config").replace("/artem/", "/old/")
    lab.share("/old/guest1.cfg", old)
    init()
    assert made().guests[0].config == "/mnt/private/artem/guest1.cfg"
    Path("lab.toml").unlink()
    lab.off()
    addresses = ("--guest", "guest1=10.1.1.85", "--guest", "guest2=10.1.1.86")
    said = init(*addresses, ends=2)
    assert missing(said) == {"guests.guest1.config": "several configs on the share name it"}
    assert perhaps(said) == ["/mnt/private/artem/guest1.cfg", "/mnt/private/old/guest1.cfg"]
    init(*addresses, "--config", "guest1=/mnt/private/old/guest1.cfg")
    assert made().guests[0].config == "/mnt/private/old/guest1.cfg"


def test_a_share_that_is_not_mounted_yet(lab: FoundLab, init: Init) -> None:
    lab.off()
    for host in lab.hosts.values():
        host.has("/proc/self/mountinfo", ROOT_ONLY)
    addresses = ("--guest", "guest1=10.1.1.85", "--guest", "guest2=10.1.1.86")
    said = init(*addresses, ends=2)
    assert missing(said) == {"share": "nobody has it mounted, and no /etc/fstab says where it belongs"}
    assert perhaps(said) == ["baye:/srv/private=MOUNT_POINT"]
    init(*addresses, "--share", "/mnt/private")
    assert made().guests[0].config == "/mnt/private/artem/guest1.cfg"
    Path("lab.toml").unlink()
    lab.labubuntu.has("/etc/fstab", "# the share\nbaye:/srv/private /mnt/private nfs4 rw,hard 0 0\n")
    init(*addresses)
    assert behind("mount_point") == "/etc/fstab on labubuntu, where it is not mounted now"


def test_an_automount_is_not_stepped_into(lab: FoundLab, init: Init) -> None:
    auto = "90 25 0:60 / /mnt/auto rw shared:9 - autofs /etc/auto.direct rw,fd=6,direct"
    for host in lab.hosts.values():
        host.has("/proc/self/mountinfo", f"{ROOT_ONLY}{auto}\n")
        host.says("exportfs", "")
    assert "/mnt/auto is mounted when it is looked into (autofs)" in missing(init(ends=2))["share"]
    assert not [argv for argv, _ in lab.ran() if any("/mnt/auto" in word for word in argv)]


def test_a_nas_that_is_neither_host_is_named_as_the_server(lab: FoundLab, capsys: pytest.CaptureFixture[str]) -> None:
    """Whether a lab file may name it so is the lab file's own matter."""
    for host in lab.hosts.values():
        host.says("exportfs", "")
        host.has("/proc/self/mountinfo", ROOT_ONLY)
        host.mounts(NFS.format(point="/mnt/private", source="nas.lab:/vol/private", address="10.1.1.5"))
    assert main(["init", *CALL]) == 2
    assert "lab.toml: share.server: 'nas.lab' is not a host" in capsys.readouterr().err
    assert not Path("lab.toml").exists()


def test_configs_that_cannot_be_read_are_told(lab: FoundLab, init: Init) -> None:
    lab.share("/artem/broken.cfg", "name = 'broken'\ndisk = [ 'phy:/dev/x\n")
    lab.share("/artem/haproxy.cfg", "global\n    daemon\n")
    said = init()
    assert "/mnt/private/artem/broken.cfg on labubuntu is no config that xl would take" in said
    assert "haproxy" not in said
    assert [guest.name for guest in made().guests] == ["guest1", "guest2"]


def test_guests_of_others_are_a_remark(lab: FoundLab, init: Init) -> None:
    lab.baye.also_says("xl", "web                                          7  1024     1     -b----      13.4")
    lab.baye.also_says("xenstore-ls", '/local/domain/7/name = "web"')
    said = init()
    assert "note: web runs on baye, and neither its config nor a disk lies on the share: it is left out" in said
    assert "web" not in [guest.name for guest in made().guests]


def test_a_guest_can_be_left_out(lab: FoundLab, init: Init) -> None:
    init("--leave-out", "guest2")
    assert [guest.name for guest in made().guests] == ["guest1"]


def test_a_share_without_configs_says_where_there_are_some(lab: FoundLab, init: Init) -> None:
    lab.off()
    for host, folder in ((lab.labubuntu, "mnt/private"), (lab.baye, "mnt/private"), (lab.baye, "srv/private")):
        for config in (host.root / folder).rglob("*.cfg"):
            config.unlink()
    said = init(ends=2)
    assert missing(said) == {"guests": "no config that names a guest lies on the share, below /mnt/private"}
    assert perhaps(said) == ["/home/artem/guest1.cfg", "/home/gaspar/guest2.cfg"]


def test_a_gateway_that_answers_no_ping_is_no_target(lab: FoundLab, init: Init) -> None:
    for host in lab.hosts.values():
        host.says("ping", "10.1.1.7\n")
    init()
    assert {guest.ping_target for guest in made().guests} == {"10.1.1.7"}
    assert behind("ping_target") == "this call came to labubuntu from there; it answers pings"
    Path("lab.toml").unlink()
    for host in lab.hosts.values():
        host.says("ping", "")
    init()
    assert [guest.ping_target for guest in made().guests] == [BAYE, LABUBUNTU]


# Hosts that are none


def test_a_host_without_xen_is_named(lab: FoundLab, init: Init) -> None:
    lab.baye.lacks("xl")
    said = init(ends=2)
    assert "root@10.1.1.143: no Xen host: xl list: " in missing(said)["hosts"]
    assert "No such file" in missing(said)["hosts"]


def test_a_login_without_roots_rights_is_named(lab: FoundLab, init: Init) -> None:
    lab.labubuntu.is_root = False
    assert missing(init(ends=2))["hosts"].startswith("root@10.1.1.189: its commands run without root's rights")


def test_every_host_that_cannot_be_reached_is_named(lab: FoundLab, capsys: pytest.CaptureFixture[str]) -> None:
    lab.labubuntu.silent, lab.baye.silent = "no answer", "Connection refused"
    assert main(["init", *CALL]) == 3
    said = capsys.readouterr().err
    assert "labubuntu cannot be reached: no answer" in said
    assert "baye cannot be reached: Connection refused" in said
    assert not Path("lab.toml").exists()


def test_one_host_alone_names_who_may_be_the_other(lab: FoundLab, init: Init) -> None:
    said = init(ends=2, hosts=CALL[:1])
    assert missing(said)["hosts"] == "a lab has two hosts, and only one was named"
    assert BAYE in perhaps(said)
    assert not lab.baye.ran


def test_no_host_at_all(lab: FoundLab, init: Init) -> None:
    assert init(ends=2, hosts=()).splitlines()[-1] == "next: ./lab init USER@HOST USER@HOST"


# A lab.toml that is there


def test_a_lab_file_that_is_there_is_never_overwritten(lab: FoundLab, capsys: pytest.CaptureFixture[str]) -> None:
    Path("lab.toml").write_text("mine")
    assert main(["init", *CALL]) == 2
    assert (
        capsys.readouterr().err == "xenlab: lab.toml is there already, and is not overwritten (--update adds to it)\n"
    )
    assert Path("lab.toml").read_text() == "mine"
    assert not lab.labubuntu.ran


def test_update_adds_what_is_new_and_keeps_all_that_is_there(lab: FoundLab, init: Init) -> None:
    init("--leave-out", "guest2")
    text = Path("lab.toml").read_text()
    mine = text.replace('address = "10.1.1.85"', 'address = "10.1.1.77"').replace("[share]", "# our team's\n[share]")
    mine += "\n[probes]\nmax_outside_gap_ms = 900  # agreed on\n"
    Path("lab.toml").write_text(mine)
    Path("lab.toml").chmod(0o640)
    said = init("--update", hosts=())
    now = Path("lab.toml").read_text()
    assert all(line in now.splitlines() for line in mine.splitlines())
    spec = made()
    assert [(guest.name, guest.address) for guest in spec.guests] == [("guest1", "10.1.1.77"), ("guest2", "10.1.1.86")]
    assert spec.probes.max_outside_gap_ms == 900
    assert Path("lab.toml").stat().st_mode & 0o777 == 0o640
    assert "written" in said
    assert "nothing to add" in init("--update", hosts=())
    assert Path("lab.toml").read_text() == now


def test_update_says_what_was_seen_otherwise(lab: FoundLab, init: Init) -> None:
    init()
    moved = Path("lab.toml").read_text().replace('export = "/srv/private"', 'export = "/srv"')
    Path("lab.toml").write_text(moved)
    said = init("--update", hosts=())
    assert "note: share.export is /srv, and stays so; seen was /srv/private (mounted on labubuntu" in said
    assert Path("lab.toml").read_text() == moved


def test_update_needs_no_more_than_the_file_lacks(lab: FoundLab, init: Init) -> None:
    """A hand-written file with names of its own, of guests that are off: what it says counts as found."""
    lab.off()
    Path("lab.toml").write_text(
        f"""
        name = "team-7"
        [[hosts]]
        name = "left"
        address = "{LABUBUNTU}"
        [[hosts]]
        name = "right"
        address = "{BAYE}"
        [[guests]]
        name = "guest1"
        address = "10.1.1.85"
        [[guests]]
        name = "guest2"
        address = "10.1.1.86"
        """
    )
    init("--update", hosts=())
    spec = made()
    assert (spec.name, spec.share.server) == ("team-7", "right")
    assert [guest.home for guest in spec.guests] == ["left", "right"]


# What hosts say is not trusted


def test_a_hosts_words_stay_a_comment(lab: FoundLab, init: Init) -> None:
    """The kernel writes a line feed in a mount's source as \\012 (proc(5))."""
    for host in lab.hosts.values():
        host.says("uname", f'{host.name}.lab\n\x1b[2Jkind = "embedded"\n')
    lab.labubuntu.has("/proc/self/mountinfo", ROOT_ONLY)
    source = '10.1.1.143:/srv/private/\\012kind\\040=\\040"embedded"\\012#'
    lab.labubuntu.mounts(NFS.format(point="/mnt/private", source=source, address=BAYE))
    init("--leave-out", "guest2")
    text = Path("lab.toml").read_text()
    assert (made().kind, made().share.export) == ("real", '/srv/private/\nkind = "embedded"\n#')
    assert "\x1b" not in text


def test_it_takes_few_round_trips(lab: FoundLab, init: Init) -> None:
    init()
    assert len(lab.labubuntu.ran) == len(lab.baye.ran) <= 3
