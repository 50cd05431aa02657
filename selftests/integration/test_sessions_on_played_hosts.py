"""Whole sessions of the lab sheet on two played hosts: planned, done as planned, gone on from, and only read."""

import errno
import json
from pathlib import Path

import pytest
from playedsessions import Sessions, Verify
from playedxen import PlayedXen

from xenlab.errors import CannotObserve, UsageError
from xenlab.grading.before import Before
from xenlab.outcomes import Outcome
from xenlab.report.grade_file import read_grade
from xenlab.tomlfile import dump

ALONE = ("--step=cold-migration", "--alone")
TO_AND_FRO = [
    *("labubuntu shutdown guest1", "baye create guest1"),
    *("baye shutdown guest1", "labubuntu create guest1"),
]


def test_what_is_planned_is_done_and_then_taken_over(verify: Verify, xen: PlayedXen) -> None:
    plan, reports = xen.folder / "plan.json", xen.folder / "reports"
    world = xen.state
    planned = verify(*ALONE, "--plan", f"--plan-file={plan}")
    assert planned.ret == 0
    assert xen.acted == []
    assert {**xen.state, "plan.json": ""} == {**world, "plan.json": ""}
    assert planned.outlines[0] == "this only reads: nothing is changed, on no host and in no guest"
    assert "guest1, now on labubuntu: started 2 times, shut down 2 times" in "\n".join(planned.outlines)

    assert verify(*ALONE, f"--as-planned={plan}").ret == 0
    assert xen.acted == TO_AND_FRO
    commands = [json.loads(line) for line in (reports / "evidence" / "commands.jsonl").read_text().splitlines()]
    assert commands == []  # the played hosts keep no journal; the tape does
    assert read_grade(reports).remarks == (
        "no score: of all steps only cold-migration was graded, what it needs taken as given",
    )

    assert verify(*ALONE, "--again").ret == 0
    assert xen.acted == TO_AND_FRO
    again = read_grade(reports)
    assert [step.outcome for step in again.steps] == [Outcome.PASSED]
    assert [check.id for check in again.steps[0].checks].count("runs-only-on") == 2
    assert again.remarks[-1].endswith("as nothing that it rests on has changed: cold-migration guest1")


def test_a_lab_that_changed_since_the_plan_is_left(verify: Verify, xen: PlayedXen, sessions: Sessions) -> None:
    plan = xen.folder / "plan.json"
    verify(*ALONE, "--plan", f"--plan-file={plan}")
    xen.config("guest1").write_text(xen.config("guest1").read_text() + "# another word\n")
    refused = verify(*ALONE, f"--as-planned={plan}")
    assert refused.ret == 2
    refused.stderr.fnmatch_lines(["xenlab: not as planned on *: */guest1.cfg has changed*"])
    assert (xen.acted, sessions.locked()) == ([], [])


def test_what_changed_is_done_again(verify: Verify, xen: PlayedXen) -> None:
    assert verify(*ALONE).ret == 0
    xen.config("guest1").write_text(xen.config("guest1").read_text() + "# another word\n")
    assert verify(*ALONE, "--again").ret == 0
    assert xen.acted == TO_AND_FRO * 2


def test_hosts_that_are_reached_by_old_ssh_are_a_remark_of_the_run(
    verify: Verify, xen: PlayedXen, monkeypatch: pytest.MonkeyPatch
) -> None:
    hosts = tuple(host.model_copy(update={"old_ssh": True}) for host in xen.spec.hosts)
    (xen.folder / "lab.toml").write_text(dump(xen.spec.model_copy(update={"hosts": hosts})))
    monkeypatch.setattr(xen.machines["baye"], "old_algorithms", ("key exchange diffie-hellman-group1-sha1",))
    verify("--read-only", "--step=hosts")
    remarks = read_grade(xen.folder / "reports").remarks
    assert [line.partition("; ")[0] for line in remarks if "old_ssh" in line or "old SSH" in line] == [
        "old_ssh of labubuntu in the lab file is not needed: SSH to it stands on nothing old",
        "baye is reached by old SSH: key exchange diffie-hellman-group1-sha1",
    ]


def test_a_run_that_only_read_is_nothing_to_go_on_from(verify: Verify, xen: PlayedXen) -> None:
    world = xen.state
    assert verify("--read-only").ret == 1  # what plays here is no NFS share
    seen = read_grade(xen.folder / "reports")
    assert [step.id for step in seen.steps] == ["hosts", "shared-storage", "path-fixes", "boot-from-share"]
    assert {name: digest for name, digest in xen.state.items() if not name.startswith("reports/")} == world
    assert xen.acted == []
    with pytest.raises(UsageError, match="the last one only read"):
        Before.of(xen.folder / "reports")


def test_a_machine_at_its_end_as_the_lab_is_opened_is_told_in_a_line(
    verify: Verify, sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_handles(_working_copy: Path) -> str:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr("fixtures.lab.suite_digest", no_handles)
    ran = verify("--step=hosts")
    assert ran.ret == CannotObserve.exit_code
    said = str(ran.stdout) + str(ran.stderr)
    assert "xenlab: this machine: [Errno 24] Too many open files" in said
    assert "Traceback" not in said
    assert "guest1 is on labubuntu (-b----), as found" in said
    assert sessions.locked() == []
