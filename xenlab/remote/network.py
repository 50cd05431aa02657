"""What a Linux machine knows of the network it is on: its addresses, routes and neighbours, DHCP leases, names. Pure.

Sources: ip-address(8), ip-route(8), ip-neighbour(8), getent(1), dnsmasq(8) and dhcpd.leases(5). Each `parse_`
function leaves out what it does not know: a word that a newer ip(8) adds is no reason to know nothing.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv6Interface, ip_address, ip_interface

Argv = tuple[str, ...]

# Where dnsmasq, libvirt's dnsmasq and ISC's dhcpd keep their leases on Debian, Red Hat and SUSE.
_LEASES = """
for file in /var/lib/misc/dnsmasq.leases /var/lib/dnsmasq/dnsmasq.leases /var/lib/libvirt/dnsmasq/*.leases \
    /var/lib/dhcp/dhcpd.leases /var/lib/dhcpd/dhcpd.leases /var/lib/dhcp/db/dhcpd.leases; do
    [ -r "$file" ] && { echo "file $file"; tail -c 262144 -- "$file"; echo; }
done; true
"""
# sudo takes it out of the command's environment, but its own, above the command, still has it.
_CONNECTION = """
[ -n "$SSH_CONNECTION" ] && { echo "$SSH_CONNECTION"; exit; }
pid=$$
while [ "${pid:-0}" -gt 1 ]; do
    tr '\\0' '\\n' <"/proc/$pid/environ" 2>/dev/null | sed -n 's/^SSH_CONNECTION=//p' | grep . && exit
    pid=$(sed -n 's/^PPid:[[:space:]]*//p' "/proc/$pid/status" 2>/dev/null)
done; true
"""
_MAC = r"[0-9a-f]{2}(?::[0-9a-f]{2}){5}"
_DNSMASQ = re.compile(rf"\d+ (?P<mac>{_MAC}) (?P<address>[0-9.]+) (?P<name>\S+)(?: .*)?", re.IGNORECASE)
_DHCPD = re.compile(r"^lease (?P<address>[0-9.]+) \{(?P<body>.*?)^\}", re.MULTILINE | re.DOTALL)
_HARDWARE = re.compile(rf"hardware ethernet (?P<mac>{_MAC});", re.IGNORECASE)
_PORT = re.compile(r"[0-9]{1,5}")
_UNANSWERED = frozenset({"FAILED", "INCOMPLETE", "NONE"})

Interface = IPv4Interface | IPv6Interface
"""An address with the network that it is in."""


@dataclass(frozen=True, slots=True)
class OwnAddress:
    """One address of a machine, and the device that has it."""

    device: str
    interface: Interface

    @property
    def text(self) -> str:
        """The address alone."""
        return str(self.interface.ip)


@dataclass(frozen=True, slots=True)
class DefaultRoute:
    """Where packets go that no other route is for."""

    gateway: str
    device: str


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A machine that answered on a network of this one; `mac` is in lower case."""

    address: str
    mac: str
    device: str


@dataclass(frozen=True, slots=True)
class DhcpLease:
    """An address that a DHCP server on this machine has given away; `file` is where it says so."""

    address: str
    mac: str
    file: str


@dataclass(frozen=True, slots=True)
class Connection:
    """The TCP connection that a command came by: who called, and where its SSH server was called (sshd(8))."""

    client: str
    server: str
    port: int


def own_addresses() -> Argv:
    """All addresses of this machine; `parse_addresses`."""
    return ("ip", "-o", "address", "show")


def default_routes(version: int = 4) -> Argv:
    """The default routes of one version of IP; `parse_routes`."""
    return ("ip", f"-{version}", "route", "show", "default")


def neighbours_like(address: str) -> Argv:
    """Whom this machine has spoken to by that version of IP; `probes.neighbours` reads either."""
    return ("ip", "-6", "neigh", "show") if ":" in address else ("cat", "--", "/proc/net/arp")


def neighbour_table() -> Argv:
    """Whom this machine has spoken to on its networks; `parse_neighbours`."""
    return ("ip", "neigh", "show")


def dhcp_leases() -> Argv:
    """The lease files of DHCP servers on this machine; `parse_leases`."""
    return ("sh", "-c", _LEASES)


def connection() -> Argv:
    """By which connection this command came; `parse_connection`."""
    return ("sh", "-c", _CONNECTION)


def names_of(words: Sequence[str]) -> Argv:
    """What names or addresses resolve to here, by /etc/hosts, DNS and all else in nsswitch.conf(5); `parse_names`."""
    return ("getent", "hosts", *words)


def parse_addresses(text: str) -> tuple[OwnAddress, ...]:
    """Read `own_addresses`, without those that no other machine can use (loopback, link-local)."""
    found = []
    for line in text.splitlines():
        match line.split():
            case [_, device, "inet" | "inet6", interface, *_] if known := _interface(interface):
                if not (known.ip.is_loopback or known.ip.is_link_local):
                    found.append(OwnAddress(device.partition("@")[0], known))
    return tuple(found)


def parse_link_local(text: str) -> frozenset[str]:
    """Read `own_addresses`: those that hold on one network alone, without their devices."""
    interfaces = (_interface(word) for line in text.splitlines() for word in line.split()[3:4])
    return frozenset(str(known.ip) for known in interfaces if known and known.ip.is_link_local)


def parse_routes(text: str) -> tuple[DefaultRoute, ...]:
    """Read `default_routes`, but for gateways known by their link-local address alone (RFC 4861, section 4.2)."""
    found = []
    for line in text.splitlines():
        match line.split():
            case ["default", "via", gateway, "dev", device, *_] if is_address(gateway):
                if not ip_address(gateway).is_link_local:
                    found.append(DefaultRoute(gateway, device))
    return tuple(found)


def parse_neighbours(text: str) -> tuple[Neighbour, ...]:
    """Read `neighbour_table`, without those that did not answer and without link-local addresses."""
    found = []
    for line in text.splitlines():
        match line.split():
            case [address, "dev", device, "lladdr", mac, *rest] if is_address(address) and not _UNANSWERED & {*rest}:
                if not ip_address(address).is_link_local:
                    found.append(Neighbour(address, mac.lower(), device))
    return tuple(found)


def parse_leases(text: str) -> tuple[DhcpLease, ...]:
    """Read `dhcp_leases`: of dnsmasq every line, of dhcpd the last word on each address where that is "active"."""
    found: list[DhcpLease] = []
    for piece in re.split(r"^file ", text, flags=re.MULTILINE)[1:]:
        file, _, body = piece.partition("\n")
        found += _of_dhcpd(body, file) if "lease " in body else _of_dnsmasq(body, file)
    return tuple(found)


def parse_connection(text: str) -> Connection | None:
    """Read `connection`; None where the login tells of none."""
    match text.split():
        case [client, _, server, port] if is_address(client) and is_address(server) and _PORT.fullmatch(port):
            return Connection(client, server, int(port))
    return None


def parse_names(text: str) -> dict[str, tuple[str, ...]]:
    """Read `names_of`: the addresses of each name, in order; whoever looks for an address's names turns it round."""
    found: dict[str, tuple[str, ...]] = {}
    for line in text.splitlines():
        match line.split():
            case [address, *names] if is_address(address):
                for name in names:
                    found[name] = tuple(dict.fromkeys((*found.get(name, ()), address)))
    return found


def is_address(text: str) -> bool:
    """Whether that is an IP address."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _interface(text: str) -> Interface | None:
    try:
        return ip_interface(text)
    except ValueError:
        return None


def _of_dnsmasq(body: str, file: str) -> Iterator[DhcpLease]:
    for line in body.splitlines():
        if (found := _DNSMASQ.fullmatch(line.strip())) and is_address(found["address"]):
            yield DhcpLease(found["address"], found["mac"].lower(), file)


def _of_dhcpd(body: str, file: str) -> Iterator[DhcpLease]:
    last = {lease["address"]: lease["body"] for lease in _DHCPD.finditer(body)}
    for address, words in last.items():
        hardware = _HARDWARE.search(words)
        if hardware and "binding state active;" in words and is_address(address):
            yield DhcpLease(address, hardware["mac"].lower(), file)
