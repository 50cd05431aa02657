"""What a plan of acts, or an earlier result, rests on: by subject, in words or as a digest, so that a change shows."""

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping, Sequence

from xenlab.lab.dom0 import Dom0
from xenlab.lab.found import GuestFound
from xenlab.lab.lab import Lab
from xenlab.lab.looking import ask, look_at_files
from xenlab.lab.looks import HostLook, Unknown
from xenlab.lab.share import readable
from xenlab.lab.tape import encoded
from xenlab.labfile import GuestSpec
from xenlab.remote import commands
from xenlab.remote.sections import Section
from xenlab.tomlfile import dump

_SECONDS = 12
UNSEEN = "not to be told"
"""What stands for something that could not be seen."""


def seen_of(lab: Lab) -> Mapping[str, str]:
    """The lab file, both hosts and where guests were as the lab was begun; the guests' configs and files as they are.

    What could not be seen is told as such, so that it counts as a change once it can be.
    """
    seen = {"the lab file": _digest(dump(lab.spec.without_files()))}
    for look in lab.found.hosts.looks:
        seen |= {look.host: _host(look), f"the set-up of {look.host}": _set_up(look, lab.spec.mount_points)}
    seen |= {name: UNSEEN if found.unclear else found_words(found) for name, found in lab.found.guests.items()}
    reached = {look.host for look in lab.found.hosts.looks if look.is_seen}
    for of_host in lab.hosts.at_once(lambda host: dict(_guests_of(lab, host, host.name in reached))):
        seen |= of_host
    return seen


def others_of(guests: Sequence[GuestSpec], guest: str | None) -> frozenset[str]:
    """The subjects that say nothing of a guest (None: of the lab as a whole): where guests are, and others' files."""
    others = [spec for spec in guests if guest not in (None, spec.name)]
    return frozenset(
        [spec.name for spec in guests] + [subject for spec in others for subject in (spec.config, _files_of(spec.name))]
    )


def found_words(found: GuestFound) -> str:
    """Where a guest was found, in words."""
    if found.unclear:
        return f"unclear: {found.unclear}"
    return f"on {found.host}{', paused' if found.paused else ''}" if found.host else "off"


def _host(look: HostLook) -> str:
    if isinstance(look.info, Unknown) or isinstance(look.fingerprint, Unknown):
        return UNSEEN
    return f"a host with Xen {look.info.version}, host key {look.fingerprint}"


def _set_up(look: HostLook, mount_points: Collection[str]) -> str:
    """All that the hosts' step asks, but for what comes and goes (domains, memory), and the shares' mounts."""
    mounts = () if isinstance(look.mounts, Unknown) else look.mounts
    shares = [[m.fstype, m.source, m.root, m.target] for m in mounts if m.target in mount_points]
    facts = (look.name, look.is_root, look.cpu, look.xl_conf, look.bridges, look.switches, look.console_daemon)
    peer = [look.peer.exit_code, look.peer.stdout]
    return _digest(json.dumps([*map(encoded, facts), peer, shares])) if look.is_seen else UNSEEN


def _guests_of(lab: Lab, host: Dom0, is_seen: bool) -> Iterator[tuple[str, str]]:
    """Config and files of each guest that is at home on the host."""
    guests = [guest for guest in lab.spec.guests if guest.home == host.name]
    if not guests:
        return
    if not is_seen:
        yield from ((subject, UNSEEN) for guest in guests for subject in (guest.config, _files_of(guest.name)))
        return
    found = ask(host.remote, *(Section(guest.name, commands.read(guest.config), _SECONDS) for guest in guests))
    texts = {guest: found.read(guest.name, str) for guest in guests}
    configs = {guest: readable(text) for guest, text in texts.items()}
    paths = dict.fromkeys(entry.path for config in configs.values() if config for entry in config.paths())
    look = look_at_files(host, tuple(paths))
    facts = {} if isinstance(look.files, Unknown) else {fact.path: fact for fact in look.files}
    for guest, text in texts.items():
        yield guest.config, UNSEEN if isinstance(text, Unknown) else _digest(text)
        config = configs[guest]
        disks = {disk.target for disk in config.disks} if config else set()
        files = [facts[entry.path] for entry in config.paths() if entry.path in facts] if config else []
        # A guest that runs makes its disk grow.
        known = [[file.path, file.resolved, file.inode, 0 if file.path in disks else file.size] for file in files]
        yield _files_of(guest.name), _digest(json.dumps(known)) if known else UNSEEN


def _files_of(guest: str) -> str:
    return f"the files of {guest}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
