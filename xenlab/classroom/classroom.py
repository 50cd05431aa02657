"""A class as it lies in its folder: what each team's attempts came to, what is left to grade, and the pages of it.

    gradebook.csv gradebook.xlsx moodle.csv canvas.csv index.html
    teams/NAME/attempt-1/    the reports of one run, with what it came to (attempt.json) and what it said (run.log)

All of it is made of the attempts: a call that was cut off has lost nothing but what it had under way.
"""

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import count, takewhile
from pathlib import Path
from typing import Literal

from xenlab.classroom import gradebook, regrading
from xenlab.classroom.attempt import LOG, Attempt, Basis, Order, read
from xenlab.classroom.gradebook import Entry
from xenlab.classroom.page import render
from xenlab.classroom.row import NOT_GRADABLE
from xenlab.classroom.team import Team
from xenlab.errors import UsageError
from xenlab.evidence import bundle
from xenlab.fleet.bounded import Bounds
from xenlab.grading.lateness import DueAssignment, Submission
from xenlab.grading.rubric import SHIPPED, load, shipped
from xenlab.report.folder import ReportsFolder
from xenlab.report.html import PAGES
from xenlab.tomlfile import listed

Again = Literal["failed", "error", "all"]
_VERDICTS: Mapping[Again, Collection[str]] = {"failed": ("failed",), "error": (NOT_GRADABLE,)}


@dataclass(frozen=True, slots=True)
class Terms:
    """How a class is graded: by which rubric and which steps, within which bounds, when it was `due`, called what."""

    bounds: Bounds
    working_copy: Path
    rubric: Path | None = None
    steps: tuple[str, ...] = ()
    due: datetime | None = None
    assignment: str = "xenlab"


class Classroom:
    """The class of `teams` in a folder that is held already."""

    def __init__(self, folder: ReportsFolder, teams: Sequence[Team], terms: Terms) -> None:
        """Read what attempts there are.

        :raises UsageError: the rubric is wrong.
        """
        self._folder = folder
        self._teams = teams
        self._terms = terms
        self._rubric = load(terms.rubric) if terms.rubric else shipped()
        self._of_rubric = hashlib.sha256((terms.rubric or SHIPPED).read_bytes()).hexdigest()
        self._suite = bundle.suite_digest(terms.working_copy)
        self._attempts = self._read_all()
        self._unmade: dict[str, str] = {}

    def left(self, *, again: Again | None = None, only: Collection[str] = ()) -> list[Order]:
        """What is to be graded: what is missing or changed, or is asked for, be it by the names of `only` some teams.

        :raises UsageError: there is no team of such a name.
        """
        if unknown := sorted(set(only) - {team.name for team in self._teams}):
            raise UsageError(f"--team {unknown[0]}: the teams are {listed(team.name for team in self._teams)}")
        return [
            self._order(team) for team in self._teams if (team.name in only if only else self._is_left(team, again))
        ]

    def to_regrade(self) -> list[Order]:
        """Every attempt that another rubric or xenlab has graded, to be judged again from its own evidence."""
        return [
            regrading.order(self._order(team), made)
            for team in self._teams
            for made in self._attempts[team.folder]
            if (made.basis.rubric, made.basis.suite) != (self._of_rubric, self._suite)
            and regrading.has_evidence(self._folder_of(team), made)
        ]

    def regraded(self) -> list[Entry]:
        """All teams as they would be, were what was judged again applied."""
        return [self._entry(team, self._judged_again(team)) for team in self._teams]

    def apply(self, reason: str) -> int:
        """Have what was judged again count instead, for this `reason`; returns how many attempts those are.

        :raises OSError: something cannot be moved.
        """
        return sum(regrading.apply(self._folder_of(team), reason) for team in self._teams)

    def cancel(self) -> int:
        """Remove what was judged again; returns how many attempts those are.

        :raises OSError: something cannot be removed.
        """
        return sum(regrading.cancel(self._folder_of(team)) for team in self._teams)

    def keep(self, order: Order, made: Attempt | BaseException | None) -> Entry:
        """Take what an order came to, and return the team's entry; what was judged again is not applied yet."""
        team = next(team for team in self._teams if team.folder == order.team.folder)
        if isinstance(made, BaseException):
            self._unmade[team.folder] = f"could not be graded: {made}"
        if order.kind == regrading.KIND:
            return self._entry(team, self._judged_again(team))
        if isinstance(made, Attempt):
            self._attempts[team.folder].append(made)
        return self._entry(team, self._attempts[team.folder])

    def entries(self) -> list[Entry]:
        """All teams in their order."""
        return [self._entry(team, self._attempts[team.folder]) for team in self._teams]

    def write(self) -> None:
        """Write the gradebook and the index page, of all that is in the folder by now.

        What cannot be written is in its `problems`.
        """
        self._attempts = self._read_all()
        entries = self.entries()
        rows = list(gradebook.table(entries, self._rubric.columns))
        self._folder.write("gradebook.csv", gradebook.as_csv(rows))
        self._folder.write("gradebook.xlsx", gradebook.as_xlsx(rows))
        if any(team.members for team in self._teams):
            possible = max((entry.row.possible for entry in entries if entry.row), default=0.0)
            name = self._terms.assignment
            self._folder.write("moodle.csv", gradebook.as_csv(gradebook.moodle(entries, name)))
            self._folder.write("canvas.csv", gradebook.as_csv(gradebook.canvas(entries, name, possible)))
        self._folder.write("index.html", render(entries, self._rubric.columns, self._terms.assignment))

    def _is_left(self, team: Team, again: Again | None) -> bool:
        attempts = self._attempts[team.folder]
        if not attempts or attempts[-1].basis != self._basis(team) or again == "all":
            return True
        return again is not None and attempts[-1].row.verdict in _VERDICTS[again]

    def _order(self, team: Team) -> Order:
        attempts = self._attempts[team.folder]
        terms = self._terms
        handed_in = team.handed_in if terms.due else None
        return Order(
            team=team,
            folder=self._folder_of(team),
            number=len(attempts) + 1,
            previous=next((made.number for made in reversed(attempts) if made.ended == "graded"), None),
            basis=self._basis(team),
            bounds=terms.bounds,
            working_copy=terms.working_copy,
            rubric=terms.rubric.absolute() if terms.rubric else None,
            steps=terms.steps,
            submission=Submission(created_at=handed_in, assignment=DueAssignment(due_date=terms.due))
            if handed_in
            else None,
        )

    def _basis(self, team: Team) -> Basis:
        facts = (team.digest, team.kind, team.problem, team.handed_in, self._terms.due, *self._terms.steps)
        return Basis(
            lab=hashlib.sha256("\0".join(map(str, facts)).encode("utf-8", "replace")).hexdigest(),
            rubric=self._of_rubric,
            suite=self._suite,
        )

    def _read_all(self) -> dict[str, list[Attempt]]:
        return {team.folder: list(self._read(team)) for team in self._teams}

    def _read(self, team: Team) -> Iterator[Attempt]:
        folders = (self._folder_of(team) / f"attempt-{number}" for number in count(1))
        found = (read(folder) for folder in folders)
        return (made for made in takewhile(lambda made: made is not None, found) if made)

    def _judged_again(self, team: Team) -> list[Attempt]:
        again = regrading.staged(self._folder_of(team))
        return [again.get(made.number, made) for made in self._attempts[team.folder]]

    def _folder_of(self, team: Team) -> Path:
        return self._folder.path.absolute() / "teams" / team.folder

    def _entry(self, team: Team, attempts: Sequence[Attempt]) -> Entry:
        # By another rubric the same work is worth something else.
        comparable = [made for made in attempts if made.basis.rubric == attempts[-1].basis.rubric]
        counts = gradebook.counting([(made.number, made.row) for made in comparable], self._rubric.attempts)
        return Entry(
            team=team.name,
            folder=team.folder,
            members=team.members,
            attempts=len(attempts),
            number=counts[0] if counts else None,
            row=counts[1] if counts else None,
            links=tuple(self._links(team, attempts)),
            words=" ".join(self._words(team, attempts)),
        )

    def _words(self, team: Team, attempts: Sequence[Attempt]) -> Iterator[str]:
        if team.folder in self._unmade:
            yield f"This time it {self._unmade[team.folder]}."
        if attempts and attempts[-1].begun > 1:
            yield f"Begun {attempts[-1].begun} times, since what ran it was lost; graded once."

        if attempts and attempts[-1].regraded:
            yield f"Judged again: {attempts[-1].regraded}."

    def _links(self, team: Team, attempts: Sequence[Attempt]) -> Iterator[tuple[int, str]]:
        for made in attempts:
            folder = Path("teams") / team.folder / f"attempt-{made.number}"
            shown = (name for name in (*reversed(PAGES), LOG) if (self._folder.path / folder / name).exists())
            if page := next(shown, None):
                yield made.number, str(folder / page)
