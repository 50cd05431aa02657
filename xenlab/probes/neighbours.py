"""Which MAC addresses a machine has seen under an IP address: a second machine that took it shows itself here. Pure.

Source: proc(5), /proc/net/arp, and of IPv6 ip-neighbour(8). A machine behind a router is in neither.
"""

from collections.abc import Iterable
from ipaddress import ip_address

from xenlab.remote.answers import lines_of

TABLE = "/proc/net/arp"
_HEAD = "IP address"
_NO_MAC = "00:00:00:00:00:00"


def neighbours(text: str) -> tuple[tuple[str, str], ...]:
    """IP and MAC address of each neighbour in either table's text that has answered.

    :raises CannotObserve: it is something else.
    """
    lines = lines_of(text, TABLE)
    rows = [line.split() for line in lines]
    if lines and not lines[0].startswith(_HEAD):
        # "2001:db8::85 dev xenbr0 lladdr 00:16:3e:00:00:01 router STALE"
        return tuple((row[0], row[4].lower()) for row in rows if len(row) > 5 and row[3] == "lladdr")
    return tuple((row[0], row[3].lower()) for row in rows[1:] if len(row) >= 6 and row[3] != _NO_MAC)


def macs_at(address: str, table: Iterable[tuple[str, str]]) -> list[str]:
    """The MAC addresses that a table of neighbours has under an IP address, in plain form."""
    return [plain_mac(mac) for ip, mac in table if _is_same(ip, address) and plain_mac(mac).strip("0:")]


def plain_mac(mac: str) -> str:
    """A MAC address as all of them are compared: lower case, with colons."""
    return mac.strip().lower().replace("-", ":")


def who_has(address: str) -> str:
    """What shows who answers at an address, for a hint."""
    return "ip -6 neigh" if ":" in address else f"arping -D {address} and ip neigh"


def _is_same(one: str, other: str) -> bool:
    try:
        # The kernel's table has the device in a column of its own.
        return ip_address(one.partition("%")[0]) == ip_address(other.partition("%")[0])
    except ValueError:
        return one == other
