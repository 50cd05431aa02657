"""The lab's network out of QEMU alone, for machines that grant neither namespaces nor tap devices.

A QEMU without a machine is the switch: a hub that joins the hosts (one UNIX socket each) and QEMU's user
network, which is the lab's outside (10.1.1.1). It lets nothing out, and us in by a port of 127.0.0.1 a
machine, which the kernel chooses. Nothing of it needs a privilege (qemu(1), -netdev user, stream, dgram and hubport).

A hub sends every frame everywhere, but the user network takes each IP packet as meant for itself: it would
reset the connections between the hosts. So it has a hub of its own, behind a pair of sockets with a filter
that drops what is for others.
"""

import ctypes
import re
import socket
import struct
import subprocess
from ipaddress import ip_address
from pathlib import Path

from xenlab.errors import CannotObserve
from xenlab.testbed.network import WayIn
from xenlab.testbed.plan import GUESTS, HOSTS, NETWORK_PREFIX, OUTSIDE, HostPlan
from xenlab.testbed.qmp import Control
from xenlab.testbed.tools import environment, plain_suboption

_HERE = "127.0.0.1"
_MACHINES = (*HOSTS, *GUESTS)
# A line of `info usernet`: TCP[HOST_FORWARD] descriptor, our address and port, the machine's, queues.
_FORWARD = re.compile(rf"TCP\[HOST_FORWARD\]\s+\d+\s+{re.escape(_HERE)}\s+([0-9]{{1,5}})\s+(\S+)\s+22\s")

# socket(7); classic BPF: operation, jumps if true and if false, operand (linux/filter.h).
_SO_ATTACH_FILTER = 26
_LOAD_WORD, _LOAD_HALF, _LOAD_BYTE, _IF_EQUAL, _IF_BIT, _RETURN = 0x20, 0x28, 0x30, 0x15, 0x45, 0x06


class UserNetwork:
    """See the module; `sockets` is the folder of the lab's sockets, `log` where the switch's own words go."""

    def __init__(self, sockets: Path, log: Path) -> None:
        self._sockets = sockets
        self._log = log
        self._control = Control("the QEMU that is the lab's switch", sockets / "switch.qmp")

    def command(self, hosts_end: int, outside_end: int) -> list[str]:
        """The switch's command line; the two descriptors are the pair of sockets between its hubs."""
        forwards = ",".join(f"hostfwd=tcp:{_HERE}:0-{machine.address}:22" for machine in _MACHINES)
        hosts = {host.name: f"stream,server=on,{self._at(host)}" for host in HOSTS}
        hubs = (
            {**hosts, "to-outside": f"dgram,local.type=fd,local.str={hosts_end}"},
            {
                "to-hosts": f"dgram,local.type=fd,local.str={outside_end}",
                "outside": f"user,net={OUTSIDE}/{NETWORK_PREFIX},host={OUTSIDE},ipv6=off,restrict=on,{forwards}",
            },
        )
        argv = ["qemu-system-x86_64", "-name", "switch", "-nodefaults", "-no-user-config"]
        argv += ["-M", "none", "-accel", "tcg", "-display", "none", "-qmp", self._control.argument]
        for number, hub in enumerate(hubs):
            for name, end in hub.items():
                argv += ["-netdev", f"{end},id={name}"]
                argv += ["-netdev", f"hubport,id=port-{name},hubid={number},netdev={name}"]
        return argv

    def start(self, descriptor: int) -> "subprocess.Popen[bytes]":
        """Start the switch."""
        hosts_end, outside_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        with hosts_end, outside_end, self._log.open("ab") as sink:
            _take_only(outside_end, OUTSIDE)
            ends = (hosts_end.fileno(), outside_end.fileno())
            return subprocess.Popen(
                self.command(*ends),
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                env=environment(),
                pass_fds=(descriptor, *ends),
                start_new_session=True,
            )

    def complete(self, keeper: "subprocess.Popen[bytes]") -> dict[str, WayIn]:
        """Wait for the switch, and ask it for the ports that the kernel gave it."""
        self._control.await_start(keeper, self._log)
        return ways_in(self._control.monitor("info usernet"))

    def join(self, keeper: int) -> None:
        """Nothing to do: the ways in are open to every process here."""

    def netdev(self, host: HostPlan) -> str:
        """The host's end of its socket."""
        return f"stream,server=off,{self._at(host)},id=net"

    def _at(self, host: HostPlan) -> str:
        return f"addr.type=unix,addr.path={plain_suboption(self._sockets / f'{host.name}.net')}"


def _take_only(end: socket.socket, address: str) -> None:
    """Drop every frame that arrives at this end, but those for the user network's own MAC, or for all.

    Its MAC is 52:55 and its IPv4 address.
    """
    mac = b"\x52\x55" + ip_address(address).packed
    program = (
        (_LOAD_BYTE, 0, 0, 0),
        (_IF_BIT, 4, 0, 0x01),  # a group's address, such as an ARP request's
        (_LOAD_WORD, 0, 0, 0),
        (_IF_EQUAL, 0, 3, int.from_bytes(mac[:4], "big")),
        (_LOAD_HALF, 0, 0, 4),
        (_IF_EQUAL, 0, 1, int.from_bytes(mac[4:], "big")),
        (_RETURN, 0, 0, 0xFFFFFFFF),
        (_RETURN, 0, 0, 0),
    )
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in program))
    end.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HP", len(program), ctypes.addressof(code)))


def ways_in(usernet: str) -> dict[str, WayIn]:
    """Which port leads to which machine, from what `info usernet` says.

    :raises CannotObserve: it names no port for one of them.
    """
    ports = {address: int(port) for port, address in _FORWARD.findall(usernet)}
    missing = [machine.name for machine in _MACHINES if machine.address not in ports]
    if missing:
        raise CannotObserve(f"QEMU tells no port that leads to {' and '.join(missing)}: {usernet.strip()!r}")
    return {machine.name: WayIn(_HERE, ports[machine.address]) for machine in _MACHINES}
