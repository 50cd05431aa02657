"""The page of a run: what it says, that it stays small, and that nothing on it acts."""

import re
import time
from datetime import timedelta

import pytest
from pages import HOSTILE, MOVE, STARTED, Page, check, command, failing, grade, step

from xenlab.outcomes import LabInfo, SideEvidence, Waiver
from xenlab.report.allure import banner
from xenlab.report.html import render
from xenlab.report.reading import first_to_fix, in_a_sentence


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
    assert targets >= {"step-hosts", "step-path-fixes", "step-boot", "cmd-1"}
    assert "cmd-99" not in targets
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


def test_what_could_not_be_observed_is_never_told_as_no_points() -> None:
    error = check("cannot-observe", "error", actual="baye does not answer")
    made = grade(
        step("a", "passed", 10),
        step("hosts", "error", checks=[error], ungradable=10),
        step("b", "blocked", blocked_by="hosts", ungradable=10),
        step("c", "error", 5, checks=[check(), error], ungradable=5),
        verdict="error",
    )
    made = made.model_copy(update={"score": made.score.model_copy(update={"ungradable": 25.0})})
    page = Page(render(made, [], {}))
    top, steps = page.text.split(" Steps ", 1)
    assert "25 points could not be observed: neither earned nor lost." in top
    assert "This attempt should not count: no fault of yours." in top
    assert "Title of hosts. Not observed · not gradable – / 10" in steps
    assert "Title of b. Blocked by hosts · not gradable – / 10" in steps
    assert "Title of c. Not observed · 5 not gradable 5 / 10" in steps
    assert re.search(r"hosts Not observed.* – / 10", top)
    assert "should not count" not in Page(render(failing(), [], {})).text


def test_a_run_that_saw_nothing_has_no_score_rather_than_none() -> None:
    made = grade(step("hosts", "error", ungradable=10), verdict="error")
    made = made.model_copy(update={"score": made.score.model_copy(update={"ungradable": 10.0})})
    page = render(made, [], {})
    assert '<span class="earned">–</span>' in page
    assert "<title>– of 10, not observed" in page
    assert "<strong>– of 10 points: error</strong>" in banner(made)


def test_a_failed_step_names_what_could_not_be_seen_beside_it() -> None:
    made = grade(
        step("a", "failed", 5, checks=[check(), check("x", "failed"), check("y", "error"), check("z", "error")])
    )
    page = Page(render(made, [], {}))
    assert "1 of 1 step failed. In 1 failed step a part could not be observed." in page.text
    assert "Failed, in part not observed 5 / 10" in page.text
    assert "2 checks of it could not be observed, which is no fault of yours." in page.text


def test_remarks_and_the_guests_whereabouts_are_lists_of_text() -> None:
    texts = {"remarks": ("baye: payroll was created", HOSTILE), "whereabouts": ("guest1 is on baye", "x" * 9000)}
    text = render(failing().model_copy(update=texts), [], {})
    page = Page(text)
    assert "Where the guests are guest1 is on baye xxx" in page.text
    assert "Remarks baye: payroll was created <script>alert(1)</script>" in page.text
    assert "characters cut" in page.text
    assert page.tags.count("script") == 0
    assert not page.stack
    assert 'id="guests"' not in render(failing(), [], {})


def test_side_evidence_is_folded_in_its_step() -> None:
    side = (
        SideEvidence(title=HOSTILE, file="side/1.txt", guest="guest1"),
        SideEvidence(title="gone", file="side/2.txt"),
    )
    made = grade(step("a", "failed", checks=[check("x", "failed")], side=side))
    text = render(made, [], {}, {"side/1.txt": HOSTILE + "y" * 20_000, "side/3.txt": "nobody's"})
    page = Page(text)
    assert text.count('<details class="proof side">') == 2
    assert page.tags.count("script") == 0
    assert not page.stack
    assert "characters cut" in page.text
    assert "gone It lies beside this page no more." in page.text
    assert "nobody's" not in page.text


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


def test_a_migration_shows_where_its_downtime_went_and_what_the_inside_ping_bounds() -> None:
    page = Page(render(grade(step("a", "passed", 10), verdict="passed", migrations=[MOVE]), [], {}))
    assert "in which the guest stood still, 0.15 s went to <hotplug> scripts of two disks." in page.text
    assert "A <cause> was seen." in page.text
    bounds = "The inside ping stands still with its guest"
    assert bounds not in page.text
    both = MOVE.model_copy(update={"inside": MOVE.outside, "anatomy": None})
    text = Page(render(grade(step("a", "passed", 10), verdict="passed", migrations=[both]), [], {})).text
    assert f"{bounds}: it bounds for how long the guest, while it ran, sent in vain, not for how long it" in text
    assert "scripts of two disks" not in text


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
    waiver = Waiver(who=HOSTILE, why=HOSTILE, until=STARTED.date())
    texts = {
        "expected": HOSTILE,
        "actual": HOSTILE,
        "hint": HOSTILE,
        "guest": HOSTILE,
        "host": HOSTILE,
        "proof": HOSTILE,
    }
    checks = [check("x", "failed", **texts), check("y", "waived", waiver=waiver, **texts)]
    bad = MOVE.model_copy(
        update={"guest": HOSTILE, "source": HOSTILE, "target": HOSTILE, "timeline": "../" + HOSTILE, "started": STARTED}
    )
    lab = LabInfo(name=HOSTILE, kind="real", hosts=(HOSTILE,), xen={HOSTILE: HOSTILE}, host_keys={HOSTILE: HOSTILE})
    commands = [command(host=HOSTILE, command=HOSTILE, stdout=HOSTILE, stderr=HOSTILE)]
    titled = step("a", "failed", checks=checks).model_copy(update={"title": f"`{HOSTILE}` of {HOSTILE}"})
    made = grade(titled, migrations=[bad], lab=lab)
    before = grade(step(HOSTILE, "failed"), step("a", "passed", blocked_by=HOSTILE), migrations=[bad], lab=lab)
    before = before.model_copy(update={"started": STARTED - timedelta(days=1)})
    for view in ("student", "instructor"):
        text = render(made, commands, {}, view=view, previous=before)
        text.encode("utf-8")
        page = Page(text)
        assert "Since the previous attempt" in page.text
        assert "script" not in page.tags
        assert "<script>alert(1)</script>" in page.text
        assert "\x1b" not in text
        assert "[31m" not in text
        assert "\u202e" not in text
        assert "\\u202egnp" in page.text
        assert not page.stack


def test_the_page_says_from_where_a_guest_was_pinged() -> None:
    assert MOVE.outside is not None
    baye = MOVE.outside.model_copy(update={"seat": "baye"})
    other = baye.model_copy(update={"seat": "labubuntu", "longest_gap_ms": 120.0})
    moved = MOVE.model_copy(update={"outside": baye, "outside_elsewhere": (other,)})
    page = Page(render(grade(migrations=[moved]), [], {}))
    assert "Outside, from baye Outside, from labubuntu Inside" in page.text
    assert "longest gap seen from outside (baye) 230 to 240 ms." in page.text


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
            needs=(f"s{n - 1}",) if n else (),
        )
        for n in range(7)
    ]
    moves = [
        MOVE.model_copy(update={"guest": f"guest{n % 64}", "started": STARTED + timedelta(seconds=n)})
        for n in range(256)
    ]
    made = grade(*steps, verdict="passed", migrations=moves)
    before = made.model_copy(update={"started": STARTED - timedelta(days=1)})
    commands = [command(n) for n in range(1, 2000)]
    begun = time.process_time()
    text = render(made, commands, {}, previous=before)
    assert time.process_time() - begun < 2
    assert text.count('class="check passed"') == 2030
    assert len(text.encode()) < 5_000_000


def test_a_long_history_leaves_the_page_small() -> None:
    before = grade(*(step(f"s{n}" + "x" * 1000, "passed") for n in range(5000)))
    before = before.model_copy(update={"started": STARTED - timedelta(days=1)})
    assert len(render(failing(), [], {}, previous=before)) < 200_000


@pytest.mark.parametrize(
    ("outcomes", "says"),
    [
        (["passed", "waived"], "All 2 steps passed, 1 of them by a waiver."),
        (["failed", "error", "blocked"], "1 of 3 steps failed, 1 could not be observed, 1 blocked by that."),
        (["failed"], "1 of 1 step failed."),
        ([], "No step ran, so nothing is known about the lab."),
        (["passed", "passed", "-failed"], "All 2 required steps passed. 1 optional step did not pass."),
        (["passed", "-passed"], "The required step passed."),
        (["-failed", "-passed"], "1 of 2 optional steps failed."),
    ],
)
def test_the_verdict_in_a_sentence(outcomes: list[str], says: str) -> None:
    """An outcome with a minus is an optional step's."""
    steps = (
        step(f"s{n}", o.strip("-"), checks=[check("c", o.strip("-"))], required=not o.startswith("-"))
        for n, o in enumerate(outcomes)
    )
    assert in_a_sentence(grade(*steps)) == says


def test_a_pass_that_rests_on_a_waived_check_says_so() -> None:
    made = grade(step("a", "passed", checks=[check("c"), check("d", "waived")]), step("b", "passed", checks=[check()]))
    assert in_a_sentence(made) == "All 2 steps passed, 1 of them by a waiver."


def test_what_is_required_is_to_be_fixed_before_what_is_optional() -> None:
    optional = step("a", "failed", checks=[check("x", "failed")], required=False)
    required = step("b", "failed", checks=[check("y", "error"), check("z", "failed")])
    assert [found.id for found in first_to_fix(grade(optional, required))] == ["b", "z"]
    assert [found.id for found in first_to_fix(grade(optional, step("c", "passed")))] == ["a", "x"]
