"""The image cache: one folder a recipe, complete or absent, never half of either.

A folder is built under another name and renamed when done. `complete.json` lists its files with size and
modification time, so that a folder somebody cut short or wrote into is noticed and built again.
"""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import platformdirs

from xenlab.errors import UsageError
from xenlab.jsontext import parsed
from xenlab.testbed.tools import remove_tree

_MANIFEST = "complete.json"


def cache_root() -> Path:
    """$XDG_CACHE_HOME/xenlab."""
    return Path(platformdirs.user_cache_dir("xenlab"))


def is_complete(folder: Path) -> bool:
    """Whether every file of the folder is as it was when the folder was sealed."""
    try:
        manifest = parsed((folder / _MANIFEST).read_bytes())
        return bool(manifest) and all(_is_as_sealed(folder / name, *facts) for name, facts in manifest.items())
    except (OSError, ValueError, AttributeError, TypeError):
        return False


def seal(folder: Path) -> None:
    """Declare the folder complete as it is now."""
    names = sorted(path.name for path in folder.iterdir() if path.is_file())
    manifest = {name: _facts(folder / name) for name in names}
    (folder / _MANIFEST).write_text(json.dumps(manifest, indent=1))


def _facts(path: Path) -> list[int]:
    stat = path.stat()
    return [stat.st_size, stat.st_mtime_ns]


def _is_as_sealed(path: Path, size: int, mtime_ns: int) -> bool:
    """Whether a file has that size and, to the second, that time: a container image's layers keep no more of it."""
    stat = path.stat()
    return (stat.st_size, stat.st_mtime_ns // 10**9) == (size, mtime_ns // 10**9)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock of that name while the body runs; another process that wants it waits."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


@contextmanager
def using(folder: Path) -> Iterator[int]:
    """Mark the folder as used; yields the descriptor that a child may inherit, which then goes on using it."""
    with _use_lock(folder).open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_SH)
        yield handle.fileno()


def is_used(folder: Path) -> bool:
    """Whether anybody is `using` the folder."""
    with _use_lock(folder).open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _use_lock(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.use")


@contextmanager
def building(folder: Path) -> Iterator[Path]:
    """A fresh folder to build in, which becomes `folder` when the body ends well and vanishes otherwise.

    Call it with the recipe's lock held: leftovers of killed builds are removed first.
    """
    partial = folder.with_name(folder.name + ".partial")
    for stale in (partial, folder):
        remove_tree(stale)
    partial.mkdir(parents=True)
    try:
        yield partial
        seal(partial)
        partial.rename(folder)
    except BaseException:
        remove_tree(partial)
        raise


def require_space(folder: Path, needed: int, purpose: str) -> None:
    """Raise UsageError when the file system of `folder` has fewer than `needed` bytes left for us."""
    folder.mkdir(parents=True, exist_ok=True)
    stat = os.statvfs(folder)
    free = stat.f_bavail * stat.f_frsize
    if free < needed:
        raise UsageError(
            f"{purpose} needs {needed / 1e9:.1f} GB under {folder}, only {free / 1e9:.1f} GB are free",
            hint="make room, or point XDG_CACHE_HOME at a larger disk",
        )
