"""A lab file made into objects: hosts, share and guests, with one journal of all that is run on them.

`begin` takes the hosts' lock and notes how the lab was found; `bring_home` and `leave` undo all, whatever happened.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from xenlab.errors import CannotObserve, UsageError
from xenlab.lab.bringing_home import Homecoming, bring_home, leave_alone
from xenlab.lab.custody import WATCH, WRITE, Act, Custody, LabFound, now, this_process
from xenlab.lab.dom0 import Dom0, HostPair
from xenlab.lab.found import GuestFound, as_found
from xenlab.lab.guest import Guest
from xenlab.lab.guest_programs import programs_of
from xenlab.lab.hosts import HostsFound
from xenlab.lab.judging.hosts import by_old_ssh
from xenlab.lab.lock import HostLock, holders
from xenlab.lab.looking import look_at_domains, look_at_host
from xenlab.lab.looks import DomainsLook, HostLook, Unknown
from xenlab.lab.places import places_of
from xenlab.lab.seats import HostSeat, Seat, ThisMachine, seats_for
from xenlab.lab.share import shares_of
from xenlab.lab.tape import Tape, Untaped
from xenlab.lab.ways import Ways
from xenlab.labfile import RUNNER, GuestSpec, HostSpec, LabFile, Reachable
from xenlab.labfile_limits import TimeoutSpec
from xenlab.outcomes import LabInfo
from xenlab.remote import commands
from xenlab.remote.connection import Sink
from xenlab.remote.console import Console, ConsoleHost
from xenlab.remote.errors import NoConsole
from xenlab.remote.host import RemoteHost
from xenlab.remote.login import Limits, Login, secrets_of
from xenlab.remote.machine import Machine
from xenlab.remote.waiting import NotInTime, wait_for
from xenlab.tomlfile import dump
from xenlab.xen import peers, xl

# A guest that has shut down is listed until its devices are down: for seconds, under emulation ten.
_SETTLE_SECONDS = 30.0
_LOOK_SECONDS = 2.0
# A run that only reads starts nothing that would have to boot first.
_ANSWER_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Found:
    """The lab before it was touched: both hosts, and where each guest was."""

    hosts: HostsFound
    guests: dict[str, GuestFound] = field(default_factory=dict)


class Lab:
    """The whole lab; a context manager that closes every connection at its end.

    One that is `read_only` is looked at and left alone: no act is let through, nothing is written, and no lock taken.
    """

    def __init__(
        self,
        spec: LabFile,
        sink: Sink,
        environ: Mapping[str, str] | None = None,
        custody: Custody | None = None,
        tape: Tape | None = None,
        *,
        read_only: bool = False,
    ) -> None:
        self.read_only = read_only
        self.spec = spec
        self._timeouts = _in_seconds(spec.timeouts) if read_only else spec.timeouts
        self.tape = tape or Untaped()
        self._sink = sink
        self._environ = os.environ if environ is None else environ
        self._open = ExitStack()
        self._ways = Ways(spec, self._environ)
        self._open.callback(self._ways.close)
        self.custody = custody or Custody()
        self.custody.read_only = read_only
        self._lock: HostLock | None = None
        self._brought_home: dict[str, Homecoming] = {}
        first, second = (self._dom0(host) for host in spec.hosts)
        self.hosts = HostPair(first, second)
        self.shares = shares_of(spec, self.hosts, self.custody, self.tape)
        self._seats: dict[str, Seat] = {RUNNER: ThisMachine()}
        self.guests = {guest.name: self._guest(guest) for guest in spec.guests}
        self.found = Found(HostsFound(self._unseen(), spec.hosts, spec.guests))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._open.close()

    @property
    def secrets(self) -> tuple[str, ...]:
        """The passwords that it logs in with, to be masked in whatever is kept."""
        return secrets_of(self.spec, self._environ)

    def guest(self, name: str) -> Guest:
        """The guest of that name; raises UsageError when the lab file has none."""
        if name not in self.guests:
            raise UsageError(f"no guest is called {name!r}: this lab has {', '.join(self.guests)}")
        return self.guests[name]

    def others_than(self, guest: Guest) -> dict[str, GuestSpec]:
        """The lab's other guests, by name."""
        return {name: other.spec for name, other in self.guests.items() if other is not guest}

    # Taking it and giving it back

    def begin(self, lab_name: str, working_copy: str, step: Callable[[], str] = lambda: "", up: str = "") -> None:
        """Lock both hosts and note how the lab was found; until then nothing is done to it.

        `up` tells a lab that is brought up from that of another time.

        A host that cannot be seen or locked forbids all acts, and so does a disk on which nothing can be noted. That
        is no error here: whoever judges the looks, or wants to act, says so.

        :raises LabInUse: another run has the hosts.
        """
        looks = self.tape.take("hosts", self._look_at_hosts if self.read_only else lambda: self._lock_and_look(step))
        domains = [look.domains for look in looks]
        guests = {name: as_found(places_of(name, domains)) for name in self.guests}
        self.found = Found(HostsFound(looks, self.spec.hosts, self.spec.guests), guests)
        if self._lock is None:
            return
        self.custody.still_ours = self._lock.check
        found = LabFound(
            run=self.custody.run,
            process=this_process(),
            began=now(),
            lab_name=lab_name,
            working_copy=working_copy,
            up=up,
            lab_file=dump(self.spec),
            guests=guests,
        )
        try:
            self.custody.begin(found)
        except CannotObserve as unwritable:
            self.custody.refuse(unwritable.message)

    def _lock_and_look(self, step: Callable[[], str]) -> tuple[HostLook, HostLook]:
        """Lock both hosts, and look at them once guests that come or go are in place."""
        lock = HostLock(self.hosts, self.custody.run, str(os.getpid()), step)
        try:
            lock.take()
        except CannotObserve as unlocked:
            self.custody.refuse(f"its hosts could not be locked: {unlocked.message}")
        else:
            self._lock = lock
        looks = self._look_at_hosts()
        if self._is_in_transit([look.domains for look in looks]):
            with suppress(NotInTime):
                wait_for(self._all_stand_still, "guests that come or go to be in place", _SETTLE_SECONDS, _LOOK_SECONDS)
            looks = self._look_at_hosts()
        return looks

    def in_use(self) -> tuple[str, ...]:
        """Who holds the lab now, a sentence each host."""
        seen = [host for host, look in zip(self.hosts, self.found.hosts.looks, strict=True) if look.is_seen]
        return self.tape.take("holders", lambda: holders(seen)) if seen else ()

    def bring_home(self) -> tuple[Homecoming, ...]:
        """Bring every guest back that something was done to, each on its own; the others are only looked at."""
        if self._lock is None:
            return ()
        self.custody.only_home()
        for name, found in self.found.guests.items():
            guest = self.guests[name]
            if name in self.custody.touched:
                home = bring_home(guest.spec, guest.acts, self.hosts, found, self.spec.timeouts)
                if home.as_found:
                    self.custody.undone(name)
                self._brought_home[name] = home
            elif name not in self._brought_home:
                self._brought_home[name] = leave_alone(guest.spec, guest.acts.look(), found)
        return tuple(self._brought_home.values())

    def leave(self) -> None:
        """Remove what this run has on the hosts and in guests, and give the lock back.

        What is still to mend stays noted, and so does what it needs on the hosts.
        """
        if self._lock is None:
            return
        for act in self.custody.acts:
            self._forget(act)
        is_done = not self.custody.touched
        for host in self.hosts if is_done else ():
            with suppress(CannotObserve):
                host.remote.run(*peers.forget(self.custody.folder_on_hosts), changes=True)
        self._lock.release()
        self._lock = None
        if is_done:
            self.custody.end()

    def mend(self, found: LabFound, acts: tuple[Act, ...]) -> tuple[Homecoming, ...]:
        """Finish what the run that found the lab so could not: guests home, its files removed, its lock given back.

        :raises LabInUse: another run has the hosts. :raises CannotObserve: a host does not answer.
        :raises UsageError: the lab file has other guests or hosts by now.
        """
        hosts = {host.name for host in self.hosts}
        if missing := sorted(set(found.guests) - set(self.guests)) + sorted(
            {guest.host for guest in found.guests.values() if guest.host} - hosts
        ):
            raise UsageError(
                f"run {found.run} knew {', '.join(missing)}, which the lab file does not name any more",
                hint="./lab mend needs the lab file as it was",
            )
        lock = HostLock(self.hosts, found.run, str(os.getpid()), lambda: "mend")
        lock.take()
        self._lock = lock
        self.custody.resume(found, acts)
        self.custody.still_ours = lock.check
        self.found = Found(self.found.hosts, found.guests)
        homecomings = self.bring_home()
        self.leave()
        return homecomings

    def look_again(self) -> tuple[HostLook, HostLook]:
        """Both hosts as they are now."""
        return self._look_at_hosts()

    def describe(self) -> LabInfo:
        """What is being graded, as far as it was seen."""
        looks = self.found.hosts.looks
        versions = {look.host: look.info for look in looks}
        keys = {look.host: look.fingerprint for look in looks}
        return LabInfo(
            name=self.spec.name,
            kind=self.spec.kind,
            hosts=tuple(host.name for host in self.hosts),
            xen={name: info.version for name, info in versions.items() if not isinstance(info, Unknown)},
            host_keys={name: key for name, key in keys.items() if isinstance(key, str)},
        )

    def reached_by_old_ssh(self) -> Iterator[str]:
        """A remark on each machine that the lab file lets be reached so."""
        seen = {look.host: look for look in self.found.hosts.looks if look.is_seen}
        machines = (*self.spec.hosts, *self.spec.jumps, *self.spec.guests)
        yield from (by_old_ssh(one.name, seen.get(one.name)) for one in machines if one.old_ssh)

    # How it is made

    def _look_at_hosts(self) -> tuple[HostLook, HostLook]:
        configs = {
            host.name: tuple(g.original_config or g.config for g in self.spec.guests if g.home == host.name)
            for host in self.hosts
        }
        return self.hosts.at_once(lambda host: look_at_host(host, self.hosts.peer_of(host), configs[host.name]))

    def _is_in_transit(self, looks: Sequence[DomainsLook]) -> bool:
        places = [places_of(name, looks) for name in self.guests]
        return any(place.is_on_the_way or place.disputed for place in places if not place.unseen)

    def _all_stand_still(self) -> bool:
        return not self._is_in_transit(self.hosts.at_once(look_at_domains))

    def _forget(self, act: Act) -> None:
        """Remove what a run noted before it wrote or began it: its name bears the run's id."""
        file, where = act.facts.get("file", ""), act.facts.get("host") or act.facts.get("guest", "")
        machines: dict[str, Machine] = {host.name: host.remote for host in self.hosts}
        machines |= {name: seat.machine for name, seat in self._seats.items() if isinstance(seat, HostSeat)}
        machines |= {name: guest.machine for name, guest in self.guests.items()}
        if where not in machines or self._is_off(where):
            return
        with suppress(CannotObserve):
            if act.act == WRITE and self.custody.run in file:
                machines[where].run(*commands.remove(file), changes=True)
            elif act.act == WATCH:
                machines[where].run(*programs_of(self.custody.run), changes=True)

    def _is_off(self, name: str) -> bool:
        """Whether it is a guest that is off: nothing runs in it, and its disk is not to be had."""
        return name in self.guests and self.guests[name].acts.where().is_off

    def _unseen(self) -> tuple[HostLook, HostLook]:
        first, second = self.hosts
        return HostLook.unseen(first.name), HostLook.unseen(second.name)

    def _remote(self, spec: Reachable, limits: Limits | None = None) -> RemoteHost:
        login, way, bound = Login.of(spec, self._environ), self._ways.to(spec), self.spec.timeouts.command_seconds
        remote = RemoteHost(
            spec.name, login, self._sink, timeout=bound, limits=limits, way=way, read_only=self.read_only
        )
        self._open.callback(remote.close)
        return remote

    def _dom0(self, spec: HostSpec) -> Dom0:
        return Dom0(spec, self._remote(spec), self._timeouts)

    def _guest(self, spec: GuestSpec) -> Guest:
        # A booting guest is silent: ask often rather than long.
        machine = self._by_console(spec) if spec.login == "console" else self._remote(spec, Limits(connect=5.0))
        seats = tuple(self._seat(name) for name in seats_for(self.spec, spec))
        return Guest(spec, machine, self.hosts, self.shares, self._timeouts, self.custody, seats, self.tape)

    def _seat(self, name: str) -> Seat:
        if name not in self._seats:
            jumps = {jump.name: jump for jump in self.spec.jumps}
            machine = self._remote(jumps[name]) if name in jumps else self.hosts.named(name).remote
            self._seats[name] = HostSeat(machine, self.custody.run)
        return self._seats[name]

    def _by_console(self, spec: GuestSpec) -> Machine:
        def open_console() -> Console:
            places = places_of(spec.name, self.hosts.at_once(look_at_domains))
            if places.unseen:
                raise CannotObserve(f"the console of {spec.name} cannot be had: {places.words}", evidence=places.ids)
            if places.host is None or places.row is None or not places.row.alive:
                raise NoConsole(f"{spec.name} is {places.words}: there is no console of it", hint="xl list on both")
            host = self.hosts.named(places.host)
            return Console(host.name, host.remote.terminal(*xl.console(spec.name)))

        bound = self.spec.timeouts.command_seconds
        remote = ConsoleHost(spec.name, Login.of(spec, self._environ), open_console, self._sink, timeout=bound)
        self._open.callback(remote.close)
        return remote


def _in_seconds(timeouts: TimeoutSpec) -> TimeoutSpec:
    """A guest that runs is given seconds to answer."""
    return timeouts.model_copy(update={"boot_seconds": min(timeouts.boot_seconds, _ANSWER_SECONDS)})
