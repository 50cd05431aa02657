"""The pytest plugin: runs graded steps in their order, keeps what they found, and writes the reports.

It does nothing in a session without a step, so that the project's own tests run beside it unchanged.
"""

from collections import Counter
from collections.abc import Generator
from pathlib import Path

import pytest

from xenlab.errors import CannotObserve, LabFault, UsageError, XenlabError
from xenlab.grading.allure_results import AllureResults
from xenlab.grading.lateness import late
from xenlab.grading.order import Plan
from xenlab.grading.rubric import load, shipped
from xenlab.grading.run import (
    RUN_KEY,
    STEP_KEY,
    ChecksFailedError,
    EmptyStepError,
    FaultWaivedError,
    Run,
    StepRun,
    entered,
)
from xenlab.grading.scoring import Apportioner, StepSpec
from xenlab.grading.terminal import Terminal, add_option
from xenlab.grading.writing import summary, write_reports
from xenlab.outcomes import Outcome

Wrapper = Generator[None, object, object]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of a graded run."""
    group = parser.getgroup("xenlab", "the lab and its grading")
    group.addoption("--lab", default="embedded", metavar="LAB", help="embedded (default), or a lab.toml")
    group.addoption("--profile", metavar="NAME", help="profile of the embedded lab")
    group.addoption("--reports", metavar="DIR", help="where reports go (default: reports/ of the project)")
    group.addoption("--rubric", metavar="PATH", help="a rubric.toml: points, thresholds, late work, waivers")
    group.addoption(
        "--submission-metadata", metavar="PATH", help="when the work was handed in, as Gradescope's file tells it"
    )
    for option, name, what in (("--guest", "NAME", "guest"), ("--step", "ID", "step and what it needs")):
        group.addoption(option, action="append", default=[], metavar=name, help=f"only this {what} (repeatable)")
    add_option(group)


@pytest.hookimpl(trylast=True)  # once pytest's terminal reporter is there
def pytest_configure(config: pytest.Config) -> None:
    """Register the step marker and begin a run."""
    config.addinivalue_line("markers", "step(spec): a graded step; made by xenlab.grading.steps.step")
    given: str | None = config.getoption("--reports")
    config.stash[RUN_KEY] = run = Run(
        lab_name=config.getoption("--lab"),
        profile=config.getoption("--profile"),
        guests=tuple(config.getoption("--guest")),
        reports=config.rootpath / "reports" if given is None else config.invocation_params.dir / given,
    )
    terminal = Terminal(config, run)
    config.pluginmanager.register(Grading(config, run, terminal), "xenlab-grading")
    config.pluginmanager.register(terminal, "xenlab-terminal")
    if folder := config.getoption("allure_report_dir", None):
        config.pluginmanager.register(AllureResults(run, Path(folder).absolute()), "xenlab-allure")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Run nothing of a step whose needs have not passed.

    Not within the wrapper below: other plugins' wrappers have to see the setup begin and end.
    """
    run = item.stash.get(STEP_KEY, None)
    if run is not None and (root := run.root_cause) is not None:
        run.add_block(root)
        pytest.skip(f"blocked by {root}")


class Grading:
    """The hooks of one session."""

    def __init__(self, config: pytest.Config, run: Run, terminal: Terminal) -> None:
        self._config = config
        self._run = run
        self._terminal = terminal
        self._stopped = ""
        self._failures_of_steps = 0
        self._parts = Apportioner({})

    # Choosing and ordering

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collection_modifyitems(
        self, session: pytest.Session, config: pytest.Config, items: list[pytest.Item]
    ) -> Generator[None, None, None]:
        """Order the steps and keep what the chosen ones need; outermost, to see what -k and others chose."""
        collected = list(items)
        yield
        if session.testsfailed and not config.option.continue_on_collection_errors:
            return  # the modules that could not be read would only show up again as unknown steps
        try:
            self._arrange(collected, items)
        except UsageError as error:
            raise pytest.UsageError(str(error)) from None

    def _arrange(self, collected: list[pytest.Item], items: list[pytest.Item]) -> None:
        item_of = {run: item for item in collected if (run := _step_run(item, self._run)) is not None}
        ids: list[str] = self._config.getoption("--step")
        if not item_of and not ids:
            return
        self._refuse_unknown("guest", self._run.guests, [run.guest for run in item_of if run.guest])
        self._refuse_unknown("step", ids, [run.spec.id for run in item_of])
        self._weigh(list(item_of))
        guests = self._run.guests
        allowed = {run: item for run, item in item_of.items() if not guests or run.guest in (None, *guests)}
        plan = Plan(list(allowed))
        left = set(items)
        chosen = [run for run, item in allowed.items() if item in left and (not ids or run.spec.id in ids)]
        self._run.steps = plan.ordered(chosen)
        self._parts = Apportioner(Counter(run.spec.id for run in self._run.steps), self._run.late)
        others = [] if ids else [item for item in items if STEP_KEY not in item.stash]
        kept = others + [item_of[run] for run in self._run.steps]
        self._tell_deselected(before=items, after=kept)
        items[:] = kept

    def _weigh(self, runs: list[StepRun]) -> None:
        """Read the rubric and how late the work is, and give each run what they say of it."""
        given: str | None = self._config.getoption("--rubric")
        if given is not None:
            # The shipped rubric's steps are known even where one file of the sheet is run alone.
            known = dict.fromkeys([*(run.spec.id for run in runs), *shipped().steps])
            self._run.rubric = load(Path(given), known)
        metadata: str | None = self._config.getoption("--submission-metadata")
        self._run.late = late(None if metadata is None else Path(metadata), self._run.rubric)
        for run in runs:
            if given is not None:
                run.spec = self._run.rubric.weighed(run.spec)
            run.waivers = self._run.rubric.in_force(self._run.started.date())

    @staticmethod
    def _refuse_unknown(what: str, given: "tuple[str, ...] | list[str]", known: list[str]) -> None:
        for name in given:
            if name not in known:
                names = ", ".join(dict.fromkeys(known)) or "none"
                raise UsageError(f"no {what} is called {name!r}", hint=f"known: {names}")

    def _tell_deselected(self, *, before: list[pytest.Item], after: list[pytest.Item]) -> None:
        kept = set(after)
        if dropped := [item for item in before if item not in kept]:
            self._config.hook.pytest_deselected(items=dropped)
        terminal = self._config.pluginmanager.get_plugin("terminalreporter")
        if terminal is not None and "deselected" in terminal.stats:
            # -k has already counted what is pulled in again.
            terminal.stats["deselected"] = [item for item in terminal.stats["deselected"] if item not in kept]

    # Running

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Wrapper:
        """Let checks find the step they are made in."""
        run = item.stash.get(STEP_KEY, None)
        if run is None:
            return (yield)
        with entered(run):
            run.start()
            return (yield)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Wrapper:
        """Fail a step whose setting up found a fault."""
        __tracebackhide__ = True
        run = item.stash.get(STEP_KEY, None)
        if run is None:
            return (yield)
        return (yield from _faults_fail(run))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Wrapper:
        """Fail a step whose checks failed, and refuse one that made none."""
        __tracebackhide__ = True
        run = item.stash.get(STEP_KEY, None)
        if run is None:
            return (yield)
        result = yield from _faults_fail(run)
        if failure := run.failure():
            raise failure
        if not run.checks:
            raise EmptyStepError(f"step {run.spec.id!r} made no check", hint="a step that cannot fail proves nothing")
        return result

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> Wrapper:
        """Fail a step whose cleaning up found a fault."""
        __tracebackhide__ = True
        run = item.stash.get(STEP_KEY, None)
        if run is None:
            return (yield)
        result = yield from _faults_fail(run)
        if failure := run.failure():
            raise failure
        return result

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Record what was raised, as a failure of the lab or as an error of ours.

        The innermost wrapper, so that the others see the report as it is left here.
        """
        report = yield
        run = item.stash.get(STEP_KEY, None)
        if run is None:
            return report
        run.seconds += call.duration
        if call.excinfo is not None:
            _record_exception(run, item, call.when, call.excinfo)
            ours = isinstance(call.excinfo.value, ChecksFailedError | XenlabError)
            if report.failed and _is_waived(run, call.excinfo.value):
                report.outcome = "skipped"
                report.longrepr = (str(item.path), item.location[1] or 0, f"Skipped: waived: {call.excinfo.value}")
            elif ours and item.config.option.tbstyle == "auto":
                report.longrepr = str(call.excinfo.value)
        self._failures_of_steps += report.failed
        if call.when == "teardown":
            run.finished = True
            report.user_properties += self._properties(run)
        return report

    def _properties(self, run: StepRun) -> list[tuple[str, object]]:
        earned, possible = self._parts.add(run.spec, run.instance)
        return [
            ("step", run.spec.id),
            ("outcome", run.outcome.value),
            ("score", f"{earned:.2f}"),
            ("points", f"{possible:.2f}"),
        ]

    # Ending

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Remember why the run stopped early."""
        self._stopped = "interrupted" if type(excinfo.value) is KeyboardInterrupt else str(excinfo.value)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write the reports and set the exit status; last, when all fixtures are torn down.

        A run that was refused before its first step (a wrong call, no lab) has no grade: one line has said why.
        """
        if not any(run.started for run in self._run.steps):
            return
        reason = self._stopped or str(session.shouldfail or session.shouldstop or "interrupted")
        for run in self._run.steps:
            if not run.finished:
                actual = f"{'stopped while it ran' if run.started else 'not run'}: {reason}"
                run.add("not-run", Outcome.ERROR, actual=actual)
        grade = self._run.grade()
        previous = write_reports(self._run, grade)
        said = summary(grade, _shown(self._run.reports / "report.html", self._config), previous)
        self._terminal.end((*said, *self._run.rubric.remarks(self._run.started.date(), grade.steps)))
        if session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
            # A step that failed may be optional; anything else in the session may not fail.
            others = session.testsfailed > self._failures_of_steps
            by_verdict = {"passed": int(others), "failed": 1, "error": 3}
            session.exitstatus = by_verdict[grade.verdict]


def _step_run(item: pytest.Item, run: Run) -> StepRun | None:
    marker = item.get_closest_marker("step")
    if marker is None:
        return None
    spec = marker.args[0] if marker.args else None
    if not isinstance(spec, StepSpec):
        raise UsageError(f"{item.nodeid} is marked as a step by hand", hint="use xenlab.grading.steps.step")
    callspec = getattr(item, "callspec", None)
    guest = None if callspec is None else callspec.params.get("guest_name")
    item.stash[STEP_KEY] = step_run = StepRun(spec, guest, run.journal)
    return step_run


def _faults_fail(run: StepRun) -> Wrapper:
    """Turn a raised fault of the lab into a failed check."""
    __tracebackhide__ = True
    try:
        return (yield)
    except LabFault as fault:
        recorded = run.add_fault(fault)
        raise (run.failure() or FaultWaivedError(recorded.actual)) from None


def _record_exception(run: StepRun, item: pytest.Item, when: str, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
    error = excinfo.value
    blocked = isinstance(error, pytest.skip.Exception) and run.blocked_by is not None
    if isinstance(error, ChecksFailedError | FaultWaivedError) or blocked:
        return
    if isinstance(error, AssertionError) and when == "call" and Path(excinfo.traceback[-1].path) == item.path:
        # An assertion of the step itself; one that fails deeper down is a fault of ours, not of the lab.
        run.add("assertion", Outcome.FAILED, actual=str(error) or "an assertion failed")
    elif isinstance(error, XenlabError):
        id_ = "cannot-observe" if isinstance(error, CannotObserve) else "cannot-run"
        run.add(id_, Outcome.ERROR, actual=error.message, hint=error.hint)
    else:
        run.add(
            "unexpected-error",
            Outcome.ERROR,
            actual=f"{excinfo.typename}: {error}",
            hint="this says nothing about the lab: the grading itself went wrong",
        )


def _is_waived(run: StepRun, error: BaseException) -> bool:
    """Whether `error` ended the step for nothing but what is waived, so that nothing of it has failed."""
    return isinstance(error, FaultWaivedError) or (
        isinstance(error, AssertionError) and not isinstance(error, ChecksFailedError) and run.outcome is Outcome.WAIVED
    )


def _shown(path: Path, config: pytest.Config) -> Path:
    here = config.invocation_params.dir
    return path.relative_to(here) if path.is_relative_to(here) else path
