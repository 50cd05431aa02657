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

from xenlab.errors import XenlabError
from xenlab.evidence.recorder import Journal
from xenlab.evidence.text import plain
from xenlab.grading.allure_results import follow_for_allure
from xenlab.grading.before import Before
from xenlab.grading.bodies import Bodies
from xenlab.grading.choosing import Choosing, runs_nothing
from xenlab.grading.ending import Ending
from xenlab.grading.interrupts import Interrupts
from xenlab.grading.junit import follow_for_junit
from xenlab.grading.played import Played
from xenlab.grading.problems import ChecksFailedError, ChecksUnknownError
from xenlab.grading.read_only import changed_something, last_words, remarks, up_to_acts
from xenlab.grading.recording import Wrapper, clean, is_waived, record, recorded
from xenlab.grading.run import (
    RUN_KEY,
    STEP_KEY,
    Run,
    StepRun,
    entered,
)
from xenlab.grading.scoring import Apportioner
from xenlab.grading.terminal import TerminalReport, add_option
from xenlab.grading.writing import summary, where_guests_are, write_reports
from xenlab.outcomes import Grade, Outcome
from xenlab.report.folder import ReportsFolder
from xenlab.report.grade_file import grade_text, previous_grade

FOLDER_KEY = pytest.StashKey[ReportsFolder]()
PREVIOUS_KEY = pytest.StashKey[Grade | None]()
BEFORE_KEY = pytest.StashKey[Before]()
FILES_KEY = pytest.StashKey[dict[str, Path]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of a graded run."""
    group = parser.getgroup("xenlab", "the lab and its grading")
    group.addoption("--lab", default="embedded", metavar="LAB", help="embedded (default), or a lab.toml")
    group.addoption("--profile", metavar="NAME", help="profile of the embedded lab")
    group.addoption("--network", metavar="NAME", help="how the embedded lab's hosts are wired: namespace or user")
    group.addoption("--reports", metavar="DIR", help="where reports go (default: reports/ of the project)")
    group.addoption("--played", metavar="DIR", help="the evidence of a run, to be graded again instead of the lab")
    group.addoption("--previous", metavar="DIR", help="the reports of the attempt before (default: those it replaces)")
    group.addoption(
        "--rubric", metavar="PATH", help="a rubric.toml: points, thresholds, late work, waivers, own checks"
    )
    group.addoption(
        "--submission-metadata", metavar="PATH", help="when the work was handed in, as Gradescope's file tells it"
    )
    for option, name, what in (("--guest", "NAME", "guest"), ("--step", "ID", "step and what it needs")):
        group.addoption(option, action="append", default=[], metavar=name, help=f"only this {what} (repeatable)")
    group.addoption(
        "--alone", action="store_true", help="only the steps of --step, what they need taken as given; without a score"
    )
    group.addoption(
        "--read-only", action="store_true", help="only what can be seen without changing anything; without a score"
    )
    group.addoption("--again", action="store_true", help="take over from the last run what passed and still holds")
    group.addoption("--plan", action="store_true", help="tell what would be done, and do nothing")
    group.addoption("--plan-file", metavar="PATH", help="write the plan as JSON, to be done --as-planned")
    group.addoption("--as-planned", metavar="PATH", help="do what that plan says, if nothing has changed since")
    group.addoption(
        "--secrets-fd", type=int, metavar="FD", help="an open pipe with passwords that ./lab has asked for, as JSON"
    )
    add_option(group)


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> int | None:
    """Take the reports folder before anything is written, and empty it before anything can go wrong.

    Which files pytest and Allure are to write is taken from them: they would write over those of a run beside.
    """
    if hasattr(config, "workerinput"):
        return None
    if runs_nothing(config):
        return _read_before(config, _folder(config))
    folder = config.stash[FOLDER_KEY] = _folder(config)
    files = config.stash[FILES_KEY] = _files_of_others(config, folder.path)
    config.add_cleanup(folder.release)
    try:
        folder.hold()
        before: str | None = config.getoption("--previous")
        config.stash[PREVIOUS_KEY] = previous_grade(Path(before) if before else folder.path)
        if refused := _read_before(config, folder):
            return refused
        # A folder of Allure's that lies elsewhere is emptied on request only, as by Allure itself.
        kept = () if getattr(config.option, "clean_alluredir", False) else ("allure",)
        folder.clear(*(path for name, path in files.items() if name not in kept))
    except XenlabError as problem:
        print(f"xenlab: {plain(str(problem))}", file=sys.stderr)
        return problem.exit_code
    return None


def _read_before(config: pytest.Config, folder: ReportsFolder) -> int | None:
    """Keep the run that --again goes on from, before its reports are removed; the exit status where there is none."""
    if not config.getoption("--again"):
        return None
    try:
        config.stash[BEFORE_KEY] = Before.of(folder.path)
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
        read_only=config.getoption("--read-only"),
        is_planned=config.getoption("--plan"),
        folder=config.stash.get(FOLDER_KEY, None) or _folder(config),
        previous=config.stash.get(PREVIOUS_KEY, None),
    )
    if (before := config.stash.get(BEFORE_KEY, None)) is not None:
        run.go_on_from(before)
    if (played := config.getoption("--played")) is not None:
        run.play(Played.of(Path(played)))
    config.add_cleanup(lambda: _close(run.journal))
    terminal = TerminalReport(config, run)
    files = config.stash.get(FILES_KEY, {})
    if "junit" in files:
        follow_for_junit(config, run.folder, files["junit"])
    if "allure" in files:
        follow_for_allure(config, run, files["allure"])
    interrupts = Interrupts(terminal.notice)
    config.add_cleanup(interrupts.uninstall)
    config.pluginmanager.register(Choosing(config, run, interrupts), "xenlab-choosing")
    bodies = Bodies(run)
    config.pluginmanager.register(Grading(config, run, bodies, terminal, interrupts), "xenlab-grading")
    config.pluginmanager.register(Ending(run, bodies, terminal, interrupts), "xenlab-ending")
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

    def __init__(
        self, config: pytest.Config, run: Run, bodies: Bodies, terminal: TerminalReport, interrupts: Interrupts
    ) -> None:
        self._config = config
        self._run = run
        self._terminal = terminal
        self._interrupts = interrupts
        self._failures_of_steps = 0
        self._parts = Apportioner({})
        self._bodies = bodies

    # Running

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Wrapper:
        """Let checks find the step they are made in."""
        run = item.stash.get(STEP_KEY, None)
        if run is None:
            return (yield)
        with entered(run):
            if not self._bodies.runs(run):
                run.start()
            return (yield)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Wrapper:
        """Fail a step whose setting up found a fault."""
        __tracebackhide__ = True
        run = item.stash.get(STEP_KEY, None)
        if run is None:
            return (yield)
        with recorded(run, ends_early=True):
            return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Wrapper:
        """Fail a step whose checks failed or could not be told, and refuse one that made none."""
        __tracebackhide__ = True
        run = item.stash.get(STEP_KEY, None)
        if run is None:
            return (yield)
        with ExitStack() as afterwards:
            afterwards.callback(self._run.gather_side, run)
            result: object = None
            with recorded(run, ends_early=True), up_to_acts(run):
                result = yield
            if not run.checks:
                actual = "; ".join((f"step {run.spec.id!r} made no check", *run.unjudged))
                run.add("cannot-run", Outcome.ERROR, actual=actual, hint="a step that cannot fail proves nothing")
            if problem := run.problem():
                raise problem
        return result

    def pytest_runtestloop(self, session: pytest.Session) -> None:
        """Make ready what may run side by side."""
        self._parts = Apportioner(Counter(step.spec.id for step in self._run.steps), self._run.late)
        if self._run.steps and not session.config.option.collectonly:
            self._bodies.take(session.items)

    @pytest.hookimpl(tryfirst=True)
    def pytest_pyfunc_call(self, pyfuncitem: pytest.Function) -> bool | None:
        """Call the test of a step, or wait for it where it was begun before."""
        __tracebackhide__ = True
        run = pyfuncitem.stash.get(STEP_KEY, None)
        if run is None or not self._bodies.runs(run):
            return None
        self._bodies.follow(run)
        return True

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
            with recorded(run, ends_early=False):
                result = yield
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
            if call.when == "call" and self._bodies.runs(run):
                report.duration = self._bodies.seconds(run)
            run.seconds += report.duration
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
            is_ours = bool(self._run.folder.problem) or changed_something(self._run)
            if is_ours or (session.exitstatus == pytest.ExitCode.OK and not self._run.restored):
                session.exitstatus = 3

    def _report(self, session: pytest.Session) -> None:
        run = self._run
        if run.read_only:
            run.restored &= not changed_something(run)
            run.remarks += remarks(run)
        grade = run.grade()
        write_reports(run, grade)
        page = run.reports / "report.html"
        self._terminal.end(
            (
                *summary(grade, run.previous, all_of_it=run.read_only),
                *run.rubric.remarks(run.started.date(), grade.steps),
                *((run.folder.problem,) if run.folder.problem else ()),
                *((f"report: {_shown(page, self._config)}",) if page.exists() else ()),
                *where_guests_are(grade.whereabouts),
                *((last_words(run),) if run.read_only else ()),
            ),
            grade_text(grade),
        )
        if session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
            # A step that failed may be optional; anything else in the session may not fail.
            others = session.testsfailed > self._failures_of_steps
            by_verdict = {"passed": int(others), "failed": 1, "error": 3}
            session.exitstatus = by_verdict[grade.verdict]


def _shown(path: Path, config: pytest.Config) -> Path:
    here = config.invocation_params.dir
    return path.relative_to(here) if path.is_relative_to(here) else path
