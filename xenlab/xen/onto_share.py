"""A config's paths moved into a folder of the share: the new text, what is to be copied, and what cannot be moved.

Nothing here is written or copied: the caller shows it, and people copy while the guest is shut down.
"""

import posixpath
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from xenlab.errors import UsageError
from xenlab.xen.cfg import ConfigPath, XlConfig, parse_config, rewrite_paths
from xenlab.xen.changes import beyond_paths, compare
from xenlab.xen.grammar import ConfigSyntaxError
from xenlab.xen.modernising import modernise

Kind = Literal["file", "device", "folder"]


@dataclass(frozen=True, slots=True)
class Copy:
    """What one or more settings name (`keys`), where it is now, and where it is to be on the share.

    A `device`, such as a logical volume, becomes an image file of what is on it.
    """

    keys: tuple[str, ...]
    old: str
    new: str
    kind: Kind

    @property
    def command(self) -> str:
        """What copies it for sh(1), unless something is there already; with its holes, where it is sparse."""
        how = "-R" if self.kind == "folder" else "--sparse=always"
        old, new = (shlex.quote(posixpath.join("./", path)) for path in (self.old, self.new))
        return f"[ -e {new} ] || cp {how} {old} {new}"


@dataclass(frozen=True, slots=True)
class OntoShare:
    """A config whose files lie on the share: its `text`, what to copy, and what stays elsewhere, and why.

    `before` is the text that was given, as xl can read it; `notes` say what else is to be known.
    """

    before: str
    text: str
    copies: tuple[Copy, ...]
    left: tuple[str, ...]
    notes: tuple[str, ...]


def onto_share(text: str, share: str, source: str = "config", *, with_type: bool = False) -> OntoShare:
    """Lead every file that xl would open into the folder `share`, and write disks without outdated prefixes.

    What lies below `share` stays as it is. Each file keeps its name, unless two have the same. `with_type`: see
    `modernise`.

    :raises UsageError: where the config cannot be read, or `share` cannot stand in it.
    """
    if not share.strip("/") or not share.startswith("/") or not share.isprintable():
        raise UsageError(f"--share {share!r} is no absolute path", hint="give the folder as both hosts see it")
    share = posixpath.normpath(f"/{share.strip('/')}")
    before = text.replace("\r\n", "\n")
    try:
        config = parse_config(before, source)
        copies = tuple(_copies(config, share))
        after = rewrite_paths(modernise(before, with_type=with_type), {copy.old: copy.new for copy in copies})
        fixed = parse_config(after, source)
    except ConfigSyntaxError as odd:
        raise UsageError(odd.message, hint=odd.hint) from odd
    odd_changes = beyond_paths(compare(config, fixed))
    astray = [entry for entry in fixed.paths() if not entry.via and not _is_below(entry.path, share)]
    if odd_changes or astray:
        keys = dict.fromkeys([change.key for change in odd_changes] + [entry.key for entry in astray])
        raise UsageError(
            f"{source}: {', '.join(keys)} cannot be led to {share} without changing more than the path",
            hint="nothing was written: change it by hand",
        )
    converted = () if before == text else ("Windows line ends became those that xl reads (LF)",)
    return OntoShare(before, after, copies, tuple(_left(config)), (*converted, *_notes(fixed, with_type=with_type)))


def _copies(config: XlConfig, share: str) -> Iterator[Copy]:
    """Each path once, however often the config names it, and each to a place of its own."""
    taken = {posixpath.normpath(entry.path) for entry in config.paths() if _is_below(entry.path, share)}
    found: dict[str, Copy] = {}
    for entry in config.paths():
        if entry.via or _is_below(entry.path, share):
            continue
        if entry.path in found:
            found[entry.path] = replace(found[entry.path], keys=(*found[entry.path].keys, entry.key))
            continue
        kind = _kind(entry)
        new = _free(share, _name(entry.path, kind), taken)
        taken.add(new)
        found[entry.path] = Copy((entry.key,), entry.path, new, kind)
    yield from found.values()


def _kind(entry: ConfigPath) -> Kind:
    if entry.key.startswith("p9["):
        return "folder"
    return "device" if entry.path.startswith("/dev/") else "file"


def _name(path: str, kind: Kind) -> str:
    """What it is called on the share; of a logical volume with its group, as "disk" alone says nothing."""
    name = posixpath.basename(posixpath.normpath(path))
    if kind != "device":
        return name
    folder = posixpath.basename(posixpath.dirname(posixpath.normpath(path)))
    return f"{name}.img" if folder in ("dev", "mapper") else f"{folder}-{name}.img"


def _free(share: str, name: str, taken: set[str]) -> str:
    stem, suffix = posixpath.splitext(name)
    names = (name, *(f"{stem}-{number}{suffix}" for number in range(2, len(taken) + 3)))
    return next(path for path in (posixpath.join(share, one) for one in names) if path not in taken)


def _is_below(path: str, share: str) -> bool:
    return posixpath.normpath(path).startswith(f"{share}/")


def _left(config: XlConfig) -> Iterator[str]:
    for entry in config.paths():
        if entry.via:
            served = f"{entry.path or 'its target'} is served by {entry.via}"
            yield f"{entry.key}: {served}: make an image of it on the share"


def _notes(fixed: XlConfig, *, with_type: bool) -> Iterator[str]:
    builder = fixed.get("builder")
    if builder is not None and "type" in fixed.values:
        yield f"builder={builder!r} may go: type={fixed.type!r} says it all"
    elif builder is not None and not with_type:
        verdict = "is outdated" if builder in ("hvm", "generic") else "is refused"
        yield f"builder={builder!r} {verdict} since Xen 4.10: type={fixed.type!r} says the same (--type writes it so)"
