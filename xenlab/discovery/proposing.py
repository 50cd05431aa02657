"""Everything that was seen of a lab made into what its lab file should say. Pure."""

from collections.abc import Iterator

from xenlab.discovery import guests, hosts
from xenlab.discovery.access import Access
from xenlab.discovery.choosing import choose
from xenlab.discovery.given import Given
from xenlab.discovery.guest_tables import table_of
from xenlab.discovery.guests import ConfigFound, GuestSeen
from xenlab.discovery.hosts import AS_GIVEN
from xenlab.discovery.proposal import Missing, Proposal, Proposed
from xenlab.discovery.seen import LabSeen
from xenlab.discovery.share import ShareFound, entry_of
from xenlab.lab.looks import Unknown


def propose(lab: LabSeen, given: Given, access: Access) -> Proposal:
    """The lab file, with where each value was seen, and what is missing to it."""
    name = Proposed(given.name or "-".join(hosts.names_of(lab)), AS_GIVEN if given.name else "the names of its hosts")
    if unfit := tuple(_unfit(lab)):
        return Proposal(name, (), (), (), missing=unfit)
    found, of_guests = choose(lab, given), guests_in(lab, given)
    at = tuple(hosts.address_of(lab, number, given) for number in range(len(lab.hosts)))
    macs = frozenset(guests.shared_macs(of_guests))
    direct = not access.jumps and _are_dialled(lab, at)
    tables = [table_of(guest, lab, given, access, macs, direct=direct) for guest in of_guests]
    missing = [part for part in (*at, found) if isinstance(part, Missing)]
    remarks = [*_unseen(lab), *hosts.toolstack_remarks(lab), *hosts.reach_remarks(lab, at)]
    for table in tables:
        missing += table.missing
        remarks += table.remarks
    if not isinstance(found, Missing):
        missing += _none(of_guests, found, lab)
        remarks += guests.remarks(lab, found, given)
        if len(found) > 1 and not given.shares:
            remarks.append(
                "guests' configs lie on several shares, and all are taken: --share names those that are meant"
            )
    probes, timeouts = hosts.pace(lab)
    return Proposal(
        name=name,
        shares=() if isinstance(found, Missing) else tuple(map(entry_of, found)),
        hosts=tuple(_host_entry(lab, number, address, access) for number, address in enumerate(at)),
        guests=tuple(table.entry() for table in tables),
        jumps=tuple(access.jump_entries()),
        probes=probes,
        timeouts=timeouts,
        missing=tuple(missing),
        remarks=tuple(dict.fromkeys(remarks)),
    )


def guests_in(lab: LabSeen, given: Given) -> tuple[GuestSeen, ...]:
    """The lab's guests; none where its shares are not known."""
    found = choose(lab, given)
    return () if isinstance(found, Missing) else guests.guests_of(lab, found, given)


def disks_of(lab: LabSeen, given: Given) -> dict[str, tuple[str, ...]]:
    """The disks of the lab's guests by the host that can look at them: their home, or else the first."""
    names = hosts.names_of(lab)
    disks: dict[str, list[str]] = {name: [] for name in names}
    for guest in guests_in(lab, given):
        config, home = guests.config_of(guest, given), guests.home_of(guest, lab, given)
        host = str(home.value) if isinstance(home, Proposed) and home.value in disks else names[0]
        if isinstance(config, ConfigFound):
            disks[host] += [disk.target for disk in config.config.disks if disk.is_path]
    return {name: tuple(dict.fromkeys(paths)) for name, paths in disks.items()}


def _are_dialled(lab: LabSeen, at: tuple[Proposed | Missing, ...]) -> bool:
    """Whether all hosts are reached by the addresses that they have among themselves."""
    return all(
        isinstance(address, Proposed) and address.value in (host.target.host, *host.resolved)
        for address, host in zip(at, lab.hosts, strict=True)
    )


def _host_entry(lab: LabSeen, number: int, address: Proposed | Missing, access: Access) -> dict[str, Proposed]:
    entry = {"name": hosts.name_of(lab, number)}
    if isinstance(address, Proposed):
        entry |= {"address": address, **dict(access.entry(lab.hosts[number].target, str(address.value)))}
    entry |= dict(access.for_sudo(lab.hosts[number].target))
    return {**entry, **dict(hosts.peer_entry(lab, number, address)), **dict(access.through())}


def _unfit(lab: LabSeen) -> Iterator[Missing]:
    """Hosts that are none of a lab: no Xen, no root, or only one."""
    for host in lab.hosts:
        if not host.is_root:
            why = "its commands run without root's rights: log in as root, or allow that user sudo"
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
    for look, name in zip(lab.closer, hosts.names_of(lab), strict=False):
        if isinstance(look.identities, Unknown):
            yield f"which disks are swap could not be seen on {name}: {look.identities.why}; --update tries it again"


def _none(of_guests: tuple[GuestSeen, ...], found: tuple[ShareFound, ...], lab: LabSeen) -> Iterator[Missing]:
    if of_guests:
        return
    elsewhere = {
        text.path: f"on {name}; it belongs on the share"
        for texts, name in zip(lab.texts, hosts.names_of(lab), strict=True)
        for text in texts.texts
        if text.looks_like_config
    }
    place = ", ".join(share.mount_point or share.export for share in found)
    yield Missing(
        "guests",
        f"no *.cfg that names a guest lies on the share, in {place} or up to two folders below",
        candidates=elsewhere,
    )
