"""What mount, stat, cat or touch say of a file on a share that cannot be read or written."""

from xenlab.causes.cause import Match, Rank
from xenlab.causes.dictionary import CAUSES
from xenlab.causes.reading import read
from xenlab.causes.words.errno import ERRNO
from xenlab.causes.words.nfs import NFS

_NOISE = tuple(cause for cause in CAUSES if cause.rank is Rank.NOISE)


def nfs_trouble(words: str) -> Match | None:
    """The line of a failed command on a share that says why, or None where none does.

    `cause.blame` is "lab" where the share or its file is wrong (EROFS, ENOSPC, EACCES, ENOENT, a mount that the server
    refuses), "unobservable" where it did not answer as it should (ESTALE, EIO, ETIMEDOUT), which the caller may know
    better.
    """
    matches = read(words, move=False, among=(*_NOISE, *NFS, *ERRNO)).matches
    return next((match for match in matches if match.cause.rank is not Rank.NOISE), None)
