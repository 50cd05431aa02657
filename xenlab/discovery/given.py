"""What is not to be found because someone has said it: on the command line, in an answer, or in a lab.toml. Pure."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any

from xenlab.errors import UsageError
from xenlab.fields import plain_path
from xenlab.labfile import HOSTS
from xenlab.remote.network import is_address

_TARGET = re.compile(
    r"(?:(?P<user>[^@\s]+)@)?(?:\[(?P<bracketed>[^\]\s]+)\]|(?P<host>[^@:\s\[\]]+))(?::(?P<port>\d+))?"
)


@dataclass(frozen=True, slots=True)
class SshTarget:
    """Whom to log in on, in ssh's words: "root@192.0.2.189", "lab@[2001:db8::7]:2222"; and whether by old SSH, too."""

    host: str
    user: str = "root"
    port: int = 22
    old_ssh: bool = False

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.user}@{host}" + (f":{self.port}" if self.port != 22 else "")


@dataclass(frozen=True, slots=True)
class GivenShare:
    """A share by its mount point, or all of it."""

    mount_point: str
    server: str = ""
    export: str = ""

    @classmethod
    def of(cls, mount_point: str, server: str, export: str) -> "GivenShare":
        """As somebody wrote it, its paths as hosts spell them."""
        return cls(plain_path(mount_point), server, plain_path(export))


@dataclass(frozen=True, slots=True)
class Given:
    """All that was said of a lab; `hosts` and `guests` are addresses by name, `guests` perhaps as USER@ADDRESS.

    `left_out` are guests that are not the lab's, `own_ways` those that a lab file tells a way to that is not ours.
    """

    name: str = ""
    shares: tuple[GivenShare, ...] = ()
    hosts: Mapping[str, str] = field(default_factory=dict)
    guests: Mapping[str, str] = field(default_factory=dict)
    configs: Mapping[str, str] = field(default_factory=dict)
    homes: Mapping[str, str] = field(default_factory=dict)
    ping_target: str = ""
    left_out: frozenset[str] = frozenset()
    own_ways: frozenset[str] = frozenset()

    def over(self, other: "Given") -> "Given":
        """Both, where this one has the last word."""
        return Given(
            self.name or other.name,
            self.shares or other.shares,
            {**other.hosts, **self.hosts},
            {**other.guests, **self.guests},
            {**other.configs, **self.configs},
            {**other.homes, **self.homes},
            self.ping_target or other.ping_target,
            self.left_out | other.left_out,
            self.own_ways | other.own_ways,
        )


def target(text: str) -> SshTarget:
    """Read [USER@]HOST[:PORT]; an IPv6 address stands in brackets where a port follows, and else may do without.

    :raises UsageError: it is something else.
    """
    user, at, host = text.rpartition("@")
    if host.count(":") > 1 and not host.startswith("["):
        text = f"{user}{at}[{host}]"
    found = _TARGET.fullmatch(text)
    six = found and found["bracketed"]
    if found is None or not 0 < int(found["port"] or 22) < 65536 or (six and not is_address(six)):
        hint = "such as root@192.0.2.189, lab@gate:2222 or root@[2001:db8::7]:2222"
        raise UsageError(f"{text!r} is no [USER@]HOST[:PORT]", hint=hint)
    # Addresses as hosts and lab files spell them, so that they are known again.
    return SshTarget(str(ip_address(six)) if six else found["host"], found["user"] or "root", int(found["port"] or 22))


def share(text: str) -> GivenShare:
    """Read MOUNT_POINT, or SERVER:EXPORT=MOUNT_POINT; an IPv6 address stands in brackets, as for mount(8).

    :raises UsageError: it is something else.
    """
    source, _, mount_point = text.rpartition("=")
    server, slash, export = source.partition(":/")
    server, export = server.removeprefix("[").removesuffix("]"), f"/{export}" if slash else ""
    paths = (mount_point, *([export] if source else []))
    if not all(path.startswith("/") for path in paths) or (source and not server):
        raise UsageError(
            f"--share {text}: is no share", hint="--share /mnt/private, or --share baye:/srv/private=/mnt/private"
        )
    return GivenShare.of(mount_point, server, export)


def pairs(option: str, words: Iterable[str]) -> dict[str, str]:
    """Read NAME=VALUE of an option that may be given several times.

    :raises UsageError: one is something else.
    """
    found = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not (name and equals and value):
            raise UsageError(f"{option} {word}: is no NAME=VALUE", hint=f"such as {option} guest1=...")
        found[name] = value
    return found


def of_lab_file(data: Mapping[str, Any]) -> Given:
    """What a lab.toml says already, whole or not: it is somebody's, and is not looked for again."""
    guests, hosts = _rows(data, "guests"), _rows(data, "hosts")
    targets = {str(row["ping_target"]) for row in guests if "ping_target" in row}
    return Given(
        name=str(data.get("name", "")),
        shares=tuple(
            GivenShare.of(str(row["mount_point"]), str(row.get("server", "")), str(row.get("export", "")))
            for row in shares_in(data)
            if "mount_point" in row
        ),
        hosts=_column(hosts, "address"),
        guests={
            name: f"{row['user']}@{address}" if "user" in row else address
            for row in guests
            for name, address in _column([row], "address").items()
        },
        configs=_column(guests, "config"),
        homes=_column(guests, "home"),
        ping_target=targets.pop() if len(targets) == 1 else "",
        own_ways=frozenset(str(row.get("name")) for row in guests if _has_own_way(row)),
    )


def shares_in(data: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The tables of a lab.toml's shares: one, or several."""
    one = data.get("share")
    return [one] if isinstance(one, Mapping) else _rows(data, "share")


def targets_of(data: Mapping[str, Any]) -> tuple[SshTarget, ...]:
    """The hosts of a lab.toml, as they are logged in on."""
    return tuple(_target_of(row) for row in _rows(data, "hosts") if "address" in row)


def names_of(data: Mapping[str, Any]) -> dict[str, str]:
    """What a lab.toml calls its hosts, by how they are logged in on."""
    rows = (row for row in _rows(data, "hosts") if "address" in row and "name" in row)
    return {str(row.get("ssh_address", row["address"])): str(row["name"]) for row in rows}


@dataclass(frozen=True, slots=True)
class LoginGiven:
    """What machines are logged in on with, and through whom."""

    key_file: str = ""
    password_env: str = ""
    sudo_password_env: str = ""
    known_hosts: str = ""
    jumps: tuple[SshTarget, ...] = ()


def login_of(data: Mapping[str, Any]) -> LoginGiven:
    """How a lab.toml has its first host logged in on: the others are logged in on alike."""
    row: Mapping[str, Any] = next(iter(_rows(data, "hosts")), {})
    named = {str(jump.get("name")): jump for jump in _rows(data, "jumps") if "address" in jump}
    way: list[SshTarget] = []
    via = row.get("via")
    while (jump := named.pop(str(via), None)) is not None:
        way.insert(0, _target_of(jump))
        via = jump.get("via")
    keys = ("key_file", "password_env", "sudo_password_env", "known_hosts")
    key_file, password_env, sudo_password_env, known_hosts = (str(row.get(key, "")) for key in keys)
    return LoginGiven(key_file, password_env, sudo_password_env, known_hosts, tuple(way))


def answered(given: Given, option: str, prefix: str, value: str) -> Given:
    """What was given, and a value beside it that was asked for as `option` `prefix`VALUE.

    :raises UsageError: the value is none.
    """
    name = prefix.rstrip("=")
    if option in ("--host", "--guest") and not is_address(value.rpartition("@")[2]):
        raise UsageError(f"{value!r} is not an IP address (such as 10.1.1.85)")
    match option:
        case "--share":
            more = Given(shares=(share(value),))
        case "--host":
            more = Given(hosts={name: value})
        case "--guest":
            more = Given(guests={name: value})
        case "--config":
            more = Given(configs={name: value})
        case "--home":
            more = Given(homes={name: value})
        case "--ping-target":
            more = Given(ping_target=value)
        case _:
            raise UsageError(f"{option or 'that'} cannot be answered here: give it with the call")
    return more.over(given)


def _rows(data: Mapping[str, Any], table: str) -> list[Mapping[str, Any]]:
    rows = data.get(table, ())
    return [row for row in rows if isinstance(row, Mapping)] if isinstance(rows, list) else []


def _target_of(row: Mapping[str, Any]) -> SshTarget:
    at = str(row.get("ssh_address", row["address"]))
    return SshTarget(at, str(row.get("user", "root")), int(row.get("port", 22)), row.get("old_ssh") is True)


def _column(rows: Iterable[Mapping[str, Any]], key: str) -> dict[str, str]:
    return {str(row["name"]): str(row[key]) for row in rows if "name" in row and key in row}


def _has_own_way(row: Mapping[str, Any]) -> bool:
    return (
        row.get("login") == "console"
        or row.get("via") not in (None, HOSTS)
        or not {"port", "ssh_address"}.isdisjoint(row)
    )
