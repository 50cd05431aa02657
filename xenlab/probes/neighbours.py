"""Which MAC addresses a machine has seen under an IP address: a second machine that took it shows itself here. Pure.

Source: proc(5), /proc/net/arp. IPv6 neighbours are not listed there, nor is a machine behind a router.
"""

from xenlab.remote.answers import lines_of

TABLE = "/proc/net/arp"
_NO_MAC = "00:00:00:00:00:00"


def neighbours(text: str) -> tuple[tuple[str, str], ...]:
    """IP and MAC address of each neighbour in the table's text that has answered.

    :raises CannotObserve: it is something else.
    """
    rows = (line.split() for line in lines_of(text, TABLE)[1:])
    return tuple((row[0], row[3].lower()) for row in rows if len(row) >= 6 and row[3] != _NO_MAC)
