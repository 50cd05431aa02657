"""Grades to make pages of, and what a reader sees of a page."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser

from xenlab.outcomes import (
    AnatomySummary,
    CheckResult,
    EchoSummary,
    Grade,
    HeartbeatSummary,
    LabInfo,
    MigrationRecord,
    Outcome,
    PingSummary,
    Score,
    StageSummary,
    StepResult,
)

STARTED = datetime(2026, 2, 8, 22, 6, tzinfo=UTC)
HOSTILE = "<script>alert(1)</script> \"quoted\" 'too' & \x1b[31mred\x1b[0m caf\udce9 \u202egnp"


def check(id: str = "c", outcome: str = "passed", **more: object) -> CheckResult:
    return CheckResult(id=id, outcome=Outcome(outcome), **more)


def step(
    id: str,
    outcome: str,
    earned: float = 0.0,
    points: float = 10.0,
    checks: Iterable[CheckResult] = (),
    blocked_by: str | None = None,
    **more: object,
) -> StepResult:
    return StepResult(
        id=id,
        title=f"Title of {id}.",
        points=points,
        earned=earned,
        outcome=Outcome(outcome),
        checks=tuple(checks),
        blocked_by=blocked_by,
        **more,
    )


def grade(
    *steps: StepResult,
    verdict: str = "failed",
    migrations: Iterable[MigrationRecord] = (),
    lab: LabInfo | None = None,
) -> Grade:
    score = Score(earned=sum(s.earned for s in steps), possible=sum(s.points for s in steps))
    return Grade(
        lab=lab or LabInfo(name="embedded", kind="embedded", hosts=("labubuntu", "baye"), xen={"baye": "4.20"}),
        started=STARTED,
        finished=STARTED + timedelta(seconds=75),
        score=score,
        verdict=verdict,
        steps=steps,
        migrations=tuple(migrations),
    )


def command(number: int = 1, **more: object) -> dict[str, object]:
    return {
        "id": f"cmd-{number}",
        "host": "baye",
        "command": "xl list",
        "exit_code": 0,
        "timed_out": False,
        "started": STARTED.isoformat(),
        "monotonic": 1.0,
        "seconds": 0.2,
        "stdout": "",
        "stderr": "",
        "stdout_cut": 0,
        "stderr_cut": 0,
    } | more


PING = PingSummary(
    sent=4211,
    received=4188,
    lost=23,
    duplicated=1,
    reordered=2,
    send_errors=3,
    interval_ms=10,
    longest_gap_ms=240,
    gap_resolution_ms=10,
    last_before=23,
    first_after=24,
    gap_in_window=True,
)
MOVE = MigrationRecord(
    guest="guest1",
    kind="live",
    source="labubuntu",
    target="baye",
    seconds=4.25,
    same_boot=True,
    outside=PING,
    heartbeat=HeartbeatSummary(beats=900, interval_ms=50, stood_still_ms=210, clock_step_ms=0),
    connection=EchoSummary(sent_bytes=512, returned_bytes=508, intact=True),
    anatomy=AnatomySummary(
        stages=(StageSummary(stage="disks", took_ms=180, stood_still_ms=150, scripts=2),),
        blackout_ms=210,
        untold_ms=60,
        doubt_ms=20,
        brownout_ms=30,
        causes=("a <cause> was seen",),
        sentence="Of 0.21 s in which the guest stood still, 0.15 s went to <hotplug> scripts of two disks.",
    ),
    timeline="move.svg",
)


class Page(HTMLParser):
    """What a reader sees, and what the page is made of."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags, self.attributes, self.words = [], [], []
        self.stack = []
        self.feed(text)
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in ("meta", "link", "rect", "input"):
            self.stack.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag != "rect":
            assert self.stack.pop() == tag, f"</{tag}> does not close what is open"

    def handle_data(self, data: str) -> None:
        if not {"style", "title", "script"} & set(self.stack):
            self.words.append(data)


def failing() -> Grade:
    return grade(
        step("hosts", "passed", 10, checks=[check("reached", evidence=("cmd-1", "cmd-99"))]),
        step(
            "path-fixes",
            "failed",
            5,
            checks=[
                check("parses"),
                check(
                    "kernel-exists",
                    "failed",
                    expected="a file",
                    actual="nothing",
                    hint="the path misses a folder",
                    guest="guest1",
                    host="baye",
                ),
            ],
        ),
        step("boot", "blocked", blocked_by="path-fixes", checks=[check("not-run", "blocked", actual="not run")]),
    )
