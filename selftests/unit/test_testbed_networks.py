"""The two networks of the embedded lab: which is chosen, their command lines, and the ways in. No host is started."""

import os
import re
from pathlib import Path

import paramiko
import pytest

from xenlab.errors import CannotObserve, UsageError
from xenlab.labfile import loads
from xenlab.remote.login import Login
from xenlab.testbed import namespace
from xenlab.testbed.images import Images
from xenlab.testbed.keys import LabKeys
from xenlab.testbed.labplan import embedded_lab
from xenlab.testbed.namespace import Namespace
from xenlab.testbed.network import NETWORKS, NetworkChoice, WayIn, known_by
from xenlab.testbed.networks import choose, network_named
from xenlab.testbed.plan import GUESTS, HOSTS
from xenlab.testbed.profiles import profile_named
from xenlab.testbed.usernet import UserNetwork, ways_in
from xenlab.tomlfile import dump

# What `unshare` says where it may not, and what `ip` says where it may not.
UNSHARE_REFUSED = "echo 'unshare: unshare failed: Operation not permitted' >&2; exit 1"
TAP_REFUSED = "echo 'ioctl(TUNSETIFF): Operation not permitted' >&2; echo 'Command failed -:1' >&2; exit 1"
MACHINES = (*HOSTS, *GUESTS)
WAYS_IN = {machine.name: WayIn("127.0.0.1", 40001 + i) for i, machine in enumerate(MACHINES)}
USERNET = """\
Hub 0 (outside):
  Protocol[State]    FD  Source Address  Port   Dest. Address  Port RecvQ SendQ
  TCP[ESTABLISHED]   21       127.0.0.1 40001      10.1.1.189    22     0     0
  TCP[HOST_FORWARD]  12       127.0.0.1 40001      10.1.1.189    22     0     0
  TCP[HOST_FORWARD]  11       127.0.0.1 40002      10.1.1.143    22     0     0
  TCP[HOST_FORWARD]  10       127.0.0.1 40003       10.1.1.85    22     0     0
  TCP[HOST_FORWARD]   9       127.0.0.1 40004       10.1.1.86    22     0     0
"""


class Machine:
    """This machine as far as the choice looks at it: its tap devices, and an `unshare` of our own."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._folder, self._monkeypatch = folder, monkeypatch
        self.asked = folder / "asked"

    def grants(self, tun: str, unshare: str) -> None:
        """`tun` is "there", "missing" or "refused"; `unshare` is what that program does, as a shell script."""
        device = self._folder / "tun"
        if tun != "missing":
            device.touch()
        # A folder cannot be opened for writing by anyone, root included.
        self._monkeypatch.setattr(namespace, "TUN", self._folder if tun == "refused" else device)
        program = self._folder / "unshare"
        program.write_text(f'#!/bin/sh\necho "$@" >{self.asked}; cat >>{self.asked}; {unshare}\n')
        program.chmod(0o755)
        self._monkeypatch.setenv("PATH", f"{self._folder}:{os.environ['PATH']}")


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(tmp_path, monkeypatch)


@pytest.mark.parametrize(
    ("tun", "unshare", "asked", "expected"),
    [
        ("there", "exit 0", None, ("namespace", "this machine grants it")),
        ("missing", "exit 0", None, ("user", r"/\S+ is missing")),
        ("refused", "exit 0", None, ("user", r"/\S+ refuses this account: .+")),
        ("there", UNSHARE_REFUSED, None, ("user", "this machine refuses network namespaces: unshare: .* permitted")),
        ("there", TAP_REFUSED, None, ("user", r"this machine refuses network namespaces: ioctl\(TUNSETIFF\).*")),
        ("there", "exit 1", None, ("user", "this machine refuses network namespaces: no reason given")),
        ("there", "exit 0", "user", ("user", "as asked for")),
        ("missing", UNSHARE_REFUSED, "user", ("user", "as asked for")),
        ("there", "exit 0", "namespace", ("namespace", "as asked for")),
    ],
)
def test_the_machine_decides_unless_asked(
    tun: str, unshare: str, asked: str | None, expected: tuple[str, str], machine: Machine
) -> None:
    machine.grants(tun, unshare)
    choice = choose(asked)
    name, reason = expected
    assert choice.name == name
    assert re.fullmatch(reason, choice.reason)
    assert "sudo" not in choice.reason


def test_what_the_namespace_needs_is_tried_for_real(machine: Machine) -> None:
    machine.grants("there", "exit 0")
    choose(None)
    argv, *wanted = machine.asked.read_text().splitlines()
    assert "--net" in argv.split()
    assert [line.split()[0] for line in wanted] == ["tuntap", "link"]


@pytest.mark.parametrize(
    ("tun", "unshare", "remedy"),
    [
        ("missing", "exit 0", "modprobe tun"),
        ("refused", "exit 0", "chmod 0666"),
        ("there", UNSHARE_REFUSED, "user.max_user_namespaces"),
    ],
)
def test_a_namespace_asked_for_in_vain_is_told_with_the_remedy(
    tun: str, unshare: str, remedy: str, machine: Machine
) -> None:
    machine.grants(tun, unshare)
    with pytest.raises(UsageError) as refused:
        choose("namespace")
    assert remedy in refused.value.hint


def test_another_network_is_none() -> None:
    with pytest.raises(UsageError, match=r"--network bridge: no such network .one of namespace, user"):
        choose("bridge")


def test_a_choice_reads_as_one_line() -> None:
    assert str(NetworkChoice("user", "/dev/net/tun is missing")) == "QEMU's user network: /dev/net/tun is missing"


def test_a_host_is_plugged_into_its_own_tap_or_socket(tmp_path: Path) -> None:
    plugs = [network_named(name, sockets=Path("/s"), folder=tmp_path).netdev(h) for name in NETWORKS for h in HOSTS]
    assert plugs == [
        "tap,id=net,ifname=tap-labubuntu,script=no,downscript=no",
        "tap,id=net,ifname=tap-baye,script=no,downscript=no",
        "stream,server=off,addr.type=unix,addr.path=/s/labubuntu.net,id=net",
        "stream,server=off,addr.type=unix,addr.path=/s/baye.net,id=net",
    ]
    assert all(len(host.tap) <= 15 for host in HOSTS)


def test_the_switch_is_a_hub_of_the_hosts_beside_one_of_the_outside() -> None:
    argv = UserNetwork(Path("/a,b"), Path("log")).command(7, 8)
    netdevs = [argv[i + 1] for i, word in enumerate(argv) if word == "-netdev"]
    ends = {netdev.rpartition("=")[2]: netdev for netdev in netdevs if not netdev.startswith("hubport,")}
    assert ends["labubuntu"] == "stream,server=on,addr.type=unix,addr.path=/a,,b/labubuntu.net,id=labubuntu"
    assert ends["baye"] == "stream,server=on,addr.type=unix,addr.path=/a,,b/baye.net,id=baye"
    assert ends["to-outside"] == "dgram,local.type=fd,local.str=7,id=to-outside"
    assert ends["to-hosts"] == "dgram,local.type=fd,local.str=8,id=to-hosts"
    kind, *parts = ends["outside"].split(",")
    assert kind == "user"
    # Nothing gets out; in gets only who is on this machine, by a port that the kernel chooses.
    assert {"net=10.1.1.1/24", "host=10.1.1.1", "restrict=on"} <= set(parts)
    assert [part for part in parts if part.startswith("hostfwd=")] == [
        f"hostfwd=tcp:127.0.0.1:0-10.1.1.{last}:22" for last in (189, 143, 85, 86)
    ]
    hubs = [re.search(r"hubid=(\d),netdev=(\S+)", netdev) for netdev in netdevs if netdev.startswith("hubport,")]
    assert [found and found.groups() for found in hubs] == [
        *(("0", "labubuntu"), ("0", "baye"), ("0", "to-outside")),
        *(("1", "to-hosts"), ("1", "outside")),
    ]


def test_the_ways_in_are_what_qemu_listens_at() -> None:
    assert ways_in(USERNET) == WAYS_IN


@pytest.mark.parametrize(
    ("old", "new", "missing"),
    [
        ("TCP[HOST_FORWARD]  11", "TCP[ESTABLISHED]   11", "baye"),
        ("HOST_FORWARD", "LISTEN", "labubuntu and baye and guest1 and guest2"),
        ("10.1.1.143    22", "10.1.1.143    80", "baye"),
    ],
)
def test_a_way_in_that_is_missing_is_told(old: str, new: str, missing: str) -> None:
    with pytest.raises(CannotObserve, match=f"no port that leads to {missing}: "):
        ways_in(USERNET.replace(old, new))


@pytest.fixture
def images(tmp_path: Path) -> Images:
    """Images with the login's files alone."""
    for name in ("id_ed25519", "known_hosts"):
        (tmp_path / name).touch()
    return Images(tmp_path)


def test_in_the_namespace_every_machine_is_reached_by_its_own_address(images: Images) -> None:
    lab = embedded_lab(profile_named("classic"), images, {}, images.known_hosts)
    for machine in (*lab.hosts, *lab.guests):
        assert (machine.ssh_host, machine.port) == (machine.address, 22)
    assert lab.probes.outside_from is None


def test_in_the_user_network_machines_keep_their_addresses_and_are_dialled_here(images: Images) -> None:
    lab = embedded_lab(profile_named("classic"), images, WAYS_IN, images.known_hosts)
    machines = (*lab.hosts, *lab.guests)
    assert [machine.address for machine in machines] == [machine.address for machine in MACHINES]
    assert [(machine.ssh_host, machine.port) for machine in machines] == [("127.0.0.1", 40001 + i) for i in range(4)]
    # What the hosts say to each other knows nothing of our ports, and pings need another machine than this one.
    assert [(h.among_hosts, h.port_among_hosts) for h in lab.hosts] == [("10.1.1.189", 22), ("10.1.1.143", 22)]
    assert lab.probes.outside_from == "hosts"
    assert loads(dump(lab), "lab.toml") == lab


def test_a_machine_is_known_by_its_way_in_as_well(tmp_path: Path) -> None:
    keys = LabKeys.generate((*HOSTS, *GUESTS))
    (tmp_path / "known_hosts").write_text(known_by(keys.known_hosts, WAYS_IN))
    known = paramiko.HostKeys(str(tmp_path / "known_hosts"))
    for machine in MACHINES:
        way = WAYS_IN[machine.name]
        login = Login(way.address, "root", tmp_path / "known_hosts", way.port)
        for name in (machine.name, machine.address, login.host_key_name):
            assert keys.host_public[machine.name].split()[1] == known[name]["ssh-ed25519"].get_base64()
    assert known_by(keys.known_hosts, {}) == keys.known_hosts


def test_namespace_and_user_network_are_what_they_are_called(tmp_path: Path) -> None:
    made = [network_named(name, sockets=tmp_path, folder=tmp_path) for name in NETWORKS]
    assert [type(network) for network in made] == [Namespace, UserNetwork]
