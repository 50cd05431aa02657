"""A lab being found out: its hosts logged in on, looked at, and asked what the first looks left open. Reads only."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from socket import SOCK_STREAM, getaddrinfo
from types import TracebackType
from typing import Self

from xenlab.discovery import addresses, hosts, proposing, share
from xenlab.discovery.access import jump_names, key_name
from xenlab.discovery.given import Given, SshTarget, answered
from xenlab.discovery.keys import KnownKeys
from xenlab.discovery.looking import look_at, look_closer_at, look_for_configs
from xenlab.discovery.proposal import Missing, Proposal, Proposed
from xenlab.discovery.seen import CloserLook, HostSeen, LabSeen
from xenlab.errors import CannotObserve, UsageError
from xenlab.lab.sudo_passwords import AskPassword
from xenlab.remote.connection import Sink
from xenlab.remote.errors import HostKeyUnknown, SudoRefused
from xenlab.remote.host import RemoteHost
from xenlab.remote.jump import Jump, through
from xenlab.remote.login import Limits, Login
from xenlab.remote.side_by_side import side_by_side
from xenlab.remote.ssh_client import Way, connect_tcp, open_client
from xenlab.xen import found_configs

Ask = Callable[[Missing], str]
"""Asks whoever sits there for a value; "" where they do not know either."""

_LIMITS = Limits(connect=10.0)
# Guests are only met where they answer at once: a lab file needs nothing of them.
_GUESTS_LIMITS = Limits(connect=3.0, banner=8.0, login=8.0, channel=5.0)


@dataclass(frozen=True, slots=True)
class Call:
    """Whom to log in on, and with what; `names` are what a lab file calls the hosts already, by their addresses."""

    targets: tuple[SshTarget, ...]
    jumps: tuple[SshTarget, ...] = ()
    key_file: Path | None = None
    password_env: str = ""
    sudo_password_env: str = ""
    names: Mapping[str, str] = field(default_factory=dict)


class NotReached(CannotObserve):
    """Hosts that could not be logged in on: one line each."""


class Discovery:
    """Both hosts and the machines on the way to them; a context manager that closes every connection at its end."""

    def __init__(
        self,
        call: Call,
        keys: KnownKeys,
        sink: Sink,
        environ: Mapping[str, str],
        ask_password: AskPassword | None = None,
    ) -> None:
        self._call = call
        self._keys = keys
        self._sink = sink
        self._open = ExitStack()
        self._ask_password = ask_password
        self._password = _variable(call.password_env, environ)
        self._sudo_password = _variable(call.sudo_password_env, environ)
        self._hosts: list[RemoteHost] = []
        self._way: Way = connect_tcp

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
        """What no record may show; a password is asked for by `connect`."""
        return tuple(filter(None, (self._password, self._sudo_password)))

    def connect(self) -> tuple[Missing, ...]:
        """Log in on all hosts, their keys verified; returns what is missing: keys that nobody vouches for, a password.

        :raises NotReached: a host cannot be logged in on; names every such host, and every key beside.
        """
        if (key := self._meet_jumps()) is not None:
            return (key,)
        missing: list[Missing] = []
        machines = [(target, self._host(target)) for target in self._call.targets]
        met = side_by_side(_try_login, [host for _, host in machines])
        failures: list[CannotObserve] = []
        for (target, host), failure in zip(machines, met, strict=True):
            if isinstance(failure, HostKeyUnknown) and self._is_confirmed(target.host, failure):
                host = self._host(target)
                failure = _try_login(host)
            if isinstance(failure, SudoRefused) and failure.wants_password and self._is_asked_for(target):
                host = self._host(target)
                failure = _try_login(host)
            self._hosts.append(host)
            if isinstance(failure, HostKeyUnknown):
                missing.append(_unknown_key(failure))
            elif isinstance(failure, SudoRefused) and failure.wants_password:
                missing.append(Missing("hosts", str(failure), "--sudo-password-env", "", "NAME"))
            elif failure is not None:
                failures.append(failure)
        if failures:
            raise NotReached("\n".join([*map(str, failures), *(one.why for one in missing)]))
        return tuple(missing)

    def look(self) -> LabSeen:
        """The first looks: what each host is, and all files on it that may be guests' configs."""
        pairs = list(zip(self._hosts, self._call.targets, strict=True))
        looks = side_by_side(lambda pair: look_at(*pair), pairs)
        lab = LabSeen(tuple(self._as_here(look) for look in looks))
        folders = [(host, (*found_configs.PLACES, *share.folders(lab, n))) for n, host in enumerate(self._hosts)]
        return replace(lab, texts=tuple(side_by_side(lambda asked: look_for_configs(*asked), folders)))

    def _as_here(self, look: HostSeen) -> HostSeen:
        """What this machine knows of the host beside."""
        here = look.target.host
        found: list[str] = []
        if not self._call.jumps:
            with suppress(OSError):
                found = [str(entry[4][0]) for entry in getaddrinfo(here, look.target.port, type=SOCK_STREAM)]
        return replace(look, called=self._call.names.get(here, ""), resolved=tuple(dict.fromkeys(found)))

    def look_closer(self, lab: LabSeen, given: Given) -> LabSeen:
        """What the first looks left open: who answers pings, what names resolve to, how the hosts reach each other."""
        names = [guest.name for guest in proposing.guests_in(lab, given)]
        pinged = addresses.targets_to_ping(lab)
        disks, called = proposing.disks_of(lab, given), hosts.names_of(lab)
        found = [hosts.address_of(lab, number, given) for number in range(len(lab.hosts))]

        def ask(number: int) -> CloserLook:
            others = [other for n, other in enumerate(lab.hosts) if n != number]
            asked = [*names, *(own.text for other in others for own in other.addresses)]
            asked += [other.name for other in others if isinstance(other.name, str)]
            at = [
                (str(address.value), hosts.real_port(lab.hosts[n]))
                for n, address in enumerate(found)
                if n != number and isinstance(address, Proposed)
            ]
            own = disks[called[number]]
            peer = _own_name(others)
            return look_closer_at(self._hosts[number], names=asked, pinged=pinged, peer=peer, peers_at=at, disks=own)

        closer = replace(lab, closer=tuple(side_by_side(ask, range(len(lab.hosts)))))
        return self._try_names(closer) if len(lab.hosts) == 2 else closer

    def _try_names(self, lab: LabSeen) -> LabSeen:
        """Where the address does not lead to the peer, whether a name does."""

        def try_names(number: int) -> CloserLook:
            look = lab.closer[number]
            if look.reached:
                return look
            port = hosts.real_port(lab.hosts[1 - number])
            at = [(name, port) for name in hosts.names_for_peer(lab, 1 - number)]
            peer = _own_name([lab.hosts[1 - number]])
            more = look_closer_at(self._hosts[number], names=(), pinged=(), peer=peer, peers_at=at, disks=())
            return replace(look, reached=more.reached)

        return replace(lab, closer=tuple(side_by_side(try_names, range(len(lab.hosts)))))

    def meet_guests(
        self, lab: LabSeen, given: Given, proposal: Proposal
    ) -> tuple[tuple[Missing, ...], tuple[str, ...]]:
        """The host keys of the lab's guests: which nobody vouches for, and remarks on guests that do not answer."""
        running = {domain.name for host in lab.hosts for domain in host.domains}
        missing, remarks = [], []
        for entry in proposal.guests:
            if "address" not in entry:
                continue
            name, user = str(entry["name"].value), entry.get("user")
            target = SshTarget(str(entry["address"].value), str(user.value) if user else "root")
            if name in given.own_ways or self._keys.knows(key_name(target)):
                continue
            if name not in running:
                remarks.append(
                    f"{name} is off, and no known_hosts file has a key of {key_name(target)}: call again with "
                    "--update once it runs"
                )
                continue
            way = self._through(*((one.host, one) for one in self._call.targets)) if "via" in entry else connect_tcp
            try:
                unknown = self._meet(name, self._login(target), way, _GUESTS_LIMITS)
            except CannotObserve as failure:
                remarks.append(str(failure))
            else:
                missing += [unknown] if unknown else []
        return tuple(missing), tuple(remarks)

    # Ways and keys

    def _login(self, target: SshTarget, via: str = "") -> Login:
        known_hosts = self._keys.file_for(key_name(target))
        return Login(
            target.host,
            target.user,
            known_hosts,
            target.port,
            self._call.key_file,
            self._password,
            via=via,
            sudo_password=self._sudo_password,
            old_ssh=target.old_ssh,
        )

    def _host(self, target: SshTarget) -> RemoteHost:
        via = jump_names(self._call.jumps)[-1] if self._call.jumps else ""
        host = RemoteHost(
            target.host, self._login(target, via), self._sink, limits=_LIMITS, way=self._way, read_only=True
        )
        self._open.callback(host.close)
        return host

    def _meet_jumps(self) -> Missing | None:
        """Find the way through all machines on it; returns the first key that nobody vouches for.

        :raises CannotObserve: one of them cannot be logged in on.
        """
        for target, name in zip(self._call.jumps, jump_names(self._call.jumps), strict=True):
            if (unknown := self._meet(name, self._login(target), self._way)) is not None:
                return unknown
            self._way = self._through((name, target))
        return None

    def _through(self, *machines: tuple[str, SshTarget]) -> Way:
        """The way through whichever of these machines gets there."""
        jumps = [Jump(name, self._login(target), _LIMITS, self._way) for name, target in machines]
        for jump in jumps:
            self._open.callback(jump.close)
        return through(jumps)

    def _meet(self, name: str, login: Login, way: Way, limits: Limits = _LIMITS) -> Missing | None:
        """See that a machine's key is known, or confirmed now; returns what is missing where it is not.

        :raises CannotObserve: it cannot be logged in on.
        """
        try:
            open_client(name, login, limits, way)[0].close()
        except HostKeyUnknown as unknown:
            return None if self._is_confirmed(name, unknown) else _unknown_key(unknown)
        return None

    def _is_asked_for(self, target: SshTarget) -> bool:
        """Whether there is a password for sudo by now: one for both hosts."""
        if self._sudo_password is None and self._ask_password is not None:
            users = [f"{other.user} on {other.host}" for other in self._call.targets if other.user == target.user]
            self._sudo_password = self._ask_password(users) or None
        return self._sudo_password is not None

    def _is_confirmed(self, machine: str, unknown: HostKeyUnknown) -> bool:
        return unknown.shown is not None and self._keys.is_confirmed(machine, unknown.shown)


@dataclass(frozen=True, slots=True)
class Discovered:
    """A lab found out: what was seen of it, and what was given in the end.

    `words` is what was answered, as words of a call; `unknown_keys` are host keys of guests that nobody vouches for.
    """

    lab: LabSeen
    given: Given
    words: tuple[str, ...] = ()
    unknown_keys: tuple[Missing, ...] = ()
    remarks: tuple[str, ...] = ()


def discover(
    found: Discovery, given: Given, ask: Ask | None, propose: Callable[[LabSeen, Given], Proposal]
) -> Discovered:
    """Look at the lab until nothing is missing, or nobody can tell. Without `ask` nothing is asked."""
    lab = found.look()
    words: list[str] = []
    while True:
        lab = found.look_closer(lab, given)
        proposal = propose(lab, given)
        before = len(words)
        for missing in proposal.missing if ask else ():
            given, more = _ask_for(missing, given, ask)
            words += more
        if len(words) == before:
            return Discovered(lab, given, tuple(words), *found.meet_guests(lab, given, proposal))


def _ask_for(missing: Missing, given: Given, ask: Ask | None) -> tuple[Given, tuple[str, ...]]:
    """Ask until the answer is one, or nobody knows."""
    while ask and missing.option and (value := ask(missing).strip()):
        try:
            return answered(given, missing.option, missing.prefix, value), missing.given(value)
        except UsageError as wrong:
            missing = replace(missing, why=str(wrong))
    return given, ()


def _own_name(others: Sequence[HostSeen]) -> str:
    """What the other host calls itself; "" where there is none, or it does not say."""
    return next((other.name for other in others if isinstance(other.name, str)), "")


def _try_login(host: RemoteHost) -> CannotObserve | None:
    """What keeps us from logging in, if anything."""
    try:
        return host.sudo_refusal()
    except CannotObserve as failure:
        return failure


def _variable(name: str, environ: Mapping[str, str]) -> str | None:
    if not name:
        return None
    if not (value := environ.get(name)):
        raise UsageError(f"the environment variable {name} is not set", hint=f"export {name}=... before the call")
    return value


def _unknown_key(unknown: HostKeyUnknown) -> Missing:
    return Missing("known_hosts", str(unknown), "--fingerprint", "", "SHA256:...")
