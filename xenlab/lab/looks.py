"""What was seen of the lab: frozen facts, each with the ids of the recorded commands it rests on.

A look is one bounded round trip to one machine (`looking`). What could not be read is `Unknown`, with the
reason: not to have seen something never means that it is not there. Nothing here does I/O.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self, TypeVar

from xenlab.errors import CannotObserve
from xenlab.remote.facts import Cpu, LoopDevice, Swap, System
from xenlab.remote.filesystems import FileFact, Mount
from xenlab.remote.sections import Answer
from xenlab.xen.conf import XlConf
from xenlab.xen.parsers import DomainRow, XenInfo
from xenlab.xen.xenstore import StoredDomain

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Unknown:
    """Something that could not be read: why, and what would help; `timed_out` where it was asked for too long."""

    why: str
    hint: str = ""
    timed_out: bool = False


def known(fact: T | Unknown, what: str, evidence: tuple[str, ...] = ()) -> T:
    """The fact itself.

    :raises CannotObserve: it is unknown; `what` begins the sentence ("xl list on baye").
    """
    if isinstance(fact, Unknown):
        raise CannotObserve(f"{what}: {fact.why}", hint=fact.hint, evidence=evidence)
    return fact


@dataclass(frozen=True, slots=True)
class Look:
    """What every look has: whom it was of, the ids of its commands, and when it began (monotonic seconds)."""

    host: str
    ids: tuple[str, ...]
    at: float


@dataclass(frozen=True, slots=True)
class OwnLook(Look):
    """What a machine (`host`, which may be a guest) answered to a command of the rubric's own."""

    answer: Answer | Unknown


@dataclass(frozen=True, slots=True)
class DomainsLook(Look):
    """The domains of one host: by `xl list` (`rows`), and by xenstore with their devices (`stored`).

    `migrations` are the command lines of migrations and other acts under way, by process id (`peers.under_way`).
    What comes after is empty where the look did not ask for it: `files` are the paths that were asked for,
    `attached` what all disks rest on that the host serves or has mounted itself (`mounts`), `config` a guest's
    config as the host reads it.
    """

    rows: tuple[DomainRow, ...] | Unknown
    stored: tuple[StoredDomain, ...] | Unknown
    migrations: Mapping[int, str] | Unknown
    files: tuple[FileFact, ...] | Unknown = ()
    attached: tuple[FileFact, ...] | Unknown = ()
    mounts: tuple[Mount, ...] | Unknown = ()
    config: str | Unknown = ""


@dataclass(frozen=True, slots=True)
class HostLook(Look):
    """A Dom0 with all that the hosts' step asks of it, and all that must be as before in the end.

    `name` is its own (uname -n), `fingerprint` its verified host key, `bridges` the Linux bridges, `switches`
    those of Open vSwitch; `peer` is what root's ssh to the other host answered. `configs` are texts by path,
    `log_lines` how many lines Xen's ring and the kernel's held. `console_daemon` tells whether xenconsoled runs,
    `old_ssh` what SSH to it stands on that is old, where the lab file allows that; `system` is what the host runs.
    """

    fingerprint: str | Unknown
    name: str | Unknown
    is_root: bool | Unknown
    info: XenInfo | Unknown
    cpu: Cpu | Unknown
    xl_conf: XlConf | Unknown
    bridges: frozenset[str] | Unknown
    switches: frozenset[str] | Unknown
    peer: Answer
    domains: DomainsLook
    mounts: tuple[Mount, ...] | Unknown
    loops: tuple[LoopDevice, ...] | Unknown
    log_lines: tuple[int, int] | Unknown
    configs: Mapping[str, str | Unknown]
    console_daemon: bool | Unknown = Unknown("it was not asked for")
    old_ssh: tuple[str, ...] = ()
    system: System | Unknown = Unknown("it was not asked for")

    @property
    def is_seen(self) -> bool:
        """Whether one was logged in on it."""
        return isinstance(self.fingerprint, str)

    @classmethod
    def unseen(cls, host: str, why: str = "it was not looked at yet") -> Self:
        """A look at a host of which nothing is known."""
        nothing = Unknown(why)
        domains = DomainsLook(host, (), 0.0, nothing, nothing, nothing)
        return cls(
            *(host, (), 0.0),
            *(nothing, nothing, nothing, nothing, nothing, nothing, nothing, nothing),
            *(Answer(None, "", why), domains),
            *(nothing, nothing, nothing),
            configs={},
        )


@dataclass(frozen=True, slots=True)
class ShareLook(Look):
    """One host's side of the share.

    `exports` is what exportfs -v answered, `nfsd_threads` how many threads serve NFS (0: none), `entered`
    whether the mount point could be looked into.
    """

    exports: Answer
    nfsd_threads: int | Unknown
    entered: Answer
    mounts: tuple[Mount, ...] | Unknown
    files: tuple[FileFact, ...] | Unknown


@dataclass(frozen=True, slots=True)
class NonceTrip:
    """A nonce that one host wrote to the share, and what the other read there; `ids` are of both commands."""

    writer: str
    reader: str
    path: str
    nonce: str
    wrote: Answer
    read: Answer
    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ConfigLook(Look):
    """A guest's config as one host reads it, what `xl create --dryrun` says to it there, and xl's own defaults."""

    text: str | Unknown
    original: str | Unknown
    dryrun: Answer
    xl_conf: XlConf | Unknown = field(default_factory=XlConf)


@dataclass(frozen=True, slots=True)
class FilesLook(Look):
    """Files of one host, and the mounts they lie on."""

    files: tuple[FileFact, ...] | Unknown
    mounts: tuple[Mount, ...] | Unknown


@dataclass(frozen=True, slots=True)
class FileIdentity:
    """What tells a disk image or a kernel from another: size in bytes and, where there is one, its file system.

    `kind` and `uuid` are those of its file system or partition table (blkid(8)), `digest` the SHA-256 of a small
    file (a kernel); each is empty where there is none.
    """

    size: int
    kind: str
    uuid: str
    digest: str


@dataclass(frozen=True, slots=True)
class IdentityLook(Look):
    """What the originals and their counterparts on the share are; by path, missing files left out."""

    identities: Mapping[str, FileIdentity | Unknown]
    missing: frozenset[str]


@dataclass(frozen=True, slots=True)
class LogsLook(Look):
    """What a host wrote since the run began: "xen" and "kernel" their rings, "guest" the logs of one guest."""

    texts: Mapping[str, str | Unknown]


@dataclass(frozen=True, slots=True)
class GuestLook(Look):
    """A guest as it shows itself to a login; `host` is the guest's name.

    `uptime` is in seconds. `root_devices` are the disks that / rests on, from the file system's own device down
    to the disk ("dm-0", "xvda2", "xvda"). `nonce` is what the asked-for file holds on the disk itself.
    """

    boot_id: str | Unknown
    uptime: float | Unknown
    root_devices: tuple[str, ...] | Unknown
    swaps: tuple[Swap, ...] | Unknown
    kernel_log: str | Unknown
    nonce: str | Unknown
