"""lab.toml: which hosts, shares and guests make up a lab, as a validated and unchanging model.

Nothing below this module knows of the file. What is wrong with one is said as in `tomlfile`.
"""

from collections.abc import Iterable, Iterator
from itertools import combinations
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, field_serializer, model_validator

from xenlab.fields import (
    BASE,
    Address,
    Device,
    LocalFile,
    LocalPath,
    Name,
    NameOrAddress,
    Port,
    RemotePath,
    Target,
    User,
    Variable,
)
from xenlab.labfile_change import LabFileChange
from xenlab.labfile_limits import ProbeSpec, TimeoutSpec
from xenlab.outcomes import Model
from xenlab.tomlfile import Problem, listed, parse, read

SECRETS = {"password", "sudo_password", "passphrase"}

HOSTS = "hosts"
"""Instead of one host's name: through, or from, either."""

RUNNER = "runner"
"""The machine that xenlab runs on, as what pings guests from outside."""


def _users_known_hosts() -> Path:
    return Path("~/.ssh/known_hosts").expanduser()


class Reachable(Model):
    """What every machine of the file has in common: a name, an address and a way in over SSH.

    `key_file` and `known_hosts` are files of this machine, in the lab file relative to itself; whether the
    latter is there and has the machine's key shows when it is connected to. `password_env` names the
    environment variable that holds the password. With `sudo`, commands of a user who is not root run through
    sudo, where that asks for no password, or `sudo_password_env` names the variable that holds it. `via` names the
    machine that it is reached through (ssh_config(5), ProxyJump), where this one has no route to it. With `old_ssh` SSH
    to it may stand on SHA-1.
    """

    name: Name
    address: NameOrAddress
    user: User = "root"
    port: Port = 22
    key_file: LocalFile | None = None
    password_env: Variable | None = None
    known_hosts: LocalPath = Field(default_factory=_users_known_hosts)
    sudo: bool = True
    sudo_password_env: Variable | None = None
    via: Name | None = None
    old_ssh: bool = False

    @property
    def ssh_host(self) -> str:
        """The name or address at which its SSH server is for us."""
        return self.address


class JumpSpec(Reachable):
    """A machine on the way to others; its `address` may be a host name. It may itself be reached via another one."""


class LabMachine(Reachable):
    """A machine of the lab's own network, where it has its `address`.

    `ssh_address` is where its SSH server is for us (at `port`), where that is another one: a forwarded port, say.
    """

    address: Address
    ssh_address: NameOrAddress | None = None

    @property
    def ssh_host(self) -> str:
        """The name or address at which its SSH server is for us."""
        return self.ssh_address or self.address


class HostSpec(LabMachine):
    """A Dom0; it may be reached `via` a jump host, or via the other host.

    `peer_address` and `peer_port` are how the other host reaches it, for `xl migrate`, where that is not by its
    `address` and `port`: a name that is in the hosts' known_hosts, say, or a network of their own.
    """

    peer_address: Target | None = None
    peer_port: Port | None = None

    @property
    def among_hosts(self) -> str:
        """The name or address by which the other host reaches it."""
        return self.peer_address or self.address

    @property
    def port_among_hosts(self) -> int:
        """The port of its SSH server as the other host sees it."""
        return self.peer_port or self.port


class GuestSpec(LabMachine):
    """A guest of the lab.

    `config` is its xl.cfg on the share, `original_config` the one it had before, kept on its home host;
    `home` is the host where it belongs, `ping_target` what it pings from inside. `root_device` and `swap` are
    what the guest should have, where the lab prescribes it: without `swap` nothing is said of swap. With
    `login = "console"` it is logged in on by `xl console`, as `user` with the password that `password_env` names.
    It may be reached `via` a jump host, one of the hosts, or "hosts": whichever of them can be reached.
    """

    config: RemotePath
    home: Name
    ping_target: Target
    original_config: RemotePath | None = None
    root_device: Device | None = None
    swap: bool | None = None
    login: Literal["ssh", "console"] = "ssh"

    @property
    def own_port(self) -> int:
        """The port of its SSH server on the lab's network, which is the usual one where ours leads to it."""
        return self.port if self.ssh_address is None else 22


class ShareSpec(Model):
    """The NFS share: `server` is the host that exports `export`; both hosts see it at `mount_point`.

    A server that is none of the hosts (a NAS) has an `address`, where both hosts reach it; nobody logs in there.
    """

    server: Name
    address: Target | None = None
    export: RemotePath
    mount_point: RemotePath

    def holds(self, path: str) -> bool:
        """Whether a path is below the mount point, by its words."""
        return PurePosixPath(path).is_relative_to(self.mount_point)


def _tables(written: object) -> object:
    """One table, or an array of them, as an array."""
    return tuple(written) if isinstance(written, list | tuple) else (written,)


class LabFile(Model):
    """A whole lab; its `shares` stand in the file as one [share] table, or as several [[share]] tables."""

    name: Name
    kind: Literal["embedded", "real"] = "real"
    shares: Annotated[tuple[ShareSpec, ...], BeforeValidator(_tables)] = Field(alias="share")
    probes: ProbeSpec = ProbeSpec()
    timeouts: TimeoutSpec = TimeoutSpec()
    hosts: tuple[HostSpec, HostSpec]
    guests: tuple[GuestSpec, ...]
    jumps: tuple[JumpSpec, ...] = ()

    @property
    def password_variables(self) -> frozenset[str]:
        """The environment variables that hold its passwords."""
        machines = (*self.hosts, *self.guests, *self.jumps)
        named = (name for machine in machines for name in (machine.password_env, machine.sudo_password_env))
        return frozenset(name for name in named if name)

    @property
    def server(self) -> str:
        """The machine that exports the first share: "server" of the checks that users write."""
        return self.shares[0].server

    @property
    def mount_points(self) -> tuple[str, ...]:
        """Where its shares are on both hosts."""
        return tuple(share.mount_point for share in self.shares)

    def without_files(self) -> Self:
        """The same lab, without the files of this machine that it is logged in by."""
        nothing = {"key_file": None, "known_hosts": Path("known_hosts")}
        tables = {"hosts": self.hosts, "guests": self.guests, "jumps": self.jumps}
        return self.model_copy(
            update={key: tuple(row.model_copy(update=nothing) for row in rows) for key, rows in tables.items()}
        )

    def changed(self, changes: Iterable[LabFileChange]) -> Self:
        """The same lab, but for some values; raises pydantic's ValidationError where they do not fit."""
        data = self.model_dump(by_alias=True)
        tables = {row["name"]: row for table in ("hosts", "guests", "jumps") for row in data[table]}
        tables |= {"share": data["share"][0], "probes": data["probes"], "timeouts": data["timeouts"]}
        shares = {row["mount_point"]: row for row in data["share"]}
        for change in changes:
            table = tables.get(change.table) or shares.setdefault(change.table, {"mount_point": change.table})
            table[change.key] = change.value
        return self.model_validate(data | {"share": [*shares.values()]})

    @field_serializer("shares", when_used="json")
    def _as_in_the_file(self, shares: tuple[ShareSpec, ...]) -> tuple[ShareSpec, ...] | ShareSpec:
        return shares if len(shares) > 1 else shares[0]

    @model_validator(mode="after")
    def _parts_agree(self) -> Self:
        if problems := list(self._contradictions()):
            raise ValueError("\n".join(problems))
        return self

    def _contradictions(self) -> Iterator[str]:
        hosts = listed(host.name for host in self.hosts)
        if not self.guests:
            yield "guests: at least one is needed: write a [[guests]] table"
        yield from self._of_shares(hosts)
        yield from self._twice()
        yield from self._ways()
        for i, guest in enumerate(self.guests):
            if guest.login == "console" and guest.password_env is None:
                yield f'guests.{i}.password_env: must be given with login = "console": name what holds the password'
            if guest.login == "console" and guest.old_ssh:
                yield f'guests.{i}.old_ssh: a console is no SSH: leave it out with login = "console"'
            if guest.login == "console" and guest.key_file is not None:
                yield f'guests.{i}.key_file: a console takes no key: leave it out with login = "console"'
            if guest.home not in (host.name for host in self.hosts):
                yield f"guests.{i}.home: {guest.home!r} is not a host: allowed are {hosts}"
            owners = {machine.address: machine.name for machine in self.guests}
            if guest.ping_target in owners:
                whose = "its own" if guest.ping_target == guest.address else f"{owners[guest.ping_target]}'s"
                yield (
                    f"guests.{i}.ping_target: {guest.ping_target} is {whose} address: "
                    "name a machine that does not move, such as the gateway"
                )
            if guest.original_config == guest.config:
                yield f"guests.{i}.original_config: is the config itself: name the one from before, or leave it out"
            if self.shares and not any(share.holds(guest.config) for share in self.shares):
                what = "the share" if len(self.shares) == 1 else "any of the shares"
                below = " or ".join(self.mount_points)
                yield f"guests.{i}.config: {guest.config!r} is not on {what}: it must be below {below}"

    def _of_shares(self, hosts: str) -> Iterator[str]:
        """What is wrong with the shares, each by itself and beside the others."""
        if not self.shares:
            yield "share: at least one is needed: write a [share] table"
        keys = ["share"] if len(self.shares) == 1 else [f"share.{i}" for i in range(len(self.shares))]
        for key, share in zip(keys, self.shares, strict=True):
            if share.server not in (host.name for host in self.hosts) and share.address is None:
                yield (
                    f"{key}.server: {share.server!r} is not a host: allowed are {hosts}; "
                    "of a third machine (a NAS) give its address as well"
                )
            if share.mount_point == "/":
                yield f"{key}.mount_point: '/' is each host's own: name the folder where the share is on both"
        for (earlier, one), (key, other) in combinations(zip(keys, self.shares, strict=True), 2):
            if (one.server, one.export) == (other.server, other.export):
                yield f"{key}.export: {other.server}:{other.export} is already {earlier}: name each share once"
            if one.mount_point == other.mount_point:
                yield f"{key}.mount_point: {other.mount_point} is already that of {earlier}: each needs one of its own"

    def _machines(self) -> dict[str, Reachable]:
        """Every machine by its key in the file."""
        tables = {"hosts": self.hosts, "guests": self.guests, "jumps": self.jumps}
        return {f"{table}.{i}": machine for table, machines in tables.items() for i, machine in enumerate(machines)}

    def _twice(self) -> Iterator[str]:
        """What two have that each needs for itself."""
        for (earlier, one), (key, other) in combinations(self._machines().items(), 2):
            if one.name == other.name:
                yield f"{key}.name: {other.name!r} is already the name of {earlier}: each needs its own"
            if not (isinstance(one, LabMachine) and isinstance(other, LabMachine)):
                continue
            if one.address == other.address:
                yield f"{key}.address: {other.address} is already that of {earlier}: each needs its own"
            elif (one.ssh_host, one.port, one.via) == (other.ssh_host, other.port, other.via):
                yield f"{key}.ssh_address: {other.ssh_host} port {other.port} is already that of {earlier}"
        for (_, one_guest), (i, guest) in combinations(enumerate(self.guests), 2):
            if one_guest.config == guest.config:
                yield f"guests.{i}.config: {guest.config} is already that of {one_guest.name}: each needs its own"

    def _ways(self) -> Iterator[str]:
        """What is wrong with the ways to machines, and with where guests are pinged from."""
        hosts, jumps = ([machine.name for machine in machines] for machines in (self.hosts, self.jumps))
        ways = {machine.name: machine.via for machine in (*self.hosts, *self.jumps)}
        for key, machine in self._machines().items():
            if machine.name in (HOSTS, RUNNER):
                yield f"{key}.name: {machine.name!r} has a meaning of its own in this file: choose another name"
            if machine.via is None:
                continue
            allowed = [*jumps] if isinstance(machine, JumpSpec) else [*jumps, *hosts]
            allowed = [name for name in allowed if name != machine.name]
            allowed += [HOSTS] if isinstance(machine, GuestSpec) else []
            if machine.via not in allowed:
                known = f"allowed are {listed(allowed)}" if allowed else "write a [[jumps]] table of that name"
                yield f"{key}.via: {machine.via!r} is no machine that it could be reached through: {known}"
            elif machine.name in ways and machine.name in _followed(ways, machine.name):
                yield f"{key}.via: the way to {machine.name} leads through itself"
            if isinstance(machine, GuestSpec) and machine.login == "console":
                yield f'{key}.via: a console is reached through its host: leave it out with login = "console"'
        allowed = [RUNNER, HOSTS, *hosts, *jumps]
        if self.probes.outside_from not in (None, *allowed):
            yield f"probes.outside_from: {self.probes.outside_from!r} is not allowed: it must be {listed(allowed)}"


def _followed(ways: dict[str, str | None], name: str) -> list[str]:
    """The machines on the way to one, up to the first that comes twice."""
    seen: list[str] = []
    while (name := ways.get(name) or "") and name not in seen:
        seen.append(name)
    return seen


TABLES: dict[str, type[Model]] = {
    "hosts": HostSpec,
    "guests": GuestSpec,
    "jumps": JumpSpec,
    "share": ShareSpec,
    "probes": ProbeSpec,
    "timeouts": TimeoutSpec,
}


def load(path: Path) -> LabFile:
    """Read and check a lab file; its relative paths become absolute.

    :raises UsageError: it cannot be read or has problems: one line each.
    """
    return read(
        path,
        LabFile,
        TABLES,
        hint="./lab init makes one; docs/lab-file.md shows a lab.toml",
        context={BASE: path.absolute().parent},
        says=_says,
    )


def loads(text: str, name: str, folder: Path | None = None) -> LabFile:
    """Read the text of a lab file that lies, or will lie, in `folder`; `name` stands for it in errors.

    :raises UsageError: it has problems, such as a key file that is gone by now: one line each.
    """
    return parse(text, name, LabFile, TABLES, context={BASE: folder or Path.cwd()}, says=_says)


def _says(loc: tuple[int | str, ...], problem: Problem) -> str:
    two_hosts = {"missing", "too_long", "too_short", "tuple_type"}
    if loc[:1] == ("hosts",) and len(loc) <= 2 and problem["type"] in two_hosts:
        return "hosts: a lab has exactly two hosts: write two [[hosts]] tables"
    if loc and loc[-1] in SECRETS and problem["type"] != "missing":
        key = ".".join(map(str, loc))
        instead = "sudo_password_env" if loc[-1] == "sudo_password" else "password_env"
        return f"{key}: a lab file holds no secrets: name an environment variable in {instead} instead"
    return ""
