"""The share, SSH and guests that fail while a guest is on its way. Pure data."""

from xenlab.outcomes import Outcome
from xenlab.scenarios.scenario import LabChange, MustEnd, Underneath
from xenlab.scenarios.shell import done, running_on, when_it_leaves
from xenlab.testbed.plan import CLIENT, EXPORT, GUESTS, SERVER

_COLD, _LIVE = "cold-migration", "live-migration"
_GUEST, _OTHER = (guest.name for guest in GUESTS)
_HOME, _SERVER = CLIENT.name, SERVER.name
_SECONDS = 1500.0
_ANY = (Outcome.PASSED, Outcome.FAILED, Outcome.ERROR)


def _under(
    name: str, what: str, must_end: MustEnd, *changes: LabChange, step: str = _LIVE, guest: str = _GUEST
) -> Underneath:
    return Underneath(name, what, changes, step, alone=True, runs=True, guest=guest, must_end=must_end)


SERVICES: tuple[Underneath, ...] = (
    _under(
        "our-sessions-cut-in-the-move",
        f"every SSH session of ours on {_HOME} is ended while {_GUEST} is being sent from it",
        MustEnd(_SECONDS, (Outcome.PASSED,), _GUEST),
        when_it_leaves(_HOME, "pkill -KILL -f 'sshd: root@'", after=5),
    ),
    _under(
        "nfs-gone-for-30-s-in-the-move",
        f"the NFS server stands still for 30 s while {_OTHER} is being sent from {_SERVER}",
        MustEnd(_SECONDS, (Outcome.PASSED, Outcome.FAILED), _OTHER),
        when_it_leaves(_SERVER, "systemctl stop nfs-server; sleep 30; systemctl start nfs-server", after=5),
        guest=_OTHER,
    ),
    _under(
        "nfs-gone-for-good-in-the-move",
        f"the NFS server is stopped while {_OTHER} is being sent from {_SERVER}, and stays so",
        MustEnd(_SECONDS, (Outcome.FAILED, Outcome.ERROR), _OTHER, home=False),
        when_it_leaves(_SERVER, "systemctl stop nfs-server", after=5),
        guest=_OTHER,
    ),
    _under(
        "nfs-gone-as-the-guest-shuts-down",
        f"the NFS server is stopped for good as soon as {_GUEST} is told to shut down on {_HOME}",
        MustEnd(_SECONDS, (Outcome.FAILED,), "is the share's NFS server gone", home=False),
        running_on(
            _HOME,
            'until pgrep -f "[x]l shutdown" >/dev/null; do sleep 0.2; done; '
            f"ssh -n -o BatchMode=yes root@{SERVER.address} systemctl stop nfs-server",
        ),
        step=_COLD,
    ),
    _under(
        "share-fills-in-the-move",
        f"the share becomes full while {_OTHER} is being sent from {_SERVER}",
        MustEnd(_SECONDS, _ANY, _OTHER),
        when_it_leaves(
            _SERVER,
            f"fallocate -l $(($(df --output=avail -B1 {EXPORT} | tail -1))) {EXPORT}/fill; "
            f"dd if=/dev/zero of={EXPORT}/fill2 bs=4k",
            after=2,
        ),
        guest=_OTHER,
    ),
    _under(
        "guest-hangs-in-the-move",
        f"{_GUEST} stands still on {_HOME} while it is being sent, so that it never suspends",
        MustEnd(_SECONDS, (Outcome.FAILED,), _GUEST),
        when_it_leaves(_HOME, f"xl pause {_GUEST}", after=3),
    ),
    _under(
        "guest-dies-in-the-move",
        f"{_GUEST}'s kernel gives up on {_HOME} while it is being sent",
        MustEnd(_SECONDS, (Outcome.FAILED, Outcome.ERROR), _GUEST),
        done(_GUEST, "echo 1 >/proc/sys/kernel/sysrq", 'test "$(cat /proc/sys/kernel/sysrq)" = 1'),
        when_it_leaves(_HOME, f"xl sysrq {_GUEST} c", after=3),
    ),
)
"""Runs under whose moves something fails."""
