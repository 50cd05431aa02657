"""What is done to the lab: each act looks first, has its undo on disk before it happens, and looks afterwards.

An act refuses where the look before it does not show what it needs. What it raises tells whose fault it is:
LabFault where the lab is wrong, CannotObserve where it could not be seen or done.
"""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from secrets import token_hex

from xenlab.causes import explain
from xenlab.errors import CannotObserve, LabFault, XenlabError
from xenlab.lab.booting import await_logins, other_machine_at, why_no_logins
from xenlab.lab.custody import Custody
from xenlab.lab.dom0 import Dom0, HostPair
from xenlab.lab.judging.start import not_to_be_read, refusal
from xenlab.lab.looking import look_at_domains, look_before_start, look_into_guest
from xenlab.lab.looks import DomainsLook, GuestLook, Unknown, known
from xenlab.lab.migration import Kind, Migration
from xenlab.lab.outliving import Ended, OutlivingAct, run_to_its_end, see_its_end
from xenlab.lab.places import Places, places_of
from xenlab.lab.share import is_answered
from xenlab.labfile import GuestSpec
from xenlab.labfile_limits import TimeoutSpec
from xenlab.remote import commands
from xenlab.remote.errors import HostKeyMismatch, HostUnreachable
from xenlab.remote.machine import Machine
from xenlab.remote.waiting import NotInTime, is_stopped, wait_for
from xenlab.xen import peers, xl
from xenlab.xen.cfg import parse_config
from xenlab.xen.messages import parse_migration, without_debugging

_GONE_SECONDS = 60.0
# After an `xl migrate` that failed the target's end of it takes its half down by itself.
_SETTLE_SECONDS = 30.0
_LOOK_SECONDS = 2.0
_SLACK_SECONDS = 10.0


class Acts:
    """All that is done to one guest.

    `disks` are the files that it was last started from, as its config names them; `disk_paths` those and the paths
    that they lead to.
    """

    def __init__(
        self, spec: GuestSpec, machine: Machine, hosts: HostPair, timeouts: TimeoutSpec, custody: Custody
    ) -> None:
        self._spec = spec
        self._name = spec.name
        self._machine = machine
        self._hosts = hosts
        self._timeouts = timeouts
        self._custody = custody
        self.disks: tuple[str, ...] = ()
        self.disk_paths: frozenset[str] = frozenset()
        self._runs = 0
        self._places: Places | None = None
        self._under_way: OutlivingAct | None = None
        self._boot_given_up = False

    def look(self) -> Places:
        """Where it is now; where xl and xenstore disagree it is looked twice, since one is asked after the other."""
        places = places_of(self._name, self._hosts.at_once(look_at_domains))
        if places.disputed:
            places = places_of(self._name, self._hosts.at_once(look_at_domains))
        self._places = places
        return places

    def where(self) -> Places:
        """Where it was seen to be since the last act; looked at where it was not. Not enough to act upon."""
        return self._places or self.look()

    def look_settled(self) -> Places:
        """Where it is once it neither arrives nor leaves any more; a half that nobody moves stays one."""
        latest: list[Places] = []

        def settled() -> bool:
            latest[:] = [self.look()]
            return bool(latest[0].unseen) or not latest[0].is_on_the_way

        with suppress(NotInTime):
            wait_for(settled, f"{self._name} to be in one place", _SETTLE_SECONDS, _LOOK_SECONDS)
        return latest[0]

    def await_what_was_begun(self) -> None:
        """Wait for the end of an act that this run was cut off from, if there is one.

        :raises CannotObserve: it did not end in time, was not begun, or its host does not answer.
        """
        if self._under_way is not None:
            see_its_end(replace(self._under_way, seconds=self._timeouts.migrate_seconds))
            self._under_way = None

    def look_inside(self, nonce: str | None = None) -> GuestLook:
        """What it shows of itself; see `looking.look_into_guest`."""
        return look_into_guest(self._machine, nonce)

    # Start and stop

    def create(self, on: Dom0) -> None:
        """Start it from the shared config, and wait until it takes logins.

        :raises LabFault: it may not be started, `xl create` failed, or it does not come up.
        :raises CannotObserve: somebody may have its disks, or it cannot be seen whether it came up.
        """
        path = self._spec.config
        looks = self.may_be_started(on)
        files = [file for look in looks if not isinstance(look.files, Unknown) for file in look.files]
        self.disk_paths = frozenset(self.disks) | {file.resolved for file in files}
        self._will("create", host=on.name)
        ended = self._run_to_its_end(on, xl.create(path), self._timeouts.boot_seconds)
        if ended.code != 0:
            raise explain("create", ended.code, ended.words, host=on.name, guest=self._name, evidence=ended.ids)
        self._await_boot(on)

    def may_be_started(self, on: Dom0) -> tuple[DomainsLook, DomainsLook]:
        """Both hosts, where nothing forbids to start it on this one; a doubt that passes is waited out: another guest
        that goes down meanwhile is listed with its disks.

        :raises LabFault: it may not be started. :raises CannotObserve: somebody may have its disks.
        """
        path = self._spec.config
        latest: list[tuple[tuple[DomainsLook, DomainsLook], XenlabError | None]] = []

        def is_clear() -> bool:
            looks = self._look_before_start(on)
            mine = next(look for look in looks if look.host == on.name)
            if isinstance(mine.config, Unknown):
                raise not_to_be_read(self._name, path, mine, mine.config)
            config = parse_config(mine.config, source=path)
            problem = refusal(self._name, config, path, looks)
            latest[:] = [(looks, problem)]
            return not isinstance(problem, CannotObserve)

        with suppress(NotInTime):
            wait_for(is_clear, f"who may have the disks of {self._name} to be seen", _SETTLE_SECONDS, _LOOK_SECONDS)
        looks, problem = latest[0]
        if problem is not None:
            raise problem
        return looks

    def let_boot(self, host: Dom0) -> None:
        """Wait until a guest that this run has just started takes logins, or will not.

        Linux hears a request to shut down or suspend once (drivers/xen/manage.c): before init listens it is lost.
        """
        if self._custody.last_act(self._name) == "create" and not self._boot_given_up:
            with suppress(LabFault, CannotObserve):
                self._await_boot(host)

    def shut_down(self, places: Places | None = None) -> None:
        """Ask it to shut down, and wait until its host has no such domain; `places` are those just seen.

        :raises LabFault: it does not go down, or is on no host.
        """
        host = self._hosts.named((places or self.look()).whole_on())
        self._machine.close()
        self._will("shutdown", host=host.name)
        bound = self._timeouts.boot_seconds
        argv = peers.bounded(xl.shutdown(self._name), math.ceil(bound))
        ended = self._run_to_its_end(host, argv, bound + _SLACK_SECONDS)
        if ended.code not in (0, peers.TIMED_OUT):
            raise explain("shutdown", ended.code, ended.words, host=host.name, guest=self._name, evidence=ended.ids)
        if ended.code == 0:
            with suppress(NotInTime):
                awaited = f"{self._name} to leave {host.name}"
                wait_for(lambda: self._row_on(host) is None, awaited, _GONE_SECONDS, _LOOK_SECONDS)
                return
        places = self.look()
        if places.unseen:
            raise CannotObserve(f"whether {self._name} went down cannot be told: {places.words}", evidence=places.ids)
        raise LabFault(
            f"{self._name} does not shut down",
            expected=f"{self._name} shuts down when asked",
            actual=f"after {bound:.0f} s it is {places.words}",
            hint=f"does it listen to its power button (acpid), and what does xl console {self._name} show?"
            if is_answered(host, self._spec.config)
            else f"{self._spec.config} cannot be read on {host.name}: is the share's NFS server gone?",
            host=host.name,
            guest=self._name,
            evidence=(*ended.ids, *places.ids),
        )

    def pause(self, on: Dom0) -> None:
        """Stop it where it is."""
        self._will("pause", host=on.name)
        self._xl(on, xl.pause(self._name))

    def unpause(self, on: Dom0, *, await_login: bool = True) -> None:
        """Let it go on where it is, and wait until it takes logins."""
        self._will("unpause", host=on.name)
        self._xl(on, xl.unpause(self._name))
        if await_login:
            self._await_boot(on)

    def start(self, on: Dom0) -> Places:
        """See that it runs on this host: started, unpaused, or shut down on the other host first.

        :raises LabFault: it cannot be had there. :raises CannotObserve: where it is cannot be seen.
        """
        places = self._places or self.look_settled()
        if places.is_off:
            self.create(on)
        elif self._hosts.named(places.whole_on()) is not on:
            if places.row is not None and places.row.paused:
                self.unpause(self._hosts.named(places.whole_on()))
            self.shut_down(places)
            self.create(on)
        elif places.row is not None and places.row.paused:
            self.unpause(on)
        else:
            return places
        return self.look()

    # Moves

    def cold_migrate(self, to: Dom0, nonce: str | None = None) -> Migration:
        """Shut down here, start there: the guest boots anew on the target."""
        places = self.where()
        source = places.whole_on()
        self._not_there_yet(source, to)
        before, started = self.look_inside(), time.monotonic()
        self.shut_down(places)
        self.create(to)
        ended = time.monotonic()
        return Migration(
            self._name, "cold", source, to.name, started, ended, before, self.look_inside(nonce), self.look()
        )

    def migrate(
        self, to: Dom0, kind: Kind = "live", before: GuestLook | None = None, nonce: str | None = None
    ) -> Migration:
        """`xl migrate`, as it ends by itself: however long it takes, it is not cut off.

        Where xl says that it moved, the move is returned even if the guest does not answer any more: then `after`
        holds what is unknown, and why.

        :raises LabFault: it did not move; the cause is told on the side that spoke.
        :raises CannotObserve: it is not over, or a host cannot be seen any more.
        """
        places = self.look()
        source = self._hosts.named(places.whole_on())
        self._not_there_yet(source.name, to)
        before = before or self.look_inside()
        self._will("migrate", host=source.name, to=to.name)
        argv = xl.migrate(self._name, to.spec.among_hosts, peers.ssh(to.spec.port_among_hosts))
        started = time.monotonic()
        ended = self._run_to_its_end(source, argv, self._timeouts.migrate_seconds)
        words, at = without_debugging(ended.words), time.monotonic()
        if ended.code == 0 and parse_migration(words).succeeded:
            after, places = self._look_after_move(nonce), self.look_settled()
            moved = (self._name, kind, source.name, to.name, started, at, before, after, places)
            return Migration(*moved, words, ended.stamped)
        places = self.look_settled()
        evidence = (*ended.ids, *places.ids)
        fault = explain(
            "migrate", ended.code, words, host=source.name, peer=to.name, guest=self._name, evidence=evidence
        )
        if places.unseen:
            raise CannotObserve(
                f"{self._name} did not move to {to.name}; it is {places.words}", hint=str(fault), evidence=evidence
            )
        if places.is_off or (places.row is not None and places.row.crashed):
            raise LabFault(
                f"{self._name} was lost on its way from {source.name} to {to.name}",
                expected=f"{self._name} on {to.name}, or still on {source.name}",
                actual=f"{places.words}; {getattr(fault, 'actual', fault.message)}",
                hint="it crashed while it was sent: see `xl dmesg` on both hosts and its console log",
                host=source.name,
                guest=self._name,
                evidence=evidence,
            ) from fault
        raise fault

    # What is written

    @contextmanager
    def nonce(self) -> Iterator[tuple[str, str]]:
        """A fresh nonce on its disk, synced, and the file it is in; removed again, however the body ends.

        Where the body fails, a guest that cannot be asked to remove it must not hide why.
        """
        home = "/root" if self._machine.runs_as_root() else f"/home/{self._spec.user}"
        file, nonce = f"{home}/.xenlab-{self._custody.run}-nonce", token_hex(16)
        self._custody.will("write", guest=self._name, file=file)
        try:
            self._machine.run(*commands.write_nonce(file, nonce), changes=True).check()
            yield nonce, file
        except BaseException:
            with suppress(CannotObserve):
                self._remove(file)
            raise
        self._remove(file)

    # How it is done

    def _will(self, act: str, **facts: str) -> None:
        """Note the act before it happens; where the guest was seen counts no more."""
        self._custody.will(act, guest=self._name, **facts)
        self._places = None

    def _xl(self, host: Dom0, argv: xl.Argv) -> None:
        result = host.remote.run(*argv, changes=True)
        if not result.ok:
            words = f"{result.stdout}\n{result.stderr}"
            raise explain(argv[1], result.exit_code, words, host=host.name, guest=self._name, evidence=(result.id,))

    def _look_before_start(self, on: Dom0) -> tuple[DomainsLook, DomainsLook]:
        """Both hosts, asked for the disks that the config names now."""

        def look(host: Dom0) -> DomainsLook:
            return look_before_start(host, self._spec.config, self.disks)

        looks = self._hosts.at_once(look)
        text = next(one.config for one in looks if one.host == on.name)
        if isinstance(text, Unknown):
            return looks
        disks = tuple(disk.target for disk in parse_config(text, self._spec.config).disks if disk.is_path)
        if disks != self.disks:
            self.disks = disks
            return self._hosts.at_once(look)
        return looks

    def _run_to_its_end(self, host: Dom0, argv: xl.Argv, seconds: float) -> Ended:
        self._runs += 1
        name = f"{self._name}-{self._runs}"
        run = OutlivingAct(host, self._custody.folder_on_hosts, name, seconds, self._timeouts.boot_seconds)
        self._under_way = run
        ended = run_to_its_end(run, argv)
        self._under_way = None
        return ended

    def _remove(self, file: str) -> None:
        self._machine.run(*commands.remove(file), changes=True).check()
        self._custody.removed(file)

    def _look_after_move(self, nonce: str | None) -> GuestLook:
        with suppress(HostUnreachable):
            self._machine.wait_until_reachable(self._timeouts.after_move_seconds, f"a login on {self._name}")
        return self.look_inside(nonce)

    def _not_there_yet(self, source: str, to: Dom0) -> None:
        if source == to.name:
            raise CannotObserve(f"{self._name} is on {source} already: this would be no move")

    def _row_on(self, host: Dom0) -> object | None:
        look = look_at_domains(host)
        rows = known(look.rows, f"xl list on {host.name}", look.ids)
        return next((row for row in rows if row.name == self._name), None)

    def _await_boot(self, host: Dom0) -> None:
        seconds = self._timeouts.boot_seconds
        self._boot_given_up = False
        try:
            await_logins(self._spec, self._machine, host, seconds)
        except HostKeyMismatch as shown:
            if (fault := other_machine_at(self._spec, host)) is None:
                raise
            raise fault from shown
        except NotInTime as late:
            if is_stopped():
                raise
            self._boot_given_up = True
            raise why_no_logins(self._spec, self._machine, host, seconds) from late
