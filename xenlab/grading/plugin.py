"""The pytest plugin: runs graded steps in their order, keeps what they found, and writes the reports.

It does nothing in a session without a step, so that the project's own tests run beside it unchanged.
"""

import os
import sys
import warnings
from collections import Counter
from collections.abc import Generator
from contextlib import ExitStack
from pathlib import Path

import pytest

from xenlab.errors import UsageError, XenlabError
from xenlab.evidence.recorder import Journal
from xenlab.evidence.text import plain
from xenlab.grading.allure_results import follow_for_allure
from xenlab.grading.ending import Ending
from xenlab.grading.interrupts import Interrupts
from xenlab.grading.junit import follow_for_junit
from xenlab.grading.lateness import late
from xenlab.grading.order import Plan
from xenlab.grading.recording import Wrapper, clean, is_waived, record, recorded
from xenlab.grading.rubric import load, shipped
from xenlab.grading.run import (
    RUN_KEY,
    STEP_KEY,
    ChecksFailedError,
    ChecksUnknownError,
    Run,
    StepRun,
    entered,
)
from xenlab.grading.scoring import Apportioner, StepSpec
from xenlab.grading.terminal import TerminalReport, add_option
from xenlab.grading.writing import COMMANDS, grade_text, previous_grade, summary, where_guests_are, write_reports
from xenlab.outcomes import Grade, Outcome
from xenlab.report.folder import ReportsFolder

FOLDER_KEY = pytest.StashKey[ReportsFolder]()
PREVIOUS_KEY = pytest.StashKey[Grade | None]()
FILES_KEY = pytest.StashKey[dict[str, Path]]()
# pytest's options that run no test, so that nothing is written and what lies in reports/ stays.
_RUN_NOTHING = ("collectonly", "help", "version", "markers", "showfixtures", "show_fixtures_per_test", "cacheshow")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of a graded run."""
    group = parser.getgroup("xenlab", "the lab and its grading")
    group.addoption("--lab", default="embedded", metavar="LAB", help="embedded (default), or a lab.toml")
    group.addoption("--profile", metavar="NAME", help="profile of the embedded lab")
    group.addoption("--network", metavar="NAME", help="how the embedded lab's hosts are wired: namespace or user")
    group.addoption("--reports", metavar="DIR", help="where reports go (default: reports/ of the project)")
    group.addoption("--rubric", metavar="PATH", help="a rubric.toml: points, thresholds, late work, waivers")
    group.addoption(
        "--submission-metadata", metavar="PATH", help="when the work was handed in, as Gradescope's file tells it"
    )
    for option, name, what in (("--guest", "NAME", "guest"), ("--step", "ID", "step and what it needs")):
        group.addoption(option, action="append", default=[], metavar=name, help=f"only this {what} (repeatable)")
    add_option(group)


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> int | None:
    """Take the reports folder before anything is written, and empty it before anything can go wrong.

    Which files pytest and Allure are to write is taken from them: they would write over those of a run beside.
    """
    if _runs_nothing(config) or hasattr(config, "workerinput"):
        return None
    folder = config.stash[FOLDER_KEY] = _folder(config)
    files = config.stash[FILES_KEY] = _files_of_others(config, folder.path)
    config.add_cleanup(folder.release)
    try:
        folder.hold()
        config.stash[PREVIOUS_KEY] = previous_grade(folder.path)
        # A folder of Allure's that lies elsewhere is emptied on request only, as by Allure itself.
        kept = () if getattr(config.option, "clean_alluredir", False) else ("allure",)
        folder.clear(*(path for name, path in files.items() if name not in kept))
    except XenlabError as problem:
        print(f"xenlab: {plain(str(problem))}", file=sys.stderr)
        return problem.exit_code
    return None


def _folder(config: pytest.Config) -> ReportsFolder:
    given: str | None = config.getoption("--reports")
    path = config.rootpath / "reports" if given is None else config.invocation_params.dir / given
    return ReportsFolder(path, own=given is None)


def _files_of_others(config: pytest.Config, reports: Path) -> dict[str, Path]:
    """Where JUnit's file and Allure's results are to go, if their plugins are there; they are told of none."""
    files = {}
    for option, name, usual in (("xmlpath", "junit", "junit.xml"), ("allure_report_dir", "allure", "allure-results")):
        if hasattr(config.option, option):
            given: str | None = getattr(config.option, option)
            files[name] = reports / usual if given is None else Path(os.path.expandvars(given)).expanduser().absolute()
            setattr(config.option, option, None)
    return files


def _runs_nothing(config: pytest.Config) -> bool:
    """Whether pytest was only asked what there is."""
    return any(getattr(config.option, name, False) for name in _RUN_NOTHING)


def _close(journal: Journal) -> None:
    journal.close()


@pytest.hookimpl(trylast=True)  # once pytest's terminal reporter is there
def pytest_configure(config: pytest.Config) -> None:
    """Register the step marker and begin a run."""
    config.addinivalue_line("markers", "step(spec): a graded step; made by xenlab.grading.steps.step")
    config.stash[RUN_KEY] = run = Run(
        lab_name=config.getoption("--lab"),
        profile=config.getoption("--profile"),
        network=config.getoption("--network"),
        guests=tuple(config.getoption("--guest")),
        folder=config.stash.get(FOLDER_KEY, None) or _folder(config),
        previous=config.stash.get(PREVIOUS_KEY, None),
    )
    config.add_cleanup(lambda: _close(run.journal))
    terminal = TerminalReport(config, run)
    files = config.stash.get(FILES_KEY, {})
    if "junit" in files:
        follow_for_junit(config, run.folder, files["junit"])
    if "allure" in files:
        follow_for_allure(config, run, files["allure"])
    interrupts = Interrupts(terminal.notice)
    config.add_cleanup(interrupts.uninstall)
    config.pluginmanager.register(Grading(config, run, terminal, interrupts), "xenlab-grading")
    config.pluginmanager.register(Ending(run, terminal, interrupts), "xenlab-ending")
    config.pluginmanager.register(terminal, "xenlab-terminal")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Run nothing of a step whose needs have not passed.

    Not within the wrapper below: other plugins' wrappers have to see the setup begin and end.
    """
    run = item.stash.get(STEP_KEY, None)
    if run is not None and (root := run.root_cause) is not None:
        run.add_block(root)
        pytest.skip(f"blocked by {root.spec.id}")


class Grading:
    """The hooks of one session."""

    def __init__(self, config: pytest.Config, run: Run, terminal: TerminalReport, interrupts: Interrupts) -> None:
        self._config = config
        self._run = run
        self._terminal = terminal
        self._interrupts = interrupts
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
        if self._run.steps and not _runs_nothing(self._config):
            self._interrupts.install()
            self._run.journal.open(self._run.reports / COMMANDS)

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
        return (yield from recorded(run, ends_early=True))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Wrapper:
        """Fail a step whose checks failed or could not be told, and refuse one that made none."""
        __tracebackhide__ = True
        run = item.stash.get(STEP_KEY, None)
        if run is None:
            return (yield)
        with ExitStack() as afterwards:
            afterwards.callback(self._run.gather_side, run)
            result = yield from recorded(run, ends_early=True)
            if not run.checks:
                actual = f"step {run.spec.id!r} made no check"
                run.add("cannot-run", Outcome.ERROR, actual=actual, hint="a step that cannot fail proves nothing")
            if problem := run.problem():
                raise problem
        return result

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> Wrapper:
        """Fail a step whose cleaning up found a fault."""
        __tracebackhide__ = True
        run = item.stash.get(STEP_KEY, None)
        if run is None:
            return (yield)
        with ExitStack() as afterwards:
            # What failed in the setup or by an assertion is only known here.
            afterwards.callback(self._run.gather_side, run)
            result = yield from recorded(run, ends_early=False)
            if problem := run.problem():
                raise problem
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
        if run is not None and call.excinfo is not None:
            error = call.excinfo.value
            record(run, item, call.when, call.excinfo)
            if report.failed and is_waived(run, error):
                report.outcome = "skipped"
                report.longrepr = (str(item.path), item.location[1] or 0, f"Skipped: waived: {error}")
            elif isinstance(error, ChecksFailedError | ChecksUnknownError) and item.config.option.tbstyle == "auto":
                report.longrepr = str(error)
        clean(report, self._run.journal)
        if run is not None:
            run.seconds += call.duration
            self._failures_of_steps += report.failed
            if call.when == "teardown":
                run.finish()
                report.user_properties += self._properties(run)
        return report

    @pytest.hookimpl(tryfirst=True)
    def pytest_warning_recorded(self, warning_message: warnings.WarningMessage) -> None:
        """Warn in words that are fit for a terminal."""
        said = str(warning_message.message)
        if (shown := plain(self._run.journal.mask(said))) != said:
            warning_message.message = UserWarning(shown)

    def _properties(self, run: StepRun) -> list[tuple[str, object]]:
        earned, possible = self._parts.add(run.spec, run.instance)
        return [
            ("step", run.spec.id),
            ("outcome", run.outcome.value),
            ("score", f"{earned:.2f}"),
            ("points", f"{possible:.2f}"),
        ]

    # Ending

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Wrapper:
        """Write the reports and set the exit status, once all fixtures are torn down and pytest's own file is there.

        A run that was refused before its first step (a wrong call, no lab) has no grade: one line has said why.
        """
        try:
            return (yield)
        finally:
            self._interrupts.cleaning_up("writing the reports", to_its_end=True)
            if any(run.started for run in self._run.steps):
                self._report(session)
            else:
                remarks = (f"remark: {remark}" for remark in self._run.remarks)
                problem = (self._run.folder.problem,) if self._run.folder.problem else ()
                self._terminal.say_apart([*remarks, *problem, *where_guests_are(self._run.whereabouts)])
            # What could not be written is no fault of the lab's; a lab left otherwise has failed no step.
            if self._run.folder.problem or (session.exitstatus == pytest.ExitCode.OK and not self._run.restored):
                session.exitstatus = 3

    def _report(self, session: pytest.Session) -> None:
        run = self._run
        grade = run.grade()
        write_reports(run, grade)
        page = run.reports / "report.html"
        self._terminal.end(
            (
                *summary(grade, run.previous),
                *run.rubric.remarks(run.started.date(), grade.steps),
                *((run.folder.problem,) if run.folder.problem else ()),
                *((f"report: {_shown(page, self._config)}",) if page.exists() else ()),
                *where_guests_are(grade.whereabouts),
            ),
            grade_text(grade),
        )
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


def _shown(path: Path, config: pytest.Config) -> Path:
    here = config.invocation_params.dir
    return path.relative_to(here) if path.is_relative_to(here) else path
