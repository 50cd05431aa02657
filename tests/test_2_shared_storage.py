"""Step 2: the share that both hosts see."""

from xenlab.grading.steps import check, step
from xenlab.lab.dom0 import HostPair
from xenlab.lab.guest import Guest
from xenlab.lab.share import NfsShare


@step("shared-storage", needs="hosts")
def test_both_hosts_see_the_same_share(hosts: HostPair, share: NfsShare, guests: tuple[Guest, ...]) -> None:
    """One host exports a folder over NFS, and both see it at the same path, with the guests' files in it.

    `exportfs -v` on the server, `findmnt` on the other; what one writes, the other must read.
    """
    check(share.is_exported_by_one())
    check(share.is_mounted_by_nfs())
    check(share.lets_root_write())
    for host in hosts:
        for finding in share.carries_a_nonce(host):
            check(finding)
    for guest in guests:
        for path in guest.files_on_share():
            check(share.shows_same(path, guest.name))
