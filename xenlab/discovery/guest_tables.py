"""One guest's table of a lab file, and what is missing to it. Pure."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address

from xenlab.discovery import addresses, guests, hosts
from xenlab.discovery.access import Access
from xenlab.discovery.given import Given, SshTarget
from xenlab.discovery.guests import ConfigFound, GuestSeen
from xenlab.discovery.proposal import Missing, Proposed
from xenlab.discovery.seen import LabSeen
from xenlab.lab.looks import Unknown
from xenlab.labfile import HOSTS
from xenlab.remote.network import Interface
from xenlab.xen.conf import XlConf
from xenlab.xen.meaning import command_line

_ROOT = re.compile(r"(?:^|\s)root=/dev/(?P<device>[a-z][a-z0-9]*)(?=\s|$)")
_FILE_SYSTEMS = frozenset({"ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs", "jfs", "reiserfs"})


@dataclass(frozen=True, slots=True)
class GuestTable:
    """What is known of one guest: each part as a value, or as what is missing."""

    guest: GuestSeen
    lab: LabSeen
    config: ConfigFound | Missing
    home: Proposed | Missing
    address: Proposed | Missing
    ping_target: Proposed | Missing | None
    way: tuple[tuple[str, Proposed], ...]
    doubts: tuple[str, ...]

    @property
    def missing(self) -> tuple[Missing, ...]:
        """What nobody could tell."""
        parts = (self.config, self.home, self.address, self.ping_target)
        return tuple(part for part in parts if isinstance(part, Missing))

    @property
    def remarks(self) -> tuple[str, ...]:
        """What is worth a word beside."""
        original = self._original()
        return (*self.doubts, *([original] if isinstance(original, str) else []), *self._without_network())

    def entry(self) -> dict[str, Proposed]:
        """The table, as far as it is known."""
        parts: dict[str, Proposed | Missing | None] = {
            "name": Proposed(self.guest.name, self._named_by()),
            "address": self.address,
            **dict(self.way),
            "home": self.home,
            "config": self._config(),
            "original_config": self._original_config(),
            "ping_target": self.ping_target,
            **dict(self._disks()),
        }
        return {key: part for key, part in parts.items() if isinstance(part, Proposed)}

    def _named_by(self) -> str:
        if isinstance(self.config, Missing):
            return "xenstore"
        return f"name= in its config, as {self.config.host} reads it"

    def _config(self) -> Proposed | None:
        if isinstance(self.config, Missing):
            return None
        return Proposed(self.config.path, f"found on the share by {self.config.host}, names {self.guest.name}")

    def _original(self) -> ConfigFound | str | None:
        return None if isinstance(self.home, Missing) else guests.original_of(self.guest, str(self.home.value))

    def _original_config(self) -> Proposed | None:
        original = self._original()
        if not isinstance(original, ConfigFound):
            return None
        how = "names it" if original.name == self.guest.name else "has its MAC"
        return Proposed(original.path, f"on {original.host}, {how}")

    def _disks(self) -> Iterator[tuple[str, Proposed]]:
        """Its root disk and its swap, as the config and the disks themselves tell."""
        if isinstance(self.config, Missing):
            return
        kinds: dict[str, tuple[str, str]] = {}
        for disk in self.config.config.disks:
            for look in self.lab.closer:
                if identity := look.identity_of(disk.target):
                    kinds[disk.device] = (identity.kind, disk.target)
        root = _ROOT.search(command_line(self.config.config))
        roots = [device for device, (kind, _) in kinds.items() if kind in _FILE_SYSTEMS]
        if root:
            yield "root_device", Proposed(root["device"], f"root= in {self.config.path}")
        elif len(roots) == 1:
            kind, path = kinds[roots[0]]
            yield "root_device", Proposed(roots[0], f"its only disk with a file system (blkid: {kind} on {path})")
        if swaps := [path for kind, path in kinds.values() if kind == "swap"]:
            yield "swap", Proposed(True, f"blkid: {swaps[0]} is swap")

    def _without_network(self) -> Iterator[str]:
        """Interfaces that find nothing to be joined to on a host."""
        if isinstance(self.config, Missing):
            return
        for host, name in zip(self.lab.hosts, hosts.names_of(self.lab), strict=True):
            conf = XlConf() if isinstance(host.xl_conf, Unknown) else host.xl_conf
            for vif in (vif.on(conf) for vif in self.config.config.vifs):
                known = {"bridge": host.bridges, "openvswitch": host.switches}.get(vif.needs)
                bridge = (vif.bridge or "").partition(".")[0]
                if known is not None and not isinstance(known, Unknown) and bridge not in known:
                    what = "bridge" if vif.needs == "bridge" else "Open vSwitch bridge"
                    yield f"{name} has no {what} {bridge}, which {self.guest.name} needs: {hosts.network_words(host)}"


def table_of(
    guest: GuestSeen, lab: LabSeen, given: Given, access: Access, common_macs: frozenset[str], *, direct: bool
) -> GuestTable:
    """A guest's table; `direct`: this machine reaches the hosts by the addresses that they have among themselves."""
    home, address = guests.home_of(guest, lab, given), addresses.address_of(guest, lab, common_macs, given)
    target: Proposed | Missing | None = None
    way: tuple[tuple[str, Proposed], ...] = ()
    doubts: tuple[str, ...] = ()
    if isinstance(address, Proposed):
        own = str(address.value)
        user, at, _ = given.guests.get(guest.name, "").rpartition("@")
        way = (*access.entry(SshTarget(own, user if at else "root"), own), *_through(lab, own, direct=direct))
        if guest.name not in given.guests:
            doubts = tuple(addresses.dissenting(guest, lab, common_macs, own))
        if isinstance(home, Proposed):
            target = addresses.ping_target_of(guest, lab, own, str(home.value), given)
    return GuestTable(guest, lab, guests.config_of(guest, given), home, address, target, way, doubts)


def _through(lab: LabSeen, address: str, *, direct: bool) -> Iterator[tuple[str, Proposed]]:
    """Through the hosts, where this machine is not on the guest's network."""
    network = addresses.network_of(lab, address)
    dialled = [where for host in lab.hosts for where in (host.target.host, *host.resolved)]
    if not direct:
        yield "via", Proposed(HOSTS, "this machine reaches the hosts otherwise than by the addresses that they have")
    elif network is None or not any(_is_in(network, where) for where in dialled):
        yield "via", Proposed(HOSTS, "it is on a network of the hosts alone")


def _is_in(network: Interface, host: str) -> bool:
    try:
        return ip_address(host) in network.network
    except ValueError:
        return False
