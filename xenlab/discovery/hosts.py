"""The two hosts as a lab file has them: names, addresses on the lab's network, how they reach each other. Pure."""

import re
from collections.abc import Iterator

from xenlab.discovery.given import Given
from xenlab.discovery.proposal import Missing, Proposed
from xenlab.discovery.seen import HostSeen, LabSeen
from xenlab.lab.looks import Unknown
from xenlab.testbed import emulation

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
AS_GIVEN = "as given"
_MOST_NAMES = 3


def names_of(lab: LabSeen) -> tuple[str, ...]:
    """What the lab file calls the hosts: their own names up to the first dot, and where those are one, their addresses.

    A name that a lab file would not take gives way to the address, too.
    """
    own = [host.called or _short(host) for host in lab.hosts]
    if len(set(own)) < len(own):
        own = [host.target.host for host in lab.hosts]
    return tuple(name if _NAME.fullmatch(name) else f"host{number}" for number, name in enumerate(own, 1))


def name_of(lab: LabSeen, number: int) -> Proposed:
    """A host's name, and why it is called so."""
    host, name = lab.hosts[number], names_of(lab)[number]
    if isinstance(host.name, Unknown) or not host.name.startswith(name):
        return Proposed(name, f"{host.spelled} has no name of its own that tells it from the other")
    return Proposed(name, f"uname -n on {host.spelled}; for its guests it has {network_words(host)}")


def address_of(lab: LabSeen, number: int, given: Given) -> Proposed | Missing:
    """A host's address on the lab's network: where its SSH server was called, as the host itself sees it."""
    host, name = lab.hosts[number], names_of(lab)[number]
    if name in given.hosts:
        return Proposed(given.hosts[name], AS_GIVEN)
    device = {own.text: own.device for own in host.addresses}
    if host.target.host in device:
        return Proposed(host.target.host, f"{AS_GIVEN}; {device[host.target.host]} has it (ip address)")
    if host.connection and host.connection.server in device:
        where = f"{host.spelled} leads there (SSH_CONNECTION); {device[host.connection.server]} has it (ip address)"
        return Proposed(host.connection.server, where)
    peers = [own.interface.network for other in lab.hosts if other is not host for own in other.addresses]
    both = [own for own in host.addresses if own.interface.network in peers]
    shared = [own for own in both if own.interface.version == 4] or both
    if len(shared) == 1:
        return Proposed(shared[0].text, f"ip address: {shared[0].device} is on a network of both hosts")
    return Missing(
        f"hosts.{name}.address",
        f"{host.spelled} has {'several addresses' if device else 'no address that it tells of'}",
        *("--host", f"{name}=", "ADDRESS"),
        candidates={own.text: f"ip address: {own.device}" for own in shared or host.addresses},
    )


def real_port(host: HostSeen) -> int:
    """The port of its SSH server as the other host sees it."""
    return host.connection.port if host.connection else host.target.port


def peer_entry(lab: LabSeen, number: int, address: Proposed | Missing) -> Iterator[tuple[str, Proposed]]:
    """How the other host reaches this one, where that is not by its address and port."""
    host = lab.hosts[number]
    if (port := real_port(host)) != host.target.port:
        yield "peer_port", Proposed(port, "where its SSH server is on the lab's network (SSH_CONNECTION)")
    if (name := _working_name(lab, number, address)) is not None:
        yield "peer_address", Proposed(name, f"root on {names_of(lab)[1 - number]} gets in by it, not by the address")


def reach_remarks(lab: LabSeen, addresses: tuple[Proposed | Missing, ...]) -> Iterator[str]:
    """Which host does not get to the other as `xl migrate` must."""
    names = names_of(lab)
    if len(names) != 2 or len(lab.closer) != 2:
        return
    for number, address in enumerate(addresses):
        look = lab.closer[1 - number]
        if isinstance(address, Proposed) and look.refused and not look.reached:
            yield (
                f"root on {names[1 - number]} does not get to {names[number]} without being asked anything: no guest "
                "can be migrated there; the step `hosts` of a run says why"
            )


def toolstack_remarks(lab: LabSeen) -> Iterator[str]:
    """Which host's domains are not xl's to manage."""
    for host, name in zip(lab.hosts, names_of(lab), strict=True):
        if host.system.xapi:
            yield (
                f"{name} is {host.system.name}, whose domains xapi manages: xenlab judges what is started and moved by "
                "xl, starts nothing there, and says so in the step `hosts`"
            )


def names_for_peer(lab: LabSeen, number: int) -> tuple[str, ...]:
    """Names by which the other host may reach this one: those that resolve to its addresses there, and to no other."""
    host, other = lab.hosts[number], lab.closer[1 - number]
    known = (name for name, found in other.names.items() if all(map(host.has, found)))
    return tuple(name for name in known if _NAME.fullmatch(name))[:_MOST_NAMES]


def share_names(lab: LabSeen, number: int) -> frozenset[str]:
    """All that a mount's source may call this host."""
    host = lab.hosts[number]
    own = () if isinstance(host.name, Unknown) else (host.name, _short(host))
    resolved = (name for look in lab.closer for name, found in look.names.items() if any(map(host.has, found)))
    addresses = (address.text for address in host.addresses)
    # Each network has link-local addresses of its own: one that both hosts have tells neither.
    others = {link_local for other in lab.hosts if other is not host for link_local in other.link_local}
    return frozenset((*own, names_of(lab)[number], host.target.host, *resolved, *addresses, *host.link_local - others))


def pace(lab: LabSeen) -> tuple[dict[str, Proposed], dict[str, Proposed]]:
    """[probes] and [timeouts], where the hosts are emulated: everything takes ten times as long there."""
    models = [host.cpu.model for host in lab.hosts if not isinstance(host.cpu, Unknown)]
    if not models or not all(emulation.CPU in model for model in models):
        return {}, {}
    where = f"the hosts are emulated: /proc/cpuinfo says {models[0]}"
    probes = {key: Proposed(value, where) for key, value in emulation.PROBES.items()}
    return probes, {key: Proposed(value, where) for key, value in emulation.TIMEOUTS.items()}


def network_words(host: HostSeen) -> str:
    """What its guests' interfaces can be joined to, in words."""
    bridges = () if isinstance(host.bridges, Unknown) else sorted(host.bridges)
    switches = () if isinstance(host.switches, Unknown) else sorted(host.switches)
    parts = [f"bridge {', '.join(bridges)}"] if bridges else []
    parts += [f"Open vSwitch {', '.join(switches)}"] if switches else []
    return ", ".join(parts) or "no bridge"


def _working_name(lab: LabSeen, number: int, address: Proposed | Missing) -> str | None:
    if len(lab.closer) != 2 or isinstance(address, Missing) or address.value not in lab.closer[1 - number].refused:
        return None
    reached = lab.closer[1 - number].reached
    return next((name for name in names_for_peer(lab, number) if name in reached), None)


def _short(host: HostSeen) -> str:
    return host.target.host if isinstance(host.name, Unknown) else host.name.partition(".")[0]
