"""Machines on the way: SSH servers that carry connections on to others (RFC 4254, section 7.2).

Each is logged in on once, its host key verified like any other, and carries all that goes through it.
"""

from collections.abc import Sequence
from threading import Lock
from typing import NoReturn

import paramiko

from xenlab.errors import CannotObserve
from xenlab.remote.errors import HostUnreachable, JumpUnreachable, JumpUnusable
from xenlab.remote.login import Limits, Login
from xenlab.remote.ssh_client import Carried, Way, connect_tcp, open_client, still_answers, where

_PROHIBITED = 1  # SSH_OPEN_ADMINISTRATIVELY_PROHIBITED (RFC 4254, section 5.1)


class Jump:
    """One machine on the way; `way` is how it is reached itself. Several threads may use it together."""

    def __init__(self, name: str, login: Login, limits: Limits | None = None, way: Way = connect_tcp) -> None:
        self.name = name
        self._login = login
        self._limits = limits or Limits()
        self._way = way
        self._opening = Lock()
        self._client: paramiko.SSHClient | None = None
        self._transport: paramiko.Transport | None = None

    @property
    def is_open(self) -> bool:
        """Whether it is connected to, as far as is known here."""
        return self._transport is not None and self._transport.is_active()

    def connect(self, name: str, login: Login, limits: Limits) -> Carried:
        """A connection from it to the SSH server of another machine's login.

        :raises HostUnreachable: it says, or shows by its silence, that there is none to be had.
        :raises JumpUnreachable: it does not answer itself, or fell silent.
        :raises JumpUnusable: it answers, but cannot be logged in on, or lets nobody go on.
        """
        transport = self._current(name)
        there = (login.address, login.port)
        try:
            return Carried(transport.open_channel("direct-tcpip", there, ("127.0.0.1", 0), timeout=limits.connect))
        except paramiko.ChannelException as refusal:
            self._refused(refusal, where(name, login))
        except (paramiko.SSHException, EOFError, OSError) as failure:
            if still_answers(transport, limits.channel):
                raise HostUnreachable(
                    f"{where(name, login)} cannot be reached from {self.name}: no answer"
                ) from failure
            raise JumpUnreachable(f"{name} is reached through {self.name}, which does not answer any more") from failure

    def close(self) -> None:
        """Close the connection, and with it all that it carries; a later use opens a new one."""
        with self._opening:
            if self._client is not None:
                self._client.close()
            self._client = self._transport = None

    def _current(self, towards: str) -> paramiko.Transport:
        with self._opening:
            if self._transport is not None and self._transport.is_active():
                return self._transport
            if self._client is not None:
                self._client.close()
            try:
                self._client, self._transport = open_client(self.name, self._login, self._limits, self._way)
            except CannotObserve as failure:
                kind = JumpUnreachable if isinstance(failure, HostUnreachable) else JumpUnusable
                raise kind(
                    f"{towards} is reached through {self.name}: {failure.message}", hint=failure.hint
                ) from failure
            return self._transport

    def _refused(self, refusal: paramiko.ChannelException, there: str) -> NoReturn:
        if refusal.code == _PROHIBITED:
            raise JumpUnusable(
                f"{self.name} lets no connection go on to {there}",
                hint=f"see AllowTcpForwarding and PermitOpen in the sshd_config of {self.name}, and options such as "
                "restrict before the key in its authorized_keys",
            ) from refusal
        raise HostUnreachable(
            f"{there} cannot be reached from {self.name}: {refusal.text}",
            hint=f"is it up, is its address right as {self.name} sees it, and does its sshd listen there?",
        ) from refusal


def through(jumps: Sequence[Jump]) -> Way:
    """The way through whichever of `jumps` gets there; one that is connected to already is tried first."""

    def connect(name: str, login: Login, limits: Limits) -> Carried:
        failures: list[CannotObserve] = []
        for jump in sorted(jumps, key=lambda jump: not jump.is_open):
            try:
                return jump.connect(name, login, limits)
            except (HostUnreachable, JumpUnusable) as failure:
                failures.append(failure)
        # That the machine itself does not answer says more than that another way to it is closed.
        raise min(failures, key=lambda failure: isinstance(failure, JumpUnreachable | JumpUnusable))

    return connect
