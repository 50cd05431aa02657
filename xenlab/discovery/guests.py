"""The lab's guests: those whose configs lie on the share, and those that run from it. Pure.

A guest is the same in two files where its name, or the MAC of one of its interfaces, is.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import PurePosixPath

from xenlab.discovery.given import Given
from xenlab.discovery.hosts import AS_GIVEN, names_of
from xenlab.discovery.proposal import Missing, Proposed
from xenlab.discovery.seen import LabSeen
from xenlab.discovery.share import ShareFound, path_on
from xenlab.errors import LabFault
from xenlab.xen import found_configs
from xenlab.xen.cfg import XlConfig, parse_config
from xenlab.xen.xenstore import StoredDomain
from xenlab.xen.xl import INCOMING, MIGRATED_AWAY

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True, slots=True)
class ConfigFound:
    """A config that names a guest: where it lies (`path`; on the share by its mount point), and who sees it there."""

    host: str
    path: str
    text: str
    config: XlConfig

    @property
    def name(self) -> str:
        """The guest that it is of."""
        return self.config.name or ""

    @property
    def macs(self) -> frozenset[str]:
        """The MACs of its interfaces, as far as it sets them."""
        return frozenset(vif.mac for vif in self.config.vifs if vif.mac)


@dataclass(frozen=True, slots=True)
class GuestSeen:
    """A guest: its configs on the share and elsewhere, and the hosts that it runs on, with its domain there."""

    name: str
    configs: tuple[ConfigFound, ...]
    originals: tuple[ConfigFound, ...] = ()
    running: Mapping[str, StoredDomain] = field(default_factory=dict)

    @property
    def macs(self) -> frozenset[str]:
        """The MACs of its interfaces, by its configs and by xenstore."""
        running = (mac for domain in self.running.values() for mac in domain.macs)
        return frozenset(running).union(*(config.macs for config in self.configs))


def guests_of(lab: LabSeen, shares: Sequence[ShareFound], given: Given) -> tuple[GuestSeen, ...]:
    """All guests that have a config or a disk on one of the shares, but those that are to be left out."""
    there, elsewhere = configs_on(lab, shares)
    running = _running(lab)
    names = dict.fromkeys(config.name for config in there)
    names |= dict.fromkeys(name for name, on in running.items() if _is_on(shares, on))
    names |= dict.fromkeys(given.configs)
    found = []
    for name in names:
        if name in given.left_out or not _NAME.fullmatch(name):
            continue
        own = tuple(config for config in there if config.name == name)
        guest = GuestSeen(name, own, running=running.get(name, {}))
        by_name = tuple(one for one in elsewhere if one.name == name)
        originals = by_name or tuple(one for one in elsewhere if one.macs & guest.macs)
        found.append(GuestSeen(name, own, originals, guest.running))
    return tuple(sorted(found, key=lambda guest: guest.name))


def remarks(lab: LabSeen, shares: Sequence[ShareFound], given: Given) -> Iterator[str]:
    """What was seen of guests and files that is in no lab file."""
    guests = guests_of(lab, shares, given)
    running, named = _running(lab), {guest.name for guest in guests}
    for name, on in running.items():
        if name not in named and name not in given.left_out:
            where = " and ".join(on)
            yield f"{name} runs on {where}, and neither its config nor a disk lies on the share: it is left out"
    for number, (texts, host) in enumerate(zip(lab.texts, names_of(lab), strict=True)):
        for path, why in texts.unread:
            if path_on(shares, lab, number, path) is not None:
                yield f"{path} on {host} cannot be read: {why}"
        for text in texts.texts:
            on_share = path_on(shares, lab, number, text.path)
            if on_share is not None and text.looks_like_config and (odd := _fault(text.text, text.path)):
                yield f"{text.path} on {host} is no config that xl would take: {odd}"
    for name in dict.fromkeys(config.name for config in configs_on(lab, shares)[0]):
        if not _NAME.fullmatch(name):
            yield f"{name!r} is no name that a lab file takes (letters, digits and . _ -): that guest is left out"
    for mac, of in shared_macs(guests).items():
        yield f"{' and '.join(of)} have one MAC, {mac}: nothing that is known by it is taken for either"


def configs_on(lab: LabSeen, shares: Sequence[ShareFound]) -> tuple[list[ConfigFound], list[ConfigFound]]:
    """The configs on the shares, by their paths there, and those elsewhere."""
    there: dict[str, ConfigFound] = {}
    elsewhere = []
    for number, (texts, host) in enumerate(zip(lab.texts, names_of(lab), strict=True)):
        nfs = [mount.target for mount in lab.hosts[number].known_mounts if mount.is_nfs]
        for text in texts.texts:
            config = _config(text.text, text.path)
            if config is None:
                continue
            path = path_on(shares, lab, number, text.path)
            if path is not None:
                there.setdefault(path, ConfigFound(host, path, text.text, config))
            elif not any(PurePosixPath(text.path).is_relative_to(point) for point in nfs):
                elsewhere.append(ConfigFound(host, text.path, text.text, config))
    return list(there.values()), elsewhere


def shared_macs(guests: tuple[GuestSeen, ...]) -> dict[str, tuple[str, ...]]:
    """MACs that several guests have: they tell nobody."""
    owners: dict[str, list[str]] = {}
    for guest in guests:
        for mac in guest.macs:
            owners.setdefault(mac, []).append(guest.name)
    return {mac: tuple(names) for mac, names in sorted(owners.items()) if len(names) > 1}


def config_of(guest: GuestSeen, given: Given) -> ConfigFound | Missing:
    """The guest's config on the share: the only one, or the one whose disks its running domain has."""
    by_path: dict[str, ConfigFound] = {}
    for config in guest.configs:
        by_path.setdefault(config.path, config)
    if guest.name in given.configs:
        path = given.configs[guest.name]
        by_path = {path: by_path[path]} if path in by_path else {}
    fitting = {path: config for path, config in by_path.items() if _has_disks_of(guest, config)}
    if len(fitting) == 1 or len(by_path) == 1:
        return next(iter((fitting or by_path).values()))
    why = "several configs on the share name it" if by_path else "no config on the share that can be read names it"
    candidates = {path: f"seen by {config.host}" for path, config in by_path.items()}
    return Missing(f"guests.{guest.name}.config", why, "--config", f"{guest.name}=", "PATH", candidates)


def home_of(guest: GuestSeen, lab: LabSeen, given: Given) -> Proposed | Missing:
    """Where the guest belongs: where it runs, or where its original config lies."""
    if guest.name in given.homes:
        return Proposed(given.homes[guest.name], AS_GIVEN)
    if len(guest.running) == 1:
        return Proposed(next(iter(guest.running)), "it runs there (xenstore)")
    hosts = dict.fromkeys(original.host for original in guest.originals)
    if len(hosts) == 1 and not guest.running:
        (host,) = hosts
        return Proposed(host, f"its original config lies there: {guest.originals[0].path}")
    why = "it is off, and no config of it lies in /etc/xen, /home or /root of one host alone"
    if guest.running:
        why = "it runs on both hosts: xl pause it on both before anything else, as two domains write to one disk"
    seen = {host: f"{path} lies there" for host, path in ((one.host, one.path) for one in guest.originals)}
    candidates = seen or dict.fromkeys(names_of(lab), "a host")
    return Missing(f"guests.{guest.name}.home", why, "--home", f"{guest.name}=", "HOST", candidates)


def original_of(guest: GuestSeen, home: str) -> ConfigFound | str | None:
    """The config that the guest had before, on its home host; a remark where several differ or it is elsewhere."""
    there = [config for config in guest.originals if config.host == home]
    if len({config.text for config in there}) == 1:
        return there[0]
    if there:
        paths = ", ".join(config.path for config in there)
        return f"{guest.name}: which config on {home} is the original cannot be told ({paths}): add original_config"
    if guest.originals:
        other = guest.originals[0]
        return (
            f"{guest.name}: its original config {other.path} lies on {other.host}, not on its home {home}: with "
            f"--home {guest.name}={other.host} it would be compared"
        )
    return None


def _config(text: str, path: str) -> XlConfig | None:
    config = _read(text, path)
    if isinstance(config, str) or not config.name:
        return None
    return config if config.disks or config.kernel or config.bootloader else None


def _fault(text: str, path: str) -> str:
    """What is wrong with a config, if anything."""
    config = _read(text, path)
    if isinstance(config, str):
        return config
    return "" if config.name else "it names no guest"


@lru_cache(maxsize=2 * found_configs.MOST)
def _read(text: str, path: str) -> XlConfig | str:
    """A config, or what is wrong with it; kept, as every question about guests begins with it."""
    try:
        return parse_config(text, path)
    except LabFault as fault:
        return fault.message


def _running(lab: LabSeen) -> dict[str, dict[str, StoredDomain]]:
    """Every domain but Dom0 by its name and host; halves of one that is on its way count as nothing."""
    found: dict[str, dict[str, StoredDomain]] = {}
    for host, name in zip(lab.hosts, names_of(lab), strict=True):
        for domain in host.domains:
            if not domain.name.endswith((INCOMING, MIGRATED_AWAY)):
                found.setdefault(domain.name, {})[name] = domain
    return found


def _is_on(shares: Sequence[ShareFound], on: Mapping[str, StoredDomain]) -> bool:
    folders = [folder for share in shares for folder in (share.mount_point, share.export) if folder]
    disks = [PurePosixPath(disk.target) for domain in on.values() for disk in domain.disks]
    return any(disk.is_relative_to(folder) for disk in disks for folder in folders)


def _has_disks_of(guest: GuestSeen, config: ConfigFound) -> bool:
    """Whether the guest runs with just the disks that the config names."""
    own = {disk.target for disk in config.config.disks}
    return any(own == {disk.target for disk in domain.disks} for domain in guest.running.values())
