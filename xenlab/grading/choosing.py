"""Which steps a session runs: those chosen by --step, --guest, -k and others, with what they need, in their order."""

from collections.abc import Generator
from contextlib import suppress
from pathlib import Path

import pytest

from xenlab.errors import UsageError
from xenlab.grading.interrupts import Interrupts
from xenlab.grading.lateness import late
from xenlab.grading.order import Plan
from xenlab.grading.read_only import without_acts
from xenlab.grading.rubric import load, shipped
from xenlab.grading.run import STEP_KEY, Run, StepRun
from xenlab.grading.scoring import StepSpec
from xenlab.grading.writing import COMMANDS, TAPE
from xenlab.tomlfile import listed

# Options that run no test, so that nothing is written and what lies in reports/ stays.
_RUN_NOTHING = (
    "collectonly",
    "help",
    "version",
    "markers",
    "showfixtures",
    "show_fixtures_per_test",
    "cacheshow",
    "plan",
)


def runs_nothing(config: pytest.Config) -> bool:
    """Whether pytest was only asked what there is, or what would be done."""
    return any(getattr(config.option, name, False) for name in _RUN_NOTHING)


class Choosing:
    """The hooks that choose and order the steps of one session."""

    def __init__(self, config: pytest.Config, run: Run, interrupts: Interrupts) -> None:
        self._config = config
        self._run = run
        self._interrupts = interrupts

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self) -> None:
        """Read the rubric, of which the checks of its own are collected as steps.

        What is wrong with it is told once all steps are known that it may name.
        """
        given: str | None = self._config.getoption("--rubric")
        if given is not None:
            with suppress(UsageError):
                self._run.rubric = load(Path(given))

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
        self._run.whole = len(chosen) == len(allowed)
        if self._run.read_only:
            chosen = without_acts(self._run, chosen, ids)
        alone: bool = self._config.getoption("--alone")
        if alone and not ids:
            raise UsageError("--alone needs a --step", hint="--step live-migration --alone")
        self._run.steps = plan.alone(chosen) if alone else plan.ordered(chosen)
        self._run.alone = alone
        if alone:
            remark = f"no score: of all steps only {listed(ids)} was graded, what it needs taken as given"
            self._run.remarks.append(remark)
        others = [] if ids else [item for item in items if STEP_KEY not in item.stash]
        kept = others + [item_of[run] for run in self._run.steps]
        self._tell_deselected(before=items, after=kept)
        items[:] = kept
        if self._run.steps and not runs_nothing(self._config):
            self._interrupts.install()
            self._run.journal.open(self._run.reports / COMMANDS)
            self._run.tape.open(self._run.reports / TAPE)

    def _weigh(self, runs: list[StepRun]) -> None:
        """Read the rubric and how late the work is, and give each run what they say of it."""
        given: str | None = self._config.getoption("--rubric")
        if given is not None:
            # The shipped rubric's steps are known even where one file of the sheet is run alone.
            known = dict.fromkeys([*(run.spec.id for run in runs if not run.spec.own), *shipped().steps])
            self._run.rubric = load(Path(given), known, {run.spec.id for run in runs if run.spec.own})
            self._run.rubric_text = Path(given).read_text("utf-8")
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
