"""Faults to plant in the running embedded lab, each with the check that must turn red.

`./lab down` and `./lab up` undo them all: the hosts come back from their snapshot.
"""

from collections.abc import Callable
from dataclasses import dataclass

from xenlab.errors import UsageError
from xenlab.lab.lab import Lab
from xenlab.remote.host import RemoteHost
from xenlab.testbed.plan import CLIENT, EXPORT, GUESTS, MOUNT_POINT, SERVER
from xenlab.xen.cfg import parse_config, rewrite_paths

_GUEST = GUESTS[0]


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing to break; `step` and `check` are the ids that must show it."""

    name: str
    what: str
    step: str
    check: str
    plant: Callable[[Lab], None]


def fault_named(name: str) -> Fault:
    """The fault of that name; raises UsageError for another."""
    for fault in faults():
        if fault.name == name:
            return fault
    raise UsageError(f"no fault is called {name!r}", hint="./lab faults lists them")


def faults() -> tuple[Fault, ...]:
    """Every fault that can be planted."""
    kernel_line = f"{_GUEST.name}'s kernel path misses a folder, as in the original report"
    return (
        Fault("host-key-file", f"root of {CLIENT.name} loses its SSH key", "hosts", "ssh-to-peer", _lose_ssh_key),
        Fault("unmounted", f"the share is not mounted on {CLIENT.name}", "shared-storage", "mounted-by-nfs", _unmount),
        Fault("root-squash", "the export squashes root", "shared-storage", "no-root-squash", _squash_root),
        Fault(
            "second-server", f"{CLIENT.name} exports a folder of the same name", "shared-storage", "one-server", _serve
        ),
        Fault("config-path", kernel_line, "path-fixes", "path-on-share", _break_path),
        Fault(
            "config-memory", f"{_GUEST.name}'s config has another memory size", "path-fixes", "only-paths-changed", _ram
        ),
        Fault(
            "config-syntax", f"{_GUEST.name}'s config lacks a quote", "path-fixes", "xl-accepts-config", _break_syntax
        ),
    )


def _lose_ssh_key(lab: Lab) -> None:
    _client(lab).run("mv", "/root/.ssh/id_ed25519", "/root/.ssh/id_ed25519.away").check()


def _unmount(lab: Lab) -> None:
    _client(lab).run("umount", MOUNT_POINT).check()


def _squash_root(lab: Lab) -> None:
    server = lab.hosts.named(SERVER.name).remote
    line = f"{EXPORT} 10.1.1.0/24(rw,sync,root_squash,no_subtree_check)\n"
    server.write_file("/etc/exports", line.encode())
    server.run("exportfs", "-ra").check()


def _serve(lab: Lab) -> None:
    home = _client(lab)
    home.run("mkdir", "-p", EXPORT).check()
    home.run("exportfs", "-o", "rw,no_root_squash", f"10.1.1.0/24:{EXPORT}").check()


def _break_path(lab: Lab) -> None:
    def without_folder(text: str) -> str:
        path = parse_config(text).kernel or ""
        return rewrite_paths(text, {path: path.replace(f"/{_GUEST.owner}/", "/")})

    _edit(lab, without_folder)


def _ram(lab: Lab) -> None:
    def a_little_more(text: str) -> str:
        memory = parse_config(text).memory or 0
        # Not so much that no host could hold it: that would be another fault, of the hosts' step.
        return text.replace(f"memory={memory}", f"memory={memory + 8}")

    _edit(lab, a_little_more)


def _break_syntax(lab: Lab) -> None:
    _edit(lab, lambda text: text.replace(f'name="{_GUEST.name}"', f'name="{_GUEST.name}'))


def _edit(lab: Lab, change: Callable[[str], str]) -> None:
    host = _client(lab)
    text = host.read_bytes(_GUEST.shared_config).decode()
    changed = change(text)
    if changed == text:
        raise UsageError(f"{_GUEST.shared_config} is not as it was made: the fault cannot be planted")
    host.write_file(_GUEST.shared_config, changed.encode(), 0o644)


def _client(lab: Lab) -> RemoteHost:
    return lab.hosts.named(CLIENT.name).remote
