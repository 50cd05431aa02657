"""The round trips: each function asks one machine once and returns a look. None of them changes anything.

A machine that does not answer gives a look in which everything is `Unknown`, with the reason; so both hosts are
always told of, and never only the first that fails.
"""

import re
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from xenlab.causes import first_error_line
from xenlab.errors import CannotObserve, LabFault
from xenlab.lab.dom0 import Dom0
from xenlab.lab.looks import (
    ConfigLook,
    DomainsLook,
    FileIdentity,
    FilesLook,
    GuestLook,
    HostLook,
    IdentityLook,
    LogsLook,
    ShareLook,
    Unknown,
)
from xenlab.remote import commands, facts, filesystems, questions, sections
from xenlab.remote.answers import lines_of, whole_number
from xenlab.remote.errors import CommandTimedOut
from xenlab.remote.filesystems import FileFact, parse_files
from xenlab.remote.machine import Machine
from xenlab.remote.sections import Answer, Section
from xenlab.xen import logs, peers, xenstore, xl
from xenlab.xen.conf import XlConf, parse_xl_conf
from xenlab.xen.parsers import Domain, parse_info, parse_list, parse_list_long

T = TypeVar("T")
ParseFiles = Callable[[str, str], tuple[FileFact, ...]]

XL_CONF = "/etc/xen/xl.conf"
# A mount whose server is away hangs whoever touches it: a look waits this long, in seconds, and goes on.
_SHARE_SECONDS = 12
_COMPLAINT = 8192  # characters in which a program that failed has said why
_IDENTITY = re.compile(r"(?P<size>[0-9]{1,18}) (?P<digest>[0-9a-f]{64}|-) (?P<path>.+)")


@dataclass(frozen=True, slots=True)
class Answers:
    """What one round trip brought: an answer a section, the id of its record, and when it began."""

    by_name: Mapping[str, Answer]
    ids: tuple[str, ...]
    at: float
    nothing: Unknown | None = None

    def __getitem__(self, name: str) -> Answer:
        return self.by_name[name]

    def read(self, name: str, parse: Callable[[str], T], *, absent: T | None = None) -> T | Unknown:
        """The fact in a section's output; `absent` is what exit code 1 without a complaint stands for."""
        if self.nothing is not None:
            return self.nothing
        answer = self[name]
        if answer.exit_code == 1 and not answer.stderr.strip() and absent is not None:
            return absent
        if not answer.ok:
            return _unknown(answer)
        try:
            return parse(answer.stdout)
        except (CannotObserve, LabFault) as odd:
            return Unknown(odd.message, odd.hint)


def ask(machine: Machine, *asked: Section, changes: bool = False) -> Answers:
    """Ask one machine all sections in one round trip; what it does not answer is unknown.

    `changes` records it as an act, which changes the lab, not a look.
    """
    nonce, at = secrets.token_hex(8), time.monotonic()
    bound = 15.0 + sum(section.seconds + 2 for section in asked)
    nothing = None
    ids: tuple[str, ...]
    try:
        result = machine.run(*sections.script(asked, nonce), timeout=bound, changes=changes)
        out, err, ids = result.stdout, result.stderr, (result.id,)
    except CommandTimedOut as late:
        out, err, ids = late.stdout, late.stderr, late.evidence
    except CannotObserve as unseen:
        out, err, ids, nothing = "", "", unseen.evidence, Unknown(unseen.message, unseen.hint)
    return Answers(sections.answers(asked, nonce, out, err), ids, at, nothing)


def look_at_host(host: Dom0, peer: Dom0, configs: Sequence[str] = ()) -> HostLook:
    """Everything that the hosts' step asks of a Dom0, but nothing of the share; `configs` are paths of guests'."""
    spec = peer.spec
    found = ask(
        host.remote,
        *_domain_sections(),
        Section("name", commands.hostname()),
        Section("user", questions.user_id()),
        Section("consoled", questions.console_daemon()),
        Section("system", questions.system()),
        Section("info", xl.info()),
        Section("cpu", commands.cpu()),
        Section("xl-conf", commands.read(XL_CONF)),
        Section("bridges", commands.bridges()),
        Section("switches", questions.open_vswitch_bridges()),
        Section("mounts", filesystems.mountinfo()),
        Section("loops", commands.loop_devices()),
        Section("logs", logs.count()),
        *(Section(f"config-{number}", commands.read(path), _SHARE_SECONDS) for number, path in enumerate(configs)),
        Section("peer", peers.ask_peer(spec.among_hosts, spec.port_among_hosts), 45),
    )
    return HostLook(
        host=host.name,
        ids=found.ids,
        at=found.at,
        fingerprint=found.nothing or _fingerprint(host),
        name=found.read("name", str.strip),
        is_root=found.read("user", lambda text: text.strip() == "0"),
        console_daemon=found.read("consoled", bool, absent=False),
        old_ssh=host.remote.old_algorithms,
        system=found.read("system", facts.system),
        info=found.read("info", parse_info),
        cpu=found.read("cpu", facts.cpu),
        xl_conf=_xl_conf(found),
        bridges=found.read("bridges", _words),
        switches=found.read("switches", _words),
        peer=found["peer"],
        domains=_domains(host.name, found),
        mounts=found.read("mounts", filesystems.parse_mountinfo),
        loops=found.read("loops", facts.loop_devices),
        log_lines=found.read("logs", _two_numbers),
        configs={path: found.read(f"config-{number}", str) for number, path in enumerate(configs)},
    )


def look_at_domains(host: Dom0) -> DomainsLook:
    """Which domains the host has, and which migrations are under way."""
    return _domains(host.name, ask(host.remote, *_domain_sections()))


def look_before_start(host: Dom0, config: str, disks: Sequence[str]) -> DomainsLook:
    """The domains, the config as the host reads it now, and every file that a disk of this host rests on.

    That is what must be known before a guest is started: nobody else may have one of its `disks`, no domain, nor the
    host itself by a mount.
    """
    found = ask(
        host.remote,
        *_domain_sections(),
        Section("config", commands.read(config), _SHARE_SECONDS),
        *([Section("files", filesystems.files(disks), _SHARE_SECONDS)] if disks else []),
        Section("attached", xenstore.attached_files(), _SHARE_SECONDS),
        Section("mounts", filesystems.mountinfo()),
    )
    return _domains(host.name, found, disks)


def look_at_share(host: Dom0, mount_point: str, files: Sequence[str] = ()) -> ShareLook:
    """One host's side of the share; first its folder is looked into, so that an automount comes about."""
    paths = (mount_point, *files)
    found = ask(
        host.remote,
        Section("nfsd", questions.nfsd_threads()),
        Section("exports", commands.exports()),
        Section("enter", filesystems.step_into(mount_point), _SHARE_SECONDS),
        Section("mounts", filesystems.mountinfo()),
        Section("files", filesystems.files(paths), _SHARE_SECONDS),
    )
    return ShareLook(
        host=host.name,
        ids=found.ids,
        at=found.at,
        exports=_answer(found, "exports"),
        nfsd_threads=_nfsd_threads(found),
        entered=_answer(found, "enter"),
        mounts=found.read("mounts", filesystems.parse_mountinfo),
        files=_files(found, "files", partial(parse_files, paths)),
    )


def look_at_config(host: Dom0, config: str, original: str | None) -> ConfigLook:
    """A guest's config as the host reads it, and what xl says to it there."""
    found = ask(
        host.remote,
        Section("text", commands.read(config), _SHARE_SECONDS),
        *([Section("original", commands.read(original), _SHARE_SECONDS)] if original else []),
        Section("dryrun", xl.create(config, dryrun=True), 30),
        Section("xl-conf", commands.read(XL_CONF)),
    )
    return ConfigLook(
        host=host.name,
        ids=found.ids,
        at=found.at,
        text=found.read("text", str),
        original=found.read("original", str) if original else Unknown("the lab file names no original config"),
        dryrun=_answer(found, "dryrun"),
        xl_conf=_xl_conf(found),
    )


def look_at_details(host: Dom0, guest: str) -> tuple[Domain | Unknown, tuple[str, ...]]:
    """The running domain's stored configuration (`xl list -l`), which is what `xl migrate` sends along."""
    found = ask(host.remote, Section("details", xl.list_long(guest)))

    def one(text: str) -> Domain:
        domains = parse_list_long(text)
        if len(domains) != 1:
            raise CannotObserve(f"xl list -l {guest} on {host.name} showed {len(domains)} domains")
        return domains[0]

    return found.read("details", one), found.ids


def look_at_files(host: Dom0, paths: Sequence[str]) -> FilesLook:
    """What the paths are, and on which mount each lies."""
    found = ask(
        host.remote,
        Section("mounts", filesystems.mountinfo()),
        Section("files", filesystems.files(paths), _SHARE_SECONDS),
    )
    mounts = found.read("mounts", filesystems.parse_mountinfo)
    return FilesLook(host.name, found.ids, found.at, _files(found, "files", partial(parse_files, paths)), mounts)


def look_at_identities(host: Dom0, disks: Sequence[str], whole: Sequence[str]) -> IdentityLook:
    """What each file is, to be compared with others: file systems of disks, digests of what is read `whole`."""
    found = ask(
        host.remote,
        Section("disks", questions.identities(disks, digest_up_to=0), 60),
        Section("whole", questions.identities(whole), 120),
    )
    identities: dict[str, FileIdentity | Unknown] = {}
    missing: frozenset[str] = frozenset()
    for name, paths in (("disks", disks), ("whole", whole)):
        seen = found.read(name, parse_identities)
        if isinstance(seen, Unknown):
            identities |= dict.fromkeys(paths, seen)
        else:
            identities |= seen[0]
            missing |= seen[1]
    return IdentityLook(host.name, found.ids, found.at, identities, missing)


def look_for_leftovers(host: Dom0, pattern: str, *folders: str) -> tuple[str, ...] | Unknown:
    """Files of this run in some folders."""
    found = ask(host.remote, Section("files", commands.names_in(pattern, *folders), _SHARE_SECONDS))
    return found.read("files", lambda text: tuple(text.splitlines()))


def look_at_logs(host: Dom0, xen_after: int, kernel_after: int, guest: str | None) -> LogsLook:
    """What the host's logs have beyond so many lines, and the ends of a guest's."""
    found = ask(
        host.remote,
        Section("xen", logs.new_lines("xen", xen_after)),
        Section("kernel", logs.new_lines("kernel", kernel_after)),
        *([Section("guest", logs.of_guest(guest))] if guest else []),
    )
    return LogsLook(host.name, found.ids, found.at, {name: found.read(name, str) for name in found.by_name})


def look_into_guest(guest: Machine, nonce: str | None = None) -> GuestLook:
    """What the guest shows of itself; `nonce` is the file of one that was written, read from the disk itself."""
    found = ask(
        guest,
        Section("boot", commands.boot_id()),
        Section("uptime", commands.uptime()),
        Section("root", questions.root_devices()),
        Section("swaps", commands.swaps()),
        Section("log", commands.kernel_log()),
        *([Section("nonce", commands.read_nonce_from_disk(nonce))] if nonce else []),
    )
    return GuestLook(
        host=guest.name,
        ids=found.ids,
        at=found.at,
        boot_id=found.read("boot", facts.boot_id),
        uptime=found.read("uptime", facts.uptime),
        root_devices=found.read("root", lambda text: tuple(dict.fromkeys(text.split()))),
        swaps=found.read("swaps", facts.swaps),
        kernel_log=found.read("log", str),
        nonce=found.read("nonce", str.strip) if nonce else Unknown("no nonce was asked for"),
    )


def _fingerprint(host: Dom0) -> str | Unknown:
    """The verified key of a connection, which may have been lost since it answered."""
    try:
        return host.remote.fingerprint
    except CannotObserve as lost:
        return Unknown(lost.message, lost.hint)


def _domain_sections() -> tuple[Section, ...]:
    return (
        Section("list", xl.list_domains()),
        Section("stored", xenstore.list_domains()),
        Section("moving", peers.under_way()),
    )


def _domains(host: str, found: Answers, disks: Sequence[str] = ()) -> DomainsLook:
    return DomainsLook(
        host=host,
        ids=found.ids,
        at=found.at,
        rows=found.read("list", parse_list),
        stored=found.read("stored", xenstore.parse_domains),
        migrations=found.read("moving", facts.command_lines, absent={}),
        files=_files(found, "files", partial(parse_files, disks)) if "files" in found.by_name else (),
        attached=_files(found, "attached", filesystems.parse_stats) if "attached" in found.by_name else (),
        mounts=found.read("mounts", filesystems.parse_mountinfo) if "attached" in found.by_name else (),
        config=found.read("config", str) if "config" in found.by_name else "",
    )


def _answer(found: Answers, name: str) -> Answer:
    return found[name] if found.nothing is None else Answer(None, "", found.nothing.why)


def _files(found: Answers, name: str, parse: ParseFiles) -> tuple[FileFact, ...] | Unknown:
    """What stat(1) said of files, which ends with a complaint where one of them is missing."""
    if found.nothing is not None:
        return found.nothing
    answer = found[name]
    if answer.exit_code is None or answer.timed_out:
        return _unknown(answer)
    try:
        return parse(answer.stdout, answer.stderr)
    except CannotObserve as odd:
        return Unknown(odd.message, odd.hint)


def _nfsd_threads(found: Answers) -> int | Unknown:
    if found.nothing is not None:
        return found.nothing
    answer = found["nfsd"]
    if "No such file" in answer.stderr:
        return 0
    if not answer.ok:
        return _unknown(answer)
    threads = whole_number(answer.stdout)
    return Unknown(f"nfsd says {answer.stdout[:40]!r}") if threads is None else threads


def _xl_conf(found: Answers) -> XlConf | Unknown:
    """A Dom0 without the file has xl's own defaults."""
    seen = found.read("xl-conf", parse_xl_conf)
    return parse_xl_conf("") if isinstance(seen, Unknown) and "No such file" in seen.why else seen


def parse_identities(text: str) -> tuple[dict[str, FileIdentity | Unknown], frozenset[str]]:
    """Read `questions.identities`: what each file is, and which are missing."""
    found: dict[str, FileIdentity | Unknown] = {}
    missing: set[str] = set()
    path = ""
    for line in lines_of(text, "the look at files"):
        word, _, rest = line.partition(" ")
        if word == "missing":
            missing.add(rest)
        elif word == "unread":
            found[rest] = Unknown("it cannot be read")
        elif word == "file":
            known_file = _IDENTITY.fullmatch(rest)
            if known_file is None:
                raise CannotObserve(f"what a file is was told in an unknown way: {line[:100]!r}")
            path, digest = known_file["path"], known_file["digest"]
            found[path] = FileIdentity(int(known_file["size"]), "", "", "" if digest == "-" else digest)
        elif isinstance(known := found.get(path), FileIdentity):
            key, _, value = line.partition("=")
            kind = value if key in ("TYPE", "PTTYPE") and not known.kind else known.kind
            uuid = value if key in ("UUID", "PTUUID") and not known.uuid else known.uuid
            found[path] = FileIdentity(known.size, kind, uuid, known.digest)
    return found, frozenset(missing)


def _two_numbers(text: str) -> tuple[int, int]:
    match [whole_number(word) for word in text.split()]:
        case [int(first), int(second)]:
            return first, second
    raise CannotObserve(f"two numbers were asked for, not {text[:40]!r}")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _unknown(answer: Answer) -> Unknown:
    if answer.exit_code is None:
        return Unknown("it did not answer", "a program hangs there, as one does on a mount whose server is away")
    if answer.timed_out:
        return Unknown("it did not answer in time", "does it touch a mount whose server is away?", timed_out=True)
    said = first_error_line((answer.stderr or answer.stdout)[:_COMPLAINT])
    if answer.exit_code == commands.NOT_FOUND:
        return Unknown(said or "there is no such program")
    return Unknown(said or f"it ended with exit code {answer.exit_code}")
