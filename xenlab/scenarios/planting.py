"""Planting scenarios into the embedded lab that is up, and going back to how it was before.

Before anything is planted the lab's hosts are kept as they are (a checkpoint), and going back undoes all at once.
"""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from xenlab.errors import CannotObserve, UsageError, XenlabError
from xenlab.lab.lab import Lab
from xenlab.labfile import LabFile
from xenlab.labfile_change import LabFileChange
from xenlab.remote.machine import Machine
from xenlab.scenarios.scenario import LabChange, LesserProcessor, Scenario, Underneath
from xenlab.testbed.embedded import EmbeddedLab
from xenlab.testbed.joining import join, lab_file_of
from xenlab.testbed.provision import no_record
from xenlab.tomlfile import dump

BEFORE = "before-break"
"""The checkpoint to which `./lab break --undo` goes back."""

_SECONDS = 300.0
_WORDS = 400


class NotPlanted(CannotObserve):
    """A scenario did not take: what it should change is as it was, or could not be changed."""


def break_lab(working_copy: Path, scenario: Scenario) -> None:
    """Change the lab that is up, which is kept as it is now before the first such change; guests that must run are
    started first.

    :raises UsageError: no lab is up, or the scenario disrupts a run.
    :raises NotPlanted: the scenario did not take; where it was the first one, the lab is as before.
    """
    if isinstance(scenario, Underneath) and scenario.disruptions:
        raise UsageError(
            f"{scenario.name} disrupts a run, and is nothing to be planted before it",
            hint=f"./lab prove {scenario.name} makes the run, too",
        )
    spec, embedded = join(working_copy), EmbeddedLab(working_copy, Console(stderr=True))
    already = _planted(embedded)
    if not already:
        embedded.keep(BEFORE)
    state = embedded.state()
    note(embedded, [*already, scenario.name], state.changes if state else ())
    try:
        if scenario.runs:
            start_guests(spec)
        plant(scenario, spec, embedded)
        note(embedded, [*already, scenario.name], [*(state.changes if state else ()), *scenario.lab])
    except XenlabError:
        if not already:
            mend_lab(working_copy)
        raise


def mend_lab(working_copy: Path) -> list[str]:
    """Go back to before the first change; returns the names of the scenarios that are undone.

    :raises UsageError: no lab is up; :raises CannotObserve: it does not come back.
    """
    join(working_copy)
    embedded = EmbeddedLab(working_copy, Console(stderr=True))
    planted = _planted(embedded)
    if planted:
        embedded.go_back(BEFORE)
        note(embedded)
    return planted


def start_guests(spec: LabFile) -> None:
    """Start every guest at home, and wait until each takes a login.

    :raises XenlabError: one does not come up.
    """
    with Lab(spec, no_record) as lab:
        for guest in lab.guests.values():
            guest.home.remote.run("xl", "create", guest.spec.config, timeout=_SECONDS, changes=True).check()
        for guest in lab.guests.values():
            guest.machine.wait_until_reachable(spec.timeouts.boot_seconds, f"{guest.name} to boot")


def plant(scenario: Scenario, spec: LabFile, embedded: EmbeddedLab) -> None:
    """Make every change of a scenario, and see that each took.

    :raises NotPlanted: one did not; :raises CannotObserve: a host does not come back with its other processor.
    """
    for processor in scenario.processors:
        embedded.boot_anew(processor.host, processor.without)
    with Lab(spec, no_record) as lab:
        for change in scenario.changes:
            _run(scenario, _machine(lab, change), change.script, "cannot be made")
        for change in (*scenario.changes, *map(_seen, scenario.processors)):
            _run(scenario, _machine(lab, change), change.took, "did not take")


def note(embedded: EmbeddedLab, planted: Sequence[str] = (), changes: Sequence[LabFileChange] = ()) -> None:
    """Note what is planted in the lab, and have its lab file say so; nothing by default."""
    state = embedded.state()
    if state is not None:
        state.planted, state.changes = [*planted], [*changes]
        state.save()
        state.lab_file.write_text(dump(lab_file_of(state)))


def _run(scenario: Scenario, machine: Machine, script: str, what: str) -> None:
    result = machine.run("sh", "-c", script, timeout=_SECONDS, changes=True)
    if not result.ok:
        words = (result.stderr or result.stdout).strip()[-_WORDS:] or f"exit code {result.exit_code}"
        raise NotPlanted(f"{scenario.name}: its change of {machine.name} {what}: {words}", evidence=result.evidence)


def _seen(processor: LesserProcessor) -> LabChange:
    """What shows that the host's processor lacks them; what Xen hides from Dom0 anyway shows nothing."""
    return LabChange(processor.host, ":", f"! grep -m1 -w -e {' -e '.join(processor.without)} /proc/cpuinfo")


def _machine(lab: Lab, change: LabChange) -> Machine:
    if change.machine in lab.guests:
        return lab.guests[change.machine].machine
    return lab.hosts.named(change.machine).remote


def _planted(embedded: EmbeddedLab) -> list[str]:
    state = embedded.state()
    return list(state.planted) if state else []
