"""What hosts say reaches neither a terminal nor a file as it is, whichever way it comes."""

import re

import pytest
from gradedrun import CHAIN, Graded

RAW = "\\x1b]0;title\\x07\\x1b[2J\\x9b31mred \\u202egnp caf\\udce9 hunter" + "2"
RAW_STEPS = f"""
import warnings
RAW = "{RAW}"

@pytest.fixture
def secret(request):
    from xenlab.grading.run import run_of
    run_of(request.config).journal.add_secret("hunter" + "2")

@pytest.fixture
def broken(secret):
    raise CannotObserve(f"no answer: {{RAW}}", hint=RAW)

def a_step(number, what):
    @step(f"s{{number}}", points=1)
    def test(secret):
        'A step.'
        check(True)
        print(RAW)
        what()
    return test

def raising(error):
    def do():
        raise error
    return do

test_1 = a_step(1, raising(LabFault(RAW, hint=RAW)))
test_2 = a_step(2, raising(CannotObserve(RAW)))
test_3 = a_step(3, raising(KeyError(RAW)))
test_4 = a_step(4, raising(RuntimeError(RAW)))
test_5 = a_step(5, lambda: warnings.warn(RAW))
test_6 = a_step(6, lambda: pytest.skip(RAW))
test_7 = a_step(7, lambda: check(Finding(RAW, False, RAW, RAW, RAW, RAW, RAW, RAW)))
test_8 = a_step(8, lambda: check(Finding("x", None, RAW, RAW, RAW, RAW, RAW, RAW)))

@step("s9", points=1)
def test_9(broken):
    'A fixture that breaks.'

def test_plain(secret):
    print(RAW)
    raise RuntimeError(RAW)
"""


def harmless(text: str) -> str:
    """A text that holds no sequence but the colours that pytest and rich give, and no secret."""
    left = re.sub(r"\x1b\[[\d;]*m", "", text)
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", left), left
    assert "hunter2" not in left
    return left


@pytest.mark.parametrize("output", ["pytest", "plain", "quiet", "json"])
def test_nothing_raw_reaches_a_terminal_or_a_file(graded: Graded, pytester: pytest.Pytester, output: str) -> None:
    ran = graded(RAW_STEPS, f"--grade-output={output}", "-rA", "--color=yes")
    assert ran.ret == 1
    shown = harmless(ran.result.stdout.str()) + harmless(ran.result.stderr.str())
    assert "red \\u202egnp caf" in shown
    for name in ("pytest.txt", "junit.xml", "summary.md", "report.html", "grade.json", "gradescope-results.json"):
        path = pytester.path / "reports" / name
        if path.exists():
            harmless(path.read_text())


@pytest.mark.parametrize("output", ["pytest", "plain"])
def test_a_refusal_is_shown_without_what_is_raw(graded: Graded, output: str) -> None:
    conftest = f"import pytest\nRAW = '{RAW}'\ndef pytest_collection_finish():\n    pytest.exit(RAW, returncode=3)\n"
    ran = graded(CHAIN, f"--grade-output={output}", conftest=conftest.replace("hunter2", "x"))
    assert ran.ret == 3
    said = harmless(ran.result.stdout.str()) + harmless(ran.result.stderr.str())
    assert "red \\u202egnp" in said
