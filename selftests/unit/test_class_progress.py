"""What is said while a class is graded: lines that stay, and on a terminal who is being graded."""

from io import StringIO
from pathlib import Path

from rich.console import Console
from test_class_page import entry

from xenlab.classroom.gradebook import Entry
from xenlab.classroom.progress import ClassProgress, line_of, summary
from xenlab.classroom.row import not_graded
from xenlab.classroom.team import Team


def team(name: str) -> Team:
    return Team(name, name, Path(name), "lab")


def said(*, terminal: bool) -> str:
    out = StringIO()
    console = Console(file=out, force_terminal=terminal, width=100, color_system=None, legacy_windows=False)
    with ClassProgress(console, 12) as progress:
        for name in ("alpha", "[bold]beta[/]", "gamma"):
            progress.begins(team(name))
        progress.ends(entry("alpha"))
        if terminal:
            progress._live.refresh()
        progress.stops(2)
    return out.getvalue()


def test_elsewhere_a_line_is_said_for_each_team_that_has_ended() -> None:
    assert said(terminal=False).splitlines() == [
        " 1/12  failed            15 of 30  alpha: path-fixes: kernel-exists (guest1 on baye): nothing",
        "2 runs bring their labs home, please wait",
    ]


def test_on_a_terminal_it_is_shown_who_is_being_graded() -> None:
    shown = said(terminal=True)
    assert "[bold]beta[/]" in shown  # a name is no markup
    assert "0 min 00 s" in shown
    assert "1 of 12 graded, 2 being graded, 9 waiting" in shown


def test_a_team_is_one_line_and_says_why_it_is_not_gradable() -> None:
    assert line_of(entry("a", row=not_graded("died"))).split() == ["not", "gradable", "a:", "died"]
    assert line_of(Entry("a", "a", words="No worker.")).split() == ["not", "graded", "yet", "a:", "No", "worker."]


def test_the_last_words_are_counts_and_what_many_share() -> None:
    assert list(summary([entry("a"), entry("b"), Entry("c", "c")], 5)) == [
        "2 failed, 1 not graded yet",
        "2 of 3 teams: path-fixes/kernel-exists: nothing",
    ]
