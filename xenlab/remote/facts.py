"""What the output of `commands` means. Pure: text in, facts out.

Every function raises CannotObserve when it does not understand the text: an unread answer is no answer.
"""

import json
import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, NoReturn

from xenlab.errors import CannotObserve

NFS_TYPES = frozenset({"nfs", "nfs4"})
# "10.1.1.0/24(rw,sync)" at the end of a line, after blanks.
_CLIENT = re.compile(r"(?<=\s)(\S+)\(([^()]*)\)\Z")
_NUMBER = re.compile(r"[0-9]{1,18}")
_UPTIME = re.compile(r"[0-9]{1,12}\.[0-9]{1,9}")
# Disk drivers name these in every guest that has such a drive without a medium.
_WITHOUT_MEDIUM = re.compile(r"\bdev(ice)? (fd|sr)[0-9]")
_EXT = re.compile(r"EXT[234]-fs (error|warning|\([^()]{1,80}\): error)")


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
    def is_automount(self) -> bool:
        """Whether it only waits for someone to look into it (autofs(5), x-systemd.automount)."""
        return self.fstype == "autofs"

    @property
    def server_address(self) -> str:
        """The address of an NFS mount's server, by which the kernel reaches it (nfs(5), addr=); "" where not known.

        `source` says what was typed: a name, an alias, another spelling of the address.
        """
        found = (option.removeprefix("addr=") for option in self.options if option.startswith("addr="))
        return next(found, "") if self.is_nfs else ""

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
    def is_root(self) -> bool:
        """Whether NFSv4 clients see it as "/" (exports(5), fsid=0): a mount of SERVER:/ is this export."""
        return not {"fsid=0", "fsid=root"}.isdisjoint(self.options)

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
class Background:
    """A program that runs on in the background: its process id, and the file that it writes to."""

    pid: int
    file: str


@dataclass(frozen=True, slots=True)
class Written:
    """What the background writer left: its numbers, the guest's uptime in seconds when it wrote each, and any other
    words (an error of the disk)."""

    numbers: tuple[int, ...]
    uptimes: tuple[float, ...]
    complaints: tuple[str, ...]

    @property
    def is_unbroken(self) -> bool:
        """Whether it wrote 1, 2, 3... without a gap or a complaint."""
        count = len(self.numbers)
        return count > 0 and self.numbers == tuple(range(1, count + 1)) and not self.complaints


def mount(text: str) -> Mount:
    """Read `commands.mount_of`: of mounts on top of each other, the one that is seen."""
    if not text.startswith("/"):
        return mounts(text)[-1]
    # Old findmnt: the path, and all mounts in the order of mounting.
    path, _, table = text.partition("\n")
    above = [mount for mount in mounts(table) if PurePosixPath(path).is_relative_to(mount.target)]
    if not above:
        _not_understood("mountinfo", text)
    deepest = max(len(mount.target) for mount in above)
    return [mount for mount in above if len(mount.target) == deepest][-1]


def mounts(text: str) -> tuple[Mount, ...]:
    """Read `commands.mounts`, in the order of mounting."""
    if text[:1].isdigit():
        return tuple(map(_mountinfo, text.splitlines()))
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


def _mountinfo(line: str) -> Mount:
    """One line of /proc/self/mountinfo (proc_pid_mountinfo(5)), as findmnt shows it."""
    left, _, right = line.partition(" - ")
    mount_fields, file_system = left.split(" "), right.split(" ")
    if len(mount_fields) < 6 or len(file_system) != 3:
        _not_understood("mountinfo", line)
    _, _, _, root, target, options, *_ = mount_fields
    fstype, source, more_options = file_system
    bound = "" if root == "/" else f"[{_unescaped(root)}]"
    both = dict.fromkeys([*options.split(","), *more_options.split(",")])
    return Mount(_unescaped(source) + bound, fstype, _unescaped(target), tuple(both))


def exports(text: str) -> tuple[Export, ...]:
    """Read `commands.exports`; a long path stands on a line of its own before its clients."""
    found: list[Export] = []
    path = ""
    for line in filter(str.strip, text.splitlines()):
        words = line.rstrip()
        client = _CLIENT.search(words)
        named = words[: client.start()].rstrip() if client else words
        path = named or path
        if not path.startswith("/") or named[:1] not in ("", "/"):
            _not_understood("exportfs", line)
        if client:
            found.append(Export(path, client[1], tuple(client[2].split(","))))
    return tuple(found)


def swaps(text: str) -> tuple[Swap, ...]:
    """Read `commands.swaps`."""
    head, *rows = text.splitlines() or [""]
    if not head.startswith("Filename"):
        _not_understood("/proc/swaps", text)
    found = []
    for row in rows:
        match row.split():
            case [device, _, size, *_] if _NUMBER.fullmatch(size):
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
    match = re.fullmatch(r"([0-9]{1,18}) ([0-9a-f]{64}) ([0-9a-f]{64})", text.strip())
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
    first = text.partition(" ")[0]
    if not _UPTIME.fullmatch(first):
        _not_understood("/proc/uptime", text)
    return float(first)


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


def background(text: str) -> Background:
    """Read what `commands.start_ping` and its siblings print."""
    pid, _, file = text.removesuffix("\n").partition(" ")
    if not _NUMBER.fullmatch(pid) or not file.startswith("/"):
        _not_understood("the program's start", text)
    return Background(int(pid), file)


def processes(text: str) -> dict[int, str]:
    """Read `commands.processes`: arguments by process id."""
    found = {}
    for line in filter(str.strip, text.splitlines()):
        pid, _, args = line.strip().partition(" ")
        if not _NUMBER.fullmatch(pid):
            _not_understood("ps", line)
        found[int(pid)] = args.strip()
    return found


def disk_errors(text: str) -> tuple[str, ...]:
    """Return the lines of a kernel log that speak of a disk or file system in trouble, or of a journal recovered.

    Not those of floppy and CD drives, which complain wherever they have no medium.
    """
    return tuple(line for line in text.splitlines() if _is_trouble(line))


def _is_trouble(line: str) -> bool:
    words = line.lower()
    if "i/o error" in words:
        return _WITHOUT_MEDIUM.search(line) is None
    if "btrfs" in words:
        return "btrfs info" not in words and ("error" in words or "corrupt" in words or "csum failed" in words)
    if "xfs (" in words:
        return "corruption" in words or "error" in words or "shutting down" in words
    if "jbd2:" in words:
        return "error" in words or "abort" in words
    if "reached, running e2fsck is recommended" in words:
        return False  # mounted often, or long ago
    return _EXT.search(line) is not None or (
        ("-fs (" in words and "recovery complete" in words) or "remounting filesystem read-only" in words
    )


def written(text: str) -> Written:
    """Read what the background writer wrote; a last line that was cut short is left out."""
    numbers, uptimes, complaints = [], [], []
    for line in text.split("\n")[:-1]:
        match line.split(" "):
            case [number, uptime] if _NUMBER.fullmatch(number) and _UPTIME.fullmatch(uptime):
                numbers.append(int(number))
                uptimes.append(float(uptime))
            case _:
                complaints.append(line)
    return Written(tuple(numbers), tuple(uptimes), tuple(complaints))


def _json_rows(program: str, text: str, key: str) -> list[dict[str, Any]]:
    try:
        rows = json.loads(text)[key]
    # Too deep a nesting is a RecursionError.
    except (ValueError, KeyError, TypeError, RecursionError):
        _not_understood(program, text)
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        _not_understood(program, text)
    return rows


def _unescaped(path: str) -> str:
    """Undo the kernel's octal escapes in a path (\\040 is a space)."""
    return re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), path)


def _not_understood(source: str, text: str) -> NoReturn:
    first = next(iter(text[:1000].strip().splitlines()), "nothing")
    raise CannotObserve(f"the answer of {source} is not understood: {first[:100]!r}")
