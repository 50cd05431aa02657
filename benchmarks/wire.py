"""Two ends of a veth pair in network namespaces of their own, and an outage of known length between them.

To be used in a process that is in a namespace of its own (`in_own_namespace`): nothing of it shows outside.

The near end is a port of a bridge, and the outage is that port put out of service. The plainer way, setting a
link down and up, changes the other end's carrier, which the kernel's linkwatch may act upon as late as 0.1 s
after it was told (measured here, Linux 6.18): the true length would not be known well enough to judge anybody.
"""

import json
import os
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from shutil import which

from xenlab.remote.waiting import wait_for

NEAR, FAR = "192.0.2.1", "192.0.2.2"  # TEST-NET-1 (RFC 5737)
NEAR_LINK, PORT, FAR_LINK = "near", "port", "far"

_RTM_SETLINK = 19
_REQUEST_ACK = 0x1 | 0x4
_NLMSG_ERROR = 2
_AF_BRIDGE = 7
_DISABLED, _FORWARDING = 0, 3  # <linux/if_bridge.h>
_MESSAGE = struct.Struct("=IHHII")  # struct nlmsghdr (netlink(7))
_LINK = struct.Struct("=BxHiII")  # struct ifinfomsg (rtnetlink(7))
_PORT_STATE = struct.Struct("=HHHHBxxx")  # IFLA_PROTINFO, nested, with IFLA_BRPORT_STATE in it
_NESTED_PROTINFO, _BRPORT_STATE = 12 | 0x8000, 1


def require(programs: Mapping[str, str]) -> None:
    """End with exit status 2 and one line when a program (with its Debian package) is missing."""
    if missing := sorted({package for name, package in programs.items() if not which(name)}):
        print(f"missing Debian packages: apt-get install {' '.join(missing)}", file=sys.stderr)
        sys.exit(2)


def in_own_namespace(argv: Sequence[str]) -> list[str]:
    """The command line that runs `argv` in a network namespace of its own, as root of it."""
    return ["unshare", *([] if os.geteuid() == 0 else ["--user", "--map-root-user"]), "--net", "--", *argv]


def command(*argv: str) -> str:
    """Run a program; returns what it printed. A failure ends the benchmark with the program's words."""
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{' '.join(argv)}: {done.stderr.strip()}")
    return done.stdout


class Wire:
    """This namespace's end is the bridge `NEAR_LINK`; `FAR` answers from another namespace.

    Its neighbour entries are fixed, so that no outage is prolonged by asking for addresses (ARP).
    """

    def __init__(self) -> None:
        self.far = subprocess.Popen(["unshare", "--net", "--", "sleep", "infinity"])
        ours = Path("/proc/self/ns/net").readlink()
        wait_for(
            lambda: Path(f"/proc/{self.far.pid}/ns/net").readlink() != ours, "the far namespace", 10, interval=0.01
        )
        for line in (
            "link set lo up",
            f"link add {NEAR_LINK} type bridge forward_delay 0",
            f"link add {PORT} type veth peer name {FAR_LINK} netns {self.far.pid}",
            f"link set {PORT} master {NEAR_LINK} up",
            f"address add {NEAR}/24 dev {NEAR_LINK}",
            f"link set {NEAR_LINK} up",
        ):
            command("ip", *line.split())
        self.there(*f"ip address add {FAR}/24 dev {FAR_LINK}".split())
        self.there(*f"ip link set {FAR_LINK} up".split())
        (far,) = json.loads(self.there("ip", "-json", "link", "show", FAR_LINK))
        command(*f"ip neighbour replace {FAR} lladdr {far['address']} dev {NEAR_LINK} nud permanent".split())
        self._port = socket.if_nametoindex(PORT)
        self._control = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)

    def there(self, *argv: str) -> str:
        """Run a program in the far namespace."""
        return command("nsenter", "--net", "--target", str(self.far.pid), "--", *argv)

    def lose(self, percent: float) -> None:
        """Drop that share of the echo replies, each by a die of its own (nftables; this kernel may lack netem)."""
        subprocess.run(["nft", "delete", "table", "ip", "scatter"], capture_output=True, check=False)
        if percent:
            command("nft", "add table ip scatter")
            command("nft", "add chain ip scatter input { type filter hook input priority 0; }")
            dice = f"numgen random mod 1000 < {percent * 10:.0f} drop"
            command("nft", f"add rule ip scatter input icmp type echo-reply {dice}")

    def outage(self, seconds: float) -> tuple[float, float]:
        """Put the port out of service for about `seconds`.

        Returns the true length and the half-width of its bounds: the port stops, and passes packets again,
        somewhere within the two calls to the kernel, which acts before it answers (br_set_port_state).
        """
        down_begin, down_end = self._set_port(_DISABLED)
        time.sleep(max(0.0, seconds - (time.monotonic() - down_begin)))
        up_begin, up_end = self._set_port(_FORWARDING)
        shortest, longest = up_begin - down_end, up_end - down_begin
        return (shortest + longest) / 2, (longest - shortest) / 2

    def close(self) -> None:
        """End the far namespace; the pair goes with it."""
        self._control.close()
        self.far.kill()
        self.far.wait()

    def _set_port(self, state: int) -> tuple[float, float]:
        """Change the port's state; returns when the kernel was asked and when it had done it."""
        link = _LINK.pack(_AF_BRIDGE, 0, self._port, 0, 0)
        link += _PORT_STATE.pack(_PORT_STATE.size, _NESTED_PROTINFO, 5, _BRPORT_STATE, state)
        message = _MESSAGE.pack(_MESSAGE.size + len(link), _RTM_SETLINK, _REQUEST_ACK, 1, 0) + link
        begin = time.monotonic()
        self._control.send(message)
        answer = self._control.recv(4096)
        end = time.monotonic()
        kind = _MESSAGE.unpack_from(answer)[1]
        error = struct.unpack_from("=i", answer, _MESSAGE.size)[0]
        if kind != _NLMSG_ERROR or error:
            sys.exit(f"cannot set the bridge's port: {os.strerror(-error)}")
        return begin, end


@contextmanager
def wire() -> Iterator[Wire]:
    """A wire for the body."""
    made = Wire()
    try:
        yield made
    finally:
        made.close()
