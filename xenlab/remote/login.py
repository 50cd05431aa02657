"""How to get into one host or guest, and how long each part of that may take."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from xenlab.errors import UsageError
from xenlab.labfile import HOSTS, LabFile, Reachable


@dataclass(frozen=True, slots=True)
class Login:
    """Address, user and the one credential to use for them; the password is never shown.

    With neither key nor password, the SSH agent and the user's own keys are tried. `sudo`: commands of a user who is
    not root run through sudo, where that asks for no password, or for `sudo_password`. `via` names the machine on the
    way, for words. `old_ssh` lets the connection stand on SHA-1 (see `algorithms`).
    """

    address: str
    user: str
    known_hosts: Path
    port: int = 22
    key_file: Path | None = None
    password: str | None = field(default=None, repr=False)
    sudo: bool = True
    via: str = ""
    sudo_password: str | None = field(default=None, repr=False)
    old_ssh: bool = False

    @classmethod
    def of(cls, spec: Reachable, environ: Mapping[str, str]) -> "Login":
        """Return the login of a lab file's machine, its passwords taken from `environ`.

        :raises UsageError: the lab file names an environment variable that is not set.
        """
        password, for_sudo = (
            _named(spec, variable, environ) for variable in (spec.password_env, spec.sudo_password_env)
        )
        via = "the hosts" if spec.via == HOSTS else spec.via or ""
        return cls(
            spec.ssh_host,
            spec.user,
            spec.known_hosts,
            spec.port,
            spec.key_file,
            password,
            spec.sudo,
            via,
            for_sudo or environ.get(asked_for(spec.name)) or None,
            spec.old_ssh,
        )

    @property
    def host_key_name(self) -> str:
        """The name to look for in known_hosts: the address, or "[address]:port" for another port than 22."""
        return self.address if self.port == 22 else f"[{self.address}]:{self.port}"


def secrets_of(spec: LabFile, environ: Mapping[str, str]) -> tuple[str, ...]:
    """Every password that the logins of a lab use: what no record and no report may show.

    One whose environment variable is not set is left out: `Login.of` says so.
    """
    machines = (*spec.hosts, *spec.guests, *spec.jumps)
    names = (*sorted(spec.password_variables), *(asked_for(machine.name) for machine in machines))
    return tuple(dict.fromkeys(filter(None, (environ.get(name) for name in names))))


def asked_for(machine: str) -> str:
    """What stands for a variable's name where the password for sudo was asked for, not named: no shell can set it."""
    return f"sudo on {machine}"


def _named(spec: Reachable, variable: str | None, environ: Mapping[str, str]) -> str | None:
    if variable is None:
        return None
    if not (password := environ.get(variable)):
        raise UsageError(
            f"the environment variable {variable}, the password of {spec.name}, is not set",
            hint=f"export {variable}=... before the call",
        )
    return password


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of a connection, in seconds; an emulated host needs most of them.

    `connect` is TCP's, `banner` the server's first words and the key exchange after them. `silence` is how long sent
    data may stay unacknowledged before the kernel gives the connection up (RFC 5482, TCP_USER_TIMEOUT); with
    `keepalive` there is always something to acknowledge, which finds a dead peer. 0 turns either off.
    """

    connect: float = 15.0
    banner: float = 30.0
    login: float = 30.0
    channel: float = 20.0
    keepalive: int = 15
    silence: float = 120.0
