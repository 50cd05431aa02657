"""Opening the lab that a run is about: the embedded one, or the one of a lab file."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from xenlab.errors import UsageError
from xenlab.labfile import LabFile, load
from xenlab.testbed.embedded import DEFAULT_PROFILE, EmbeddedLab
from xenlab.testbed.plan import GUESTS

EMBEDDED = "embedded"


def guest_names(lab_name: str) -> Sequence[str]:
    """Names of the lab's guests, known before it is opened; raises UsageError for a wrong lab file."""
    if lab_name == EMBEDDED:
        return [guest.name for guest in GUESTS]
    return [guest.name for guest in load(Path(lab_name)).guests]


@contextmanager
def open_lab(lab_name: str, profile: str | None, working_copy: Path) -> Iterator[LabFile]:
    """The lab's file, with this process where the lab can be reached.

    The embedded lab is brought up when it is not, and then brought down again at the end.

    :raises UsageError: the call, the lab file or this machine is wrong; :raises CannotObserve: no lab came up.
    """
    if lab_name != EMBEDDED:
        if profile is not None:
            raise UsageError("--profile belongs to the embedded lab", hint="leave out --lab or --profile")
        yield load(Path(lab_name))
        return
    embedded = EmbeddedLab(working_copy, Console(stderr=True))
    state = embedded.state()
    was_up = state is not None and state.running
    if was_up and state and profile not in (None, state.profile):
        raise UsageError(f"a {state.profile} lab is up, not a {profile} one", hint="./lab down, or leave out --profile")
    if not was_up:
        embedded.up(profile or DEFAULT_PROFILE)
    try:
        yield embedded.join()
    finally:
        if not was_up:
            embedded.down()
