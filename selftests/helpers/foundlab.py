"""Hosts that nobody has described yet, played on this machine, to try `./lab init` on; nothing of them is graded.

Each host is a folder that stands for its root file system. Commands really run, in this machine's sh: fixed places in
them lead below that folder, and programs that a Xen host has and this machine has not (xl, exportfs, ...) print what
the test laid there for them. What they print is a real host's, from a recording, where there is one.
"""

import json
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path
from zipfile import ZipFile

from foundshell import played
from paths import RECORDINGS

from xenlab.evidence import bundle
from xenlab.remote.errors import HostUnreachable
from xenlab.remote.result import CommandResult
from xenlab.remote.shell import Shell

RECORDING = RECORDINGS / "runs-when-found.zip"
SHELL = Path(__file__).with_name("foundshell.py")

LABUBUNTU, BAYE = "10.1.1.189", "10.1.1.143"
GUEST1_MAC, GUEST2_MAC = "00:16:3e:42:40:89", "00:16:3e:42:40:8a"

NFS = "83 25 0:32 / {point} rw,relatime shared:42 - nfs4 {source} rw,vers=4.2,sec=sys,clientaddr=x,addr={address}"
ROOT_ONLY = "25 1 254:0 / / rw,noatime shared:1 - ext4 /dev/vda rw\n"

GETENT = """#!/bin/sh
shift; missing=0
for word; do grep -wF -- "$word" "$ANSWERS/getent" || missing=2; done
exit $missing
"""
PING = '#!/bin/sh\nfor address; do :; done\ngrep -qxF -- "$address" "$ANSWERS/ping"\n'
SSH = """#!/bin/sh
echo "$@" >>"$ANSWERS/ssh-calls"
for word; do case $word in root@*) break;; esac; done
grep -qxF -- "${word#root@}" "$ANSWERS/ssh" || { echo "Permission denied (publickey)." >&2; exit 255; }
cat "$ANSWERS/peer"; echo xl
"""
BLKID = '#!/bin/sh\nfor path; do :; done\nsed -n "s|^${path#$ROOT} ||p" "$ANSWERS/blkid" | grep .\n'
IP = """#!/bin/sh
case "$*" in *address*) what=address;; *-6*route*) what=route-6;; *route*) what=route;; *) what=neigh;; esac
cat "$ANSWERS/$what"
"""
PLAIN = '#!/bin/sh\n[ -e "$ANSWERS/{0}" ] || {{ echo "{0}: not played here" >&2; exit 1; }}\ncat "$ANSWERS/{0}"\n'
PROGRAMS = {"getent": GETENT, "ping": PING, "ssh": SSH, "blkid": BLKID, "ip": IP} | {
    name: PLAIN.format(name) for name in ("xl", "xenstore-ls", "exportfs", "uname", "ovs-vsctl")
}


@cache
def recorded() -> Mapping[str, Mapping[str, str]]:
    """What both hosts of the embedded lab answered in a recorded run: stdout by host and section."""
    found: dict[str, dict[str, str]] = {}
    with ZipFile(RECORDING) as archive:
        lines = archive.read(bundle.COMMANDS).decode().splitlines()
    for entry in map(json.loads, lines):
        pieces = re.split(r"\n=[0-9a-f]{16} ", f"\n{entry['stdout'].lstrip()}")[1:]
        for name, _, body in (piece.partition("\n") for piece in pieces):
            if "=" not in name:
                found.setdefault(entry["host"], {}).setdefault(name, body.rstrip("\n") + "\n")
    return found


class FoundHost:
    """One played host; it stands in for RemoteHost, and for what an account's login shell does (`login_shell`)."""

    def __init__(self, folder: Path, name: str) -> None:
        self.name = name
        self.root = folder
        self.answers = folder / ".answers"
        self.ran: list[tuple[tuple[str, ...], bool]] = []
        self.is_root = True
        self.silent = ""
        programs = folder / ".bin"
        for part in (self.answers, programs):
            part.mkdir(parents=True)
        for program, text in PROGRAMS.items():
            (programs / program).write_text(text)
            (programs / program).chmod(0o755)
        for empty in (
            "getent",
            "ping",
            "ssh",
            "blkid",
            "address",
            "route",
            "route-6",
            "neigh",
            "ovs-vsctl",
            "exportfs",
        ):
            self.says(empty, "")
        self.says("uname", f"{name}\n")
        self.says("connection", "")
        self.has("/proc/self/mountinfo", ROOT_ONLY)
        for folder_there in ("/home", "/root", "/etc/xen", "/mnt"):
            (self.root / folder_there[1:]).mkdir(parents=True, exist_ok=True)

    @property
    def login_shell(self) -> list[str]:
        """What sshd gives this host's commands to."""
        return [sys.executable, str(SHELL), str(self.root)]

    def says(self, program: str, text: str) -> None:
        """What a program prints there."""
        (self.answers / program).write_text(text)

    def also_says(self, program: str, *lines: str) -> None:
        with (self.answers / program).open("a") as file:
            file.writelines(f"{line}\n" for line in lines)

    def has(self, path: str, text: str) -> None:
        """A file there."""
        file = self.root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def runs(self, program: str, text: str) -> None:
        """A program of its own instead of this machine's."""
        (self.root / ".bin" / program).write_text(text)
        (self.root / ".bin" / program).chmod(0o755)

    def lacks(self, program: str) -> None:
        (self.root / ".bin" / program).unlink()

    def mounts(self, *lines: str) -> None:
        """Lines of mountinfo beside that of /."""
        file = self.root / "proc/self/mountinfo"
        file.write_text(file.read_text() + "".join(f"{line}\n" for line in lines))

    def bridged(self, *bridges: str) -> None:
        for bridge in bridges:
            (self.root / "sys/class/net" / bridge / "bridge").mkdir(parents=True)

    def run(self, *argv: str, timeout: float | None = None, changes: bool = False) -> CommandResult:
        self._must_answer()
        self.ran.append((argv, changes))
        out, err, code = played(self.root, Shell(("timeout", "-k", "5")).script(argv, None))
        return CommandResult(code, out, err, 0.1, self.name, " ".join(argv), f"cmd-{len(self.ran)}")

    def runs_as_root(self) -> bool:
        self._must_answer()
        return self.is_root

    def sudo_refusal(self) -> None:
        self._must_answer()

    def close(self) -> None:
        pass

    def _must_answer(self) -> None:
        if self.silent:
            raise HostUnreachable(f"{self.name} cannot be reached: {self.silent}", hint="is the host up?")


class FoundLab:
    """Two such hosts, as the embedded lab's are: baye exports a folder, each is home of one guest, both guests run."""

    def __init__(self, folder: Path) -> None:
        self.labubuntu, self.baye = (FoundHost(folder / name, name) for name in ("labubuntu", "baye"))
        self.hosts = {LABUBUNTU: self.labubuntu, BAYE: self.baye}
        for (address, host), peer in zip(self.hosts.items(), (BAYE, LABUBUNTU), strict=True):
            told = recorded()[host.name]
            host.says("xl", told["list"])
            host.says("xenstore-ls", told["stored"])
            host.has("/proc/cpuinfo", told["cpu"].replace("QEMU TCG CPU version 2.5+", "Intel(R) Xeon(R) E5-2670"))
            host.has("/proc/self/mountinfo", told["mounts"])
            host.has("/etc/xen/xl.conf", told["xl-conf"])
            host.says("exportfs", told["exports"])
            host.bridged("xenbr0")
            host.says(
                "address", f"2: xenbr0    inet {address}/24 brd 10.1.1.255 scope global xenbr0\\       valid_lft\n"
            )
            host.says("route", "default via 10.1.1.1 dev xenbr0 onlink\n")
            host.says("ssh", f"{peer}\n")
            host.says("peer", f"{self.hosts[peer].name}\n")
            host.says("ping", "10.1.1.1\n")
            host.says("connection", f"10.1.1.7 41000 {address} 22\n")
        self.labubuntu.has("/home/artem/guest1.cfg", told_config("labubuntu", "config-0"))
        self.baye.has("/home/gaspar/guest2.cfg", told_config("baye", "config-0"))
        self.share("/artem/guest1.cfg", told_config("labubuntu", "config"))
        moved = told_config("baye", "config-0").replace("/home/gaspar/UbuntuXen", "/mnt/private/gaspar/guest2")
        self.share("/gaspar/guest2.cfg", moved)
        self.labubuntu.says("neigh", f"10.1.1.85 dev xenbr0 lladdr {GUEST1_MAC} REACHABLE\n")
        self.labubuntu.also_says("neigh", "10.1.1.1 dev xenbr0 lladdr 52:54:00:00:00:01 STALE")
        self.baye.says("neigh", f"10.1.1.86 dev xenbr0 lladdr {GUEST2_MAC} DELAY\n")
        self.disks("/mnt/private/artem/guest1", "/mnt/private/gaspar/guest2")

    def share(self, path: str, text: str) -> None:
        """A file on the share, as both hosts see it."""
        for host, folder in (
            (self.labubuntu, "/mnt/private"),
            (self.baye, "/mnt/private"),
            (self.baye, "/srv/private"),
        ):
            host.has(f"{folder}{path}", text)

    def disks(self, *stems: str) -> None:
        """STEM.img and STEM.swap, there and told apart by blkid, for each."""
        for host in self.hosts.values():
            for stem in stems:
                host.has(f"{stem}.img", "image")
                host.has(f"{stem}.swap", "swap")
                host.also_says("blkid", f"{stem}.img TYPE=ext4", f"{stem}.swap TYPE=swap")

    def off(self) -> None:
        """No guest runs, and none has been met."""
        for host in self.hosts.values():
            lines = recorded()[host.name]["list"].splitlines(keepends=True)
            host.says("xl", "".join(lines[:2]))
            host.says("xenstore-ls", '/local/domain/0/name = "Domain-0"\n')
            host.says("neigh", "")

    def remote(self) -> Callable[..., FoundHost]:
        """What stands for RemoteHost."""
        return lambda name, *_, **__: self.hosts[name]

    def ran(self) -> Iterable[tuple[tuple[str, ...], bool]]:
        return [one for host in self.hosts.values() for one in host.ran]


def told_config(host: str, section: str) -> str:
    return recorded()[host][section]
