"""Step 5: the guest moves while shut down, and the report's way, while paused."""

from fixtures.nouns import Moves
from xenlab.grading.steps import check, step
from xenlab.lab.dom0 import Dom0
from xenlab.lab.guest import Guest


@step("cold-migration", needs="boot-from-share")
def test_guest_moves_while_shut_down(guest: Guest, home: Dom0, peer: Dom0, moves: Moves) -> None:
    """Shut down here and started there, the guest boots from the same disk; then it comes back the same way.

    `xl shutdown -w` on one host, `xl create` on the other: the same files, a new boot.
    """
    with guest.inside.nonce() as nonce:
        for target in (peer, home):
            move = guest.cold_migrate(to=target)
            moves.keep(move)
            check(guest.runs_only_on(target), essential=True)
            check(move.was_a_new_boot())
            check(guest.inside.still_has(nonce))
            check(guest.inside.has_clean_disk())


@step("paused-migration", needs="cold-migration")
def test_guest_moves_while_paused(guest: Guest, home: Dom0, peer: Dom0, moves: Moves) -> None:
    """Paused with `xl pause` and moved with `xl migrate`, as in the report, the guest goes on where it stopped.

    Xen may refuse to send a paused guest; then it must be unharmed, and move once `xl unpause` lets it go on.
    """
    with guest.inside.nonce() as nonce:
        move, paused = guest.paused_migrate(to=peer)
        check(paused)
        for returned in (move, guest.live_migrate(to=home)):
            moves.keep(returned)
            check(returned.kept_its_boot())
        check(guest.runs_only_on(home))
        check(guest.inside.still_has(nonce))
