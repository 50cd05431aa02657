"""A rubric's own checks as data: what is refused, which commands change something, what a text is searched for."""

import re
import time
from pathlib import Path

import pytest
from pages import check as checked
from pages import grade, step
from paths import ROOT
from test_class_gradebook import entry

from xenlab.classroom.gradebook import moodle, table
from xenlab.classroom.member import Member
from xenlab.errors import UsageError
from xenlab.grading.rubric import CheckRule, Rubric, load, shipped
from xenlab.grading.steps import own_steps
from xenlab.remote.changing import what_changes
from xenlab.tomlfile import parse

GOOD = '[[checks]]\nid = "in-fstab"\nwhat = "It is there."\npoints = 5\ncommand = "grep nfs /etc/fstab"\n'
KEYS = "id, on, command, exit_code, contains, matches, seconds, hint, changes, what, points, needs, required, hidden"


def rule(**keys: object) -> CheckRule:
    given = {"id": "it", "what": "It holds.", "points": 5, "command": "true", **keys}
    return CheckRule.model_validate(given)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (GOOD.replace("in-fstab", "hosts"), "checks.0.id: 'hosts' is a step of the sheet: choose another id"),
        (GOOD.replace("in-fstab", "mine"), "checks.0.id: 'mine' is a step of the sheet: choose another id"),
        (GOOD.replace("in-fstab", "In fstab"), "checks.0.id: 'In fstab' cannot be an id: ids look like"),
        (GOOD + GOOD, "checks: in-fstab: each check has an id of its own"),
        (GOOD + "expect = 1", f"checks.0.expect: unknown key: allowed are {KEYS}"),
        (GOOD + 'matches = "a("', "checks.0.matches: 'a(' is no regular expression that is taken: unclosed group"),
        (GOOD + 'matches = "(?=a)"', "checks.0.matches: '(?=a)' is no regular expression that is taken: look-around"),
        (GOOD + 'contains = ""', 'checks.0.contains: "" is not allowed: it must have at least 1 character'),
        (GOOD + "seconds = 301", "checks.0.seconds: 301 is not allowed: it must be less than or equal to 300"),
        (GOOD + "exit_code = 256", "checks.0.exit_code: 256 is not allowed"),
        (GOOD + 'needs = "hots"', "checks.0.needs: 'hots' is not a step: allowed are hosts, mine"),
        (GOOD + 'points = "5"', "not valid TOML: Cannot overwrite a value"),
        (GOOD.replace("points = 5", "points = -1"), "checks.0.points: -1 is not allowed: points are from 0"),
        (GOOD.replace("points = 5\n", ""), "checks.0.points: is missing and must be given"),
        (GOOD.replace('"It is there."', '" "'), "checks.0.what: must say something"),
        (
            GOOD.replace('"grep nfs /etc/fstab"', "[]"),
            "checks.0.command: must be a command: a string for sh, or a list",
        ),
        (GOOD.replace('"grep nfs /etc/fstab"', '["grep", 5]'), "checks.0.command: must be a command"),
        (GOOD.replace("grep nfs", "rm -f"), "checks.0: its command changes something (rm): it must read, or say"),
        ("[steps.in-fstab]\npoints = 1\n", "steps.in-fstab: 'in-fstab' is not a step"),
    ],
)
def test_one_clear_line(tmp_path: Path, text: str, line: str) -> None:
    file = tmp_path / "rubric.toml"
    file.write_text(text)
    with pytest.raises(UsageError) as refusal:
        load(file, ("hosts", "mine"), {"in-fstab"})
    assert refusal.value.message.startswith(f"rubric.toml: {line}")
    assert len(refusal.value.message.splitlines()) == 1


def test_a_check_of_ones_own_can_be_waived_and_needed(tmp_path: Path) -> None:
    waiver = '[[waivers]]\nstep = "in-fstab"\nwho = "T"\nwhy = "w"\nuntil = 2026-03-31\n'
    after = GOOD.replace("in-fstab", "after") + 'needs = "in-fstab"\n'
    (tmp_path / "rubric.toml").write_text(GOOD + after + waiver)
    rubric = load(tmp_path / "rubric.toml", ("hosts",), {"in-fstab", "after"})
    assert [check.step(None).needs for check in rubric.checks] == [("hosts",), ("in-fstab",)]
    assert rubric.waivers[0].step == "in-fstab"


def test_the_checks_that_the_instructors_page_shows_are_read() -> None:
    (text,) = re.findall(r"```toml\n(.*?)```", (ROOT / "docs/instructor.md").read_text(), re.DOTALL)
    rubric = parse(text, "rubric.toml", Rubric, {}, context={"steps": shipped().steps})
    steps = {check.id: check.step("guest1" if check.on == "guests" else None) for check in rubric.checks}
    assert [(step.needs, step.in_check, step.hidden, step.points) for step in steps.values()] == [
        (("hosts",), True, False, 5),
        (("cold-migration",), True, True, 5),
        (("hosts",), False, False, 3),
    ]


@pytest.mark.parametrize(("whole", "own"), [(True, ["kept", "new"]), (False, ["kept"])])
def test_what_is_judged_again_are_the_checks_of_now(whole: bool, own: list[str]) -> None:
    then = Rubric(checks=(rule(id="kept"), rule(id="gone")))
    now = Rubric(checks=(rule(id="kept"), rule(id="new")))
    assert now.to_judge_again(("hosts", "kept", "gone"), then, whole=whole) == ["hosts", *own]


# Which commands change something


@pytest.mark.parametrize(
    ("script", "word"),
    [
        ("grep nfs /etc/fstab", ""),
        ("xl list 2>&1 | grep -c guest >/dev/null 2>/dev/null", ""),
        ("awk '$3 > 5' /proc/mounts; grep -q \"a > b\" /x", ""),
        ("systemctl is-enabled nfs-server && xl info", ""),
        ("grep rm /etc/fstab", ""),
        ("rm -rf /srv", "rm"),
        ("ls /srv; /bin/rm x", "rm"),
        ("A=1 sudo systemctl restart nfs-server", "systemctl restart"),
        ("if true; then xl destroy guest1; fi", "xl destroy"),
        ("echo $(touch /x)", "touch"),
        ("echo x >>/etc/fstab", ">"),
        ("true\nmkfs.ext4 /dev/xvda", "mkfs.ext4"),
        ("sed -i s/a/b/ /etc/fstab", "sed -i"),
    ],
)
def test_a_command_that_changes_something_by_its_words(script: str, word: str) -> None:
    assert what_changes(("sh", "-c", script)) == word


def test_a_list_of_words_is_a_program_and_no_script() -> None:
    assert what_changes(("grep", "a;rm", ">")) == ""
    assert what_changes(("/usr/sbin/xl", "create", "/x")) == "xl create"
    assert rule(command=["rm", "/x"], changes=True).argv == ("rm", "/x")


# What is searched


def test_no_text_makes_a_search_long() -> None:
    hard = rule(matches="^(a+)+$")
    begun = time.monotonic()
    assert not hard.fits("a" * 65_536 + "!")
    assert hard.fits("a" * 65_536)
    assert time.monotonic() - begun < 5


def test_a_text_that_is_no_utf8_is_searched_all_the_same() -> None:
    assert rule(matches="^b$|^c$", contains="c").fits("\ud800\nc\n")


# Where, and in the gradebook


def test_a_server_that_is_no_host_is_none_to_run_on() -> None:
    third = ("labubuntu", "baye"), "nas", ("guest1",)
    with pytest.raises(
        UsageError, match=r"checks.0.on: 'server' .* allowed are hosts, client, guests, labubuntu, baye"
    ):
        own_steps([rule(on="server")], *third, in_guest=False)
    assert rule(on="client").hosts_of(third[0], "nas") == ("labubuntu", "baye")


def test_a_gradebook_has_its_column_whatever_was_graded() -> None:
    columns = Rubric(checks=(rule(id="mine"),)).columns
    assert columns == (*shipped().steps, "mine")
    head, *_ = table([], columns)
    assert head[head.index("left-as-found") + 1] == "mine"


def test_moodles_feedback_tells_nothing_of_what_is_hidden() -> None:
    hidden = step("mine", "failed", checks=[check_of("seenword")]).model_copy(update={"hidden": True})
    made = grade(hidden, step("boot", "failed", checks=[check_of("openword")]), verdict="failed")
    _, row = moodle([entry("team", made, Member(email="a@example.org"))], "lab")
    assert "seenword" not in str(row)
    assert "openword" in str(row)


def check_of(actual: str) -> object:
    return checked("it", "failed", actual=actual)
