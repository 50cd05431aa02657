"""Practice: the embedded lab unsolved, and the lab sheet done in it."""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from xenlab.cli.grading import add_grading, grade
from xenlab.cli.grammar import Verbs, add_network, add_profile, add_reports, add_verb
from xenlab.errors import CannotObserve, UsageError
from xenlab.testbed.plan import EMBEDDED

if TYPE_CHECKING:
    from xenlab.outcomes import Grade


def add_verbs(verbs: Verbs) -> None:
    """Add `start`, `solve`, `back` and `finish`."""
    start = add_verb(
        verbs,
        "start",
        _start,
        "practise: bring the embedded lab up unsolved, to do the lab sheet in it",
        "--profile modern",
    )
    add_profile(start)
    add_network(start)
    solve = add_verb(
        verbs,
        "solve",
        _solve,
        "do the next task of the practice, or this step's, and show what is typed",
        "shared-storage",
    )
    solve.add_argument("step", metavar="STEP", nargs="?", help="a step of the lab sheet (default: the next one)")
    solve.add_argument("--guest", action="append", default=[], metavar="NAME", help="only this guest (repeatable)")
    back = add_verb(
        verbs,
        "back",
        _back,
        "have the practice as it was when a step was solved, or as it began, in seconds",
        "path-fixes",
    )
    back.add_argument("step", metavar="STEP", help="a solved step, or start: what was done since is gone")
    finish = add_verb(verbs, "finish", _finish, "grade the practice as it is, as ./lab verify does", "--guest guest1")
    add_grading(finish)
    add_reports(finish, "where the reports go")
    finish.set_defaults(lab=EMBEDDED)


def _start(arguments: argparse.Namespace) -> int:
    from xenlab.practice.practice import start

    started = time.monotonic()
    state = start(arguments.working_copy, arguments.profile, arguments.network)
    print(f"the {state.profile} lab is up, unsolved, after {time.monotonic() - started:.1f} s")
    print("next: docs/practice.md has the tasks, ./lab ssh HOST logs in, ./lab check says what is next")
    return 0


def _solve(arguments: argparse.Namespace) -> int:
    from xenlab.opening import refuse_unfinished
    from xenlab.practice.practice import Practice

    refuse_unfinished(EMBEDDED, arguments.working_copy)

    def look(steps: Sequence[str], guests: Sequence[str]) -> "Grade":
        return _seen(arguments, steps, guests)

    practice = Practice(arguments.working_copy, look, lambda line: print(line, flush=True))
    practice.solve(arguments.step, arguments.guest)
    return 0


def _seen(arguments: argparse.Namespace, steps: Sequence[str], guests: Sequence[str]) -> "Grade":
    """What a run that only reads makes of these steps.

    :raises CannotObserve: it comes to no grade; it has said why.
    """
    from tempfile import TemporaryDirectory

    from xenlab.cli.pytest_child import INTERRUPTED
    from xenlab.report.grade_file import read_grade

    with TemporaryDirectory(prefix="xenlab-practice-") as folder:
        call = argparse.Namespace(**vars(arguments))
        call.lab, call.reports, call.output, call.rubric = EMBEDDED, Path(folder), "quiet", None
        call.guest = list(guests)
        print(f"looking at {', '.join(steps)}", flush=True)
        code = grade(call, ["--read-only", *(f"--step={step}" for step in steps)], silent=True)
        if code == INTERRUPTED:
            raise KeyboardInterrupt
        try:
            return read_grade(Path(folder))
        except UsageError:
            raise CannotObserve("the lab could not be looked at", hint="./lab check says why") from None


def _back(arguments: argparse.Namespace) -> int:
    from xenlab.opening import forget_embedded
    from xenlab.practice.practice import go_back
    from xenlab.scenarios.sheet import START

    go_back(arguments.working_copy, arguments.step)
    forget_embedded(arguments.working_copy)
    when = "the practice began" if arguments.step == START else f"{arguments.step} was solved"
    print(f"the lab is as it was when {when}")
    return 0


def _finish(arguments: argparse.Namespace) -> int:
    from xenlab.practice.practice import practice_in

    state = practice_in(arguments.working_copy)
    print(f"grading the practice in the {state.profile} lab as it is", file=sys.stderr, flush=True)
    return grade(arguments, [])
