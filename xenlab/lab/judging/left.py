"""What a run left behind: its own is a fault, what others did meanwhile is a remark. Pure.

On hosts that others use as well, domains, mounts and processes come and go while a run goes on. Only what is of
the named guests, or bears the run's id, is judged.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping

from xenlab.lab.found import GuestFound, is_as_found
from xenlab.lab.looks import HostLook, Unknown
from xenlab.lab.places import Places, by_hand
from xenlab.outcomes import Finding
from xenlab.xen import peers
from xenlab.xen.xl import INCOMING, MIGRATED_AWAY


def guest_in_place(places: Places, found: GuestFound) -> Finding:
    """The guest is where it was found, in the state it was found in."""
    expected = f"on {found.host}{', paused' if found.paused else ''}" if found.host else "shut down, as found"
    return Finding(
        "guest-in-place",
        None if places.in_doubt or found.unclear else is_as_found(places, found),
        expected=f"as found: {found.unclear}" if found.unclear else expected,
        actual=places.words,
        hint=by_hand(places),
        guest=places.guest,
        evidence=places.ids,
    )


def nothing_half_moved(look: HostLook, guests: Collection[str]) -> Finding:
    """No half of a named guest is on the host."""
    names = {name + end for name in guests for end in (INCOMING, MIGRATED_AWAY)}
    rows = look.domains.rows
    odd = [] if isinstance(rows, Unknown) else sorted(row.name for row in rows if row.name in names)
    return Finding(
        "no-stray-domains",
        None if isinstance(rows, Unknown) else not odd,
        expected="no --incoming and no --migratedaway of the lab's guests",
        actual=rows.why if isinstance(rows, Unknown) else ", ".join(odd) or "none",
        hint="a half may be the only copy: xl list on both hosts, and see which one is whole before anything else",
        host=look.host,
        evidence=look.ids,
    )


def no_leftovers(
    before: HostLook, now: HostLook, disks: Mapping[str, Collection[str]], ours: Collection[str] | Unknown
) -> Iterator[Finding]:
    """No loop device of a guest that is not here, no act on a guest under way, no file that bears the run's id.

    `disks` are those of each of the lab's guests, `ours` the paths that were found to be left.
    """
    kinds: dict[str, tuple[Collection[str] | Unknown, str]] = {
        "loop-devices": (
            _loops(before, now, disks),
            "its guest is not here, and yet its disk is attached: losetup -l, and /var/log/xen/xen-hotplug.log",
        ),
        "processes": (_under_way(now, disks), "it ends by itself once the other host answers: see xl list on both"),
        "files": (ours, "a file of this run: it may be removed"),
    }
    for what, (odd, hint) in kinds.items():
        yield Finding(
            f"no-stray-{what}",
            None if isinstance(odd, Unknown) else not odd,
            expected=f"no {what.replace('-', ' ')} of this run or its guests",
            actual=odd.why if isinstance(odd, Unknown) else ", ".join(sorted(odd)) or "none",
            hint=hint,
            host=now.host,
            evidence=(*before.ids, *now.ids),
        )


def what_others_did(before: HostLook, now: HostLook, guests: Collection[str]) -> Iterator[str]:
    """A remark for each change on the host that is not of this run."""
    rows_before, rows_now = before.domains.rows, now.domains.rows
    if not isinstance(rows_before, Unknown) and not isinstance(rows_now, Unknown):
        old, new = {row.name for row in rows_before}, {row.name for row in rows_now}
        own = {name + end for name in guests for end in ("", INCOMING, MIGRATED_AWAY)}
        yield from (f"{now.host}: a domain {name} came meanwhile" for name in sorted(new - old - own))
        yield from (f"{now.host}: a domain {name} went meanwhile" for name in sorted(old - new - own))
    if not isinstance(before.mounts, Unknown) and not isinstance(now.mounts, Unknown):
        came = _new(
            Counter(f"{m.source} on {m.target}" for m in before.mounts),
            Counter(f"{m.source} on {m.target}" for m in now.mounts),
        )
        yield from (f"{now.host}: mounted meanwhile: {mount}" for mount in came)


def _loops(before: HostLook, now: HostLook, disks: Mapping[str, Collection[str]]) -> Collection[str] | Unknown:
    """Loop devices that came, of disks whose guest is not on the host, whole or in half."""
    for fact in (before.loops, now.loops, now.domains.rows):
        if isinstance(fact, Unknown):
            return fact
    here = set() if isinstance(now.domains.rows, Unknown) else {row.name for row in now.domains.rows}
    away = {name for name in disks if not here & {name, name + INCOMING, name + MIGRATED_AWAY}}
    files = {path for name in away for path in disks[name]}
    return [file for file in _new(_files(before), _files(now)) if file in files]


def _under_way(look: HostLook, guests: Collection[str]) -> Collection[str] | Unknown:
    """Acts on the named guests; the `xl migrate-receive` that watches over a guest which arrived by it is none."""
    running = look.domains.migrations
    if isinstance(running, Unknown):
        return running
    return [args for args in running.values() if any(peers.acts_on(args, guest) for guest in guests)]


def _files(look: HostLook) -> Counter[str]:
    return Counter() if isinstance(look.loops, Unknown) else Counter(loop.file for loop in look.loops)


def _new(before: Counter[str], now: Counter[str]) -> list[str]:
    return sorted((now - before).elements())
