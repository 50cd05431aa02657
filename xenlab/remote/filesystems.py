"""Mounts and files of a machine, by what the kernel says of them: which file system a path really lies on.

A path's spelling says little: a bind mount, a link or a mount on top of another makes it lead elsewhere. Here
a file is told by its resolved path and the mount that holds it (proc(5), /proc/PID/mountinfo), and by device
and inode (stat(1)).
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from xenlab.errors import CannotObserve
from xenlab.remote.answers import lines_of, whole_number

Argv = tuple[str, ...]

NFS_TYPES = frozenset({"nfs", "nfs4"})
_NO_PART_OF_AN_EXPORT = frozenset({"tmpfs", "ramfs", "overlay", "autofs"})

# One stat for all; then each path without its links, which may lead nowhere: that is an answer, too. Behind a block
# device are the files that its loop devices have, whatever lies between (partitions, device-mapper). NFS mounts tell
# one export from another, where it has several device numbers (mounted twice, with other options).
FILES = r"""
behind() {
    for below in /sys/class/block/"$1"/slaves/*; do [ -e "$below" ] && behind "${below##*/}"; done
    if [ -e /sys/class/block/"$1"/partition ]; then
        disk=$(readlink -f /sys/class/block/"$1"/..)
        behind "${disk##*/}"
    fi
    [ ! -e /sys/class/block/"$1"/loop/backing_file ] || cat /sys/class/block/"$1"/loop/backing_file
}
stat -L -c '%d %i %s %f %n' -- "$@"
for path; do
    real=$(readlink -f -- "$path")
    printf 'resolved %s\n' "$real"
    case $real in /dev/*)
        behind "${real##*/}" | grep -v ' (deleted)$' | while IFS= read -r file; do
            printf 'behind %s\n' "$path"
            stat -L -c '%d %i %s %f %n' -- "$file" 2>/dev/null || printf 'unseen %s\n' "$file"
        done ;;
    esac
done
sed -n -e '/ - nfs4\{0,1\} /s/^/mount /p' /proc/self/mountinfo
"""
_STAT = re.compile(
    r"(?P<device>[0-9]{1,20}) (?P<inode>[0-9]{1,20}) (?P<size>[0-9]{1,20}) (?P<mode>[0-9a-f]{1,8}) (?P<path>/.*)"
)
_ERROR = re.compile(r"stat: (?:cannot \w+ |can't stat )['\"‘`](?P<path>.*)['\"’]: (?P<why>[^:]+)")
_MISSING = ("No such file or directory", "Not a directory")
_REGULAR = 0o100000


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
    error, a stale handle, no permission). Where both are empty the file is there. `behind` are the files that a
    block device rests on (losetup(8)), `export` server and folder of the NFS mount that it lies on.
    """

    path: str
    resolved: str = ""
    inode: int = 0
    size: int = 0
    device: int = 0
    is_regular: bool = False
    missing: str = ""
    unseen: str = ""
    behind: tuple["FileFact", ...] = ()
    export: tuple[str, str] | None = None

    @property
    def is_there(self) -> bool:
        """Whether it exists."""
        return not self.missing and not self.unseen

    @property
    def is_known(self) -> bool:
        """Whether it is seen to be there, with all that is behind it, or not to be there."""
        return not self.unseen and all(file.is_there for file in self.behind)

    def is_same(self, other: "FileFact") -> bool:
        """Whether both are one file, or rest on one, seen by one host."""
        return any(_is_one_file(mine, its) for mine in (self, *self.behind) for its in (other, *other.behind))


def mountinfo() -> Argv:
    """Every mount, without asking any file system; `parse_mountinfo`."""
    return ("cat", "/proc/self/mountinfo")


def step_into(folder: str) -> Argv:
    """Look into a folder, so that an automount comes about (autofs, systemd.automount(5))."""
    return ("ls", "-d", "--", f"{folder}/.")


def files(paths: Sequence[str]) -> Argv:
    """What the paths are; `parse_files`."""
    return ("sh", "-c", FILES, "sh", *paths)


def parse_mountinfo(text: str) -> tuple[Mount, ...]:
    """Read `mountinfo`, in the order of mounting.

    :raises CannotObserve: it is something else.
    """
    found = []
    for line in lines_of(text, "/proc/self/mountinfo"):
        head, dash, tail = line.partition(" - ")
        front, back = head.split(" "), tail.split(" ")
        if not dash or len(front) < 6 or len(back) < 3:
            raise CannotObserve(f"/proc/self/mountinfo says something unknown: {line[:100]!r}")
        options = dict.fromkeys((*front[5].split(","), *back[2].split(",")))
        root, target, source = map(_unescaped, (front[3], front[4], back[1]))
        if not target.startswith("/") or target.startswith("//"):
            raise CannotObserve(f"/proc/self/mountinfo says something unknown: {line[:100]!r}")
        found.append(Mount(front[2], root, target, back[0], source, tuple(options), front[0], front[1]))
    if not found:
        raise CannotObserve("/proc/self/mountinfo says nothing")
    return tuple(found)


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
    """Read `files`: a fact for each path, in their order; what nothing was said of is unseen.

    :raises CannotObserve: it is something else.
    """
    lines = lines_of(stdout, "stat")
    resolved = [line.removeprefix("resolved ") for line in lines if line.startswith("resolved ")]
    known = {fact.path: fact for fact in parse_stats(stdout, stderr)}
    facts = [known.get(path, FileFact(path, unseen="it was not answered for")) for path in paths]
    return tuple(
        replace(fact, resolved=resolved[index]) if index < len(resolved) else fact for index, fact in enumerate(facts)
    )


def parse_stats(stdout: str, stderr: str) -> tuple[FileFact, ...]:
    """The facts of every path that stat(1) spoke of, well or ill.

    :raises CannotObserve: it is something else.
    """
    lines = lines_of(stdout, "stat")
    exports = _exports(line.removeprefix("mount ") for line in lines if line.startswith("mount "))
    facts: dict[str, FileFact] = {}
    behind: dict[str, list[FileFact]] = {}
    device = ""
    for line in lines:
        word, _, rest = line.partition(" ")
        if word == "behind":
            device = rest
        elif fact := _stated(word, rest, line, exports):
            if device:
                behind.setdefault(device, []).append(fact)
            else:
                facts[fact.path] = fact
            device = ""
    for error in filter(None, map(_ERROR.match, lines_of(stderr, "stat"))):
        why = error["why"].strip()
        gone = why.startswith(_MISSING)
        facts[error["path"]] = FileFact(error["path"], missing=why if gone else "", unseen="" if gone else why)
    return tuple(replace(fact, behind=tuple(behind.get(path, ()))) for path, fact in facts.items())


def _stated(word: str, rest: str, line: str, exports: Mapping[int, tuple[str, str]]) -> FileFact | None:
    """One line of stat(1), or none where it is another line."""
    if word == "unseen":
        return FileFact(rest, unseen="it cannot be looked at")
    found = _STAT.fullmatch(line)
    if found is None:
        return None
    return FileFact(
        path=found["path"],
        resolved=found["path"],
        inode=int(found["inode"]),
        size=int(found["size"]),
        device=int(found["device"]),
        is_regular=int(found["mode"], 16) & 0o170000 == _REGULAR,
        export=exports.get(int(found["device"])),
    )


def _exports(lines: Iterable[str]) -> dict[int, tuple[str, str]]:
    """Server and folder of each NFS mount by its device number, as stat(1) gives it."""
    text = "\n".join(lines)
    return {
        _device(mount.device): (mount.option("addr") or mount.source, mount.source.rpartition(":")[2])
        for mount in (parse_mountinfo(text) if text else ())
    }


def _device(numbers: str) -> int:
    """MAJOR:MINOR as one number (makedev(3), as glibc and Linux have it)."""
    major, _, minor = (whole_number(part) or 0 for part in numbers.partition(":"))
    return (minor & 0xFF) | (major & 0xFFF) << 8 | (minor & ~0xFF) << 12 | (major & ~0xFFF) << 32


def _is_one_file(one: FileFact, other: FileFact) -> bool:
    if not (one.is_there and other.is_there) or one.inode != other.inode:
        return False
    if one.device == other.device:
        return True
    # Images made by one script may have one inode and one size in two exports: only the same export counts.
    if one.size != other.size or one.export is None or other.export is None or one.export[0] != other.export[0]:
        return False
    folders = [PurePosixPath(fact.export[1]) for fact in (one, other) if fact.export]
    return folders[0].is_relative_to(folders[1]) or folders[1].is_relative_to(folders[0])


def _unescaped(word: str) -> str:
    """Undo the kernel's octal escapes in a path (\\040 is a space)."""
    return re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), word) if "\\" in word else word
