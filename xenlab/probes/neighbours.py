"""Which MAC addresses this machine has seen under an IP address: a second machine that took it shows itself here.

Source: proc(5), /proc/net/arp. IPv6 neighbours are not listed there, nor is a machine behind a router.
"""

from pathlib import Path

_TABLE = Path("/proc/net/arp")
_NO_MAC = "00:00:00:00:00:00"


def neighbours(table: Path = _TABLE) -> tuple[tuple[str, str], ...]:
    """IP and MAC address of each neighbour that has answered; none where there is no such table."""
    try:
        lines = table.read_text(encoding="ascii").splitlines()[1:]
    except OSError:
        return ()
    rows = [line.split() for line in lines]
    return tuple((row[0], row[3].lower()) for row in rows if len(row) >= 6 and row[3] != _NO_MAC)
