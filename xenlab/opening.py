"""Opening the lab that a run is about: the embedded one, or the one of a lab file."""

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from xenlab.errors import UsageError
from xenlab.jsontext import parsed
from xenlab.lab import custody
from xenlab.lab.custody import LabFound
from xenlab.labfile import LabFile, load, loads
from xenlab.testbed.embedded import EmbeddedLab
from xenlab.testbed.joining import join
from xenlab.testbed.plan import EMBEDDED, GUESTS, HOSTS, SERVER, NamedAddress
from xenlab.testbed.state import LabState, lab_folder
from xenlab.tomlfile import data_of


class NothingToMend(UsageError):
    """A run that was cut off has left nothing: its lab is down."""


@dataclass(frozen=True, slots=True)
class MachineNames:
    """What a lab's machines are called; `server` is the one of the first share, which may be none of the hosts."""

    hosts: tuple[str, ...]
    server: str
    guests: tuple[str, ...]


def machine_names(lab_name: str) -> MachineNames:
    """Names of the lab's machines, known before it is opened; raises UsageError for a wrong lab file."""
    if lab_name == EMBEDDED:
        return MachineNames(_names(HOSTS), SERVER.name, _names(GUESTS))
    lab = load(Path(lab_name))
    return MachineNames(_names(lab.hosts), lab.server, _names(lab.guests))


def _names(machines: Iterable[NamedAddress]) -> tuple[str, ...]:
    return tuple(machine.name for machine in machines)


def refuse_unfinished(lab_name: str, working_copy: Path) -> None:
    """See that no earlier run of this lab was cut off: its guests may stand anywhere.

    :raises UsageError: one was; it is to be mended first.
    """
    for found, acts in custody.unfinished():
        if not custody.is_running(found) and _is_of(found, lab_name, working_copy):
            if _is_gone(found) or not acts:
                custody.forget(found)
                continue
            raise UsageError(
                f"run {found.run} of {found.began:%Y-%m-%d %H:%M} UTC on this lab was cut off with guests on their way",
                hint="./lab mend brings them home",
            )


def is_for_practice(lab_name: str, working_copy: Path) -> bool:
    """Whether it is the embedded lab, up, and the lab of a practice."""
    state = LabState.load(lab_folder(working_copy)) if lab_name == EMBEDDED else None
    return state is not None and state.running and bool(state.checkpoints)


def refuse_practice(lab_name: str, working_copy: Path) -> None:
    """See that the lab is solved, or somebody's own.

    :raises UsageError: it is for practice.
    """
    if is_for_practice(lab_name, working_copy):
        hint = "./lab finish grades it as it is; ./lab down ends the practice"
        raise UsageError("the lab that is up is for practice", hint=hint)


def brought_up(lab_name: str, working_copy: Path) -> str:
    """What tells the embedded lab that is up from one of another time; nothing for a lab that nobody brings up."""
    state = LabState.load(lab_folder(working_copy)) if lab_name == EMBEDDED else None
    return _keeper(state) if state else ""


def open_found(found: LabFound) -> AbstractContextManager[LabFile]:
    """The lab that a run which was cut off has noted, opened again; its file may say something else by now.

    :raises NothingToMend: it was the embedded one, and that is down.
    :raises UsageError: what its file names (a key, say) is gone.
    """
    if found.lab_name == EMBEDDED:
        if _is_gone(found):
            custody.forget(found)
            raise NothingToMend(f"the embedded lab of run {found.run} is down: nothing is left to mend")
        return open_lab(EMBEDDED, None, Path(found.working_copy))
    return nullcontext(loads(found.lab_file, f"the lab file of run {found.run}"))


def forget_embedded(working_copy: Path) -> None:
    """Forget what was to be mended in a working copy's embedded lab: it is down, and its hosts with it."""
    for found, _ in custody.unfinished():
        if found.lab_name == EMBEDDED and Path(found.working_copy) == working_copy and not custody.is_running(found):
            custody.forget(found)


def _is_of(found: LabFound, lab_name: str, working_copy: Path) -> bool:
    if EMBEDDED in (found.lab_name, lab_name):
        return found.lab_name == lab_name and Path(found.working_copy) == working_copy
    ours = {host.address for host in load(Path(lab_name)).hosts}
    return ours == _addresses(found)


def _addresses(found: LabFound) -> set[str]:
    """The hosts that a run has noted; none where its file cannot be read any more."""
    try:
        hosts = parsed(data_of(found.lab_file, found.run)).get("hosts")
    except UsageError:
        return set()
    return {str(host.get("address")) for host in (hosts if isinstance(hosts, list) else ()) if isinstance(host, dict)}


def _is_gone(found: LabFound) -> bool:
    """Whether it is of an embedded lab that is down, or was brought up anew since.

    By its keeper, not by a time: this machine's clock may have been set meanwhile.
    """
    if found.lab_name != EMBEDDED:
        return False
    state = LabState.load(lab_folder(Path(found.working_copy)))
    return state is None or not state.running or found.up not in ("", _keeper(state))


def _keeper(state: LabState) -> str:
    return f"{state.keeper.pid} {state.keeper.started}" if state.keeper else ""


def lab_as_it_is(lab_name: str, working_copy: Path) -> LabFile:
    """The lab's file, with this process where the lab can be reached; nothing is brought up for it.

    :raises UsageError: the lab file is wrong, or no embedded lab is up.
    """
    return join(working_copy) if lab_name == EMBEDDED else load(Path(lab_name))


@contextmanager
def open_lab(
    lab_name: str, profile: str | None, working_copy: Path, *, network: str | None = None
) -> Iterator[LabFile]:
    """The lab's file, with this process where the lab can be reached.

    The embedded lab is brought up when it is not, with that profile and network, and then brought down again at the
    end.

    :raises UsageError: the call, the lab file or this machine is wrong; :raises CannotObserve: no lab came up.
    """
    if lab_name != EMBEDDED:
        if profile is not None:
            raise UsageError("--profile belongs to the embedded lab", hint="leave out --lab or --profile")
        if network is not None:
            raise UsageError("--network belongs to the embedded lab", hint="leave out --lab or --network")
        yield load(Path(lab_name))
        return
    embedded = EmbeddedLab(working_copy, Console(stderr=True))
    state = embedded.state()
    was_up = state is not None and state.running
    if was_up and state and profile not in (None, state.profile):
        raise UsageError(f"a {state.profile} lab is up, not a {profile} one", hint="./lab down, or leave out --profile")
    if was_up and state and network not in (None, state.network):
        hint = "./lab down, or leave out --network"
        raise UsageError(f"the lab that is up has the network {state.network!r}, not {network!r}", hint=hint)
    if not was_up:
        embedded.up(profile, network=network)
    try:
        yield join(working_copy)
    finally:
        if not was_up:
            embedded.down()
            forget_embedded(working_copy)
