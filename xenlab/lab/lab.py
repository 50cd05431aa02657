"""A lab file made into objects: hosts, share and guests, with one journal of all that is run on them.

`begin` takes the hosts' lock and notes how the lab was found; `bring_home` and `leave` undo all, whatever happened.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from xenlab.errors import CannotObserve, UsageError
from xenlab.lab.bringing_home import Homecoming, bring_home, leave_alone
from xenlab.lab.custody import Act, Custody, LabFound, now, this_process
from xenlab.lab.dom0 import Dom0, HostPair
from xenlab.lab.found import GuestFound, as_found
from xenlab.lab.guest import Guest
from xenlab.lab.hosts import HostsFound
from xenlab.lab.lock import HostLock
from xenlab.lab.looking import look_at_domains, look_at_host
from xenlab.lab.looks import DomainsLook, HostLook, Unknown
from xenlab.lab.places import places_of
from xenlab.lab.share import NfsShare
from xenlab.labfile import GuestSpec, HostSpec, LabFile, dump
from xenlab.outcomes import LabInfo
from xenlab.remote import commands
from xenlab.remote.connection import Sink
from xenlab.remote.console import Console, ConsoleHost
from xenlab.remote.errors import NoConsole
from xenlab.remote.host import RemoteHost
from xenlab.remote.login import Limits, Login, secrets_of
from xenlab.remote.machine import Machine
from xenlab.remote.waiting import NotInTime, wait_for
from xenlab.xen import peers, xl

# A guest that has shut down is listed until its devices are down: for seconds, under emulation ten.
_GONE_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Found:
    """The lab before it was touched: both hosts, and where each guest was."""

    hosts: HostsFound
    guests: dict[str, GuestFound] = field(default_factory=dict)


class Lab:
    """The whole lab; a context manager that closes every connection at its end."""

    def __init__(
        self,
        spec: LabFile,
        sink: Sink,
        environ: Mapping[str, str] | None = None,
        custody: Custody | None = None,
    ) -> None:
        self.spec = spec
        self._sink = sink
        self._environ = os.environ if environ is None else environ
        self._open = ExitStack()
        self.custody = custody or Custody()
        self._lock: HostLock | None = None
        self._brought_home: dict[str, Homecoming] = {}
        first, second = (self._dom0(host) for host in spec.hosts)
        self.hosts = HostPair(first, second)
        self.share = NfsShare(spec.share, self.hosts, self.custody)
        self.guests = {guest.name: self._guest(guest) for guest in spec.guests}
        self.found = Found(HostsFound(self._unseen(), spec.guests))

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

    def begin(self, lab_name: str, working_copy: str, step: Callable[[], str] = lambda: "") -> None:
        """Lock both hosts and note how the lab was found; until then nothing is done to it.

        A host that cannot be seen forbids all acts, and is no error here: whoever judges the looks says so.

        :raises LabInUse: another run has the hosts.
        """
        lock = HostLock(self.hosts, self.custody.run, str(os.getpid()), step)
        try:
            lock.take()
        except CannotObserve as unlocked:
            self.custody.refuse(f"its hosts could not be locked: {unlocked.message}")
        else:
            self._lock = lock
        looks = self._look_at_hosts()
        if self._has_leaving([look.domains for look in looks]):
            with suppress(NotInTime):
                wait_for(self._nobody_leaves, "guests that are going down to be gone", _GONE_SECONDS, 2.0)
            looks = self._look_at_hosts()
        domains = [look.domains for look in looks]
        guests = {name: as_found(places_of(name, domains)) for name in self.guests}
        self.found = Found(HostsFound(looks, self.spec.guests), guests)
        if self._lock is not None:
            self.custody.still_ours = lock.check
            self.custody.begin(
                LabFound(
                    run=self.custody.run,
                    process=this_process(),
                    began=now(),
                    lab_name=lab_name,
                    working_copy=working_copy,
                    lab_file=dump(self.spec),
                    guests=guests,
                )
            )

    def bring_home(self) -> tuple[Homecoming, ...]:
        """Bring every guest that was touched back to where it was found, each on its own; say where all are."""
        if self._lock is None:
            return ()
        touched = {act.facts["guest"] for act in self.custody.acts if "guest" in act.facts}
        self.custody.acts.clear()
        for name, found in self.found.guests.items():
            guest = self.guests[name]
            if name in touched:
                home = bring_home(guest.spec, guest.acts, self.hosts, found, self.spec.timeouts)
            elif name not in self._brought_home:
                home = leave_alone(guest.spec, guest.acts.look(), found)
            else:
                continue
            self._brought_home[name] = home
        return tuple(self._brought_home.values())

    def leave(self) -> None:
        """Remove what this run has on the hosts and give the lock back; what is still to mend stays noted."""
        if self._lock is None:
            return
        for host in self.hosts:
            with suppress(CannotObserve):
                host.remote.run(*peers.forget(self.custody.folder_on_hosts), changes=True)
        self._lock.release()
        self._lock = None
        if all(home.is_done for home in self._brought_home.values()):
            self.custody.end()

    def mend(self, found: LabFound, acts: tuple[Act, ...]) -> tuple[Homecoming, ...]:
        """Finish what the run that found the lab so could not: guests home, its files removed, its lock given back.

        :raises LabInUse: another run has the hosts. :raises CannotObserve: a host does not answer.
        """
        self._lock = HostLock(self.hosts, found.run, str(os.getpid()), lambda: "mend")
        self._lock.take()
        self.custody.resume(found, acts)
        self.custody.still_ours = self._lock.check
        self.found = Found(self.found.hosts, found.guests)
        homecomings = self.bring_home()
        for act in acts:
            self._forget(act)
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

    # How it is made

    def _look_at_hosts(self) -> tuple[HostLook, HostLook]:
        configs = {
            host.name: tuple(g.original_config or g.config for g in self.spec.guests if g.home == host.name)
            for host in self.hosts
        }
        return self.hosts.at_once(lambda host: look_at_host(host, self.hosts.peer_of(host), configs[host.name]))

    def _has_leaving(self, looks: Sequence[DomainsLook]) -> bool:
        rows = [row for look in looks if not isinstance(look.rows, Unknown) for row in look.rows]
        return any(row.leaving and row.name in self.guests for row in rows)

    def _nobody_leaves(self) -> bool:
        return not self._has_leaving(self.hosts.at_once(look_at_domains))

    def _forget(self, act: Act) -> None:
        """Remove a file that a run noted before it wrote it: its name bears the run's id."""
        file = act.facts.get("file", "")
        if act.act != "write" or self.custody.run not in file:
            return
        machine: Machine = (
            self.guests[act.facts["guest"]].machine
            if act.facts.get("guest") in self.guests
            else self.hosts.named(act.facts["host"]).remote
        )
        with suppress(CannotObserve):
            machine.run(*commands.remove(file), changes=True)

    def _unseen(self) -> tuple[HostLook, HostLook]:
        first, second = self.hosts
        return HostLook.unseen(first.name), HostLook.unseen(second.name)

    def _remote(self, spec: HostSpec | GuestSpec, limits: Limits | None = None) -> RemoteHost:
        bound = self.spec.timeouts.command_seconds
        remote = RemoteHost(spec.name, Login.of(spec, self._environ), self._sink, timeout=bound, limits=limits)
        self._open.callback(remote.close)
        return remote

    def _dom0(self, spec: HostSpec) -> Dom0:
        return Dom0(spec, self._remote(spec), self.spec.timeouts)

    def _guest(self, spec: GuestSpec) -> Guest:
        # A booting guest is silent: ask often rather than long.
        machine = self._by_console(spec) if spec.login == "console" else self._remote(spec, Limits(connect=5.0))
        return Guest(spec, machine, self.hosts, self.share, self.spec.timeouts, self.custody)

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
