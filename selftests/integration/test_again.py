"""A run that goes on from the one before: what passed and still holds is taken over, all else is graded anew."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import pytest
from gradedrun import CHAIN, Graded
from paths import RECORDINGS, ROOT
from playedsessions import Sessions
from playedxen import PlayedXen
from recorded import judged, sheet

from xenlab.errors import CannotObserve, UsageError
from xenlab.evidence import bundle
from xenlab.evidence.recorder import Journal
from xenlab.grading.again import ContinuedTape, remarks, take_over
from xenlab.grading.before import Before
from xenlab.grading.run import Run, StepRun, entered, running_or_none
from xenlab.grading.scoring import StepSpec
from xenlab.lab.kinds import kinds
from xenlab.lab.lab import Lab
from xenlab.lab.seen import UNSEEN, seen_of
from xenlab.lab.tape import PlayedTape, RecordingTape
from xenlab.labfile import GuestSpec, load
from xenlab.outcomes import Grade
from xenlab.report.compare import differences
from xenlab.report.folder import ReportsFolder

T = TypeVar("T")
THEN = datetime(2026, 11, 27, 10, 0, tzinfo=UTC)
CONFIGS = {"guest1": "/mnt/guest1.cfg", "guest2": "/mnt/guest2.cfg"}
SEEN = {"the lab file": "1", "baye": "2", "guest1": "off", "guest2": "off"} | dict.fromkeys(CONFIGS.values(), "3")


# What is taken over


def runs() -> list[StepRun]:
    """The sheet in short: hosts (judged by the first look), the share, and two steps of each guest."""
    journal = Journal()
    hosts, share = (StepRun(StepSpec(name, "A step.", 1), None, journal) for name in ("hosts", "share"))
    share.needed = (hosts,)
    found = [hosts, share]
    for guest in CONFIGS:
        paths, boot = (StepRun(StepSpec(name, "A step.", 1), guest, journal) for name in ("paths", "boot"))
        paths.needed, boot.needed = (share,), (paths,)
        found += [paths, boot]
    left = StepRun(StepSpec("left", "A step.", 1, of_the_run=True), None, journal)
    left.needed = (hosts,)
    return [*found, left]


def before(*failed: str, **facts: object) -> Before:
    names = [step.name for step in runs()]
    told = bundle.RunFacts.model_validate(
        {
            **{"guests": (), "steps": (), "alone": False, "rubric": False, "version": "", "suite": "", "seen": SEEN},
            **{"passed": tuple(name for name in names if name not in failed), **facts},
        }
    )
    return Before(THEN, told, {name: ["{}"] for name in names if name != "hosts"}, ())


def guests() -> list[GuestSpec]:
    rest = {"address": "192.0.2.85", "home": "baye", "ping_target": "192.0.2.1"}
    return [GuestSpec.model_validate({"name": name, "config": config, **rest}) for name, config in CONFIGS.items()]


def taken(earlier: Before, seen: Mapping[str, str] = SEEN) -> list[str]:
    return list(take_over(earlier, runs(), seen, guests()))


ALL = ["share", "paths guest1", "boot guest1", "paths guest2", "boot guest2"]


def test_all_that_passed_is_taken_over_but_what_judges_the_run_itself() -> None:
    assert taken(before()) == ALL


@pytest.mark.parametrize(
    ("failed", "left"),
    [
        (["boot guest1"], ["share", "paths guest1", "paths guest2", "boot guest2"]),
        (["paths guest1", "boot guest1"], ["share", "paths guest2", "boot guest2"]),
        (["share"], []),  # nobody knows of a boot what a share that is graded anew will say
    ],
)
def test_what_did_not_pass_is_graded_with_all_that_needs_it(failed: list[str], left: list[str]) -> None:
    assert taken(before(*failed)) == left


@pytest.mark.parametrize(
    ("change", "left"),
    [
        ({"guest1": "on baye"}, ALL),  # where guests are is no result
        ({"the lab file": "new"}, []),
        ({"baye": "new"}, []),
        ({"labubuntu": "new"}, []),
        ({CONFIGS["guest1"]: "new"}, []),  # the share's step compares the files of every guest
    ],
)
def test_what_rests_on_something_that_changed_is_graded(change: dict[str, str], left: list[str]) -> None:
    assert taken(before(), SEEN | change) == left


def test_of_what_no_step_of_the_whole_lab_rests_on_other_guests_stay() -> None:
    steps = [step for step in runs() if step.guest]
    for step in steps:
        step.needed = tuple(need for need in step.needed if need.guest)
    found = take_over(before(), steps, SEEN | {CONFIGS["guest1"]: "new"}, guests())
    assert list(found) == ["paths guest2", "boot guest2"]


def test_what_was_not_to_be_seen_is_never_taken_for_unchanged() -> None:
    unseen = {**SEEN, "baye": UNSEEN}
    assert taken(before(seen=unseen), unseen) == []


def test_a_run_from_before_such_notes_gives_nothing() -> None:
    assert taken(before(seen={})) == []
    assert taken(replace(before(), tape={})) == []


def test_a_step_of_several_tests_is_graded() -> None:
    steps = [step for step in runs() if step.spec.id == "share"]
    twin = StepRun(steps[0].spec, None, Journal())
    assert list(take_over(before(), steps, SEEN, [])) == ["share"]
    assert take_over(before(), [*(step for step in runs() if step.spec.id == "share"), twin], SEEN, []) == {}


def test_the_date_is_that_of_the_run_that_saw_it() -> None:
    first = datetime(2026, 11, 20, 8, 30, tzinfo=UTC)
    dates = take_over(before(taken_over={"share": first}), runs(), SEEN, guests())
    assert dates["share"] == first
    assert list(remarks(dates)) == [
        "taken over from the run of 2026-11-20 08:30 UTC, as nothing that it rests on has changed: share",
        "taken over from the run of 2026-11-27 10:00 UTC, as nothing that it rests on has changed: "
        "paths guest1, boot guest1, paths guest2, boot guest2",
    ]
    assert list(remarks({})) == []


# By what it is judged


class Live:
    """The lab itself, played: below a recording tape, what a recorded run has seen, and what of it was asked for."""

    is_played = False

    def __init__(self, played: PlayedTape, recording: RecordingTape) -> None:
        self._played = played
        self._recording = recording
        self.asked: list[str] = []

    def take(self, what: str, do: Callable[[], T], /) -> T:
        """See `Tape`."""
        step = running_or_none()
        if step and step.taken_over:
            return self._recording.take(what, do)
        self.asked.append(what)
        return self._recording.take(what, lambda: self._played.take(what, do))


def graded_on(folder: Path, earlier: Before | None) -> tuple[Grade, list[str], list[str]]:
    """The grade of a recorded lab, gone on from an earlier run; its own tape; and what was asked of the lab."""
    facts, spec = bundle.facts_of(folder), load(folder / bundle.LAB)
    lines: list[str] = []
    recording = RecordingTape(lines.append, lambda: step.name if (step := running_or_none()) else "")
    live = Live(PlayedTape((folder / bundle.TAPE).read_text().splitlines(), kinds()), recording)
    run = Run("", None, facts.guests, ReportsFolder(folder))
    tape = ContinuedTape(live, earlier) if earlier else live
    # Its acts are on the tape: it is opened to be read so that nothing is locked.
    lab = Lab(spec, run.record, dict.fromkeys(spec.password_variables, "-"), tape=tape, read_only=True)
    lab.begin("", "")

    def first(steps: object) -> None:
        if earlier:
            take_over(earlier, run.steps, SEEN, spec.guests)

    return sheet(lab, run, facts.steps, first=first), lines, live.asked


@pytest.mark.parametrize("name", ["more-memory", "path-misses-a-folder"])
def test_what_is_taken_over_is_judged_as_then_and_not_asked_again(name: str) -> None:
    with bundle.opened(RECORDINGS / f"{name}.zip") as folder:
        first, tape, asked = graded_on(folder, None)
        assert "nonces" in asked
        facts = bundle.facts_of(folder).model_copy(update={"seen": SEEN, "passed": ("hosts", "shared-storage")})
        of_step = [line for line in tape if json.loads(line).get("step") == "shared-storage"]
        again, new_tape, asked = graded_on(folder, Before(THEN, facts, {"shared-storage": of_step}, ()))
        assert list(differences(judged(folder), again)) == []
    assert list(differences(first, again)) == []
    assert new_tape == tape
    assert not {"share", "nonces", "files on the share"} & set(asked)
    assert {"hosts", "guest1 config"} <= set(asked)


def test_an_entry_that_is_missing_is_no_result() -> None:
    step = StepRun(StepSpec("share", "A step.", 1), None, Journal())
    step.taken_over = THEN
    tape = ContinuedTape(RecordingTape(lambda _line: None), replace(before(), tape={"share": []}))
    with entered(step), pytest.raises(CannotObserve, match="did not come so far"):
        tape.take("nonces", lambda: 1)


# What lies there of the run before


def test_reports_that_are_whole_are_read_by_step(tmp_path: Path) -> None:
    evidence = tmp_path / "evidence"
    evidence.mkdir()
    with bundle.opened(RECORDINGS / "more-memory.zip") as folder:
        for path in folder.iterdir():
            (evidence / path.name).write_bytes(path.read_bytes())
    lines = (evidence / bundle.TAPE).read_text().splitlines()
    labelled = [json.dumps({**json.loads(line), "step": "shared-storage"}) for line in lines[1:3]]
    (evidence / bundle.TAPE).write_text("\n".join([lines[0], *labelled, ""]))
    with pytest.raises(UsageError, match=r"no run to go on from: .*is not as its run left it"):
        Before.of(tmp_path)
    bundle.seal(evidence)
    found = Before.of(tmp_path)
    assert found.tape == {"shared-storage": labelled}
    assert found.facts.guests == ("guest1",)
    assert len(found.commands) == len((evidence / bundle.COMMANDS).read_text().splitlines())


@pytest.mark.parametrize("options", [[], ["--plan"]])
def test_without_a_run_before_it_is_refused_and_nothing_is_removed(
    options: list[str], pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    reports = pytester.path / "reports"
    reports.mkdir()
    (reports / "summary.md").write_text("of the run before")
    (reports / ".lock").touch()
    result = pytester.runpytest_subprocess("-p", "xenlab.grading.plugin", "--again", *options)
    assert result.ret == 2
    result.stderr.fnmatch_lines(["xenlab: no run to go on from: *(./lab verify without --again grades every step)"])
    assert (reports / "summary.md").read_text() == "of the run before"


def test_a_run_notes_what_passed_to_be_gone_on_from(graded: Graded, pytester: pytest.Pytester) -> None:
    graded(CHAIN)
    facts = Before.of(pytester.path / "reports").facts
    assert facts.passed == ("hosts", "paths guest2", "boot guest2", "move guest2")


# What results rest on


def test_what_is_seen_changes_with_what_it_is_of_and_with_nothing_else(xen: PlayedXen, sessions: Sessions) -> None:
    def seen() -> Mapping[str, str]:
        with Lab(xen.spec, lambda _: "", {}, read_only=True) as lab:
            lab.begin("lab.toml", str(xen.folder))
            return seen_of(lab)

    def changed(then: Mapping[str, str]) -> set[str]:
        now = seen()
        return {subject for subject in {*then, *now} if then.get(subject) != now.get(subject)}

    then = seen()
    assert changed(then) == set()
    xen.runs("guest1", "baye")
    assert changed(then) == {"guest1"}
    with xen.disk("guest1").open("ab") as disk:
        disk.write(b"grown")
    assert changed(then) == {"guest1"}
    content = xen.disk("guest2").read_bytes()
    xen.disk("guest2").rename(xen.folder / "old")
    xen.disk("guest2").write_bytes(content)
    assert changed(then) == {"guest1", "the files of guest2"}
    xen.config("guest1").write_text(xen.config("guest1").read_text() + "# a word\n")
    assert changed(then) == {"guest1", "the files of guest2", str(xen.config("guest1"))}
    xen.silence("baye")
    assert changed(then) >= {"baye", "the set-up of baye", "guest1", "guest2"}
