"""What was seen of a guest at one time, from outside and by its hosts: frozen facts, as in `looks`. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from xenlab.lab.looks import ConfigLook, FilesLook, IdentityLook, Unknown
from xenlab.lab.places import Places
from xenlab.xen.parsers import Domain


@dataclass(frozen=True, slots=True)
class LoginTried:
    """A login that was tried: the way in, or the words of its refusal and where the guest was then."""

    way_in: str
    refused: str = ""
    hint: str = ""
    places: Places | None = None


@dataclass(frozen=True, slots=True)
class Screen:
    """What a guest's console showed, asked through its host."""

    host: str
    shown: str
    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RunningDevices:
    """A running domain by its stored configuration, and the files that it rests on; None where it was not known."""

    host: str
    domain: Domain | Unknown
    ids: tuple[str, ...]
    files: FilesLook | None


@dataclass(frozen=True, slots=True)
class ConfigRead:
    """A guest's config as both hosts read it, and the looks at what it names; `others` are the other guests' texts."""

    looks: tuple[ConfigLook, ConfigLook]
    files: tuple[FilesLook, FilesLook]
    identities: IdentityLook | None
    others: Mapping[str, str | Unknown]
