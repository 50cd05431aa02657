"""What is left otherwise than it was found, while a run goes on. Pure data."""

from xenlab.scenarios.scenario import LabChange, Red, Scenario, wrong
from xenlab.scenarios.shell import once_under_way
from xenlab.testbed.plan import CLIENT, GUESTS, MOUNT_POINT, SERVER

_STEP = "left-as-found"
_GUEST = GUESTS[0].name


def _left(name: str, what: str, check: str, words: str, *changes: LabChange) -> Scenario:
    return wrong(
        name, what, Red(_STEP, check, words), *changes, alone=True, beside=("shared-storage", "path-fixes"), runs=True
    )


LEFT: tuple[Scenario, ...] = (
    _left(
        "left-paused",
        "somebody pauses the guest while the run goes on",
        "guest-in-place",
        f"on {CLIENT.name} (--p---)",
        once_under_way(f"xl pause {_GUEST}"),
    ),
    _left(
        "left-on-the-other-host",
        "somebody ends the guest, and starts it on the other host, while the run goes on",
        "guest-in-place",
        f"on {SERVER.name}",
        once_under_way(f"xl destroy {_GUEST}; ssh {SERVER.address} xl create -q {GUESTS[0].shared_config}"),
    ),
    _left(
        "left-half-moved",
        "a move of the guest, begun while the run goes on, ends in halves",
        "no-stray-domains",
        f"{_GUEST}--migratedaway",
        once_under_way(f"xl pause {_GUEST}; xl rename {_GUEST} {_GUEST}--migratedaway"),
    ),
    _left(
        "left-attached",
        "a guest is gone, and its disk is attached to a loop device still",
        "no-stray-loop-devices",
        "losetup",
        once_under_way(f"xl destroy {_GUEST}; losetup -f {GUESTS[0].shared_folder}/{_GUEST}.img"),
    ),
    _left(
        "left-a-file",
        "a file that bears the run's id is left on a host",
        "no-stray-files",
        "xenlab",
        once_under_way(f"cd {MOUNT_POINT} && cp $nonce $nonce-left"),
    ),
    _left(
        "left-migrating",
        "a move of the guest is still under way when the run ends",
        "no-stray-processes",
        _GUEST,
        once_under_way(f"bash -c 'exec -a \"xl migrate {_GUEST} {SERVER.address}\" sleep 600'"),
    ),
)
"""What a run's last step must show."""
