"""Step 7: the lab is left as it was found."""

from xenlab.grading.steps import check, step
from xenlab.lab.dom0 import HostPair
from xenlab.lab.found import AsFound
from xenlab.lab.guest import Guest


@step("left-as-found", needs="hosts")
def test_lab_is_left_as_it_was_found(hosts: HostPair, guests: tuple[Guest, ...], as_found: AsFound) -> None:
    """Every guest is where it was, and nothing half-moved or of ours is left on either host.

    Look for `--incoming` and `--migratedaway` in `xl list`, and at `losetup -l`, `findmnt` and `ps` on both.
    """
    for guest in guests:
        as_found.restore(guest)
        check(as_found.is_place_of(guest))
    for host in hosts:
        check(as_found.has_no_stray_domains(host))
        for finding in as_found.has_no_leftovers(host):
            check(finding)
