"""./lab init on right labs of many kinds, from the call to the lab.toml that it writes.

The hosts are played (`foundlab`): every command really runs, in this machine's sh, on what a real host printed.
"""

from pathlib import Path
from typing import Any

import pytest
from foundlab import BAYE, GUEST1_MAC, LABUBUNTU, NFS, ROOT_ONLY, FoundLab, recorded, told_config
from initcalls import Init, behind, made, missing, perhaps

from xenlab.labfile import ShareSpec
from xenlab.testbed.bootfiles import Images
from xenlab.testbed.labplan import embedded_lab
from xenlab.testbed.profiles import profile_named

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIM4PFFf1GhqsQSj/lhZG0tqmo+h1tFuHGwd0lKl+6Fg"

# A right lab


def config_of(name: str, disk: str, address: str) -> str:
    return f"# reached at {address}\nname='{name}'\ndisk=['{disk},raw,xvda,w']\n"


def test_a_lab_like_the_embedded_one_is_found_whole(found_lab: FoundLab, init: Init) -> None:
    said = init()
    spec = made()
    assert [(host.name, host.address, host.port, host.via) for host in spec.hosts] == [
        ("labubuntu", LABUBUNTU, 22, None),
        ("baye", BAYE, 22, None),
    ]
    assert spec.shares == (ShareSpec(server="baye", export="/srv/private", mount_point="/mnt/private"),)
    guest1, guest2 = spec.guests
    assert guest1.model_dump(exclude={"known_hosts"}, exclude_none=True) == {
        **{
            "name": "guest1",
            "address": "10.1.1.85",
            "user": "root",
            "port": 22,
            "sudo": True,
            "login": "ssh",
            "old_ssh": False,
        },
        **{"home": "labubuntu", "config": "/mnt/private/artem/guest1.cfg", "ping_target": "10.1.1.1"},
        **{"original_config": "/home/artem/guest1.cfg", "root_device": "xvda1", "swap": True},
    }
    assert (guest2.home, guest2.address, guest2.root_device) == ("baye", "10.1.1.86", "xvda1")
    assert spec.probes == type(spec.probes)()
    assert said.splitlines()[-1] == "next: ./lab check --lab lab.toml"


def test_each_value_says_where_it_was_seen(found_lab: FoundLab, init: Init) -> None:
    init()
    lines = [line for line in Path("lab.toml").read_text().splitlines() if " = " in line]
    assert len(lines) > 20
    assert all("  # " in line for line in lines)
    assert behind("address", 2) == f"ip neigh on labubuntu: xenbr0, by its MAC {GUEST1_MAC}"
    assert behind("name", 1) == f"uname -n on root@{LABUBUNTU}; for its guests it has bridge xenbr0"
    assert behind("home", 0) == "it runs there (xenstore)"
    assert behind("ping_target", 1) == "the default gateway of baye, by xenbr0; it answers pings"
    assert behind("export").startswith("mounted on labubuntu: 10.1.1.143:/srv/private, type nfs4")


def test_guests_that_are_off_are_found_by_their_configs_and_names(found_lab: FoundLab, init: Init) -> None:
    """As in the embedded lab when it is found: the hosts' /etc/hosts names the guests."""
    found_lab.off()
    found_lab.baye.says("getent", "10.1.1.85       guest1\n10.1.1.86       guest2\n")
    init()
    assert [(guest.name, guest.address, guest.home) for guest in made().guests] == [
        ("guest1", "10.1.1.85", "labubuntu"),
        ("guest2", "10.1.1.86", "baye"),
    ]
    assert behind("address", 2) == "getent hosts guest1 on baye"
    assert behind("home") == "its original config lies there: /home/artem/guest1.cfg"


def test_the_embedded_lab_is_found_as_its_own_lab_file_has_it(found_lab: FoundLab, init: Init, tmp_path: Path) -> None:
    """Emulated hosts are given more time; all else that differs is how this machine logs in."""
    found_lab.off()
    found_lab.baye.says("getent", "10.1.1.85       guest1\n10.1.1.86       guest2\n")
    for host in found_lab.hosts.values():
        host.has("/proc/cpuinfo", recorded()[host.name]["cpu"])
        # Its network has no gateway; this machine is 10.1.1.1 there.
        host.says("route", "")
        host.says("connection", host.answers.joinpath("connection").read_text().replace("10.1.1.7", "10.1.1.1"))
    init()
    (tmp_path / "id_ed25519").touch()
    embedded = embedded_lab(profile_named("classic"), Images(tmp_path), {}, tmp_path / "known_hosts")
    ours = {"name", "kind", "known_hosts", "key_file", "peer_port"}
    told = [_without(lab.model_dump(), ours) for lab in (made(), embedded)]
    assert told[0] == told[1]
    assert "QEMU TCG" in behind("max_outside_gap_ms")


def _without(table: dict[str, Any], keys: set[str]) -> dict[str, Any]:
    """The tables without these keys, but for the names of machines."""
    rows = {"hosts", "guests"}
    plain = {key: value for key, value in table.items() if key not in keys | rows}
    return plain | {key: [_without(row, keys - {"name"}) for row in table[key]] for key in rows & table.keys()}


# Other right labs


def test_open_vswitch_and_hosts_that_know_each_other_by_name(found_lab: FoundLab, init: Init) -> None:
    for host, name in ((found_lab.labubuntu, "baye.lab"), (found_lab.baye, "labubuntu.lab")):
        (host.root / "sys/class/net/xenbr0/bridge").rmdir()
        host.says("ovs-vsctl", "xenbr0\n")
        host.says("ssh", f"{name}\n")
    found_lab.labubuntu.says("getent", f"{BAYE} baye.lab baye\n")
    found_lab.baye.says("getent", f"{LABUBUNTU} labubuntu.lab\n")
    for host in found_lab.hosts.values():
        host.has("/etc/xen/xl.conf", 'vif.default.script="vif-openvswitch"\n')
    assert "note:" not in init()
    assert [host.peer_address for host in made().hosts] == ["labubuntu.lab", "baye.lab"]
    assert behind("peer_address") == "root on baye gets in by it, not by the address"


def test_ssh_to_the_peer_leaves_nothing_behind(found_lab: FoundLab, init: Init) -> None:
    init()
    calls = (found_lab.baye.answers / "ssh-calls").read_text()
    for option in ("BatchMode=yes", "StrictHostKeyChecking=yes", "UpdateHostKeys=no", "ControlMaster=no"):
        assert option in calls


def test_a_host_that_does_not_get_to_the_other_is_a_remark(found_lab: FoundLab, init: Init) -> None:
    found_lab.baye.says("ssh", "")
    assert "note: root on baye does not get to labubuntu without being asked anything" in init()
    assert made().hosts[0].peer_address is None


def test_another_machine_under_the_peers_name_is_not_the_peer(found_lab: FoundLab, init: Init) -> None:
    """Root may get in there as well, and a name that leads elsewhere is not even tried."""
    found_lab.labubuntu.says("peer", "stranger\n")
    found_lab.labubuntu.says("getent", "10.1.1.200 baye\n")
    assert "note: root on labubuntu does not get to baye" in init()
    assert " root@baye " not in (found_lab.labubuntu.answers / "ssh-calls").read_text()


def test_hosts_behind_forwarded_ports_and_their_guests_through_them(found_lab: FoundLab, init: Init) -> None:
    found_lab.hosts["127.0.0.1"] = found_lab.labubuntu
    found_lab.hosts["gate.example.org"] = found_lab.baye
    init(hosts=("root@127.0.0.1:40001", "root@gate.example.org:40002"))
    spec = made()
    assert [(h.address, h.ssh_address, h.port, h.peer_port) for h in spec.hosts] == [
        (LABUBUNTU, "127.0.0.1", 40001, 22),
        (BAYE, "gate.example.org", 40002, 22),
    ]
    assert {guest.via for guest in spec.guests} == {"hosts"}
    assert "SSH_CONNECTION" in behind("address")


def test_hosts_that_are_asked_for_by_name_are_where_their_names_lead(
    found_lab: FoundLab, init: Init, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = {"labubuntu.lab": LABUBUNTU, "baye.lab": BAYE}
    found_lab.hosts |= {name: found_lab.hosts[address] for name, address in names.items()}
    entry = "xenlab.discovery.session.getaddrinfo"
    monkeypatch.setattr(entry, lambda name, port, **_: [(2, 1, 6, "", (names[name], port))])
    init(hosts=tuple(names))
    assert [(host.address, host.ssh_address) for host in made().hosts] == [(a, n) for n, a in names.items()]
    assert {guest.via for guest in made().guests} == {None}


def test_a_login_that_tells_no_connection_has_its_address_on_the_common_network(
    found_lab: FoundLab, init: Init
) -> None:
    for address, host in list(found_lab.hosts.items()):
        host.says("connection", "")
        host.also_says("address", f"3: eth1 inet 172.16.{address[-1]}.5/24 scope global eth1")
        found_lab.hosts[host.name] = host
    init(hosts=("labubuntu", "baye"))
    assert [(host.address, host.ssh_address) for host in made().hosts] == [(LABUBUNTU, "labubuntu"), (BAYE, "baye")]


def test_a_lab_of_ipv6_alone(found_lab: FoundLab, init: Init) -> None:
    net, hosts = "2001:db8::", ("2001:db8::189", "2001:db8::143")
    for own, peer, host in zip(hosts, reversed(hosts), found_lab.hosts.copy().values(), strict=True):
        found_lab.hosts[own] = host
        host.says(
            "address", f"2: xenbr0    inet6 {own}/64 scope global xenbr0\n2: xenbr0    inet6 fe80::1/64 scope link\n"
        )
        host.says("route", "")
        host.says("ping", f"{net}7\n")
        host.says("ssh", f"{peer}\n")
        host.says("connection", f"{net}7 41000 {own} 22\n")
    found_lab.labubuntu.has("/proc/self/mountinfo", ROOT_ONLY)
    source = f"[{hosts[1]}]:/srv/private"
    found_lab.labubuntu.mounts(NFS.format(point="/mnt/private", source=source, address=hosts[1]))
    found_lab.labubuntu.says("neigh", f"fe80::85 dev xenbr0 lladdr {GUEST1_MAC} STALE\n")
    found_lab.labubuntu.also_says("neigh", f"{net}85 dev xenbr0 lladdr {GUEST1_MAC} STALE")
    (Path(".ssh") / "known_hosts").open("a").write(f"{net}85 {KEY}\n{net}86 {KEY}\n")
    assert "note:" not in init("--guest", f"guest2={net}86", hosts=(f"root@{hosts[0]}", f"[{hosts[1]}]:22"))
    assert [host.address for host in made().hosts] == list(hosts)
    assert [(share.server, share.export) for share in made().shares] == [("baye", "/srv/private")]
    assert [(guest.address, guest.ping_target) for guest in made().guests] == [
        (f"{net}85", f"{net}7"),
        (f"{net}86", f"{net}7"),
    ]


def test_a_login_that_tells_no_connection_on_a_network_of_ipv6_alone(found_lab: FoundLab, init: Init) -> None:
    for address, host in list(found_lab.hosts.items()):
        host.says("connection", "")
        host.says("address", f"2: xenbr0 inet6 2001:db8::{address[-3:]}/64 scope global\n")
        host.also_says("address", f"3: eth1 inet6 2001:db8:{address[-1]}::5/64 scope global")
        found_lab.hosts[host.name] = host
    found_lab.labubuntu.mounts(NFS.format(point="/mnt/private", source="baye:/srv/private", address="2001:db8::143"))
    guests = [f"guest{n}=2001:db8::8{n}" for n in (1, 2)]
    (Path(".ssh") / "known_hosts").open("a").write(f"2001:db8::81 {KEY}\n2001:db8::82 {KEY}\n")
    init("--guest", guests[0], "--guest", guests[1], "--ping-target", "2001:db8::1", hosts=("labubuntu", "baye"))
    assert [host.address for host in made().hosts] == ["2001:db8::189", "2001:db8::143"]


def test_a_share_mounted_by_a_link_local_address_is_the_hosts_that_has_it(found_lab: FoundLab, init: Init) -> None:
    for n, host in enumerate((found_lab.labubuntu, found_lab.baye), 1):
        host.also_says("address", f"2: xenbr0 inet6 fe80::fc:ff:fe00:{n}/64 scope link")
        host.also_says("address", "3: eth1 inet6 fe80::1/64 scope link")
    server = "fe80::fc:ff:fe00:2%xenbr0"
    found_lab.labubuntu.has("/proc/self/mountinfo", ROOT_ONLY)
    found_lab.labubuntu.mounts(NFS.format(point="/mnt/private", source=f"[{server}]:/srv/private", address=server))
    init()
    assert made().shares == (ShareSpec(server="baye", export="/srv/private", mount_point="/mnt/private"),)


def test_a_share_is_named_by_an_ipv6_address(found_lab: FoundLab, init: Init) -> None:
    found_lab.baye.also_says("address", "2: xenbr0 inet6 2001:db8::143/64 scope global")
    init("--share", "[2001:DB8::143]:/srv/private=/mnt/private")
    assert made().shares[0].server == "baye"


@pytest.mark.parametrize("named", ["/mnt/private/", "10.1.1.143:/srv/private/=//mnt/private"])
def test_a_share_may_be_named_with_slashes_too_many(named: str, found_lab: FoundLab, init: Init) -> None:
    init("--share", named)
    assert made().shares == (ShareSpec(server="baye", export="/srv/private", mount_point="/mnt/private"),)
    text = Path("lab.toml").read_text().replace("[share]", "[[share]]").replace('"/mnt/private"', '"/mnt/private/"')
    Path("lab.toml").write_text(text)
    assert "has it all" in init("--update", hosts=())
    assert Path("lab.toml").read_text() == text


def test_a_third_machine_is_named_by_an_ipv6_address(found_lab: FoundLab, init: Init) -> None:
    for host in (found_lab.labubuntu, found_lab.baye):
        host.has("/proc/self/mountinfo", ROOT_ONLY)
        host.mounts(NFS.format(point="/mnt/private", source="[2001:db8::9]:/vol", address="2001:db8::9"))
    init("--share", "[2001:db8::9]:/vol=/mnt/private")
    assert (made().shares[0].server, made().shares[0].address) == ("nas", "2001:db8::9")


def test_a_host_whose_domains_xapi_manages_is_told_of(found_lab: FoundLab, init: Init) -> None:
    found_lab.baye.has("/etc/os-release", 'ID="xcp-ng"\nID_LIKE="centos rhel fedora"\nPRETTY_NAME="XCP-ng 8.3.0"\n')
    found_lab.baye.has("/etc/xensource-inventory", "PRODUCT_BRAND='XCP-ng'\nPRODUCT_VERSION='8.3.0'\nDOM0_MEM='2656'\n")
    programs = found_lab.baye.root / ".bin"
    (programs / "pgrep").write_text("#!/bin/sh\n[ \"$*\" = '-x xapi' ] && echo 1234\n")
    (programs / "pgrep").chmod(0o755)
    said = init()
    assert "note: baye is XCP-ng 8.3.0, whose domains xapi manages" in said
    assert "labubuntu is" not in said


def test_an_export_below_the_root_of_nfs_4(found_lab: FoundLab, init: Init) -> None:
    """A client of an export with fsid=0 mounts SERVER:/private, and the server has it elsewhere (exports(5))."""
    found_lab.baye.says("exportfs", "/srv \t10.1.1.0/24(rw,fsid=0,no_root_squash)\n")
    found_lab.labubuntu.has("/proc/self/mountinfo", ROOT_ONLY)
    found_lab.labubuntu.mounts(NFS.format(point="/mnt/private", source="baye:/private", address=BAYE))
    init()
    assert [share.export for share in made().shares] == ["/srv/private"]


def test_of_several_shares_the_one_with_configs_is_taken(found_lab: FoundLab, init: Init) -> None:
    found_lab.labubuntu.mounts(NFS.format(point="/mnt/scratch", source="10.1.1.143:/srv/scratch", address=BAYE))
    found_lab.labubuntu.mounts(NFS.format(point="/mnt/music", source="10.1.1.9:/music", address="10.1.1.9"))
    found_lab.labubuntu.has("/mnt/scratch/grub.txt", "nothing")
    found_lab.baye.also_says("exportfs", "/srv/scratch 10.1.1.0/24(rw)")
    init()
    assert [share.export for share in made().shares] == ["/srv/private"]


def test_guests_on_several_shares_are_found_with_all_of_them(found_lab: FoundLab, init: Init) -> None:
    """A second folder of the same server, and one of a NAS, each with a guest of its own."""
    found_lab.baye.also_says("exportfs", "/srv/second 10.1.1.0/24(rw)")
    for host in found_lab.hosts.values():
        host.mounts(NFS.format(point="/mnt/second", source="10.1.1.143:/srv/second", address=BAYE))
        host.mounts(NFS.format(point="/mnt/nas", source="nas.lab:/vol", address="10.1.1.5"))
        host.has("/mnt/second/guest3.cfg", config_of("guest3", "/mnt/second/guest3.img", "10.1.1.93"))
        host.has("/mnt/nas/guest4.cfg", config_of("guest4", "/mnt/nas/guest4.img", "10.1.1.94"))
    said = init("--home", "guest3=baye", "--home", "guest4=labubuntu")
    assert made().shares == (
        ShareSpec(server="baye", export="/srv/private", mount_point="/mnt/private"),
        ShareSpec(server="baye", export="/srv/second", mount_point="/mnt/second"),
        ShareSpec(server="nas.lab", address="10.1.1.5", export="/vol", mount_point="/mnt/nas"),
    )
    assert [guest.config for guest in made().guests][2:] == ["/mnt/second/guest3.cfg", "/mnt/nas/guest4.cfg"]
    text = Path("lab.toml").read_text()
    assert text.count("[[share]]") == 3
    assert behind("export", 1).startswith("mounted on labubuntu: 10.1.1.143:/srv/second, type nfs4")
    assert "shares baye:/srv/private at /mnt/private, baye:/srv/second at /mnt/second, nas.lab:/vol at /mnt/nas" in said
    assert "note: guests' configs lie on several shares, and all are taken" in said
    assert "lab.toml has it all" in init("--update", hosts=())
    assert Path("lab.toml").read_text() == text


def test_of_several_shares_with_guests_those_that_are_meant_can_be_named(found_lab: FoundLab, init: Init) -> None:
    for team in ("team8", "team9"):
        found_lab.baye.also_says("exportfs", f"/srv/{team} 10.1.1.0/24(rw)")
        for host in found_lab.hosts.values():
            host.mounts(NFS.format(point=f"/mnt/{team}", source=f"10.1.1.143:/srv/{team}", address=BAYE))
            host.has(f"/mnt/{team}/{team}.cfg", config_of(team, f"/mnt/{team}/guest.img", f"10.1.1.{team[-1]}"))
    said = init("--share", "/mnt/private", "--share", "/mnt/team8", ends=2)
    assert missing(said) == {
        "guests.team8.home": "it is off, and no config of it lies in /etc/xen, /home or /root of one host alone"
    }
    assert said.splitlines()[-1].startswith(
        "next: ./lab init root@10.1.1.189 root@10.1.1.143 --share /mnt/private --share"
    )
    init("--share", "/mnt/private", "--share", "/mnt/team8", "--home", "team8=baye")
    assert [guest.name for guest in made().guests] == ["guest1", "guest2", "team8"]
    assert made().mount_points == ("/mnt/private", "/mnt/team8")


def test_a_share_with_the_same_guests_may_be_a_copy_and_one_is_to_be_named(found_lab: FoundLab, init: Init) -> None:
    found_lab.labubuntu.mounts(NFS.format(point="/mnt/backup", source="10.1.1.143:/srv/backup", address=BAYE))
    found_lab.labubuntu.has("/mnt/backup/guest1.cfg", told_config("labubuntu", "config"))
    found_lab.baye.also_says("exportfs", "/srv/backup 10.1.1.0/24(rw)")
    said = init(ends=2)
    assert missing(said) == {"share": "several shares may be meant"}
    assert perhaps(said) == ["baye:/srv/private=/mnt/private", "baye:/srv/backup=/mnt/backup"]
    init("--share", "/mnt/private")
    assert [guest.name for guest in made().guests] == ["guest1", "guest2"]


def test_homes_of_a_third_machine_are_no_share_beside_the_hosts_own(found_lab: FoundLab, init: Init) -> None:
    for host in found_lab.hosts.values():
        host.mounts(NFS.format(point="/home", source="nas.lab:/homes", address="10.1.1.5"))
        host.has("/home/eve/try.cfg", config_of("try", "/home/eve/try.img", "10.1.1.99"))
    init()
    assert made().mount_points == ("/mnt/private",)
    assert [guest.name for guest in made().guests] == ["guest1", "guest2"]


def test_guests_that_run_on_the_peer_are_at_home_there(found_lab: FoundLab, init: Init) -> None:
    stored, listed = ((found_lab.labubuntu.answers / name).read_text() for name in ("xenstore-ls", "xl"))
    found_lab.off()
    found_lab.baye.says("xenstore-ls", stored)
    found_lab.baye.says("xl", listed)
    found_lab.baye.says("neigh", f"10.1.1.85 dev xenbr0 lladdr {GUEST1_MAC} REACHABLE\n")
    said = init("--guest", "guest2=10.1.1.86")
    guest1, guest2 = made().guests
    assert (guest1.home, guest1.original_config, guest2.home) == ("baye", None, "baye")
    assert "note: guest1: its original config /home/artem/guest1.cfg lies on labubuntu, not on its home baye" in said
    Path("lab.toml").unlink()
    init("--guest", "guest2=10.1.1.86", "--home", "guest1=labubuntu")
    assert made().guests[0].original_config == "/home/artem/guest1.cfg"


def test_addresses_from_leases_from_the_kernels_command_line_and_from_comments(found_lab: FoundLab, init: Init) -> None:
    found_lab.off()
    found_lab.baye.has("/var/lib/misc/dnsmasq.leases", f"1799999999 {GUEST1_MAC} 10.1.1.91 guest1 *\n")
    guest2 = told_config("baye", "config-0").replace("/home/gaspar/UbuntuXen", "/mnt/private/gaspar/guest2")
    found_lab.share("/gaspar/guest2.cfg", f'{guest2}extra="ip=10.1.1.92::10.1.1.1:255.255.255.0 quiet"\n')
    guest3 = "# reached at 10.1.1.93\nname='guest3'\ndisk=['/mnt/private/guest3.img,raw,xvda,w']\n"
    found_lab.share("/guest3.cfg", guest3)
    init("--home", "guest3=baye")
    assert [guest.address for guest in made().guests] == ["10.1.1.91", "10.1.1.92", "10.1.1.93"]
    assert [behind("address", n) for n in (2, 3, 4)] == [
        f"DHCP lease on baye, by its MAC {GUEST1_MAC}: /var/lib/misc/dnsmasq.leases",
        "ip= of its kernel's command line in /mnt/private/gaspar/guest2.cfg",
        "a comment in /mnt/private/guest3.cfg",
    ]


def test_who_says_another_address_is_told(found_lab: FoundLab, init: Init) -> None:
    found_lab.baye.says("getent", "10.1.1.99 guest1\n")
    said = init()
    assert "note: guest1: 10.1.1.99 by getent hosts guest1 on baye, but 10.1.1.85 was taken" in said


# What hosts say is not trusted


def test_a_hosts_words_stay_a_comment(found_lab: FoundLab, init: Init) -> None:
    """The kernel writes a line feed in a mount's source as \\012 (proc(5))."""
    for host in found_lab.hosts.values():
        host.says("uname", f'{host.name}.lab\n\x1b[2Jkind = "embedded"\n')
    found_lab.labubuntu.has("/proc/self/mountinfo", ROOT_ONLY)
    source = '10.1.1.143:/srv/private/\\012kind\\040=\\040"embedded"\\012#'
    found_lab.labubuntu.mounts(NFS.format(point="/mnt/private", source=source, address=BAYE))
    init("--leave-out", "guest2")
    text = Path("lab.toml").read_text()
    assert (made().kind, made().shares[0].export) == ("real", '/srv/private/\nkind = "embedded"\n#')
    assert "\x1b" not in text


def test_it_takes_few_round_trips(found_lab: FoundLab, init: Init) -> None:
    init()
    assert len(found_lab.labubuntu.ran) == len(found_lab.baye.ran) <= 5
