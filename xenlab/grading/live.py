"""The table of a graded run on a terminal: a row a step and guest, and what the running one is at."""

import os
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from xenlab.evidence.text import brief, plain
from xenlab.grading.run import Run, StepRun, running_or_none
from xenlab.grading.writing import note_on

STYLES = {"passed": "green", "failed": "bold red", "error": "magenta", "blocked": "yellow", "waived": "cyan"}
"""Colours of the outcomes; the words stand beside them, so that nothing is lost without."""

# Each redraw holds Python's interpreter for some milliseconds, in which no reply of a ping is timed.
_REDRAWS_PER_SECOND = 1.0
_HEADING_LINES = 2
_NOTE_TEXT = 160


class LiveTable:
    """Shows `run` on `console` from now until `stop`, and is erased then."""

    def __init__(self, console: Console, run: Run) -> None:
        self._console = console
        self._run = run
        self._goes_on: dict[StepRun | None, list[_Activity]] = {}
        self._last: dict[StepRun | None, str] = {}
        self._after = ""
        self._notice = ""
        self._live = Live(
            console=console,
            get_renderable=self._frame,
            refresh_per_second=_REDRAWS_PER_SECOND,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._live.start()

    def begin(self) -> None:
        """Show that the next step runs."""
        self._live.refresh()

    @contextmanager
    def activity(self, what: str) -> Iterator[None]:
        """Show that `what` goes on in the running step; within a wait, the wait is what is shown."""
        step = running_or_none()
        one = _Activity(brief(plain(self._run.journal.mask(what)), _NOTE_TEXT), time.monotonic())
        going_on = self._goes_on.setdefault(step, [])
        self._last[step] = one.what
        going_on.append(one)
        try:
            yield
        finally:
            going_on.remove(one)

    def cleaning_up(self, what: str) -> None:
        """Show that the steps are over, and `what` goes on."""
        self._after = what
        self._last.clear()
        self._live.refresh()

    def notice(self, line: str) -> None:
        """Show one more line above the table, from its next redraw on; fit for a signal handler."""
        self._notice = line

    def refresh(self) -> None:
        """Show the run as it is now."""
        self._live.refresh()

    @property
    def shown(self) -> bool:
        """Whether it is on the terminal."""
        return self._live.is_started

    def stop(self) -> None:
        """Erase the table and give the cursor back."""
        self._live.stop()

    def _frame(self) -> Group:
        # rich would ask file descriptors 0 to 2, which pytest's capturing has turned away from the terminal.
        try:
            width, height = os.get_terminal_size(self._console.file.fileno())
        except OSError:  # it went away: what is drawn is lost as well
            width = height = 0
        self._console.size = (width or 80, height or 25)
        table = Table(box=None, show_header=False, padding=(0, 2, 0, 0), expand=True)
        for column in ("outcome", "step"):
            table.add_column(column, no_wrap=True)
        table.add_column("seconds", justify="right", no_wrap=True)
        table.add_column("note", no_wrap=True, overflow="ellipsis", ratio=1)
        heading = [self._heading(), *([Text(self._notice, style="bold yellow")] if self._notice else [])]
        for run in self._shown(self._console.height - _HEADING_LINES - len(heading) + 1):
            table.add_row(*self._row(run))
        return Group(*heading, table)

    def _heading(self) -> Text:
        count = Counter(run.outcome.value for run in self._run.steps if run.over)
        parts = [f"{number} {word}" for word, number in count.items()]
        left = len(self._run.steps) - count.total()
        text = f"grading {self._run.lab_name}: " + ", ".join([*parts, *([] if self._after else [f"{left} to come"])])
        if self._after:
            text += f"; {self._after}{f': {at}' if (at := self._at(None)) else ''}"
        return Text(text, style="bold", no_wrap=True, overflow="ellipsis")

    def _shown(self, room: int) -> list[StepRun]:
        """As many rows as there is room for, the running one among them."""
        steps = self._run.steps
        at = next((place for place, run in enumerate(steps) if not run.over), len(steps))
        first = max(0, min(at - room * 2 // 3, len(steps) - room))
        return steps[first : first + max(1, room)]

    def _row(self, run: StepRun) -> tuple[Text, Text, Text, Text]:
        name = Text(run.name)
        if run.over:
            word = run.outcome.value
            return Text(word, STYLES[word]), name, Text(_seconds(run)), Text(note_on(run))
        if not run.started:
            name.stylize("dim")
            return Text(), name, Text(), Text()
        seconds = time.monotonic() - run.begun
        return Text("running", "bold"), name, Text(f"{seconds:.0f} s"), Text(self._at(run) or run.spec.title)

    def _at(self, step: StepRun | None) -> str:
        """What goes on in a step (None: beside the steps), or did last."""
        try:
            one = self._goes_on.get(step, [])[0]
        except IndexError:  # the steps' threads go on while this one draws
            return self._last.get(step, "")
        seconds = time.monotonic() - one.since
        return f"{one.what} ({seconds:.0f} s)" if seconds >= 1 else one.what


@dataclass(frozen=True, slots=True, eq=False)
class _Activity:
    """What goes on, and since when (monotonic)."""

    what: str
    since: float


def _seconds(run: StepRun) -> str:
    """How long a step took; one that waits for its turn to be told of is told without."""
    return f"{run.seconds:.1f} s" if run.finished else ""
