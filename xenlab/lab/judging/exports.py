"""Which line of an NFS server's exports counts for a client, and what it lets root do. Pure.

Source: exports(5), and nfs-utils: support/export/client.c tells the kinds of clients apart, lookup_export() in
utils/mountd/cache.c takes the deepest path, and of its lines the first in the order of those kinds.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import IntEnum
from fnmatch import fnmatchcase
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from pathlib import PurePosixPath

from xenlab.remote.facts import Export

_LONGEST_NAME = 255


class ClientKind(IntEnum):
    """How a line names its clients; the lowest counts first."""

    HOST = 0
    NETWORK = 1
    """A single address, too."""
    WILDCARD = 2
    NETGROUP = 3
    WORLD = 4
    GSS = 5


@dataclass(frozen=True, slots=True)
class Ruling:
    """What a client may do by the lines that count for it; `lets_root_write` is None where nobody can tell which."""

    lets_root_write: bool | None
    lines: tuple[Export, ...]
    is_named: bool

    @property
    def words(self) -> str:
        """The lines, for people."""
        return "; ".join(f"{line.client}({','.join(line.options)})" for line in self.lines)


def covering(exports: Sequence[Export], folder: str) -> tuple[Export, ...]:
    """The lines that export the folder or one above it."""
    return tuple(line for line in exports if PurePosixPath(folder).is_relative_to(line.path))


def by_way_of(lines: Sequence[Export], server: str) -> tuple[Export, ...]:
    """The lines that may be of a client that comes to this address of the server's: by the same version of IP."""
    ours = _address(server)
    networks = (_network(line.client) for line in lines)
    return tuple(
        line
        for line, network in zip(lines, networks, strict=True)
        if network is None or ours is None or network.version == ours.version
    )


def ruling(lines: Sequence[Export], addresses: Collection[str], flavour: str = "sys") -> Ruling:
    """What root of a client may do by `lines`, which cover one folder.

    `addresses` are the client's names and addresses, `flavour` the security of its mount (sec= in nfs(5)). A name,
    wildcard or netgroup may stand for the client without our knowing: where such a line would count before the one
    that is known to fit, both must say the same. Where none is known to fit, all must. `is_named` tells that the
    client may be meant by one of them at all.
    """
    ranked = sorted(lines, key=lambda line: (-len(PurePosixPath(line.path).parts), kind(line.client)))
    fits = [matches(line.client, addresses) for line in ranked]
    may = [lets_root_write(line, flavour) for line in ranked]
    sure = next((index for index, fit in enumerate(fits) if fit), None)
    if sure is None:
        said = {may[index] for index, fit in enumerate(fits) if fit is None} or set(may)
        return Ruling(said.pop() if len(said) == 1 else None, tuple(ranked), None in fits)
    before = [index for index in range(sure) if fits[index] is None]
    if all(may[index] == may[sure] for index in before):
        return Ruling(may[sure], (ranked[sure],), True)
    return Ruling(None, tuple(ranked[index] for index in (*before, sure)), True)


def kind(client: str) -> ClientKind:
    """How a line of exportfs -v names its clients."""
    if client in ("", "*", "<world>"):
        return ClientKind.WORLD
    if client.startswith("gss/"):
        return ClientKind.GSS
    if client.startswith("@"):
        return ClientKind.NETGROUP
    if any(letter in client for letter in "*?["):
        return ClientKind.WILDCARD
    return ClientKind.HOST if _network(client) is None else ClientKind.NETWORK


def matches(client: str, addresses: Collection[str]) -> bool | None:
    """Whether a line's client is one of these names and addresses; None where that cannot be told."""
    own = [known for known in map(_address, addresses) if known is not None]
    names = [name.lower() for name in addresses if _address(name) is None]
    match kind(client):
        case ClientKind.WORLD:
            return True
        case ClientKind.NETWORK:
            network = _network(client)
            return any(known in network for known in own) if network is not None and own else None
        case ClientKind.HOST:
            first = client.lower().partition(".")[0]
            if any(client.lower() == name or first == name.partition(".")[0] for name in names):
                return True
            return False if names else None
        case ClientKind.WILDCARD:
            short = len(client) <= _LONGEST_NAME
            return True if short and any(fnmatchcase(name, client.lower()) for name in names) else None
    return None


def lets_root_write(line: Export, flavour: str = "sys") -> bool:
    """Whether root of a client stays root and may write: rw, and neither root_squash nor all_squash in effect."""
    options = _for_flavour(line.options, flavour)
    squashed = "all_squash" in options or "no_root_squash" not in options
    return "rw" in options and (not squashed or "anonuid=0" in options)


def _for_flavour(options: Sequence[str], flavour: str) -> set[str]:
    """The options in effect: those after a sec= hold for its flavours only (exports(5))."""
    counts, found = True, set[str]()
    for option in options:
        if option.startswith("sec="):
            counts = flavour in option.removeprefix("sec=").split(":")
        elif counts:
            found.add(option)
    return found


def _address(word: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(word.partition("%")[0])
    except ValueError:
        return None


def _network(word: str) -> IPv4Network | IPv6Network | None:
    try:
        return ip_network(word, strict=False)
    except ValueError:
        return None
