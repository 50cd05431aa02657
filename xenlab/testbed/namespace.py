"""The private network namespace of one lab: a bridge, a tap a host, and no way out.

Without root it lives in a user namespace of its own. A keeper process holds it open; whoever works with the
lab joins it (namespaces(7), user_namespaces(7)).
"""

import ctypes
import os
import subprocess
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from xenlab.errors import CannotObserve, UsageError
from xenlab.remote.waiting import wait_for
from xenlab.testbed.network import WayIn
from xenlab.testbed.plan import BRIDGE, HOSTS, NETWORK_PREFIX, OUTSIDE, HostPlan
from xenlab.testbed.tools import environment

TUN = Path("/dev/net/tun")
_CLONE_NEWUSER = 0x10000000
_CLONE_NEWNET = 0x40000000


def require() -> None:
    """Raise UsageError, one line with the remedy, where the kernel refuses what the lab's network needs.

    It is tried for real, in a namespace that is gone again at once: root of a container may lack what it takes.
    """
    if not TUN.exists():
        raise UsageError(f"{TUN} is missing", hint="sudo modprobe tun")
    try:
        os.close(os.open(TUN, os.O_RDWR))
    except OSError as error:
        raise UsageError(f"{TUN} refuses this account: {error.strerror}", hint=f"sudo chmod 0666 {TUN}") from None
    wanted = "tuntap add dev try-tap mode tap\nlink add try-bridge type bridge\n"
    probe = subprocess.run(
        [*_unshare(), "ip", "-batch", "-"], input=wanted, capture_output=True, text=True, env=environment(), check=False
    )
    if probe.returncode != 0:
        raise UsageError(
            f"this machine refuses network namespaces: {next(iter(probe.stderr.splitlines()), 'no reason given')}",
            hint="sudo sysctl user.max_user_namespaces=15000 kernel.unprivileged_userns_clone=1 "
            "kernel.apparmor_restrict_unprivileged_userns=0 (those your kernel knows)",
        )


def _unshare() -> list[str]:
    if os.geteuid() == 0:
        return ["unshare", "--net", "--"]
    return ["unshare", "--user", "--map-root-user", "--net", "--"]


class Namespace:
    """See the module."""

    def start(self, descriptor: int) -> "subprocess.Popen[bytes]":
        """Start the process that makes the namespace and holds it open."""
        return subprocess.Popen(
            [*_unshare(), "sleep", "infinity"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=environment(),
            pass_fds=(descriptor,),
            start_new_session=True,
        )

    def complete(self, keeper: "subprocess.Popen[bytes]") -> dict[str, WayIn]:
        """Wait for the namespace, enter it, and build in it; each host has its own address there."""
        _await_keeper(keeper)
        self.join(keeper.pid)
        _build([host.tap for host in HOSTS])
        return {}

    def join(self, keeper: int) -> None:
        """Move this process into the keeper's namespaces.

        Only the calling thread moves, and a user namespace takes single-threaded processes only, so it is
        called before any thread is started.
        """
        spaces = [("net", _CLONE_NEWNET)]
        if os.geteuid() != 0:
            spaces.insert(0, ("user", _CLONE_NEWUSER))
        for name, kind in spaces:
            _enter(keeper, name, kind)

    def netdev(self, host: HostPlan) -> str:
        """The host's tap device."""
        return f"tap,id=net,ifname={host.tap},script=no,downscript=no"


def _await_keeper(keeper: "subprocess.Popen[bytes]") -> None:
    """Wait until the namespace is there; raises CannotObserve when it does not come about."""
    ours = Path("/proc/self/ns/net").readlink()

    def ready() -> bool:
        if keeper.poll() is not None:
            raise CannotObserve("the namespace's keeper ended at once")
        with suppress(OSError):
            other = Path(f"/proc/{keeper.pid}/ns/net").readlink() != ours
            return other and Path(f"/proc/{keeper.pid}/comm").read_text().strip() == "sleep"
        return False

    wait_for(ready, "the lab's network namespace", timeout=10, interval=0.02)


def _enter(keeper: int, name: str, kind: int) -> None:
    path = f"/proc/{keeper}/ns/{name}"
    try:
        if Path(path).stat().st_ino == Path(f"/proc/self/ns/{name}").stat().st_ino:
            return
        if threading.active_count() > 1:
            raise CannotObserve("the lab's namespace must be joined before threads are started")
        handle = os.open(path, os.O_RDONLY)
    except OSError as error:
        raise CannotObserve(f"the lab's namespace cannot be entered: {error.strerror}") from None
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.setns(handle, kind) != 0:
            reason = os.strerror(ctypes.get_errno())
            raise CannotObserve(f"the lab's {name} namespace cannot be entered: {reason}")
    finally:
        os.close(handle)


def _build(taps: Sequence[str]) -> None:
    """Inside the namespace: the bridge that is the lab's outside (10.1.1.1), and a tap a host on it."""
    lines = ["link set lo up", f"link add {BRIDGE} type bridge forward_delay 0"]
    lines += [f"address add {OUTSIDE}/{NETWORK_PREFIX} dev {BRIDGE}", f"link set {BRIDGE} up"]
    for tap in taps:
        lines += [f"tuntap add dev {tap} mode tap", f"link set {tap} master {BRIDGE} up"]
    for line in lines:
        done = subprocess.run(["ip", *line.split()], capture_output=True, text=True, env=environment(), check=False)
        if done.returncode != 0:
            raise CannotObserve(f"`ip {line}` failed in the lab's namespace: {done.stderr.strip()}")
