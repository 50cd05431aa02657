"""Mounts and files of a machine, by what the kernel says of them: which file system a path really lies on.

A path's spelling says little: a bind mount, a link or a mount on top of another makes it lead elsewhere. Here
a file is told by its resolved path and the mount that holds it (proc(5), /proc/PID/mountinfo), and by device
and inode (stat(1)).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from xenlab.errors import CannotObserve

Argv = tuple[str, ...]

NFS_TYPES = frozenset({"nfs", "nfs4"})
_NO_PART_OF_AN_EXPORT = frozenset({"tmpfs", "ramfs", "overlay", "autofs"})

# One stat for all; then each path without its links. Links may lead nowhere: that is an answer, too.
_FILES = """
stat -L -c '%d %i %s %f %n' -- "$@"
for path; do printf 'resolved %s\\n' "$(readlink -f -- "$path")"; done
"""
_STAT = re.compile(r"(?P<device>\d+) (?P<inode>\d+) (?P<size>\d+) (?P<mode>[0-9a-f]+) (?P<path>/.*)")
_ERROR = re.compile(r"stat: (?:cannot \w+ |can't stat )['\"‘`](?P<path>.*)['\"’]: (?P<why>[^:]+)")
_MISSING = ("No such file or directory", "Not a directory")
_REGULAR = 0o100000
# Device numbers below this have major 0: file systems without a block device, such as NFS (makedev(3)).
_FIRST_MAJOR = 0x100


@dataclass(frozen=True, slots=True)
class Mount:
    """One line of mountinfo: `root` is the folder of the file system that is seen at `target`.

    `device` is "MAJOR:MINOR", the same for every mount of one file system; `options` are those of the mount and
    of the file system together. `number` and `parent` tell what it is mounted on.
    """

    device: str
    root: str
    target: str
    fstype: str
    source: str
    options: tuple[str, ...]
    number: str
    parent: str

    @property
    def is_nfs(self) -> bool:
        """Whether it is an NFS mount, by its file system type."""
        return self.fstype in NFS_TYPES

    @property
    def folder(self) -> str:
        """The folder of the file system that is seen at `target`; of NFS as the server names it.

        For NFS the kernel gives "/" as the root of every mount, and the folder in the source (nfs_show_path in
        fs/nfs/super.c); exports that lie on one file system of the server share one device number.
        """
        below = self.source.partition(":/")[2] if self.is_nfs else ""
        return str(PurePosixPath("/", below, self.root.removeprefix("/"))) if below else self.root

    @property
    def read_only(self) -> bool:
        """Whether the mount or its file system refuses writes."""
        return "ro" in self.options

    def option(self, name: str) -> str | None:
        """The value of an option NAME=VALUE, or None."""
        return next((word.partition("=")[2] for word in self.options if word.startswith(f"{name}=")), None)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a path lies for real: the mount that holds it, and its path within that file system."""

    mount: Mount
    path: str

    @property
    def seen_at(self) -> str:
        """The path, without links, by which it is seen."""
        return str(PurePosixPath(self.mount.target) / PurePosixPath(self.path).relative_to(self.mount.root))

    def is_below(self, other: "Place") -> bool:
        """Whether it is `other` or lies below it, on the same file system or on one that is part of it."""
        if self.mount.device == other.mount.device:
            return self._whole_path().is_relative_to(other._whole_path())
        return self._continues(other)

    def _whole_path(self) -> PurePosixPath:
        return PurePosixPath(self.mount.folder) / PurePosixPath(self.path).relative_to(self.mount.root)

    def _continues(self, other: "Place") -> bool:
        """Whether it lies on a whole file system that is mounted within `other`, as part of the same export.

        An NFSv4 client mounts by itself what lies on another file system of its server (crossmnt in exports(5));
        such are the data sets of ZFS. A folder bound there, or a file system in memory, is something else.
        """
        mount, target = self.mount, PurePosixPath(self.mount.target)
        if mount.root != "/" or not target.is_relative_to(other.seen_at):
            return False
        if other.mount.is_nfs:
            below = target.relative_to(other.mount.target)
            return mount.is_nfs and PurePosixPath(mount.source) == PurePosixPath(other.mount.source) / below
        return not mount.is_nfs and mount.fstype not in _NO_PART_OF_AN_EXPORT


@dataclass(frozen=True, slots=True)
class FileFact:
    """A path as a host sees it: `resolved` without links; size in bytes.

    `missing` says that there is none, in the system's words; `unseen` why nothing can be said of it (an I/O
    error, a stale handle, no permission). Where both are empty the file is there.
    """

    path: str
    resolved: str = ""
    inode: int = 0
    size: int = 0
    device: int = 0
    is_regular: bool = False
    missing: str = ""
    unseen: str = ""

    @property
    def is_there(self) -> bool:
        """Whether it exists."""
        return not self.missing and not self.unseen

    def is_same(self, other: "FileFact") -> bool:
        """Whether both are one file, seen by one host.

        One export mounted twice may have two device numbers (nosharecache in nfs(5)); then inode and size decide.
        """
        if not (self.is_there and other.is_there):
            return False
        nameless = self.device < _FIRST_MAJOR and other.device < _FIRST_MAJOR
        same_place = (self.device, self.inode) == (other.device, other.inode)
        return same_place or (nameless and (self.inode, self.size) == (other.inode, other.size))


def mountinfo() -> Argv:
    """Every mount, without asking any file system; `parse_mountinfo`."""
    return ("cat", "/proc/self/mountinfo")


def step_into(folder: str) -> Argv:
    """Look into a folder, so that an automount comes about (autofs, systemd.automount(5))."""
    return ("ls", "-d", "--", f"{folder}/.")


def files(paths: Sequence[str]) -> Argv:
    """What the paths are; `parse_files`."""
    return ("sh", "-c", _FILES, "sh", *paths)


def parse_mountinfo(text: str) -> tuple[Mount, ...]:
    """Read `mountinfo`, in the order of mounting.

    :raises CannotObserve: it is something else.
    """
    found = []
    for line in filter(str.strip, text.splitlines()):
        head, dash, tail = line.partition(" - ")
        front, back = head.split(" "), tail.split(" ")
        if not dash or len(front) < 6 or len(back) < 3:
            raise CannotObserve(f"/proc/self/mountinfo says something unknown: {line[:100]!r}")
        options = dict.fromkeys((*front[5].split(","), *back[2].split(",")))
        root, target, source = map(_unescaped, (front[3], front[4], back[1]))
        found.append(Mount(front[2], root, target, back[0], source, tuple(options), front[0], front[1]))
    if not found:
        raise CannotObserve("/proc/self/mountinfo says nothing")
    return tuple(found)


def mount_at(mounts: Sequence[Mount], target: str) -> Mount | None:
    """The mount that is seen at exactly this mount point: of several on top of each other, the last."""
    fitting = [mount for mount in mounts if PurePosixPath(mount.target) == PurePosixPath(target)]
    return fitting[-1] if fitting else None


def place_of(mounts: Sequence[Mount], resolved: str) -> Place:
    """Where a path without links lies.

    The kernel's own walk: from / by what is mounted on what, so that neither a mount on top of another nor one on
    a folder above, which hides the others below it, is missed.

    :raises CannotObserve: not even / is mounted, or it is no whole path.
    """
    holding = [mount for mount in mounts if resolved.startswith("/") and _holds(mount.target, resolved)]
    roots = [mount for mount in holding if mount.target == "/"]
    above_root = {mount.number for mount in roots}
    here = next((mount for mount in roots if mount.parent not in above_root - {mount.number}), None)
    if here is None:
        raise CannotObserve(f"no mount holds {resolved}")
    mounted_on: dict[str, Mount] = {}
    for mount in holding:
        first = mounted_on.get(mount.parent)
        if mount is not here and (first is None or len(mount.target) <= len(first.target)):
            mounted_on[mount.parent] = mount
    while on_top := mounted_on.pop(here.number, None):
        here = on_top
    return Place(here, str(PurePosixPath(here.root) / PurePosixPath(resolved).relative_to(here.target)))


def _holds(folder: str, path: str) -> bool:
    return folder in ("/", path) or path.startswith(f"{folder}/")


def parse_files(paths: Sequence[str], stdout: str, stderr: str) -> tuple[FileFact, ...]:
    """Read `files`: a fact for each path, in their order; what nothing was said of is unseen."""
    resolved = [line.removeprefix("resolved ") for line in stdout.splitlines() if line.startswith("resolved ")]
    known = {fact.path: fact for fact in parse_stats(stdout, stderr)}
    facts = [known.get(path, FileFact(path, unseen="it was not answered for")) for path in paths]
    return tuple(
        replace(fact, resolved=resolved[index]) if index < len(resolved) else fact for index, fact in enumerate(facts)
    )


def parse_stats(stdout: str, stderr: str) -> tuple[FileFact, ...]:
    """The facts of every path that stat(1) spoke of, well or ill."""
    facts = [
        FileFact(
            found["path"],
            found["path"],
            int(found["inode"]),
            int(found["size"]),
            int(found["device"]),
            int(found["mode"], 16) & 0o170000 == _REGULAR,
        )
        for found in map(_STAT.fullmatch, stdout.splitlines())
        if found
    ]
    for error in filter(None, map(_ERROR.match, stderr.splitlines())):
        why = error["why"].strip()
        gone = why.startswith(_MISSING)
        facts.append(FileFact(error["path"], missing=why if gone else "", unseen="" if gone else why))
    return tuple(facts)


def _unescaped(word: str) -> str:
    """Undo the kernel's octal escapes in a path (\\040 is a space)."""
    return re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), word)
