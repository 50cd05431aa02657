"""What Allure is given of each step beside what allure-pytest tells it: labels, commands, timelines, side evidence.

The labels build its tree (lab, step, guest), and `xenlab` sorts what did not pass into the categories of
allurerc.yaml.
"""

import json
from collections.abc import Generator, Iterable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import allure
import allure_commons
import attr
import pytest
from allure_pytest.listener import AllureListener

from xenlab import __version__
from xenlab.evidence.recorder import Journal
from xenlab.evidence.text import bounded, plain
from xenlab.grading.problems import ChecksFailedError, ChecksUnknownError
from xenlab.grading.run import STEP_KEY, Run, StepRun
from xenlab.outcomes import CheckResult, Outcome
from xenlab.report.folder import ReportsFolder

_OUTPUT_TEXT = 4_000
_LOG_TEXT = 256_000
_CATEGORIES = {Outcome.FAILED: "failed lab", Outcome.BLOCKED: "blocked"}
_OURS = {"cannot-run", "unexpected-error", "not-run"}

Wrapper = Generator[None, object, object]


def follow_for_allure(config: pytest.Config, run: Run, folder: Path) -> None:
    """Have allure-pytest follow the session, as it does by itself for --alluredir, but write as the reports are."""
    listener = AllureListener(config)
    config.pluginmanager.register(listener, "allure_listener")
    for plugin in (listener, _Files(run.folder, folder, run.journal)):
        allure_commons.plugin_manager.register(plugin)
        config.add_cleanup(partial(allure_commons.plugin_manager.unregister, plugin))
    config.pluginmanager.register(AllureResults(run, folder), "xenlab-allure")


class _Files:
    """Writes what Allure tells, like its own AllureFileLogger; a full disk is noted and costs no step.

    What pytest made of an exception of ours may hold what hosts said, so texts are cleaned here once more.
    """

    def __init__(self, reports: ReportsFolder, folder: Path, journal: Journal) -> None:
        self._reports = reports
        self._folder = folder
        self._journal = journal

    @allure_commons.hookimpl
    def report_result(self, result: Any) -> None:  # noqa: ANN401
        self._item(result)

    @allure_commons.hookimpl
    def report_container(self, container: Any) -> None:  # noqa: ANN401
        self._item(container)

    @allure_commons.hookimpl
    def report_attached_file(self, source: str, file_name: str) -> None:
        self._write(file_name, Path(source).read_bytes())

    @allure_commons.hookimpl
    def report_attached_data(self, body: str | bytes, file_name: str) -> None:
        self._write(file_name, body)

    def _item(self, item: Any) -> None:  # noqa: ANN401
        fields = attr.asdict(item, filter=lambda _, value: bool(value) or value is False)
        self._write(item.file_pattern.format(prefix=uuid4()), json.dumps(self._clean(fields), ensure_ascii=False))

    def _write(self, name: str, content: str | bytes) -> None:
        self._reports.write(str(self._folder / name), content)

    def _clean(self, value: object) -> object:
        if isinstance(value, str):
            return plain(self._journal.mask(value))
        if isinstance(value, dict):
            return {key: self._clean(one) for key, one in value.items()}
        return [self._clean(one) for one in value] if isinstance(value, list | tuple) else value


class AllureResults:
    """The hooks of one session that writes Allure's results into `folder`."""

    def __init__(self, run: Run, folder: Path) -> None:
        self._run = run
        self._folder = folder
        self._step: StepRun | None = None

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Wrapper:
        """Remember which step it is."""
        self._step = item.stash.get(STEP_KEY, None)
        return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_setup(self) -> Wrapper:
        """Say what is run; before the setup, which may skip it."""
        if self._step is not None:
            spec = self._step.spec
            labels = (("epic", self._run.lab_name), ("feature", spec.title), ("story", self._step.guest or "lab"))
            for kind, label in labels:
                allure.dynamic.label(kind, label)  # type: ignore[no-untyped-call]
        return (yield)

    def pytest_runtest_logfinish(self) -> None:
        """Attach what the step leaves, while Allure still takes it."""
        if self._step is None:
            return
        allure.dynamic.title(self._step.name)  # type: ignore[no-untyped-call]
        if category := category_of(self._step):
            allure.dynamic.label("xenlab", category)  # type: ignore[no-untyped-call]
        for check in self._step.checks:
            _tell(check)
        for record in self._step.migrations:
            if record.timeline:
                name = f"{record.kind} migration {record.source} → {record.target}"
                allure.attach(self._run.timelines[record.timeline], name, allure.attachment_type.SVG)
        for side in self._step.side:
            allure.attach(self._run.side[side.file], side.title, allure.attachment_type.TEXT)
        its = {*self._step.commands, *(id_ for check in self._step.checks for id_ in check.evidence)}
        if log := command_log(entry for entry in self._run.journal.entries if entry["id"] in its):
            allure.attach(log, "commands", allure.attachment_type.TEXT)

    def pytest_sessionfinish(self) -> None:
        """Say which lab it was."""
        if any(run.started for run in self._run.steps):
            self._run.folder.write(str(self._folder / "environment.properties"), environment(self._run))


def _tell(check: CheckResult) -> None:
    """Show a check as a step of Allure's, which tells one that failed from one that broke by what is raised in it."""
    with (
        suppress(ChecksFailedError, ChecksUnknownError),
        allure.step(f"{check.id}: {check.expected}" if check.expected else check.id),
    ):
        if check.proof:
            allure.attach(check.proof, "proof", allure.attachment_type.TEXT)
        if check.outcome is Outcome.FAILED:
            raise ChecksFailedError(f"found {check.actual}")
        if check.outcome is Outcome.ERROR:
            raise ChecksUnknownError(f"could not be told: {check.actual}")


def category_of(run: StepRun) -> str:
    """The category of allurerc.yaml that a finished step falls into; none when it passed."""
    if run.outcome is not Outcome.ERROR:
        return _CATEGORIES.get(run.outcome, "")
    errors = {check.id for check in run.checks if check.outcome is Outcome.ERROR}
    return "could not observe" if errors and not errors & _OURS else "grader error"


def command_log(entries: Iterable[Mapping[str, object]]) -> str:
    """The journal's `entries` as text, each output cut to some thousand characters, the whole to 256,000."""
    parts = []
    for entry in entries:
        code = "none: the connection broke" if entry["exit_code"] is None else entry["exit_code"]
        ended = "timed out" if entry["timed_out"] else f"exit {code}"
        parts.append(f"{entry['id']}  {entry['host']}  {entry['started']}  {entry['seconds']:.2f} s  {ended}")
        parts.append(f"$ {entry['command']}")
        outputs = (str(entry[stream]).rstrip("\n") for stream in ("stdout", "stderr"))
        parts += [*(bounded(output, _OUTPUT_TEXT)[0] for output in outputs if output), ""]
    return plain(bounded("\n".join(parts), _LOG_TEXT)[0])


def environment(run: Run) -> str:
    """environment.properties: the lab, its hosts and their Xen, and xenlab's own version."""
    facts = {"xenlab": __version__, "lab": run.lab_name}
    if run.lab is not None:
        facts |= {"lab": f"{run.lab.name} ({run.lab.kind})", "hosts": ", ".join(run.lab.hosts)}
        facts |= {f"Xen on {host}": version for host, version in run.lab.xen.items()}
    return "".join(f"{_escaped(key)}={_escaped(value)}\n" for key, value in facts.items())


def _escaped(text: str) -> str:
    return "".join(f"\\{letter}" if letter in "\\:= #!" else letter for letter in " ".join(plain(text).split()))
