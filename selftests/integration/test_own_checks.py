"""Checks of the rubric's own on played hosts: where they are run, how they end, what is told of them, judged again."""

import json
import subprocess
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import cast

import pytest
from paths import ROOT
from playedsessions import Sessions, Verify
from playedxen import PlayedXen

from xenlab.lab.custody import Custody
from xenlab.lab.dom0 import Dom0, HostPair
from xenlab.lab.own_check import OwnCheck
from xenlab.lab.own_commands import OwnCommands
from xenlab.lab.tape import Untaped
from xenlab.outcomes import Finding, Grade, Outcome, StepResult
from xenlab.remote.host import RemoteHost
from xenlab.remote.record import CommandRecord
from xenlab.report.grade_file import read_grade

HOSTILE = "<script>alert(1)</script>\\033[2J\\033]0;owned\\007\\342\\200\\256"


def rubric(**checks: str) -> str:
    """A rubric with these checks by their ids, whose underscores are dashes; "on: command" and further keys a line."""
    tables = []
    for name, told in checks.items():
        first, *more = told.splitlines()
        on, _, command = first.partition(": ")
        head = [f'id = "{name.replace("_", "-")}"', 'what = "It holds."', f'on = "{on}"', f"command = {command!r}"]
        keys = dict.fromkeys(line.partition(" = ")[0] for line in more)
        tables.append("\n".join(["[[checks]]", *head, *more, *([] if "points" in keys else ["points = 5"]), ""]))
    return "\n".join(tables)


Checked = Callable[..., dict[str, StepResult]]


@pytest.fixture
def checked(verify: Verify, xen: PlayedXen) -> Checked:
    """Grade these checks alone: what plays here is no whole lab, which would block them."""

    def run(*options: str, **checks: str) -> dict[str, StepResult]:
        (xen.folder / "rubric.toml").write_text(rubric(**checks))
        steps = [f"--step={name.replace('_', '-')}" for name in checks]
        verify(f"--rubric={xen.folder / 'rubric.toml'}", *steps, "--alone", *options)
        return {step.id: step for step in graded(xen).steps} if (xen.folder / "reports/grade.json").exists() else {}

    return run


def graded(xen: PlayedXen) -> Grade:
    return read_grade(xen.folder / "reports")


def where(step: StepResult) -> list[str | None]:
    return [check.guest or check.host for check in step.checks]


# Where, and how they end


def test_a_check_is_run_on_the_machines_that_it_names(checked: Checked) -> None:
    steps = checked(
        on_both="hosts: true",
        on_server="server: true",
        on_client="client: true",
        on_baye="baye: true",
        in_guests="guests: true",
        in_one="guest1: true",
    )
    assert {id_: where(step) for id_, step in steps.items()} == {
        "on-both": ["labubuntu", "baye"],
        "on-server": ["baye"],
        "on-client": ["labubuntu"],
        "on-baye": ["baye"],
        "in-guests": ["guest1"],  # --guest chose it
        "in-one": ["guest1"],
    }
    assert {step.outcome for step in steps.values()} == {Outcome.PASSED}
    assert {step.title for step in steps.values()} == {"It holds."}


def test_a_guest_that_is_off_is_started_for_it_and_goes_home(checked: Checked, xen: PlayedXen) -> None:
    assert checked("--guest=guest2", it="guest2: true")["it"].outcome is Outcome.PASSED
    assert xen.acted == ["labubuntu create guest2", "labubuntu shutdown guest2"]


@pytest.mark.parametrize(
    ("told", "outcome"),
    [
        ("baye: exit 3\nexit_code = 3", "passed"),
        ("baye: exit 3", "failed"),
        ("baye: echo one two\ncontains = 'e t'", "passed"),
        ("baye: echo one two >&2\ncontains = 'e t'", "failed"),
        ("baye: echo one two\nmatches = '^one\\s'", "passed"),
        ("baye: echo one two\nmatches = '^two'", "failed"),
        ("baye: echo guest1\nmatches = '^guest[12]$'", "passed"),
        ("baye: printf 'a\\r\\nb\\r\\n'\nmatches = '^b$'", "passed"),
        ("baye: printf 'a\\nb\\n'\nmatches = '\\Ab$'", "failed"),
        ("baye: echo one two; exit 1\nmatches = 'one'\ncontains = 'two'", "failed"),
        ("baye: no-such-program-at-all", "failed"),
    ],
)
def test_it_ends_as_exit_code_and_output_say(checked: Checked, told: str, outcome: str) -> None:
    assert checked(it=told)["it"].outcome == outcome


def test_what_failed_tells_what_was_seen_and_the_hint(checked: Checked) -> None:
    (check,) = checked(it="baye: yes again | head -n 9000; echo no >&2; exit 4\nhint = 'mend it'\ncontains = 'x'")[
        "it"
    ].checks
    assert check.expected == "`yes again | head -n 9000; echo no >&2; exit 4` ends with exit code 0, writes 'x'"
    assert check.actual.startswith("exit code 4; stdout: again again again")
    assert check.actual.endswith("stderr: no")
    assert len(check.actual) < 300
    assert (check.hint, len(check.proof) < 5000) == ("mend it", True)


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ("baye: tail -f /dev/null\nseconds = 1", "did not end in 1 s"),
        ("baye: yes | head -c 70000", "wrote 70000 bytes, of which no more than 65536 are read"),
        ("baye: kill_me() { sh -c 'kill -9 $PPID'; }; kill_me", "ended by a signal"),
        ("labubuntu: true", "labubuntu cannot be reached"),
    ],
)
def test_what_cannot_be_observed_is_nobodys_zero(checked: Checked, xen: PlayedXen, told: str, words: str) -> None:
    if told.startswith("labubuntu"):
        xen.silence("labubuntu")
    step = checked(it=told)["it"]
    assert (step.outcome, step.checks[0].outcome) == (Outcome.ERROR, Outcome.ERROR)
    assert words in step.checks[0].actual
    assert graded(xen).verdict == "error"


def test_over_ssh_it_is_bounded_and_recorded_as_a_look(host: RemoteHost, records: list[CommandRecord]) -> None:
    baye = cast(Dom0, SimpleNamespace(name="baye", remote=host))
    commands = OwnCommands(HostPair(baye, baye), "baye", Custody(), Untaped())
    given = {"id": "it", "on": "baye", "seconds": 1}
    checks = [
        OwnCheck.model_validate({**given, "command": command}) for command in ("echo one", "sleep 30", "echo one")
    ]
    found = [next(commands.on_hosts(check)) for check in checks]
    assert [finding.holds for finding in found] == [True, None, True]
    assert "did not end within 1 s" in found[1].actual
    assert found[0].evidence == found[2].evidence == (f"cmd-{len(records) - 1}",)
    assert [(record.command, record.changes) for record in records[-2:]] == [
        ("sh -c 'echo one'", False),
        ("sh -c 'sleep 30'", False),
    ]


def test_a_check_is_blocked_where_what_it_needs_did_not_pass(verify: Verify, xen: PlayedXen) -> None:
    (xen.folder / "rubric.toml").write_text(rubric(it="baye: true", inside="guests: true"))
    verify(f"--rubric={xen.folder / 'rubric.toml'}", "--step=it", "--step=inside")
    steps = {step.id: step for step in graded(xen).steps}
    assert steps["hosts"].outcome is Outcome.FAILED
    assert [(steps[id_].outcome, steps[id_].blocked_by, steps[id_].earned) for id_ in ("it", "inside")] == [
        (Outcome.BLOCKED, "hosts", 0)
    ] * 2
    assert steps["inside"].needs == ("boot-from-share",)


def test_without_checks_of_its_own_there_is_no_such_step(verify: Verify) -> None:
    listed = verify("--collect-only", "-q").outlines
    assert any("test_8_left_as_found" in line for line in listed)
    assert not any("test_7_own_checks" in line for line in listed)


# What changes something


CHANGING = "baye: echo told; mkdir made-by-a-check\nchanges = true"


def test_a_check_that_changes_something_is_an_act(
    checked: Checked, xen: PlayedXen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(xen.folder)
    assert checked("--plan", f"--plan-file={xen.folder / 'plan.json'}", it=CHANGING) == {}
    plan = json.loads((xen.folder / "plan.json").read_text())
    (act,) = (act for act in plan["acts"] if act["act"] == "command")
    assert (act["machine"], act["step"], act["undo"]) == ("baye", "it", "on baye: nothing that xenlab knows of")
    assert not (xen.folder / "made-by-a-check").exists()

    refused = checked(f"--as-planned={xen.folder / 'plan.json'}", it=CHANGING.replace("told", "other"))["it"]
    assert (refused.outcome, refused.checks[0].outcome) == (Outcome.ERROR, Outcome.ERROR)
    assert "the plan has no such act" in refused.checks[0].actual
    assert not (xen.folder / "made-by-a-check").exists()

    assert checked(f"--as-planned={xen.folder / 'plan.json'}", it=CHANGING)["it"].outcome is Outcome.PASSED
    assert (xen.folder / "made-by-a-check").exists()


def test_a_run_that_only_reads_leaves_out_what_changes_or_needs_that(
    verify: Verify, xen: PlayedXen, sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(xen.folder)
    late = "baye: true\nneeds = 'cold-migration'"
    (xen.folder / "rubric.toml").write_text(rubric(reads="baye: true", it=CHANGING, late=late))
    ran = verify(f"--rubric={xen.folder / 'rubric.toml'}", "--read-only")
    seen = graded(xen)
    assert [step.id for step in seen.steps if step.id in ("reads", "it", "late")] == ["reads"]
    assert any("it, late, left-as-found take acts from the start" in remark for remark in seen.remarks)
    assert not (xen.folder / "made-by-a-check").exists()
    assert ran.outlines[-1].startswith("only read: ")


def test_a_check_that_only_reads_does_so_by_the_rubrics_word(
    verify: Verify, xen: PlayedXen, monkeypatch: pytest.MonkeyPatch
) -> None:
    sound = Finding("sound", True, "", "")
    for judged in ("run_xen", "run_same_series", "have_same_cpu_features", "can_take", "reach_each_other"):
        monkeypatch.setattr(f"xenlab.lab.hosts.HostsFound.{judged}", lambda *_: sound)
    (xen.folder / "rubric.toml").write_text(rubric(reads="baye: true"))
    ran = verify(f"--rubric={xen.folder / 'rubric.toml'}", "--read-only")
    outcomes = {step.id: step.outcome for step in graded(xen).steps}
    assert (outcomes["hosts"], outcomes["reads"]) == (Outcome.PASSED, Outcome.PASSED)
    assert ran.outlines[-1].endswith("none changes anything; of those of reads that is the rubric's word")


# What is told


def test_of_a_hidden_check_students_see_title_outcome_and_points(checked: Checked, xen: PlayedXen) -> None:
    told = "baye: echo seenword-$((40 + 2))\ncontains = 'wantedword'\nhint = 'hintword'\nhidden = true"
    assert checked(it=told)["it"].outcome is Outcome.FAILED
    reports = xen.folder / "reports"
    secrets = ("seenword", "wantedword", "hintword")
    for name in ("report.html", "summary.md"):
        text = (reports / name).read_text()
        assert [word for word in secrets if word in text] == []
    assert "It holds." in (reports / "report.html").read_text()
    assert all(word in (reports / "report-instructor.html").read_text() for word in secrets)


def test_hostile_output_is_text_wherever_it_is_shown(checked: Checked, xen: PlayedXen) -> None:
    assert checked(it=f"baye: printf '{HOSTILE}'\ncontains = 'x'")["it"].outcome is Outcome.FAILED
    reports = xen.folder / "reports"
    for name in ("report.html", "summary.md", "grade.json"):
        text = (reports / name).read_text()
        assert not {"\x1b", "\x07", "\u202e"} & set(text)
    assert "<script>alert" not in (reports / "report.html").read_text()


# Judged again


def regrade(xen: PlayedXen, text: str) -> tuple[str, dict[str, StepResult]]:
    (xen.folder / "other.toml").write_text(text)
    words = ["regrade", str(xen.folder / "reports"), "--rubric", str(xen.folder / "other.toml")]
    words += ["--reports", str(xen.folder / "again")]
    command = [sys.executable, "-m", "xenlab", *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=100)
    steps = {step.id: step for step in read_grade(xen.folder / "again").steps}
    return done.stdout + done.stderr, steps


def test_a_check_is_judged_again_by_what_was_answered(checked: Checked, xen: PlayedXen) -> None:
    steps = checked(kept="baye: echo one", other="baye: echo two", gone="baye: echo three")
    assert {step.outcome for step in steps.values()} == {Outcome.PASSED}
    text = rubric(
        kept="baye: echo one\ncontains = 'two'\npoints = 9",
        other="baye: echo never-asked",
        new="baye: echo two",
    )
    said, again = regrade(xen, text)
    assert {id_: step.outcome for id_, step in again.items()} == {"kept": Outcome.FAILED, "other": Outcome.ERROR}
    assert again["kept"].checks[0].actual == "exit code 0; stdout: one"
    assert "did not come so far" in again["other"].checks[0].actual
    assert "gone: was passed, is not graded any more" in said


# The call


@pytest.mark.parametrize(
    ("told", "allowed"),
    [("guest9: true", "hosts, server, client, guests, labubuntu, baye, guest1, guest2"), ("Server: true", "hosts")],
)
def test_a_machine_that_is_not_in_the_lab_is_refused(verify: Verify, xen: PlayedXen, told: str, allowed: str) -> None:
    (xen.folder / "rubric.toml").write_text(rubric(it=told))
    ran = verify(f"--rubric={xen.folder / 'rubric.toml'}")
    assert ran.ret == 2
    named = told.partition(":")[0]
    line = f"*xenlab: *rubric.toml: checks.0.on: '{named}' is no machine of this lab: allowed are {allowed}*"
    (ran.stderr if "no machine" in ran.stderr.str() else ran.stdout).fnmatch_lines([line])
    assert not (xen.folder / "reports" / "grade.json").exists()
