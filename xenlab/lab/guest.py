"""A guest as the lab sheet speaks of it: what is done to it, and what it and its moves showed."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from testinfra.host import Host as TestinfraHost

from xenlab.causes import GuestDidNotSuspend
from xenlab.errors import CannotObserve, LabFault, XenlabError
from xenlab.lab.acts import Acts
from xenlab.lab.config import ConfigLooks
from xenlab.lab.custody import Custody
from xenlab.lab.dom0 import Dom0, HostPair
from xenlab.lab.judging import boot, moves
from xenlab.lab.looking import (
    ask,
    look_at_config,
    look_at_details,
    look_at_files,
    look_at_identities,
)
from xenlab.lab.looks import GuestLook, IdentityLook, Unknown
from xenlab.lab.migration import Migration
from xenlab.lab.places import Places
from xenlab.lab.share import NfsShare
from xenlab.labfile import GuestSpec, TimeoutSpec
from xenlab.outcomes import Finding
from xenlab.probes.outside import OutsidePing
from xenlab.remote import commands
from xenlab.remote.errors import HostUnreachable, JumpUnreachable
from xenlab.remote.machine import Machine
from xenlab.remote.sections import Section
from xenlab.xen import xl
from xenlab.xen.cfg import XlConfig, parse_config
from xenlab.xen.parsers import Domain

_CONSOLE_SECONDS = 15.0
_PING_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Nonce:
    """A random word that was written to a file on the guest's disk."""

    word: str
    file: str


@dataclass(frozen=True, slots=True)
class Move:
    """One move of the guest, and what is to be thought of it."""

    migration: Migration

    def arrived(self) -> tuple[Finding, ...]:
        """The guest runs on the target alone, and answers there."""
        on_target = moves.runs_only_on(self.migration.places, self.migration.target)
        return (on_target, moves.answers_after(self.migration))

    def kept_its_boot(self) -> Finding:
        """The guest went on rather than booted again."""
        return moves.kept_boot(self.migration.before, self.migration.after)

    def booted_anew(self) -> Finding:
        """The guest really was shut down and started again."""
        return moves.booted_anew(self.migration)

    def kept(self, nonce: Nonce) -> Finding:
        """What was written before is on the disk still."""
        return moves.still_has(self.migration.after, nonce.word)

    def left_disk_clean(self) -> Finding:
        """The guest's kernel saw no error of its disks, nor a journal to recover."""
        return moves.has_clean_disk(self.migration.after)


@dataclass(frozen=True, slots=True)
class PausedMove:
    """How Xen took a paused guest's move: `migration` is None where it refused."""

    taken: Finding
    migration: Migration | None
    before: GuestLook
    after: GuestLook

    def left_it_unharmed(self) -> Finding:
        """It moved, or Xen refused and left it as it was."""
        return self.taken

    def kept_its_boot(self) -> Finding:
        """The guest goes on where it stopped."""
        return moves.kept_boot(self.before, self.after)

    def kept(self, nonce: Nonce) -> Finding:
        """What was written before is on the disk still."""
        return moves.still_has(self.after, nonce.word)


class Guest:
    """One domU of the lab; `home` is the host where it belongs."""

    def __init__(
        self,
        spec: GuestSpec,
        machine: Machine,
        hosts: HostPair,
        share: NfsShare,
        timeouts: TimeoutSpec,
        custody: Custody,
    ) -> None:
        self.spec = spec
        self.name = spec.name
        self.machine = machine
        self.home = hosts.named(spec.home)
        self.acts = Acts(spec, machine, hosts, timeouts, custody)
        self._hosts = hosts
        self._share = share
        self._timeouts = timeouts
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

    def start(self, on: Dom0) -> None:
        """See that it runs on this host: started there, or shut down on the other host first."""
        self.acts.start(on)

    def cold_migrate(self, to: Dom0, nonce: Nonce | None = None) -> Move:
        """Shut down here, start there."""
        return Move(self.acts.cold_migrate(to, nonce.file if nonce else None))

    def live_migrate(self, to: Dom0, nonce: Nonce | None = None) -> Move:
        """`xl migrate` of the running guest."""
        return Move(self.acts.migrate(to, "live", nonce=nonce.file if nonce else None))

    def return_to(self, host: Dom0) -> None:
        """See that it is on this host again, moved live where it is not."""
        if self.acts.where().whole_on() != host.name:
            self.acts.migrate(host)

    def paused_migrate(self, to: Dom0, nonce: Nonce | None = None) -> "PausedMove":
        """The report's own way: `xl pause`, then `xl migrate`.

        Xen cannot send every paused guest: the guest itself must act on the request to suspend, and libxc gives up on
        a paused PV guest's page tables (xg_sr_save_x86_pv.c, normalise_pagetable). So xl may refuse; then the
        guest must be unharmed where it was, and goes on once it is unpaused.
        """
        source = self._hosts.named(self.acts.where().whole_on())
        before = self.acts.look_inside()
        self.acts.pause(source)
        file = nonce.file if nonce else None
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
            finding = moves.refused_unharmed(self.name, source.name, fault.actual, places)
            return PausedMove(finding, None, before, self.acts.look_inside(file))
        return PausedMove(moves.pause_was_taken(move), move, before, move.after)

    @contextmanager
    def nonce(self) -> Iterator[Nonce]:
        """A fresh nonce on its disk, removed again however the body ends."""
        with self.acts.nonce() as (word, file):
            yield Nonce(word, file)

    # What it shows

    def runs_only_on(self, host: Dom0) -> Finding:
        """It is on this host, alive, and on no other."""
        return moves.runs_only_on(self.acts.where(), host.name)

    def answers_ping(self) -> Finding:
        """It answers a ping from outside."""
        with OutsidePing(self.spec.address, interval=0.2) as ping:
            try:
                ping.wait_for_replies(3, timeout=_PING_SECONDS)
            except CannotObserve as silent:
                errors = sum(packet.send_error is not None for packet in ping.trace().packets)
                seen: tuple[str, str] | None = (silent.message, silent.hint)
            else:
                errors, seen = 0, None
        return boot.answers_ping(self.spec, seen, could_send=not errors)

    def takes_login(self) -> Finding:
        """A login works: over SSH, with the host key verified, or on the console."""
        try:
            self.machine.wait_until_reachable(self._timeouts.boot_seconds, f"a login on {self.name}")
        except JumpUnreachable:
            raise
        except HostUnreachable as late:
            return boot.takes_no_login(self.name, late.message, late.hint, self.acts.where())
        return boot.takes_login(self.name, self.machine.way_in)

    def shows_login_prompt(self) -> Finding:
        """Its console, asked through xl, shows a login prompt."""
        host = self._hosts.named(self.acts.where().whole_on())
        if self.spec.login == "console":
            self.machine.close()  # logged in, it shows a shell
        shown = host.remote.read_screen(*xl.console(self.name), timeout=_CONSOLE_SECONDS)
        return boot.shows_prompt(self.name, host.name, shown.stdout, (shown.id,))

    def look_inside(self, nonce: Nonce | None = None) -> "Inside":
        """What it shows of itself to a login, and what its host has given it."""
        look = self.acts.look_inside(nonce.file if nonce else None)
        return Inside(self.spec, look, self._details(self.acts.where())[0])

    def keeps_devices_on_share(self) -> tuple[Finding, ...]:
        """The running domain's own disks, kernel and ramdisk lie on the share; nothing where it does not run."""
        places = self.acts.where()
        if places.is_off:
            return ()
        host = self._hosts.named(places.whole_on())
        domain, ids = self._details(places)
        if isinstance(domain, Unknown):
            return (boot.devices_unknown(self.name, host.name, domain, ids),)
        paths = [path for path, _ in boot.device_files(domain)]
        look = look_at_files(host, (self._share.spec.mount_point, *paths))
        return tuple(boot.devices_on_share(domain, look, self._share.place_on(look)))

    def _details(self, places: Places) -> tuple[Domain | Unknown, tuple[str, ...]]:
        """The domain's stored configuration, asked for once between two acts."""
        if self._detailed is None or self._detailed[0] is not places:
            self._detailed = (places, *look_at_details(self._hosts.named(places.whole_on()), self.name))
        return self._detailed[1:]

    # Its config

    def read_config(self, others: Mapping[str, GuestSpec]) -> ConfigLooks:
        """Its config and the files that it names, as both hosts see them; `others` are the lab's other guests."""
        spec = self.spec
        looks = self._hosts.at_once(
            lambda host: look_at_config(host, spec.config, spec.original_config if host is self.home else None)
        )
        home = next(look for look in looks if look.host == self.home.name)
        config = _parsed(home.text, spec.config)
        original = _parsed(home.original, spec.original_config or "")
        rest = self._configs_of(others)
        self.acts.disks = _disks_of(config)
        paths = _disks_of(config, *rest.values())
        asked = dict.fromkeys((self._share.spec.mount_point, *_paths_of(config), *paths))
        files = self._hosts.at_once(lambda host: look_at_files(host, tuple(asked)))
        identities: IdentityLook | None = None
        if isinstance(config, XlConfig) and isinstance(original, XlConfig):
            disks = _disks_of(original, config)
            whole = [path for path in (*_paths_of(original), *_paths_of(config)) if path not in disks]
            identities = look_at_identities(self.home, disks, whole)
        return ConfigLooks(spec, self._share, looks, config, original, files, identities, rest)

    def _configs_of(self, others: Mapping[str, GuestSpec]) -> Mapping[str, XlConfig]:
        """The configs of other guests, as this one's home reads them; one that cannot be read is left out."""
        asked = [Section(name, commands.read(spec.config)) for name, spec in others.items() if name != self.name]
        if not asked:
            return {}
        found = ask(self.home.remote, *asked)
        parsed = {section.name: _parsed(found.read(section.name, str), section.name) for section in asked}
        return {name: config for name, config in parsed.items() if isinstance(config, XlConfig)}


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

    def still_has(self, nonce: Nonce) -> Finding:
        """The nonce is read back from the disk."""
        return moves.still_has(self.look, nonce.word)

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


def _paths_of(config: XlConfig | LabFault | Unknown) -> tuple[str, ...]:
    return tuple(entry.path for entry in config.paths()) if isinstance(config, XlConfig) else ()


def _disks_of(*configs: XlConfig | LabFault | Unknown) -> tuple[str, ...]:
    return tuple(
        disk.target for config in configs if isinstance(config, XlConfig) for disk in config.disks if disk.target
    )
