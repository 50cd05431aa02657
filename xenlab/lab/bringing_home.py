"""Bringing each guest back to where it was found, on its own, after every act on it has ended.

What is ambiguous is not acted on: the exact commands by hand are said instead.
"""

import time
from contextlib import suppress
from dataclasses import dataclass

from xenlab.errors import CannotObserve, LabFault, XenlabError
from xenlab.lab.acts import Acts
from xenlab.lab.dom0 import HostPair
from xenlab.lab.found import GuestFound, is_as_found
from xenlab.lab.places import Places, by_hand
from xenlab.labfile import GuestSpec
from xenlab.labfile_limits import TimeoutSpec
from xenlab.remote.waiting import NotInTime, wait_for

_LOOK_SECONDS = 5.0
# A host that does not answer may do so in a moment; one that is gone must not hold up the others' guests.
_SILENCE_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Homecoming:
    """How one guest was left: whether as it was found, where it is now, and what to do by hand where it is not.

    A guest that was not `touched` by the run is not brought back: what became of it meanwhile is others' doing. Of one
    that is not `seen`, since a host is silent, nothing is claimed.
    """

    guest: str
    as_found: bool
    words: str
    by_hand: str = ""
    touched: bool = True
    seen: bool = True

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to mend."""
        return self.as_found or not self.touched

    def __str__(self) -> str:
        otherwise = ", NOT as found" if self.seen else ", which may or may not be as found"
        said = f"{self.guest} is {self.words}" + (", as found" if self.as_found else otherwise)
        if not self.touched:
            said += ", and was not touched"
        return f"{said}; by hand: {self.by_hand}" if self.by_hand else said


def leave_alone(spec: GuestSpec, places: Places, found: GuestFound) -> Homecoming:
    """Where a guest is that this run did nothing to."""
    words = f"{places.words}; it was found {found.unclear}" if found.unclear else places.words
    look = by_hand(places) if places.unseen else ""
    return Homecoming(spec.name, is_as_found(places, found), words, look, touched=False, seen=not places.unseen)


def bring_home(spec: GuestSpec, acts: Acts, hosts: HostPair, found: GuestFound, timeouts: TimeoutSpec) -> Homecoming:
    """Bring one guest back, whatever befell it; never raises what the lab or its transport gave rise to."""
    problem = ""
    try:
        places = _settled(spec.name, acts, timeouts)
        if not found.unclear and not is_as_found(places, found):
            _restore(acts, hosts, places, found)
            places = acts.look()
    except XenlabError as why:
        problem, places = why.message, acts.look()
    if is_as_found(places, found):
        return Homecoming(spec.name, True, places.words)
    words = places.words
    if found.unclear:
        words = f"{words}; it was found {found.unclear}"
    elif problem and words not in problem:
        words = f"{words} ({problem})"
    return Homecoming(spec.name, False, words, _by_hand(spec, hosts, places, found), seen=not places.unseen)


def _settled(name: str, acts: Acts, timeouts: TimeoutSpec) -> Places:
    """Where the guest is once nothing is under way any more; a half that nobody moves stays one."""
    latest: list[Places] = []
    silent_until = time.monotonic() + _SILENCE_SECONDS

    def nothing_is_under_way() -> bool:
        latest[:] = [acts.look()]
        if latest[0].unseen:
            return time.monotonic() >= silent_until
        return not latest[0].busy

    with suppress(CannotObserve):
        acts.await_what_was_begun()
    with suppress(NotInTime):
        awaited = f"what is under way for {name} to end"
        wait_for(nothing_is_under_way, awaited, max(timeouts.migrate_seconds, _SILENCE_SECONDS), _LOOK_SECONDS)
    places = latest[0]
    return acts.look_settled() if places.is_on_the_way and not (places.busy or places.unseen) else places


def _restore(acts: Acts, hosts: HostPair, places: Places, found: GuestFound) -> None:
    """Undo what lies between where it is and where it was.

    :raises LabFault, CannotObserve: as the acts do, which refuse what is ambiguous.
    """
    here = None if places.is_off else places.whole_on()
    if places.row is not None and places.row.crashed:
        raise LabFault(f"it crashed on {here}")
    if here is not None and places.row is not None and places.row.paused:
        # It need not take logins to be shut down or moved.
        acts.unpause(hosts.named(here), await_login=False)
    elif here is not None and here != found.host:
        acts.let_boot(hosts.named(here))
    if found.host is None:
        acts.shut_down(acts.where())
    elif here is None:
        acts.create(hosts.named(found.host))
    elif here != found.host:
        _move_back(acts, hosts, here, found.host)
    if found.paused and found.host is not None:
        acts.pause(hosts.named(found.host))


def _move_back(acts: Acts, hosts: HostPair, here: str, home: str) -> None:
    """Live where that works, else shut down there and started here: it must not stay away."""
    try:
        acts.migrate(hosts.named(home))
    except LabFault:
        if acts.look().host != here:
            raise
        acts.shut_down()
        try:
            acts.create(hosts.named(home))
        except XenlabError:
            with suppress(XenlabError):
                acts.create(hosts.named(here))  # rather there than nowhere
            raise


def _by_hand(spec: GuestSpec, hosts: HostPair, places: Places, found: GuestFound) -> str:
    """The commands that bring it back, where it is whole on one host or on none; else how to see where it is."""
    name, where, row = spec.name, places.host, places.row
    home = "off" if found.host is None else f"on {found.host}{', paused' if found.paused else ''}"
    if found.unclear:
        return by_hand(places)
    if where is None and not places.is_off:
        return f"{by_hand(places)}; it was found {home}"
    if row is not None and row.crashed:
        return f"it crashed: on {where}, xl dmesg and its console log tell why; it was found {home}"
    steps = []
    if where is None:
        steps.append(f"on {found.host}: xl create {spec.config}, once xl list on both hosts shows no {name}")
    elif row is not None and row.paused and not (found.paused and where == found.host):
        steps.append(f"on {where}: xl unpause {name}")
    if where is not None and found.host is None:
        steps.append(f"on {where}: xl shutdown -w {name}")
    elif where is not None and found.host is not None and where != found.host:
        steps.append(f"on {where}: xl migrate {name} {hosts.named(found.host).spec.among_hosts}")
    if found.paused:
        steps.append(f"on {found.host}: xl pause {name}")
    return "; then ".join(steps)
