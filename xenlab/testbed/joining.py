"""Joining the embedded lab that is up in a working copy."""

from pathlib import Path

from xenlab.errors import UsageError
from xenlab.labfile import LabFile
from xenlab.testbed.bootfiles import Images
from xenlab.testbed.labplan import embedded_lab
from xenlab.testbed.network import Network
from xenlab.testbed.networks import network_named
from xenlab.testbed.profiles import profile_named
from xenlab.testbed.state import LabState, lab_folder


def join(working_copy: Path) -> LabFile:
    """Bring this process where the running lab's hosts can be reached, and return what is there.

    :raises UsageError: no lab is up; :raises CannotObserve: its network cannot be joined.
    """
    state = LabState.load(lab_folder(working_copy))
    if state is None or state.keeper is None or not state.running:
        raise UsageError("no lab is up in this working copy", hint="./lab up")
    network_of(state).join(state.keeper.pid)
    return lab_file_of(state)


def network_of(state: LabState) -> Network:
    """The network that a lab is wired by."""
    return network_named(state.network, sockets=Path(state.sockets), folder=state.folder)


def lab_file_of(state: LabState) -> LabFile:
    """What a lab's lab.toml says, up or coming up, with what was changed since."""
    return lab_as_made(state).changed(state.changes)


def lab_as_made(state: LabState) -> LabFile:
    """What a lab's lab.toml said before anything was changed in it: so its machines are reached whatever it says."""
    images = Images(Path(state.images))
    return embedded_lab(profile_named(state.profile), images, state.ways_in, state.known_hosts)
