"""Which of the shares that were found are the lab's: those that were named, or else those that guests' configs lie on.

Pure.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from ipaddress import ip_address
from itertools import combinations
from pathlib import PurePosixPath

from xenlab.discovery.given import Given, GivenShare
from xenlab.discovery.guests import configs_on
from xenlab.discovery.hosts import AS_GIVEN, names_of
from xenlab.discovery.proposal import Missing
from xenlab.discovery.seen import LabSeen
from xenlab.discovery.share import ShareFound, automounts, holds_configs, share_at, shares_of
from xenlab.remote.network import is_address
from xenlab.xen.found_configs import PLACES

_OPTION = ("--share", "", "SERVER:EXPORT=MOUNT_POINT")


def choose(lab: LabSeen, given: Given) -> tuple[ShareFound, ...] | Missing:
    """The lab's shares: those that were named, or else those that configs lie on, of the hosts' own first.

    A third machine's with configs is not taken where a host has one without: it may be where everybody's homes are.
    Of several each must have guests of its own: where two have the same ones, one may be a copy of the other.
    """
    found = shares_of(lab)
    if given.shares:
        return _all_named(lab, found, given.shares)
    usable = [share for share in found if share.mount_point]
    with_configs = [share for share in usable if holds_configs(lab, share)]
    own = [share for share in with_configs if not share.is_third]
    beside = [share for share in with_configs if share.is_third and not _is_of_homes(share)]
    own_or_used = [share for share in usable if share in with_configs or not share.is_third]
    if own and _are_apart(lab, [*own, *beside]):
        return (*own, *beside)
    for group in (own, own_or_used, usable):
        if len(group) == 1 or (group and _are_apart(lab, group)):
            return tuple(group)
        if group:
            return _missing("several shares may be meant", group)
    if found:
        return _missing("nobody has it mounted, and no /etc/fstab says where it belongs", found)
    autos = automounts(lab)
    hint = f"; {' and '.join(autos)} is mounted when it is looked into (autofs): do so, and call again" if autos else ""
    return Missing("share", f"no host exports a folder, and none has one mounted by NFS{hint}", *_OPTION)


def _are_apart(lab: LabSeen, shares: Sequence[ShareFound]) -> bool:
    """Whether each has configs of guests that no other has, and none lies in another, on its server or the hosts."""
    guests = {share: {config.name for config in configs_on(lab, [share])[0]} for share in shares}
    return all(guests.values()) and not any(
        one.covers(other)
        or other.covers(one)
        or _lies_in(one.mount_point, other.mount_point)
        or _lies_in(other.mount_point, one.mount_point)
        or guests[one] & guests[other]
        for one, other in combinations(shares, 2)
    )


def _is_of_homes(share: ShareFound) -> bool:
    """Whether it is mounted where guests' first configs are."""
    return any(_lies_in(share.mount_point, place) for place in PLACES)


def _lies_in(path: str, folder: str) -> bool:
    return PurePosixPath(path).is_relative_to(folder)


def _all_named(
    lab: LabSeen, found: Sequence[ShareFound], given: Iterable[GivenShare]
) -> tuple[ShareFound, ...] | Missing:
    chosen: list[ShareFound] = []
    for said in given:
        one = _named(lab, found, said)
        if isinstance(one, Missing):
            return one
        chosen.append(one)
    return tuple(chosen)


def _named(lab: LabSeen, found: Iterable[ShareFound], said: GivenShare) -> ShareFound | Missing:
    if said.server and said.export:
        seen = next((one for one in found if (one.server, one.export) == (said.server, said.export)), None)
        if seen is None and is_address(said.server):
            return share_at(lab, (str(ip_address(said.server)),), said.export, said.mount_point, AS_GIVEN)
        address = "" if said.server in names_of(lab) else seen.address if seen else said.server
        return ShareFound(said.server, said.export, said.mount_point, AS_GIVEN, address)
    fitting = [share for share in found if share.mount_point == said.mount_point]
    if len(fitting) == 1:
        return fitting[0]
    unmounted = [share for share in found if not share.mount_point]
    if not fitting and len(unmounted) == 1:
        return replace(unmounted[0], mount_point=said.mount_point, where=f"{unmounted[0].where}; its place {AS_GIVEN}")
    return _missing(f"no one share is seen at {said.mount_point}", fitting or found)


def _missing(why: str, candidates: Iterable[ShareFound]) -> Missing:
    return Missing("share", why, *_OPTION, candidates={share.words: share.where for share in candidates})
