"""What a plan of acts rests on: by subject, in words or as a digest, so that it can be told whether it still holds."""

import hashlib
from collections.abc import Mapping

from xenlab.lab.dom0 import Dom0
from xenlab.lab.found import GuestFound
from xenlab.lab.lab import Lab
from xenlab.lab.looking import ask
from xenlab.lab.looks import HostLook, Unknown
from xenlab.remote import commands
from xenlab.remote.sections import Section
from xenlab.tomlfile import dump

_UNSEEN = "not to be told"
_SECONDS = 12


def seen_of(lab: Lab) -> Mapping[str, str]:
    """The lab file, both hosts and where each guest was as the lab was begun, and the guests' configs as they are now.

    What could not be seen is told as such, so that it counts as a change once it can be.
    """
    seen = {"the lab file": _digest(dump(lab.spec.without_files()))}
    seen |= {look.host: _host(look) for look in lab.found.hosts.looks}
    seen |= {name: _UNSEEN if found.unclear else found_words(found) for name, found in lab.found.guests.items()}
    for configs in lab.hosts.at_once(lambda host: _configs(lab, host)):
        seen |= configs
    return seen


def found_words(found: GuestFound) -> str:
    """Where a guest was found, in words."""
    if found.unclear:
        return f"unclear: {found.unclear}"
    return f"on {found.host}{', paused' if found.paused else ''}" if found.host else "off"


def _host(look: HostLook) -> str:
    if isinstance(look.info, Unknown) or isinstance(look.fingerprint, Unknown):
        return _UNSEEN
    return f"a host with Xen {look.info.version}, host key {look.fingerprint}"


def _configs(lab: Lab, host: Dom0) -> Mapping[str, str]:
    paths = [guest.config for guest in lab.spec.guests if guest.home == host.name]
    sections = [Section(f"config-{number}", commands.read(path), _SECONDS) for number, path in enumerate(paths)]
    if not sections:
        return {}
    found = ask(host.remote, *sections)
    texts = {path: found.read(section.name, str) for path, section in zip(paths, sections, strict=True)}
    return {path: _UNSEEN if isinstance(text, Unknown) else _digest(text) for path, text in texts.items()}


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
