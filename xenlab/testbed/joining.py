"""Joining the embedded lab that is up in a working copy."""

from pathlib import Path

from xenlab.errors import UsageError
from xenlab.labfile import LabFile
from xenlab.testbed import namespace
from xenlab.testbed.bootfiles import Images
from xenlab.testbed.labplan import embedded_lab
from xenlab.testbed.profiles import profile_named
from xenlab.testbed.state import LabState, lab_folder


def join(working_copy: Path) -> LabFile:
    """Move this process into the running lab's namespace and return what is there.

    :raises UsageError: no lab is up; :raises CannotObserve: its namespace cannot be entered.
    """
    state = LabState.load(lab_folder(working_copy))
    if state is None or state.keeper is None or not state.running:
        raise UsageError("no lab is up in this working copy", hint="./lab up")
    namespace.join(state.keeper.pid)
    return embedded_lab(profile_named(state.profile), Images(Path(state.images)))
