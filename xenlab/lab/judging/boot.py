"""A guest that runs: its console, its login, and what its own / and swap rest on. Pure."""

import re
from collections.abc import Collection, Iterator, Sequence

from xenlab.lab.judging.paths import lies_on
from xenlab.lab.looks import FilesLook, GuestLook, Unknown
from xenlab.lab.observed import PingAnswer
from xenlab.lab.places import Places
from xenlab.labfile import GuestSpec
from xenlab.outcomes import Finding
from xenlab.remote.facts import Swap
from xenlab.remote.filesystems import Place, place_of
from xenlab.remote.prompts import shows_login_prompt
from xenlab.xen.parsers import Domain

# A device of HVM guests has two names: hda is seen as xvda once the PV drivers have it (Xen's docs/misc/vbd-interface).
_ALIASES = (("hd", "xvd"), ("sd", "xvd"))


def shows_prompt(guest: str, host: str, shown: str, evidence: tuple[str, ...] = ()) -> Finding:
    """Its console, asked through xl, shows a login prompt."""
    return Finding(
        "console-login",
        shows_login_prompt(shown),
        expected="a login prompt on the console",
        actual=f"the console shows: {shown.strip()[-120:]!r}",
        hint="a getty on hvc0 in the guest, and console=hvc0 on its kernel's command line",
        host=host,
        guest=guest,
        evidence=evidence,
    )


def answers_ping(spec: GuestSpec, answers: Sequence[PingAnswer]) -> Finding:
    """It answers a ping from outside, from every seat; one that a seat could not send says nothing about the guest."""
    silent = [(one, one.silent) for one in answers if one.silent is not None]
    # A seat that could send and heard nothing is the surest.
    worst, said = min(silent, key=lambda pair: not pair[0].could_send, default=(None, None))
    return Finding(
        "ping",
        True if worst is None else (False if worst.could_send else None),
        expected=f"replies to a ping of {spec.address} from {' and '.join(one.seat for one in answers)}",
        actual=said[0] if said else "3 replies",
        hint=(said[1] if said else "") or "look at the guest's address, and at the bridge that its vif is on",
        guest=spec.name,
        evidence=tuple(id_ for one in answers for id_ in one.evidence),
    )


def takes_login(guest: str, way_in: str) -> Finding:
    """A login works."""
    return Finding("login", True, f"a login on {guest}", f"logged in {way_in}", guest=guest)


def takes_no_login(guest: str, why: str, hint: str, places: Places) -> Finding:
    """No login works; where even its host cannot be seen, that says nothing about the guest."""
    holds = None if places.unseen else False
    return Finding("login", holds, f"a login on {guest}", why, hint, guest=guest, evidence=places.ids)


def devices_unknown(guest: str, host: str, unknown: Unknown, ids: tuple[str, ...]) -> Finding:
    """What the running domain rests on could not be read."""
    return Finding(
        "device-on-share", None, f"devices of {guest} on the share", unknown.why, unknown.hint, host, guest, "", ids
    )


def devices_on_share(domain: Domain, look: FilesLook, shares: Sequence[Place | Unknown]) -> Iterator[Finding]:
    """The running domain's own disks, kernel and ramdisk, by Xen's record, lie on a share of the lab's.

    Editing the config does not move a running guest's disks: xl goes on with what it stored. `look` is of the
    domain's files, `shares` where the lab's shares lie on that host.
    """
    roles = dict(device_files(domain))
    for path, role in roles.items():
        holds, actual = _lies_on(path, look, shares)
        yield Finding(
            "device-on-share",
            holds,
            expected=f"{role} on the share",
            actual=actual,
            hint="shut the guest down and create it again from the fixed config",
            host=look.host,
            guest=domain.name,
            evidence=look.ids,
        )


def device_files(domain: Domain) -> Iterator[tuple[str, str]]:
    """Each file that the running domain rests on, and what for."""
    yield from ((disk.target, f"disk {disk.vdev}") for disk in domain.disks if disk.target)
    if not domain.bootloader:
        for role, path in (("kernel", domain.kernel), ("ramdisk", domain.ramdisk)):
            if path:
                yield path, role


def has_root_device(look: GuestLook, spec: GuestSpec, vdevs: Sequence[str] | Unknown) -> Finding:
    """Its root file system rests on a disk that the config gives it, whatever lies between (partitions, LVM)."""
    wanted = spec.root_device or "a disk of the config"
    right: bool | None = None
    if isinstance(vdevs, Unknown):
        actual, given = vdevs.why, "unknown"
    elif isinstance(look.root_devices, Unknown):
        actual, given = look.root_devices.why, ", ".join(vdevs)
    else:
        chain, given = look.root_devices, ", ".join(vdevs) or "none"
        names = {name for device in chain for name in _names(device)}
        wishes = _names(spec.root_device) if spec.root_device else names
        right = bool(wishes & names) and any(_names(vdev) & names for vdev in vdevs)
        actual = f"/ on {' on '.join(chain)}"
    return Finding(
        "root-device",
        right,
        expected=f"/ on {wanted} ({given} in the config)",
        actual=actual,
        hint="root= in the config, or in the guest's own GRUB, must name the shared disk's vdev",
        guest=look.host,
        evidence=look.ids,
    )


def has_swap(look: GuestLook, spec: GuestSpec, vdevs: Sequence[str] | Unknown) -> Iterator[Finding]:
    """Swap is in use on one of its disks, or not at all, as the lab prescribes; where it does not, nothing is said."""
    if spec.swap is None:
        return
    right: bool | None = None
    if isinstance(look.swaps, Unknown):
        actual = look.swaps.why
    elif isinstance(vdevs, Unknown):
        actual = f"{_swaps(look.swaps)}; of its disks: {vdevs.why}"
    else:
        actual = _swaps(look.swaps)
        right = any(_is_on_disk(swap, vdevs) for swap in look.swaps) == spec.swap
    yield Finding(
        "swap",
        right,
        expected="swap in use on a disk of the config" if spec.swap else "no swap on a disk",
        actual=actual,
        hint="the swap disk's vdev in the config and in the guest's /etc/fstab must be the same, and mkswap'ed",
        guest=look.host,
        evidence=look.ids,
    )


def _lies_on(path: str, look: FilesLook, shares: Sequence[Place | Unknown]) -> tuple[bool | None, str]:
    if isinstance(look.files, Unknown):
        return None, f"{path}: {look.files.why}"
    if isinstance(look.mounts, Unknown):
        return None, f"{path}: {look.mounts.why}"
    if not any(isinstance(share, Place) for share in shares):
        return None, f"{path}: {'; '.join(share.why for share in shares if isinstance(share, Unknown))}"
    file = next((fact for fact in look.files if fact.path == path), None)
    if file is None or file.unseen:
        return None, f"{path}: {file.unseen if file else 'it was not asked for'}"
    if file.missing:
        return False, f"{path}: {file.missing}"
    place = place_of(look.mounts, file.resolved)
    on_share = lies_on(place, shares)
    if isinstance(on_share, Unknown):
        return None, f"{path}: {on_share.why}"
    return on_share, f"{path} lies on {place.mount.source} ({place.mount.fstype})"


def _is_on_disk(swap: Swap, vdevs: Collection[str]) -> bool:
    """Whether it is on a disk: one of these, a partition of one, what device-mapper makes of them, or a file.

    A swap file is on a file system of the guest's, and all of them are on its disks; zram is on none.
    """
    if not swap.device.startswith("/dev/"):
        return True
    name = swap.device.rpartition("/")[2]
    own = {alias for vdev in vdevs for alias in _names(vdev)}
    disk = re.sub(r"(?<=[0-9])p[0-9]+$|(?<=[a-z])[0-9]+$", "", name)
    return name in own or disk in own or name.startswith(("dm-", "md")) or swap.device.startswith("/dev/mapper/")


def _names(device: str) -> set[str]:
    return {device} | {new + device[len(old) :] for old, new in _ALIASES if device.startswith(old)}


def _swaps(swaps: Sequence[Swap]) -> str:
    return ", ".join(f"{swap.device} ({swap.size_kib} KiB)" for swap in swaps) or "no swap in use"
