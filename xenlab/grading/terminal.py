"""What a graded run shows: a live table, plain lines, or nothing but the end.

pytest's own words are held back meanwhile. They are shown after all where the session turns out to be no
graded run or ends without a grade, and else kept in `reports/pytest.txt`, tracebacks and all.
"""

import io
import os
import sys
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from enum import StrEnum
from typing import IO, TextIO

import pytest
from rich.console import Console

from xenlab.evidence.text import plain
from xenlab.grading.live import STYLES, LiveTable
from xenlab.grading.read_only import FIRST_WORDS
from xenlab.grading.run import Run, StepRun
from xenlab.grading.writing import note_on
from xenlab.remote.activity import show_activity

OWN_WORDS = "pytest.txt"

_BOLD = {"score:": "bold", "fix": "bold"}
# With any of these set otherwise, somebody wants to see pytest at work.
_PYTEST_AT_WORK = {
    "verbose": 0,
    "reportchars": "fE",
    "tbstyle": "auto",
    "collectonly": False,
    "setupshow": False,
    "usepdb": False,
    "trace": False,
    "durations": None,
}

Wrapper = Generator[None, object, object]


class OutputMode(StrEnum):
    """What to show of a graded run."""

    LIVE = "live"
    PLAIN = "plain"
    QUIET = "quiet"
    JSON = "json"
    PYTEST = "pytest"


def add_option(group: pytest.OptionGroup) -> None:
    """Add the option that chooses."""
    group.addoption(
        "--grade-output",
        choices=[output.value for output in OutputMode],
        help="what a graded run shows: live (default) is a table, plain is a line a step (also where stdout is no "
        "terminal), quiet the end only, json grade.json on stdout and the rest on stderr, pytest its own words (the "
        "default with -v, -q, -s, -r, --tb and the like)",
    )


class TerminalReport:
    """What is shown of one session, as a plugin of it."""

    def __init__(self, config: pytest.Config, run: Run) -> None:
        self._run = run
        self._output = _chosen(config)
        self._out = sys.stderr if self._output is OutputMode.JSON else sys.stdout
        self._console = self._terminal() if self._output in (OutputMode.LIVE, OutputMode.JSON) else None
        self._table: LiveTable | None = None
        self._printed: set[StepRun] = set()
        self._ending: tuple[str, ...] = ()
        self._held: _Held | None = None
        self._lost = False
        self._manager = manager = config.pluginmanager
        if self._output is not OutputMode.PYTEST and (reporter := manager.get_plugin("terminalreporter")):
            self._held = _Held(self._out)
            manager.unregister(reporter)
            manager.register(pytest.TerminalReporter(config, self._held), "terminalreporter")

    def end(self, lines: Iterable[str], grade: str) -> None:
        """Show these lines on what the run came to, and `grade`, its grade.json, where that is asked for."""
        self._ending = tuple(plain(line) for line in lines)
        self._stop_table()
        if self._held is None:
            return  # pytest's reporter has a place for it
        for line in self._ending:
            self._say(line)
        if self._output is OutputMode.JSON:
            try:
                sys.stdout.write(grade)
                sys.stdout.flush()
            except OSError as problem:
                self._lose(sys.stdout, problem)
        if self._lost:
            self.say_apart([self._run.folder.problem])

    def say_apart(self, lines: Iterable[str]) -> None:
        """Show lines of a run that has come to nothing else."""
        with suppress(OSError):  # where nothing can be shown any more, the run has its end all the same
            for line in lines:
                print(plain(self._run.journal.mask(line)), file=sys.stderr, flush=True)

    def say_in_pytests_words(self, text: str) -> None:
        """Show a text where pytest shows tracebacks."""
        if reporter := self._manager.get_plugin("terminalreporter"):
            reporter.write_line(plain(self._run.journal.mask(text)))

    @contextmanager
    def cleaning_up(self, what: str) -> Iterator[None]:
        """Show that `what` goes on after the steps, and what of it, within a `with` block."""
        if self._table is None:
            if self._tells_each_step:
                self._say(what)
            yield
            return
        self._table.cleaning_up(what)
        with show_activity(self._table.activity):
            yield

    def notice(self, line: str) -> None:
        """Show a line at once, wherever the run is; fit for a signal handler."""
        if self._table is not None and self._table.shown:
            self._table.notice(line)
        else:
            with suppress(OSError):
                os.write(2, f"{line}\n".encode())

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collection_finish(self) -> Wrapper:
        """Leave a session without a step to pytest."""
        if not self._run.steps:
            self._release()
        elif (self._run.read_only or self._run.is_planned) and self._held is not None:
            self._say(FIRST_WORDS)
        return (yield)

    def pytest_report_header(self) -> list[str]:
        """Say it where pytest's own words are shown."""
        return [FIRST_WORDS] if self._run.read_only or self._run.is_planned else []

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self) -> Wrapper:
        """Follow a step; the table appears with the first one, below what the lab's start has shown."""
        if self._console is None or not self._run.steps:
            return (yield)
        self._table = self._table or LiveTable(self._console, self._run)
        self._table.begin()
        with show_activity(self._table.activity):
            return (yield)

    def pytest_runtest_logfinish(self) -> None:
        """Show what has finished."""
        if self._table is not None:
            self._table.refresh()
        elif self._tells_each_step:
            width = max((len(run.name) for run in self._run.steps), default=0)
            for run in self._run.steps:
                if run.finished and run not in self._printed:
                    self._printed.add(run)
                    line = f"{run.outcome.value:8}{run.name:{width}}{run.seconds:8.1f} s  {note_on(run)}"
                    self._say(line.rstrip())

    @pytest.hookimpl(tryfirst=True)
    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Say in one line why a run was refused before its first step: what pytest says around it is dropped."""
        if not isinstance(excinfo.value, pytest.exit.Exception):
            return
        excinfo.value.msg = plain(self._run.journal.mask(str(excinfo.value.msg)))
        excinfo.value.args = (excinfo.value.msg,)
        if self._held is not None and not any(run.started for run in self._run.steps):
            self._held = None
            print(excinfo.value.msg, file=sys.stderr)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> Wrapper:
        """Show pytest's own words where there is no grade, or where something broke that is not the lab's.

        Else they are kept with the reports.
        """
        result = yield
        self._stop_table()
        if not self._ending or exitstatus == pytest.ExitCode.INTERNAL_ERROR:
            self._release()
        if self._held is not None and self._ending and not self._run.is_planned:
            words = plain(self._run.journal.mask(self._held.getvalue()))
            before = len(self._run.folder.problems)
            if not self._run.folder.write(OWN_WORDS, words) and not before:
                session.exitstatus = 3
                self.say_apart([self._run.folder.problem])
        return result

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say what the run came to, where pytest's own words are shown."""
        if self._ending and self._output is OutputMode.PYTEST:
            terminalreporter.section("grade")
            for line in self._ending:
                terminalreporter.write_line(line)

    def pytest_unconfigure(self) -> None:
        """Leave the terminal as it was, however the run ended."""
        self._stop_table()
        if self._console is not None:
            self._console.file.close()

    @property
    def _tells_each_step(self) -> bool:
        """Whether each step is told in a line of ours as it ends."""
        return self._held is not None and self._table is None and self._output is not OutputMode.QUIET

    def _say(self, line: str) -> None:
        word = line.partition(" ")[0]
        style = STYLES.get(word) or _BOLD.get(word)
        if self._console is not None:
            self._console.print(line, style=style, markup=False, highlight=False, soft_wrap=True)
            return
        try:
            print(line, file=self._out, flush=True)
        except OSError as problem:
            self._lose(self._out, problem)

    def _lose(self, out: IO[str], problem: OSError) -> None:
        """Go on without an output that takes no more (a full disk, a reader that has gone): the run is worth more."""
        if not self._lost:
            self._run.folder.note(problem, "what is shown")
        self._lost = True
        # What could not be written still waits in its buffer. (pytest's capturing undoes this after each step.)
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, out.fileno())
        os.close(nowhere)

    def _terminal(self) -> Console | None:
        """A way to the output where a table can be redrawn; its own, since pytest's capturing takes `_out` away."""
        if not self._out.isatty():
            return None
        console = Console(file=_Surviving(os.dup(self._out.fileno()), self._out.encoding, self._lose))
        if console.is_interactive:
            return console
        console.file.close()
        return None

    def _stop_table(self) -> None:
        if self._table is not None:
            self._table.stop()

    def _release(self) -> None:
        if self._held is not None:
            self._held.release()


class _Surviving(io.TextIOWrapper):
    """Writes to a terminal, whose end (its window was closed, its session cut) is told to `lose` and raised to nobody.

    The table is drawn from many places, where an error would end what has nothing to do with it.
    """

    def __init__(self, descriptor: int, encoding: str, lose: Callable[[IO[str], OSError], None]) -> None:
        super().__init__(os.fdopen(descriptor, "wb"), encoding=encoding, errors="replace")
        self._lose = lose

    def write(self, text: str) -> int:
        try:
            return super().write(text)
        except OSError as gone:
            self._lose(self, gone)
            return len(text)

    def flush(self) -> None:
        try:
            super().flush()
        except OSError as gone:
            self._lose(self, gone)


class _Held(io.StringIO):
    """Keeps what is written, until it is released to `out` and passes on what follows."""

    def __init__(self, out: TextIO) -> None:
        super().__init__()
        self._out = out
        self._released = False

    def write(self, text: str) -> int:
        return self._out.write(text) if self._released else super().write(text)

    def flush(self) -> None:
        if self._released:
            self._out.flush()

    def isatty(self) -> bool:
        return self._out.isatty()

    def release(self) -> None:
        if not self._released:
            self._released = True
            self.write(self.getvalue())
            self.flush()


def _chosen(config: pytest.Config) -> OutputMode:
    given: str | None = config.getoption("--grade-output")
    if config.option.collectonly or config.pluginmanager.get_plugin("terminalreporter") is None:
        return OutputMode.PYTEST
    if given is not None:
        return OutputMode(given)
    # Each option belongs to a plugin of pytest's that may have been left out.
    at_work = any(getattr(config.option, name, usual) != usual for name, usual in _PYTEST_AT_WORK.items())
    captured = getattr(config.option, "capture", "no") in ("fd", "sys")
    return OutputMode.PYTEST if at_work or not captured else OutputMode.LIVE
