"""Finding out one's own lab: its lab.toml, made from what both hosts show."""

import argparse
import os
import shlex
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from xenlab.cli.grammar import Verbs, add_verb
from xenlab.evidence.text import plain

if TYPE_CHECKING:
    from xenlab.discovery.making import Request
    from xenlab.discovery.proposal import Missing
    from xenlab.evidence.recorder import Journal
    from xenlab.remote.errors import ShownKey

_WORDS = """\
Reads only: no command of it changes anything on a host. Behind each value of the lab.toml stands where it was seen.
On a terminal it asks what it could not find; elsewhere it lists that, writes nothing, and ends with exit status 2.

  -J and passwords: a jump host is [USER@]HOST[:PORT]; a password is never given, only the name of a variable with it;
                    one that sudo wants is asked for on a terminal
  host keys:        one that no known_hosts file has is shown and asked for, or else must be given by --fingerprint;
                    it is then kept in the file known_hosts beside the lab.toml
  --old-ssh HOST:   where its sshd has nothing but SHA-1 (docs/security.md says what that is worth); upgrade it instead
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
        "--sudo-password-env", default="", metavar="NAME", help="the variable with the password that sudo wants"
    )
    init.add_argument("--known-hosts", metavar="FILE", help="where host keys are known (default: ~/.ssh/known_hosts)")
    init.add_argument(
        "--fingerprint", action="append", default=[], metavar="SHA256:...", help="of a host key that is right"
    )
    init.add_argument(
        "--old-ssh", action="append", default=[], metavar="HOST", help="SSH to this one may stand on SHA-1"
    )
    given = init.add_argument_group("what is known anyway")
    given.add_argument("--name", default="", help="the lab's name")
    given.add_argument("--ping-target", default="", metavar="ADDRESS", help="what guests ping from inside")
    for option, form, what in (
        ("--share", "[SERVER:EXPORT=]MOUNT_POINT", "which share it is; once for each where there are several"),
        ("--host", "NAME=ADDRESS", "a host's address on the lab's network"),
        ("--guest", "NAME=[USER@]ADDRESS", "a guest's address"),
        ("--config", "NAME=PATH", "a guest's config on the share"),
        ("--home", "NAME=HOST", "where a guest belongs"),
        ("--leave-out", "NAME", "a guest that is not the lab's"),
    ):
        given.add_argument(option, action="append", default=[], metavar=form, help=what)


def _init(arguments: argparse.Namespace) -> int:
    from xenlab.cli.asking import asker
    from xenlab.discovery.making import Talk, find_out, text_there, write
    from xenlab.evidence.recorder import Journal

    request, journal = _request(arguments), Journal()
    text = text_there(request)
    ask_password = asker()
    _say("init only reads: it changes nothing on any host")
    talk = Talk(_say, _ask, _confirm, ask_password) if ask_password else Talk(_say)
    made = find_out(request, text, talk, journal, os.environ)
    missing = made.proposal.missing
    if not missing:
        lab, is_new = write(request, made, text)
        hosts, guests = (", ".join(one.name for one in machines) for machines in (lab.hosts, lab.guests))
        where = ", ".join(f"{share.server}:{share.export} at {share.mount_point}" for share in lab.shares)
        shares = f"share{'s' if len(lab.shares) > 1 else ''} {where}"
        print(f"{request.path} {'written' if is_new else 'has it all'}: hosts {hosts}; {shares}; guests {guests}")
    for remark in made.proposal.remarks:
        print(plain(f"note: {' '.join(remark.split())}"))
    print(_of_the_journal(journal))
    if not missing:
        print(f"next: ./lab check --lab {shlex.quote(str(request.path))}")
        return 0
    _tell(missing)
    words = shlex.join([*map(str, made.targets if arguments.hosts else ()), *_options(arguments), *made.words])
    wanted = " ".join(dict.fromkeys(one.words for one in missing))
    print(plain(f"next: {' '.join(filter(None, ('./lab init', words, wanted)))}"))
    return 2


def _request(arguments: argparse.Namespace) -> "Request":
    from xenlab.discovery import given
    from xenlab.discovery.making import Request

    return Request(
        path=arguments.lab,
        update=arguments.update,
        targets=tuple(map(given.target, arguments.hosts)),
        jumps=tuple(map(given.target, arguments.jump.split(","))) if arguments.jump else (),
        key_file=_file(arguments.identity),
        password_env=arguments.password_env,
        sudo_password_env=arguments.sudo_password_env,
        known_hosts=_file(arguments.known_hosts),
        fingerprints=tuple(arguments.fingerprint),
        old_ssh=frozenset(arguments.old_ssh),
        given=given.Given(
            arguments.name,
            tuple(map(given.share, arguments.share)),
            given.pairs("--host", arguments.host),
            given.pairs("--guest", arguments.guest),
            given.pairs("--config", arguments.config),
            given.pairs("--home", arguments.home),
            arguments.ping_target,
            frozenset(arguments.leave_out),
        ),
    )


def _file(name: str | None) -> Path | None:
    return Path(name).expanduser().absolute() if name else None


def _options(arguments: argparse.Namespace) -> Iterable[str]:
    """The call's options, to be typed again."""
    single = {
        "--lab": str(arguments.lab) if arguments.lab != Path("lab.toml") else "",
        "-i": arguments.identity,
        "-J": arguments.jump,
        "--password-env": arguments.password_env,
        "--sudo-password-env": arguments.sudo_password_env,
        "--known-hosts": arguments.known_hosts,
        "--name": arguments.name,
        "--ping-target": arguments.ping_target,
    }
    yield from ["--update"] if arguments.update else []
    for option, value in single.items():
        yield from [option, value] if value else []
    for name in ("fingerprint", "old_ssh", "share", "host", "guest", "config", "home", "leave_out"):
        for value in getattr(arguments, name):
            yield from [f"--{name.replace('_', '-')}", value]


def _tell(missing: "Iterable[Missing]") -> None:
    for one in missing:
        print(plain(f"missing: {one.key}: {' '.join(one.why.split())}"))
        for candidate, where in one.candidates.items():
            print(plain(f"    perhaps {candidate} ({where})"))


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
