"""A Dom0: its Xen, its domains, and what it must have for guests to come and go."""

from collections.abc import Iterator
from functools import cached_property

from xenlab.causes import explain
from xenlab.errors import CannotObserve
from xenlab.labfile import HostSpec, TimeoutSpec
from xenlab.outcomes import Finding
from xenlab.remote import commands, facts
from xenlab.remote.facts import Cpu, LoopDevice, Mount
from xenlab.remote.host import RemoteHost
from xenlab.remote.result import CommandResult
from xenlab.xen import xl
from xenlab.xen.parsers import Domain, DomainRow, GuestType, XenInfo, parse_info, parse_list, parse_list_long

# xl asks ssh to come in on the peer; nothing may stop and ask there.
BATCH_SSH = ("ssh", "-o", "BatchMode=yes", "-o", "ConnectTimeout=15")


class Dom0:
    """One Xen host of the lab. Every property is read afresh unless it cannot change."""

    def __init__(self, spec: HostSpec, remote: RemoteHost, timeouts: TimeoutSpec) -> None:
        self.spec = spec
        self.name = spec.name
        self.address = spec.address
        self.remote = remote
        self.timeouts = timeouts

    def __repr__(self) -> str:
        return f"Dom0({self.name!r})"

    def xl(self, argv: xl.Argv, *, timeout: float | None = None, guest: str | None = None) -> CommandResult:
        """Run an xl command; raises what `causes.explain` makes of its words when it fails."""
        result = self.remote.run(*argv, timeout=timeout)
        if not result.ok:
            words = f"{result.stdout}\n{result.stderr}"
            raise explain(argv[1], result.exit_code, words, host=self.name, guest=guest)
        return result

    @property
    def info(self) -> XenInfo:
        """What `xl info` says now."""
        return parse_info(self.xl(xl.info()).stdout)

    @property
    def domains(self) -> tuple[DomainRow, ...]:
        """Every domain on this host now, as `xl list` shows them."""
        return parse_list(self.xl(xl.list_domains()).stdout)

    def domain(self, name: str) -> DomainRow | None:
        """The domain of that name, or None when `xl list` does not have it."""
        return next((row for row in self.domains if row.name == name), None)

    def details(self, name: str) -> Domain:
        """The running domain's own devices, as `xl list -l` shows them.

        :raises NoSuchDomain: it is not on this host.
        """
        rows = parse_list_long(self.xl(xl.list_long(name), guest=name).stdout)
        if len(rows) != 1:
            raise CannotObserve(f"xl list -l {name} on {self.name} showed {len(rows)} domains")
        return rows[0]

    @cached_property
    def cpu(self) -> Cpu:
        """The processors as Dom0 sees them."""
        return facts.cpu(self.remote.run(*commands.cpu()).check().stdout)

    @property
    def loop_devices(self) -> tuple[LoopDevice, ...]:
        """Loop devices in use: a guest's disk is one while it runs."""
        return facts.loop_devices(self.remote.run(*commands.loop_devices()).check().stdout)

    @property
    def mounts(self) -> tuple[Mount, ...]:
        """All mounts."""
        return facts.mounts(self.remote.run(*commands.mounts()).check().stdout)

    @property
    def processes(self) -> dict[int, str]:
        """Arguments of every process by PID."""
        return facts.processes(self.remote.run(*commands.processes()).check().stdout)

    def is_reached(self) -> Finding:
        """A login works and the host key is the one that known_hosts has."""
        fingerprint = self.remote.fingerprint
        name = self.remote.run(*commands.hostname()).check().stdout.strip()
        return Finding(
            "reached",
            bool(name and fingerprint),
            expected=f"an SSH login on {self.address} with a verified host key",
            actual=f"logged in on {name}, host key {fingerprint}",
            host=self.name,
        )

    def runs_xen(self) -> Finding:
        """`xl info` answers and Domain-0 is there."""
        info, dom0 = self.info, self.domain(xl.DOM0)
        return Finding(
            "xen-runs",
            dom0 is not None,
            expected="Xen runs, Domain-0 in xl list",
            actual=f"Xen {info.version}, Linux {info.release}, {'with' if dom0 else 'without'} Domain-0",
            hint="boot the Xen entry of GRUB, and see that xen-utils is installed",
            host=self.name,
        )

    def has_bridge(self, bridge: str) -> Finding:
        """The bridge that guests' vifs join is here."""
        found = self.remote.run(*commands.is_bridge(bridge)).ok
        there = self.remote.run(*commands.bridges()).check().stdout.split()
        return Finding(
            "bridge",
            found,
            expected=f"a bridge {bridge}",
            actual=f"bridges: {', '.join(there) or 'none'}",
            hint=f"create {bridge} on {self.name}: a guest that arrives needs the bridge its vif names",
            host=self.name,
        )

    def has_memory_for(self, guest: str, mib: int) -> Finding:
        """Xen has memory left for one more guest."""
        free = self.info.free_memory_mib
        return Finding(
            "memory-free",
            free >= mib,
            expected=f"at least {mib} MiB free for {guest}",
            actual=f"{free} MiB free",
            hint="shut down other guests, or cap Dom0 with dom0_mem= on Xen's command line",
            host=self.name,
            guest=guest,
        )

    def reaches_by_ssh(self, peer: "Dom0") -> Finding:
        """Root gets from here to the peer over ssh without being asked anything, as `xl migrate` must."""
        result = self.remote.run(*commands.ssh_to(peer.address, port=peer.spec.port))
        words = result.stderr.strip().splitlines()
        return Finding(
            "ssh-to-peer",
            result.ok,
            expected=f"ssh root@{peer.address} answers without a prompt (BatchMode)",
            actual="it answers" if result.ok else (words[-1] if words else f"exit code {result.exit_code}"),
            hint=f"on {self.name}: ssh-keygen, ssh-copy-id root@{peer.address}; on {peer.name}: "
            "PermitRootLogin prohibit-password",
            host=self.name,
        )

    def can_live_migrate(self, guest: str, kind: GuestType) -> Finding:
        """This Xen can track the memory that a guest of this kind dirties while it is copied."""
        caps = self.info.virt_caps
        hint = (
            "this Xen is built without shadow paging: a PV guest cannot be migrated live; make it "
            'type="pvh", or use a Xen with shadow in virt_caps'
            if kind == "pv"
            else f"a {kind} guest needs hvm and hap (or shadow): switch on the CPU's virtualisation"
        )
        return Finding(
            "live-migratable",
            self.info.can_live_migrate(kind),
            expected=f"a Xen that can live-migrate {kind} guests",
            actual=f"virt_caps: {' '.join(sorted(caps))}",
            hint=hint,
            host=self.name,
            guest=guest,
        )

    def parses(self, config: str, guest: str) -> Finding:
        """`xl create --dryrun` accepts the config."""
        result = self.remote.run(*xl.create(config, dryrun=True))
        actual, hint = "it does", ""
        if not result.ok:
            fault = explain("create", result.exit_code, f"{result.stdout}\n{result.stderr}", host=self.name)
            if isinstance(fault, CannotObserve):
                raise fault
            actual, hint = fault.actual, fault.hint
        return Finding(
            "xl-accepts-config",
            result.ok,
            expected=f"xl create --dryrun {config} succeeds",
            actual=actual,
            hint=hint,
            host=self.name,
            guest=guest,
        )


class HostPair:
    """The lab's two hosts."""

    def __init__(self, first: Dom0, second: Dom0) -> None:
        self.both = (first, second)

    def __iter__(self) -> Iterator[Dom0]:
        return iter(self.both)

    def named(self, name: str) -> Dom0:
        """The host of that name."""
        return next(host for host in self.both if host.name == name)

    def peer_of(self, host: Dom0) -> Dom0:
        """The other one."""
        first, second = self.both
        return second if host is first else first

    def run_same_series(self) -> Finding:
        """Both run the same major and minor Xen: guests then move in both directions."""
        versions = {host.name: host.info for host in self.both}
        return Finding(
            "same-xen",
            len({info.series for info in versions.values()}) == 1,
            expected="the same Xen version on both hosts",
            actual=", ".join(f"{name}: {info.version}" for name, info in versions.items()),
            hint="install the same release on both: a guest moves to an equal or newer Xen only",
        )

    def have_same_cpu_features(self) -> Finding:
        """A guest that saw a CPU feature at boot finds it on either host."""
        first, second = self.both
        only = {
            first.name: first.cpu.flags - second.cpu.flags,
            second.name: second.cpu.flags - first.cpu.flags,
        }
        odd = [f"only {name}: {' '.join(sorted(flags))}" for name, flags in only.items() if flags]
        return Finding(
            "same-cpu-features",
            not odd,
            expected="the same CPU features on both hosts",
            actual="; ".join(odd) or f"{len(first.cpu.flags)} equal features, {first.cpu.model}",
            hint="mask what only one CPU has: cpuid= in the guests' configs (xl.cfg(5))",
        )
