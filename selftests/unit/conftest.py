"""Fixtures that several test modules share."""

import pytest
from fakelab import FakeLab
from gradedrun import HEAD, Graded, Ran


@pytest.fixture
def lab() -> FakeLab:
    """A lab in memory, in which all is well."""
    return FakeLab()


@pytest.fixture
def graded(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Graded:
    """Run these steps as a graded session of their own; `conftest` is that session's conftest.py.

    It shows pytest's own words unless `args` choose otherwise (test_grading_terminal.py does).
    """
    # Only what the test names is loaded, which also keeps these sessions short.
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    # What is made up here is nothing for the summary of a real job.
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)

    def run(body: str, *args: str, conftest: str = "") -> Ran:
        pytester.makepyfile(test_lab=HEAD + body)
        if conftest:
            pytester.makeconftest(conftest)
        shown = [] if any(arg.startswith("--grade-output") for arg in args) else ["--grade-output=pytest"]
        options = ["-p", "xenlab.grading.plugin", "-p", "no:cacheprovider", *shown, *args]
        return Ran(pytester, pytester.runpytest_inprocess(*options, no_reraise_ctrlc=True))

    return run
