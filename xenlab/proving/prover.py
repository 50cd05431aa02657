"""Proves the checks on the embedded lab: each scenario planted, seen to have taken, graded, and undone.

Two checkpoints are made first, one with the guests off and one in which they run; every row starts from one of them. As
each kind of row begins and ends, the lab as it is is graded as well, and must be green.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

from pydantic import ValidationError
from rich.console import Console

from xenlab.errors import CannotObserve, UsageError, XenlabError
from xenlab.outcomes import Grade
from xenlab.proving.row import Row, RowEnd, graded, not_graded
from xenlab.scenarios.planting import NotPlanted, note, plant, start_guests
from xenlab.scenarios.scenario import Scenario
from xenlab.scenarios.shell import PASSWORD_ENV
from xenlab.testbed.embedded import EmbeddedLab
from xenlab.testbed.joining import join
from xenlab.testbed.plan import GUEST_PASSWORD

_OFF, _RUN = "guests-off", "guests-run"
_SECONDS = 1800.0


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
            for _, group in groupby(sorted(scenarios, key=kind_of), key=kind_of):
                yield from self._proven(list(group), as_it_is=as_it_is)
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
            plant(scenario, self._spec)
            note(self._embedded, changes=scenario.lab)
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
        state = self._folder / "state"
        command = [sys.executable, "-m", "pytest", "tests", f"--reports={reports}", "--grade-output=quiet"]
        command += [f"--guest={scenario.guest}", *(f"--step={step}" for step in (scenario.step, *scenario.beside))]
        command += ["--alone"] if scenario.alone else []
        # What a run notes of guests on their way is undone with the lab.
        environ = {**os.environ, "XDG_STATE_HOME": str(state / f"{time.time():.0f}"), PASSWORD_ENV: GUEST_PASSWORD}
        reports.mkdir(parents=True, exist_ok=True)
        with (reports / "run.log").open("w") as log:
            try:
                subprocess.run(
                    command,
                    cwd=self._working_copy,
                    env=environ,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    timeout=_SECONDS,
                    check=False,
                )
            except subprocess.TimeoutExpired:
                raise CannotObserve(f"its run did not end within {_SECONDS:g} s") from None
        try:
            return Grade.model_validate_json((reports / "grade.json").read_bytes())
        except (OSError, ValidationError) as problem:
            words = (reports / "run.log").read_text(errors="replace").strip().splitlines()[-1:]
            raise CannotObserve(f"its run has no grade: {' '.join(words) or problem}") from None


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


def kind_of(scenario: Scenario) -> tuple[bool, str, str, tuple[str, ...], bool]:
    """What scenarios have in common that are proven in one go."""
    return scenario.runs, scenario.guest, scenario.step, scenario.beside, scenario.alone
