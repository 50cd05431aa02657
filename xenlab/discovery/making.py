"""A lab file made, or added to, from what a call says and what the hosts show."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from xenlab.discovery import given as said
from xenlab.discovery.access import Access
from xenlab.discovery.given import Given, SshTarget
from xenlab.discovery.keys import KNOWN_HOSTS, Confirm, KnownKeys
from xenlab.discovery.proposal import Missing, Proposal, Proposed
from xenlab.discovery.proposing import propose
from xenlab.discovery.session import Ask, Call, Discovery, discover
from xenlab.discovery.writing import differences, merged, parsed, save, still_missing, written
from xenlab.errors import UsageError
from xenlab.evidence.recorder import Journal
from xenlab.lab.sudo_passwords import AskPassword
from xenlab.labfile import LabFile, loads

_NOTHING = Proposal(Proposed("", ""), (), (), ())


@dataclass(frozen=True, slots=True)
class Request:
    """What a call wants: the lab file `path`, new or added to (`update`), and all that it says of the lab.

    `key_file` and `known_hosts` are None where the call names none; `old_ssh` are machines, as named to log in on them,
    that may be reached by old SSH.
    """

    path: Path
    update: bool
    targets: tuple[SshTarget, ...]
    jumps: tuple[SshTarget, ...] = ()
    key_file: Path | None = None
    password_env: str = ""
    sudo_password_env: str = ""
    known_hosts: Path | None = None
    fingerprints: tuple[str, ...] = ()
    old_ssh: frozenset[str] = frozenset()
    given: Given = Given()  # noqa: RUF009  # it is frozen


@dataclass(frozen=True, slots=True)
class Talk:
    """How one speaks with whoever calls: all but `say` are None where nobody sits there."""

    say: Callable[[str], None]
    ask: Ask | None = None
    confirm: Confirm | None = None
    ask_password: AskPassword | None = None


@dataclass(frozen=True, slots=True)
class Made:
    """What is to be written, if nothing is missing; `words` were answered; `targets` is whom was logged in on."""

    proposal: Proposal
    targets: tuple[SshTarget, ...]
    words: tuple[str, ...] = ()


def text_there(request: Request) -> str | None:
    """The text of the lab file that is there already; None where there is none.

    :raises UsageError: there is one that is not to be added to, or none that is, or it cannot be read.
    """
    path = request.path
    if not request.update:
        if path.exists():
            raise UsageError(f"{path} is there already, and is not overwritten", hint="--update adds to it")
        return None
    try:
        return path.read_text(encoding="utf-8")
    except OSError as problem:
        raise UsageError(f"{path}: {problem.strerror}", hint="leave out --update to have one made") from problem
    except UnicodeDecodeError as problem:
        raise UsageError(f"{path}: not UTF-8 text: {problem}") from problem


def find_out(request: Request, text: str | None, talk: Talk, journal: Journal, environ: Mapping[str, str]) -> Made:
    """Look at the hosts, and ask what they do not show; every command goes to `journal`.

    Whoever names one host is asked for the other, by what the first one shows.

    :raises UsageError: the call is wrong; :raises CannotObserve: a host cannot be logged in on.
    """
    data = parsed(text).unwrap() if text is not None else {}
    folder = request.path.absolute().parent
    login, known = said.login_of(data), request.given.over(said.of_lab_file(data))
    targets = request.targets or said.targets_of(data)
    if len(targets) > 2:
        raise UsageError(f"a lab has two hosts, not {len(targets)}")
    while True:
        targets, jumps = (_by_old_ssh(machines, request) for machines in (targets, request.jumps or login.jumps))
        if targets and (strange := request.old_ssh - {machine.host for machine in (*targets, *jumps)}):
            raise UsageError(f"--old-ssh {sorted(strange)[0]}: no host, and no jump host, is named so in this call")
        call = Call(
            targets,
            jumps,
            request.key_file or _local(login.key_file, folder),
            request.password_env or login.password_env,
            request.sudo_password_env or login.sudo_password_env,
            said.names_of(data),
        )
        others = request.known_hosts or _local(login.known_hosts, folder)
        made = _look(replace(request, known_hosts=others), call, known, (text, data), talk, journal, environ)
        other = next((one for one in made.proposal.missing if one.key == "hosts" and len(targets) < 2), None)
        if talk.ask is None or other is None or not (word := talk.ask(other).strip()):
            return made
        targets = (*targets, *map(said.target, word.split()))


def write(request: Request, made: Made, text: str | None) -> tuple[LabFile, bool]:
    """Write the lab file, or add to it; returns what it says then, and whether anything was written.

    :raises UsageError: it would be no lab file (a line a problem), or cannot be written.
    """
    new = written(made.proposal) if text is None else merged(text, made.proposal)
    lab = loads(new, request.path.name, request.path.absolute().parent)
    if new != text:
        save(request.path, new, over=text)
    return lab, new != text


def _look(
    request: Request,
    call: Call,
    known: Given,
    there: tuple[str | None, Mapping[str, object]],
    talk: Talk,
    journal: Journal,
    environ: Mapping[str, str],
) -> Made:
    if not call.targets:
        missing = Missing("hosts", "no host was named: a lab has two", form="USER@HOST USER@HOST")
        return Made(replace(_NOTHING, missing=(missing,)), ())
    folder = request.path.absolute().parent
    users = Path("~/.ssh/known_hosts").expanduser()
    keys = KnownKeys(folder / KNOWN_HOSTS, request.known_hosts or users, request.fingerprints, talk.confirm)

    def file_with(name: str) -> str:
        file = keys.file_for(name)
        return "" if file == users else _as_written(file, folder)

    key_file = _as_written(call.key_file, folder) if call.key_file else ""
    access = Access(key_file, call.password_env, call.sudo_password_env, call.jumps, file_with)
    with Discovery(call, keys, journal.append, environ, talk.ask_password) as found:
        talk.say(f"logging in on {' and '.join(map(str, call.targets))}")
        unmet = found.connect()
        for secret in found.secrets:
            journal.add_secret(secret)
        if unmet:
            return Made(replace(_NOTHING, missing=unmet), call.targets)
        talk.say("looking at domains, networks, mounts, exports and configs")
        seen = discover(found, known, talk.ask, lambda lab, given: propose(lab, given, access))
    # Only now, as keys that were confirmed meanwhile lie in another file.
    proposal = propose(seen.lab, seen.given, access)
    wanted, remarks = proposal.missing, [*proposal.remarks, *seen.remarks]
    text, data = there
    if text is not None:
        wanted = still_missing(data, wanted)
        remarks += differences(data, propose(seen.lab, request.given, access))
    proposal = replace(proposal, missing=(*wanted, *seen.unknown_keys), remarks=tuple(dict.fromkeys(remarks)))
    return Made(proposal, call.targets, seen.words)


def _by_old_ssh(machines: tuple[SshTarget, ...], request: Request) -> tuple[SshTarget, ...]:
    return tuple(replace(one, old_ssh=one.old_ssh or one.host in request.old_ssh) for one in machines)


def _local(name: str, folder: Path) -> Path | None:
    """A file of this machine, as a lab file in that folder names it."""
    return folder / Path(name).expanduser() if name else None


def _as_written(file: Path, folder: Path) -> str:
    """A file of this machine for a lab file in that folder: what lies beside it goes with it."""
    return str(file.relative_to(folder)) if file.is_relative_to(folder) else str(file)
