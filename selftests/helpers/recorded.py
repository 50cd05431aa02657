"""Judges a run's evidence again in this process: the lab sheet's own steps, without pytest and without a lab."""

import importlib.util
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from functools import cache
from inspect import signature
from pathlib import Path
from typing import TypeVar

from xenlab.errors import WouldChange
from xenlab.evidence import bundle
from xenlab.grading.moves import Moves
from xenlab.grading.order import Plan
from xenlab.grading.planning import StepTest
from xenlab.grading.played import Played
from xenlab.grading.problems import TOLD
from xenlab.grading.read_only import up_to_acts, without_acts
from xenlab.grading.recording import recorded
from xenlab.grading.run import Run, StepRun, entered
from xenlab.grading.scoring import StepSpec
from xenlab.lab.kinds import kinds
from xenlab.lab.lab import Lab
from xenlab.lab.left import LabLeft
from xenlab.lab.tape import PlayedTape
from xenlab.labfile import load
from xenlab.outcomes import Grade
from xenlab.report.folder import ReportsFolder

ROOT = Path(__file__).resolve().parents[2]
Step = Callable[..., None]
T = TypeVar("T")


@cache
def steps() -> dict[str, tuple[StepSpec, Step]]:
    """The lab sheet's steps, by their ids."""
    found = {}
    for path in sorted((ROOT / "tests").glob("test_*.py")):
        spec = importlib.util.spec_from_file_location(path.stem, path)
        assert spec
        assert spec.loader
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        for function in vars(module).values():
            for mark in getattr(function, "pytestmark", ()):
                found[mark.args[0].id] = (mark.args[0], function)
    return found


class NoActs(PlayedTape):
    """What a run has seen, but for what it had to do something for."""

    def take(self, what: str, do: Callable[[], T], /) -> T:
        """See `PlayedTape`.

        :raises WouldChange: it took an act.
        """
        name = what.rpartition(" ")[2]
        if name in ("nonces", "nonce", "start", "console"):
            raise WouldChange(what, act="create" if name == "start" else "")
        return super().take(what, do)


def judged(folder: Path, *, read_only: bool = False) -> Grade:
    """The grade of the evidence in a folder; `read_only` of what a run without acts would have seen of that lab."""
    facts, played = bundle.facts_of(folder), Played.of(folder)
    run = Run(lab_name="", profile=None, guests=facts.guests, folder=ReportsFolder(folder), read_only=read_only)
    run.play(played)
    spec, tape = load(folder / bundle.LAB), (NoActs if read_only else PlayedTape)(played.tape, kinds())
    lab = Lab(spec, run.record, dict.fromkeys(spec.password_variables, "-"), tape=tape, read_only=read_only)
    lab.begin("", "")
    return sheet(lab, run, facts.steps, alone=facts.alone)


def sheet(
    lab: Lab,
    run: Run,
    ids: Collection[str],
    *,
    alone: bool = False,
    first: Callable[[Sequence[StepRun]], object] = lambda _steps: None,
) -> Grade:
    """The grade of these steps of the lab sheet, as `--step` and `--alone` choose them; `first` is done with them."""
    run.lab = lab.describe()
    all_steps = [StepRun(steps()[id_][0], guest, run.journal) for id_, guest in _instances(lab, run)]
    plan = Plan(all_steps)
    chosen = [step for step in plan.ordered(all_steps) if step.spec.id in ids]
    chosen = without_acts(run, chosen, ()) if run.read_only else chosen
    run.steps = plan.alone(chosen) if alone else chosen
    first(run.steps)
    for step in run.steps:
        if (root := step.root_cause) is not None:
            step.add_block(root)
        else:
            step.start()
            with entered(step), suppress(*TOLD), recorded(step, ends_early=True), up_to_acts(step):
                steps()[step.spec.id][1](**_nouns(lab, run, step))
        step.finish()
    return run.grade()


def step_tests(lab: Lab, run: Run, ids: Collection[str]) -> list[StepTest]:
    """These steps of the lab sheet, to be rehearsed; they are the run's from now on."""
    all_steps = [StepRun(steps()[id_][0], guest, run.journal) for id_, guest in _instances(lab, run)]
    run.steps = [step for step in all_steps if step.spec.id in ids]
    return [StepTest(step, steps()[step.spec.id][1], {}) for step in run.steps]


def _instances(lab: Lab, run: Run) -> Iterator[tuple[str, str | None]]:
    for id_, (_, function) in steps().items():
        each = run.guests or tuple(lab.guests) if "guest" in signature(function).parameters else (None,)
        yield from ((id_, guest) for guest in each)


def _nouns(lab: Lab, run: Run, step: StepRun) -> dict[str, object]:
    """What the step asks for; see fixtures/nouns.py."""
    nouns: dict[str, Callable[[], object]] = {
        "lab": lambda: lab,
        "found": lambda: lab.found.hosts,
        "hosts": lambda: lab.hosts,
        "shares": lambda: lab.shares,
        "guests": lambda: tuple(lab.guest(name) for name in run.guests or lab.guests),
        "moves": lambda: Moves(lab, run),
        "left": lambda: LabLeft.of(lab),
    }
    if step.guest is not None:
        guest = lab.guest(step.guest)
        nouns |= {"guest": lambda: guest, "home": lambda: guest.home, "peer": lambda: lab.hosts.peer_of(guest.home)}
    return {name: nouns[name]() for name in signature(steps()[step.spec.id][1]).parameters}
