"""A guest as the lab sheet speaks of it: what is done to it, and what it and its moves showed."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TypeVar

from testinfra.host import Host as TestinfraHost

from xenlab.causes import GuestDidNotSuspend
from xenlab.errors import LabFault, WouldChange, XenlabError
from xenlab.lab.acts import Acts
from xenlab.lab.config import ConfigLooks
from xenlab.lab.custody import Custody
from xenlab.lab.dom0 import Dom0, HostPair
from xenlab.lab.guest_looks import ConfigRead, LoginTried, RunningDevices, Screen
from xenlab.lab.judging import boot, moves
from xenlab.lab.looking import (
    ask,
    look_at_config,
    look_at_details,
    look_at_files,
    look_at_identities,
)
from xenlab.lab.looks import GuestLook, IdentityLook, Unknown
from xenlab.lab.moved import Move, Nonce, PausedMove
from xenlab.lab.places import Places
from xenlab.lab.seats import Seat
from xenlab.lab.share import NfsShare
from xenlab.lab.tape import Tape
from xenlab.labfile import GuestSpec
from xenlab.labfile_limits import TimeoutSpec
from xenlab.outcomes import Finding
from xenlab.remote import commands
from xenlab.remote.errors import HostUnreachable, JumpUnreachable
from xenlab.remote.machine import Machine
from xenlab.remote.sections import Section
from xenlab.xen import xl
from xenlab.xen.cfg import XlConfig, parse_config
from xenlab.xen.parsers import Domain

T = TypeVar("T")

_CONSOLE_SECONDS = 15.0
_PING_SECONDS = 30.0


class Guest:
    """One domU of the lab; `home` is the host where it belongs. What it is asked and does goes by the lab's tape."""

    def __init__(
        self,
        spec: GuestSpec,
        machine: Machine,
        hosts: HostPair,
        shares: Sequence[NfsShare],
        timeouts: TimeoutSpec,
        custody: Custody,
        seats: Sequence[Seat],
        tape: Tape,
    ) -> None:
        self.spec = spec
        self.name = spec.name
        self.seats = seats
        self.machine = machine
        self.home = hosts.named(spec.home)
        self.acts = Acts(spec, machine, hosts, timeouts, custody)
        self._hosts = hosts
        self._shares = shares
        self._timeouts = timeouts
        self._tape = tape
        self._detailed: tuple[Places, Domain | Unknown, tuple[str, ...]] | None = None

    def __repr__(self) -> str:
        return f"Guest({self.name!r})"

    @property
    def testinfra(self) -> TestinfraHost:
        """testinfra's modules in it, over our own connection: `guest.testinfra.file("/etc/fstab")`."""
        return self.machine.testinfra

    # What a watch needs of it

    @property
    def address(self) -> str:
        """Its IP address."""
        return self.spec.address

    @property
    def ping_target(self) -> str:
        """What it pings itself."""
        return self.spec.ping_target

    @property
    def by_console(self) -> bool:
        """Whether it is reached by its console alone."""
        return self.spec.login == "console"

    # What is done to it

    def _take(self, what: str, do: Callable[[], T]) -> T:
        return self._tape.take(f"{self.name} {what}", do)

    def start(self, on: Dom0) -> None:
        """See that it runs on this host: started there, or shut down on the other host first."""
        self._take("start", lambda: self.acts.start(on))

    def cold_migrate(self, to: Dom0, nonce: Nonce | None = None) -> Move:
        """Shut down here, start there."""
        file = nonce.file if nonce else None
        return Move(self._take("cold migration", lambda: self.acts.cold_migrate(to, file)))

    def live_migrate(self, to: Dom0, nonce: Nonce | None = None) -> Move:
        """`xl migrate` of the running guest."""
        file = nonce.file if nonce else None
        return Move(self._take("live migration", lambda: self.acts.migrate(to, "live", nonce=file)))

    def return_to(self, host: Dom0) -> None:
        """See that it is on this host again, moved live where it is not."""

        def go_back() -> None:
            if self.acts.where().whole_on() != host.name:
                self.acts.migrate(host)

        self._take("return", go_back)

    def paused_migrate(self, to: Dom0, nonce: Nonce | None = None) -> PausedMove:
        """The report's own way: `xl pause`, then `xl migrate`.

        Xen cannot send every paused guest: the guest itself must act on the request to suspend, and libxc gives up on
        a paused PV guest's page tables (xg_sr_save_x86_pv.c, normalise_pagetable). So xl may refuse; then the
        guest must be unharmed where it was, and goes on once it is unpaused.
        """
        return self._take("paused migration", lambda: self._migrate_paused(to, nonce.file if nonce else None))

    def _migrate_paused(self, to: Dom0, file: str | None) -> PausedMove:
        source = self._hosts.named(self.acts.where().whole_on())
        before = self.acts.look_inside()
        self.acts.pause(source)
        try:
            move = self.acts.migrate(to, "paused", before, file)
        except LabFault as fault:
            places = self.acts.where()
            refused = isinstance(fault, GuestDidNotSuspend)
            try:
                if places.row is not None and places.row.paused:
                    self.acts.unpause(self._hosts.named(places.whole_on()))
            except XenlabError:
                # Where it was not the pause that Xen refused, what failed first is what is to be told.
                if refused:
                    raise
            if not refused:
                raise
            after = self.acts.look_inside(file)
            return PausedMove(self.name, source.name, fault.actual, places, None, before, after)
        return PausedMove(self.name, source.name, "", move.places, move, before, move.after)

    @contextmanager
    def nonce(self) -> Iterator[Nonce]:
        """A fresh nonce on its disk, removed again however the body ends."""
        with ExitStack() as written:
            nonce = self._write_nonce(written)
            yield nonce
            self._take("nonce removed", written.close)

    def _write_nonce(self, written: ExitStack) -> Nonce:
        try:
            return self._take("nonce", lambda: Nonce(*written.enter_context(self.acts.nonce())))
        except WouldChange as change:  # what shows without it is judged all the same
            return Nonce("", "", unjudged=change.message)

    # What it shows

    def runs_only_on(self, host: Dom0) -> Finding:
        """It is on this host, alive, and on no other."""
        return moves.runs_only_on(self._take("places", self.acts.where), host.name)

    def answers_ping(self) -> Finding:
        """It answers a ping from outside, wherever it is pinged from."""
        bound = min(_PING_SECONDS, self._timeouts.boot_seconds)
        answers = self._take("pings", lambda: tuple(seat.try_ping(self.spec.address, bound) for seat in self.seats))
        return boot.answers_ping(self.spec, answers)

    def takes_login(self) -> Iterator[Finding]:
        """A login works: over SSH, with the host key verified, or on the console."""
        tried = self._take("login", self._try_login)
        if tried.places is not None:
            yield boot.takes_no_login(self.name, tried.refused, tried.hint, tried.places)
        else:
            yield boot.takes_login(self.name, tried.way_in)

    def _try_login(self) -> LoginTried:
        try:
            self.machine.wait_until_reachable(self._timeouts.boot_seconds, f"a login on {self.name}")
        except JumpUnreachable:
            raise
        except HostUnreachable as late:
            return LoginTried("", late.message, late.hint, self.acts.where())
        return LoginTried(self.machine.way_in)

    def shows_login_prompt(self) -> Iterator[Finding]:
        """Its console, asked through xl, shows a login prompt."""
        screen = self._take("console", self._read_screen)
        yield boot.shows_prompt(self.name, screen.host, screen.shown, screen.ids)

    def _read_screen(self) -> Screen:
        host = self._hosts.named(self.acts.where().whole_on())
        if self.spec.login == "console":
            self.machine.close()  # logged in, it shows a shell
        shown = host.remote.read_screen(*xl.console(self.name), timeout=_CONSOLE_SECONDS)
        return Screen(host.name, shown.stdout, (shown.id,))

    def look_inside(self, nonce: Nonce | None = None) -> "Inside":
        """What it shows of itself to a login, and what its host has given it."""

        def look() -> tuple[GuestLook, Domain | Unknown]:
            seen = self.acts.look_inside(nonce.file or None if nonce else None)
            return seen, self._details(self.acts.where())[0]

        return Inside(self.spec, *self._take("inside", look))

    def keeps_devices_on_share(self) -> tuple[Finding, ...]:
        """The running domain's own disks, kernel and ramdisk lie on shares; nothing where no host has it whole."""
        devices = self._take("devices", self._look_at_devices)
        if devices is None:
            return ()
        if isinstance(devices.domain, Unknown) or devices.files is None:
            unknown = devices.domain if isinstance(devices.domain, Unknown) else Unknown("its files were not looked at")
            return (boot.devices_unknown(self.name, devices.host, unknown, devices.ids),)
        places = [share.place_on(devices.files) for share in self._shares]
        return tuple(boot.devices_on_share(devices.domain, devices.files, places))

    def _look_at_devices(self) -> RunningDevices | None:
        places = self.acts.where()
        if places.host is None and not places.in_doubt:
            return None  # off, in halves or on both hosts: starting it is refused for that
        host = self._hosts.named(places.whole_on())
        domain, ids = self._details(places)
        if isinstance(domain, Unknown):
            return RunningDevices(host.name, domain, ids, None)
        paths = [path for path, _ in boot.device_files(domain)]
        return RunningDevices(host.name, domain, ids, look_at_files(host, (*self._mount_points, *paths)))

    @property
    def _mount_points(self) -> tuple[str, ...]:
        return tuple(share.spec.mount_point for share in self._shares)

    def _details(self, places: Places) -> tuple[Domain | Unknown, tuple[str, ...]]:
        """The domain's stored configuration, asked for once between two acts."""
        if self._detailed is None or self._detailed[0] is not places:
            self._detailed = (places, *look_at_details(self._hosts.named(places.whole_on()), self.name))
        return self._detailed[1:]

    # Its config

    def read_config(self, others: Mapping[str, GuestSpec]) -> ConfigLooks:
        """Its config and the files that it names, as both hosts see them; `others` are the lab's other guests."""
        read = self._take("config", lambda: self._read_config(others))
        home = next(look for look in read.looks if look.host == self.home.name)
        return ConfigLooks(
            self.spec,
            self._shares,
            read.looks,
            _parsed(home.text, self.spec.config),
            _parsed(home.original, self.spec.original_config or ""),
            read.files,
            read.identities,
            _configs(read.others),
        )

    def _read_config(self, others: Mapping[str, GuestSpec]) -> ConfigRead:
        spec = self.spec
        looks = self._hosts.at_once(
            lambda host: look_at_config(host, spec.config, spec.original_config if host is self.home else None)
        )
        home = next(look for look in looks if look.host == self.home.name)
        config = _parsed(home.text, spec.config)
        original = _parsed(home.original, spec.original_config or "")
        rest = self._texts_of(others)
        self.acts.disks = _disks_of(config)
        paths = _disks_of(config, *_configs(rest).values())
        asked = dict.fromkeys((*self._mount_points, *_paths_of(config), *paths))
        files = self._hosts.at_once(lambda host: look_at_files(host, tuple(asked)))
        identities: IdentityLook | None = None
        if isinstance(config, XlConfig) and isinstance(original, XlConfig):
            disks = _disks_of(original, config)
            whole = [path for path in (*_paths_of(original), *_paths_of(config)) if path not in disks]
            identities = look_at_identities(self.home, disks, whole)
        return ConfigRead(looks, files, identities, rest)

    def _texts_of(self, others: Mapping[str, GuestSpec]) -> Mapping[str, str | Unknown]:
        """The configs of other guests, as this one's home reads them."""
        asked = [Section(name, commands.read(spec.config)) for name, spec in others.items() if name != self.name]
        if not asked:
            return {}
        found = ask(self.home.remote, *asked)
        return {section.name: found.read(section.name, str) for section in asked}


@dataclass(frozen=True, slots=True)
class Inside:
    """A guest from inside, beside the disks that its host has given it."""

    spec: GuestSpec
    look: GuestLook
    domain: Domain | Unknown

    def has_root_device(self) -> Finding:
        """Its root file system rests on a disk that the config gives it."""
        return boot.has_root_device(self.look, self.spec, self._vdevs)

    def has_swap(self) -> tuple[Finding, ...]:
        """Swap is in use as the lab prescribes."""
        return tuple(boot.has_swap(self.look, self.spec, self._vdevs))

    def still_has(self, nonce: Nonce) -> Iterator[Finding]:
        """The nonce is read back from the disk."""
        if nonce.unjudged:
            raise WouldChange(nonce.unjudged)
        yield moves.still_has(self.look, nonce.word)

    @property
    def _vdevs(self) -> tuple[str, ...] | Unknown:
        return self.domain if isinstance(self.domain, Unknown) else tuple(disk.vdev for disk in self.domain.disks)


def _parsed(text: str | Unknown, path: str) -> XlConfig | LabFault | Unknown:
    if isinstance(text, Unknown):
        return text
    try:
        return parse_config(text, path)
    except LabFault as fault:
        return fault


def _configs(texts: Mapping[str, str | Unknown]) -> Mapping[str, XlConfig]:
    """Those of the texts that can be read."""
    parsed = {name: _parsed(text, name) for name, text in texts.items()}
    return {name: config for name, config in parsed.items() if isinstance(config, XlConfig)}


def _paths_of(config: XlConfig | LabFault | Unknown) -> tuple[str, ...]:
    return tuple(entry.path for entry in config.paths()) if isinstance(config, XlConfig) else ()


def _disks_of(*configs: XlConfig | LabFault | Unknown) -> tuple[str, ...]:
    return tuple(
        disk.target for config in configs if isinstance(config, XlConfig) for disk in config.disks if disk.target
    )
