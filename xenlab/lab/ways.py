"""How each machine of a lab is reached: by this machine itself, or through others, whose connections are shared."""

from collections.abc import Mapping

from xenlab.labfile import HOSTS, LabFile, Reachable
from xenlab.remote.jump import Jump, through
from xenlab.remote.login import Login
from xenlab.remote.ssh_client import Way, connect_tcp


class Ways:
    """The ways to the machines of a lab file; passwords come from `environ`."""

    def __init__(self, spec: LabFile, environ: Mapping[str, str]) -> None:
        self._hosts = tuple(host.name for host in spec.hosts)
        self._specs: dict[str, Reachable] = {machine.name: machine for machine in (*spec.hosts, *spec.jumps)}
        self._environ = environ
        self._jumps: dict[str, Jump] = {}

    def to(self, machine: Reachable) -> Way:
        """The way to its SSH server, taken when it is first needed.

        :raises UsageError: a password's environment variable is not set.
        """
        if machine.via is None:
            return connect_tcp
        names = self._hosts if machine.via == HOSTS else (machine.via,)
        return through([self._jump(name) for name in names])

    def close(self) -> None:
        """Close every connection on the way, and with it what goes through it."""
        for jump in self._jumps.values():
            jump.close()

    def _jump(self, name: str) -> Jump:
        if name not in self._jumps:
            spec = self._specs[name]
            self._jumps[name] = Jump(name, Login.of(spec, self._environ), way=self.to(spec))
        return self._jumps[name]
