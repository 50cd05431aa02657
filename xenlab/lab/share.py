"""An NFS share as a step of the lab sheet speaks of it: what both hosts showed, and what to think of it."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from secrets import token_hex
from typing import TypeVar

from xenlab.errors import CannotObserve, LabFault
from xenlab.lab.custody import Custody
from xenlab.lab.dom0 import Dom0, HostPair
from xenlab.lab.judging import share as judge
from xenlab.lab.looking import ask, look_at_files, look_at_share
from xenlab.lab.looks import FilesLook, NonceTrip, ShareLook, Unknown
from xenlab.lab.tape import Tape
from xenlab.labfile import GuestSpec, LabFile, ShareSpec
from xenlab.outcomes import Finding
from xenlab.remote import commands
from xenlab.remote.errors import CommandTimedOut
from xenlab.remote.filesystems import Place, place_of
from xenlab.remote.sections import Answer, Section
from xenlab.xen.cfg import XlConfig, parse_config

T = TypeVar("T")

NONCE_PREFIX = ".xenlab-"
_SECONDS = 20


def shares_of(lab: LabFile, hosts: HostPair, custody: Custody, tape: Tape) -> "tuple[NfsShare, ...]":
    """The lab's shares, each knowing of the others."""
    return tuple(
        NfsShare(spec, [other for other in lab.shares if other is not spec], hosts, custody, tape)
        for spec in lab.shares
    )


class NfsShare:
    """One export of one machine, seen at the same mount point on both hosts; the lab may have `others` beside it."""

    def __init__(
        self, spec: ShareSpec, others: Sequence[ShareSpec], hosts: HostPair, custody: Custody, tape: Tape
    ) -> None:
        self.spec = spec
        self._others = others
        self._hosts = hosts
        self._custody = custody
        self._tape = tape

    def _take(self, what: str, do: Callable[[], T]) -> T:
        return self._tape.take(f"{what} {self.spec.mount_point}" if self._others else what, do)

    def look(self) -> "ShareLooks":
        """Both hosts' sides of it, in one round trip each."""

        def look() -> tuple[ShareLook, ShareLook]:
            return self._hosts.at_once(lambda host: look_at_share(host, self.spec.mount_point, (self.spec.export,)))

        return ShareLooks(self.spec, self._others, self._hosts, self._take("share", look))

    def carries_nonces(self) -> Iterator[Finding]:
        """What each host writes at the mount point, the other reads there, from the disk and not from its cache."""
        trips = self._take("nonces", self._exchange_nonces)
        yield from _of_which(self.spec, self._others, judge.nonces_are_shared(trips))

    def _exchange_nonces(self) -> tuple[NonceTrip, ...]:
        nonces = {host.name: token_hex(16) for host in self._hosts}
        paths = {name: f"{self.spec.mount_point}/{NONCE_PREFIX}{self._custody.run}-{name}" for name in nonces}
        for name, path in paths.items():
            self._custody.will("write", host=name, file=path)
        try:
            wrote = self._hosts.at_once(lambda host: _write(host, paths[host.name], nonces[host.name]))
            read = self._hosts.at_once(lambda host: _read(host, paths))
        finally:
            for path in self._hosts.at_once(lambda host: _forget(host, paths[host.name])):
                self._custody.removed(path)
        return tuple(
            NonceTrip(writer, reader.name, paths[writer], nonces[writer], answer, seen[writer], (*written, *ids))
            for (writer, answer, written) in wrote
            for reader, (seen, ids) in zip(self._hosts, read, strict=True)
            if reader.name != writer
        )

    def shows_same_files(self, guests: Iterable[GuestSpec]) -> tuple[Finding, ...]:
        """Each guest's config that lies on it, and every file on it that guests' configs name, is one from both hosts.

        A name that leads elsewhere, or nowhere, is no matter of the share: the paths' step tells it.
        """
        seen = self._take("files on the share", lambda: self._look_at_files(tuple(guests)))
        named, growing = self._named_in(seen.texts)
        same = judge.same_files(seen.looks, seen.configs, named, growing)
        return _of_which(self.spec, self._others, same)

    def _look_at_files(self, guests: Sequence[GuestSpec]) -> "SharedFiles":
        configs = {guest.config: guest.name for guest in guests if self._has(guest.config)}
        texts = {guest.name: self._text_of(guest) for guest in guests}
        asked = (*configs, *self._named_in(texts)[0])
        looks = self._hosts.at_once(lambda host: look_at_files(host, tuple(dict.fromkeys(asked))))
        return SharedFiles(configs, texts, looks)

    def _named_in(self, texts: Mapping[str, str | Unknown]) -> tuple[dict[str, str], set[str]]:
        """The files on the share that the guests' configs name, by path, and those that grow."""
        named: dict[str, str] = {}
        growing: set[str] = set()
        for name, text in texts.items():
            if (config := readable(text)) is not None:
                named |= {entry.path: name for entry in config.paths() if self._has(entry.path)}
                growing |= {disk.target for disk in config.disks if disk.format != "raw"}
        return named, growing

    def place_on(self, look: FilesLook) -> Place | Unknown:
        """Where the share lies on the host of a look that asked for its mount point as well."""
        if isinstance(look.files, Unknown):
            return look.files
        if isinstance(look.mounts, Unknown):
            return look.mounts
        folder = next((fact for fact in look.files if fact.path == self.spec.mount_point), None)
        if folder is None or not folder.is_there:
            why = (folder.missing or folder.unseen) if folder else "it was not asked for"
            return Unknown(f"{self.spec.mount_point}: {why}")
        return place_of(look.mounts, folder.resolved)

    def _has(self, path: str) -> bool:
        """Whether a path lies on it by its words, and on no other share that is mounted within it."""
        within = (other for other in self._others if self.spec.holds(other.mount_point))
        return self.spec.holds(path) and not any(other.holds(path) for other in within)

    def _text_of(self, guest: GuestSpec) -> str | Unknown:
        """The guest's config, as its home host reads it."""
        host = self._hosts.named(guest.home)
        return ask(host.remote, Section("config", commands.read(guest.config), _SECONDS)).read("config", str)


@dataclass(frozen=True, slots=True)
class SharedFiles:
    """The guests' configs (guests by path), their texts (by guest), and both hosts' looks at all that they name."""

    configs: Mapping[str, str]
    texts: Mapping[str, str | Unknown]
    looks: tuple[FilesLook, FilesLook]


@dataclass(frozen=True, slots=True)
class ShareLooks:
    """The share as one look at each host showed it, in a lab that has `others` beside it."""

    spec: ShareSpec
    others: Sequence[ShareSpec]
    hosts: HostPair
    looks: tuple[ShareLook, ShareLook]

    def is_served(self) -> tuple[Finding, ...]:
        """Exactly one host serves it, and its NFS server runs."""
        return _of_which(self.spec, self.others, judge.is_served(self.looks, self.spec, self.others))

    def is_mounted(self) -> tuple[Finding, ...]:
        """Both hosts have it at the mount point: by NFS, or the server in its own way, and nothing on top of it."""
        mounted = judge.is_mounted(self.looks, self.spec, self._addresses(), self.others)
        return _of_which(self.spec, self.others, mounted)

    def lets_root_write(self) -> tuple[Finding, ...]:
        """Root of the client stays root on the share, and may write (exports(5))."""
        return _of_which(self.spec, self.others, judge.lets_root_write(self.looks, self.spec, self._addresses()))

    def _addresses(self) -> Mapping[str, frozenset[str]]:
        known = {host.name: {host.spec.address, host.spec.among_hosts, host.name} for host in self.hosts}
        if self.spec.address is not None:
            known.setdefault(self.spec.server, {self.spec.server}).add(self.spec.address)
        return {name: frozenset(words) for name, words in known.items()}


def _of_which(share: ShareSpec, others: Sequence[ShareSpec], findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """The findings; beside other shares each says which one it is of, in either text, as reports show one alone."""
    which = f"{share.mount_point}: " if others else ""
    return tuple(
        replace(finding, expected=f"{which}{finding.expected}", actual=f"{which}{finding.actual}")
        for finding in findings
    )


def readable(text: str | Unknown) -> XlConfig | None:
    """What a config says; None where it cannot be read."""
    if isinstance(text, Unknown):
        return None
    try:
        return parse_config(text)
    except LabFault:
        return None


def _write(host: Dom0, path: str, nonce: str) -> tuple[str, Answer, tuple[str, ...]]:
    try:
        result = host.remote.run(*commands.write_nonce(path, nonce), timeout=_SECONDS, changes=True)
    except CannotObserve as unseen:
        return host.name, Answer(None, "", unseen.message), unseen.evidence
    return host.name, Answer(result.exit_code, result.stdout, result.stderr), (result.id,)


def _read(host: Dom0, paths: Mapping[str, str]) -> tuple[dict[str, Answer], tuple[str, ...]]:
    found = ask(
        host.remote, *(Section(name, commands.read_nonce_from_disk(path), _SECONDS) for name, path in paths.items())
    )
    return {name: found[name] for name in paths}, found.ids


def _forget(host: Dom0, path: str) -> str:
    """Remove it; returns its path where it is gone."""
    with suppress(CannotObserve):
        host.remote.run(*commands.remove(path), timeout=_SECONDS, changes=True).check()
        return path
    return ""


def is_answered(host: Dom0, path: str) -> bool:
    """Whether a file on the share can be asked for on a host: where its server is gone, a hard mount says nothing."""
    try:
        host.remote.run(*commands.read(path), timeout=_SECONDS)
    except CommandTimedOut:
        return False
    except CannotObserve:
        return True  # it was not the share that kept silent
    return True
