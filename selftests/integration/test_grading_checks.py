"""What check() takes, what it records of each finding, and how a step ends by it."""

import json

import pytest
from gradedrun import Graded, Ran

STEP = """
def found(id, holds, **more):
    return Finding(id, holds, more.pop("expected", "e"), more.pop("actual", "a"), **more)

@step("a", points=4)
def test_a():
    '''A.'''
{body}
"""


def of_step(graded: Graded, body: str, *args: str) -> Ran:
    """A session of one step that does this."""
    return graded(STEP.format(body="\n".join(f"    {line}" for line in body.strip().splitlines())), *args)


def made(ran: Ran) -> list[tuple[str, str]]:
    return [(check.id, check.outcome.value) for check in ran.steps["a"].checks]


@pytest.mark.parametrize(
    "call",
    [
        "check(found('x', True), found('y', True))",
        "check([found('x', True), found('y', True)])",
        "check(found(id, True) for id in 'xy')",
        "check(iter((found('x', True),)), found('y', True))",
        "check([found('x', True)], (), (found('y', True),))",
        "check((found(id, True),) for id in 'xy')",
        "check({'p': found('x', True), 'q': found('y', True)}.values())",
    ],
)
def test_findings_come_one_by_one_or_many_at_once(graded: Graded, call: str) -> None:
    ran = of_step(graded, f"assert {call} is True")
    assert made(ran) == [("x", "passed"), ("y", "passed")]
    assert (ran.ret, ran.steps["a"].earned) == (0, 4)


@pytest.mark.parametrize(
    ("findings", "outcomes", "ret"),
    [
        ("found('x', True), found('y', False)", ["passed", "failed"], 1),
        ("[found('x', False), found('y', True)]", ["failed", "passed"], 1),
        ("found('x', None), found('y', True)", ["error", "passed"], 3),
        ("(found(id, holds) for id, holds in (('x', None), ('y', False)))", ["error", "failed"], 1),
        ("False, found('y', True)", ["failed", "passed"], 1),
    ],
)
def test_it_says_whether_all_hold_and_records_each(
    graded: Graded, findings: str, outcomes: list[str], ret: int
) -> None:
    ran = of_step(graded, f"assert check({findings}) is False")
    assert [outcome for _, outcome in made(ran)] == outcomes
    assert ran.ret == ret


@pytest.mark.parametrize(
    "call",
    [
        *("check()", "check([])", "check((), ())", "check(found('x', True) for _ in ())", "check([[], ()])"),
        *("check('')", "check('text')", "check(b'')", "check(None)", "check(1)", "check(''.isdigit)", "check([''])"),
        *("check([None])", "check([[[found('x', True)]]])", "check({'x': True})", "check([True])"),
        *("check(found('x', True), found('y', True), id='z')", "check([found('x', True)], id='z')"),
    ],
)
def test_what_could_not_fail_or_is_no_finding_is_refused(graded: Graded, call: str) -> None:
    ran = of_step(graded, call)
    assert (ran.ret, made(ran)[-1]) == (3, ("unexpected-error", "error"))
    assert ran.steps["a"].checks[-1].actual.startswith("TypeError: check() ")


def test_what_comes_before_a_finding_that_cannot_be_made_is_recorded(graded: Graded) -> None:
    ran = of_step(
        graded,
        """
def looks():
    yield found('x', False)
    raise CannotObserve('baye is silent', evidence=('cmd-9',))
check(looks())
""",
    )
    assert made(ran) == [("x", "failed"), ("cannot-observe", "error")]
    assert (ran.ret, ran.steps["a"].outcome.value, ran.steps["a"].earned) == (1, "failed", 0)
    ran.result.assert_outcomes(failed=1)  # and no error on top of it in the cleaning-up
    ran.result.stdout.fnmatch_lines(["1 of 2 checks failed, 1 could not be told", "- x", "- cannot-observe"])


def test_texts_given_win_over_the_findings(graded: Graded) -> None:
    ran = of_step(
        graded,
        """
check(found('x', False, hint='h'), id='y', hint='better', expected='wish', actual='find')
check([found('v', False), found('w', None, hint='h')], hint='for both')
""",
    )
    y, v, w = ran.steps["a"].checks
    assert (y.id, y.expected, y.actual, y.hint) == ("y", "wish", "find", "better")
    assert [(check.id, check.expected, check.hint) for check in (v, w)] == [
        ("v", "e", "for both"),
        ("w", "e", "for both"),
    ]


@pytest.mark.parametrize(
    ("findings", "wrong"),
    [
        ("found('x', False), found('y', True)", "1 of 2 checks failed"),
        ("[found('x', True), found('y', None)]", "1 of 2 checks could not be told"),
        ("found('x', None), [found('y', False)]", "1 of 2 checks failed, 1 could not be told"),
    ],
)
def test_an_essential_check_ends_the_step_once_all_is_recorded(graded: Graded, findings: str, wrong: str) -> None:
    ran = of_step(graded, f"check({findings}, essential=True)\ncheck(found('never', True))")
    assert [id for id, _ in made(ran)] == ["x", "y"]
    assert ran.steps["a"].earned == 0
    ran.result.assert_outcomes(failed=1)
    ran.result.stdout.fnmatch_lines([wrong])


def test_essential_checks_that_hold_end_nothing(graded: Graded) -> None:
    ran = of_step(graded, "check([found('x', True)], essential=True)\ncheck(found('y', True))")
    assert made(ran) == [("x", "passed"), ("y", "passed")]


def test_what_is_essential_to_a_part_ends_that_part_alone_and_is_told_in_the_end(graded: Graded) -> None:
    part = "with apart():\n    check({}, essential=True)\n    check(found('never', True))\n"
    parts = [part.format(essential) for essential in ("found('x', False)", "found('y', None)")]
    ran = of_step(graded, f"{''.join(parts)}check(found('z', True))")
    assert made(ran) == [("x", "failed"), ("y", "error"), ("z", "passed")]
    assert (ran.ret, ran.steps["a"].earned) == (1, 0)
    ran.result.assert_outcomes(failed=1)
    ran.result.stdout.fnmatch_lines(["1 of 3 checks failed, 1 could not be told"])


def test_a_fault_in_a_part_ends_the_step(graded: Graded) -> None:
    ran = of_step(graded, "with apart():\n    raise LabFault('gone')\ncheck(found('never', True))")
    assert [outcome for _, outcome in made(ran)] == ["failed"]


def test_a_waived_essential_check_ends_nothing(graded: Graded, pytester: pytest.Pytester) -> None:
    (pytester.path / "rubric.toml").write_text(
        '[[waivers]]\nstep = "a"\ncheck = "x"\nwho = "T"\nwhy = "w"\nuntil = 2999-12-31\n'
    )
    body = "assert not check(found('x', False), essential=True)\ncheck(found('y', True))"
    ran = of_step(graded, body, "--rubric=rubric.toml")
    assert made(ran) == [("x", "waived"), ("y", "passed")]
    assert (ran.ret, ran.steps["a"].earned) == (0, 4)


def test_what_could_not_be_told_is_never_waived(graded: Graded, pytester: pytest.Pytester) -> None:
    (pytester.path / "rubric.toml").write_text('[[waivers]]\nstep = "a"\nwho = "T"\nwhy = "w"\nuntil = 2999-12-31\n')
    ran = of_step(graded, "check(found('x', None))", "--rubric=rubric.toml")
    assert (ran.ret, made(ran)) == (3, [("x", "error")])


def test_a_step_earns_the_share_of_its_checks_only_where_it_came_to_its_end(graded: Graded) -> None:
    checks = "check(found('x', True), found('y', True), found('z', True), found('w', False))"
    assert of_step(graded, checks).steps["a"].earned == 3
    assert of_step(graded, f"{checks}\nraise LabFault('gone')").steps["a"].earned == 0
    assert of_step(graded, f"{checks}\nassert False").steps["a"].earned == 0


def test_a_finding_that_could_not_be_told_has_its_id_texts_and_evidence(graded: Graded) -> None:
    ran = of_step(
        graded, "check(found('x', None, actual='not read', hint='is it on?', host='baye', evidence=('cmd-2',)))"
    )
    (unknown,) = ran.steps["a"].checks
    assert unknown.outcome == "error"
    assert (unknown.id, unknown.actual, unknown.hint, unknown.host) == ("x", "not read", "is it on?", "baye")
    assert unknown.evidence == ("cmd-2",)
    assert ran.steps["a"].ungradable == 4


def test_allure_tells_what_failed_from_what_could_not_be_told(graded: Graded, pytester: pytest.Pytester) -> None:
    of_step(graded, "check(found('x', True), found('y', False), found('z', None))", "-p", "allure_pytest")
    (path,) = (pytester.path / "reports" / "allure-results").glob("*-result.json")
    result = json.loads(path.read_text())
    assert [check["status"] for check in result["steps"]] == ["passed", "failed", "broken"]
    assert result["status"] == "failed"
    of_step(graded, "check(found('z', None))", "-p", "allure_pytest")
    (path,) = (pytester.path / "reports" / "allure-results").glob("*-result.json")
    result = json.loads(path.read_text())
    assert result["status"] == "broken"
    assert {"name": "xenlab", "value": "could not observe"} in result["labels"]


def test_a_step_that_failed_and_could_not_all_be_seen_names_both(graded: Graded, pytester: pytest.Pytester) -> None:
    ran = of_step(graded, "check(found('x', True), found('y', False), found('z', None))", "--grade-output=plain")
    assert (ran.ret, ran.grade.verdict, ran.steps["a"].outcome.value) == (1, "failed", "failed")
    ran.result.stdout.fnmatch_lines(
        [
            "failed  a*y: expected e, found a (and 1 not observed)",
            "failed     1.33 of 4     a  A. (1 check of it could not be observed)",
        ]
    )
    page = (pytester.path / "reports" / "report.html").read_text()
    assert "Failed, in part not observed" in page
    assert "In 1 failed step a part could not be observed." in page
