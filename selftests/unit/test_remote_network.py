"""What a host tells of its networks, read from what ip(8), getent(1) and DHCP servers print."""

import os
import subprocess

import pytest

from xenlab.remote import network
from xenlab.remote.network import Connection, DefaultRoute, DhcpLease, Neighbour

ADDRESSES = """\
1: lo    inet 127.0.0.1/8 scope host lo\\       valid_lft forever preferred_lft forever
1: lo    inet6 ::1/128 scope host \\       valid_lft forever preferred_lft forever
4: xenbr0    inet 192.0.2.2/24 brd 192.0.2.255 scope global xenbr0\\       valid_lft forever preferred_lft forever
4: xenbr0    inet6 2001:db8::2/64 scope global nodad \\       valid_lft forever preferred_lft forever
4: xenbr0    inet6 fe80::fc:ff:fe00:1/64 scope link \\       valid_lft forever preferred_lft forever
7: eth0.5@eth0    inet 198.51.100.9 peer 198.51.100.1/32 scope global eth0.5\\       valid_lft forever
nonsense
"""
NEIGHBOURS = """\
192.0.2.1 dev xenbr0 lladdr 02:FC:00:00:00:05 STALE
192.0.2.85 dev xenbr0 lladdr 00:16:3e:42:40:89 extern_learn REACHABLE
192.0.2.99 dev xenbr0  FAILED
192.0.2.98 dev xenbr0 lladdr 00:16:3e:00:00:98 FAILED
fe80::1 dev xenbr0 lladdr 02:fc:00:00:00:05 router STALE
2001:db8::85 dev xenbr0 lladdr 00:16:3e:42:40:89 DELAY
"""
DHCPD = """\
# The format of this file is documented in the dhcpd.leases(5) manual page.
lease 192.0.2.85 {
  starts 6 2026/11/28 01:00:00;
  binding state active;
  next binding state free;
  hardware ethernet 00:16:3E:42:40:89;
  client-hostname "guest1";
}
lease 192.0.2.86 {
  binding state active;
  hardware ethernet 00:16:3e:42:40:8a;
}
lease 192.0.2.86 {
  binding state free;
  hardware ethernet 00:16:3e:42:40:8a;
}
"""


def test_own_addresses_are_those_that_others_can_use() -> None:
    found = network.parse_addresses(ADDRESSES)
    assert [(own.device, str(own.interface)) for own in found] == [
        ("xenbr0", "192.0.2.2/24"),
        ("xenbr0", "2001:db8::2/64"),
        ("eth0.5", "198.51.100.9/32"),
    ]


def test_default_routes() -> None:
    text = "default via 192.0.2.1 dev xenbr0 proto dhcp metric 100\ndefault dev ppp0 scope link\nnonsense\n"
    assert network.parse_routes(text) == (DefaultRoute("192.0.2.1", "xenbr0"),)
    # `ip -6 route show default`, as a router advertises itself, and as somebody has written it.
    advertised = "default via fe80::1 dev xenbr0 proto ra metric 1024 expires 1700sec hoplimit 64 pref medium\n"
    static = "default via 2001:db8::1 dev xenbr0 metric 1024 pref medium\n"
    assert network.parse_routes(advertised + static) == (DefaultRoute("2001:db8::1", "xenbr0"),)


def test_link_local_addresses_are_known_apart() -> None:
    assert network.parse_link_local(ADDRESSES) == {"fe80::fc:ff:fe00:1"}
    assert network.parse_link_local("nonsense\n1: lo\n") == frozenset()


def test_neighbours_that_answered() -> None:
    assert network.parse_neighbours(NEIGHBOURS) == (
        Neighbour("192.0.2.1", "02:fc:00:00:00:05", "xenbr0"),
        Neighbour("192.0.2.85", "00:16:3e:42:40:89", "xenbr0"),
        Neighbour("2001:db8::85", "00:16:3e:42:40:89", "xenbr0"),
    )


def test_leases_of_dnsmasq_and_the_last_ones_of_dhcpd() -> None:
    text = (
        "file /var/lib/misc/dnsmasq.leases\n1799999999 00:16:3E:42:40:8B 192.0.2.87 guest3 ff:01\n"
        "0 00:16:3e:42:40:8c 192.0.2.88 * *\nduid 00:01:00:01\n\n"
        f"file /var/lib/dhcp/dhcpd.leases\n{DHCPD}\n"
    )
    assert network.parse_leases(text) == (
        DhcpLease("192.0.2.87", "00:16:3e:42:40:8b", "/var/lib/misc/dnsmasq.leases"),
        DhcpLease("192.0.2.88", "00:16:3e:42:40:8c", "/var/lib/misc/dnsmasq.leases"),
        DhcpLease("192.0.2.85", "00:16:3e:42:40:89", "/var/lib/dhcp/dhcpd.leases"),
    )
    assert network.parse_leases("") == ()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("192.0.2.7 41000 192.0.2.2 22\n", Connection("192.0.2.7", "192.0.2.2", 22)),
        ("2001:db8::7 41000 2001:db8::2 2222", Connection("2001:db8::7", "2001:db8::2", 2222)),
        ("", None),
        ("UNKNOWN 65535 UNKNOWN 65535", None),
    ],
)
def test_the_connection_that_a_command_came_by(text: str, found: Connection | None) -> None:
    assert network.parse_connection(text) == found


@pytest.mark.parametrize("through", [(), ("env", "-u", "SSH_CONNECTION")])
def test_sudo_takes_it_away_but_keeps_it_itself(through: tuple[str, ...]) -> None:
    environ = {**os.environ, "SSH_CONNECTION": "192.0.2.7 41000 192.0.2.2 22"}
    # The shell stays above the command, as sudo does, for it has something to do afterwards.
    argv = ["sh", "-c", '"$@"; :', "sh", *through, "timeout", "5", *network.connection()]
    done = subprocess.run(argv, env=environ, capture_output=True, text=True, check=True)
    assert network.parse_connection(done.stdout) == Connection("192.0.2.7", "192.0.2.2", 22)


def test_names_and_the_addresses_that_they_resolve_to() -> None:
    text = "192.0.2.85      guest1.lab guest1\n192.0.2.95      guest1\nnonsense guest2\n"
    assert network.parse_names(text) == {"guest1.lab": ("192.0.2.85",), "guest1": ("192.0.2.85", "192.0.2.95")}
