"""Made-up runs for the tests of what is written of a grade: outcomes, points, guests and late work of all kinds."""

from dataclasses import dataclass, field

from hypothesis import strategies as st

from xenlab.grading.scoring import Apportioner, Instance, StepSpec, score_steps, total, verdict
from xenlab.outcomes import CheckResult, Grade, LabInfo, Late, Outcome

HOSTILE = (
    "<script>alert(1)</script> | a `b` **c** [d](https://e.example/f) ![g](h) <img src=x onerror=i> & &amp; "
    "\x1b[31mred\x1b[0m \x1b]0;title\x07 caf\udce9 \u202egnp.\u2066x\u2069 \x00\x07"
    "\n# head\n\n---\n| x | y |\n|---|---|\n"
    "- item\n> quote\n```\ncode\n"
)
"""What a host may print to get out of a table, a page or a terminal."""


@dataclass
class MadeUp:
    """The runs of each step as they ended, in the order in which they ran."""

    specs: list[StepSpec]
    runs: list[Instance]
    late: Late | None = None
    lab: str = "embedded"
    parts: list[tuple[float, float]] = field(default_factory=list)

    def grade(self) -> Grade:
        """The grade, as a run makes it; `parts` are then each run's part of it."""
        steps = score_steps(self.specs, self.runs)
        sizes = {spec.id: sum(run.step == spec.id for run in self.runs) for spec in self.specs}
        apportioner = Apportioner(sizes, self.late)
        spec_of = {spec.id: spec for spec in self.specs}
        self.parts = [apportioner.add(spec_of[run.step], run) for run in self.runs]
        return Grade(
            lab=LabInfo(name=self.lab, kind="real", hosts=("labubuntu", "baye")),
            started="2026-02-08T22:06:00Z",
            finished="2026-02-08T22:07:15Z",
            score=total(steps, self.late),
            verdict=verdict(steps),
            steps=steps,
        )


def check(id: str = "c", outcome: str = "passed", **more: object) -> CheckResult:
    return CheckResult(id=id, outcome=Outcome(outcome), **more)


def of(*outcomes: str, text: str = "", **more: object) -> Grade:
    """A grade with one step of 10 points for each outcome; `text` stands wherever a text may be."""
    ids = [f"step-{number}" for number in range(len(outcomes))]
    texts = {"expected": text, "actual": text, "hint": text, "guest": text or None, "host": text or None}
    runs = [
        Instance(
            id_, text or None, (check(text or "c", outcome, **texts),), 1.0, "step-0" if outcome == "blocked" else None
        )
        for id_, outcome in zip(ids, outcomes, strict=True)
    ]
    specs = [StepSpec(id_, text or f"Title of {id_}.", 10, **more) for id_ in ids]
    return MadeUp(specs, runs, lab=text or "embedded").grade()


a_check = st.sampled_from([outcome.value for outcome in Outcome]).map(lambda outcome: check(outcome=outcome))
factors = st.integers(0, 1000).map(lambda thousandth: thousandth / 1000)
lates = st.none() | st.builds(Late, hours=st.integers(1, 10_000).map(lambda h: h / 100), factor=factors)


@st.composite
def made_up(draw: st.DrawFn) -> MadeUp:
    """Runs of up to six steps on up to four guests each, ended in any order."""
    specs, runs = [], []
    for number in range(draw(st.integers(1, 6))):
        points = draw(st.integers(0, 3000)) / 100
        required, hidden = draw(st.booleans()), draw(st.booleans())
        specs.append(StepSpec(f"s{number}", "A step.", points, (), required, hidden))
        for guest in range(draw(st.integers(1, 4))):
            checks = tuple(draw(st.lists(a_check, max_size=4)))
            runs.append(Instance(f"s{number}", f"g{guest}", checks))
    return MadeUp(specs, draw(st.permutations(runs)), draw(lates))
