"""A guest that does not come up: because its domain ended, or as its console and its own host show. Pure."""

from collections.abc import Collection

from xenlab.causes import Names, find_causes, remedy
from xenlab.errors import CannotObserve, LabFault
from xenlab.lab.looks import DomainsLook, LogsLook, Unknown
from xenlab.labfile import GuestSpec
from xenlab.probes.neighbours import who_has
from xenlab.remote.prompts import shows_login_prompt
from xenlab.remote.sections import Answer
from xenlab.xen.logs import DomainEnd, domain_end

_SHOWN = 200
_PANICS = ("guest-kernel-panicked", "root-disk-not-found")


def ended_while_booting(guest: GuestSpec, look: DomainsLook, logs: LogsLook, *, is_listed: bool) -> LabFault:
    """Its domain crashed and is kept (`is_listed`), or is gone: as `xl` and its console noted it, where they did."""
    texts = logs.texts.get("guest", Unknown("it was not asked for"))
    end = None if isinstance(texts, Unknown) else domain_end(guest.name, texts)
    crashed = is_listed or (end is not None and end.crashed)
    actual = "its domain crashed" if is_listed else "its domain is gone"
    if end is not None:
        actual += f" ({end.line})" if is_listed else f": {end.words} ({end.line})"
    panic, what_to_do = _panic(end, guest.name, look.host)
    shows = f"xl create -c {guest.config} shows its console"
    keeps = '; on_crash="preserve" in it keeps a domain that crashed' if crashed and not is_listed else ""
    return LabFault(
        f"{guest.name} {'crashed' if crashed else 'ended'} while booting on {look.host}",
        expected=f"{guest.name} boots on {look.host}",
        actual=f"{actual}; its console: {panic}" if panic else actual,
        hint=f"{what_to_do}; {shows}" if panic else f"{shows}{keeps}",
        host=look.host,
        guest=guest.name,
        evidence=(*look.ids, *logs.ids),
    )


def silent_while_booting(
    guest: GuestSpec, host: str, seconds: float, screen: str | Unknown, evidence: tuple[str, ...]
) -> LabFault:
    """It runs, and took no login within `seconds`; `screen` is what its console showed then."""
    actual, hint = f"not within {seconds:.0f} s", f"xl console {guest.name} on {host} shows how far it is"
    if isinstance(screen, str) and (last := screen.strip()):
        found = next((match for match in find_causes(screen) if match.cause.side == "guest"), None)
        actual += f"; its console: {found.line if found else last.splitlines()[-1].strip()[-_SHOWN:]}"
        if found:
            hint = f"{remedy(found, Names(source=host, guest=guest.name))}; {hint}"
        elif guest.login == "ssh" and shows_login_prompt(screen):
            hint = (
                f"it is up, and nobody answers at {guest.address}: log in by xl console {guest.name} on {host}, and "
                "see whether that is its address (ip address), and whether its vif is on the lab's bridge"
            )
    return _takes_no_login(guest, host, seconds, actual, hint, evidence)


def out_of_our_reach(
    guest: GuestSpec, host: str, seconds: float, tried: Answer, evidence: tuple[str, ...]
) -> LabFault | CannotObserve:
    """Its host can ping it, and here it took no login within `seconds`; `tried` is ssh-keyscan's answer on the host."""
    if not tried.stdout.strip() and "refused" in tried.stderr:
        actual = f"{host} can ping it, and its port {guest.own_port} refuses connections"
        hint = f"does its SSH server run, and start at each boot? xl console {guest.name} on {host} gets into it"
        return _takes_no_login(guest, host, seconds, actual, hint, evidence)
    return CannotObserve(
        f"{guest.name} took no login within {seconds:.0f} s: {host} can ping it, this machine cannot log in",
        hint=f"is there a route from {guest.via or 'here'} to {guest.address}, and does an sshd listen there?",
        evidence=evidence,
    )


def another_machine_answers(
    guest: GuestSpec, host: str, holders: Collection[str], macs: Collection[str], evidence: tuple[str, ...]
) -> LabFault | None:
    """At its address another machine answers, by the MACs that its host has seen there (`holders`) and those of its
    vifs; None where they do not say so.
    """
    strangers = sorted(set(holders) - set(macs))
    if not (strangers and macs):
        return None
    return LabFault(
        f"another machine has the address of {guest.name}",
        expected=f"{guest.name} at {guest.address}, by its vif's {' or '.join(sorted(macs))}",
        actual=f"{' and '.join(strangers)} answers at {guest.address} on {host}'s network, with another host key",
        hint=f"give each machine an address of its own: {who_has(guest.address)} show who has it",
        host=host,
        guest=guest.name,
        evidence=evidence,
    )


def _takes_no_login(
    guest: GuestSpec, host: str, seconds: float, actual: str, hint: str, evidence: tuple[str, ...]
) -> LabFault:
    return LabFault(
        f"{guest.name} did not boot within {seconds:.0f} s on {host}",
        expected=f"{guest.name} boots and takes logins on {host}",
        actual=actual,
        hint=hint,
        host=host,
        guest=guest.name,
        evidence=evidence,
    )


def _panic(end: DomainEnd | None, guest: str, host: str) -> tuple[str, str]:
    """The line of its console that says why it crashed, and what to do."""
    if end is None or not end.crashed:
        return "", ""  # an older boot's end is not this one's
    found = next((match for match in find_causes(end.console) if match.cause.id in _PANICS), None)
    return (found.line, remedy(found, Names(source=host, guest=guest))) if found else ("", "")
