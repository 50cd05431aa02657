"""Steps side by side: which may be begun when, and that pytest still sees them one after the other."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from gradedrun import Graded
from hypothesis import given
from hypothesis import strategies as st

from xenlab.grading.schedule import Claim, claim_of, startable

HOMES = {"guest1": "labubuntu", "guest2": "baye", "guest3": "baye"}


@dataclass(eq=False)
class Step:
    guest: str | None
    claim: Claim
    needed: Sequence["Step"] = ()
    started: bool = False
    running: bool = False
    over: bool = False
    passed: bool = False
    log: list[str] = field(default_factory=list)

    def begin(self) -> None:
        self.started = self.running = True

    def end(self, *, passed: bool = True) -> None:
        self.running, self.over, self.passed = False, True, passed


def sheet(*guests: str) -> list[Step]:
    """The lab sheet's steps, as tests/ has them."""
    hosts = Step(None, Claim.LAB)
    rows: list[list[Step]] = [[hosts]]
    for claim in (Claim.GUEST, Claim.HOME, Claim.GUEST, Claim.LAB):
        rows.append([Step(guest, claim, (rows[-1][n % len(rows[-1])],)) for n, guest in enumerate(guests)])
    return [step for row in rows for step in row]


def run_to_the_end(steps: list[Step], choose: "st.DataObject") -> list[set[int]]:
    """Which steps ran at the same time, a set a moment; whichever may end does so next."""
    moments = []
    turn = 0
    while turn < len(steps):
        for step in startable(steps, HOMES):
            step.begin()
        at = steps[turn]
        if at.claim is Claim.LAB and not at.started:
            at.begin()
        running = [step for step in steps if step.running]
        moments.append({steps.index(step) for step in running})
        assert running, "nothing runs, and nothing ever will"
        choose.draw(st.sampled_from(running)).end()
        while turn < len(steps) and steps[turn].over:
            turn += 1
    return moments


def test_nothing_is_begun_past_a_step_that_has_the_lab_to_itself() -> None:
    steps = sheet("guest1", "guest2")
    assert startable(steps, HOMES) == []
    steps[0].end()
    assert startable(steps, HOMES) == steps[1:3]


def test_guests_of_two_hosts_boot_side_by_side_and_those_of_one_do_not() -> None:
    one, two, three = (Step(guest, Claim.HOME) for guest in HOMES)
    assert startable([one, two, three], HOMES) == [one, two]
    two.begin()
    assert startable([one, two, three], HOMES) == [one]
    two.end()
    assert startable([one, two, three], HOMES) == [one, three]


def test_a_step_waits_for_what_it_needs_and_for_its_own_guest() -> None:
    boot = Step("guest1", Claim.HOME)
    cold = Step("guest1", Claim.GUEST, (boot,))
    other = Step("guest1", Claim.GUEST)
    assert startable([boot, cold, other], HOMES) == [boot]
    boot.begin()
    assert startable([boot, cold, other], HOMES) == []
    boot.end(passed=False)
    assert startable([boot, cold, other], HOMES) == [other]


def test_one_that_ended_but_is_not_told_of_yet_holds_up_no_other() -> None:
    odd, other = Step("guest1", Claim.GUEST), Step("guest1", Claim.GUEST)
    odd.started = True
    assert startable([odd, other], HOMES) == [other]


@given(st.data(), st.lists(st.sampled_from(list(HOMES)), min_size=1, max_size=3, unique=True))
def test_no_two_disturb_each_other_and_all_come_to_their_end(data: "st.DataObject", guests: list[str]) -> None:
    steps = sheet(*guests)
    for moment in run_to_the_end(steps, data):
        running = [steps[place] for place in moment]
        if any(step.claim is Claim.LAB for step in running):
            assert len(running) == 1
        names = [step.guest for step in running]
        assert len(set(names)) == len(names)
        booting = [HOMES[step.guest or ""] for step in running if step.claim is Claim.HOME]
        assert len(set(booting)) == len(booting)


@pytest.mark.parametrize("claim", Claim)
def test_a_watched_move_has_the_lab_to_itself_unless_the_lab_file_says_otherwise(claim: Claim) -> None:
    assert claim_of(claim, moves_alone=True) is (Claim.LAB if claim is Claim.QUIET else claim)
    assert claim_of(claim, moves_alone=False) is (Claim.GUEST if claim is Claim.QUIET else claim)


MEET = """
from threading import Barrier, BrokenBarrierError

both = Barrier(2)

def meets():
    try:
        return both.wait(CLAIM_SECONDS) >= 0
    except BrokenBarrierError:
        return False

@guests
@step("a", points=1, claims="guest")
def test_a(guest_name, noun):
    'A.'
    check(Finding(f"meets-{noun}", meets(), "", ""))

@guests
@step("b", points=1, needs="a", claims="guest")
def test_b(guest_name):
    'B.'
    check(meets())
"""
NOUN = """
import pytest

@pytest.fixture
def noun(guest_name):
    return guest_name
"""


def test_the_steps_of_two_guests_run_at_the_same_time_and_are_told_in_order(graded: Graded) -> None:
    ran = graded(MEET.replace("CLAIM_SECONDS", "20"), "--grade-output=plain", conftest=NOUN)
    assert ran.ret == 0, ran.result.stdout.str()
    assert ran.ran == [
        ("guest1", "meets-guest1"),
        ("guest2", "meets-guest2"),
        ("guest1", "check-1"),
        ("guest2", "check-1"),
    ]
    lines = [line for line in ran.result.outlines if line.startswith("passed")]
    assert [line.split()[1:3] for line in lines[:4]] == [
        ["a", "guest1"],
        ["a", "guest2"],
        ["b", "guest1"],
        ["b", "guest2"],
    ]


@pytest.mark.parametrize(
    "conftest",
    [
        NOUN.replace("return guest_name", "yield guest_name"),
        NOUN.replace("return", "assert not hasattr(pytest, 'x')\n    pytest.x = 1\n    return"),
    ],
    ids=["one that cleans up", "one that fails"],
)
def test_a_step_whose_fixture_does_more_than_name_things_runs_alone(graded: Graded, conftest: str) -> None:
    ran = graded(MEET.replace("CLAIM_SECONDS", "0.2"), conftest=conftest)
    assert ran.ret in (1, 3)
    assert all(check.outcome != "passed" for check in ran.steps["a"].checks)


@pytest.mark.parametrize(
    ("body", "code", "outcomes"),
    [
        ("check(guest_name == 'guest2', id='x', hint='mend')", 1, ["failed", "blocked"]),
        ("check(Finding('x', guest_name == 'guest2' or None, '', ''))", 3, ["error", "blocked"]),
        ("check(True)\n    if guest_name == 'guest1': raise LabFault('x')", 1, ["failed", "blocked"]),
        ("check(True)\n    if guest_name == 'guest1': raise CannotObserve('x')", 3, ["error", "blocked"]),
        ("check(True)\n    if guest_name == 'guest1': raise KeyError('x')", 3, ["error", "blocked"]),
        ("check(True)\n    assert guest_name == 'guest2'", 1, ["failed", "blocked"]),
        ("if guest_name == 'guest2': check(True)", 3, ["error", "blocked"]),
    ],
)
def test_what_one_guest_comes_to_is_no_other_guests(graded: Graded, body: str, code: int, outcomes: list[str]) -> None:
    ran = graded(f"""
@guests
@step("a", points=1, claims="guest")
def test_a(guest_name):
    'A.'
    {body}

@guests
@step("b", points=1, needs="a", claims="guest")
def test_b(guest_name):
    'B.'
    check(True)
""")
    assert ran.ret == code
    of = {guest: [step.id for step in ran.grade.steps] for guest in ("guest1", "guest2")}
    assert of["guest1"] == ["a", "b"]
    worst = [
        [c.outcome for c in step.checks if c.guest == "guest1" and c.outcome != "passed"] for step in ran.grade.steps
    ]
    assert [each[0] for each in worst] == outcomes
    assert all(c.outcome == "passed" for step in ran.grade.steps for c in step.checks if c.guest == "guest2")


def test_commands_are_kept_with_the_step_whose_thread_ran_them(graded: Graded) -> None:
    ran = graded(
        """
from threading import Barrier

both = Barrier(2)

@guests
@step("a", points=1, claims="guest")
def test_a(guest_name, say):
    'A.'
    for _ in range(3):
        both.wait(20)
        say(guest_name)
    check(True)

@step("b", points=1, needs="a")
def test_b(say):
    'B.'
    say("b")
    check(True)
""",
        conftest="""
import datetime, pytest, time
from xenlab.grading.run import run_of
from xenlab.remote.record import CommandRecord

@pytest.fixture
def say(request):
    run = run_of(request.config)
    now = datetime.datetime.now(datetime.timezone.utc)
    return lambda host: run.record(CommandRecord(host, "look", 0, "", "", now, time.monotonic(), 0.1, False))
""",
    )
    assert ran.ret == 0
    assert len(ran.steps["a"].commands) == 6
    assert ran.steps["b"].commands == ("cmd-7",)


def test_an_interruption_ends_what_runs_beside_before_the_lab_is_left(graded: Graded) -> None:
    ran = graded(
        """
import os, signal, time
from xenlab.remote.waiting import NotInTime, is_stopped, wait_for

@guests
@step("a", points=1, claims="guest")
def test_a(guest_name, ended):
    'A.'
    if guest_name == "guest2":
        os.kill(os.getpid(), signal.SIGINT)
    try:
        wait_for(lambda: False, "what never comes", 60, 30)
    except NotInTime:
        ended.append((guest_name, is_stopped()))
        if guest_name == "guest1":
            raise LabFault("it does not answer")
    check(False, id="answers")
""",
        conftest="""
import pytest
from xenlab.grading.run import run_of

ENDED = []

@pytest.fixture
def ended():
    return ENDED

def pytest_collection_finish(session):
    run = run_of(session.config)
    run.closing.append(lambda: run.remarks.append(f"left after {sorted(ENDED)}"))
""",
    )
    assert ran.ret == 2
    assert ran.grade.remarks == ("left after [('guest1', True), ('guest2', True)]",)
    assert [(check.id, check.outcome) for check in ran.steps["a"].checks] == [("not-run", "error")] * 2


def test_a_claim_that_cannot_be_is_refused(graded: Graded) -> None:
    ran = graded("@step('a', points=1, claims='all')\ndef test_a():\n    'A.'\n")
    assert "cannot claim 'all'" in ran.result.stdout.str()
    assert "lab, quiet, home, guest" in ran.result.stdout.str()
