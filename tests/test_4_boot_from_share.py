"""Step 4: the guest runs as well as before, from the share."""

from xenlab.grading.steps import check, step
from xenlab.lab.dom0 import Dom0
from xenlab.lab.guest import Guest


@step("boot-from-share", needs="path-fixes", claims="home", in_check=True)
def test_guest_boots_from_the_share(guest: Guest, home: Dom0) -> None:
    """The guest boots on its home host from the share, takes logins, and keeps what is written to its disk.

    `xl create` its config, `xl console` it to the login prompt, ping it, log in, look at `findmnt /` and `swapon`.
    """
    guest.start(on=home)
    check(guest.runs_only_on(home), guest.answers_ping(), guest.takes_login(), essential=True)
    check(guest.shows_login_prompt(), guest.keeps_devices_on_share())
    with guest.nonce() as nonce:
        inside = guest.look_inside(nonce)
        check(inside.has_root_device(), inside.has_swap(), inside.still_has(nonce))
