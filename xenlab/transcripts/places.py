"""Who is who in a transcript: guests, hosts, and the addresses that each host has by what was typed."""

import re
from collections.abc import Iterable, Mapping, Sequence

from xenlab.transcripts.scene import ShownConfig, ShownListing
from xenlab.transcripts.typed import TypedCommand

_OF_GUESTS = frozenset({"console", "destroy", "migrate", "pause", "reboot", "save", "shutdown", "unpause", "vncviewer"})
_OF_HOSTS = frozenset({"exportfs", "xl", "xm"})
HALVES = ("--incoming", "--migratedaway")
"""What xl appends to the name of a guest while it moves."""


def whole_name(name: str) -> str:
    """A guest's name without what xl appends while it moves."""
    for half in HALVES:
        name = name.removesuffix(half)
    return name


def guest_names(
    commands: Iterable[TypedCommand], listings: Iterable[ShownListing], configs: Iterable[ShownConfig]
) -> frozenset[str]:
    """The names of guests, by listings, configs and what xl was asked for."""
    listed = {whole_name(row.name) for listing in listings for row in listing.guests}
    asked = {command.operands[0] for command in commands if command.verb in _OF_GUESTS and command.operands}
    named = {config.name for config in configs if config.name}
    return frozenset(name for name in listed | asked | named if not name.isdigit() and name != "Domain-0")


def host_names(
    commands: Iterable[TypedCommand], listings: Iterable[ShownListing], guests: frozenset[str]
) -> frozenset[str]:
    """The names of Xen hosts: at whose prompt xl or exportfs was typed."""
    typed = {command.host for command in commands if command.host and command.program in _OF_HOSTS}
    listed = {listing.host for listing in listings if listing.host}
    return frozenset(typed | listed) - guests


def address_book(
    commands: Sequence[TypedCommand], hosts: frozenset[str], own: Iterable[tuple[str | None, str]]
) -> dict[str, frozenset[str]]:
    """The addresses of each host: its own by `ip address`, where ssh led to it, and where a guest was moved to it.

    A target that nothing names is a host by its address alone.
    """
    book: dict[str, set[str]] = {host: set() for host in hosts}
    for host, address in own:
        if host in book:
            book[host].add(address)
    for at, command in enumerate(commands):
        if command.program == "ssh" and command.operands:
            led_to = next((later.host for later in commands[at + 1 : at + 4] if later.host), None)
            if led_to in hosts and led_to != command.host:
                book[led_to or ""].add(without_user(command.operands[0]))
    for command in commands:
        if command.verb == "migrate" and len(command.operands) > 1:
            target = without_user(command.operands[1])
            book.setdefault(resolved(target, command.host, hosts, book), set()).add(target)
    return {host: frozenset(known) for host, known in book.items()}


def resolved(target: str, source: str | None, hosts: frozenset[str], book: Mapping[str, Iterable[str]]) -> str:
    """The host that a target is: by its name, a known address, or as the other of two; itself where nothing tells."""
    first = target.partition(".")[0].lower()
    by_name = next((host for host in sorted(hosts) if host.lower() in (target.lower(), first)), None)
    by_address = next((host for host, known in sorted(book.items()) if target in known), None)
    others = hosts - {source}
    other = next(iter(others)) if source in hosts and len(others) == 1 else None
    return by_name or by_address or other or target


def without_user(target: str) -> str:
    """The host of "root@10.1.1.143", "ssh://root@baye" or "root@[2001:db8::7]"."""
    host = re.sub(r"^(?:ssh://)?(?:[^@\s]{1,64}@)?", "", target)
    return host[1:].partition("]")[0] if host.startswith("[") else host
