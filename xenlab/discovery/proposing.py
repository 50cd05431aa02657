"""Everything that was seen of a lab made into what its lab file should say. Pure."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from ipaddress import ip_address

from xenlab.discovery import addresses, guests, hosts, share
from xenlab.discovery.given import Given, SshTarget
from xenlab.discovery.guests import ConfigFound, GuestSeen
from xenlab.discovery.hosts import AS_GIVEN
from xenlab.discovery.proposal import Missing, Proposal, Proposed
from xenlab.discovery.seen import LabSeen
from xenlab.discovery.share import ShareFound
from xenlab.lab.looks import FileIdentity, Unknown
from xenlab.labfile import HOSTS
from xenlab.remote.network import Interface
from xenlab.xen.conf import XlConf
from xenlab.xen.meaning import command_line

_ROOT = re.compile(r"(?:^|\s)root=/dev/(?P<device>[a-z][a-z0-9]*)(?=\s|$)")
_FILE_SYSTEMS = frozenset({"ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs", "jfs", "reiserfs"})
_OF_THE_CALL = f"{AS_GIVEN} on the command line"


@dataclass(frozen=True, slots=True)
class Access:
    """How this machine logs in: what the lab file says of it, the same for all machines but for their keys.

    `jumps` are the machines on the way, in order; `known_hosts` tells the file that has the key of a server, by what
    known_hosts calls that: "" for the user's own.
    """

    key_file: str = ""
    password_env: str = ""
    jumps: tuple[SshTarget, ...] = ()
    known_hosts: Callable[[str], str] = lambda _name: ""

    def entry(self, target: SshTarget, address: str) -> Iterator[tuple[str, Proposed]]:
        """The way to a machine whose address on the lab's network is this one."""
        if target.host != address:
            yield "ssh_address", Proposed(target.host, _OF_THE_CALL)
        if target.user != "root":
            yield "user", Proposed(target.user, _OF_THE_CALL)
        if target.port != 22:
            yield "port", Proposed(target.port, _OF_THE_CALL)
        yield from self.credentials(target)

    def credentials(self, target: SshTarget) -> Iterator[tuple[str, Proposed]]:
        """What a machine is logged in with, and what vouches for it."""
        if self.key_file:
            yield "key_file", Proposed(self.key_file, _OF_THE_CALL)
        if self.password_env:
            yield "password_env", Proposed(self.password_env, _OF_THE_CALL)
        if known_hosts := self.known_hosts(key_name(target)):
            yield "known_hosts", Proposed(known_hosts, "it has the host key that was verified")


def key_name(target: SshTarget) -> str:
    """What known_hosts calls a server (sshd(8))."""
    return target.host if target.port == 22 else f"[{target.host}]:{target.port}"


def jump_names(jumps: tuple[SshTarget, ...]) -> tuple[str, ...]:
    """What the lab file calls the machines on the way."""
    return tuple(
        jump.host if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", jump.host) else f"jump{number}"
        for number, jump in enumerate(jumps, 1)
    )


def propose(lab: LabSeen, given: Given, access: Access) -> Proposal:
    """The lab file, with where each value was seen, and what is missing to it."""
    name = Proposed(given.name or "-".join(hosts.names_of(lab)), AS_GIVEN if given.name else "the names of its hosts")
    if unfit := tuple(_unfit(lab)):
        return Proposal(name, {}, (), (), missing=unfit)
    missing: list[Missing] = []
    remarks = list(_unseen(lab))
    found = share.choose(lab, given)
    host_addresses = tuple(hosts.address_of(lab, number, given) for number in range(len(lab.hosts)))
    missing += [address for address in host_addresses if isinstance(address, Missing)]
    entries = []
    for number, address in enumerate(host_addresses):
        entry = {"name": hosts.name_of(lab, number)}
        if isinstance(address, Proposed):
            target = lab.hosts[number].target
            entry |= {"address": address, **dict(access.entry(target, str(address.value)))}
        entry |= dict(hosts.peer_entry(lab, number, address))
        if access.jumps:
            entry["via"] = Proposed(jump_names(access.jumps)[-1], _OF_THE_CALL)
        entries.append(entry)
    remarks += hosts.reach_remarks(lab, host_addresses)
    guest_entries: list[dict[str, Proposed]] = []
    if isinstance(found, Missing):
        missing.append(found)
    else:
        one_network = not access.jumps and all(
            isinstance(address, Proposed) and address.value in (host.target.host, *host.resolved)
            for address, host in zip(host_addresses, lab.hosts, strict=True)
        )
        of_guests = guests.guests_of(lab, found, given)
        for guest in of_guests:
            one = _Guest(guest, lab, given, access, frozenset(guests.shared_macs(of_guests)))
            guest_entries.append(one.entry(direct=one_network, missing=missing, remarks=remarks))
        missing += _none(of_guests, found, lab)
        remarks += guests.remarks(lab, found, given)
    probes, timeouts = hosts.pace(lab)
    return Proposal(
        name=name,
        share={} if isinstance(found, Missing) else share.entry_of(found),
        hosts=tuple(entries),
        guests=tuple(guest_entries),
        jumps=tuple(_jumps(access)),
        probes=probes,
        timeouts=timeouts,
        missing=tuple(missing),
        remarks=tuple(dict.fromkeys(remarks)),
    )


def disks_of(lab: LabSeen, given: Given) -> dict[str, tuple[str, ...]]:
    """The disks of the lab's guests by the host that can look at them: their home, or else the first."""
    found = share.choose(lab, given)
    names = hosts.names_of(lab)
    disks: dict[str, list[str]] = {name: [] for name in names}
    for guest in [] if isinstance(found, Missing) else guests.guests_of(lab, found, given):
        config, home = guests.config_of(guest, given), guests.home_of(guest, lab, given)
        host = str(home.value) if isinstance(home, Proposed) and home.value in disks else names[0]
        if isinstance(config, ConfigFound):
            disks[host] += [disk.target for disk in config.config.disks if disk.is_path]
    return {name: tuple(dict.fromkeys(paths)) for name, paths in disks.items()}


def guest_names(lab: LabSeen, given: Given) -> tuple[str, ...]:
    """The names of the lab's guests, as far as its share is known."""
    found = share.choose(lab, given)
    return () if isinstance(found, Missing) else tuple(one.name for one in guests.guests_of(lab, found, given))


@dataclass(frozen=True, slots=True)
class _Guest:
    """One guest, and all that its table is made from."""

    guest: GuestSeen
    lab: LabSeen
    given: Given
    access: Access
    common_macs: frozenset[str]

    def entry(self, *, direct: bool, missing: list[Missing], remarks: list[str]) -> dict[str, Proposed]:
        """Its table; what is not to be found is added to `missing`. `direct`: this machine is where the hosts are."""
        guest, lab, given = self.guest, self.lab, self.given
        config, home = guests.config_of(guest, given), guests.home_of(guest, lab, given)
        address = addresses.address_of(guest, lab, self.common_macs, given)
        seen_by = config.host if isinstance(config, ConfigFound) else ""
        entry = {"name": Proposed(guest.name, f"name= in its config, as {seen_by} reads it" if seen_by else "xenstore")}
        if isinstance(address, Proposed):
            entry["address"] = address
            entry |= dict(self._way(str(address.value), direct=direct))
            if guest.name not in given.guests:
                remarks += addresses.dissenting(guest, lab, self.common_macs, str(address.value))
        if isinstance(home, Proposed):
            entry["home"] = home
        if isinstance(config, ConfigFound):
            on_share = f"found on the share by {config.host}, names {guest.name}"
            entry["config"] = Proposed(config.path, on_share)
        if isinstance(home, Proposed):
            original = guests.original_of(guest, str(home.value))
            if isinstance(original, ConfigFound):
                how = "names it" if original.name == guest.name else "has its MAC"
                entry["original_config"] = Proposed(original.path, f"on {original.host}, {how}")
            elif original:
                remarks.append(original)
        if isinstance(home, Proposed) and isinstance(address, Proposed):
            target = addresses.ping_target_of(guest, lab, str(address.value), str(home.value), given)
            if isinstance(target, Proposed):
                entry["ping_target"] = target
            else:
                missing.append(target)
        if isinstance(config, ConfigFound):
            entry |= dict(self._disks(config))
            remarks += self._without_network(config)
        missing += [one for one in (config, home, address) if isinstance(one, Missing)]
        return entry

    def target(self, address: str) -> SshTarget:
        """How it is logged in on."""
        user, at, _ = self.given.guests.get(self.guest.name, "").rpartition("@")
        return SshTarget(address, user if at else "root")

    def _way(self, address: str, *, direct: bool) -> Iterator[tuple[str, Proposed]]:
        target = self.target(address)
        yield from self.access.entry(target, address)
        network = addresses.network_of(self.lab, address)
        dialled = [address for host in self.lab.hosts for address in (host.target.host, *host.resolved)]
        beside = network is not None and any(_is_in(network, host) for host in dialled)
        if not (direct and beside):
            why = (
                "it is on a network of the hosts alone" if direct else "this machine has no way of its own to the hosts"
            )
            yield "via", Proposed(HOSTS, why)

    def _disks(self, config: ConfigFound) -> Iterator[tuple[str, Proposed]]:
        """Its root disk and its swap, as the config and the disks themselves tell."""
        kinds = {}
        for disk in config.config.disks:
            for look in self.lab.closer:
                identity = look.identities.get(disk.target)
                if isinstance(identity, FileIdentity):
                    kinds[disk.device] = (identity.kind, disk.target)
        root = _ROOT.search(command_line(config.config))
        roots = [device for device, (kind, _) in kinds.items() if kind in _FILE_SYSTEMS]
        if root:
            yield "root_device", Proposed(root["device"], f"root= in {config.path}")
        elif len(roots) == 1:
            kind, path = kinds[roots[0]]
            yield "root_device", Proposed(roots[0], f"its only disk with a file system (blkid: {kind} on {path})")
        if swaps := [path for kind, path in kinds.values() if kind == "swap"]:
            yield "swap", Proposed(True, f"blkid: {swaps[0]} is swap")

    def _without_network(self, config: ConfigFound) -> Iterator[str]:
        """Interfaces that find nothing to be joined to on a host."""
        for host, name in zip(self.lab.hosts, hosts.names_of(self.lab), strict=True):
            conf = XlConf() if isinstance(host.xl_conf, Unknown) else host.xl_conf
            for vif in (vif.on(conf) for vif in config.config.vifs):
                known = {"bridge": host.bridges, "openvswitch": host.switches}.get(vif.needs)
                bridge = (vif.bridge or "").partition(".")[0]
                if known is not None and not isinstance(known, Unknown) and bridge not in known:
                    what = "bridge" if vif.needs == "bridge" else "Open vSwitch bridge"
                    yield f"{name} has no {what} {bridge}, which {self.guest.name} needs: {hosts.network_words(host)}"


def _is_in(network: Interface, host: str) -> bool:
    try:
        return ip_address(host) in network.network
    except ValueError:
        return False


def _unfit(lab: LabSeen) -> Iterator[Missing]:
    """Hosts that are none of a lab: no Xen, no root, or only one."""
    for host in lab.hosts:
        if not host.is_root:
            why = "its commands run without root's rights: log in as root, or let sudo ask for no password (NOPASSWD)"
            yield Missing("hosts", f"{host.spelled}: {why}")
        elif isinstance(host.rows, Unknown):
            yield Missing("hosts", f"{host.spelled}: no Xen host: xl list: {host.rows.why}")
    if len(lab.hosts) == 1:
        candidates = {neighbour: where for neighbour, where in _peers_of(lab) if not lab.hosts[0].has(neighbour)}
        why = "a lab has two hosts, and only one was named"
        yield Missing("hosts", why, "", "", "USER@HOST", candidates)


def _peers_of(lab: LabSeen) -> Iterator[tuple[str, str]]:
    """Machines that may be the other host: the server of a mounted share."""
    for mount in lab.hosts[0].known_mounts:
        if mount.is_nfs:
            address = mount.option("addr") or mount.source.partition(":/")[0]
            yield address, f"serves {mount.source}, which is mounted at {mount.target}"


def _unseen(lab: LabSeen) -> Iterator[str]:
    """What could not be read of a host that otherwise answers."""
    for host, name in zip(lab.hosts, hosts.names_of(lab), strict=True):
        parts = {"xenstore": host.stored, "its mounts": host.mounts, "its bridges": host.bridges}
        for what, fact in parts.items():
            if isinstance(fact, Unknown) and not isinstance(host.rows, Unknown):
                yield f"{what} on {name} could not be read: {fact.why}"


def _none(of_guests: tuple[GuestSeen, ...], found: ShareFound, lab: LabSeen) -> Iterator[Missing]:
    if of_guests:
        return
    elsewhere = {
        text.path: f"on {name}; it belongs on the share"
        for texts, name in zip(lab.texts, hosts.names_of(lab), strict=True)
        for text in texts.texts
        if re.search(r"^\s*name\s*=", text.text, re.MULTILINE)
    }
    place = found.mount_point or found.export
    yield Missing(
        "guests",
        f"no *.cfg that names a guest lies on the share, in {place} or up to two folders below",
        candidates=elsewhere,
    )


def _jumps(access: Access) -> Iterator[dict[str, Proposed]]:
    before = ""
    for jump, name in zip(access.jumps, jump_names(access.jumps), strict=True):
        entry = {"name": Proposed(name, _OF_THE_CALL), "address": Proposed(jump.host, _OF_THE_CALL)}
        # A machine on the way is logged in on as a user of its own; root there would be more than is needed.
        entry["user"] = Proposed(jump.user, _OF_THE_CALL)
        if jump.port != 22:
            entry["port"] = Proposed(jump.port, _OF_THE_CALL)
        entry |= dict(access.credentials(jump))
        if before:
            entry["via"] = Proposed(before, _OF_THE_CALL)
        before = name
        yield entry
