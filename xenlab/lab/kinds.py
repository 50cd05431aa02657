"""The kinds of data that a run's tape holds: all dataclasses that what is taken is made of."""

import typing
from collections.abc import Iterator
from dataclasses import is_dataclass

from xenlab.lab.guest_looks import ConfigRead, LoginTried, RunningDevices, Screen
from xenlab.lab.left import Leftovers
from xenlab.lab.looks import GuestLook, HostLook, NonceTrip, OwnLook, ShareLook, Unknown
from xenlab.lab.migration import Migration
from xenlab.lab.moved import Nonce, PausedMove
from xenlab.lab.observed import Observed, PingAnswer
from xenlab.lab.places import Places
from xenlab.lab.share import SharedFiles
from xenlab.lab.tape import Kinds
from xenlab.xen.parsers import Domain

TAKEN = (
    *(HostLook, ShareLook, NonceTrip, SharedFiles, ConfigRead, RunningDevices, LoginTried, Screen, Nonce),
    *(GuestLook, Domain, Unknown, Places, PingAnswer, Migration, PausedMove, Observed, Leftovers, OwnLook),
)


RENAMED = {"SeenFrom": "SeatPing", "Hearing": "PingAnswer"}
"""What classes are called by now, by the names that earlier tapes have them by."""


def kinds() -> Kinds:
    """The classes by their names, those of old included."""
    found = {kind.__name__: kind for kind in _within(TAKEN, set())}
    return found | {old: found[new] for old, new in RENAMED.items()}


def _within(hints: typing.Iterable[object], seen: set[object]) -> Iterator[type]:
    for hint in hints:
        if isinstance(hint, type) and is_dataclass(hint) and hint not in seen:
            seen.add(hint)
            yield hint
            yield from _within(typing.get_type_hints(hint).values(), seen)
        yield from _within(typing.get_args(hint), seen)
