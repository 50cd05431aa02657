"""How the lab was found, to be compared with how it is left (osstest's leak check against a basis)."""

import re
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Self

from xenlab.lab.dom0 import Dom0, HostPair
from xenlab.lab.guest import Guest
from xenlab.lab.share import NONCE_PREFIX, NfsShare
from xenlab.outcomes import Finding
from xenlab.remote import commands
from xenlab.remote.waiting import NotInTime, wait_for
from xenlab.xen import xl

# What a check or a move of ours may leave running on a Dom0.
_OURS = re.compile(r"\bxl (migrate|migrate-receive|create|shutdown)\b|xenlab|libxl-save-helper")

# A guest that has shut down is listed until its devices are down: for seconds, under emulation ten.
_GONE_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class HostAsFound:
    """One host's domains, loop-backed files, mounts and processes of ours, each with its count."""

    domains: frozenset[str]
    loops: Counter[str]
    mounts: Counter[str]
    processes: Counter[str]

    @classmethod
    def of(cls, host: Dom0) -> Self:
        """The host as it is now."""
        return cls(
            domains=frozenset(row.name for row in host.domains),
            loops=Counter(device.file for device in host.loop_devices),
            mounts=Counter(f"{mount.source} on {mount.target}" for mount in host.mounts),
            processes=Counter(_program(args) for args in host.processes.values() if _OURS.search(args)),
        )


@dataclass(frozen=True, slots=True)
class AsFound:
    """The whole lab as it was before it was graded."""

    hosts: dict[str, HostAsFound]
    places: dict[str, str | None]
    share: NfsShare

    @classmethod
    def of(cls, hosts: HostPair, guests: Sequence[Guest], share: NfsShare) -> Self:
        """The lab as it is now, once guests that are going down have gone; one may be kept by its config.

        :raises CannotObserve: a host does not answer.
        """
        with suppress(NotInTime):
            wait_for(
                lambda: not any(row.leaving for guest in guests for row in guest.places.values()),
                "guests that are going down to be gone",
                _GONE_SECONDS,
            )
        places = {guest.name: next(iter(guest.places), None) for guest in guests}
        return cls({host.name: HostAsFound.of(host) for host in hosts}, places, share)

    def restore(self, guest: Guest) -> None:
        """Bring the guest back to where it was: its host, or shut down when it did not run."""
        place = self.places[guest.name]
        if not guest.is_running:
            if place is not None:
                guest.create(on=guest.hosts.named(place))
            return
        if any(row.paused for row in guest.places.values()):
            guest.unpause(guest.host)
        if place is None:
            guest.shut_down()
        elif guest.host.name != place:
            guest.live_migrate(to=guest.hosts.named(place))

    def is_place_of(self, guest: Guest) -> Finding:
        """The guest is on the host where it was found, or off as it was found."""
        place, rows = self.places[guest.name], guest.places
        now = [name if row.alive else f"{name} ({row.state})" for name, row in rows.items()]
        return Finding(
            "guest-in-place",
            now == ([place] if place else []),
            expected=f"on {place}" if place else "shut down, as found",
            actual=f"on {' and '.join(now)}" if now else "on no host",
            hint=f"bring {guest.name} back by hand: xl list on both hosts",
            guest=guest.name,
        )

    def has_no_stray_domains(self, host: Dom0) -> Finding:
        """No domain that was not there, and no half-moved one."""
        now = {row.name for row in host.domains}
        halves = {name for name in now if name.endswith((xl.INCOMING, xl.MIGRATED_AWAY))}
        odd = halves | (now - self.hosts[host.name].domains - set(self.places))
        return Finding(
            "no-stray-domains",
            not odd,
            expected="no --incoming, no --migratedaway, no domain that was not there",
            actual=", ".join(sorted(odd)) or "none",
            hint="xl destroy it, once `xl list` on the other host shows the guest running",
            host=host.name,
        )

    def has_no_leftovers(self, host: Dom0) -> tuple[Finding, ...]:
        """Loop devices, mounts and processes are those that were found; nothing of ours lies on the share."""
        before, now = self.hosts[host.name], HostAsFound.of(host)
        mine = host.remote.run(*commands.names_in(self.share.mount_point, f"{NONCE_PREFIX}*"))
        kinds = {
            "loop-devices": (now.loops - before.loops, "losetup -d it"),
            "mounts": (now.mounts - before.mounts, "umount it"),
            "processes": (now.processes - before.processes, "end it"),
            "files": (Counter(mine.check().stdout.split()), "remove it"),
        }
        return tuple(
            Finding(
                f"no-stray-{what}",
                not odd,
                expected=f"no {what.replace('-', ' ')} that were not there before",
                actual=", ".join(sorted(odd)) or "none",
                hint=hint,
                host=host.name,
            )
            for what, (odd, hint) in kinds.items()
        )


def _program(args: str) -> str:
    return " ".join(args.split()[:3])
