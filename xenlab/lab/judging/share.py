"""One folder that both hosts see: served, mounted, written by root of either, with the same files in it. Pure.

Nothing is told by the server's spelling: a share is known by the type of its mount, by what its nonces show, and
by the places that paths really lead to.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from xenlab.causes import Names, remedy
from xenlab.errors import CannotObserve
from xenlab.lab.judging import exports
from xenlab.lab.judging.paths import fact_of, place_at, resolved
from xenlab.lab.judging.unseen import cannot_tell, trouble_of, unknown_answer
from xenlab.lab.looks import FilesLook, NonceTrip, ShareLook, Unknown
from xenlab.labfile import ShareSpec
from xenlab.outcomes import Finding
from xenlab.remote import facts
from xenlab.remote.commands import NOT_FOUND
from xenlab.remote.facts import Export
from xenlab.remote.filesystems import FileFact, Mount, Place

Addresses = Mapping[str, Collection[str]]
"""Each host's names and addresses, as far as the lab file tells them."""

_AUTOFS = "autofs"
_SQUASHED = "rw,no_root_squash for the client in the export, then exportfs -ra: xl runs as root on both hosts"


# Who serves it


def is_served(looks: Sequence[ShareLook], spec: ShareSpec, others: Collection[ShareSpec] = ()) -> tuple[Finding, ...]:
    """The server's NFS service runs, and it alone exports the folder; of a third machine only the latter is seen.

    The lab's `others` are served as well: a folder of the same name may be another host's share.
    """
    server = _of(spec.server, looks)
    if server is None:
        return (_has_one_server(looks, spec, others),)
    threads, expected = server.nfsd_threads, f"an NFS server that runs on {spec.server}"
    if isinstance(threads, Unknown):
        serves = cannot_tell("nfs-serves", expected, threads, host=server.host, evidence=server.ids)
    else:
        serves = Finding(
            "nfs-serves",
            threads > 0,
            expected,
            actual=f"{threads} nfsd threads",
            hint=f"on {spec.server}: systemctl start nfs-server, and enable it",
            host=server.host,
            evidence=server.ids,
        )
    # A service that is stopped has withdrawn its exports: that follows from it.
    return (serves,) if serves.holds is False else (serves, _has_one_server(looks, spec, others))


def _has_one_server(looks: Sequence[ShareLook], spec: ShareSpec, others: Collection[ShareSpec]) -> Finding:
    """The server exports the folder, or one above it, and no other host exports the same."""
    expected, evidence = f"{spec.export} exported by {spec.server} alone", _ids(looks)
    found: dict[str, bool | Unknown] = {}
    beside = {share.server for share in others if share.export == spec.export}
    for look in (look for look in looks if look.host not in beside):
        lines, is_server = _exports(look), look.host == spec.server
        if isinstance(lines, Unknown):
            found[look.host] = lines
        elif is_server:
            found[look.host] = bool(exports.covering(lines, spec.export))
        else:
            found[look.host] = any(PurePosixPath(line.path) == PurePosixPath(spec.export) for line in lines)
    who = [host for host, fact in found.items() if fact is True]
    wrong = found.get(spec.server) is False or any(host != spec.server for host in who)
    unseen = next((fact for fact in found.values() if isinstance(fact, Unknown)), None)
    if unseen and not wrong:
        return cannot_tell("one-server", expected, unseen, evidence=evidence)
    no_host = "exported by no host" if spec.server in found else f"{spec.server} is another machine, no host exports it"
    return Finding(
        "one-server",
        not wrong,
        expected,
        actual=f"exported by {' and '.join(who)}" if who else no_host,
        hint=f"on {spec.server}: a line for {spec.export} in /etc/exports, then exportfs -ra; others only mount it",
        evidence=evidence,
    )


def lets_root_write(looks: Sequence[ShareLook], spec: ShareSpec, addresses: Addresses) -> tuple[Finding, ...]:
    """Root of the client stays root on the share, and may write, by the line that counts for that client.

    Of a third machine's exports nothing is seen: there the nonces alone tell.
    """
    server = _of(spec.server, looks)
    return () if server is None else tuple(_root_of(c, server, spec, addresses) for c in looks if c is not server)


def _root_of(client: ShareLook, server: ShareLook, spec: ShareSpec, addresses: Addresses) -> Finding:
    expected, lines = f"rw,no_root_squash for {client.host}", _exports(server)
    evidence = (*client.ids, *server.ids)
    if isinstance(lines, Unknown):
        return cannot_tell("no-root-squash", expected, lines, host=server.host, evidence=evidence)
    mount = _nfs_mount(client, spec.mount_point)
    known = _addresses_of(client.host, mount, addresses)
    flavour = (mount and mount.option("sec")) or "sys"
    way = (mount and mount.option("addr")) or ""
    ruled = exports.ruling(exports.by_way_of(exports.covering(lines, spec.export), way), known, flavour)
    holds = ruled.lets_root_write
    hint = f"on {server.host}: {_SQUASHED}"
    if not ruled.is_named and not (mount and client.entered.ok):
        holds, hint = False, _others_only(ruled.lines, client.host, server.host)
    elif holds is None:
        hint = f"which line counts for {client.host} cannot be told from here: name its address in /etc/exports"
    return Finding(
        "no-root-squash",
        holds,
        expected,
        actual=ruled.words or "no export",
        hint="" if holds else hint,
        host=server.host,
        evidence=evidence,
    )


# Who sees it


def is_mounted(
    looks: Sequence[ShareLook], spec: ShareSpec, addresses: Addresses, others: Collection[ShareSpec] = ()
) -> tuple[Finding, ...]:
    """Both hosts have it at the mount point, to be written: by NFS, or the server in its own way; nothing on top.

    The lab's `others` may be mounted around it.
    """
    side = _Mounting(looks, spec, addresses, others)
    return tuple(side.judge(look) for look in looks)


_Verdict = tuple[bool | None, str, str]
"""Whether it holds, what was seen, and what to do."""


@dataclass(frozen=True, slots=True)
class _Mounting:
    """How each host comes to the share."""

    looks: Sequence[ShareLook]
    spec: ShareSpec
    addresses: Addresses
    others: Collection[ShareSpec]

    def judge(self, look: ShareLook) -> Finding:
        spec, is_server = self.spec, look.host == self.spec.server
        what = f"{spec.mount_point} leads to {spec.export}" if is_server else f"{spec.export} of {spec.server} by NFS"
        holds, actual, hint = self._is_entered(look)
        if holds:
            holds, actual, hint = self._leads_to_the_share(look)
        evidence = _ids((look, *self.looks))
        expected = f"{what} on {look.host}, to be written"
        return Finding("mounted-by-nfs", holds, expected, actual, "" if holds else hint, look.host, evidence=evidence)

    def _is_entered(self, look: ShareLook) -> _Verdict:
        """Whether the folder could be looked into, by which an automount comes about."""
        answer, point = look.entered, self.spec.mount_point
        if answer.ok:
            return True, "", ""
        place, trouble = place_at(look, point), trouble_of(answer)
        unanswered = answer.exit_code is None or answer.timed_out
        if isinstance(place, Place) and place.mount.fstype == _AUTOFS and not unanswered:
            why = unknown_answer(answer).why
            return False, f"the automounter could not mount it: {why}", self._how_to_mount(look)
        if trouble is not None and trouble.cause.id == "file-missing":
            hint = f"on {look.host}: mkdir -p {point}, then {self._how_to_mount(look)}"
            return False, f"{point} does not exist on {look.host}: {trouble.line}", hint
        if trouble is not None and trouble.cause.blame == "lab":
            hint = remedy(trouble, Names(source=look.host))
            return False, f"root may not look into it: {trouble.line}", hint
        server = _of(self.spec.server, self.looks)
        if server is not None and server.nfsd_threads == 0:
            hint = f"{self.spec.server}'s NFS server does not run"
        elif trouble is not None:
            hint = remedy(trouble, Names(source=look.host))
        else:
            hint = f"see dmesg on {look.host}: does {self.spec.server} answer it, and does no firewall drop port 2049?"
        # All else was answered at once, so that it is neither the host nor the way to it that is in trouble.
        in_trouble = isinstance(place, Place) and place.mount.is_nfs and (answer.timed_out or trouble is not None)
        return False if in_trouble else None, f"{point} cannot be looked into: {unknown_answer(answer).why}", hint

    def _leads_to_the_share(self, look: ShareLook) -> _Verdict:
        point = fact_of(look, self.spec.mount_point)
        place = point if isinstance(point, Unknown) else place_at(look, self.spec.mount_point)
        if isinstance(place, Unknown):
            return None, place.why, place.hint
        if place.mount.is_nfs and not self._is_around(place.mount):
            holds, actual, hint = self._by_nfs(place.mount)
        elif look.host == self.spec.server:
            holds, actual, hint = self._by_itself(place, look)
        else:
            return self._not_by_nfs(place.mount, look)
        if holds and place.mount.read_only:
            options = "its options in /etc/fstab or in the automounter's map"
            return False, f"{actual}, read-only (ro)", f"on {look.host}: mount it rw (see {options})"
        return holds, actual, hint

    def _is_around(self, mount: Mount) -> bool:
        """Whether it is that of another share, around the mount point, with nothing in it of what is exported."""
        spec = self.spec
        around = (other for other in self.others if other.mount_point == mount.target and other.holds(spec.mount_point))
        return not all(
            other.server == spec.server and PurePosixPath(spec.export).is_relative_to(other.export) for other in around
        )

    def _by_nfs(self, mount: Mount) -> _Verdict:
        """An NFS mount holds: whose it is the nonces prove; by which address it comes is worth a word only."""
        shown = f"{mount.source} on {mount.target}, type {mount.fstype}"
        address, known = mount.option("addr"), self.addresses.get(self.spec.server, ())
        if address and exports.matches(address, known) is False:
            shown += f"; {address} is no address of {self.spec.server} that the lab file knows"
        return True, shown, ""

    def _by_itself(self, place: Place, look: ShareLook) -> _Verdict:
        """The server's own way into the folder that it exports: the same path, a link or a bind mount."""
        spec, export = self.spec, place_at(look, self.spec.export)
        if isinstance(export, Unknown):
            return None, f"{spec.export}: {export.why}", export.hint
        shown = f"{spec.mount_point} is {place.path} of {place.mount.source} ({place.mount.fstype})"
        hint = (
            f"{spec.server}'s own {spec.mount_point} is another folder than the {spec.export} that it exports, such as "
            f"a copy: lead it there by a link, or by mount --bind {spec.export} {spec.mount_point}"
        )
        return place.is_below(export) or export.is_below(place), shown, hint

    def _not_by_nfs(self, mount: Mount, look: ShareLook) -> _Verdict:
        shown, point = f"{mount.source} ({mount.fstype}) on {mount.target}", resolved(look, self.spec.mount_point)
        mounts = () if isinstance(look.mounts, Unknown) else look.mounts
        if any(hidden.is_nfs and hidden.target == point for hidden in mounts):
            hint = f"on {look.host}: what is {mount.source} on {mount.target} for? It hides the share: see findmnt -a"
            return False, f"{shown} lies over the NFS mount", hint
        if mount.target == point:
            hint = f"on {look.host} there must be an NFS mount instead: {self._how_to_mount(look)}"
            return False, f"{shown}, which is no NFS", hint
        hint = f"on {look.host}: {self._how_to_mount(look)}"
        return False, f"nothing is mounted there: {point} lies on {shown}", hint

    def _how_to_mount(self, look: ShareLook) -> str:
        """The command, and why it may be refused."""
        spec, known = self.spec, self.addresses.get(self.spec.server, ())
        name = min((word for word in known if exports.kind(word) is exports.ClientKind.NETWORK), default=spec.server)
        name = f"[{name}]" if ":" in name else name
        way = f"mount -t nfs {name}:{spec.export} {spec.mount_point}, and a line in /etc/fstab"
        server = _of(spec.server, self.looks)
        lines = _exports(server) if server is not None and server is not look else ()
        covering = () if isinstance(lines, Unknown) else exports.covering(lines, spec.export)
        if not covering or exports.ruling(covering, self.addresses.get(look.host, ())).is_named:
            return way
        return f"{way}; {_others_only(covering, look.host, spec.server)}"


def _others_only(lines: Sequence[Export], client: str, server: str) -> str:
    only = ", ".join(line.client for line in lines)
    return f"{server} exports it to {only} only: add {client} to /etc/exports there, then exportfs -ra"


# What it carries


def nonces_are_shared(trips: Sequence[NonceTrip]) -> tuple[Finding, ...]:
    """What each host writes, the other reads."""
    return tuple(_shared(trip) for trip in trips)


def _shared(trip: NonceTrip) -> Finding:
    holds, host, actual, hint = _trip(trip)
    return Finding(
        "nonce-shared",
        holds,
        expected=f"{trip.nonce[:8]}… written by {trip.writer} is read by {trip.reader} at {trip.path}",
        actual=actual,
        hint=hint,
        host=host,
        evidence=trip.ids,
    )


def _trip(trip: NonceTrip) -> tuple[bool | None, str, str, str]:
    another = "the two hosts do not see the same folder: compare findmnt on both"
    for host, answer, what in ((trip.writer, trip.wrote, "not written: "), (trip.reader, trip.read, "")):
        if answer.ok:
            continue
        trouble = trouble_of(answer)
        if trouble is None:
            return None, host, f"{what}{unknown_answer(answer).why}", f"see the kernel log of {host}"
        if host == trip.reader and trouble.cause.id == "file-missing":
            return False, host, f"{what}{trouble.line}", another
        holds = False if trouble.cause.blame == "lab" else None
        return holds, host, f"{what}{trouble.line}", remedy(trouble, Names(source=host))
    read = trip.read.stdout.strip()
    same = read == trip.nonce
    return same, trip.reader, "it is" if same else read[:200] or "nothing", "" if same else another


def same_files(
    looks: Sequence[FilesLook], configs: Mapping[str, str], named: Mapping[str, str], growing: Collection[str] = ()
) -> tuple[Finding, ...]:
    """Each path is one file from both hosts, by inode and size.

    `configs` are the guests by their config's path, `named` by the paths in it. A named path that no host has is
    left out: then the name is wrong, not the share, and the paths' step tells it with the config's line.
    Of `growing` files (qcow2 and others that are not raw) the size is not compared: the host where the guest runs
    is ahead of the other.
    """
    there = {path: guest for path, guest in named.items() if not _leads_elsewhere(path, looks)}
    return tuple(_same_file(path, guest, looks, path in growing) for path, guest in ({**configs, **there}).items())


def _leads_elsewhere(path: str, looks: Sequence[FilesLook]) -> bool:
    """Whether nobody has a file of that name, or it is a link to where not everybody has one."""
    lacks = [_lacks(look, path) for look in looks]
    is_link = any(_tail(resolved(look, path)) != _tail(path) for look in looks)
    return all(lacks) or (any(lacks) and is_link)


def _tail(path: str) -> tuple[str, ...]:
    """What of a path is the same on each host, wherever the share is mounted there: its folder and name."""
    return PurePosixPath(path).parts[-2:]


def _lacks(look: FilesLook, path: str) -> bool:
    fact = fact_of(look, path)
    return not isinstance(fact, Unknown) and bool(fact.missing)


def _same_file(path: str, guest: str, looks: Sequence[FilesLook], grows: bool) -> Finding:
    expected, evidence = f"{path}: one file, by inode and size, from both hosts", _ids(looks)
    seen: dict[str, FileFact] = {}
    for look in looks:
        fact = fact_of(look, path)
        if isinstance(fact, Unknown):
            return cannot_tell("same-file", expected, fact, host=look.host, guest=guest, evidence=evidence)
        seen[look.host] = fact
    missing = [f"{host}: {fact.missing}" for host, fact in seen.items() if fact.missing]
    identities = {(fact.inode, 0 if grows else fact.size) for fact in seen.values()}
    shown = "; ".join(f"{host}: inode {fact.inode}, {fact.size} bytes" for host, fact in seen.items())
    return Finding(
        "same-file",
        not missing and len(identities) == 1,
        expected,
        actual="; ".join(missing) or shown,
        hint="it must be there once, on the share: compare ls -li on both; copy it with the guest shut down",
        guest=guest,
        evidence=evidence,
    )


# What the looks say


def _of(host: str, looks: Sequence[ShareLook]) -> ShareLook | None:
    return next((look for look in looks if look.host == host), None)


def _exports(look: ShareLook) -> tuple[Export, ...] | Unknown:
    """What the host exports; nothing where it has no exportfs and no server that runs."""
    answer = look.exports
    if answer.exit_code == NOT_FOUND and not isinstance(look.nfsd_threads, Unknown) and not look.nfsd_threads:
        return ()
    if not answer.ok:
        return unknown_answer(answer, f"exportfs -v on {look.host} must answer root")
    try:
        return facts.exports(answer.stdout)
    except CannotObserve as odd:
        return Unknown(odd.message, odd.hint)


def _nfs_mount(look: ShareLook, path: str) -> Mount | None:
    place = place_at(look, path)
    return place.mount if isinstance(place, Place) and place.mount.is_nfs else None


def _addresses_of(host: str, mount: Mount | None, addresses: Addresses) -> Collection[str]:
    """The client's names and addresses; an NFSv4 mount tells which address it comes from (clientaddr in nfs(5)).

    Else the server's (addr) tells by which version of IP it comes: addresses of the other one are not asked about.
    """
    known = addresses.get(host, ())
    names = {word for word in known if exports.kind(word) is exports.ClientKind.HOST}
    own, server = (mount.option("clientaddr"), mount.option("addr")) if mount else (None, None)
    if own and own not in ("0.0.0.0", "::"):  # noqa: S104 - not an address to listen on: none is told
        return {own, *names}
    return known if not server else names | {word for word in known if (":" in word) == (":" in server)}


def _ids(looks: Sequence[ShareLook] | Sequence[FilesLook]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(id_ for look in looks for id_ in look.ids))
