"""How a step ends: passed, failed, blocked or error, and what its checks tell."""

import pytest
from gradedrun import CHAIN, Graded


def test_all_passed(graded: Graded) -> None:
    ran = graded(CHAIN.replace('guest_name != "guest1"', "True"))
    assert ran.ret == 0
    assert ran.grade.verdict == "passed"
    assert (ran.grade.score.earned, ran.grade.score.possible) == (100, 100)
    assert list(ran.steps) == ["hosts", "paths", "boot", "move"]
    assert ran.steps["paths"].title == "Paths lie under the share."
    ran.result.stdout.fnmatch_lines(["*score: 100 of 100, passed*", "*report: reports*report.html*"])


def test_a_failing_root_blocks_what_follows_on_that_guest_only(graded: Graded, pytester: pytest.Pytester) -> None:
    ran = graded(CHAIN)
    assert ran.ret == 1
    assert ran.grade.verdict == "failed"
    outcomes = {id: step.outcome.value for id, step in ran.steps.items()}
    assert outcomes == {"hosts": "passed", "paths": "failed", "boot": "blocked", "move": "blocked"}
    assert ran.steps["boot"].blocked_by == ran.steps["move"].blocked_by == "paths"
    # guest1 has one of two checks of paths, guest2 has all; guest2 goes on and earns its half of the rest.
    assert [step.earned for step in ran.grade.steps] == [10, 15, 15, 20]
    assert ran.grade.score.earned == 60
    assert [check.outcome.value for check in ran.steps["move"].checks] == ["blocked", "passed"]
    ran.result.assert_outcomes(passed=4, failed=1, skipped=2)
    ran.result.stdout.fnmatch_lines(
        [
            "*1 of 2 checks failed*",
            "*kernel-exists*guest1*",
            "*expected: a file*",
            "*actual: nothing*",
            "*hint: mend*",
        ]
    )
    ran.result.stdout.fnmatch_lines(
        [
            "*blocked*boot*(blocked by paths)*",
            "*fix this first: paths: kernel-exists (guest1)*",
            "*hint: mend the path*",
        ]
    )
    assert (pytester.path / "reports" / "report.html").read_text().count("kernel-exists") >= 3
    assert (pytester.path / "reports" / "evidence" / "commands.jsonl").exists()


def test_blocked_is_skipped_with_its_reason(graded: Graded) -> None:
    ran = graded(CHAIN, "-rs")
    ran.result.stdout.fnmatch_lines(["SKIPPED*blocked by paths"])


def test_what_cannot_be_observed_is_an_error_and_blocks(graded: Graded) -> None:
    ran = graded("""
@step("hosts", points=10)
def test_hosts():
    '''Both hosts answer.'''
    check(True, id="first")
    raise CannotObserve("baye does not answer", hint="is it on?")

@step("next", points=10, needs="hosts")
def test_next():
    '''Next.'''
    check(True)
""")
    assert ran.ret == 3
    assert ran.grade.verdict == "error"
    assert ran.steps["hosts"].earned == 0
    assert [c.outcome.value for c in ran.steps["hosts"].checks] == ["passed", "error"]
    error = ran.steps["hosts"].checks[1]
    assert (error.id, error.actual, error.hint) == ("cannot-observe", "baye does not answer", "is it on?")
    assert ran.steps["next"].blocked_by == "hosts"


def test_a_fault_that_was_raised_is_a_failed_check(graded: Graded) -> None:
    ran = graded("""
@step("share", points=10)
def test_share():
    '''The share is there.'''
    check(True)
    texts = {"expected": "nfs4", "actual": "nothing", "hint": "mount it"}
    raise LabFault("not mounted", **texts, host="baye", guest="guest1")
""")
    assert ran.ret == 1
    fault = ran.steps["share"].checks[1]
    assert fault.outcome == "failed"
    assert (fault.expected, fault.actual, fault.hint, fault.host, fault.guest) == (
        "nfs4",
        "nothing",
        "mount it",
        "baye",
        "guest1",
    )
    assert ran.steps["share"].earned == 0  # nobody knows what the checks after it would have said
    ran.result.stdout.fnmatch_lines(["*1 of 2 checks failed*", "*lab-fault*guest1 on baye*", "*expected: nfs4*"])


def test_a_fault_in_a_fixture_fails_the_step_and_any_other_exception_is_an_error(graded: Graded) -> None:
    ran = graded("""
@pytest.fixture
def fault():
    raise LabFault("no export")

@pytest.fixture
def bug():
    return {}["missing"]

@pytest.fixture
def wrong():
    assert 1 == 2

@pytest.fixture
def residue():
    yield
    check(False, id="clean", actual="a loop device stayed")

@step("a", points=1)
def test_a(fault):
    '''A.'''
    check(True)

@step("b", points=1)
def test_b(bug):
    '''B.'''
    check(True)

@step("c", points=1)
def test_c(wrong):
    '''C.'''
    check(True)

@step("d", points=1)
def test_d(residue):
    '''D.'''
    check(True)
""")
    assert [step.outcome.value for step in ran.grade.steps] == ["failed", "error", "error", "failed"]
    assert "KeyError" in ran.steps["b"].checks[0].actual
    assert [c.id for c in ran.steps["d"].checks] == ["check-1", "clean"]
    assert ran.ret == 1


def test_every_other_way_to_end_is_no_pass_and_no_zero(graded: Graded, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(helper="def insist():\n    assert False, 'a bug of the grader'\n")
    ran = graded("""
@step("bug", points=1)
def test_bug():
    '''A bug.'''
    check(True)
    raise ZeroDivisionError

@step("skips", points=1)
def test_skips():
    '''Skips itself.'''
    check(True)
    pytest.skip("not today")

@step("hangs", points=1)
def test_hangs():
    '''Times out.'''
    check(True)
    pytest.fail("Timeout (>1.0s) from pytest-timeout.")

@step("deep", points=1)
def test_deep():
    '''An assertion of somebody else.'''
    check(True)
    __import__("helper").insist()

@step("empty", points=1)
def test_empty():
    '''Checks nothing.'''

@step("uncalled", points=1)
def test_uncalled():
    '''Checks a method that was not called.'''
    check("".isdigit)
""")
    assert {step.outcome.value for step in ran.grade.steps} == {"error"}
    assert ran.ret == 3
    assert ran.grade.score.earned == 0
    assert "made no check" in ran.steps["empty"].checks[0].actual
    assert "TypeError" in ran.steps["uncalled"].checks[0].actual


def test_an_assertion_of_the_step_itself_fails_it(graded: Graded) -> None:
    ran = graded("""
@step("a", points=2)
def test_a():
    '''A.'''
    check(True)
    assert 1 + 1 == 3, "sums are wrong"
""")
    assert (ran.ret, ran.steps["a"].outcome.value, ran.steps["a"].earned) == (1, "failed", 0)
    assert "sums are wrong" in ran.steps["a"].checks[1].actual


def test_checks_go_on_unless_essential(graded: Graded) -> None:
    ran = graded("""
@step("a", points=4)
def test_a():
    '''A.'''
    assert not check(Finding("one", False, "1", "2", hint="h", host="baye"), hint="better")
    assert check(Finding("two", True, "1", "1", hint="h"))
    check(False, id="three", essential=True)
    check(True, id="never")
""")
    one, two, three = ran.steps["a"].checks
    assert (one.hint, one.host, two.hint) == ("better", "baye", "")
    assert three.outcome == "failed"
    assert ran.steps["a"].earned == 0
    ran.result.stdout.fnmatch_lines(["*2 of 3 checks failed*", "- one*baye*", "- three*"])


def test_a_check_outside_a_step_is_refused(graded: Graded) -> None:
    ran = graded("def test_plain():\n    check(True)\n")
    assert not ran.written
    ran.result.stdout.fnmatch_lines(["*a check was made outside a step*"])
