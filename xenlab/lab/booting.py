"""Waiting until a guest that is booting takes logins, and looking what keeps one from it."""

from contextlib import suppress

from xenlab.errors import CannotObserve, LabFault, XenlabError
from xenlab.lab.dom0 import Dom0
from xenlab.lab.judging.ended import (
    another_machine_answers,
    ended_while_booting,
    out_of_our_reach,
    silent_while_booting,
)
from xenlab.lab.looking import look_at_domains, look_at_logs
from xenlab.lab.looks import Unknown, known
from xenlab.labfile import GuestSpec
from xenlab.probes.neighbours import macs_at, neighbours
from xenlab.remote import commands, network
from xenlab.remote.errors import HostUnreachable
from xenlab.remote.machine import Machine
from xenlab.remote.sections import Answer
from xenlab.remote.waiting import wait_for
from xenlab.xen import xl

# xl list costs an emulated host a second that a booting guest would need: it is asked rarely.
_LOGIN_SECONDS = 30.0
_PAUSE_SECONDS = 2.0
_SCREEN_SECONDS = 10.0
_ASKED_SECONDS = 30.0


def await_logins(guest: GuestSpec, machine: Machine, host: Dom0, seconds: float) -> None:
    """Wait until a guest that boots on the host takes logins.

    :raises LabFault: its domain crashed or is gone.
    :raises HostKeyMismatch: another machine answers, or it has another key by now; see `other_machine_at`.
    :raises NotInTime: it does not within so many seconds; see `why_no_logins`.
    """

    def logs_in() -> bool:
        with suppress(HostUnreachable):
            machine.wait_until_reachable(_LOGIN_SECONDS, f"a login on {guest.name}")
            return True
        look = look_at_domains(host)
        row = next(
            (row for row in known(look.rows, f"xl list on {host.name}", look.ids) if row.name == guest.name), None
        )
        if row is None or row.crashed:
            logs = look_at_logs(host, 0, 0, guest.name)
            raise ended_while_booting(guest, look, logs, is_listed=row is not None)
        return False

    wait_for(logs_in, f"{guest.name} to boot and take logins on {host.name}", seconds, _PAUSE_SECONDS)


def why_no_logins(guest: GuestSpec, machine: Machine, host: Dom0, seconds: float) -> XenlabError:
    """What keeps a guest that runs from being logged in on, within so many seconds, as its own host sees it.

    A guest that its host can ping is there: then its host tries its SSH server as well, since it may be this machine
    that has no way to it.
    """
    pinged = host.remote.run(*commands.ping_few(guest.address), timeout=_ASKED_SECONDS)
    if pinged.ok and guest.login == "ssh":
        tried = host.remote.run(*commands.ssh_server(guest.address, guest.own_port), timeout=_ASKED_SECONDS)
        answer = Answer(tried.exit_code, tried.stdout, tried.stderr)
        return out_of_our_reach(guest, host.name, seconds, answer, (pinged.id, tried.id))
    screen, ids = _read_screen(guest, machine, host)
    return silent_while_booting(guest, host.name, seconds, screen, (pinged.id, *ids))


def other_machine_at(guest: GuestSpec, host: Dom0) -> LabFault | None:
    """The fault that another machine has the guest's address, where the guest's host sees one there."""
    with suppress(CannotObserve):
        pinged = host.remote.run(*commands.ping_few(guest.address), timeout=_ASKED_SECONDS)
        table = host.remote.run(*network.neighbours_like(guest.address), timeout=_ASKED_SECONDS)
        look = look_at_domains(host)
        stored = () if isinstance(look.stored, Unknown) else look.stored
        macs = {mac for domain in stored if domain.name == guest.name for mac in domain.macs}
        holders = macs_at(guest.address, neighbours(table.check().stdout))
        return another_machine_answers(guest, host.name, holders, macs, (pinged.id, table.id, *look.ids))
    return None


def _read_screen(guest: GuestSpec, machine: Machine, host: Dom0) -> tuple[str | Unknown, tuple[str, ...]]:
    machine.close()  # it may be on the console itself
    try:
        shown = host.remote.read_screen(*xl.console(guest.name), timeout=_SCREEN_SECONDS)
    except CannotObserve as unseen:
        return Unknown(unseen.message, unseen.hint), unseen.evidence
    return shown.stdout, (shown.id,)
