"""Bringing each guest back to where it was found, on its own, after every move of it has ended.

What is ambiguous is not acted on: the exact commands by hand are said instead.
"""

from dataclasses import dataclass

from xenlab.errors import CannotObserve, LabFault, XenlabError
from xenlab.lab.acts import Acts
from xenlab.lab.dom0 import HostPair
from xenlab.lab.found import GuestFound, is_as_found
from xenlab.lab.places import Places, by_hand
from xenlab.labfile import TimeoutSpec
from xenlab.remote.waiting import NotInTime, wait_for

_LOOK_SECONDS = 5.0
# A guest that is shutting down is listed until its devices are down.
_LEAVING_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Homecoming:
    """How one guest was left: whether as it was found, where it is now, and what to do by hand where it is not."""

    guest: str
    as_found: bool
    words: str
    by_hand: str = ""

    def __str__(self) -> str:
        said = f"{self.guest} is {self.words}" + (", as found" if self.as_found else ", NOT as found")
        return f"{said}; by hand: {self.by_hand}" if self.by_hand else said


def bring_home(name: str, acts: Acts, hosts: HostPair, found: GuestFound, timeouts: TimeoutSpec) -> Homecoming:
    """Bring one guest back, whatever befell it; never raises what the lab or its transport gave rise to."""
    try:
        places = _settled(acts, timeouts)
        if found.unclear:
            return Homecoming(name, False, f"{places.words}; it was found {found.unclear}", by_hand(places))
        if not is_as_found(places, found):
            _restore(acts, hosts, places, found)
            places = acts.look()
    except XenlabError as problem:
        return _where_it_is(name, acts, found, problem)
    if is_as_found(places, found):
        return Homecoming(name, True, places.words)
    return Homecoming(name, False, places.words, _wanted(name, found, places))


def _settled(acts: Acts, timeouts: TimeoutSpec) -> Places:
    """Where the guest is once no move of it is under way any more; a half that nobody moves stays one."""
    latest: list[Places] = []

    def nothing_moves() -> bool:
        latest[:] = [acts.look()]
        places = latest[0]
        return bool(places.unseen) or not (places.busy or any(row.leaving for row in places.rows.values()))

    try:
        wait_for(nothing_moves, "moves under way to end", timeouts.migrate_seconds, _LOOK_SECONDS)
        if latest[0].halves or latest[0].disputed:
            # Between a sender's end and the last word on the target the domain still has its other name.
            wait_for(
                lambda: not (acts.look().is_on_the_way),
                "a half-moved guest to become whole",
                _LEAVING_SECONDS,
                _LOOK_SECONDS,
            )
    except NotInTime:
        pass
    return acts.look() if latest[0].is_on_the_way or latest[0].disputed else latest[0]


def _restore(acts: Acts, hosts: HostPair, places: Places, found: GuestFound) -> None:
    """Undo what lies between where it is and where it was.

    :raises LabFault, CannotObserve: as the acts do, which refuse what is ambiguous.
    """
    if places.is_off:
        if found.host is None:
            return
        acts.create(hosts.named(found.host))
    else:
        here = places.whole_on()
        if places.row is not None and places.row.paused and not (found.paused and here == found.host):
            acts.unpause(hosts.named(here))
        if found.host is None:
            acts.shut_down(acts.where())
            return
        if here != found.host:
            _move_back(acts, hosts, found.host)
    if found.paused and found.host is not None and not _paused(acts):
        acts.pause(hosts.named(found.host))


def _move_back(acts: Acts, hosts: HostPair, home: str) -> None:
    """Live where that works, else shut down there and started here: it must not stay away."""
    try:
        acts.migrate(hosts.named(home))
    except LabFault:
        if acts.look().host in (None, home):
            raise
        acts.cold_migrate(hosts.named(home))


def _paused(acts: Acts) -> bool:
    row = acts.look().row
    return row is not None and row.paused


def _where_it_is(name: str, acts: Acts, found: GuestFound, problem: XenlabError) -> Homecoming:
    try:
        places = acts.look()
    except CannotObserve as unseen:
        return Homecoming(name, False, f"nobody knows where: {unseen.message}", f"xl list on both hosts, then {found}")
    if is_as_found(places, found):
        return Homecoming(name, True, places.words)
    # Where it could not be seen, that is why; else the reason is the act's.
    why = "" if places.words in problem.message else f" ({problem.message})"
    return Homecoming(name, False, f"{places.words}{why}", _wanted(name, found, places))


def _wanted(name: str, found: GuestFound, places: Places) -> str:
    """The commands that bring it back, where it is whole on one host or on none."""
    if places.host is None and not places.is_off:
        return by_hand(places)
    where = places.host
    if found.host is None:
        return f"on {where}: xl shutdown -w {name}"
    if where is None:
        return f"on {found.host}: xl create its config, once `xl list` on both hosts shows no {name}"
    if where != found.host:
        return f"on {where}: xl migrate {name} {found.host}"
    return f"on {where}: xl {'pause' if found.paused else 'unpause'} {name}"
