"""A lab file made into objects: hosts, share and guests, with one journal of all that is run on them."""

import os
from collections.abc import Mapping
from contextlib import ExitStack
from functools import cached_property
from types import TracebackType
from typing import Self

from xenlab.errors import UsageError
from xenlab.lab.dom0 import Dom0, HostPair
from xenlab.lab.found import AsFound
from xenlab.lab.guest import Guest
from xenlab.lab.share import NfsShare
from xenlab.labfile import GuestSpec, HostSpec, LabFile
from xenlab.outcomes import LabInfo
from xenlab.remote.connection import Sink
from xenlab.remote.console import Console, ConsoleHost
from xenlab.remote.errors import NoConsole
from xenlab.remote.host import RemoteHost
from xenlab.remote.login import Limits, Login
from xenlab.remote.machine import Machine
from xenlab.xen import xl


class Lab:
    """The whole lab; a context manager that closes every connection at its end."""

    def __init__(self, spec: LabFile, sink: Sink, environ: Mapping[str, str] | None = None) -> None:
        self.spec = spec
        self._sink = sink
        self._environ = os.environ if environ is None else environ
        self._open = ExitStack()
        first, second = (self._dom0(host) for host in spec.hosts)
        self.hosts = HostPair(first, second)
        self.share = NfsShare(spec.share, self.hosts)
        self.guests = {guest.name: self._guest(guest) for guest in spec.guests}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._open.close()

    def guest(self, name: str) -> Guest:
        """The guest of that name; raises UsageError when the lab file has none."""
        if name not in self.guests:
            raise UsageError(f"no guest is called {name!r}: this lab has {', '.join(self.guests)}")
        return self.guests[name]

    @cached_property
    def as_found(self) -> AsFound:
        """How the lab was when this was first asked, before any guest was touched."""
        return AsFound.of(self.hosts, list(self.guests.values()), self.share)

    def describe(self) -> LabInfo:
        """What is being graded; raises CannotObserve when a host does not answer."""
        return LabInfo(
            name=self.spec.name,
            kind=self.spec.kind,
            hosts=tuple(host.name for host in self.hosts),
            xen={host.name: host.info.version for host in self.hosts},
            host_keys={host.name: host.remote.fingerprint for host in self.hosts},
        )

    def _remote(self, spec: HostSpec | GuestSpec, limits: Limits | None = None) -> RemoteHost:
        bound = self.spec.timeouts.command_seconds
        remote = RemoteHost(spec.name, Login.of(spec, self._environ), self._sink, timeout=bound, limits=limits)
        self._open.callback(remote.close)
        return remote

    def _dom0(self, spec: HostSpec) -> Dom0:
        return Dom0(spec, self._remote(spec), self.spec.timeouts)

    def _guest(self, spec: GuestSpec) -> Guest:
        # A booting guest is silent: ask often rather than long.
        remote = self._by_console(spec) if spec.login == "console" else self._remote(spec, Limits(connect=5.0))
        return Guest(spec, remote, self.hosts, self.share, self.spec.timeouts)

    def _by_console(self, spec: GuestSpec) -> Machine:
        def open_console() -> Console:
            for host in self.hosts:
                row = host.domain(spec.name)
                if row is not None and row.alive:
                    return Console(host.name, host.remote.terminal(*xl.console(spec.name)))
            raise NoConsole(f"{spec.name} runs on no host: there is no console of it", hint="xl list on both hosts")

        bound = self.spec.timeouts.command_seconds
        remote = ConsoleHost(spec.name, Login.of(spec, self._environ), open_console, self._sink, timeout=bound)
        self._open.callback(remote.close)
        return remote
