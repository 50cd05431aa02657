"""Interactive ways into the running embedded lab: ssh's command lines."""

from collections.abc import Sequence

from xenlab.errors import UsageError
from xenlab.labfile import GuestSpec, HostSpec, LabFile
from xenlab.xen import xl


def ssh(spec: LabFile, machine: str, command: Sequence[str]) -> list[str]:
    """An ssh to a host or guest, its host key verified; raises UsageError when the lab has none of that name."""
    machines: dict[str, HostSpec | GuestSpec] = {host.name: host for host in spec.hosts}
    machines |= {guest.name: guest for guest in spec.guests}
    if machine not in machines:
        raise UsageError(f"no machine is called {machine!r}: this lab has {', '.join(machines)}")
    found = machines[machine]
    # ssh takes several files there, separated by spaces, unless quoted (ssh_config(5)).
    known_hosts = f'UserKnownHostsFile="{found.known_hosts}"'
    options = ["-i", str(found.key_file), "-o", known_hosts, "-o", "IdentitiesOnly=yes"]
    return ["ssh", *options, "-p", str(found.port), f"{found.user}@{found.ssh_host}", *command]


def console(spec: LabFile, guest: str, host: str) -> list[str]:
    """An `xl console` of the guest on the host that has it."""
    line = ssh(spec, host, xl.console(guest))
    return [line[0], "-t", *line[1:]]
