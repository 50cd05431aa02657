"""The tests of steps that may run side by side, each in a thread of its own, while pytest follows them in its order.

pytest sets up, judges and tears down one step after the other, as ever. What it calls in between may have been begun
before: then it waits for that. So reports, hooks and the live table keep their order, whatever is done when.
"""

import contextvars
import inspect
import threading
from collections.abc import Callable
from functools import partial

import pytest

from xenlab.errors import XenlabError
from xenlab.grading.problems import TOLD
from xenlab.grading.read_only import up_to_acts
from xenlab.grading.recording import recorded
from xenlab.grading.run import STEP_KEY, Run, StepRun, entered
from xenlab.grading.schedule import Claim, claim_of, startable
from xenlab.remote.waiting import stopped_by


class Bodies:
    """The tests of one session's steps."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._bodies: dict[StepRun, Callable[[], object]] = {}
        self._raised: dict[StepRun, BaseException] = {}
        self._seconds: dict[StepRun, float] = {}
        self._changed = threading.Condition()
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []

    def take(self, items: list[pytest.Item]) -> None:
        """Make ready what may be begun before its turn; a step with a fixture that cleans up has the lab to itself.

        For what a test is called with, its fixtures are set up once by themselves. One that fails then is not begun
        before its turn, when it fails again and is told.
        """
        for item, following in zip(items, [*items[1:], items[0]], strict=True):
            step = item.stash.get(STEP_KEY, None)
            if step is None:
                continue
            claim = claim_of(step.spec.claims, moves_alone=self._run.moves_alone)
            if claim is Claim.LAB or not isinstance(item, pytest.Function) or _cleans_up(item):
                continue
            if (body := _body(item, following)) is not None:
                step.claim = claim
                self._bodies[step] = body

    def runs(self, step: StepRun) -> bool:
        """Whether the step's test is run here."""
        return step in self._bodies

    def seconds(self, step: StepRun) -> float:
        """How long the step's test took, which was followed to its end."""
        return self._seconds[step]

    def follow(self, step: StepRun) -> None:
        """Wait for the end of the step's test, beginning it and others as they may; raises what it raised."""
        __tracebackhide__ = True
        with self._changed:
            while step not in self._seconds:
                for ready in startable(self._run.steps, self._run.homes):
                    self._begin(ready)
                self._changed.wait()
        if (raised := self._raised.get(step)) is not None:
            raise raised

    @property
    def are_running(self) -> bool:
        """Whether any test goes on beside pytest."""
        return any(thread.is_alive() for thread in self._threads)

    def stop(self) -> None:
        """End what runs: it does nothing more to the lab and waits for nothing; returns when all have ended."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _begin(self, step: StepRun) -> None:
        step.start()
        context = contextvars.copy_context()
        # A daemon, so that a second Ctrl-C is not held up by what it waits for.
        thread = threading.Thread(target=context.run, args=(self._perform, step), name=step.spec.id, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _perform(self, step: StepRun) -> None:
        with entered(step), stopped_by(self._stop):
            # pytest's own way to have whatever is raised, which it is given again in the step's turn.
            call = pytest.CallInfo.from_call(lambda: self._recorded(step), when="call")
        with self._changed:
            if call.excinfo is not None:
                self._raised[step] = call.excinfo.value
            step.running = False
            # What is not recorded yet is told by pytest, and until then it is not known how the step went.
            step.over = bool(step.checks) and (call.excinfo is None or isinstance(call.excinfo.value, TOLD))
            self._seconds[step] = call.duration
            self._changed.notify_all()

    def _recorded(self, step: StepRun) -> None:
        with recorded(step, ends_early=True), up_to_acts(step):
            try:
                self._bodies[step]()
            except XenlabError:
                if not self._stop.is_set():
                    raise
                # It was told to end: what came of that says nothing of the lab.


def _body(item: pytest.Function, following: pytest.Item) -> Callable[[], object] | None:
    """The item's test with its arguments; None where these cannot be had. What `following` needs too is kept."""
    fixtures = item.session._setupstate
    call = pytest.CallInfo.from_call(lambda: fixtures.setup(item), when="setup")
    arguments = {name: item.funcargs[name] for name in item._fixtureinfo.argnames if name in item.funcargs}
    pytest.CallInfo.from_call(lambda: fixtures.teardown_exact(following), when="teardown")
    item._initrequest()
    return partial(item.obj, **arguments) if call.excinfo is None else None


def _cleans_up(item: pytest.Function) -> bool:
    """Whether a fixture of the item alone has something to do after the test, which then must not run by itself."""
    fixtures = (each[-1] for each in item._fixtureinfo.name2fixturedefs.values())
    return any(inspect.isgeneratorfunction(fixture.func) for fixture in fixtures if fixture.scope != "session")
