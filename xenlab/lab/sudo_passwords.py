"""The passwords that sudo wants on a lab's hosts where the lab file names no variable for them: asked for once.

Whoever grades may have no terminal, so this is done before. It logs in, asks sudo whether it would ask, and no more.
"""

from collections.abc import Callable, Mapping, Sequence

from xenlab.errors import CannotObserve, UsageError
from xenlab.lab.dom0 import Dom0
from xenlab.lab.lab import Lab
from xenlab.labfile import LabFile
from xenlab.remote.errors import SudoRefused
from xenlab.remote.login import asked_for

AskPassword = Callable[[Sequence[str]], str]
"""Asks whoever sits there for the password of these accounts ("student on baye"); "" where they give none."""


def sudo_passwords(spec: LabFile, environ: Mapping[str, str], ask: AskPassword | None) -> dict[str, str]:
    """What is missing in `environ` for sudo to run on every host, by names that `Login.of` looks for.

    `ask` is None where nobody sits there. A host that cannot be seen is left to whoever grades it.

    :raises UsageError: a password is wrong, or there is none, or sudo runs nothing for that user: one line.
    """
    users = {host.name: f"{host.user} on {host.name}" for host in spec.hosts if host.user != "root" and host.sudo}
    wants = _refusals(spec, environ, users)
    if not wants:
        return {}
    password = ask([users[name] for name in wants]) if ask else ""
    if not password:
        raise _usage(next(iter(wants.values())))
    asked = {asked_for(name): password for name in wants}
    for refusal in _refusals(spec, {**environ, **asked}, wants).values():
        raise _usage(refusal)
    return asked


def _refusals(spec: LabFile, environ: Mapping[str, str], names: Mapping[str, object]) -> dict[str, SudoRefused]:
    """Of these hosts, those on which sudo wants a password; raises UsageError where it refuses for another reason."""
    if not names:
        return {}
    with Lab(spec, lambda _record: "", environ, read_only=True) as lab:
        found = lab.hosts.at_once(lambda host: _refusal(host) if host.name in names else None)
    refusals = {host.name: refusal for host, refusal in zip(spec.hosts, found, strict=True) if refusal is not None}
    for refusal in refusals.values():
        if not refusal.wants_password:
            raise _usage(refusal)
    return refusals


def _refusal(host: Dom0) -> SudoRefused | None:
    try:
        return host.remote.sudo_refusal()
    except SudoRefused as refusal:
        return refusal
    except CannotObserve:
        return None


def _usage(refusal: SudoRefused) -> UsageError:
    return UsageError(refusal.message, hint=refusal.hint)
