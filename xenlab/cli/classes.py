"""Grading a whole class."""

import argparse
import os
import sys
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from xenlab.cli.grammar import Verbs, add_verb
from xenlab.errors import CannotObserve, UsageError

if TYPE_CHECKING:
    from xenlab.classroom.attempt import Order
    from xenlab.classroom.classroom import Classroom

_LIMIT_MINUTES = 120.0
_MOST_SHARED = 5


def add_verbs(verbs: Verbs) -> None:
    """Add `grade`."""
    grade = add_verb(
        verbs,
        "grade",
        _grade,
        "grade many teams: those not graded yet, and those that handed in anew; write a gradebook and an index page",
        "teams.csv --rubric rubric.toml --due 2026-03-01T18:00+01:00",
    )
    grade.add_argument(
        "teams",
        nargs="+",
        type=Path,
        metavar="TEAMS",
        help="a team's folder (with lab.toml, or evidence.zip of a run of its own), such a file, or a teams.csv",
    )
    grade.add_argument(
        "--rubric", type=Path, metavar="PATH", help="a rubric.toml: points, late work, which attempt counts"
    )
    grade.add_argument("--step", action="append", default=[], metavar="ID", help="this step and what it needs")
    grade.add_argument("--due", metavar="TIME", help="when it was due; teams.csv says in handed_in who was late")
    grade.add_argument(
        "--again", choices=("failed", "error", "all"), help="also those that failed, were not gradable, or everyone"
    )
    regrading = grade.add_mutually_exclusive_group()
    regrading.add_argument(
        "--regrade", action="store_true", help="judge attempts of another rubric or xenlab again, from their evidence"
    )
    regrading.add_argument("--apply", metavar="REASON", help="have what was judged again count, for this reason")
    regrading.add_argument("--cancel", action="store_true", help="remove what was judged again")
    grade.add_argument("--team", action="append", default=[], metavar="NAME", help="this team, again (repeatable)")
    grade.add_argument(
        "--limit", type=_positive, default=_LIMIT_MINUTES, metavar="MINUTES", help="the longest run (default: 120)"
    )
    grade.add_argument(
        "--jobs", type=_count, metavar="N", help="how many at once on this machine (default: one for each core)"
    )
    grade.add_argument("--scheduler", metavar="ADDRESS", help="a Dask scheduler, whose workers run them instead")
    grade.add_argument("--assignment", default="xenlab", metavar="NAME", help="what Moodle and Canvas call it")
    grade.add_argument("--reports", type=Path, metavar="DIR", help="the class's folder (default: reports/class)")


def _count(text: str) -> int:
    if (value := int(text)) < 1:
        raise ValueError(text)
    return value


def _positive(text: str) -> float:
    if not 0 < (value := float(text)) < float("inf"):
        raise ValueError(text)
    return value


def _grade(arguments: argparse.Namespace) -> int:
    from xenlab.classroom.classroom import Classroom, Terms
    from xenlab.classroom.gradebook import differences
    from xenlab.classroom.progress import summary
    from xenlab.classroom.team import teams
    from xenlab.fleet.bounded import Bounds
    from xenlab.report.folder import ReportsFolder

    terms = Terms(
        bounds=Bounds(60 * arguments.limit),
        working_copy=arguments.working_copy,
        rubric=arguments.rubric,
        steps=tuple(arguments.step),
        due=_moment(arguments.due),
        assignment=arguments.assignment,
    )
    named = teams(arguments.teams)
    folder = ReportsFolder(arguments.reports or arguments.working_copy / "reports" / "class").hold()
    try:
        classroom = Classroom(folder, named, terms)
        before = classroom.entries()
        try:
            if arguments.cancel:
                print(f"{classroom.cancel()} attempts that were judged again are removed", file=sys.stderr)
            elif arguments.apply is not None:
                print(f"{classroom.apply(arguments.apply)} attempts that were judged again count now", file=sys.stderr)
            elif arguments.regrade:
                _work(arguments, classroom, classroom.to_regrade())
            else:
                _work(arguments, classroom, classroom.left(again=arguments.again, only=arguments.team))
        finally:
            classroom.write()
        entries = classroom.regraded() if arguments.regrade else classroom.entries()
    finally:
        folder.release()
    if arguments.regrade:
        print(*differences(before, entries), sep="\n")
        print("nothing counts yet: the same call with --apply REASON, or --cancel, instead of --regrade")
    else:
        print(*summary(entries, _MOST_SHARED), sep="\n")
    if folder.problem:
        raise CannotObserve(folder.problem)
    print(folder.path / "index.html")
    verdicts = {entry.verdict for entry in entries}
    return 1 if "failed" in verdicts else 3 if verdicts - {"passed"} else 0


def _work(arguments: argparse.Namespace, classroom: "Classroom", orders: "list[Order]") -> None:
    """Have all orders made, and say so as they are."""
    from rich.console import Console

    from xenlab.classroom.attempt import make
    from xenlab.classroom.progress import ClassProgress
    from xenlab.fleet.executors import fleet
    from xenlab.fleet.turns import in_turns

    print(f"{len(classroom.entries())} teams, {len(orders)} to be graded", file=sys.stderr)
    with (
        fleet(arguments.scheduler, arguments.jobs or os.cpu_count() or 1) as workers,
        ClassProgress(Console(stderr=True), len(orders)) as progress,
        closing(
            in_turns(
                workers,
                orders,
                make,
                shares=lambda order: order.team.shares,
                begins=lambda order: progress.begins(order.team),
                stops=progress.stops,
            )
        ) as turns,
    ):
        for order, made in turns:
            progress.ends(classroom.keep(order, made))


def _moment(text: str | None) -> datetime | None:
    from xenlab.classroom.team import moment

    try:
        return moment(text) if text else None
    except ValueError as problem:
        raise UsageError(f"--due: {problem}") from None
