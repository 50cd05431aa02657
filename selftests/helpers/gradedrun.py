"""A graded session in a project of its own, run and read back: for the tests of the pytest plugin."""

from collections.abc import Callable

import pytest

# pytester forgets what a session has imported: what each needs is imported before, once.
import xenlab.grading.moves
import xenlab.grading.plugin
import xenlab.grading.steps
import xenlab.grading.writing  # noqa: F401
from xenlab.outcomes import Grade

HEAD = """
import pytest
from xenlab.errors import CannotObserve, LabFault
from xenlab.grading.steps import apart, check, step
from xenlab.outcomes import Finding

guests = pytest.mark.parametrize("guest_name", ["guest1", "guest2"])
"""

# Parts of pytest that these sessions do without: each costs as much as several steps, the collection of garbage most.
LEFT_OUT = tuple(
    f"-pno:{name}"
    for name in (
        *("cacheprovider", "doctest", "faulthandler", "legacypath", "logging", "pastebin", "setuponly", "setupplan"),
        *("stepwise", "threadexception", "unittest", "unraisableexception"),
    )
)

CHAIN = """
@step("hosts", points=10)
def test_hosts():
    '''Both hosts answer.'''
    check(True, id="answers")

@guests
@step("paths", points=20, needs="hosts")
def test_paths(guest_name):
    '''Paths lie under the share.'''
    right = guest_name != "guest1"
    check(right, id="kernel-exists", expected="a file", actual="nothing", hint="mend the path")
    check(True, id="disk-exists")

@guests
@step("boot", points=30, needs="paths")
def test_boot(guest_name):
    '''The guest boots.'''
    check(True)

@guests
@step("move", points=40, needs="boot")
def test_move(guest_name):
    '''The guest moves.'''
    check(True)
"""

LOOKING = """
import datetime, pytest, time
from xenlab.grading.run import run_of
from xenlab.outcomes import MigrationRecord
from xenlab.remote.record import CommandRecord

@pytest.fixture(autouse=True)
def looked(request):
    run = run_of(request.config)
    now = datetime.datetime.now(datetime.timezone.utc)
    run.record(CommandRecord("baye", "look", 0, "x" * SIZE, "", now, time.monotonic(), 0.1, False))
    record = MigrationRecord(guest="guest1", kind="live", source="a", target="b", seconds=1, same_boot=True)
    run.add_migration(record, svg="<svg></svg>", csvs={"inside": "sequence\\n1\\n"})
"""
"""A conftest.py for steps that run a command, with `SIZE` characters of output, and move a guest."""


class Ran:
    """A graded session in a project of its own."""

    def __init__(self, pytester: pytest.Pytester, result: pytest.RunResult) -> None:
        self.result = result
        self.ret = int(result.ret)
        path = pytester.path / "reports" / "grade.json"
        self.written = path.exists()
        if self.written:
            self.grade = Grade.model_validate_json(path.read_text())
            self.steps = {step.id: step for step in self.grade.steps}
            self.ran = [(check.guest, check.id) for step in self.grade.steps for check in step.checks]


Graded = Callable[..., Ran]
