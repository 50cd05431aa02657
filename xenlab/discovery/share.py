"""The NFS shares that hosts serve and have mounted, and what lies on them. Pure."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from xenlab.discovery.hosts import names_of, share_names
from xenlab.discovery.proposal import Proposed
from xenlab.discovery.seen import HostSeen, LabSeen
from xenlab.remote.filesystems import NFS_TYPES, Mount

_FSTAB = re.compile(r"(?P<server>[^\s#:][^\s]*?):(?P<folder>/\S*)\s+(?P<point>/\S*)\s+(?P<type>\S+)(?:\s.*)?")

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True, slots=True)
class ShareFound:
    """A share that may be the lab's; `mount_point` is empty where nobody has it mounted, `where` says what was seen.

    A server that is neither host has an `address`.
    """

    server: str
    export: str
    mount_point: str
    where: str
    address: str = ""

    @property
    def is_third(self) -> bool:
        """Whether its server is neither host."""
        return bool(self.address)

    @property
    def words(self) -> str:
        """It as `--share` takes it."""
        return f"{self.server}:{self.export}={self.mount_point or 'MOUNT_POINT'}"

    def covers(self, other: "ShareFound") -> bool:
        """Whether the other one is of the same folder of the same server, or of one in it."""
        return self.server == other.server and _below(other.export, self.export) is not None

    def path_on(self, lab: LabSeen, number: int, path: str) -> str | None:
        """A file of a host by its path on the share, below the mount point; None where it lies on another place."""
        host, name = lab.hosts[number], names_of(lab)[number]
        if name == self.server and (inner := _below(path, self.export)) is not None:
            return f"{self.mount_point}/{inner}"
        if (inner := _below(path, self.mount_point)) is not None and self._is_mounted_on(host):
            return f"{self.mount_point}/{inner}"
        return None

    def _is_mounted_on(self, host: HostSeen) -> bool:
        """Whether that host has it at the mount point: the last mount there counts."""
        there = [mount for mount in host.known_mounts if mount.target == self.mount_point]
        return bool(there) and (there[-1].is_nfs or there[-1].root == self.export)


def path_on(shares: Iterable[ShareFound], lab: LabSeen, number: int, path: str) -> str | None:
    """A file of a host by its path on whichever share it lies on; None where it lies on another place."""
    return next((there for share in shares if (there := share.path_on(lab, number, path)) is not None), None)


def shares_of(lab: LabSeen) -> tuple[ShareFound, ...]:
    """All that may be the lab's share: what is mounted by NFS, what /etc/fstab would mount, what is exported."""
    mounted = [share for number in range(len(lab.hosts)) for share in _mounted_on(lab, number)]
    planned = [share for number in range(len(lab.hosts)) for share in _in_fstab(lab, number)]
    used = (*mounted, *planned)
    exported = [share for share in _exported(lab) if not any(map(share.covers, used))]
    found: dict[tuple[str, str, str], ShareFound] = {}
    for share in (*mounted, *planned, *exported):
        found.setdefault((share.server, share.export, share.mount_point), share)
    return tuple(found.values())


def entry_of(share: ShareFound) -> dict[str, Proposed]:
    """Its [share] table."""
    return {
        "server": Proposed(share.server, share.where),
        **({"address": Proposed(share.address, share.where)} if share.is_third else {}),
        "export": Proposed(share.export, share.where),
        "mount_point": Proposed(share.mount_point, share.where),
    }


def holds_configs(lab: LabSeen, share: ShareFound) -> bool:
    """Whether a file that may be a guest's config lies on it."""
    return any(
        text.looks_like_config and share.path_on(lab, number, text.path)
        for number, texts in enumerate(lab.texts)
        for text in texts.texts
    )


def folders(lab: LabSeen, number: int) -> tuple[str, ...]:
    """Where on a host a share may be: mounts by NFS, and what it exports.

    An automount that is not mounted is not among them: to look into it would mount it.
    """
    host = lab.hosts[number]
    mounts = [mount.target for mount in host.known_mounts if mount.is_nfs]
    exports = [export.path for export in host.known_exports]
    return tuple(dict.fromkeys((*mounts, *exports)))


def automounts(lab: LabSeen) -> tuple[str, ...]:
    """Where an automounter waits to be asked."""
    own = {"/proc/sys/fs/binfmt_misc"}
    points = (mount.target for host in lab.hosts for mount in host.known_mounts if mount.fstype == "autofs")
    return tuple(dict.fromkeys(point for point in points if point not in own))


def share_at(lab: LabSeen, servers: tuple[str, ...], folder: str, mount_point: str, where: str) -> ShareFound:
    """A share by the names of its server, one of the hosts where one of them fits."""
    for number, name in enumerate(names_of(lab)):
        known = {word.lower() for word in share_names(lab, number)}
        # A link-local address has the device that leads there after it ("fe80::1%xenbr0"): the mounting host's own.
        spelled = (server.lower().partition("%")[0] for server in servers)
        if any(server in known or server.partition(".")[0] in known for server in spelled):
            return ShareFound(name, _exported_folder(lab.hosts[number], folder), mount_point, where)
    name = servers[-1] if _NAME.fullmatch(servers[-1]) else "nas"
    return ShareFound(name, folder, mount_point, where, servers[0])


def _mounted_on(lab: LabSeen, number: int) -> Iterator[ShareFound]:
    host, name = lab.hosts[number], names_of(lab)[number]
    for mount in host.known_mounts:
        if mount.is_nfs:
            spelled = mount.source.partition(":/")[0].strip("[]")
            address = mount.option("addr") or spelled
            where = f"mounted on {name}: {mount.source}, type {mount.fstype}, addr={address}"
            yield share_at(lab, (address, spelled), mount.folder, mount.target, where)


def _in_fstab(lab: LabSeen, number: int) -> Iterator[ShareFound]:
    host, name = lab.hosts[number], names_of(lab)[number]
    mounted = {mount.target for mount in host.known_mounts}
    for line in map(_FSTAB.fullmatch, map(str.strip, host.fstab.splitlines())):
        if line and line["type"] in NFS_TYPES and line["point"].rstrip("/") not in mounted:
            server, folder = line["server"].strip("[]"), line["folder"].rstrip("/") or "/"
            where = f"/etc/fstab on {name}, where it is not mounted now"
            yield share_at(lab, (server,), folder, line["point"].rstrip("/"), where)


def _exported(lab: LabSeen) -> Iterator[ShareFound]:
    for host, name in zip(lab.hosts, names_of(lab), strict=True):
        for path in dict.fromkeys(export.path for export in host.known_exports):
            bound = next((mount for mount in host.known_mounts if _binds(mount, path)), None)
            beside = f", bound to {bound.target}" if bound else ""
            yield ShareFound(name, path, bound.target if bound else "", f"exportfs -v on {name}{beside}")


def _exported_folder(server: HostSeen, folder: str) -> str:
    """The folder on the server itself: an NFSv4 client sees the export with fsid=0 as "/" (exports(5))."""
    paths = [export.path for export in server.known_exports]
    root = next((export.path for export in server.known_exports if export.is_root), None)
    if folder in paths or root is None or any(_below(folder, path) is not None for path in paths):
        return folder
    return str(PurePosixPath(root, folder.removeprefix("/")))


def _binds(mount: Mount, path: str) -> bool:
    return not mount.is_nfs and mount.root == path and mount.target != path


def _below(path: str, folder: str) -> str | None:
    """The path within a folder; None where it is not in it."""
    if not folder or not PurePosixPath(path).is_relative_to(folder):
        return None
    return str(PurePosixPath(path).relative_to(folder))
