"""What is said while a class is graded: a line a team that has ended; on a terminal, below, who is being graded."""

import time
from collections.abc import Iterator
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from xenlab.classroom.gradebook import Entry, counts, shared
from xenlab.classroom.team import Team
from xenlab.evidence.text import brief, points

_RUNNING_SHOWN = 16
_WORDS = 100
_TONES = {"passed": "green", "failed": "red"}


class ClassProgress:
    """Follows `total` teams; a context manager."""

    def __init__(self, console: Console, total: int) -> None:
        self._console = console
        self._total = total
        self._ended = 0
        self._running: dict[str, tuple[str, float]] = {}
        self._live = Live(console=console, get_renderable=self._shown, refresh_per_second=2, transient=True)

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def begins(self, team: Team) -> None:
        """A team's run begins."""
        self._running[team.folder] = (team.name, time.monotonic())

    def ends(self, entry: Entry) -> None:
        """A team's run has ended."""
        self._running.pop(entry.folder, None)
        self._ended += 1
        line = f"{self._ended:>{len(str(self._total))}}/{self._total}  {line_of(entry)}"
        self._console.print(Text(line, style=_TONES.get(entry.verdict, "yellow")), soft_wrap=True)

    def stops(self, running: int) -> None:
        """All is to end, and so many runs do."""
        if running:
            said = f"{running} {'run brings its lab' if running == 1 else 'runs bring their labs'} home, please wait"
            self._console.print(Text(said, style="bold"))

    def _shown(self) -> RenderableType:
        table = Table.grid(padding=(0, 2))
        now = time.monotonic()
        for name, began in list(self._running.values())[:_RUNNING_SHOWN]:
            minutes, seconds = divmod(round(now - began), 60)
            table.add_row(Text(name), Text(f"{minutes} min {seconds:02} s", style="dim"))
        waiting = self._total - self._ended - len(self._running)
        more = len(self._running) - _RUNNING_SHOWN
        words = f"{self._ended} of {self._total} graded, {len(self._running)} being graded, {waiting} waiting"
        return Group(table, Text(f"{words}{f' ({more} not shown)' if more > 0 else ''}", style="bold"))


def line_of(entry: Entry) -> str:
    """One team in one line."""
    row = entry.row
    total = f"{points(row.earned)} of {points(row.possible)}" if row and row.earned is not None else ""
    said = " ".join(part for part in ((row.fix or row.says) if row else "", entry.words) if part)
    return f"{entry.verdict:<12} {total:>13}  {entry.team}{f': {brief(said, _WORDS)}' if said else ''}"


def summary(entries: list[Entry], shown: int) -> Iterator[str]:
    """The last words: how many teams have which verdict, and what most of them share."""
    yield ", ".join(f"{count} {verdict}" for verdict, count in counts(entries).items())
    for one in shared(entries)[:shown]:
        trouble = one.trouble
        of = f"{len(one.teams)} of {len(entries)} teams"
        yield f"{of}: {trouble.step}/{trouble.check}: {brief(trouble.words, _WORDS)}"
