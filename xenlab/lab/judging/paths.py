"""What a look says of a path: the file that it is, and the place where it really lies. Pure."""

from collections.abc import Iterable

from xenlab.errors import CannotObserve
from xenlab.lab.looks import FilesLook, ShareLook, Unknown
from xenlab.remote.filesystems import FileFact, Place, place_of


def fact_of(look: ShareLook | FilesLook, path: str) -> FileFact | Unknown:
    """The file, or that there is none; Unknown where the look could not see it, or did not ask."""
    if isinstance(look.files, Unknown):
        return look.files
    fact = next((fact for fact in look.files if fact.path == path), None)
    if fact is None:
        return Unknown(f"{path} was not looked at on {look.host}")
    return Unknown(f"{path} on {look.host}: {fact.unseen}") if fact.unseen else fact


def place_at(look: ShareLook | FilesLook, path: str) -> Place | Unknown:
    """Where the path lies, without its links; taken as it stands where the look did not ask for it."""
    if isinstance(look.mounts, Unknown):
        return look.mounts
    try:
        return place_of(look.mounts, resolved(look, path))
    except CannotObserve as odd:
        return Unknown(odd.message, odd.hint)


def lies_on(place: Place, shares: Iterable[Place | Unknown]) -> bool | Unknown:
    """Whether a place is on one of the shares; Unknown where it may be on one of which nobody can tell where it is."""
    known = [share for share in shares if isinstance(share, Place)]
    if any(map(place.is_below, known)):
        return True
    return next((share for share in shares if isinstance(share, Unknown)), False)


def resolved(look: ShareLook | FilesLook, path: str) -> str:
    """The path without links; as it stands where that is not known."""
    fact = fact_of(look, path)
    return path if isinstance(fact, Unknown) else fact.resolved or path
