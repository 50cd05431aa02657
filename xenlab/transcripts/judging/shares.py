"""How the share is mounted and exported, by what was typed and shown."""

import re
from collections.abc import Iterator
from ipaddress import ip_address
from itertools import pairwise

from xenlab.causes import Names, cause_named
from xenlab.causes.wording import with_names
from xenlab.transcripts.notes import Note, Weight
from xenlab.transcripts.places import resolved
from xenlab.transcripts.scene import Scene
from xenlab.transcripts.shapes import server_in

_STAGE = "shared-storage"
_READ_ONLY = cause_named("read-only-file-system")
_DENIED = cause_named("access-denied")


def mount_without_a_type(scene: Scene) -> Iterator[Note]:
    """`mount -t` is given what is no type of file system, such as the share itself."""
    for command in scene.commands:
        given = _after(command.words, "-t") if command.program == "mount" else None
        if given is None or not re.search(r"[:/]", given):
            continue
        rest = " ".join(command.operands) or "/mnt/private"
        yield Note(
            kind="mount-type",
            weight=Weight.WRONG,
            line=command.line,
            what=f"`{command.text}` names no type: -t takes the next word for it, and “{given}” is none",
            why="typed like this mount(8) mounts nothing: what is shown later was mounted by another command",
            remedy=f"`mount -t nfs {given} {rest}`, and `findmnt -t nfs,nfs4` to show what is mounted",
            stage=_STAGE,
            host=command.host,
        )


def server_is_neither_host(scene: Scene) -> Iterator[Note]:
    """The share is mounted from an address that is neither host's."""
    known = {host: addresses for host, addresses in scene.addresses.items() if any(map(_is_address, addresses))}
    if len(known) < 2:
        return
    for server, line in dict(reversed(list(_servers(scene)))).items():
        host = resolved(server, None, scene.hosts, scene.addresses)
        if not _is_address(server) or host != server or server in known:
            continue
        serving = next((shown.host for shown in scene.exports if shown.host in scene.hosts), None)
        sure = serving is not None or scene.one_of_two_serves is not None
        book = ", ".join(
            f"{name} is {' and '.join(sorted(own))}" if name not in own else name for name, own in sorted(known.items())
        )
        yield Note(
            kind="server-is-neither-host",
            weight=Weight.CONTRADICTION if sure else Weight.REMARK,
            line=line,
            what=f"the share's server {server} is neither host's address: {book}",
            why="one of the two hosts is said to serve the share"
            if sure
            else "a third machine may serve it, but nothing in the text shows one",
            remedy="`ip address` on the host that exports it, and `findmnt` on both: mount from one that it keeps",
            stage=_STAGE,
            others=(scene.one_of_two_serves,) if scene.one_of_two_serves else (),
            host=serving,
        )


def _servers(scene: Scene) -> Iterator[tuple[str, int]]:
    """Every NFS server that something is mounted from, and the line."""
    for source, line in _sources(scene).items():
        if server := server_in(source):
            yield server, line


def _sources(scene: Scene) -> dict[str, int]:
    """All that is mounted by NFS, as it is spelt ("10.1.1.143:/private"), and where that first shows."""
    found: dict[str, int] = {}
    for command in scene.commands:
        if command.program in ("mount", "mount.nfs"):
            for word in (*command.operands, _after(command.words, "-t") or ""):
                if server_in(word):
                    found.setdefault(word, command.line)
    for mount in scene.mounts:
        if server_in(mount.source):
            found.setdefault(mount.source, mount.line)
    return found


def mounted_read_only(scene: Scene) -> Iterator[Note]:
    """An NFS share is mounted read-only."""
    for mount in scene.mounts:
        if mount.type.startswith("nfs") and "ro" in mount.options:
            yield Note(
                kind="mounted-read-only",
                weight=Weight.WRONG,
                line=mount.line,
                what=f"{mount.source} is mounted read-only on {mount.target}",
                why="guests write to their disks there",
                remedy=with_names(_READ_ONLY.remedy, Names()),
                stage=_STAGE,
                cause=_READ_ONLY.id,
                side=_READ_ONLY.side,
            )


def export_keeps_root_out(scene: Scene) -> Iterator[Note]:
    """An export does not let root write, as which xl works."""
    mounted = {f"/{source.partition(':/')[2]}" for source in _sources(scene)}
    exported = {export.path for shown in scene.exports for export in shown.exports}
    for shown in scene.exports:
        for export in shown.exports:
            is_the_share = export.path in mounted or (not mounted and len(exported) == 1)
            if export.lets_root_write or not is_the_share:
                continue
            yield Note(
                kind="export-keeps-root-out",
                weight=Weight.WRONG,
                line=shown.line,
                what=f"{export.path} is exported to {export.client} with {','.join(export.options)}: root may not "
                "write there",
                why="xl opens a guest's files as root: the export needs rw and no_root_squash",
                remedy=with_names(_DENIED.remedy, Names()),
                stage=_STAGE,
                cause=_DENIED.id,
                side=_DENIED.side,
                host=shown.host,
            )


def _after(words: tuple[str, ...], flag: str) -> str | None:
    return next((following for word, following in pairwise(words) if word == flag), None)


def _is_address(word: str) -> bool:
    try:
        ip_address(word)
    except ValueError:
        return False
    return True
