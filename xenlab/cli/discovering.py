"""Finding out one's own lab: its lab.toml, made from what both hosts show."""

import argparse
import os
import shlex
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from xenlab.cli.grammar import Verbs, add_verb
from xenlab.errors import UsageError
from xenlab.evidence.text import plain

if TYPE_CHECKING:
    from xenlab.discovery.given import Given, SshTarget
    from xenlab.discovery.proposal import Missing, Proposal
    from xenlab.discovery.session import Ask, Call
    from xenlab.evidence.recorder import Journal
    from xenlab.remote.errors import ShownKey

_WORDS = """\
Reads only: no command of it changes anything on a host. Behind each value of the lab.toml stands where it was seen.
On a terminal it asks what it could not find; elsewhere it lists that, writes nothing, and ends with exit status 2.

  -J and passwords: a jump host is [USER@]HOST[:PORT]; a password is never given, only the name of a variable with it
  host keys:        one that no known_hosts file has is shown and asked for, or else must be given by --fingerprint;
                    it is then kept in the file known_hosts beside the lab.toml
"""


def add_verbs(verbs: Verbs) -> None:
    """Add `init`."""
    init = add_verb(
        verbs,
        "init",
        _init,
        "make the lab.toml of your own two hosts, from what they show",
        "root@192.0.2.189 root@192.0.2.143",
    )
    init.formatter_class = argparse.RawDescriptionHelpFormatter
    init.description = f"Make the lab.toml of your own two hosts, from what they show.\n\n{_WORDS}"
    init.add_argument("hosts", nargs="*", metavar="[USER@]HOST[:PORT]", help="both Dom0s, as ssh reaches them")
    init.add_argument("--lab", type=Path, default=Path("lab.toml"), metavar="PATH", help="the file (default: lab.toml)")
    init.add_argument("--update", action="store_true", help="add what the file does not say; what it says stays")
    init.add_argument("-i", "--identity", metavar="FILE", help="the private key (default: SSH agent and your own keys)")
    init.add_argument("-J", "--jump", metavar="HOST[,HOST...]", help="through these machines, in this order")
    init.add_argument("--password-env", default="", metavar="NAME", help="the environment variable with the password")
    init.add_argument(
        "--known-hosts", type=Path, metavar="FILE", help="where host keys are known (default: ~/.ssh/known_hosts)"
    )
    init.add_argument(
        "--fingerprint", action="append", default=[], metavar="SHA256:...", help="of a host key that is right"
    )
    given = init.add_argument_group("what is known anyway")
    given.add_argument("--name", default="", help="the lab's name")
    given.add_argument("--share", metavar="[SERVER:EXPORT=]MOUNT_POINT", help="which share it is")
    given.add_argument("--ping-target", default="", metavar="ADDRESS", help="what guests ping from inside")
    for option, form, what in (
        ("--host", "NAME=ADDRESS", "a host's address on the lab's network"),
        ("--guest", "NAME=[USER@]ADDRESS", "a guest's address"),
        ("--config", "NAME=PATH", "a guest's config on the share"),
        ("--home", "NAME=HOST", "where a guest belongs"),
        ("--leave-out", "NAME", "a guest that is not the lab's"),
    ):
        given.add_argument(option, action="append", default=[], metavar=form, help=what)


def _init(arguments: argparse.Namespace) -> int:
    from xenlab.discovery.given import target

    ask = _ask if sys.stdin.isatty() and sys.stderr.isatty() else None
    text = _text_there(arguments.lab, update=arguments.update)
    _say("init only reads: it changes nothing on any host")
    targets = [target(word) for word in arguments.hosts]
    while True:
        call, given, own = _call(arguments, tuple(targets), text)
        proposal, answers, journal = _found(arguments, call, (given, own), ask, text)
        wanted = next((one for one in proposal.missing if one.key == "hosts" and len(call.targets) < 2), None)
        if ask is None or wanted is None or not (word := ask(wanted).strip()):
            break
        targets = [*call.targets, target(word)]
    if not proposal.missing:
        print(_written(arguments.lab, proposal, text))
    for remark in proposal.remarks:
        print(plain(f"note: {' '.join(remark.split())}"))
    print(_of_the_journal(journal))
    if proposal.missing:
        _tell(proposal.missing)
        words = shlex.join([*map(str, targets), *_options(arguments), *answers])
        print(plain(f"next: {' '.join(filter(None, ['./lab init', words, _wanted(proposal.missing)]))}"))
        return 2
    print(f"next: ./lab verify --lab {shlex.quote(str(arguments.lab))}")
    return 0


def _text_there(path: Path, *, update: bool) -> str | None:
    """The lab file that is there already; None where there is none.

    :raises UsageError: there is one that is not to be added to, or none that is, or it cannot be read.
    """
    if not update:
        if path.exists():
            raise UsageError(f"{path} is there already, and is not overwritten", hint="--update adds to it")
        return None
    try:
        return path.read_text(encoding="utf-8")
    except OSError as problem:
        raise UsageError(f"{path}: {problem.strerror}", hint="leave out --update to have one made") from problem
    except UnicodeDecodeError as problem:
        raise UsageError(f"{path}: not UTF-8 text: {problem}") from problem


def _call(
    arguments: argparse.Namespace, targets: "tuple[SshTarget, ...]", text: str | None
) -> "tuple[Call, Given, Given]":
    """Whom to log in on, what is known by the call or the lab file that is there, and what by the call alone."""
    from xenlab.discovery import given as said
    from xenlab.discovery.session import Call
    from xenlab.discovery.writing import parsed

    data = parsed(text).unwrap() if text is not None else {}
    login = said.login_of(data)
    folder = arguments.lab.absolute().parent
    key_file = Path(arguments.identity).expanduser().absolute() if arguments.identity else None
    if key_file is None and login.key_file:
        key_file = folder / Path(login.key_file).expanduser()
    jumps = tuple(said.target(word) for word in arguments.jump.split(",")) if arguments.jump else login.jumps
    call = Call(
        targets or said.targets_of(data),
        jumps,
        key_file,
        arguments.password_env or login.password_env,
        said.names_of(data),
    )
    own = said.Given(
        arguments.name,
        said.share(arguments.share) if arguments.share else None,
        said.pairs("--host", arguments.host),
        said.pairs("--guest", arguments.guest),
        said.pairs("--config", arguments.config),
        said.pairs("--home", arguments.home),
        arguments.ping_target,
        frozenset(arguments.leave_out),
    )
    return call, own.over(said.of_lab_file(data)), own


def _found(
    arguments: argparse.Namespace, call: "Call", given: "tuple[Given, Given]", ask: "Ask | None", text: str | None
) -> "tuple[Proposal, tuple[str, ...], Journal]":
    """What the lab is, what was answered meanwhile, and all that was run for it; `given` as `_call` returns it."""
    from xenlab.discovery.keys import KNOWN_HOSTS, KnownKeys
    from xenlab.discovery.proposal import Missing, Proposal, Proposed
    from xenlab.discovery.proposing import Access, propose
    from xenlab.discovery.session import Discovery, discover
    from xenlab.discovery.writing import differences, parsed, still_missing
    from xenlab.evidence.recorder import Journal

    journal = Journal()
    nothing = Proposal(Proposed("", ""), {}, (), ())
    if not call.targets:
        missing = Missing("hosts", "no host was named: a lab has two", form="USER@HOST USER@HOST")
        return replace(nothing, missing=(missing,)), (), journal
    if len(call.targets) > 2:
        raise UsageError(f"a lab has two hosts, not {len(call.targets)}")
    folder = arguments.lab.absolute().parent
    users = Path("~/.ssh/known_hosts").expanduser()
    others = arguments.known_hosts.expanduser().absolute() if arguments.known_hosts else users
    keys = KnownKeys(folder / KNOWN_HOSTS, others, arguments.fingerprint, _confirm if ask else None)
    files = {folder / KNOWN_HOSTS: KNOWN_HOSTS, users: ""}
    access = Access(
        str(call.key_file or ""),
        call.password_env,
        call.jumps,
        lambda name: files.get(keys.file_for(name), str(keys.file_for(name))),
    )
    with Discovery(call, keys, journal.append, os.environ) as found:
        for secret in found.secrets:
            journal.add_secret(secret)
        _say(f"logging in on {' and '.join(map(str, call.targets))}")
        if unknown := found.connect():
            return replace(nothing, missing=unknown), (), journal
        _say("looking at both: domains, networks, mounts, exports, configs")
        known, own = given
        seen = discover(found, known, ask, lambda lab, known: propose(lab, known, access))
    # Only now, as keys that were confirmed meanwhile lie in another file.
    proposal = propose(seen.lab, seen.given, access)
    wanted, remarks = proposal.missing, [*proposal.remarks, *seen.remarks]
    if text is not None:
        data = parsed(text).unwrap()
        wanted = still_missing(data, wanted)
        remarks += differences(data, propose(seen.lab, own, access))
    proposal = replace(proposal, missing=(*wanted, *seen.unknown_keys), remarks=tuple(dict.fromkeys(remarks)))
    return proposal, seen.words, journal


def _written(path: Path, proposal: "Proposal", text: str | None) -> str:
    """Write the lab file, or add to it, where that makes a lab file; says what it has now.

    :raises UsageError: it would be none: a line a problem.
    """
    from xenlab.discovery.writing import merged, save, written
    from xenlab.labfile import loads

    new = written(proposal) if text is None else merged(text, proposal)
    lab = loads(new, path.name, path.absolute().parent)
    if new != text:
        save(path, new, over=text)
    hosts, guests = (", ".join(one.name for one in machines) for machines in (lab.hosts, lab.guests))
    what = f"{path}: {lab.share.server}:{lab.share.export} at {lab.share.mount_point}, hosts {hosts}, guests {guests}"
    return f"{what}: {'nothing to add' if new == text else 'written'}"


def _options(arguments: argparse.Namespace) -> Iterable[str]:
    """The call's options, to be typed again."""
    single = {
        "--lab": str(arguments.lab) if arguments.lab != Path("lab.toml") else "",
        "-i": arguments.identity,
        "-J": arguments.jump,
        "--password-env": arguments.password_env,
        "--known-hosts": str(arguments.known_hosts or ""),
        "--name": arguments.name,
        "--share": arguments.share,
        "--ping-target": arguments.ping_target,
    }
    yield from ["--update"] if arguments.update else []
    for option, value in single.items():
        yield from [option, value] if value else []
    for name in ("fingerprint", "host", "guest", "config", "home", "leave_out"):
        for value in getattr(arguments, name):
            yield from [f"--{name.replace('_', '-')}", value]


def _tell(missing: "Iterable[Missing]") -> None:
    for one in missing:
        print(plain(f"missing: {one.key}: {' '.join(one.why.split())}"))
        for candidate, where in one.candidates.items():
            print(plain(f"    perhaps {candidate} ({where})"))


def _wanted(missing: "Iterable[Missing]") -> str:
    return " ".join(dict.fromkeys(one.words for one in missing if one.words))


def _of_the_journal(journal: "Journal") -> str:
    changing = sum(bool(entry["changes"]) for entry in journal.entries)
    hosts = " and ".join(dict.fromkeys(str(entry["host"]) for entry in journal.entries))
    return f"{len(journal)} commands{f' on {hosts}' if hosts else ''}, {changing or 'none'} of which change anything"


def _ask(missing: "Missing") -> str:
    _say(f"{missing.key}: {' '.join(missing.why.split())}")
    for candidate, where in missing.candidates.items():
        _say(f"    perhaps {candidate} ({where})")
    return _answer(f"{missing.form} (or nothing, where you do not know): ")


def _confirm(machine: str, shown: "ShownKey") -> str:
    _say(f"{machine} shows the {shown.kind} key {shown.fingerprint}, which no known_hosts file has.")
    _say("On its own console `for key in /etc/ssh/ssh_host_*_key.pub; do ssh-keygen -lf $key; done` shows its keys.")
    return _answer("Is that its key (yes, its fingerprint, or no)? ")


def _answer(prompt: str) -> str:
    print(prompt, end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip()


def _say(words: str) -> None:
    print(plain(words), file=sys.stderr, flush=True)
