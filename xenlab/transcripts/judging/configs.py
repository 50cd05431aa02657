"""What configs say, against each other and against the folders that are listed."""

import posixpath
from collections.abc import Iterator
from itertools import pairwise

from xenlab.errors import LabFault
from xenlab.transcripts.notes import Note, Weight
from xenlab.transcripts.scene import Scene, ShownConfig, ShownFolder
from xenlab.xen.cfg import ConfigPath, XlConfig
from xenlab.xen.changes import beyond_paths, compare

_STAGE = "path-fixes"
_COPIES = frozenset({"cp", "install", "ln", "mv", "rsync", "scp"})


def not_readable(scene: Scene) -> Iterator[Note]:
    """A config that xl would refuse, and quotes that only a text editor writes."""
    for shown in scene.configs:
        if isinstance(shown.config, LabFault):
            yield Note(
                kind="config-syntax",
                weight=Weight.WRONG,
                line=shown.line + getattr(shown.config, "line", 1) - 1,
                what=shown.config.message,
                why="xl would refuse it, or pass the setting over",
                remedy=shown.config.hint,
                stage=_STAGE,
            )
        elif shown.is_straightened:
            yield Note(
                kind="typographic-characters",
                weight=Weight.WRONG if shown.is_all else Weight.REMARK,
                line=shown.line,
                what="the config is shown with typographic quotes, dashes or blanks, which xl does not read",
                why="read here as if they were plain ones",
                remedy="if they are in the file itself, type them anew: \"...\" and '...'",
                stage=_STAGE,
            )


def more_than_paths_changed(scene: Scene) -> Iterator[Note]:
    """Between two configs of one guest more than paths changed."""
    for before, after in _versions(scene):
        if isinstance(before.config, XlConfig) and isinstance(after.config, XlConfig):
            odd = beyond_paths(compare(before.config, after.config))
            if odd:
                yield Note(
                    kind="more-than-paths-changed",
                    weight=Weight.WRONG,
                    line=after.line,
                    what="; ".join(
                        f"{c.key}: changed" if c.key.endswith("passwd") else f"{c.key}: {c.before} → {c.after}"
                        for c in odd
                    ),
                    why=f"against the config of line {before.line} only paths may differ: else it is another guest",
                    remedy="undo what is not a path, so that the guest is the one it was",
                    stage=_STAGE,
                    others=(before.line,),
                )


def path_off_the_share(scene: Scene) -> Iterator[Note]:
    """In the newer of two configs of one guest some paths lead to the share, and others do not."""
    points = _mount_points(scene)
    for before, after in _versions(scene):
        if not isinstance(after.config, XlConfig):
            continue
        entries = [entry for entry in after.config.paths() if not entry.via]
        point = next((point for point in points if any(_is_below(entry.path, point) for entry in entries)), None)
        astray = [entry for entry in entries if point and not _is_below(entry.path, point)]
        if point and astray:
            yield Note(
                kind="path-off-the-share",
                weight=Weight.WRONG,
                line=after.line + astray[0].line - 1,
                what=f"{_named(astray)} not on the share, which is at {point}",
                why="the other host opens the same path, and has no such file, or another one",
                remedy=f"copy it there and name it so: `./lab fix-paths CONFIG --share {point}/...` shows how",
                stage=_STAGE,
                others=(before.line,),
            )


def path_misses_its_folder(scene: Scene) -> Iterator[Note]:
    """A config names a file in a folder where it is not, and a listing shows it in one above or below that."""
    for shown in scene.configs:
        if not isinstance(shown.config, XlConfig):
            continue
        astray: dict[str, list[ConfigPath]] = {}
        where: dict[str, ShownFolder] = {}
        for entry in shown.config.paths():
            if folder := _listed_elsewhere(scene, entry.path):
                astray.setdefault(folder.path, []).append(entry)
                where[folder.path] = folder
        for path, entries in astray.items():
            keys = " and ".join(entry.key for entry in entries)
            yield Note(
                kind="path-misses-its-folder",
                weight=Weight.WRONG,
                line=shown.line + entries[0].line - 1,
                what=f"{_named(entries)} not where the listing of line {where[path].line} shows it: in {path}",
                why=f"xl opens {keys} by just this path: as shown, the guest cannot be made from this config",
                remedy="; ".join(
                    f"{entry.key} = {posixpath.join(path, posixpath.basename(entry.path))!r}" for entry in entries
                ),
                stage=_STAGE,
                others=(where[path].line,),
            )


def _listed_elsewhere(scene: Scene, path: str) -> ShownFolder | None:
    folder, name = posixpath.split(posixpath.normpath(path))
    listed = [shown for shown in scene.folders if name in shown.files]
    if not path.startswith("/") or folder == "/" or any(shown.path == folder for shown in listed):
        return None
    copied = any(
        command.program in _COPIES and {folder, path} & {word.rstrip("/") for word in command.operands}
        for command in scene.commands
    )
    related = (shown for shown in listed if _is_below(shown.path, folder) or _is_below(folder, shown.path))
    return None if copied else next(related, None)


def _versions(scene: Scene) -> Iterator[tuple[ShownConfig, ShownConfig]]:
    """Each config of a guest, and the next one of it."""
    by_name: dict[str, list[ShownConfig]] = {}
    for shown in scene.configs:
        if shown.name:
            by_name.setdefault(shown.name, []).append(shown)
    for versions in by_name.values():
        yield from pairwise(versions)


def _mount_points(scene: Scene) -> tuple[str, ...]:
    """Where shares are mounted, by what was typed and shown."""
    typed = [
        command.operands[-1].rstrip("/")
        for command in scene.commands
        if command.program in ("mount", "mount.nfs") and command.operands and command.operands[-1].startswith("/")
    ]
    shown = [mount.target for mount in scene.mounts if mount.server]
    return tuple(dict.fromkeys(point for point in (*typed, *shown) if point))


def _is_below(path: str, folder: str) -> bool:
    return posixpath.normpath(path).startswith(f"{folder.rstrip('/')}/")


def _named(entries: list[ConfigPath]) -> str:
    paths = " and ".join(f"{entry.key} {entry.path}" for entry in entries)
    return f"{paths} {'is' if len(entries) == 1 else 'are'}"
