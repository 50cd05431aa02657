"""The gradebook: a row a team, for spreadsheets; a row a student, as Moodle and Canvas import grades. Pure.

A cell that a spreadsheet would take for a formula begins with an apostrophe. Sources: OWASP, "CSV Injection"; Moodle's
documentation, "Grade import"; Canvas's instructor guide, "How do I import grades in the Gradebook?", whose importer
wants Student, ID, SIS User ID, SIS Login ID and Section before the assignments, and a row of points possible.
"""

import csv
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO, StringIO
from typing import Literal, TypeAlias

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.styles import Font
from openpyxl.utils import get_column_letter

from xenlab.classroom.member import Member
from xenlab.classroom.row import NOT_GRADABLE, GradebookRow, Trouble
from xenlab.evidence.text import brief, plain, points
from xenlab.outcomes import Outcome

Cell: TypeAlias = str | float | int | None
Rule: TypeAlias = Literal["best", "last", "first"]

_FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠", "\t", "\r")
_WIDE = {"team": 24, "outcome": 50, "fix first": 60, "hint": 60, "report": 40}
_CELL = 500
_NOT_YET = "not graded yet"
_VERDICTS = ("passed", "failed", NOT_GRADABLE, _NOT_YET)


@dataclass(frozen=True, slots=True)
class Entry:
    """One team in the gradebook: the `row` of attempt `number`, which counts; None where none has ended yet.

    `links` are the reports of its attempts by their numbers, as seen from the gradebook. `words` are for who runs this:
    why it could not be graded this time, say, or that a worker was lost meanwhile. They are no part of the gradebook,
    which is the same however a class came to be graded; but for a team that has no row.
    """

    team: str
    folder: str
    members: tuple[Member, ...] = ()
    attempts: int = 0
    number: int | None = None
    row: GradebookRow | None = None
    links: tuple[tuple[int, str], ...] = ()
    words: str = ""

    @property
    def verdict(self) -> str:
        """The verdict in words."""
        return self.row.verdict if self.row else _NOT_YET

    @property
    def link(self) -> str:
        """The report of the attempt that counts, "" where there is none."""
        return dict(self.links).get(self.number or 0, "")


@dataclass(frozen=True, slots=True)
class Shared:
    """A trouble and the teams that have it; its words are those of the first."""

    trouble: Trouble
    teams: tuple[str, ...]


def counting(rows: Sequence[tuple[int, GradebookRow]], rule: Rule) -> tuple[int, GradebookRow] | None:
    """The attempt that counts, of all by their numbers; one that is not gradable only where no other is."""
    if not rows:
        return None
    gradable = [(number, row) for number, row in rows if row.earned is not None]
    if not gradable:
        return rows[-1]
    if rule == "best":
        return max(gradable, key=lambda one: (one[1].earned or 0.0, one[1].verdict == "passed", one[0]))
    return gradable[0 if rule == "first" else -1]


def shared(entries: Iterable[Entry]) -> list[Shared]:
    """What two teams or more have in common: the commonest fault first, what could not be observed last."""
    having: dict[tuple[str, ...], tuple[Trouble, dict[str, None]]] = {}
    for entry in entries:
        for trouble in entry.row.troubles if entry.row else ():
            having.setdefault(trouble.key, (trouble, {}))[1][entry.folder] = None
    found = [Shared(trouble, tuple(teams)) for trouble, teams in having.values() if len(teams) > 1]
    return sorted(found, key=lambda one: (one.trouble.outcome is Outcome.ERROR, -len(one.teams)))


def counts(entries: Iterable[Entry]) -> dict[str, int]:
    """How many teams have which verdict; those that none has are left out."""
    found = Counter(entry.verdict for entry in entries)
    return {verdict: found[verdict] for verdict in _VERDICTS if found[verdict]}


def differences(before: Sequence[Entry], after: Sequence[Entry]) -> Iterator[str]:
    """How a class would change: how many teams go from which verdict to which, then a line a team that changes."""
    both = list(zip(before, after, strict=True))
    moves = Counter((old.verdict, new.verdict) for old, new in both)
    for old, new in sorted(moves, key=lambda move: (_VERDICTS.index(move[0]), _VERDICTS.index(move[1]))):
        yield f"{moves[old, new]:>5}  {old} -> {new}"
    for old_entry, new_entry in both:
        if _standing(old_entry) != _standing(new_entry):
            why = f": {new_entry.row.fix or new_entry.row.says}" if new_entry.row else ""
            yield f"{old_entry.team}: {_standing(old_entry)} -> {_standing(new_entry)}{why}"


def _standing(entry: Entry) -> str:
    total = (
        f" {points(entry.row.earned)} of {points(entry.row.possible)}"
        if entry.row and entry.row.earned is not None
        else ""
    )
    return f"{entry.verdict}{total}"


def steps_of(entries: Iterable[Entry], sheet: Iterable[str]) -> tuple[str, ...]:
    """The steps that have a column: those of the sheet, then what else was graded."""
    graded = (step.id for entry in entries if entry.row for step in entry.row.steps)
    return tuple(dict.fromkeys((*sheet, *graded)))


def table(entries: Sequence[Entry], sheet: Iterable[str]) -> Iterator[list[Cell]]:
    """The gradebook, its head first; the columns are the same whatever was graded of the sheet."""
    steps = steps_of(entries, sheet)
    yield [
        *("team", "total", "of", "verdict", "points not gradable", *steps, "outcome", "fix first", "hint"),
        *("attempts", "counts", "late", "report"),
    ]
    yield from (_cells(entry, steps) for entry in entries)


def _cells(entry: Entry, steps: Sequence[str]) -> list[Cell]:
    row = entry.row
    earned = {step.id: NOT_GRADABLE if step.earned is None else step.earned for step in row.steps} if row else {}
    said = (row.says, row.fix, row.hint) if row else (entry.words, "", "")
    return [
        safe(entry.team),
        (NOT_GRADABLE if row.earned is None else row.earned) if row else None,
        *((row.possible, entry.verdict, row.ungradable) if row and row.possible else (None, entry.verdict, None)),
        *(earned.get(step) for step in steps),
        *map(safe, said),
        *(entry.attempts, entry.number, row.late_hours if row else None, safe(entry.link)),
    ]


def safe(text: str) -> str:
    """A text as one line that no spreadsheet takes for a formula."""
    line = brief(plain(text), _CELL)
    return f"'{line}" if line.startswith(_FORMULA) else line


def as_csv(rows: Iterable[Sequence[Cell]]) -> str:
    """A table as CSV (RFC 4180)."""
    text = StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_MINIMAL)
    writer.writerows([points(cell) if isinstance(cell, float) else cell for cell in row] for row in rows)
    return text.getvalue()


def as_xlsx(rows: Iterable[Sequence[Cell]]) -> bytes:
    """A table as a workbook with one sheet, its head and first column kept in sight."""
    book = Workbook(write_only=True)
    sheet = book.create_sheet("gradebook")
    sheet.freeze_panes = "B2"
    for number, row in enumerate(rows):
        if number == 0:
            for column, name in enumerate(row, 1):
                sheet.column_dimensions[get_column_letter(column)].width = _WIDE.get(str(name), 14)
        cells = [WriteOnlyCell(sheet, value=cell) for cell in row]
        for cell in cells if number == 0 else ():
            cell.font = Font(bold=True)
        sheet.append(cells)
    content = BytesIO()
    book.save(content)
    return content.getvalue()


def moodle(entries: Iterable[Entry], assignment: str) -> Iterator[list[Cell]]:
    """Grades for Moodle: matched by email address or ID number, with the feedback.

    Who is not gradable is not in it: an empty grade would take away one that is there.
    """
    yield ["Email address", "ID number", safe(assignment), f"{safe(assignment)} feedback"]
    for member, row in _graded_members(entries):
        if member.email or member.id:
            feedback = f"{row.says} {f'Fix this first: {row.fix_shown}' if row.fix_shown else ''}"
            yield [safe(member.email), safe(member.id), row.earned, safe(feedback)]


def canvas(entries: Sequence[Entry], assignment: str, possible: float) -> Iterator[list[Cell]]:
    """Grades for Canvas: matched by its ID, the SIS User ID or the SIS Login ID; who is not gradable is not in it."""
    yield ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", safe(assignment)]
    yield ["Points Possible", *([None] * 4), possible]
    for member, row in _graded_members(entries):
        names = (member.student, member.canvas_id, member.id, member.login, member.section)
        if any(names[1:4]):
            yield [*map(safe, names), row.earned]


def _graded_members(entries: Iterable[Entry]) -> Iterator[tuple[Member, GradebookRow]]:
    for entry in entries:
        if entry.row and entry.row.earned is not None:
            yield from ((member, entry.row) for member in entry.members)
