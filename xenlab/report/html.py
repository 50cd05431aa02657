"""The report as one HTML file: no outside request, no script, works from file://.

Everything that came from the hosts goes through `plain` and Jinja's escaping; only the timelines, which
are our own SVG, are put in as they are.
"""

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from markupsafe import Markup, escape

from xenlab import __version__
from xenlab.evidence.text import bounded, plain, points
from xenlab.outcomes import Grade, LabInfo, MigrationRecord, Outcome, PingSummary, StepResult
from xenlab.report.compare import compare
from xenlab.report.graph import ROW, step_graph
from xenlab.report.reading import (
    NO_COUNT,
    first_to_fix,
    in_a_sentence,
    is_ungradable,
    nothing_observed,
    unseen_checks,
)
from xenlab.report.templating import ms, template
from xenlab.report.views import for_students
from xenlab.report.whereabouts import whereabouts_svg

View = Literal["student", "instructor"]
PAGES: dict[str, View] = {"report.html": "student", "report-instructor.html": "instructor"}
"""The pages by file name; the instructor's is only there when a step is hidden from students."""
"""Whom a page is for; a student's has no more of a hidden step than its title, outcome and points."""

_CHECK_TEXT = 1_200
_OUTPUT_TEXT = 8_000
_CHECKS_ROOM = 1_000_000
_COMMANDS_ROOM = 1_500_000
_TIMELINES_ROOM = 1_500_000
_SIDE_TEXT = 16 * 1024
_SIDE_ROOM = 500_000
_REMARK_TEXT = 1_200
_REMARKS = 200


class _Room:
    """Keeps the page bounded: counts the bytes of what is put in and, once full, leaves texts out."""

    def __init__(self, size: int) -> None:
        self._left = size

    def put(self, text: str, limit: int) -> Markup:
        """`text` cleaned, cut to `limit` characters and escaped, or a word on why it is not there."""
        shown = escape(plain(bounded(text, limit)[0]))
        if not self.fits(shown):
            return Markup("[left out to keep this page small: see grade.json and evidence/commands.jsonl]")
        return shown

    def fits(self, shown: str) -> bool:
        """Whether there is room for `shown`, which is then taken."""
        size = len(shown.encode())
        if size > self._left:
            return False
        self._left -= size
        return True


@dataclass(frozen=True, slots=True)
class _Figure:
    name: str
    svg: Markup | None


def render(
    grade: Grade,
    commands: Sequence[Mapping[str, object]],
    timelines: Mapping[str, str],
    side: Mapping[str, str] | None = None,
    *,
    view: View = "student",
    previous: Grade | None = None,
) -> str:
    """The page for `grade`.

    `commands` are the journal's entries, `timelines` SVG texts by file name, as they lie in `timelines/` beside
    the page, and `side` the texts of side evidence by theirs below `evidence/`. Texts are cut and, past a few
    megabytes, left out. What changed since the `previous` attempt is told if that was one at the same lab.
    """
    says = in_a_sentence(grade)
    if view == "student":
        grade, commands = for_students(grade, commands)
    fix = first_to_fix(grade)
    return template(
        "report.html.j2"
    ).render(
        grade=grade,
        version=__version__,
        view=view,
        says=says,
        fix=fix,
        sealed=None if fix else _sealed(grade.steps),
        earned_points="–" if nothing_observed(grade.score) else points(grade.score.earned),
        no_count=NO_COUNT if grade.verdict == "error" else "",
        steps=_steps(grade.steps, {str(command["id"]) for command in commands}, side or {}),
        graph=step_graph(grade.steps),
        row=ROW,
        change=compare(previous, grade),
        pings=_pings(grade),
        whereabouts=Markup(whereabouts_svg(grade.lab.hosts, grade.migrations, grade.started)),  # noqa: S704
        migrations=_migrations(grade.migrations, timelines),
        figures=_FIGURES,
        lead_figures=_LEAD_FIGURES,
        outside_of=lambda record: (record.outside, *record.outside_elsewhere),
        gap=_gap,
        commands=_commands(commands),
        hosts=_hosts(grade.lab),
        lists=[
            (name, id_, [bounded(plain(text), _REMARK_TEXT)[0] for text in texts[:_REMARKS]])
            for name, id_, texts in (
                ("Where the guests are", "guests", grade.whereabouts),
                ("Remarks", "remarks", grade.remarks),
            )
            if texts
        ],
        again=_again(grade, fix[0].id if fix else None),
    )


def _sealed(steps: Sequence[StepResult]) -> StepResult | None:
    """The hidden step that is all there is to fix, when its checks may not be told."""
    wrong = (Outcome.FAILED, Outcome.ERROR)
    return next((step for step in steps if step.hidden and step.outcome in wrong), None)


def _steps(steps: Sequence[StepResult], known: set[str], side: Mapping[str, str]) -> list[dict[str, object]]:
    room, side_room = _Room(_CHECKS_ROOM), _Room(_SIDE_ROOM)
    return [
        {
            "result": step,
            "not_run_for": [check.guest for check in step.checks if check.outcome is Outcome.BLOCKED and check.guest],
            "ran": any(check.outcome is not Outcome.BLOCKED for check in step.checks),
            "ungradable": is_ungradable(step),
            "unseen": unseen_checks(step) if step.outcome is Outcome.FAILED else "",
            "side": [
                (text, side_room.put(side.get(text.file, "It lies beside this page no more."), _SIDE_TEXT))
                for text in step.side
            ],
            "count": sum(check.outcome in (Outcome.PASSED, Outcome.WAIVED) for check in step.checks),
            "checks": [
                {
                    "result": check,
                    "expected": room.put(check.expected, _CHECK_TEXT),
                    "actual": room.put(check.actual, _CHECK_TEXT),
                    "hint": room.put(check.hint, _CHECK_TEXT),
                    "waiver": check.waiver,
                    "proof": room.put(check.proof, _OUTPUT_TEXT),
                    "why": room.put(check.waiver.why, _CHECK_TEXT) if check.waiver else "",
                    "evidence": [id_ for id_ in check.evidence if id_ in known],
                }
                for check in step.checks
            ],
        }
        for step in steps
    ]


def _migrations(
    migrations: Sequence[MigrationRecord], timelines: Mapping[str, str]
) -> list[tuple[MigrationRecord, _Figure | None]]:
    room = _Room(_TIMELINES_ROOM)
    shown = []
    for record in migrations:
        text = timelines.get(record.timeline or "")
        figure = None
        if record.timeline and text is not None:
            # An XML declaration may not stand within a page.
            svg = text[start:] if (start := text.find("<svg")) >= 0 else ""
            figure = _Figure(record.timeline, Markup(svg) if svg and room.fits(svg) else None)  # noqa: S704
        shown.append((record, figure))
    return shown


def _commands(commands: Sequence[Mapping[str, object]]) -> list[dict[str, object]]:
    room = _Room(_COMMANDS_ROOM)
    return [
        {
            **command,
            "command": room.put(str(command["command"]), _CHECK_TEXT),
            "stdout": room.put(str(command["stdout"]), _OUTPUT_TEXT),
            "stderr": room.put(str(command["stderr"]), _OUTPUT_TEXT),
        }
        for command in commands
    ]


def _hosts(lab: LabInfo) -> list[tuple[str, str, str]]:
    """Each host's name, what it runs and the fingerprint of its SSH key ("" where it showed none)."""
    names = dict.fromkeys((*lab.hosts, *lab.xen, *lab.host_keys))
    xen = {name: f"Xen {version}" for name, version in lab.xen.items()}
    return [(name, xen.get(name, "version not read"), lab.host_keys.get(name, "")) for name in names]


def _again(grade: Grade, fix: str | None) -> list[tuple[str, str]]:
    if grade.lab.kind == "replay":
        return [("Grade the same evidence again", f"./lab regrade {shlex.quote(plain(grade.lab.name))}")]
    call = "./lab verify" if grade.lab.kind == "embedded" else "./lab verify --lab lab.toml"
    step = [("Only what is to be fixed first, with what it needs", f"{call} --step {fix}")] if fix else []
    return [*step, ("The whole run", call)]


def _pings(grade: Grade) -> str:
    """The worst figures of the live migrations in one line, or nothing where there were none."""
    live = [record for record in grade.migrations if record.kind == "live"]
    sides = (("outside", [m.outside for m in live]), ("inside", [m.inside for m in live]))
    worst = {
        side: max(filter(None, pings), key=lambda ping: ping.longest_gap_ms, default=None) for side, pings in sides
    }
    parts = [
        f"longest gap seen from {side}{f' ({plain(ping.seat)})' if ping.seat else ''} {_gap(ping)}"
        for side, ping in worst.items()
        if ping
    ]
    if not parts:
        return ""
    return f"{len(live)} live {'migration' if len(live) == 1 else 'migrations'}: {', '.join(parts)}."


def _gap(ping: PingSummary) -> str:
    """The true outage lies in (gap - resolution, gap], so both ends are said."""
    low = max(0.0, ping.longest_gap_ms - ping.gap_resolution_ms)
    return f"{low:,.0f} to {ms(ping.longest_gap_ms)}"


def _around(ping: PingSummary) -> str:
    ends = (ping.last_before, ping.first_after)
    return " → ".join("none" if end is None else str(end) for end in ends)


_FIGURES: tuple[tuple[str, Callable[[PingSummary], str]], ...] = (
    ("Longest gap", _gap),
    ("Gap during the migration", lambda ping: "yes" if ping.gap_in_window else "no"),
    ("Last before, first after", _around),
    ("Lost", lambda ping: f"{ping.lost:,}"),
    ("Sent", lambda ping: f"{ping.sent:,}"),
    ("Received", lambda ping: f"{ping.received:,}"),
    ("Duplicated", lambda ping: f"{ping.duplicated:,}"),
    ("Reordered", lambda ping: f"{ping.reordered:,}"),
    ("Send errors", lambda ping: f"{ping.send_errors:,}"),
    ("Interval", lambda ping: ms(ping.interval_ms)),
)
_LEAD_FIGURES = 4
"""How many of them are shown without being asked for."""
