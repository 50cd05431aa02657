"""A guest whose domain is gone or crashed while it booted is told as what it is, by what was noted of it."""

import pytest
from playedxen import GUESTS

from xenlab.errors import LabFault
from xenlab.lab.judging.ended import ended_while_booting, silent_while_booting
from xenlab.lab.looks import DomainsLook, LogsLook, Unknown
from xenlab.labfile import GuestSpec

# As on a real host (Xen 4.20), of a PVH guest that crashed while it booted.
XL = """
==> /var/log/xen/xl-guest1.log <==
Waiting for domain guest1 (domid 1) to die [pid 1281]
Domain 1 has shut down, reason code {reason} 0x{reason}
Action for shutdown reason code {reason} is destroy
Domain 1 needs to be cleaned up: destroying the domain
Done. Exiting now
"""
PANIC = "Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)"
CONSOLE = f"""
==> /var/log/xen/console/guest-guest1.log <==
[    3.281] {PANIC}
[    3.282] ---[ end {PANIC} ]---
"""
OTHERS = "==> /var/log/xen/xen-hotplug.log <==\nDomain 9 has shut down, reason code 3 0x3\n"


SPEC = GuestSpec.model_validate(
    {"name": GUESTS[0], "address": "10.1.1.85", "home": "labubuntu", "config": "/mnt/private/artem/guest1.cfg"}
    | {"known_hosts": "/k", "ping_target": "10.1.1.1", "original_config": "/home/artem/guest1.cfg"}
)


def told(texts: str | Unknown, *, is_listed: bool = False) -> LabFault:
    look = DomainsLook("labubuntu", ("look-1",), 0.0, (), (), {})
    return ended_while_booting(
        SPEC, look, LogsLook("labubuntu", ("look-2",), 0.0, {"guest": texts}), is_listed=is_listed
    )


@pytest.mark.parametrize(
    ("texts", "message", "actual"),
    [
        (XL.format(reason=3), "crashed", "gone: it crashed (Domain 1 has shut down, reason code 3 0x3)"),
        (XL.format(reason=0), "ended", "gone: it powered itself off (Domain 1 has shut down, reason code 0 0x0)"),
        (XL.format(reason=5), "ended", "gone: it ended (Domain 1 has shut down, reason code 5 0x5)"),
        (OTHERS, "ended", "gone"),
        ("==> /var/log/xen/xl-guest1.log <==\nDomain 4 has been destroyed.\n", "ended", "gone: it was destroyed"),
        (Unknown("no answer"), "ended", "gone"),
    ],
)
def test_a_domain_that_is_gone(texts: str | Unknown, message: str, actual: str) -> None:
    fault = told(texts)
    assert fault.message == f"guest1 {message} while booting on labubuntu"
    assert fault.actual.startswith(f"its domain is {actual}")
    assert fault.hint.startswith("xl create -c /mnt/private/artem/guest1.cfg shows its console")
    assert ("on_crash" in fault.hint) == (message == "crashed")
    assert fault.evidence == ("look-1", "look-2")


def test_a_crashed_one_that_is_kept() -> None:
    fault = told(XL.format(reason=3), is_listed=True)
    assert fault.message == "guest1 crashed while booting on labubuntu"
    assert fault.actual.startswith("its domain crashed (Domain 1 has shut down, reason code 3")
    assert "on_crash" not in fault.hint


def test_its_console_says_why() -> None:
    fault = told(XL.format(reason=3) + CONSOLE)
    assert fault.actual.endswith(f"; its console: [    3.281] {PANIC}")
    assert fault.hint.startswith("unknown-block: root= in the config")


def test_a_console_cannot_speak_for_xl() -> None:
    forged = CONSOLE + XL.format(reason=0)
    assert "it crashed (" in told(XL.format(reason=3) + forged).actual


def test_the_panic_of_an_earlier_boot_is_not_this_ones() -> None:
    assert "console:" not in told(XL.format(reason=0) + CONSOLE).actual


@pytest.mark.parametrize(
    ("screen", "actual", "hint"),
    [
        (f"[    3.2] {PANIC}\n[    3.3] ---[ end ]---", f"not within 90 s; its console: [    3.2] {PANIC}", "root="),
        ("Starting OpenBSD Secure Shell server: sshd", "not within 90 s; its console: Starting OpenBSD", "xl console"),
        (
            "\nguest1 login: \nguest1 login: ",
            "not within 90 s; its console: guest1 login:",
            "nobody answers at 10.1.1.85",
        ),
        ("\n \n", "not within 90 s", "xl console guest1 on baye"),
        (Unknown("somebody else is on it"), "not within 90 s", "xl console guest1 on baye"),
    ],
    ids=["panic", "on its way", "up", "nothing", "not to be had"],
)
def test_one_that_runs_and_takes_no_login(screen: str | Unknown, actual: str, hint: str) -> None:
    fault = silent_while_booting(SPEC, "baye", 90.0, screen, ("cmd-1",))
    assert fault.actual.startswith(actual)
    assert hint in fault.hint
    assert fault.evidence == ("cmd-1",)
