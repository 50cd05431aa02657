"""Meanings and remedies with the names of the hosts and the guest filled in."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from xenlab.causes.cause import Match
from xenlab.causes.packages import PACKAGES, package
from xenlab.xen.messages import Speaker

HOLDERS = frozenset({"host", "source", "target", "peer", "guest", *PACKAGES})
"""The names that every meaning and remedy may use; `peer` is the target as the words call it, where they do."""

# What hosts say goes into commands that a reader may copy: only what no shell takes for more than a word.
_PLAIN_WORD = re.compile(r"[\w./:@%+,=\[\]-]{1,200}")
_SHOWN = 160


@dataclass(frozen=True, slots=True)
class Names:
    """What the two ends of a command and its guest are called; outside of moves only `source` counts.

    `peer` is the name or address by which the source reaches the target, where that is not its name; `family` the
    source's distribution, as `packages` has it.
    """

    source: str | None = None
    target: str | None = None
    guest: str | None = None
    peer: str | None = None
    family: str = ""

    def of(self, side: Speaker) -> str | None:
        """The name of that end."""
        return self.target if side == "target" else self.source


def meaning(match: Match, names: Names) -> str:
    """What the line means, with what it says itself; unknown names are held by HOST, PEER or GUEST."""
    return _filled(match.cause.meaning, match, names, lambda value, _: value[:_SHOWN])


def remedy(match: Match, names: Names) -> str:
    """What to do. A text of the line that is more than a plain word is held by its name in capitals."""
    return _filled(
        match.cause.remedy, match, names, lambda value, name: value if _PLAIN_WORD.fullmatch(value) else name.upper()
    )


def with_names(text: str, names: Names) -> str:
    """A text of ours with the names of both ends and the guest in their places; HOST is the source."""
    return text.format_map(_held(names, "source"))


def _filled(text: str, match: Match, names: Names, shown: Callable[[str, str], str]) -> str:
    said = {name: shown(value.strip().rstrip("."), name) for name, value in match.details.items()}
    return text.format_map(_held(names, match.side) | said)


def _held(names: Names, speaker: Speaker) -> dict[str, str]:
    source, target = names.source or "HOST", names.target or "PEER"
    host = target if speaker == "target" else source
    peer, guest = names.peer or target, names.guest or "GUEST"
    packages = {needed: package(needed, "" if speaker == "target" else names.family) for needed in PACKAGES}
    return {"source": source, "target": target, "peer": peer, "host": host, "guest": guest, **packages}
