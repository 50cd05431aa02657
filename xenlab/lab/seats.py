"""From where guests are seen from outside: this machine, or machines of the lab where this one has no way to them."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from xenlab.errors import CannotObserve
from xenlab.lab.guest_programs import IN_MEMORY, prefix_of
from xenlab.lab.observed import PingAnswer, SeatPing
from xenlab.lab.ping_on_host import HostPing
from xenlab.labfile import HOSTS, RUNNER, GuestSpec, LabFile
from xenlab.probes.neighbours import TABLE, neighbours
from xenlab.probes.outside import OutsidePing
from xenlab.remote import commands
from xenlab.remote.machine import Machine
from xenlab.remote.waiting import NotInTime, wait_for

THIS_MACHINE = "this machine"


def seats_for(lab: LabFile, guest: GuestSpec) -> tuple[str, ...]:
    """The names of those who ping the guest from outside; `RUNNER` is this machine.

    What the lab file says; else this machine, where it has a way of its own to the guest. Of two hosts the one sends
    the guest and the other receives it: neither sees all, so both ping it. Pure.
    """
    hosts = {host.name: host for host in lab.hosts}
    asked = lab.probes.outside_from
    if asked is None:
        way_in = hosts[guest.home] if guest.login == "console" else guest
        asked = RUNNER if way_in.via is None else HOSTS
    return tuple(hosts) if asked == HOSTS else (asked,)


class Ping(Protocol):
    """A ping under way: `PingFromHere` from this machine, `HostPing` from another."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def wait_for_replies(self, count: int, timeout: float) -> None:
        """Return once `count` more packets have been answered; raises CannotObserve after `timeout` seconds."""

    @property
    def silent_for(self) -> float:
        """Seconds since the last reply, as far as is known."""

    def stop(self, drain: float) -> None:
        """Stop it, after up to `drain` seconds for replies under way."""

    def seen(self) -> SeatPing:
        """What it has seen, once it was stopped, and the neighbours that its machine had by then."""


class Seat(Protocol):
    """A machine that guests are pinged from; on one that `keeps_files` a ping leaves something until it is stopped."""

    name: str
    keeps_files: bool

    def ping(self, guest: str, address: str, interval: float, seconds: int) -> Ping:
        """A ping of a guest, not yet begun; it ends by itself after so many seconds where nobody is left to stop it."""

    def try_ping(self, address: str, seconds: float) -> PingAnswer:
        """Whether the address answers a few pings within so many seconds."""


class PingFromHere(OutsidePing):
    """This machine's own ping, and its own neighbours."""

    def seen(self) -> SeatPing:
        """See `Ping`."""
        try:
            table = Path(TABLE).read_text(encoding="ascii")
        except OSError:
            table = ""  # a machine without IPv4 has no such table; of IPv6 there is none to read without a program
        return SeatPing(THIS_MACHINE, self.trace(), neighbours(table))


class ThisMachine:
    """Pings on a schedule of its own, by its own ICMP sockets."""

    name = THIS_MACHINE
    keeps_files = False

    def ping(self, guest: str, address: str, interval: float, seconds: int) -> PingFromHere:
        """See `Seat`; it ends with this process."""
        del guest, seconds
        return PingFromHere(address, interval)

    def try_ping(self, address: str, seconds: float) -> PingAnswer:
        """See `Seat`."""
        with OutsidePing(address, interval=0.2) as ping:
            try:
                ping.wait_for_replies(3, timeout=seconds)
            except CannotObserve as silent:
                errors = any(packet.send_error is not None for packet in ping.trace().packets)
                return PingAnswer(self.name, (silent.message, silent.hint), could_send=not errors)
        return PingAnswer(self.name, None, could_send=True)


class HostSeat:
    """A host, or a jump host on the lab's network, that runs `ping` for us; `run` is the run's id."""

    keeps_files = True

    def __init__(self, machine: Machine, run: str) -> None:
        self.name = machine.name
        self.machine = machine
        self._run = run

    def ping(self, guest: str, address: str, interval: float, seconds: int) -> HostPing:
        """See `Seat`; its file bears the run's id."""
        file = f"{IN_MEMORY}/{prefix_of(self._run)}{guest}.ping"
        return HostPing(self.machine, address, interval, file, seconds)

    def try_ping(self, address: str, seconds: float) -> PingAnswer:
        """See `Seat`."""
        ids: list[str] = []
        codes: list[int] = []

        def answers() -> bool:
            asked = self.machine.run(*commands.ping_few(address), timeout=seconds)
            ids.extend(asked.evidence)
            codes.append(asked.exit_code)
            return asked.ok

        try:
            wait_for(answers, f"{address} to answer a ping from {self.name}", seconds, 1.0)
        except NotInTime as late:
            # ping(8): 1 is that nothing came back, anything else that it could not ping.
            return PingAnswer(self.name, (late.message, ""), codes[-1] == 1, tuple(ids))
        return PingAnswer(self.name, None, True, tuple(ids))


class OutsideView:
    """A guest as all of its seats see it at once; a context manager around their pings."""

    def __init__(self, seats: Sequence[Seat], guest: str, address: str, interval: float, seconds: int) -> None:
        self._pings: list[Ping] = [seat.ping(guest, address, interval, seconds) for seat in seats]
        self._open = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as begun:
            for ping in self._pings:
                begun.enter_context(ping)
            self._open = begun.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.__exit__(kind, error, trace)

    def wait_for_replies(self, count: int, timeout: float) -> None:
        """Return once `count` more packets of each ping have been answered.

        :raises CannotObserve: that took longer than `timeout` seconds for one.
        """
        with ThreadPoolExecutor(len(self._pings)) as pool:
            list(pool.map(lambda ping: ping.wait_for_replies(count, timeout), self._pings))

    @property
    def silent_for(self) -> float:
        """Seconds since the last reply that any had, as far as is known."""
        return min(ping.silent_for for ping in self._pings)

    def stop(self, drain: float) -> None:
        """Stop all, after up to `drain` seconds for replies under way."""
        with ThreadPoolExecutor(len(self._pings)) as pool:
            list(pool.map(lambda ping: ping.stop(drain), self._pings))

    def seen(self) -> Iterator[SeatPing]:
        """What each has seen, once all were stopped."""
        for ping in self._pings:
            yield ping.seen()
