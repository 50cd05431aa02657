"""What changed between two versions of a guest's config: paths, outdated spellings, or more than that."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

from xenlab.xen import meaning
from xenlab.xen.cfg import Plain, XlConfig
from xenlab.xen.conf import XlConf
from xenlab.xen.disk import DiskSpec
from xenlab.xen.files import ROLES

Kind = Literal["path", "deprecated-key", "other"]

_XL_CONF = XlConf()
_STANDS_FOR = {"bios": "firmware", "firmware_override": "firmware", "vga": "stdvga"}


@dataclass(frozen=True, slots=True)
class ConfigChange:
    """One difference; `before` or `after` is None where the setting is absent.

    `path`: the same setting names another file of Dom0. `deprecated-key`: what xl does nothing with came, went or
    changed (`device_model`, hvmloader as kernel, a setting of another type of guest), `builder` became `type` of the
    same meaning, or a disk lost a prefix such as `tap:aio:`. Everything else is `other`.
    """

    key: str
    before: str | None
    after: str | None
    kind: Kind


def compare(original: XlConfig, fixed: XlConfig, conf: XlConf = _XL_CONF) -> tuple[ConfigChange, ...]:
    """What differs in meaning, not in spelling: 'w' is 'rw', 0x200 is 512, and an explicit default is no change.

    A disk is known by its canonical vdev: 51712 is xvda, hda is not. `conf` is the xl.conf of the host that starts the
    guest: it says what an interface means that names no bridge.
    """
    return (
        *_changed_type(original, fixed),
        *_changed_keys(original, fixed),
        *_changed_folders(original, fixed),
        *_changed_vifs(original, fixed, conf),
        *_changed_disks(original, fixed),
    )


def beyond_paths(changes: Iterable[ConfigChange]) -> tuple[ConfigChange, ...]:
    """Those that make another guest of it: neither another path nor another spelling."""
    return tuple(change for change in changes if change.kind == "other")


def _changed_type(original: XlConfig, fixed: XlConfig) -> Iterator[ConfigChange]:
    if original.type != fixed.type:
        for key in ("builder", "type"):
            before, after = original.get(key), fixed.get(key)
            if before != after:
                yield ConfigChange(key, _shown(before), _shown(after), "other")
    elif original.get("builder") != fixed.get("builder"):
        after = _shown(fixed.get("builder")) or f"type={fixed.type}"
        yield ConfigChange("builder", _shown(original.get("builder")), after, "deprecated-key")


def _changed_keys(original: XlConfig, fixed: XlConfig) -> Iterator[ConfigChange]:
    befores, afters = meaning.settings_of(original), meaning.settings_of(fixed)
    files = {path.role for path in original.paths()} & {path.role for path in fixed.paths()}
    for key in dict.fromkeys((*original.values, *fixed.values, *befores, *afters)):
        if key in meaning.APART:
            continue
        before, after = _written(original, key), _written(fixed, key)
        if befores.get(key) != afters.get(key):
            kind: Kind = "path" if ROLES.get(key) in files else "other"
            yield ConfigChange(key, _shown(before), _shown(after), kind)
        elif before != after and any(key in one.values and not meaning.counts(one, key) for one in (original, fixed)):
            yield ConfigChange(key, _shown(before), _shown(after), "deprecated-key")
    if meaning.command_line(original) != meaning.command_line(fixed):
        for key in meaning.COMMAND_LINE:
            if original.get(key) != fixed.get(key):
                yield ConfigChange(key, _shown(original.get(key)), _shown(fixed.get(key)), "other")


def _changed_folders(original: XlConfig, fixed: XlConfig) -> Iterator[ConfigChange]:
    befores, afters = original.folders, fixed.folders
    if [replace(one, path=None) for one in befores] != [replace(one, path=None) for one in afters]:
        yield ConfigChange("p9", _shown(original.get("p9")), _shown(fixed.get("p9")), "other")
        return
    for before, after in zip(befores, afters, strict=True):
        if before.path != after.path:
            kind: Kind = "path" if before.path and after.path and not before.via else "other"
            yield ConfigChange(f"p9[{before.tag or ''}]", before.path, after.path, kind)


def _changed_vifs(original: XlConfig, fixed: XlConfig, conf: XlConf) -> Iterator[ConfigChange]:
    before, after = ([meaning.vif(one, config.type, conf) for one in config.vifs] for config in (original, fixed))
    if before != after:
        yield ConfigChange("vif", _shown(original.get("vif")), _shown(fixed.get("vif")), "other")


def _changed_disks(original: XlConfig, fixed: XlConfig) -> Iterator[ConfigChange]:
    befores, afters = _by_device(original.disks), _by_device(fixed.disks)
    for key in dict.fromkeys((*befores, *afters)):
        before, after = befores.get(key), afters.get(key)
        label = f"disk[{key[0]}]"
        if before is None or after is None or meaning.disk(before) != meaning.disk(after):
            yield ConfigChange(label, _described(before), _described(after), "other")
            continue
        if before.target != after.target:
            kind: Kind = "path" if before.is_path and after.is_path else "other"
            yield ConfigChange(label, before.target, after.target, kind)
        if before.prefixes != after.prefixes:
            yield ConfigChange(
                label,
                "".join(before.prefixes) or None,
                "".join(after.prefixes) or None,
                "other" if after.prefixes else "deprecated-key",
            )
    before_first, after_first = next(iter(befores), None), next(iter(afters), None)
    if before_first != after_first and befores.keys() == afters.keys() and original.files.has_bootloader:
        # The bootloader looks for the kernel on the first disk of the list.
        first, now_first = (config.disks[0].vdev for config in (original, fixed))
        yield ConfigChange("disk", f"{first} first", f"{now_first} first", "other")


def _by_device(disks: tuple[DiskSpec, ...]) -> dict[tuple[str, int], DiskSpec]:
    seen: Counter[str] = Counter()
    keyed = {}
    for disk in disks:
        keyed[disk.device, seen[disk.device]] = disk
        seen[disk.device] += 1
    return keyed


def _described(disk: DiskSpec | None) -> str | None:
    if disk is None:
        return None
    names = ("format", "vdev", "access", "backendtype", "backend", "script")
    parts = [f"{name}={getattr(disk, name)}" for name in names if getattr(disk, name)]
    flags = ["devtype=cdrom"] if disk.cdrom else []
    return ",".join((*parts, *flags, *disk.options, f"target={disk.target}"))


def _written(config: XlConfig, key: str) -> Plain | None:
    """How a setting stands in the config, if not by its own name, then by the one that stands for it."""
    value, other = config.get(key), _STANDS_FOR.get(key)
    return config.get(other) if value is None and other else value


def _shown(value: Plain | None) -> str | None:
    return value if value is None or isinstance(value, str) else repr(list(value))
