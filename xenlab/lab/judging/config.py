"""A guest's config on the share: readable, of this guest, leading to the share, and otherwise as it was. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from difflib import unified_diff

from xenlab.causes import Names, explain, nfs_trouble, remedy
from xenlab.errors import CannotObserve, LabFault
from xenlab.lab.judging.paths import fact_of, lies_on, place_at
from xenlab.lab.judging.start import wrong_name
from xenlab.lab.judging.unseen import cannot_tell, unknown_answer
from xenlab.lab.looks import ConfigLook, FileIdentity, FilesLook, IdentityLook, Unknown
from xenlab.labfile import GuestSpec
from xenlab.outcomes import Finding
from xenlab.remote.commands import NOT_FOUND
from xenlab.remote.filesystems import Place
from xenlab.xen.cfg import ConfigPath, XlConfig
from xenlab.xen.changes import beyond_paths, compare
from xenlab.xen.conf import XlConf
from xenlab.xen.console_passwords import with_passwords_replaced
from xenlab.xen.disk import DiskSpec

_SWAP = "swap"
_FOLDER = "p9["
_DEVICES = "/dev/"
_INTO_AN_IMAGE = (
    "no other host can open a logical volume, partition or loop device of this one: shut the guest down, copy the "
    "device into an image on the share, and name that"
)
# Of a longer config only so much is compared line by line in the proof: that takes quadratic time.
_MOST_LINES = 1000

# Reading it


def is_readable(
    guest: str, path: str, looks: Sequence[ConfigLook], config: XlConfig | LabFault | Unknown
) -> tuple[Finding, ...]:
    """Every host reads it, and it is an xl.cfg of this guest; `config` is what it says, as its home host reads it."""
    readable = tuple(_is_readable(guest, path, look) for look in looks)
    evidence = tuple(id_ for look in looks for id_ in look.ids)
    if isinstance(config, XlConfig):
        return (*readable, names_guest(guest, path, config, evidence))
    if isinstance(config, LabFault):
        expected, actual, hint = f"{path} is an xl.cfg(5)", config.message, config.hint
        return (*readable, Finding("config-syntax", False, expected, actual, hint, guest=guest, evidence=evidence))
    return readable


def _is_readable(guest: str, path: str, look: ConfigLook) -> Finding:
    expected, text = f"the config {path}", look.text
    if isinstance(text, Unknown):
        trouble = nfs_trouble(text.why)
        if trouble is None or trouble.cause.blame != "lab":
            return cannot_tell("config-readable", expected, text, host=look.host, guest=guest, evidence=look.ids)
        missing = trouble.cause.id == "file-missing"
        hint = f"copy the guest's config to {path}" if missing else remedy(trouble, Names(source=look.host))
        holds, actual = False, trouble.line
    else:
        holds, actual = bool(text.strip()), f"{len(text.encode())} bytes"
        hint = f"copy the guest's config to {path}: it is empty there"
    return Finding("config-readable", holds, expected, actual, "" if holds else hint, look.host, guest, "", look.ids)


def names_guest(guest: str, path: str, config: XlConfig, evidence: tuple[str, ...] = ()) -> Finding:
    """Its `name` is the guest's in the lab file: xl knows the domain by it, on whichever host it is."""
    fault = wrong_name(guest, config, path, evidence)
    right = config.name == guest
    hint = "" if right else fault.hint
    return Finding("names-guest", right, fault.expected, fault.actual, hint, guest=guest, evidence=evidence)


def xl_accepts(guest: str, path: str, look: ConfigLook) -> Finding:
    """`xl create --dryrun` takes it on this host."""
    expected, answer = f"xl create --dryrun {path} succeeds", look.dryrun
    if answer.exit_code in (None, NOT_FOUND) or answer.timed_out:
        unseen = unknown_answer(answer)
        return cannot_tell("xl-accepts-config", expected, unseen, host=look.host, guest=guest, evidence=look.ids)
    if answer.ok:
        return Finding("xl-accepts-config", True, expected, "it does", "", look.host, guest, "", look.ids)
    words = f"{answer.stdout}\n{answer.stderr}"
    fault = explain("create", answer.exit_code, words, host=look.host, guest=guest, evidence=look.ids)
    return Finding(
        "xl-accepts-config",
        None if isinstance(fault, CannotObserve) else False,
        expected,
        actual=fault.actual if isinstance(fault, LabFault) else fault.message,
        hint=fault.hint,
        host=look.host,
        guest=guest,
        evidence=look.ids,
    )


# Where it leads


def files_on_share(
    guest: str, config: XlConfig, path: str, look: FilesLook, shares: Sequence[Place | Unknown]
) -> Iterator[Finding]:
    """Every file that xl would open is there, is not empty, and lies on a share itself, as this host sees it.

    `path` is the config's, `shares` where the lab's shares lie on this host. A prefix says nothing: a link may lead
    off the share, and something else may be mounted below it.
    """
    for entry in config.paths():
        holds, actual, hint = _lies_on_share(entry, look, shares)
        yield Finding(
            "path-on-share",
            holds,
            expected=f"{entry.key}: a file on the share",
            actual=actual,
            hint="" if holds else hint or f"{path} line {entry.line}: {entry.key} must lead to a file on the share",
            host=look.host,
            guest=guest,
            evidence=look.ids,
        )


def _lies_on_share(
    entry: ConfigPath, look: FilesLook, shares: Sequence[Place | Unknown]
) -> tuple[bool | None, str, str]:
    if entry.via:
        server = entry.via.replace("domain ", "the driver domain ", 1)
        words = f"{entry.path or 'its target'} is served by {server}: it is not on the share"
        return False, words, f"make an image of it on the share, and name that as {entry.key}"
    if not entry.path.startswith("/"):
        return False, f"{entry.path} depends on where xl is called", ""
    fact = fact_of(look, entry.path)
    if isinstance(fact, Unknown):
        return None, fact.why, fact.hint
    if fact.missing:
        return False, f"{entry.path}: {fact.missing}", _INTO_AN_IMAGE if entry.path.startswith(_DEVICES) else ""
    place = place_at(look, entry.path)
    if isinstance(place, Unknown):
        return None, f"{entry.path}: {place.why}", place.hint
    on_share = lies_on(place, shares)
    if isinstance(on_share, Unknown):
        return None, f"{entry.path}: {on_share.why}", on_share.hint
    leads = f"{entry.path} leads to {fact.resolved}" if fact.resolved != entry.path else entry.path
    shown = f"{leads} on {place.mount.source} ({place.mount.fstype}, mounted on {place.mount.target})"
    if not on_share:
        if fact.resolved.startswith(_DEVICES):
            return False, f"{leads}, a block device of {look.host} alone", _INTO_AN_IMAGE
        return False, f"{shown}, which is {'not the share' if len(shares) == 1 else 'none of the shares'}", ""
    if entry.key.startswith(_FOLDER):
        return True, shown, ""
    if not fact.is_regular:
        return False, f"{entry.path} is no regular file", ""
    return fact.size > 0, shown if fact.size else f"{entry.path} is empty", "copy it again, with the guest shut down"


# What it was before


def only_paths_changed(
    guest: GuestSpec,
    home: ConfigLook,
    original: XlConfig | LabFault | Unknown,
    fixed: XlConfig,
) -> Finding:
    """Against the original config only paths changed, and keys that xl no longer takes.

    `home` has both texts, and xl.conf, which says what an interface means that names no bridge.
    """
    before = guest.original_config or "the original config"
    expected = f"only paths differ from {before}"
    if not isinstance(original, XlConfig):
        why = original.message if isinstance(original, LabFault) else f"{before}: {original.why}"
        hint = original.hint or "leave original_config out of the lab file where it is not kept"
        unseen = Unknown(why, hint)
        return cannot_tell("only-paths-changed", expected, unseen, host=home.host, guest=guest.name, evidence=home.ids)
    changes = compare(original, fixed, XlConf() if isinstance(home.xl_conf, Unknown) else home.xl_conf)
    odd = [_without_secrets(f"{c.key}: {c.before} → {c.after}", c.key) for c in beyond_paths(changes)]
    moved = sum(change.kind == "path" for change in changes)
    old, new = (
        [] if isinstance(text, Unknown) else _without_secrets(text).splitlines()[:_MOST_LINES]
        for text in (home.original, home.text)
    )
    diff = unified_diff(old, new, before, guest.config, lineterm="")
    return Finding(
        "only-paths-changed",
        not odd,
        expected,
        actual="; ".join(odd) or f"{moved or 'no'} paths changed, and nothing else",
        hint="" if not odd else "undo what is not a path, so that the guest is the one it was",
        guest=guest.name,
        proof="\n".join(diff),
        evidence=home.ids,
    )


def _without_secrets(text: str, key: str = "") -> str:
    # A config may hold passwords of consoles (xl.cfg(5)): they are nobody's business in a report.
    return f"{key}: changed" if key.endswith("passwd") else with_passwords_replaced(text, lambda _: "***")


def same_as_original(guest: str, original: XlConfig, fixed: XlConfig, look: IdentityLook) -> Iterator[Finding]:
    """Each file is what the original's was, in the same role: kernels byte for byte, disks by size and file system.

    Of a swap disk only size and kind count; of shared folders, of disks that are no raw images, and of what is not
    kept any more, nothing can be said.
    """
    befores = {entry.role: entry.path for entry in original.paths() if not entry.via}
    growing = {f"disk[{disk.device}]" for disk in (*original.disks, *fixed.disks) if disk.format != "raw"}
    for entry in fixed.paths():
        before = befores.get(entry.role)
        if before is None or entry.via or {before, entry.path} & look.missing:
            continue
        if entry.role in growing or entry.key.startswith(_FOLDER):
            continue
        expected = f"{entry.key} is what {before} is"
        old, new = _identity(look, before), _identity(look, entry.path)
        if isinstance(old, Unknown):
            yield cannot_tell("same-as-original", expected, old, host=look.host, guest=guest, evidence=look.ids)
            continue
        if isinstance(new, Unknown):
            yield cannot_tell("same-as-original", expected, new, host=look.host, guest=guest, evidence=look.ids)
            continue
        right = _is_copy(old, new)
        yield Finding(
            "same-as-original",
            right,
            expected,
            actual=f"{entry.path}: {_described(new)}; {before}: {_described(old)}",
            hint="" if right else _where_from(entry, new, befores, look),
            host=look.host,
            guest=guest,
            evidence=look.ids,
        )


def _identity(look: IdentityLook, path: str) -> FileIdentity | Unknown:
    fact = look.identities.get(path, Unknown("it was not looked at"))
    return Unknown(f"{path}: {fact.why}", fact.hint) if isinstance(fact, Unknown) else fact


def _is_copy(old: FileIdentity, new: FileIdentity) -> bool:
    """Whether one may be a copy of the other; a block device has no size of its own."""
    if old.digest and new.digest:
        return old.digest == new.digest
    if old.size not in (0, new.size):
        return False
    if _SWAP in (old.kind, new.kind):
        return old.kind == new.kind
    return old.uuid == new.uuid and (bool(old.uuid) or old.kind == new.kind)


def _where_from(entry: ConfigPath, new: FileIdentity, befores: Mapping[str, str], look: IdentityLook) -> str:
    """What a wrong file is instead, where it is another role's."""
    for role, path in befores.items():
        other = look.identities.get(path)
        if role != entry.role and isinstance(other, FileIdentity) and _is_copy(other, new):
            return f"{entry.path} is what {role} was: the two are exchanged"
    return f"copy {befores[entry.role]} to {entry.path} again, with the guest shut down: it is another file"


def _described(identity: FileIdentity) -> str:
    parts = [
        f"{identity.size} bytes",
        identity.kind,
        identity.uuid,
        identity.digest and f"SHA-256 {identity.digest[:12]}…",
    ]
    return ", ".join(filter(None, parts))


# What others have


def serves_one_guest(
    guest: str, config: XlConfig, others: Mapping[str, XlConfig], look: FilesLook
) -> Iterator[Finding]:
    """No disk that anyone writes to is another guest's as well, and no interface has another's MAC.

    Kernels, and disks that all of them only read, may serve several. `look` has asked for the disks of all.
    """
    yield _has_own_files(guest, config, others, look)
    macs: dict[str, list[str]] = {}
    for name, other in {guest: config, **others}.items():
        for vif in other.vifs:
            if vif.mac:
                macs.setdefault(vif.mac.lower().replace("-", ":"), []).append(name)
    twice = {mac: names for mac, names in macs.items() if len(names) > 1 and guest in names}
    yield Finding(
        "own-mac",
        not twice,
        expected=f"MACs that only {guest} has",
        actual="; ".join(f"{mac}: {' and '.join(names)}" for mac, names in twice.items()) or "no other has them",
        hint=""
        if not twice
        else "give each vif a mac= of its own (00:16:3e:...): two of one MAC take turns on a bridge",
        guest=guest,
        evidence=look.ids,
    )


def _has_own_files(guest: str, config: XlConfig, others: Mapping[str, XlConfig], look: FilesLook) -> Finding:
    expected = f"disks that only {guest} has"
    shared: list[str] = []
    unseen: Unknown | None = None
    for name, other in others.items():
        for own, theirs in ((o, t) for o in _files_of(config) for t in _files_of(other)):
            if own.access == theirs.access == "ro":
                continue
            same = own.target == theirs.target or _are_same(look, own.target, theirs.target)
            if isinstance(same, Unknown):
                unseen = unseen or same
            elif same:
                shared.append(f"{own.target} ({own.vdev}) is {name}'s {theirs.target} ({theirs.vdev})")
    if unseen and not shared:
        return cannot_tell("own-files", expected, unseen, host=look.host, guest=guest, evidence=look.ids)
    return Finding(
        "own-files",
        not shared,
        expected,
        actual="; ".join(shared) or "no other has them",
        hint="" if not shared else "two writers ruin a disk: give each guest a file of its own",
        host=look.host,
        guest=guest,
        evidence=look.ids,
    )


def _files_of(config: XlConfig) -> Iterator[DiskSpec]:
    return (disk for disk in config.disks if disk.is_path)


def _are_same(look: FilesLook, one: str, other: str) -> bool | Unknown:
    """Whether two paths are one file, or rest on one."""
    first, second = fact_of(look, one), fact_of(look, other)
    if isinstance(first, Unknown):
        return first
    if isinstance(second, Unknown):
        return second
    if first.is_same(second):
        return True
    hidden = next((path for path, fact in ((one, first), (other, second)) if not fact.is_known), None)
    return Unknown(f"what is behind {hidden} on {look.host} cannot be seen") if hidden else False
