"""How the lab was left, beside how it was found."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from xenlab.lab.guest_programs import IN_MEMORY
from xenlab.lab.judging import left as judge
from xenlab.lab.lab import Lab
from xenlab.lab.looking import look_for_leftovers
from xenlab.lab.looks import HostLook, Unknown
from xenlab.lab.places import Places, places_of
from xenlab.lab.share import NONCE_PREFIX
from xenlab.outcomes import Finding


@dataclass(frozen=True, slots=True)
class Leftovers:
    """Both hosts once every guest was brought home, what bears the run's id there, and each guest's disks."""

    now: tuple[HostLook, HostLook]
    ours: tuple[Collection[str] | Unknown, Collection[str] | Unknown]
    disks: Mapping[str, frozenset[str]]


@dataclass(frozen=True, slots=True)
class LabLeft:
    """The lab once every guest was brought home, beside both hosts as they were before."""

    lab: Lab
    before: tuple[HostLook, HostLook]
    seen: Leftovers

    @classmethod
    def of(cls, lab: Lab) -> "LabLeft":
        """Bring every guest home, and look."""
        return cls(lab, lab.found.hosts.looks, lab.tape.take("left", lambda: cls._look(lab)))

    @staticmethod
    def _look(lab: Lab) -> Leftovers:
        lab.bring_home()
        now = lab.look_again()
        mount_points, run = lab.spec.mount_points, lab.custody.run
        pinged_from_hosts = any(seat.keeps_files for guest in lab.guests.values() for seat in guest.seats)
        folders = (*mount_points, IN_MEMORY) if pinged_from_hosts else mount_points
        ours = lab.hosts.at_once(lambda host: look_for_leftovers(host, f"{NONCE_PREFIX}{run}*", *folders))
        return Leftovers(now, ours, {name: frozenset(guest.acts.disk_paths) for name, guest in lab.guests.items()})

    def guests_are_in_place(self) -> Iterator[Finding]:
        """Every guest is where it was found, in the state it was in."""
        for name, found in self.lab.found.guests.items():
            yield judge.guest_in_place(self._places(name), found)

    def nothing_is_half_moved(self) -> Iterator[Finding]:
        """No half of a guest is on either host, where nobody is moving it."""
        still = [name for name in self.lab.guests if not self._places(name).busy]
        yield from (judge.nothing_half_moved(look, still) for look in self.seen.now)

    def nothing_of_ours_is_there(self) -> Iterator[Finding]:
        """No file, process or loop device of this run or of a guest that is elsewhere or off."""
        disks = {name: set(paths) for name, paths in self.seen.disks.items()}
        for look in (*self.before, *self.seen.now):
            for domain in () if isinstance(look.domains.stored, Unknown) else look.domains.stored:
                if domain.name in disks:
                    disks[domain.name] |= {disk.target for disk in domain.disks}
        for before, now, ours in zip(self.before, self.seen.now, self.seen.ours, strict=True):
            yield from judge.no_leftovers(before, now, disks, ours)

    def what_others_did(self) -> Iterator[str]:
        """A remark for each change on the hosts that is not of this run."""
        for before, now in zip(self.before, self.seen.now, strict=True):
            yield from judge.what_others_did(before, now, self.lab.guests)

    def _places(self, guest: str) -> Places:
        return places_of(guest, [look.domains for look in self.seen.now])
