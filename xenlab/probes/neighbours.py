"""Which MAC addresses a machine has seen under an IP address: a second machine that took it shows itself here. Pure.

Source: proc(5), /proc/net/arp. IPv6 neighbours are not listed there, nor is a machine behind a router.
"""

from collections.abc import Iterable
from ipaddress import ip_address

from xenlab.remote.answers import lines_of

TABLE = "/proc/net/arp"
_NO_MAC = "00:00:00:00:00:00"


def neighbours(text: str) -> tuple[tuple[str, str], ...]:
    """IP and MAC address of each neighbour in the table's text that has answered.

    :raises CannotObserve: it is something else.
    """
    rows = (line.split() for line in lines_of(text, TABLE)[1:])
    return tuple((row[0], row[3].lower()) for row in rows if len(row) >= 6 and row[3] != _NO_MAC)


def macs_at(address: str, table: Iterable[tuple[str, str]]) -> list[str]:
    """The MAC addresses that a table of neighbours has under an IP address, in plain form."""
    return [plain_mac(mac) for ip, mac in table if _is_same(ip, address) and plain_mac(mac).strip("0:")]


def plain_mac(mac: str) -> str:
    """A MAC address as all of them are compared: lower case, with colons."""
    return mac.strip().lower().replace("-", ":")


def _is_same(one: str, other: str) -> bool:
    try:
        return ip_address(one) == ip_address(other)
    except ValueError:
        return one == other
