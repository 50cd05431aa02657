"""Whether a guest may be started: never beside itself, never on a disk that another one has. Pure.

`xl create` refuses a name only on its own host, and a loop device over NFS knows no lock: nothing but this keeps
two guests from writing to one disk.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from xenlab.causes import nfs_trouble
from xenlab.errors import CannotObserve, LabFault, XenlabError
from xenlab.lab.looks import DomainsLook, Unknown
from xenlab.lab.places import Places, by_hand, places_of
from xenlab.remote.filesystems import FileFact
from xenlab.xen.cfg import XlConfig
from xenlab.xen.disk import DiskSpec
from xenlab.xen.xl import INCOMING, MIGRATED_AWAY


@dataclass(frozen=True, slots=True)
class _Use:
    """A disk in use on a host: `who` has it, as `target`; `sure` is False where it may be another one."""

    host: str
    who: str
    target: str
    sure: bool = True


def refusal(guest: str, config: XlConfig, path: str, looks: Sequence[DomainsLook]) -> XenlabError | None:
    """Why the guest may not be started from `config`, read from `path`; None where it may.

    `looks` are of both hosts and asked for the config's disks (`looking.look_before_start`). A doubt refuses, too.
    """
    ids = tuple(id_ for look in looks for id_ in look.ids)
    if config.name != guest:
        return wrong_name(guest, config, path, ids)
    places = places_of(guest, looks)
    if places.rows or places.halves:
        return _is_somewhere(places)
    uses = list(_uses(guest, config.disks, looks))
    if taken := next((use for use in uses if use.sure), None):
        return _is_taken(guest, taken, ids)
    if not places.is_off:
        return _doubt(guest, places.words, ids)
    if unsure := next(iter(uses), None):
        return _doubt(guest, f"{unsure.who} on {unsure.host} may have its disk: {unsure.target}", ids)
    why = next(_unseen(looks), None)
    return None if why is None else _doubt(guest, why, ids)


def wrong_name(guest: str, config: XlConfig, path: str, ids: tuple[str, ...]) -> LabFault:
    """The config names another domain than the lab file does."""
    named = f"name = {config.name!r}" if config.name else "no name"
    other = f", or call the guest {config.name} in the lab file" if config.name else ""
    return LabFault(
        f"{path} is not the config of {guest}: it says {named}",
        expected=f'name = "{guest}", as in the lab file',
        actual=named,
        hint=f'write name = "{guest}" in {path}{other}',
        guest=guest,
        evidence=ids,
    )


def not_to_be_read(guest: str, path: str, look: DomainsLook, why: Unknown) -> LabFault | CannotObserve:
    """Why its config could not be read on the host where it is to be started; by its words whose fault that is."""
    trouble = nfs_trouble(why.why)
    if trouble is None or trouble.cause.blame != "lab":
        return CannotObserve(f"{path} on {look.host}: {why.why}", hint=why.hint, evidence=look.ids)
    return LabFault(
        f"{guest} cannot be started on {look.host}: {trouble.line}",
        expected=f"{path} to be read on {look.host}",
        actual=trouble.line,
        hint=f"is the share mounted on {look.host} by now? findmnt -T {path}",
        host=look.host,
        guest=guest,
        evidence=look.ids,
    )


def _is_somewhere(places: Places) -> LabFault:
    return LabFault(
        f"{places.guest} must not be started: it is {places.words}",
        expected=f"{places.guest} on no host before it is started",
        actual=places.words,
        hint=by_hand(places),
        guest=places.guest,
        evidence=places.ids,
    )


def _is_taken(guest: str, use: _Use, ids: tuple[str, ...]) -> LabFault:
    return LabFault(
        f"{guest} must not be started: {use.who} on {use.host} has its disk {use.target}",
        expected=f"nobody else has the disks of {guest}",
        actual=f"{use.who} on {use.host} has {use.target}",
        hint=f"two writers ruin a disk: see on {use.host} whose {use.who} is, and give each guest a disk of its own",
        host=use.host,
        guest=guest,
        evidence=ids,
    )


def _uses(guest: str, disks: Sequence[DiskSpec], looks: Sequence[DomainsLook]) -> Iterator[_Use]:
    """Whoever has one of the disks, on either host; where nobody may write, it may be shared."""
    own = {guest, guest + INCOMING, guest + MIGRATED_AWAY}
    written = {disk.target for disk in disks if disk.access == "rw"}
    for look in looks:
        if isinstance(look.files, Unknown) or isinstance(look.attached, Unknown):
            continue
        behind = {fact.path: fact for fact in look.attached}
        for domain in () if isinstance(look.stored, Unknown) else look.stored:
            for used in domain.disks if domain.name not in own else ():
                harmful = look.files if used.mode != "r" else [fact for fact in look.files if fact.path in written]
                if (sure := _is_one_of(harmful, used.target, behind)) is not None:
                    yield _Use(look.host, domain.name or f"domain {domain.domid}", used.target, sure)
        for mount in () if isinstance(look.mounts, Unknown) else look.mounts:
            if mount.source.startswith("/dev/") and _is_one_of(look.files, mount.source, behind):
                yield _Use(look.host, f"the mount at {mount.target}", mount.source)


def _is_one_of(files: Sequence[FileFact], target: str, behind: dict[str, FileFact]) -> bool | None:
    """Whether it is one of the files; None: it is not. False: it cannot be told."""
    if not files:
        return None
    fact = behind.get(target)
    if any(target in (file.path, file.resolved) or (fact and file.is_same(fact)) for file in files):
        return True
    # What is no path here (a network's disk, an empty drive) is no file either.
    return None if not target.startswith("/") or (fact and fact.is_known) else False


def _unseen(looks: Sequence[DomainsLook]) -> Iterator[str]:
    for look in looks:
        for fact in (look.files, look.attached, look.mounts):
            if isinstance(fact, Unknown):
                yield f"the files behind the disks of {look.host}: {fact.why}"
        for file in () if isinstance(look.files, Unknown) else look.files:
            if not file.is_known:
                why = file.unseen or f"what is behind it cannot be looked at: {file.behind[0].path}"
                yield f"{file.path} on {look.host}: {why}"


def _doubt(guest: str, why: str, ids: tuple[str, ...]) -> CannotObserve:
    return CannotObserve(
        f"{guest} is not started, since it may be running somewhere: {why}",
        hint="on both hosts: xl list; start it once neither has it",
        evidence=ids,
    )
