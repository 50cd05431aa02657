"""Proves the checks on the embedded lab: each scenario planted, seen to have taken, graded, and undone.

Two checkpoints are made first, one with the guests off and one in which they run; every row starts from one of them. As
each kind of row begins and ends that a check is there for, the lab as it is is graded as well, and must be green. A run
that is disrupted is judged by its end.
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO

from pydantic import ValidationError
from rich.console import Console

from xenlab.errors import CannotObserve, UsageError, XenlabError
from xenlab.evidence.bundle import opened
from xenlab.grading.writing import COMMANDS, TAPE
from xenlab.jsontext import parsed
from xenlab.lab.found import as_found, is_as_found
from xenlab.lab.lab import Lab
from xenlab.lab.places import Places
from xenlab.outcomes import Grade
from xenlab.proving.disruptions import Disruptions, RunFiles
from xenlab.proving.ends import RunEnd
from xenlab.proving.row import Row, RowEnd, endured, graded, not_graded
from xenlab.remote.waiting import NotInTime, wait_for
from xenlab.scenarios.planting import NotPlanted, note, plant, start_guests
from xenlab.scenarios.scenario import DisruptionKind, Scenario, Underneath
from xenlab.scenarios.shell import PASSWORD_ENV
from xenlab.testbed.embedded import EmbeddedLab
from xenlab.testbed.hardware import hardware_of
from xenlab.testbed.joining import join
from xenlab.testbed.plan import GUEST_PASSWORD
from xenlab.testbed.provision import no_record
from xenlab.testbed.smalldisk import small_disk

_OFF, _RUN = "guests-off", "guests-run"
_SECONDS = 1800.0
# Under emulation a guest is on its way for a minute; one that never arrives is told as it is.
_SETTLE_SECONDS, _LOOK_SECONDS = 120.0, 5.0


class Prover:
    """Proves in one working copy, whose lab is up; what each run leaves lies in `folder`, by the scenario's name."""

    def __init__(self, working_copy: Path, folder: Path) -> None:
        self._working_copy = working_copy
        self._folder = folder
        self._embedded = EmbeddedLab(working_copy, Console(stderr=True))
        self._spec = join(working_copy)
        self._kept: set[str] = set()

    def prove(self, scenarios: Sequence[Scenario], *, as_it_is: bool = True) -> Iterator[Row]:
        """A row a scenario, each once it is there; the lab is as before in the end, however it ends.

        Without `as_it_is` the lab is not graded as it is.

        :raises UsageError: something is planted in the lab already.
        :raises CannotObserve: the lab does not come back, or its guests do not start.
        """
        state = self._embedded.state()
        if state is not None and state.planted:
            raise UsageError(f"{', '.join(state.planted)} is planted in the lab", hint="./lab break --undo")
        self._embedded.keep(_OFF)
        try:
            for group in kinds_of(scenarios):
                has_checks = not all(isinstance(scenario, Underneath) for scenario in group)
                yield from self._proven(group, as_it_is=as_it_is and has_checks)
        finally:
            note(self._embedded)
            self._embedded.go_back(_OFF)

    def _proven(self, group: list[Scenario], *, as_it_is: bool) -> Iterator[Row]:
        """The rows of scenarios of one kind, between two looks at the lab as it is."""
        first, last = ([steady(group[0], when)] if as_it_is else [] for when in ("before", "after"))
        for scenario in (*first, *group, *last):
            yield self._row(scenario)

    def _row(self, scenario: Scenario) -> Row:
        began = time.monotonic()
        try:
            self._go_back(scenario)
            plant(scenario, self._spec, self._embedded)
            note(self._embedded, changes=scenario.lab)
            if isinstance(scenario, Underneath):
                return endured(scenario, self._endured(scenario), time.monotonic() - began)
            grade = self._graded(scenario)
        except NotPlanted as problem:
            return not_graded(scenario, RowEnd.NOT_VIABLE, str(problem), time.monotonic() - began)
        except XenlabError as problem:
            return not_graded(scenario, RowEnd.ERROR, str(problem), time.monotonic() - began)
        return graded(scenario, grade, time.monotonic() - began)

    def _go_back(self, scenario: Scenario) -> None:
        """Have the lab as it is where a scenario begins; the guests are started once."""
        if scenario.runs and _RUN not in self._kept:
            self._embedded.go_back(_OFF)
            start_guests(self._spec)
            self._embedded.keep(_RUN)
            self._kept.add(_RUN)
        self._embedded.go_back(_RUN if scenario.runs else _OFF)

    def _graded(self, scenario: Scenario) -> Grade:
        """What a run of its own makes of the lab as it is now.

        :raises CannotObserve: it comes to no grade, or to no end.
        """
        reports = self._folder / scenario.name
        reports.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix="xenlab-") as state, (reports / "run.log").open("w") as log:
            files = RunFiles(reports, Path(state))
            with self._running(scenario, files, "quiet", log) as run:
                try:
                    run.wait(_SECONDS)
                except subprocess.TimeoutExpired:
                    raise CannotObserve(f"its run did not end within {_SECONDS:g} s") from None
        if (grade := _grade_in(reports)) is None:
            words = (reports / "run.log").read_text(errors="replace").strip().splitlines()[-1:]
            raise CannotObserve(f"its run has no grade: {' '.join(words)}")
        return grade

    def _endured(self, scenario: Underneath) -> RunEnd:
        """How a run of its own ends that is disrupted, and where its guests are then.

        :raises NotPlanted: it was not disrupted.
        """
        reports, log_file = self._folder / scenario.name, self._folder / f"{scenario.name}.log"
        shutil.rmtree(reports, ignore_errors=True)
        reports.mkdir(parents=True)
        found = {name: as_found(places) for name, places in self._places().items()}
        with ExitStack() as stack:
            state = Path(stack.enter_context(TemporaryDirectory(prefix="xenlab-")))
            if any(disruption.kind is DisruptionKind.NO_ROOM for disruption in scenario.disruptions):
                stack.enter_context(small_disk(reports))
                state = reports / "state"
            files = RunFiles(reports, state)
            log = stack.enter_context(log_file.open("w"))
            run = stack.enter_context(self._running(scenario, files, "plain", log))
            hosts = hardware_of(self._working_copy)
            disruptions = stack.enter_context(Disruptions(scenario.disruptions, hosts, run, files))
            try:
                code = run.wait(scenario.must_end.within)
            except subprocess.TimeoutExpired:
                code = None
        for disruption, why in disruptions.missed.items():
            raise NotPlanted(f"{scenario.name}: {disruption.whom} was spared the {disruption.kind}: {why}")
        places = self._places()
        return RunEnd(
            code,
            log_file.read_text(errors="replace"),
            _grade_in(reports),
            unreadable(reports),
            torn=tuple(name for name, now in places.items() if len(now.rows) + len(now.halves) > 1),
            away=tuple(name for name, now in places.items() if not is_as_found(now, found[name])),
        )

    def _places(self) -> dict[str, Places]:
        """Where each guest is, once none is on its way any more."""
        with Lab(self._spec, no_record) as lab:

            def stand_still() -> bool:
                latest.update({name: guest.acts.look() for name, guest in lab.guests.items()})
                return not any(places.is_on_the_way and not places.unseen for places in latest.values())

            latest: dict[str, Places] = {}
            with suppress(NotInTime):
                wait_for(stand_still, "guests to stand still", _SETTLE_SECONDS, _LOOK_SECONDS)
            return latest

    @contextmanager
    def _running(
        self, scenario: Scenario, files: RunFiles, output: str, log: IO[str]
    ) -> "Iterator[subprocess.Popen[bytes]]":
        """A run that grades the scenario; it is killed where it goes on after the body."""
        command = [sys.executable, "-m", "pytest", "tests", f"--reports={files.reports}", f"--grade-output={output}"]
        command += [f"--guest={scenario.guest}", *(f"--step={step}" for step in (scenario.step, *scenario.beside))]
        command += ["--alone"] if scenario.alone else []
        run = subprocess.Popen(
            command,
            cwd=self._working_copy,
            # What a run notes of guests on their way is undone with the lab.
            env={**os.environ, "XDG_STATE_HOME": str(files.state), PASSWORD_ENV: GUEST_PASSWORD},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
        try:
            yield run
        finally:
            run.kill()
            run.wait()


def _grade_in(reports: Path) -> Grade | None:
    try:
        return Grade.model_validate_json((reports / "grade.json").read_bytes())
    except (OSError, ValidationError):
        return None


def unreadable(reports: Path) -> str:
    """Why a run's evidence is neither whole nor readable up to where the run was cut off; nothing where it is."""
    whole = reports / "evidence.zip"
    try:
        if whole.exists():
            with opened(whole):
                return ""
        for name in (COMMANDS, TAPE):
            lines = (reports / name).read_text(encoding="ascii").splitlines(keepends=True)
            for line in lines:
                if line.endswith("\n"):
                    parsed(line)
    except (OSError, ValueError, UsageError) as problem:
        return f"its evidence cannot be read: {problem}"
    return ""


def steady(like: Scenario, when: str) -> Scenario:
    """The lab as it is, graded as a scenario of that kind is: it must be green."""
    parts = [
        like.step,
        *like.beside,
        *(["alone"] if like.alone else []),
        *(["running"] if like.runs else []),
        like.guest,
    ]
    return Scenario(
        name=f"as-it-is-{when}-{'-'.join(parts)}",
        what=f"the embedded lab as it is, {when} the rows of this kind",
        changes=(),
        step=like.step,
        alone=like.alone,
        beside=like.beside,
        runs=like.runs,
        guest=like.guest,
    )


def kinds_of(scenarios: Sequence[Scenario]) -> list[list[Scenario]]:
    """Scenarios that are graded alike together, those with running guests last; else in their order."""
    kinds: dict[object, list[Scenario]] = {}
    for one in sorted(scenarios, key=lambda scenario: scenario.runs):
        kinds.setdefault((one.runs, one.guest, one.step, one.beside, one.alone), []).append(one)
    return list(kinds.values())
