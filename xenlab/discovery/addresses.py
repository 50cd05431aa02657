"""What address a guest has, and what it can ping: told by whoever has met it, leased it one, or knows its name. Pure.

The strongest witness decides; a weaker one that says otherwise is a remark. Link-local addresses count for nothing.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address

from xenlab.discovery.given import Given
from xenlab.discovery.guests import ConfigFound, GuestSeen
from xenlab.discovery.hosts import AS_GIVEN, names_of
from xenlab.discovery.proposal import Missing, Proposed
from xenlab.discovery.seen import LabSeen
from xenlab.remote.network import Interface, is_address
from xenlab.xen.meaning import command_line

_KERNEL_IP = re.compile(r"(?:^|\s)ip=(?P<address>[0-9.]+)(?=[\s:]|$)")
_COMMENT = re.compile(r"#(?P<words>.*)$", re.MULTILINE)
_NUMBERS = re.compile(r"(?<![\w.:])(?:\d{1,3}(?:\.\d{1,3}){3}|[0-9a-fA-F]{1,4}:[0-9a-fA-F:]{2,34})(?![\w.:])")
_STRENGTHS = 6


@dataclass(frozen=True, slots=True)
class Sighting:
    """An address that may be a guest's, who says so, and how much that says: 0 is the most."""

    address: str
    where: str
    strength: int


def address_of(guest: GuestSeen, lab: LabSeen, common: frozenset[str], given: Given) -> Proposed | Missing:
    """The guest's address; `common` are MACs that tell nobody."""
    if guest.name in given.guests:
        return Proposed(given.guests[guest.name].rpartition("@")[2], AS_GIVEN)
    seen = list(sightings(guest, lab, common))
    for strength in range(_STRENGTHS):
        stated: dict[str, str] = {}
        for one in (one for one in seen if one.strength == strength):
            stated.setdefault(one.address, one.where)
        stated = _beside_the_hosts(_of_one_family(stated), lab)
        if len(stated) == 1:
            ((address, where),) = stated.items()
            return Proposed(address, where)
        if stated:
            return _missing(guest, "it is seen at several addresses", stated)
    macs = ", ".join(sorted(guest.macs - common))
    knows = f"no neighbour and no DHCP lease has its MAC ({macs})" if macs else "it has no MAC of its own in a config"
    off = "" if guest.running else "; it is off, and may be met once it runs"
    return _missing(guest, f"{knows}, no name leads to it, and its config tells none{off}", {})


def dissenting(guest: GuestSeen, lab: LabSeen, common: frozenset[str], taken: str) -> Iterator[str]:
    """Who says another address than the one that was taken."""
    stated = {one.address: one.where for one in sightings(guest, lab, common) if one.address != taken}
    for address, where in stated.items():
        if ip_address(address).version == ip_address(taken).version:
            yield f"{guest.name}: {address} by {where}, but {taken} was taken"


def sightings(guest: GuestSeen, lab: LabSeen, common: frozenset[str]) -> Iterator[Sighting]:
    """All that is said of its address, but for link-local ones: on each machine another device leads there."""
    return (one for one in _sighted(guest, lab, common) if not ip_address(one.address).is_link_local)


def _sighted(guest: GuestSeen, lab: LabSeen, common: frozenset[str]) -> Iterator[Sighting]:
    macs = guest.macs - common
    for host, name in zip(lab.hosts, names_of(lab), strict=True):
        for neighbour in host.neighbours:
            if neighbour.mac in macs:
                where = f"ip neigh on {name}: {neighbour.device}, by its MAC {neighbour.mac}"
                yield Sighting(neighbour.address, where, 0)
        for lease in host.leases:
            if lease.mac in macs:
                yield Sighting(lease.address, f"DHCP lease on {name}, by its MAC {lease.mac}: {lease.file}", 1)
    for config in (*guest.configs, *guest.originals):
        yield from _in_config(config)
    for name, look in zip(names_of(lab), lab.closer, strict=False):
        for address in look.names.get(guest.name, ()):
            if is_address(address) and not ip_address(address).is_loopback:
                yield Sighting(address, f"getent hosts {guest.name} on {name}", 4)


def ping_target_of(guest: GuestSeen, lab: LabSeen, address: str, home: str, given: Given) -> Proposed | Missing:
    """What the guest can ping from inside: a machine on its network that does not move, and answers pings."""
    if given.ping_target:
        return Proposed(given.ping_target, AS_GIVEN)
    network = network_of(lab, address)
    found: dict[str, str] = {}
    for target, where in _targets(lab, home):
        if network is None or ip_address(target) in network.network:
            found.setdefault(target, where)
    found.pop(address, None)
    answering = {target for look in lab.closer for target in look.answering}
    # The hosts answer: they are looked at just now.
    answering |= {own.text for host in lab.hosts for own in host.addresses}
    for target, where in found.items():
        if target in answering:
            return Proposed(target, f"{where}; it answers pings")
    why = "no gateway on its network answers a ping, nor does the machine that calls"
    key = f"guests.{guest.name}.ping_target"
    return Missing(key, why, "--ping-target", "", "ADDRESS", found)


def targets_to_ping(lab: LabSeen) -> tuple[str, ...]:
    """Whom the hosts should ping, so that guests are sent after machines that answer."""
    found = dict.fromkeys(target for name in names_of(lab) for target, _ in _targets(lab, name))
    return tuple(target for target in found if not any(host.has(target) for host in lab.hosts))


def network_of(lab: LabSeen, address: str) -> Interface | None:
    """The network of the hosts that the address is in, as one of the hosts is on it."""
    for host in lab.hosts:
        for own in host.addresses:
            if ip_address(address) in own.interface.network:
                return own.interface
    return None


def _targets(lab: LabSeen, home: str) -> Iterator[tuple[str, str]]:
    """Machines that may be pinged, the best first: gateways, the machine that calls, the other host."""
    order = sorted(zip(lab.hosts, names_of(lab), strict=True), key=lambda pair: pair[1] != home)
    for host, name in order:
        for route in host.routes:
            yield route.gateway, f"the default gateway of {name}, by {route.device}"
    for host, name in order:
        if host.connection:
            yield host.connection.client, f"this call came to {name} from there"
    for host, name in reversed(order):
        if name != home:
            for own in host.addresses:
                yield own.text, f"{name}, as no gateway on its network answers"


def _in_config(config: ConfigFound) -> Iterator[Sighting]:
    for vif in config.config.vifs:
        for address in filter(is_address, (vif.ip or "").split()):
            yield Sighting(address, f"ip= of its vif in {config.path}", 2)
    if (found := _KERNEL_IP.search(command_line(config.config))) and is_address(found["address"]):
        yield Sighting(found["address"], f"ip= of its kernel's command line in {config.path}", 3)
    comments = " ".join(words["words"] for words in _COMMENT.finditer(config.text))
    if len(numbers := {*filter(is_address, _NUMBERS.findall(comments))}) == 1:
        yield Sighting(numbers.pop(), f"a comment in {config.path}", 5)


def _of_one_family(stated: dict[str, str]) -> dict[str, str]:
    """The IPv4 addresses where there are any: a machine that has both is met at both."""
    fours = {address: where for address, where in stated.items() if ip_address(address).version == 4}
    return fours or stated


def _beside_the_hosts(stated: dict[str, str], lab: LabSeen) -> dict[str, str]:
    """Those on a network of the hosts, where there are any: a guest may have interfaces to others."""
    near = {address: where for address, where in stated.items() if network_of(lab, address) is not None}
    return near or stated


def _missing(guest: GuestSeen, why: str, candidates: dict[str, str]) -> Missing:
    return Missing(f"guests.{guest.name}.address", why, "--guest", f"{guest.name}=", "ADDRESS", candidates)
