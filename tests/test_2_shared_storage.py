"""Step 2: the shares that both hosts see."""

from xenlab.grading.steps import apart, check, step
from xenlab.lab.guest import Guest
from xenlab.lab.share import NfsShare


@step("shared-storage", needs="hosts", in_check=True)
def test_both_hosts_see_the_same_share(shares: tuple[NfsShare, ...], guests: tuple[Guest, ...]) -> None:
    """One host exports a folder over NFS, and both see it at the same path, with the guests' files in it.

    `exportfs -v` on the server, `findmnt` on the other; what one writes, the other must read.
    """
    for share in shares:
        with apart():
            seen = share.look()
            check(seen.is_served(), essential=True)
            check(seen.is_mounted(), seen.lets_root_write(), essential=True)
            check(share.carries_nonces(), essential=True)
            if files := share.shows_same_files(guest.spec for guest in guests):
                check(files)
