"""What looks at hosts have shown of a lab that nobody has described yet: frozen facts. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from xenlab.discovery.given import SshTarget
from xenlab.lab.looks import FileIdentity, Unknown
from xenlab.remote.facts import Cpu, Export, System
from xenlab.remote.filesystems import Mount
from xenlab.remote.network import Connection, DefaultRoute, DhcpLease, Neighbour, OwnAddress
from xenlab.xen.conf import XlConf
from xenlab.xen.found_configs import FoundText
from xenlab.xen.parsers import DomainRow
from xenlab.xen.xenstore import StoredDomain


@dataclass(frozen=True, slots=True)
class HostSeen:
    """One host: what it is called, what runs on it, which networks and file systems it has.

    `resolved` are the addresses that this machine knows by the name that it was asked for, `called` is what a lab
    file calls it already. `link_local` are addresses that hold on one network alone. `rows` are the domains by
    `xl list`, `stored` by xenstore, `fstab` is the text of
    /etc/fstab. Automounts are among `mounts`, too; none of them is stepped into.
    """

    target: SshTarget
    name: str | Unknown
    is_root: bool
    rows: tuple[DomainRow, ...] | Unknown
    stored: tuple[StoredDomain, ...] | Unknown
    cpu: Cpu | Unknown
    xl_conf: XlConf | Unknown
    bridges: frozenset[str] | Unknown
    switches: frozenset[str] | Unknown
    addresses: tuple[OwnAddress, ...] = ()
    link_local: frozenset[str] = frozenset()
    routes: tuple[DefaultRoute, ...] = ()
    neighbours: tuple[Neighbour, ...] = ()
    leases: tuple[DhcpLease, ...] = ()
    connection: Connection | None = None
    mounts: tuple[Mount, ...] | Unknown = ()
    exports: tuple[Export, ...] | Unknown = ()
    fstab: str = ""
    called: str = ""
    resolved: tuple[str, ...] = ()
    system: System = System()  # noqa: RUF009  # it is frozen

    @property
    def spelled(self) -> str:
        """How it was asked for, for words about it before it has a name."""
        return str(self.target)

    @property
    def domains(self) -> tuple[StoredDomain, ...]:
        """The domains beside Dom0 that xenstore knows."""
        return () if isinstance(self.stored, Unknown) else tuple(one for one in self.stored if one.domid)

    @property
    def known_mounts(self) -> tuple[Mount, ...]:
        """Its mounts, none where they could not be read."""
        return () if isinstance(self.mounts, Unknown) else self.mounts

    @property
    def known_exports(self) -> tuple[Export, ...]:
        """Its exports, none where they could not be read."""
        return () if isinstance(self.exports, Unknown) else self.exports

    def has(self, address: str) -> bool:
        """Whether that is one of its own addresses."""
        return any(own.text == address for own in self.addresses)


@dataclass(frozen=True, slots=True)
class TextsSeen:
    """Files of one host that may be guests' configs, and what could not be read: path and reason."""

    texts: tuple[FoundText, ...] = ()
    unread: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class CloserLook:
    """What one host answered to questions that the first looks gave rise to.

    `names` are the addresses of names, and of addresses' own names, as it resolves them; `answering` the addresses
    that answered its ping, `reached` the names and addresses of its peer by which root gets there without being asked
    anything, `refused` those by which it came to nothing (in time, as a busy host may be late); `identities` what disks
    are.
    """

    names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    answering: frozenset[str] = frozenset()
    reached: frozenset[str] = frozenset()
    refused: frozenset[str] = frozenset()
    identities: Mapping[str, FileIdentity | Unknown] | Unknown = field(default_factory=dict)

    def identity_of(self, disk: str) -> FileIdentity | None:
        """What a disk is, where that was seen."""
        found = None if isinstance(self.identities, Unknown) else self.identities.get(disk)
        return found if isinstance(found, FileIdentity) else None


@dataclass(frozen=True, slots=True)
class LabSeen:
    """Both hosts, in the order in which they were asked for; `texts` and `closer` are of each in the same order."""

    hosts: tuple[HostSeen, ...]
    texts: tuple[TextsSeen, ...] = ()
    closer: tuple[CloserLook, ...] = ()
