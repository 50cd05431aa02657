"""Tells what is being built or waited for, since when, and how long it took last time."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import Progress as Bars
from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn

from xenlab.jsontext import parsed


class Progress:
    """Stages of long work. On a terminal a live line each, elsewhere plain lines.

    `history` is a JSON file of how many seconds each stage took last time.
    """

    def __init__(self, console: Console, history: Path) -> None:
        self.console = console
        self._history = history

    @contextmanager
    def stage(self, key: str, text: str) -> Iterator[None]:
        """Show `text` while the body runs; its duration is remembered under `key`."""
        last = self._read().get(key)
        note = f"last time {last:.0f} s" if last else "first time"
        started = time.monotonic()
        if self.console.is_terminal:
            columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
            with Bars(*columns, console=self.console, transient=True) as bars:
                bars.add_task(f"{text} [dim]({note})[/dim]")
                yield
        else:
            self.say(f"{text} ({note})")
            yield
        seconds = time.monotonic() - started
        self._remember(key, seconds)
        self.say(f"{text}: done in {seconds:.1f} s")

    def say(self, text: str) -> None:
        """One plain line."""
        self.console.print(text, highlight=False, markup=False, soft_wrap=True)

    def _read(self) -> dict[str, float]:
        try:
            return {str(k): float(v) for k, v in parsed(self._history.read_bytes()).items()}
        except (OSError, ValueError, TypeError, AttributeError):
            return {}

    def _remember(self, key: str, seconds: float) -> None:
        self._history.parent.mkdir(parents=True, exist_ok=True)
        self._history.write_text(json.dumps({**self._read(), key: round(seconds, 1)}, indent=1))
