"""A guest that does not come up: because its domain ended, or as its console shows. Pure."""

from xenlab.causes import Names, find_causes, remedy
from xenlab.errors import LabFault
from xenlab.lab.looks import DomainsLook, LogsLook, Unknown
from xenlab.labfile import GuestSpec
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
    guest: str, host: str, seconds: float, screen: str | Unknown, evidence: tuple[str, ...]
) -> LabFault:
    """It runs, and took no login within `seconds`; `screen` is what its console showed then."""
    actual, hint = f"not within {seconds:.0f} s", f"xl console {guest} on {host} shows how far it is"
    if isinstance(screen, str) and (last := screen.strip()):
        found = next((match for match in find_causes(screen) if match.cause.side == "guest"), None)
        actual += f"; its console: {found.line if found else last.splitlines()[-1].strip()[-_SHOWN:]}"
        hint = f"{remedy(found, Names(source=host, guest=guest))}; {hint}" if found else hint
    return LabFault(
        f"{guest} did not boot within {seconds:.0f} s on {host}",
        expected=f"{guest} boots and takes logins on {host}",
        actual=actual,
        hint=hint,
        host=host,
        guest=guest,
        evidence=evidence,
    )


def _panic(end: DomainEnd | None, guest: str, host: str) -> tuple[str, str]:
    """The line of its console that says why it crashed, and what to do."""
    if end is None or not end.crashed:
        return "", ""  # an older boot's end is not this one's
    found = next((match for match in find_causes(end.console) if match.cause.id in _PANICS), None)
    return (found.line, remedy(found, Names(source=host, guest=guest))) if found else ("", "")
