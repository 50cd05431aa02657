"""What a network of the embedded lab must offer; `namespace` and `usernet` are the two ways to make one."""

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from xenlab.testbed.plan import HostPlan

NETWORKS = ("namespace", "user")
_WHAT = {"namespace": "a private namespace", "user": "QEMU's user network"}


@dataclass(frozen=True, slots=True)
class NetworkChoice:
    """One of NETWORKS, and why that one."""

    name: str
    reason: str

    def __str__(self) -> str:
        return f"{_WHAT[self.name]}: {self.reason}"


@dataclass(frozen=True, slots=True)
class WayIn:
    """Where a machine's SSH server is reached from this one, when not by its own address."""

    address: str
    port: int


class Network(Protocol):
    """Wires the hosts to each other and to us. It lives as long as one process, its keeper."""

    def start(self, descriptor: int) -> "subprocess.Popen[bytes]":
        """Start the keeper, which holds `descriptor` open until it is killed; killing it ends the network."""

    def complete(self, keeper: "subprocess.Popen[bytes]") -> Mapping[str, WayIn]:
        """Wait until the network is there and join it; returns the ways in, by machine.

        :raises CannotObserve: it does not come about.
        """

    def join(self, keeper: int) -> None:
        """Bring this process, for good, where the hosts can be reached; `keeper` is a PID.

        :raises CannotObserve: the network is gone, or the kernel refuses.
        """

    def netdev(self, host: HostPlan) -> str:
        """The other end of the host's NIC: the value of its QEMU's `-netdev`, with the id "net"."""


def known_by(known_hosts: str, ways_in: Mapping[str, WayIn]) -> str:
    """The text of `known_hosts`, each machine known by the way in to it, too (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT)."""
    more = ""
    for line in known_hosts.splitlines(keepends=True):
        names, _, key = line.partition(" ")
        if way := ways_in.get(names.partition(",")[0]):
            more += f"[{way.address}]:{way.port} {key}"
    return known_hosts + more
