"""A user's own file given a new content: whole or not at all, with the mode and owner that it had, and a copy kept."""

import os
import shutil
import stat
from contextlib import suppress
from itertools import count
from pathlib import Path

from xenlab.errors import UsageError

_MOST = 1 << 20


def read_own(path: Path, most: int = _MOST) -> bytes:
    """Read a regular file of at most `most` bytes.

    :raises UsageError: it is no such file, or cannot be read.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise UsageError(f"{path} is no regular file")
        if status.st_size > most:
            raise UsageError(f"{path} has {status.st_size} bytes, more than {most}", hint="is it the right file?")
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error


def replace_own(path: Path, before: bytes, after: bytes) -> Path:
    """Put `after` where `before` is, and return where `before` is kept.

    A link is not written through, and a file that has changed meanwhile is left alone.

    :raises UsageError: nothing was written, and why.
    """
    try:
        status = path.lstat()
        if stat.S_ISLNK(status.st_mode):
            raise UsageError(f"{path} is a link: nothing was written", hint=f"name the file itself: {path.resolve()}")
        if status.st_nlink > 1:
            raise UsageError(f"{path} has {status.st_nlink} names (hard links): nothing was written")
        kept = _keep(path, before, status)
        part = path.with_name(f".{path.name}.{os.getpid()}.part")
        try:
            _write_new(part, after, path, status)
            if path.read_bytes() != before or path.lstat().st_ino != status.st_ino:
                raise UsageError(f"{path} has changed meanwhile: nothing was written", hint="call it again")
            part.replace(path)
        except (OSError, UsageError):
            for needless in (part, kept):
                with suppress(OSError):
                    needless.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise UsageError(f"{path} was not written: {error.filename or path}: {error.strerror}") from error
    return kept


def _keep(path: Path, before: bytes, status: os.stat_result) -> Path:
    """A copy of the file beside it, under a name that nothing has yet."""
    for number in count(1):
        kept = path.with_name(f"{path.name}.before-{number}")
        with suppress(FileExistsError):
            _write_new(kept, before, path, status)
            break
    return kept


def _write_new(new: Path, data: bytes, like: Path, status: os.stat_result) -> None:
    """Make a file that is not there yet, of the owner, mode and extended attributes of another."""
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        try:
            if (status.st_uid, status.st_gid) != (os.geteuid(), os.getegid()):
                os.fchown(file.fileno(), status.st_uid, status.st_gid)
            shutil.copystat(like, new)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        except OSError:
            new.unlink(missing_ok=True)
            raise
