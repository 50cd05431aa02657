"""A run that only reads: on played hosts nothing changes, recorded wrong labs turn red as in a whole run."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from gradedrun import CHAIN, Graded
from paths import RECORDINGS, ROOT
from playedsessions import Sessions
from playedxen import GUESTS, HOSTS, PlayedXen
from recorded import judged, sheet, steps

from xenlab.errors import WouldChange
from xenlab.evidence import bundle
from xenlab.grading import read_only
from xenlab.grading.run import Run
from xenlab.lab.custody import WATCH, Custody
from xenlab.lab.lab import Lab
from xenlab.lab.lock import HostLock
from xenlab.lab.tape import PlayedTape, RecordingTape
from xenlab.outcomes import Grade, Outcome, StepResult
from xenlab.remote.host import RemoteHost
from xenlab.remote.login import Login
from xenlab.remote.record import CommandRecord
from xenlab.report.folder import ReportsFolder
from xenlab.scenarios.catalogue import scenario_named

NEEDS_AN_ACT = {"share-full", "another-export", "folder-below-the-export", "third-machine-squashes-root"}
"""Faults that nobody sees who writes nothing."""
RECORDED = sorted(path for path in RECORDINGS.glob("*.zip") if path.stem not in NEEDS_AN_ACT)
PAUSED = "--p---"
NEVER_IN_CHECK = {"cold-migration", "paused-migration", "live-migration", "left-as-found"}


def red(step: StepResult) -> set[tuple[str, str | None, str | None]]:
    return {(check.id, check.guest, check.host) for check in step.checks if check.outcome is Outcome.FAILED}


# On recorded labs


@pytest.mark.parametrize("recording", RECORDED, ids=lambda path: path.stem)
def test_what_needs_no_act_turns_red_as_in_a_whole_run(recording: Path) -> None:
    with bundle.opened(recording) as folder:
        whole, seen = ({step.id: step for step in judged(folder, read_only=only).steps} for only in (False, True))
    assert set(seen) == set(whole) - NEVER_IN_CHECK
    for id_ in set(seen) - {"boot-from-share"}:
        assert red(seen[id_]) == red(whole[id_])
        assert (seen[id_].outcome, seen[id_].points) == (whole[id_].outcome, 0)


def test_recordings_of_each_step_that_needs_no_act_are_among_them() -> None:
    reddened = {found.red.step for path in RECORDED if (found := scenario_named(path.stem)).red}
    assert {"hosts", "shared-storage", "path-fixes"} <= reddened


def test_each_step_of_the_sheet_says_whether_it_is_in_check() -> None:
    assert {id_ for id_, (spec, _) in steps().items() if not spec.in_check} == NEVER_IN_CHECK


# On played hosts


@pytest.fixture
def lab(xen: PlayedXen, sessions: Sessions, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    """The played lab, opened to be read."""

    def no_keys(*argv: str, **_: object) -> None:
        raise WouldChange(f"what {argv} answers to keys")

    for machine in xen.machines.values():
        monkeypatch.setattr(machine, "read_screen", no_keys, raising=False)
    with Lab(xen.spec, lambda _: "", {}, Custody(xen.folder / "custody"), read_only=True) as opened:
        yield opened


def checked(lab: Lab, folder: Path, *ids: str) -> tuple[Run, Grade]:
    """These steps of the sheet alone, or all: what plays here is no NFS share, which would block them."""
    run = Run("lab.toml", None, (), ReportsFolder(folder), read_only=True)
    lab.begin("lab.toml", str(folder))
    return run, sheet(lab, run, ids or set(steps()), alone=bool(ids))


STATES = {
    "off": [],
    "at home": [("labubuntu", "-b----")],
    "away": [("baye", "-b----")],
    "paused": [("labubuntu", PAUSED)],
    "on both": [("labubuntu", "-b----"), ("baye", "-b----")],
}


@pytest.mark.parametrize("state", STATES)
def test_nothing_changes_whatever_is_found(state: str, lab: Lab, xen: PlayedXen, sessions: Sessions) -> None:
    for host, domain in STATES[state]:
        xen.runs("guest1", host, domain)
    before = xen.state
    for ids in ((), ("boot-from-share",)):
        checked(lab, xen.folder, *ids)
        assert lab.bring_home() == ()
        lab.leave()
    assert xen.state == before
    assert (xen.acted, sessions.locked(), sessions.noted()) == ([], [], [])


@pytest.mark.parametrize(
    ("state", "check", "unjudged"),
    [
        ("off", "may-create", "what follows on xl create guest1 on labubuntu"),
        ("away", "may-shutdown", "what follows on xl shutdown guest1 on baye"),
        ("paused", "may-unpause", "what follows on xl unpause guest1 on labubuntu"),
    ],
)
def test_a_guest_that_would_have_to_be_started_is_judged_up_to_that(
    state: str, check: str, unjudged: str, lab: Lab, xen: PlayedXen
) -> None:
    for host, domain in STATES[state]:
        xen.runs("guest1", host, domain)
    run, grade = checked(lab, xen.folder, "boot-from-share")
    (boot,) = grade.steps
    assert [each.id for each in boot.checks if each.guest == "guest1"] == [check]
    assert boot.outcome is Outcome.PASSED
    assert f"boot-from-share guest1: not judged without an act: {unjudged}" in read_only.remarks(run)


def test_a_guest_that_may_not_be_started_is_red(lab: Lab, xen: PlayedXen) -> None:
    xen.runs("payroll", "baye", "-b----", f"{xen.disk('guest1')} xvda w")
    _, grade = checked(lab, xen.folder, "boot-from-share")
    found = {each.guest: each for each in grade.steps[0].checks}
    assert found["guest1"].outcome is Outcome.FAILED
    assert "payroll" in found["guest1"].actual
    assert found["guest2"].outcome is Outcome.PASSED


def test_a_guest_that_is_twice_there_is_red(lab: Lab, xen: PlayedXen) -> None:
    for host, domain in STATES["on both"]:
        xen.runs("guest1", host, domain)
    _, grade = checked(lab, xen.folder, "boot-from-share")
    assert {each.guest for each in grade.steps[0].checks if each.outcome is Outcome.FAILED} == {"guest1"}


def test_of_a_guest_that_runs_all_but_what_is_written_is_judged(
    lab: Lab, xen: PlayedXen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xenlab.lab.seats.ThisMachine.try_ping", lambda _self, _address, seconds: heard.append(seconds))
    monkeypatch.setattr("xenlab.lab.judging.boot.answers_ping", lambda *_: True)
    heard: list[float] = []
    xen.runs("guest1", "labubuntu")
    run, grade = checked(lab, xen.folder, "boot-from-share")
    ids = [each.id for each in grade.steps[0].checks if each.guest == "guest1"]
    assert ids[0] == "runs-only-on"
    assert {"login", "device-on-share", "root-device"} <= set(ids)
    assert "nonce" not in ids
    (remark,) = (line for line in read_only.remarks(run) if "guest1" in line)
    assert "answers to keys" in remark
    assert "-nonce, once written, can be read back" in remark
    assert heard == [5.0]  # as long as the lab gives it to boot, and no more than seconds


def test_every_host_that_is_silent_is_named(lab: Lab, xen: PlayedXen) -> None:
    for host in HOSTS:
        xen.silence(host)
    _, grade = checked(lab, xen.folder)
    silent = [each.host for each in grade.steps[0].checks if each.id == "reached" and each.outcome is Outcome.ERROR]
    assert silent == list(HOSTS)
    assert grade.verdict == "error"


def test_a_lock_is_told_and_not_taken(lab: Lab, xen: PlayedXen, sessions: Sessions) -> None:
    lab.begin("lab.toml", str(xen.folder))
    assert lab.in_use() == ()
    other = HostLock(xen.hosts, "1a2b3c4d", "77", lambda: "live-migration")
    other.take()
    try:
        assert [used.partition(" since")[0].partition(" of ")[0] for used in lab.in_use()] == [
            f"{host} is in use: run 1a2b3c4d" for host in HOSTS
        ]
        checked(lab, xen.folder)
    finally:
        other.release()
    assert sessions.locked() == []
    file = xen.machines["baye"].folder / "run/xenlab.lock"
    file.write_text('1000\n{"id": "1a2b3c4d", "from": "there", "who": "me", "pid": "1", "since": "1970"}\n')
    assert lab.in_use() == ()  # expired


def test_what_was_not_judged_is_not_judged_again_without_the_lab(xen: PlayedXen, sessions: Sessions) -> None:
    from xenlab.lab.kinds import kinds

    lines: list[str] = []
    first = Lab(xen.spec, lambda _: "", {}, tape=RecordingTape(lines.append), read_only=True)
    then = checked(first, xen.folder, "boot-from-share", "shared-storage")
    again = Lab(xen.spec, lambda _: "", {}, tape=PlayedTape(lines, kinds()), read_only=True)
    now = checked(again, xen.folder, "boot-from-share", "shared-storage")
    assert now[1].steps == then[1].steps
    assert list(read_only.remarks(now[0])) == list(read_only.remarks(then[0]))
    assert len(list(read_only.remarks(now[0]))) == 1 + len(GUESTS)


# That nothing can be done


@pytest.mark.parametrize("act", ["create", "shutdown", "pause", "unpause", "migrate", "write", WATCH])
def test_no_act_is_let_through_nor_noted(act: str, lab: Lab, xen: PlayedXen, sessions: Sessions) -> None:
    lab.begin("lab.toml", str(xen.folder))
    with pytest.raises(WouldChange):
        lab.custody.will(act, guest="guest1", host="baye", file="/root/x")
    assert (lab.custody.acts, sessions.noted()) == ([], [])


def test_a_read_only_host_runs_looks_and_nothing_else(login: Login, records: list[CommandRecord]) -> None:
    host = RemoteHost("baye", login, lambda record: records.append(record) or "", read_only=True)
    assert host.run("echo", "seen").stdout == "seen\n"
    for act in (
        lambda: host.run("touch", "/nowhere/at/all", changes=True),
        lambda: host.write_file("/nowhere/at/all", b""),
        lambda: host.terminal("xl", "console", "guest1"),
        lambda: host.read_screen("xl", "console", "guest1"),
    ):
        with pytest.raises(WouldChange, match="on baye"):
            act()
    host.close()
    assert [record.command for record in records] == ["echo seen"]


def test_a_host_that_may_be_changed_is(login: Login, records: list[CommandRecord], tmp_path: Path) -> None:
    host = RemoteHost("baye", login, lambda record: records.append(record) or "")
    host.run("touch", str(tmp_path / "there"), changes=True)
    host.close()
    assert (tmp_path / "there").exists()
    assert [record.changes for record in records] == [True]


# The whole of it, on hosts that are not there

NOWHERE = """
name = "team-7"
share = { server = "baye", export = "/srv/private", mount_point = "/mnt/private" }
hosts = [
    { name = "labubuntu", address = "192.0.2.1", ssh_address = "127.0.0.1", port = PORT },
    { name = "baye", address = "192.0.2.2", ssh_address = "127.0.0.2", port = PORT },
]

[[guests]]
name = "guest1"
address = "192.0.2.85"
home = "labubuntu"
config = "/mnt/private/guest1.cfg"
ping_target = "192.0.2.1"
"""


def test_check_names_every_host_that_cannot_be_reached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh" / "known_hosts").touch()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    (tmp_path / "lab.toml").write_text(NOWHERE.replace("PORT", str(port)))
    call = ["-m", "xenlab", "check", "--lab", str(tmp_path / "lab.toml"), "--reports", str(tmp_path / "reports")]
    ended = subprocess.run([sys.executable, *call], cwd=ROOT, capture_output=True, text=True, check=False)
    lines = ended.stdout.splitlines()
    assert ended.returncode == 3, ended.stderr
    assert lines[0] == read_only.FIRST_WORDS
    assert lines[-1] == "only read: of 0 commands on hosts and in guests none changes anything"
    assert any(line.startswith("fix this first: hosts: reached (labubuntu)") for line in lines)
    assert any(line.startswith("also: hosts: reached (baye)") for line in lines)
    assert list((tmp_path / "state").rglob("*")) == []


# What a session says

READING = CHAIN.replace('@step("hosts", points=10)', '@step("hosts", points=10, in_check=True)').replace(
    '@step("paths", points=20, needs="hosts")', '@step("paths", points=20, needs="hosts", in_check=True)'
)
COMMAND = """
import datetime, pytest
from xenlab.grading.run import run_of
from xenlab.remote.record import CommandRecord

@pytest.fixture(autouse=True)
def ran(request):
    now = datetime.datetime.now(datetime.timezone.utc)
    run_of(request.config).record(CommandRecord("baye", "look", 0, "", "", now, 0.0, 0.1, False, CHANGES))
"""


@pytest.mark.parametrize("output", ["plain", "quiet", "pytest"])
def test_the_first_and_the_last_line_say_that_it_only_reads(graded: Graded, output: str) -> None:
    ran = graded(
        READING.replace('guest_name != "guest1"', "True"),
        *("--read-only", f"--grade-output={output}"),
        conftest=COMMAND.replace("CHANGES", "False"),
    )
    assert ran.ret == 0
    assert list(ran.steps) == ["hosts", "paths"]
    lines = [line for line in ran.result.outlines if line.strip()]
    if output == "pytest":
        assert read_only.FIRST_WORDS in lines
        assert "only read: of 3 commands on hosts and in guests none changes anything" in lines
    else:
        assert lines[0] == read_only.FIRST_WORDS
        assert lines[-1] == "only read: of 3 commands on hosts and in guests none changes anything"
    assert (ran.grade.score.possible, ran.grade.score.earned) == (0, 0)
    assert ran.grade.remarks == ("no score: this run only reads; boot, move take acts from the start",)


def test_no_gradebook_gets_points_of_it(graded: Graded, pytester: pytest.Pytester) -> None:
    graded(READING, "--read-only")
    assert not (pytester.path / "reports" / "gradescope-results.json").exists()


def test_a_fault_that_is_seen_fails_it(graded: Graded) -> None:
    ran = graded(READING, "--read-only")
    assert ran.ret == 1
    assert ran.steps["paths"].outcome is Outcome.FAILED


@pytest.mark.parametrize("right", ["True", 'guest_name != "guest1"'])
def test_an_act_all_the_same_is_a_fault_of_ours_and_told_loudly(graded: Graded, right: str) -> None:
    ran = graded(
        READING.replace('guest_name != "guest1"', right),
        *("--read-only", "--grade-output=plain"),
        conftest=COMMAND.replace("CHANGES", "True"),
    )
    assert ran.ret == 3
    assert ran.grade.verdict in ("error", "failed")
    assert ran.result.outlines[-1].startswith("NOT only read: 3 of 3 commands changed something")
    assert any(remark.startswith("xenlab itself went wrong") for remark in ran.grade.remarks)


def test_a_step_that_takes_acts_cannot_be_asked_for(graded: Graded) -> None:
    ran = graded(READING, "--read-only", "--step", "move")
    assert ran.ret == 4
    ran.result.stderr.fnmatch_lines(["*move cannot be judged without an act (./lab verify --step does)*"])


ACTING = """
from xenlab.errors import WouldChange

def acts(act=""):
    raise WouldChange("what comes of it", act=act)

def lazy():
    acts()
    yield

@step("seen", points=1, in_check=True)
def test_seen():
    '''Seen.'''
    check(lazy(), True)
    BODY
"""


@pytest.mark.parametrize(
    ("body", "outcome", "remarks"),
    [
        ("pass", Outcome.PASSED, 1),
        ("acts()", Outcome.PASSED, 1),
        ("check(False); acts()", Outcome.FAILED, 1),
    ],
)
def test_a_step_ends_at_its_first_act_and_a_check_goes_on(
    graded: Graded, body: str, outcome: Outcome, remarks: int
) -> None:
    ran = graded(ACTING.replace("BODY", body), "--read-only")
    assert ran.steps["seen"].outcome is outcome
    told = [remark for remark in ran.grade.remarks if remark.startswith("seen: not judged without an act")]
    assert len(told) == remarks
    assert told[0].count("what comes of it") == (1 if body == "pass" else 2)


def test_a_step_of_which_nothing_was_seen_is_no_pass(graded: Graded) -> None:
    ran = graded(ACTING.replace("check(lazy(), True)", "acts()").replace("BODY", "pass"), "--read-only")
    assert ran.ret == 3
    assert "what comes of it" in ran.steps["seen"].checks[0].actual


def test_the_evidence_says_that_it_only_read(graded: Graded, pytester: pytest.Pytester) -> None:
    graded(READING, "--read-only")
    with bundle.opened(pytester.path / "reports") as folder:
        assert bundle.facts_of(folder).read_only
        assert bundle.grade_of(folder).started <= datetime.now(UTC)
