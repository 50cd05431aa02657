"""Whether a guest may be started: never beside itself, never on a disk that another one has. Pure.

`xl create` refuses a name only on its own host, and a loop device over NFS knows no lock: nothing but this keeps
two guests from writing to one disk.
"""

from collections.abc import Sequence

from xenlab.errors import CannotObserve, LabFault, XenlabError
from xenlab.lab.looks import DomainsLook, Unknown
from xenlab.lab.places import by_hand, others_with_its_disks, places_of
from xenlab.xen.cfg import XlConfig


def refusal(guest: str, config: XlConfig, path: str, looks: Sequence[DomainsLook]) -> XenlabError | None:
    """Why the guest may not be started from `config`, read from `path`; None where it may.

    `looks` are of both hosts and asked for the config's disks (`looking.look_before_start`). A doubt refuses, too.
    """
    ids = tuple(id_ for look in looks for id_ in look.ids)
    if config.name != guest:
        return wrong_name(guest, config, path, ids)
    places = places_of(guest, looks)
    if places.unseen:
        return _doubt(guest, "; ".join(places.unseen), ids)
    if not places.is_off:
        return LabFault(
            f"{guest} must not be started: it is {places.words}",
            expected=f"{guest} on no host before it is started",
            actual=places.words,
            hint=by_hand(places),
            guest=guest,
            evidence=ids,
        )
    for look in looks:
        for fact in (look.files, look.attached):
            if isinstance(fact, Unknown):
                return _doubt(guest, f"the files behind the disks of {look.host}: {fact.why}", ids)
    if taken := list(others_with_its_disks(guest, looks)):
        host, domain, disk = taken[0]
        return LabFault(
            f"{guest} must not be started: {domain} on {host} has its disk {disk}",
            expected=f"nobody else has the disks of {guest}",
            actual=f"{domain} on {host} has {disk}",
            hint=f"two writers ruin a disk: see whose {domain} is (on {host}: xl list -l {domain}), and give each "
            "guest a disk of its own",
            host=host,
            guest=guest,
            evidence=ids,
        )
    return None


def wrong_name(guest: str, config: XlConfig, path: str, ids: tuple[str, ...]) -> LabFault:
    """The config names another domain than the lab file does."""
    named = f"name = {config.name!r}" if config.name else "no name"
    return LabFault(
        f"{path} is not the config of {guest}: it says {named}",
        expected=f'name = "{guest}", as in the lab file',
        actual=named,
        hint=f'write name = "{guest}" in {path}, or call the guest {config.name} in the lab file',
        guest=guest,
        evidence=ids,
    )


def _doubt(guest: str, why: str, ids: tuple[str, ...]) -> CannotObserve:
    return CannotObserve(
        f"{guest} is not started, since it may be running somewhere: {why}",
        hint="on both hosts: xl list; start it once neither has it",
        evidence=ids,
    )
