"""What xenstore knows of domains and their devices: a second witness beside `xl list`.

Source: Xen's docs/misc/xenstore-paths.pandoc and xenstore-ls(1). Only names and back ends are asked for:
xenstore also holds other guests' secrets (vnc-passwd), which are nobody's business here.
"""

import re
from collections import defaultdict
from dataclasses import dataclass, field

from xenlab.errors import CannotObserve
from xenlab.remote import filesystems
from xenlab.remote.answers import lines_of

Argv = tuple[str, ...]

_KEYS = "params|mac|bridge|mode|dev|online"
_DOMAINS = (
    "xenstore-ls -f /local/domain | "
    f"grep -E '^/local/domain/([0-9]+/name|[0-9]+/backend/[a-z0-9_]+/[0-9]+/[0-9]+/({_KEYS})) = '"
)
# What stat(1) sees of all disks that this host serves, and of all devices that it has mounted itself.
_ATTACHED = r"""
files=$1
{ xenstore-ls -f /local/domain | sed -n -e 's|^[^=]*/backend/[^=]*/params = "\([^/]*:\)\{0,1\}\(/.*\)"$|\2|p'
sed -n -e 's|^.* - [^ ]* \(/dev/[^ ]*\) .*|\1|p' /proc/self/mountinfo; } 2>/dev/null |
sort -u | tr '\n' '\0' | xargs -0 -r sh -c "$files" sh
"""
_LINE = re.compile(r'/local/domain/(?P<domid>[0-9]{1,9})/(?P<path>[a-z0-9_/]+) = "(?P<value>.*)"')
_BACKEND = re.compile(r"backend/(?P<kind>[a-z0-9_]+)/(?P<frontend>[0-9]{1,9})/(?P<device>[^/]+)/(?P<key>[^/]+)")
_DISKS = frozenset({"vbd", "vbd3", "qdisk", "tap", "vbd2"})


@dataclass(frozen=True, slots=True)
class BackendDisk:
    """A disk that this host serves to a domain: what it rests on, what the guest sees, and how it may be used."""

    target: str
    vdev: str
    mode: str


@dataclass(frozen=True, slots=True)
class StoredDomain:
    """A domain as xenstore has it: its name, its disks and the MACs (lower case) of its interfaces on a bridge.

    A routed interface has no bridge: there its Dom0 answers for it, with a MAC of its own.
    """

    domid: int
    name: str
    disks: tuple[BackendDisk, ...] = ()
    macs: tuple[str, ...] = ()


@dataclass(slots=True)
class _Devices:
    disks: dict[str, dict[str, str]] = field(default_factory=lambda: defaultdict(dict))
    vifs: dict[str, dict[str, str]] = field(default_factory=lambda: defaultdict(dict))

    @property
    def macs(self) -> tuple[str, ...]:
        return tuple(vif["mac"].lower() for vif in self.vifs.values() if vif.get("mac") and vif.get("bridge"))


def list_domains() -> Argv:
    """Names and back ends of all domains of this host; read them with `parse_domains`."""
    return ("sh", "-c", _DOMAINS)


def attached_files() -> Argv:
    """What every disk rests on that this host serves or has mounted itself; read it with `filesystems.parse_stats`."""
    return ("sh", "-c", _ATTACHED, "sh", filesystems.FILES)


def parse_domains(text: str) -> tuple[StoredDomain, ...]:
    """Read `list_domains`, Domain-0 among them.

    :raises CannotObserve: not even Domain-0 is in it, or a line is not xenstore-ls's.
    """
    names: dict[int, str] = {}
    devices: dict[int, _Devices] = defaultdict(_Devices)
    for line in lines_of(text, "xenstore-ls"):
        match = _LINE.fullmatch(line.strip())
        if match is None:
            raise CannotObserve(f"xenstore-ls printed something unknown: {line[:100]!r}")
        path, value = match["path"], _unescaped(match["value"])
        if path == "name":
            names[int(match["domid"])] = value
        elif found := _BACKEND.fullmatch(path):
            owner = devices[int(found["frontend"])]
            if found["kind"] in _DISKS:
                owner.disks[f"{found['kind']}/{found['device']}"][found["key"]] = value
            elif found["kind"] == "vif":
                owner.vifs[found["device"]][found["key"]] = value
    if 0 not in names:
        raise CannotObserve("xenstore tells of no domain, not even Domain-0", hint="does xenstored run?")
    return tuple(
        StoredDomain(domid, name, tuple(map(_disk, devices[domid].disks.values())), devices[domid].macs)
        for domid, name in names.items()
    )


def _disk(keys: dict[str, str]) -> BackendDisk:
    # qdisk and blktap put the format in front: "aio:/srv/guest1.img".
    prefix, colon, rest = keys.get("params", "").partition(":")
    target = rest if colon and "/" not in prefix else keys.get("params", "")
    return BackendDisk(target, keys.get("dev", ""), keys.get("mode", ""))


def _unescaped(value: str) -> str:
    """Undo xenstore-ls's escapes (tools/xenstore/xs_lib.c, sanitise_value)."""
    return re.sub(r"\\(x[0-9a-f]{2}|[0-7]{3}|.)", _character, value)


def _character(escape: re.Match[str]) -> str:
    word = escape[1]
    if word[0] == "x" and len(word) == 3:
        return chr(int(word[1:], 16))
    if word.isdecimal() and len(word) == 3:
        return chr(int(word, 8))
    return {"n": "\n", "t": "\t", "r": "\r"}.get(word, word)
