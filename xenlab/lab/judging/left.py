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
from xenlab.xen.xl import INCOMING, MIGRATED_AWAY


def guest_in_place(places: Places, found: GuestFound) -> Finding:
    """The guest is where it was found, in the state it was found in."""
    expected = f"on {found.host}{', paused' if found.paused else ''}" if found.host else "shut down, as found"
    return Finding(
        "guest-in-place",
        None if places.unseen or found.unclear else is_as_found(places, found),
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
    before: HostLook, now: HostLook, guests: Mapping[str, Collection[str]], ours: Collection[str]
) -> Iterator[Finding]:
    """No loop device of a guest that is off, no migration of ours under way, no file that bears the run's id.

    `guests` are the disks of each guest that must not run on this host now, `ours` the paths that were found to
    be left.
    """
    disks = {path for paths in guests.values() for path in paths}
    loops = (
        _new(_files(before), _files(now))
        if not (isinstance(before.loops, Unknown) or isinstance(now.loops, Unknown))
        else None
    )
    kinds: dict[str, tuple[list[str] | None, str]] = {
        "loop-devices": (
            None if loops is None else [file for file in loops if file in disks],
            "its guest is off, and yet its disk is attached: losetup -l, and /var/log/xen/xen-hotplug.log",
        ),
        "processes": (_migrations(now, guests), "it ends by itself once the other host answers: see xl list on both"),
        "files": (sorted(ours), "a file of this run: it may be removed"),
    }
    for what, (odd, hint) in kinds.items():
        yield Finding(
            f"no-stray-{what}",
            None if odd is None else not odd,
            expected=f"no {what.replace('-', ' ')} of this run or its guests",
            actual="could not be seen" if odd is None else ", ".join(odd) or "none",
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


def _files(look: HostLook) -> Counter[str]:
    return Counter() if isinstance(look.loops, Unknown) else Counter(loop.file for loop in look.loops)


def _new(before: Counter[str], now: Counter[str]) -> list[str]:
    return sorted((now - before).elements())


def _migrations(look: HostLook, guests: Collection[str]) -> list[str] | None:
    """Migrations of the named guests under way; an `xl migrate-receive` watches over the guest that arrived by it."""
    running = look.domains.migrations
    if isinstance(running, Unknown):
        return None
    return [args for args in running.values() if "migrate" in (words := args.split()) and set(guests) & set(words)]
