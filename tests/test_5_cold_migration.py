"""Step 5: the guest moves while shut down, and the report's way, while paused."""

from xenlab.grading.moves import Moves
from xenlab.grading.steps import check, step
from xenlab.lab.dom0 import Dom0
from xenlab.lab.guest import Guest


@step("cold-migration", needs="boot-from-share", claims="guest")
def test_guest_moves_while_shut_down(guest: Guest, home: Dom0, peer: Dom0, moves: Moves) -> None:
    """Shut down here and started there, the guest boots from the same disk; then it comes back the same way.

    `xl shutdown -w` on one host, `xl create` on the other: the same files, a new boot.
    """
    guest.start(on=home)
    with guest.nonce() as nonce:
        for target in (peer, home):
            move = moves.keep(guest.cold_migrate(to=target, nonce=nonce))
            check(move.arrived(), essential=True)
            check(move.booted_anew(), move.kept(nonce), move.left_disk_clean())


@step("paused-migration", needs="cold-migration", claims="guest")
def test_guest_moves_while_paused(guest: Guest, home: Dom0, peer: Dom0, moves: Moves) -> None:
    """Paused with `xl pause` and moved with `xl migrate`, as in the report, the guest goes on where it stopped.

    Xen may refuse to send a paused guest; then it must be unharmed, and go on once `xl unpause` lets it.
    """
    guest.start(on=home)
    with guest.nonce() as nonce:
        paused = moves.keep_paused(guest.paused_migrate(to=peer, nonce=nonce))
        check(paused.left_it_unharmed(), essential=True)
        check(paused.kept_its_boot(), paused.kept(nonce))
        guest.return_to(home)
