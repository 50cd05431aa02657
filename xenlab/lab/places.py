"""Where a guest is, by one look at each host: pure.

A guest counts as being on a host only where xl and xenstore both say so. What is half moved, on both hosts, or
cannot be seen is told apart from what is merely off, since whoever starts a guest that is anywhere ruins its disk.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from xenlab.errors import CannotObserve, LabFault
from xenlab.lab.looks import DomainsLook, Unknown
from xenlab.xen import peers
from xenlab.xen.parsers import DomainRow
from xenlab.xen.xenstore import StoredDomain
from xenlab.xen.xl import INCOMING, MIGRATED_AWAY


@dataclass(frozen=True, slots=True)
class Places:
    """One guest on both hosts.

    `rows` are its domains by host, `halves` the names of half-moved ones by host, `busy` the hosts on which an act
    on it is under way (it is sent, started or shut down), `unseen` what could not be seen, a sentence each.
    `disputed` are hosts on which xl and xenstore do not agree about it, `macs` those of its interfaces.
    """

    guest: str
    rows: dict[str, DomainRow]
    halves: dict[str, tuple[str, ...]]
    busy: tuple[str, ...]
    disputed: tuple[str, ...]
    unseen: tuple[str, ...]
    ids: tuple[str, ...]
    macs: tuple[str, ...] = ()

    @property
    def is_off(self) -> bool:
        """Whether it is seen to be on no host, not even in half."""
        return not (self.rows or self.halves or self.in_doubt)

    @property
    def in_doubt(self) -> bool:
        """Whether it cannot be told where it is: a host is silent, its witnesses disagree, or an act is under way."""
        return bool(self.unseen or self.disputed or self.busy)

    @property
    def host(self) -> str | None:
        """The one host that has it, whole and nowhere else; None where it is off, on both, on its way or unseen."""
        sure = not (self.halves or self.in_doubt)
        return next(iter(self.rows)) if sure and len(self.rows) == 1 else None

    @property
    def row(self) -> DomainRow | None:
        """Its line of `xl list` on that host."""
        return self.rows.get(self.host) if self.host else None

    @property
    def is_on_the_way(self) -> bool:
        """Whether an act on it is under way, or a domain of it is arriving or leaving."""
        return bool(self.halves or self.busy) or any(row.leaving for row in self.rows.values())

    @property
    def words(self) -> str:
        """Where it is, for people: "on baye (-b----)"."""
        parts = [f"{name} ({row.state})" for name, row in self.rows.items()]
        parts += [f"{host} as {' and '.join(names)}" for host, names in self.halves.items()]
        nowhere = "nobody knows where" if self.unseen else "on neither host"
        said = f"on {' and '.join(parts)}" if parts else nowhere
        if self.busy:
            said += f", an act on it under way on {' and '.join(self.busy)}"
        if self.disputed:
            said += f"; xl and xenstore disagree on {' and '.join(self.disputed)}"
        return "; ".join([said, *self.unseen])

    def whole_on(self) -> str:
        """The one host that has it.

        :raises LabFault: it is off, on both hosts or half moved.
        :raises CannotObserve: a host could not be seen, xl and xenstore disagree, or an act is under way.
        """
        if self.in_doubt:
            raise CannotObserve(
                f"where {self.guest} is cannot be told: {self.words}", hint=by_hand(self), evidence=self.ids
            )
        if self.host is None:
            raise LabFault(
                f"{self.guest} is {self.words}",
                expected=f"{self.guest} on exactly one host",
                actual=self.words,
                hint=by_hand(self) if self.rows or self.halves else "it went off by itself: look at `xl dmesg`",
                guest=self.guest,
                evidence=self.ids,
            )
        return self.host


def places_of(guest: str, looks: Sequence[DomainsLook]) -> Places:
    """Where the guest is by these looks, one of each host."""
    rows: dict[str, DomainRow] = {}
    halves: dict[str, tuple[str, ...]] = {}
    busy, disputed, unseen = [], [], []
    for look in looks:
        listed, stored = look.rows, look.stored
        if isinstance(listed, Unknown):
            unseen.append(f"xl list on {look.host}: {listed.why}")
            continue
        here = {row.name: row for row in listed}
        if guest in here:
            rows[look.host] = here[guest]
        if odd := tuple(name for name in (guest + INCOMING, guest + MIGRATED_AWAY) if name in here):
            halves[look.host] = odd
        if isinstance(stored, Unknown):
            unseen.append(f"xenstore on {look.host}: {stored.why}")
        elif not _agree(guest, here, {domain.name: domain.domid for domain in stored}):
            disputed.append(look.host)
        if isinstance(look.migrations, Unknown):
            unseen.append(f"migrations on {look.host}: {look.migrations.why}")
        elif any(peers.acts_on(args, guest) for args in look.migrations.values()):
            busy.append(look.host)
    ids = tuple(id_ for look in looks for id_ in look.ids)
    macs = dict.fromkeys(mac for domain in _stored(looks) if domain.name == guest for mac in domain.macs)
    return Places(guest, rows, halves, tuple(busy), tuple(disputed), tuple(unseen), ids, tuple(macs))


def _stored(looks: Sequence[DomainsLook]) -> Iterator[StoredDomain]:
    for look in looks:
        if not isinstance(look.stored, Unknown):
            yield from look.stored


def by_hand(places: Places) -> str:
    """What to type, where nothing may be done by itself: it looks first, and ends nothing."""
    name = places.guest
    look = f"on both hosts: xl list; xenstore-ls -f /local/domain | grep {name}"
    if places.busy:
        return (
            f"wait until no xl migrate, create or shutdown of {name} runs on {' and '.join(places.busy)}; then {look}"
        )
    if places.halves:
        return (
            f"{look}. A {name}{INCOMING} waits to be started, a {name}{MIGRATED_AWAY} has been sent: exactly one of "
            "all may go on, and only where its memory is whole (xl dmesg, `xl console`). Keep both paused until that "
            f"is known; the one to keep gets its name back by: xl rename NAME {name}"
        )
    if len(places.rows) > 1:
        return f"{look}. Two domains write to one disk: xl pause {name} on both first, then see which one is newer"
    if places.row and places.row.paused:
        return f"it is paused: xl unpause {name} on {places.host} has it go on, once it is known who paused it, and why"
    return look


def _agree(guest: str, listed: dict[str, DomainRow], stored: dict[str, int]) -> bool:
    row = listed.get(guest)
    if row is None:
        return guest not in stored
    return row.leaving or stored.get(guest) == row.domid
