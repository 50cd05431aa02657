"""How this machine gets to the lab's machines, in the words of a lab file. Pure."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from xenlab.discovery.given import SshTarget
from xenlab.discovery.hosts import AS_GIVEN
from xenlab.discovery.proposal import Proposed

_OF_THE_CALL = f"{AS_GIVEN} on the command line"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True, slots=True)
class Access:
    """What all machines are logged in with, and through whom.

    `jumps` are the machines on the way, in order; `known_hosts` tells the file that has the key of a server, by what
    known_hosts calls that: "" for the user's own.
    """

    key_file: str = ""
    password_env: str = ""
    sudo_password_env: str = ""
    jumps: tuple[SshTarget, ...] = ()
    known_hosts: Callable[[str], str] = lambda _name: ""

    def entry(self, target: SshTarget, address: str) -> Iterator[tuple[str, Proposed]]:
        """What a lab file says of the way to a machine whose address on its own network is this one."""
        said = {
            "ssh_address": target.host if target.host != address else "",
            "user": target.user if target.user != "root" else "",
            "port": target.port if target.port != 22 else "",
            "key_file": self.key_file,
            "password_env": self.password_env,
        }
        yield from ((key, Proposed(value, _OF_THE_CALL)) for key, value in said.items() if value)
        if target.old_ssh:
            yield "old_ssh", Proposed(value=True, where="--old-ssh: SHA-1, until its sshd is upgraded")
        if known_hosts := self.known_hosts(key_name(target)):
            yield "known_hosts", Proposed(known_hosts, "it has the host key that was verified")

    def for_sudo(self, target: SshTarget) -> Iterator[tuple[str, Proposed]]:
        """What a lab file says of sudo on a host."""
        if self.sudo_password_env and target.user != "root":
            yield "sudo_password_env", Proposed(self.sudo_password_env, _OF_THE_CALL)

    def through(self) -> Iterator[tuple[str, Proposed]]:
        """Through whom the hosts are reached."""
        if self.jumps:
            yield "via", Proposed(jump_names(self.jumps)[-1], _OF_THE_CALL)

    def jump_entries(self) -> Iterator[dict[str, Proposed]]:
        """The [[jumps]] tables."""
        before = ""
        for jump, name in zip(self.jumps, jump_names(self.jumps), strict=True):
            entry = {"name": Proposed(name, _OF_THE_CALL), "address": Proposed(jump.host, _OF_THE_CALL)}
            entry |= dict(self.entry(jump, jump.host))
            if before:
                entry["via"] = Proposed(before, _OF_THE_CALL)
            before = name
            yield entry


def key_name(target: SshTarget) -> str:
    """What known_hosts calls a server (sshd(8))."""
    return target.host if target.port == 22 else f"[{target.host}]:{target.port}"


def jump_names(jumps: tuple[SshTarget, ...]) -> tuple[str, ...]:
    """What the lab file calls the machines on the way."""
    return tuple(jump.host if _NAME.fullmatch(jump.host) else f"jump{number}" for number, jump in enumerate(jumps, 1))
