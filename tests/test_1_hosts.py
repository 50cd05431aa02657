"""Step 1: the two hosts."""

from xenlab.grading.steps import check, step
from xenlab.lab.dom0 import HostPair
from xenlab.lab.found import AsFound
from xenlab.lab.guest import Guest


@step("hosts")
def test_two_xen_hosts_fit_together(hosts: HostPair, guests: tuple[Guest, ...], as_found: AsFound) -> None:
    """Both hosts run Xen, trust each other, and can take each other's guests.

    Log in on both as root and look at `xl info`, `ip link show type bridge` and `ssh root@the-other`.
    """
    for host in hosts:
        check(host.is_reached(), essential=True)
        check(host.runs_xen(), essential=True)
    check(hosts.run_same_series())
    check(hosts.have_same_cpu_features())
    for host in hosts:
        check(host.reaches_by_ssh(hosts.peer_of(host)))
        for guest in guests:
            for finding in guest.fits_on(host, is_there=as_found.places[guest.name] == host.name):
                check(finding)
