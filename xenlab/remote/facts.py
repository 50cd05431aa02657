"""What the output of `commands` means. Pure: text in, facts out.

Every function raises CannotObserve when it does not understand the text: an unread answer is no answer.
"""

import json
import re
from dataclasses import dataclass
from typing import Any, NoReturn

from xenlab.errors import CannotObserve

NFS_TYPES = frozenset({"nfs", "nfs4"})


@dataclass(frozen=True, slots=True)
class Mount:
    """One mount as findmnt(8) shows it; `source` of a bind mount is "DEVICE[/PATH]"."""

    source: str
    fstype: str
    target: str
    options: tuple[str, ...]

    @property
    def is_nfs(self) -> bool:
        """Whether it is an NFS mount, by its file system type."""
        return self.fstype in NFS_TYPES

    @property
    def server_and_export(self) -> tuple[str, str] | None:
        """Server and exported path of an NFS mount ("10.1.1.143:/private"); an IPv6 server is in []."""
        server, colon, export = self.source.rpartition(":/")
        return (server.strip("[]"), f"/{export}") if self.is_nfs and colon else None


@dataclass(frozen=True, slots=True)
class Export:
    """One exported path for one kind of client, as exportfs -v shows it."""

    path: str
    client: str
    options: tuple[str, ...]

    @property
    def lets_root_write(self) -> bool:
        """Whether root of a client stays root and may write (exports(5): rw, no_root_squash)."""
        return {"rw", "no_root_squash"} <= set(self.options) and "all_squash" not in self.options


@dataclass(frozen=True, slots=True)
class Swap:
    """A swap area in use."""

    device: str
    size_kib: int


@dataclass(frozen=True, slots=True)
class LoopDevice:
    """A loop device and the file behind it."""

    device: str
    file: str


@dataclass(frozen=True, slots=True)
class EndsDigest:
    """A file's size in bytes and the SHA-256 of its first and last megabyte."""

    size: int
    first: str
    last: str


@dataclass(frozen=True, slots=True)
class Cpu:
    """The first processor; `flags` are those that Linux may use."""

    model: str
    flags: frozenset[str]
    count: int


@dataclass(frozen=True, slots=True)
class Written:
    """What the background writer left: its numbers, and any other words (an error of the disk)."""

    numbers: tuple[int, ...]
    complaints: tuple[str, ...]

    @property
    def is_unbroken(self) -> bool:
        """Whether it wrote 1, 2, 3... without a gap or a complaint."""
        count = len(self.numbers)
        return count > 0 and self.numbers == tuple(range(1, count + 1)) and not self.complaints


def mount(text: str) -> Mount:
    """Read `commands.mount_of`: of mounts on top of each other, the one that is seen."""
    return mounts(text)[-1]


def mounts(text: str) -> tuple[Mount, ...]:
    """Read `commands.mounts`, in the order of mounting."""
    rows = _json_rows("findmnt", text, "filesystems")
    if not rows:
        _not_understood("findmnt", text)
    return tuple(
        Mount(
            str(row.get("source") or "none"),
            str(row.get("fstype")),
            str(row.get("target")),
            tuple(str(row.get("options") or "").split(",")),
        )
        for row in rows
    )


def exports(text: str) -> tuple[Export, ...]:
    """Read `commands.exports`; a long path stands on a line of its own before its clients."""
    found: list[Export] = []
    path = ""
    for line in filter(str.strip, text.splitlines()):
        entry = re.fullmatch(r"(?P<path>/.*?)?\s*(?:(?<=\s)(?P<client>\S+)\((?P<options>[^()]*)\))?\s*", line)
        if entry is None:
            _not_understood("exportfs", line)
        path = entry["path"] or path
        if entry["client"] is not None:
            found.append(Export(path, entry["client"], tuple(entry["options"].split(","))))
    return tuple(found)


def swaps(text: str) -> tuple[Swap, ...]:
    """Read `commands.swaps`."""
    head, *rows = text.splitlines() or [""]
    if not head.startswith("Filename"):
        _not_understood("/proc/swaps", text)
    found = []
    for row in rows:
        match row.split():
            case [device, _, size, *_] if size.isdecimal():
                found.append(Swap(_unescaped(device), int(size)))
            case _:
                _not_understood("/proc/swaps", row)
    return tuple(found)


def loop_devices(text: str) -> tuple[LoopDevice, ...]:
    """Read `commands.loop_devices`; without any, losetup may print nothing at all."""
    rows = _json_rows("losetup", text, "loopdevices") if text.strip() else []
    return tuple(LoopDevice(str(row.get("name")), str(row.get("back-file") or "")) for row in rows)


def ends_digest(text: str) -> EndsDigest:
    """Read `commands.ends_digest`."""
    match = re.fullmatch(r"(\d+) ([0-9a-f]{64}) ([0-9a-f]{64})", text.strip())
    if match is None:
        _not_understood("the digest", text)
    return EndsDigest(int(match[1]), match[2], match[3])


def cpu(text: str) -> Cpu:
    """Read `commands.cpu`."""
    model = re.search(r"^model name\s*:\s*(.*)$", text, re.MULTILINE)
    flags = re.search(r"^flags\s*:\s*(.*)$", text, re.MULTILINE)
    if model is None or flags is None:
        _not_understood("/proc/cpuinfo", text)
    count = len(re.findall(r"^processor\s*:", text, re.MULTILINE))
    return Cpu(model[1].strip(), frozenset(flags[1].split()), count)


def uptime(text: str) -> float:
    """Read `commands.uptime`: seconds since the boot."""
    match = re.match(r"(\d+\.\d+) ", text)
    if match is None:
        _not_understood("/proc/uptime", text)
    return float(match[1])


def boot_id(text: str) -> str:
    """Read `commands.boot_id`."""
    if not re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", text.strip()):
        _not_understood("boot_id", text)
    return text.strip()


def root_device(text: str) -> str:
    """Read `commands.root_device`: the device's name without /dev/ ("xvda1")."""
    name = text.strip().rpartition("/")[2]
    if not name:
        _not_understood("the root device", text)
    return name


def process_id(text: str) -> int:
    """Read the process id of what was started in the background."""
    if not text.strip().isdecimal():
        _not_understood("the process id", text)
    return int(text)


def processes(text: str) -> dict[int, str]:
    """Read `commands.processes`: arguments by process id."""
    found = {}
    for line in filter(str.strip, text.splitlines()):
        pid, _, args = line.strip().partition(" ")
        if not pid.isdecimal():
            _not_understood("ps", line)
        found[int(pid)] = args.strip()
    return found


def written(text: str) -> Written:
    """Read what the background writer wrote."""
    lines = text.splitlines()
    numbers = tuple(int(line) for line in lines if line.isdecimal())
    return Written(numbers, tuple(line for line in lines if not line.isdecimal()))


def _json_rows(program: str, text: str, key: str) -> list[dict[str, Any]]:
    try:
        rows = json.loads(text)[key]
    except (ValueError, KeyError, TypeError):
        _not_understood(program, text)
    if not isinstance(rows, list):
        _not_understood(program, text)
    return rows


def _unescaped(path: str) -> str:
    """Undo the kernel's octal escapes in a path (\\040 is a space)."""
    return re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), path)


def _not_understood(source: str, text: str) -> NoReturn:
    first = next(iter(text.strip().splitlines()), "nothing")
    raise CannotObserve(f"the answer of {source} is not understood: {first[:100]!r}")
