"""Step 6: the guest moves while it runs, and nobody notices."""

from xenlab.grading.moves import Moves
from xenlab.grading.steps import check, step
from xenlab.lab.dom0 import Dom0
from xenlab.lab.guest import Guest


@step("live-migration", needs="cold-migration", claims="quiet")
def test_guest_moves_while_pinged(guest: Guest, home: Dom0, peer: Dom0, moves: Moves) -> None:
    """The guest moves to the other host and back while it runs, and neither ping loses its thread.

    Ping it from outside, ping out from inside, `xl migrate` it: the last packet here is icmp_seq=23, the first
    there icmp_seq=24; the same SSH session goes on, and the guest does not boot again.
    """
    guest.start(on=home)
    with guest.nonce() as nonce:
        for target in (peer, home):
            with moves.watched(guest) as watch:
                move = guest.live_migrate(to=target, nonce=nonce)
            seen = moves.keep_watched(move, watch)
            check(seen.pings_are_continuous())
            check(move.arrived(), move.kept_its_boot(), essential=True)
            check(seen.goes_on_as_before(), move.kept(nonce))
