"""A guest: where it runs, how it is reached, and its moves from host to host."""

import time
from collections.abc import Callable

from xenlab.errors import CannotObserve, LabFault
from xenlab.lab.config import GuestConfig
from xenlab.lab.dom0 import BATCH_SSH, Dom0, HostPair
from xenlab.lab.inside import Inside
from xenlab.lab.migration import Kind, Migration
from xenlab.lab.share import NfsShare
from xenlab.labfile import GuestSpec, TimeoutSpec
from xenlab.outcomes import Finding
from xenlab.probes.outside import OutsidePing
from xenlab.remote import commands, facts
from xenlab.remote.errors import HostUnreachable
from xenlab.remote.machine import Machine
from xenlab.remote.prompts import shows_login_prompt
from xenlab.remote.waiting import NotInTime, wait_for
from xenlab.xen import xl
from xenlab.xen.faults import GuestDidNotSuspend
from xenlab.xen.messages import explain, parse_migration
from xenlab.xen.parsers import Domain, DomainRow

CONSOLE_SECONDS = 20.0
_BOOT_LOOK_SECONDS = 20.0


class Guest:
    """One domU of the lab; `home` is the host where it belongs."""

    def __init__(
        self, spec: GuestSpec, remote: Machine, hosts: HostPair, share: NfsShare, timeouts: TimeoutSpec
    ) -> None:
        self.spec = spec
        self.name = spec.name
        self.address = spec.address
        self.remote = remote
        self.inside = Inside(spec, remote)
        self.hosts = hosts
        self.share = share
        self.timeouts = timeouts
        self.home = hosts.named(spec.home)
        self.config = GuestConfig(spec.name, spec.config, share, self.home)

    def __repr__(self) -> str:
        return f"Guest({self.name!r})"

    # Where it is

    @property
    def places(self) -> dict[str, DomainRow]:
        """The hosts that have this domain now, also when it is going down or half arrived.

        :raises CannotObserve: a host does not answer; then nothing is said about where the guest is.
        """
        rows = {host.name: host.domain(self.name) for host in self.hosts}
        return {name: row for name, row in rows.items() if row is not None}

    @property
    def host(self) -> Dom0:
        """The one host it is on; raises LabFault when it is on none or on both."""
        places = self.places
        if len(places) != 1:
            raise LabFault(
                f"{self.name} is on {' and '.join(places) or 'no host'}",
                expected=f"{self.name} on exactly one host",
                actual=f"on {' and '.join(places) or 'none'}",
                hint="destroy the wrong one at once: two writers ruin the disk"
                if places
                else f"xl create {self.spec.config}",
                guest=self.name,
            )
        return self.hosts.named(next(iter(places)))

    @property
    def is_running(self) -> bool:
        """Whether any host has it."""
        return bool(self.places)

    @property
    def details(self) -> Domain:
        """Its devices as Xen has them."""
        return self.host.details(self.name)

    def runs_only_on(self, host: Dom0) -> Finding:
        """It is on this host, alive, and on no other."""
        places = self.places
        alive = host.name in places and places[host.name].alive
        shown = ", ".join(f"{name} ({row.state})" for name, row in places.items())
        return Finding(
            "runs-only-on",
            alive and len(places) == 1,
            expected=f"{self.name} runs on {host.name} only",
            actual=f"on {shown}" if shown else "on neither host",
            hint="xl list on both hosts; a guest on both is a disk with two writers: destroy one at once",
            host=host.name,
            guest=self.name,
        )

    def keeps_devices_on_share(self) -> tuple[Finding, ...]:
        """The running domain's own disks, kernel and ramdisk, by Xen's record, lie on the share.

        Editing the config does not move a running guest's disks: xl goes on with what it stored.
        """
        host = self.host
        domain = host.details(self.name)
        named: list[tuple[str, str | None]] = [(f"disk {disk.vdev}", disk.target) for disk in domain.disks]
        if not domain.bootloader:
            named += [("kernel", domain.kernel), ("ramdisk", domain.ramdisk)]
        return tuple(self._device_on_share(what, path, host) for what, path in named if path)

    def _device_on_share(self, what: str, path: str, host: Dom0) -> Finding:
        resolved = host.remote.run(*commands.resolve(path))
        return Finding(
            "device-on-share",
            resolved.ok and self.share.holds(resolved.stdout.strip(), host),
            expected=f"{what} below {self.share.mount_point}",
            actual=path,
            hint="shut the guest down and create it again from the fixed config",
            host=host.name,
            guest=self.name,
        )

    # What it shows

    def has_root_device(self) -> Finding:
        """Its root file system is on the disk that the config gives it."""
        device = facts.root_device(self.remote.run(*commands.root_device()).check().stdout)
        disks = {disk.vdev: disk.target for disk in self.details.disks}
        wanted = self.spec.root_device or next(iter(disks), "")
        return Finding(
            "root-device",
            device == wanted and device in disks,
            expected=f"/ on {wanted}",
            actual=f"/ on {device}, which is {disks.get(device, 'no disk of the config')}",
            hint="root= in the config, or in the guest's own GRUB, must name the shared disk's vdev",
            guest=self.name,
        )

    def answers(self) -> Finding:
        """A login works: over SSH, with the host key verified, or on the console."""
        try:
            self._await_login()
        except HostUnreachable as late:
            return Finding("login", False, f"a login on {self.name}", late.message, late.hint, guest=self.name)
        return Finding(
            "login",
            True,
            expected=f"a login on {self.name}",
            actual=f"logged in {self.remote.way_in}",
            guest=self.name,
        )

    def answers_ping(self) -> Finding:
        """It answers a ping from outside."""
        with OutsidePing(self.address, interval=0.2) as ping:
            try:
                ping.wait_for_replies(3, timeout=30)
            except CannotObserve as silent:
                seen = silent.message
            else:
                seen = ""
        return Finding(
            "ping",
            not seen,
            expected=f"replies to a ping of {self.address}",
            actual=seen or "3 replies",
            hint="look at the guest's address, and at the bridge that its vif is on",
            guest=self.name,
        )

    def shows_login_prompt(self) -> Finding:
        """Its console, asked through xl, shows a login prompt."""
        if self.spec.login == "console":
            self.remote.close()  # logged in, it shows a shell
        host = self.host
        text = host.remote.glance(*xl.console(self.name), timeout=CONSOLE_SECONDS).stdout
        return Finding(
            "console-login",
            shows_login_prompt(text),
            expected="a login prompt on the console",
            actual=f"the console shows: {text.strip()[-120:]!r}",
            hint="a getty on hvc0 in the guest, and console=hvc0 on its kernel's command line",
            host=host.name,
            guest=self.name,
        )

    # What is done to it

    def fits_on(self, host: Dom0, *, is_there: bool) -> tuple[Finding, ...]:
        """What its config asks of a host: its type, its vifs' bridges (xenbr0 when they name none, see
        xl-network-configuration(5)) and, unless it is there already, memory.

        Nothing where no config can be read: that is for the share's step and the paths' to say.
        """
        asked = self.config.best_known(self.spec.original_config)
        if asked is None:
            return ()
        bridges = dict.fromkeys(vif.bridge or "xenbr0" for vif in asked.vifs)
        memory = () if is_there else (host.has_memory_for(self.name, asked.memory or 0),)
        return (host.can_live_migrate(self.name, asked.type), *map(host.has_bridge, bridges), *memory)

    def files_on_share(self) -> tuple[str, ...]:
        """Its config, and every file on the share that the config names and some host has.

        A name that leads nowhere, or elsewhere, is no matter of the share: the paths' step tells it.
        """
        try:
            named = dict.fromkeys(entry.path for entry in self.config.paths())
        except LabFault:
            named = {}
        return (self.config.path, *(path for path in named if self.share.has(path)))

    def create(self, on: Dom0) -> None:
        """Start it from the shared config, and wait until it takes logins.

        :raises XlError: `xl create` failed; :raises LabFault: it does not come up.
        """
        on.xl(xl.create(self.spec.config), timeout=self.timeouts.boot_seconds, guest=self.name)
        self._await_boot(on)

    def shut_down(self) -> None:
        """Ask it to shut down and wait until its host has no such domain."""
        host = self.host
        self.remote.close()
        host.xl(xl.shutdown(self.name), timeout=self.timeouts.boot_seconds, guest=self.name)
        self._wait(lambda: host.domain(self.name) is None, f"{self.name} to leave {host.name}", host)

    def unpause(self, on: Dom0) -> None:
        """Let it go on where it is, and wait until it takes logins."""
        on.xl(xl.unpause(self.name), guest=self.name)
        self._await_login()

    def cold_migrate(self, to: Dom0) -> Migration:
        """Shut down here, start there: the guest boots anew on the target."""
        source, before, started = self.host, self.inside.boot_id, time.monotonic()
        self.shut_down()
        self.create(on=to)
        ended = time.monotonic()
        return Migration(self.name, "cold", source, to, started, ended, before, self.inside.boot_id)

    def paused_migrate(self, to: Dom0) -> tuple[Migration, Finding]:
        """The report's own way: `xl pause`, then `xl migrate`. Returns the move, and how Xen took the pause.

        Xen cannot send a paused guest: the guest itself must act on the request to suspend, and libxc gives up on
        a paused PV guest's page tables (xg_sr_save_x86_pv.c, normalise_pagetable). So xl may refuse; then the
        guest must be unharmed where it was, and moves once it is unpaused.
        """
        source, before = self.host, self.inside.boot_id
        source.xl(xl.pause(self.name), guest=self.name)
        try:
            move = self._migrate("paused", source, to, before)
            return move, self._pause_finding(True, "moved while paused")
        except GuestDidNotSuspend as refusal:
            rows = {row.name: row for row in source.domains}
            half_moved = {self.name, self.name + xl.INCOMING, self.name + xl.MIGRATED_AWAY}
            strays = sorted(half_moved & {row.name for row in to.domains})
            still = self.name in rows and rows[self.name].paused
            state = "still paused" if still else "not paused"
            finding = self._pause_finding(
                still and not strays,
                f"refused ({refusal.actual}); on {source.name} {state}, on {to.name}: {', '.join(strays) or 'nothing'}",
            )
        self.unpause(source)
        return self._migrate("paused", source, to, before), finding

    def _pause_finding(self, holds: bool, actual: str) -> Finding:
        return Finding(
            "paused-guest-unharmed",
            holds,
            expected="moved while paused, or refused by Xen and left paused where it was, with nothing on the target",
            actual=actual,
            hint="xl list on both hosts; xl unpause it where it is",
            guest=self.name,
        )

    def live_migrate(self, to: Dom0) -> Migration:
        """`xl migrate` of the running guest."""
        return self._migrate("live", self.host, to, self.inside.boot_id)

    def _migrate(self, kind: Kind, source: Dom0, to: Dom0, boot_id: str) -> Migration:
        started = time.monotonic()
        bound = self.timeouts.migrate_seconds
        result = source.remote.run(*xl.migrate(self.name, to.address, BATCH_SSH), timeout=bound)
        ended = time.monotonic()
        words = f"{result.stdout}\n{result.stderr}"
        report = parse_migration(words)
        if not (result.ok and report.succeeded):
            raise explain("migrate", result.exit_code, words, host=source.name, guest=self.name)
        # The connection from before the move may still live; either way this asks the guest itself.
        self._await_login()
        after = self.inside.boot_id
        return Migration(self.name, kind, source, to, started, ended, boot_id, after, report.stages)

    def _await_boot(self, host: Dom0) -> None:
        def logs_in() -> bool:
            # xl list costs an emulated host a second that the booting guest would need: ask for it rarely.
            if self._takes_login(within=_BOOT_LOOK_SECONDS):
                return True
            row = host.domain(self.name)
            if row is None or row.crashed:
                raise LabFault(
                    f"{self.name} {'crashed' if row else 'ended'} while booting on {host.name}",
                    expected=f"{self.name} boots on {host.name}",
                    actual="its domain crashed" if row else "its domain is gone",
                    hint=f"xl create -c {self.spec.config} shows its console",
                    host=host.name,
                    guest=self.name,
                )
            return False

        self._wait(logs_in, f"{self.name} to boot and take logins on {host.name}", host)

    def _takes_login(self, within: float) -> bool:
        try:
            self.remote.wait_until_reachable(within, f"a login on {self.name}")
        except HostUnreachable:
            return False
        return True

    def _await_login(self) -> None:
        self.remote.wait_until_reachable(self.timeouts.boot_seconds, f"a login on {self.name}")

    def _wait(self, condition: Callable[[], bool], awaited: str, host: Dom0) -> None:
        try:
            wait_for(condition, awaited, self.timeouts.boot_seconds, interval=2.0)
        except NotInTime as late:
            raise LabFault(
                late.message,
                expected=awaited,
                actual=f"not within {self.timeouts.boot_seconds:.0f} s",
                hint=f"xl console {self.name} on {host.name} shows how far it is",
                host=host.name,
                guest=self.name,
            ) from late
