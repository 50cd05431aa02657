"""The lab's network out of QEMU alone, for machines that grant neither namespaces nor tap devices.

A QEMU without a machine is the switch: a hub that joins the hosts (one UNIX socket each) and QEMU's user
network, which is the lab's outside (10.1.1.1). It lets nothing out, and us in by a port of 127.0.0.1 a host,
which the kernel chooses. Nothing of it needs a privilege (qemu(1), -netdev user, stream and hubport).
"""

import re
import subprocess
from pathlib import Path

from xenlab.errors import CannotObserve
from xenlab.testbed.network import WayIn
from xenlab.testbed.plan import HOSTS, NETWORK_PREFIX, OUTSIDE, HostPlan
from xenlab.testbed.qmp import Control
from xenlab.testbed.tools import environment, plain_suboption

_HERE = "127.0.0.1"
# A line of `info usernet`: TCP[HOST_FORWARD] descriptor, our address and port, the host's address and port, queues.
_FORWARD = re.compile(rf"TCP\[HOST_FORWARD\]\s+\d+\s+{re.escape(_HERE)}\s+(\d+)\s+(\S+)\s+22\s")


class UserNetwork:
    """See the module; `sockets` is the folder of the lab's sockets, `log` where the switch's own words go."""

    def __init__(self, sockets: Path, log: Path) -> None:
        self._sockets = sockets
        self._log = log
        self._control = Control("the QEMU that is the lab's switch", sockets / "switch.qmp")

    def command(self) -> list[str]:
        """The switch's command line."""
        forwards = ",".join(f"hostfwd=tcp:{_HERE}:0-{host.address}:22" for host in HOSTS)
        ends = {
            "outside": f"user,id=outside,net={OUTSIDE}/{NETWORK_PREFIX},host={OUTSIDE},ipv6=off,restrict=on,{forwards}"
        }
        ends |= {host.name: f"stream,id={host.name},server=on,{self._at(host)}" for host in HOSTS}
        argv = ["qemu-system-x86_64", "-name", "switch", "-nodefaults", "-no-user-config"]
        argv += ["-M", "none", "-accel", "tcg", "-display", "none", "-qmp", self._control.argument]
        for name, end in ends.items():
            argv += ["-netdev", end, "-netdev", f"hubport,id=hub-{name},hubid=0,netdev={name}"]
        return argv

    def start(self, descriptor: int) -> "subprocess.Popen[bytes]":
        """Start the switch."""
        with self._log.open("ab") as sink:
            return subprocess.Popen(
                self.command(),
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                env=environment(),
                pass_fds=(descriptor,),
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
        return f"stream,id=net,server=off,{self._at(host)}"

    def _at(self, host: HostPlan) -> str:
        return f"addr.type=unix,addr.path={plain_suboption(self._sockets / f'{host.name}.net')}"


def ways_in(usernet: str) -> dict[str, WayIn]:
    """Which port leads to which host, from what `info usernet` says.

    :raises CannotObserve: it names no port for one of them.
    """
    ports = {address: int(port) for port, address in _FORWARD.findall(usernet)}
    missing = [host.name for host in HOSTS if host.address not in ports]
    if missing:
        raise CannotObserve(f"QEMU tells no port that leads to {' and '.join(missing)}: {usernet.strip()!r}")
    return {host.name: WayIn(_HERE, ports[host.address]) for host in HOSTS}
