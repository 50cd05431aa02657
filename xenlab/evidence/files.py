"""Files that are there whole or not at all, for their owner's eyes only: they hold what the hosts said."""

import errno
import os
from contextlib import suppress
from pathlib import Path

_PART = ".part"
_FILE, _FOLDER = 0o600, 0o700


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file so that nobody ever sees half of it; readable to its owner only (0600), as are new folders (0700).

    :raises OSError: it could not be written; what was there before still is.
    """
    data = content.encode("utf-8", errors="replace") if isinstance(content, str) else content
    part = part_of(path)
    make_folder(path.parent)
    try:
        part.unlink(missing_ok=True)
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _FILE), "wb") as file:
            file.write(data)
        part.replace(path)
    except OSError:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise


def part_of(path: Path) -> Path:
    """Where a file lies until it is whole."""
    return path.with_name(f".{path.name}{_PART}")


def make_folder(path: Path) -> None:
    """Make a folder, and those above it that are missing, open to their owner only.

    :raises OSError: it cannot be made.
    """
    if path.is_dir():
        return
    if path.exists() and not path.is_dir():  # somebody else may make it between two looks
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path))
    make_folder(path.parent)
    path.mkdir(_FOLDER, exist_ok=True)
