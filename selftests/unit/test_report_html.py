import re
import time
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser

import pytest

from xenlab.outcomes import (
    CheckResult,
    EchoSummary,
    Grade,
    HeartbeatSummary,
    LabInfo,
    MigrationRecord,
    Outcome,
    PingSummary,
    Score,
    StepResult,
)
from xenlab.report.html import render
from xenlab.report.reading import first_to_fix, in_a_sentence

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
) -> StepResult:
    return StepResult(
        id=id,
        title=f"Title of {id}.",
        points=points,
        earned=earned,
        outcome=Outcome(outcome),
        checks=tuple(checks),
        blocked_by=blocked_by,
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
        if tag not in ("meta", "link", "rect"):
            self.stack.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag != "rect":
            assert self.stack.pop() == tag, f"</{tag}> does not close what is open"

    def handle_data(self, data: str) -> None:
        if not {"style", "title"} & set(self.stack):
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


def test_the_first_screen_says_score_verdict_and_what_to_fix() -> None:
    page = Page(render(failing(), [command()], {}))
    top = page.text.split("Steps")[0]
    assert "15 of 30 points" in top
    assert "Failed 1 of 3 steps failed, 1 blocked by that." in top
    assert re.search(r"Fix this first Title of path-fixes\. kernel-exists guest1 on baye", top)
    assert "Expected a file Found nothing the path misses a folder" in top
    assert not page.stack


def test_a_blocked_step_links_to_its_root_and_a_check_to_its_evidence() -> None:
    page = Page(render(failing(), [command()], {}))
    assert "Not run, since path-fixes did not pass." in page.text
    assert "./lab verify --step path-fixes" in page.text
    targets = {value[1:] for name, value in page.attributes if name == "href" and value.startswith("#")}
    ids = [value for name, value in page.attributes if name == "id"]
    assert targets == {"step-path-fixes", "cmd-1"}
    assert targets <= set(ids)
    assert len(ids) == len(set(ids))


def test_a_step_blocked_for_one_guest_is_not_said_to_be_not_run() -> None:
    checks = [check("not-run", "blocked", guest="guest1"), check("boots", guest="guest2")]
    page = Page(render(grade(step("a", "failed"), step("b", "blocked", 5, checks=checks, blocked_by="a")), [], {}))
    assert "Not run for guest1, since a did not pass." in page.text


def test_what_could_not_be_observed_is_not_called_failed() -> None:
    error = check("cannot-observe", "error", actual="baye does not answer", hint="is it on?")
    made = grade(step("hosts", "error", checks=[error]), step("b", "blocked", blocked_by="hosts"), verdict="error")
    page = Page(render(made, [], {}))
    assert "Not observed 1 of 2 steps could not be observed, 1 blocked by that." in page.text
    assert "What happened baye does not answer is it on?" in page.text
    assert "Failed" not in page.text
    assert first_to_fix(made)[1] == error


def test_a_passed_run_has_nothing_to_fix() -> None:
    page = Page(render(grade(step("a", "passed", 10, checks=[check()]), verdict="passed"), [], {}))
    assert "10 of 10 points" in page.text
    assert "The step passed." in page.text
    assert "Fix this first" not in page.text


def test_a_run_of_nothing_says_so() -> None:
    assert "No step ran" in Page(render(grade(verdict="error"), [], {})).text


def test_migrations_show_both_ends_of_the_gap_and_the_timeline() -> None:
    svg = '<?xml version="1.0"?>\n<svg viewBox="0 0 1 1"><rect class="ours"/></svg>'
    made = grade(step("a", "passed", 10), verdict="passed", migrations=[MOVE])
    text = render(made, [], {"move.svg": svg})
    page = Page(text)
    assert "<?xml" not in text
    assert "svg" in page.tags
    assert ("class", "ours") in page.attributes
    assert "guest1 labubuntu → to baye Live migration · 4.2 s · same boot" in page.text
    assert "Longest gap 230 to 240 ms not measured" in page.text
    assert "Last before, first after 23 → 24 not measured" in page.text
    assert "1 live migration: longest gap seen from outside 230 to 240 ms." in page.text
    assert "the guest itself stood still for 210 ms at most" in page.text
    assert "508 of 512 bytes sent came back" in page.text
    for row in ("Sent 4,211", "Received 4,188", "Lost 23", "Duplicated 1", "Reordered 2", "Send errors 3"):
        assert row in page.text


def test_commands_show_their_end_and_output() -> None:
    commands = [
        command(1, stdout="Domain-0\n", command="xl list"),
        command(2, exit_code=1, stderr="no such guest"),
        command(3, exit_code=None, timed_out=True),
        command(4, exit_code=None),
    ]
    page = Page(render(grade(), commands, {}))
    assert "4 commands run on the hosts" in page.text
    for shown in (
        "cmd-1 baye xl list exit 0",
        "exit 1",
        "timed out",
        "no exit code",
        "Domain-0",
        "no such guest",
    ):
        assert shown in page.text


def test_nothing_from_the_hosts_acts_on_the_page() -> None:
    hostile = check("x", "failed", expected=HOSTILE, actual=HOSTILE, hint=HOSTILE, guest=HOSTILE, host=HOSTILE)
    bad = MOVE.model_copy(update={"guest": HOSTILE, "source": HOSTILE, "target": HOSTILE, "timeline": "../" + HOSTILE})
    lab = LabInfo(name=HOSTILE, kind="real", hosts=(HOSTILE,), xen={HOSTILE: HOSTILE})
    commands = [command(host=HOSTILE, command=HOSTILE, stdout=HOSTILE, stderr=HOSTILE)]
    text = render(grade(step("a", "failed", checks=[hostile]), migrations=[bad], lab=lab), commands, {})
    text.encode("utf-8")
    page = Page(text)
    assert "script" not in page.tags
    assert "<script>alert(1)</script>" in page.text
    assert "\x1b" not in text
    assert "[31m" not in text
    assert "\u202e" not in text
    assert "\\u202egnp" in page.text
    assert not page.stack


def test_the_page_asks_for_nothing_outside() -> None:
    text = render(failing(), [command(stdout="see http://example.org/")], {})
    page = Page(text)
    assert "default-src 'none'" in text
    assert not {"script", "img", "iframe", "object"} & set(page.tags)
    links = [value for name, value in page.attributes if name in ("href", "src")]
    assert all(value.startswith("#") or value == "data:," for value in links)
    assert "@import" not in text
    assert "url(" not in text


def test_much_output_leaves_the_page_small() -> None:
    big = "<&'\"é" * 400_000
    commands = [command(n, stdout=big, stderr=big) for n in range(1, 400)]
    steps = [
        step(
            "a",
            "failed",
            checks=[check(f"c{n}", "failed", expected=big[:4096], actual=big[:4096]) for n in range(800)],
        )
    ]
    moves = [MOVE.model_copy(update={"timeline": f"{n}.svg"}) for n in range(100)]
    svgs = {f"{n}.svg": "<svg>" + "x" * 100_000 + "</svg>" for n in range(100)}
    text = render(grade(*steps, migrations=moves), commands, svgs)
    assert len(text.encode()) < 5_000_000
    assert "left out to keep this page small" in text
    assert 'href="timelines/99.svg"' in text
    assert "characters cut" in text


def test_a_class_of_guests_is_rendered_in_time() -> None:
    steps = [
        step(
            f"s{n}",
            "passed",
            10,
            checks=[check(f"c{m}", guest=f"guest{m % 64}", expected="x", actual="y") for m in range(290)],
        )
        for n in range(7)
    ]
    begun = time.process_time()
    text = render(grade(*steps, verdict="passed"), [command(n) for n in range(1, 2000)], {})
    assert time.process_time() - begun < 2
    assert text.count('class="check passed"') == 2030


@pytest.mark.parametrize(
    ("outcomes", "says"),
    [
        (["passed", "waived"], "All 2 steps passed, 1 of them by a waiver."),
        (["failed", "error", "blocked"], "1 of 3 steps failed, 1 could not be observed, 1 blocked by that."),
        (["failed"], "1 of 1 step failed."),
        ([], "No step ran, so nothing is known about the lab."),
    ],
)
def test_the_verdict_in_a_sentence(outcomes: list[str], says: str) -> None:
    assert in_a_sentence(grade(*(step(f"s{n}", outcome) for n, outcome in enumerate(outcomes)))) == says
