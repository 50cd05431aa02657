"""What changed between two versions of a guest's config: paths, outdated keys, or more than that."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from xenlab.xen.cfg import PATH_KEYS, Plain, XlConfig
from xenlab.xen.disk import DiskSpec

Kind = Literal["path", "deprecated-key", "other"]


@dataclass(frozen=True, slots=True)
class ConfigChange:
    """One difference; `before` or `after` is None where the setting is absent.

    `path`: the same setting names another file. `deprecated-key`: `builder` became `type` of the same
    meaning, or a disk lost a prefix such as `tap:aio:`. Everything else is `other`.
    """

    key: str
    before: str | None
    after: str | None
    kind: Kind


def compare(original: XlConfig, fixed: XlConfig) -> tuple[ConfigChange, ...]:
    """What differs in meaning, not in spelling: 'w' is 'rw', and a disk is known by its vdev."""
    return (*_changed_keys(original, fixed), *_changed_disks(original, fixed))


def _changed_keys(original: XlConfig, fixed: XlConfig) -> Iterator[ConfigChange]:
    dropped = "builder" in original.values and "builder" not in fixed.values
    renamed = dropped and original.type == fixed.type
    if renamed:
        yield ConfigChange("builder", _shown(original.get("builder")), f"type={fixed.type}", "deprecated-key")
    done = {"disk", "builder", "type"} if renamed else {"disk"}
    for key in dict.fromkeys((*original.values, *fixed.values)):
        old, new = original.get(key), fixed.get(key)
        if key not in done and old != new:
            kind: Kind = "path" if key in PATH_KEYS and old and new else "other"
            yield ConfigChange(key, _shown(old), _shown(new), kind)


def _changed_disks(original: XlConfig, fixed: XlConfig) -> Iterator[ConfigChange]:
    befores, afters = _by_vdev(original.disks), _by_vdev(fixed.disks)
    for key in dict.fromkeys((*befores, *afters)):
        before, after = befores.get(key), afters.get(key)
        label = f"disk[{key[0]}]"
        if before is None or after is None or _without_target(before) != _without_target(after):
            yield ConfigChange(label, _described(before), _described(after), "other")
            continue
        if before.target != after.target:
            kind: Kind = "path" if before.is_path and after.target else "other"
            yield ConfigChange(label, before.target, after.target, kind)
        if before.prefixes != after.prefixes:
            yield ConfigChange(
                label,
                "".join(before.prefixes) or None,
                "".join(after.prefixes) or None,
                "other" if after.prefixes else "deprecated-key",
            )


def _by_vdev(disks: tuple[DiskSpec, ...]) -> dict[tuple[str, int], DiskSpec]:
    seen: Counter[str] = Counter()
    keyed = {}
    for disk in disks:
        keyed[disk.vdev, seen[disk.vdev]] = disk
        seen[disk.vdev] += 1
    return keyed


def _without_target(disk: DiskSpec) -> DiskSpec:
    return replace(disk, target="", prefixes=())


def _described(disk: DiskSpec | None) -> str | None:
    if disk is None:
        return None
    names = ("format", "vdev", "access", "backendtype", "backend", "script")
    parts = [f"{name}={getattr(disk, name)}" for name in names if getattr(disk, name)]
    flags = ["devtype=cdrom"] if disk.cdrom else []
    return ",".join((*parts, *flags, *disk.options, f"target={disk.target}"))


def _shown(value: Plain | None) -> str | None:
    return value if value is None or isinstance(value, str) else repr(list(value))
