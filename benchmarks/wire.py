"""Two ends of a veth pair in network namespaces of their own, and a link that goes down for a known time.

To be used in a process that is in a namespace of its own (`in_own_namespace`): nothing of it shows outside.
"""

import ctypes
import json
import os
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from shutil import which

from xenlab.remote.waiting import wait_for

NEAR, FAR = "192.0.2.1", "192.0.2.2"  # TEST-NET-1 (RFC 5737)
NEAR_LINK, FAR_LINK = "near", "far"

_CLONE_NEWNET = 0x40000000
_RTMGRP_LINK = 1
_RTM_NEWLINK = 16
_REQUEST_ACK = 0x1 | 0x4
_NLMSG_ERROR = 2
_IFF_UP, _IFF_LOWER_UP = 0x1, 0x10000
_MESSAGE = struct.Struct("=IHHII")  # struct nlmsghdr (netlink(7))
_LINK = struct.Struct("=BxHiII")  # struct ifinfomsg (rtnetlink(7))


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
    """This namespace's end of the pair is `NEAR`; `FAR` answers from another namespace.

    Its neighbour entries are fixed, so that no outage is prolonged by asking for addresses (ARP).
    """

    def __init__(self) -> None:
        self.far = subprocess.Popen(["unshare", "--net", "--", "sleep", "infinity"])
        ours = Path("/proc/self/ns/net").readlink()
        wait_for(
            lambda: Path(f"/proc/{self.far.pid}/ns/net").readlink() != ours, "the far namespace", 10, interval=0.01
        )
        command("ip", "link", "set", "lo", "up")
        command(*f"ip link add {NEAR_LINK} type veth peer name {FAR_LINK} netns {self.far.pid}".split())
        command(*f"ip address add {NEAR}/24 dev {NEAR_LINK}".split())
        command(*f"ip link set {NEAR_LINK} up".split())
        self.there(*f"ip address add {FAR}/24 dev {FAR_LINK}".split())
        self.there(*f"ip link set {FAR_LINK} up".split())
        (far,) = json.loads(self.there("ip", "-json", "link", "show", FAR_LINK))
        command(*f"ip neighbour replace {FAR} lladdr {far['address']} dev {NEAR_LINK} nud permanent".split())
        self._index: int = far["ifindex"]
        self._control = self._socket_there()
        self._carrier: list[float] = []
        self._carrier_came = threading.Condition()
        self._watch = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        self._watch.bind((0, _RTMGRP_LINK))

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

    def watch_carrier(self) -> None:
        """Note from now on when this end's link comes back into use (a thread of its own)."""
        threading.Thread(target=self._note_carrier, daemon=True).start()

    def outage(self, seconds: float) -> tuple[float, float]:
        """Take the far end down for about `seconds`.

        Returns the true length, which the link's own changes bound, and the half-width of those bounds:
        packets are lost from somewhere within the call that takes the link down, and pass again from
        somewhere between the begin of the call that brings it up and the kernel's word that this end carries
        again: it puts the sending queue back first, then says so (linkwatch_do_dev in net/core/link_watch.c).
        """
        down_begin, down_end = self._set_far(up=False)
        time.sleep(max(0.0, seconds - (time.monotonic() - down_begin)))
        with self._carrier_came:
            self._carrier.clear()
        up_begin, up_end = self._set_far(up=True)
        with self._carrier_came:
            self._carrier_came.wait_for(lambda: self._carrier, timeout=5)
            back = max(self._carrier[0] if self._carrier else up_end, up_begin)
        shortest, longest = up_begin - down_end, back - down_begin
        return (shortest + longest) / 2, (longest - shortest) / 2

    def close(self) -> None:
        """End the far namespace; the pair goes with it."""
        self.far.kill()
        self.far.wait()

    def _socket_there(self) -> socket.socket:
        """A netlink socket that acts in the far namespace for good (setns(2) moves this thread there and back)."""
        libc = ctypes.CDLL(None, use_errno=True)
        with Path("/proc/self/ns/net").open() as here, Path(f"/proc/{self.far.pid}/ns/net").open() as there:
            for place in (there, here):
                if libc.setns(place.fileno(), _CLONE_NEWNET) != 0:
                    sys.exit(f"cannot enter the far namespace: {os.strerror(ctypes.get_errno())}")
                if place is there:
                    control = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        return control

    def _set_far(self, *, up: bool) -> tuple[float, float]:
        """Change the far link; returns when the kernel was asked and when it had done it."""
        link = _LINK.pack(socket.AF_UNSPEC, 0, self._index, _IFF_UP if up else 0, _IFF_UP)
        message = _MESSAGE.pack(_MESSAGE.size + len(link), _RTM_NEWLINK, _REQUEST_ACK, 1, 0) + link
        begin = time.monotonic()
        self._control.send(message)
        answer = self._control.recv(4096)
        end = time.monotonic()
        kind = _MESSAGE.unpack_from(answer)[1]
        error = struct.unpack_from("=i", answer, _MESSAGE.size)[0]
        if kind != _NLMSG_ERROR or error:
            sys.exit(f"cannot set the far link: {os.strerror(-error)}")
        return begin, end

    def _note_carrier(self) -> None:
        while True:
            data = self._watch.recv(65536)
            now = time.monotonic()
            kind = _MESSAGE.unpack_from(data)[1]
            flags = _LINK.unpack_from(data, _MESSAGE.size)[3] if kind == _RTM_NEWLINK else 0
            if flags & _IFF_LOWER_UP:
                with self._carrier_came:
                    self._carrier.append(now)
                    self._carrier_came.notify_all()


@contextmanager
def wire() -> Iterator[Wire]:
    """A wire for the body."""
    made = Wire()
    try:
        yield made
    finally:
        made.close()
