"""A Dom0 and how it is reached; what it shows is in its looks."""

from collections.abc import Callable, Iterator
from typing import TypeVar

from testinfra.host import Host as TestinfraHost

from xenlab.labfile import HostSpec
from xenlab.labfile_limits import TimeoutSpec
from xenlab.remote.host import RemoteHost
from xenlab.remote.side_by_side import side_by_side

T = TypeVar("T")


class Dom0:
    """One Xen host of the lab."""

    def __init__(self, spec: HostSpec, remote: RemoteHost, timeouts: TimeoutSpec) -> None:
        self.spec = spec
        self.name = spec.name
        self.remote = remote
        self.timeouts = timeouts

    def __repr__(self) -> str:
        return f"Dom0({self.name!r})"

    @property
    def testinfra(self) -> TestinfraHost:
        """testinfra's modules on it, over our own connection: `host.testinfra.service("chrony").is_running`."""
        return self.remote.testinfra


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

    def at_once(self, do: Callable[[Dom0], T]) -> tuple[T, T]:
        """`do` with each host, side by side; the results in their order."""
        first, second = side_by_side(do, self.both)
        return first, second
