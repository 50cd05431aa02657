"""Step 1: the two hosts."""

from xenlab.grading.steps import check, step
from xenlab.lab.guest import Guest
from xenlab.lab.hosts import HostsFound


@step("hosts", in_check=True)
def test_two_xen_hosts_fit_together(found: HostsFound, guests: tuple[Guest, ...]) -> None:
    """Both hosts run Xen, trust each other, and can take each other's guests.

    Log in on both as root and look at `xl info`, `ip link show type bridge` and `ssh root@the-other`.
    """
    check(found.are_reached(), found.run_xen(), essential=True)
    check(found.run_same_series(), found.have_same_cpu_features(), found.reach_each_other())
    check(found.can_take(guest.name for guest in guests))
