"""One score, wherever it is said: grade.json, report.html, JUnit's properties, Gradescope, Markdown, the terminal."""

import json
import re
from collections.abc import Mapping
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
from gradedrun import Graded
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from madeupruns import MadeUp, made_up

from xenlab.grading.exporters.gradescope import GradescopeResults, gradescope
from xenlab.grading.exporters.markdown import markdown
from xenlab.grading.writing import summary
from xenlab.report.html import render

Scores = Mapping[str, tuple[float, float]]


class ScoreInPage(HTMLParser):
    """Reads the two numbers of the page's heading."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self._part = ""
        self._found: dict[str, str] = {}
        self._heading = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._heading |= tag == "h1"
        self._part = dict(attrs).get("class") or "" if self._heading else ""

    def handle_endtag(self, tag: str) -> None:
        self._heading &= tag != "h1"
        self._part = ""

    def handle_data(self, data: str) -> None:
        if self._part in ("earned", "possible"):
            self._found[self._part] = data

    @property
    def score(self) -> tuple[float, float]:
        of = re.fullmatch(r"of ([\d.]+) points", self._found["possible"])
        assert of
        earned = self._found["earned"].replace("–", "0")  # nothing was observed: no score, and no points
        return float(earned), float(of[1])


def in_line(line: str) -> tuple[float, float]:
    found = re.search(r"(\d[\d.]*) of (\d[\d.]*)", line)
    assert found, line
    return float(found[1]), float(found[2])


def cents(*pairs: tuple[float, float]) -> tuple[float, float]:
    """Two sums, made in hundredths as a reader with pen and paper would."""
    return tuple(sum(round(100 * pair[side]) for pair in pairs) / 100 for side in (0, 1))


def in_gradescope(results: GradescopeResults | None, ungradable: float) -> Scores:
    """What Gradescope is handed, if anything; what could not be observed are points of none of its tests."""
    if results is None:
        return {}
    possible = cents(*((0, test.max_score) for test in results.tests), (0, ungradable))[1]
    assert all(test.score <= test.max_score for test in results.tests)
    return {"gradescope": (results.score, possible), "gradescope's words": in_line(results.output)}


def agreed(scores: Scores) -> tuple[float, float]:
    """The one score that all have."""
    (score,) = set(scores.values())
    earned, possible = score
    assert 0 <= earned <= possible
    assert all(round(100 * value) / 100 == value for value in score)
    return score


@settings(max_examples=100, deadline=None)
@given(made_up())
def test_every_form_of_a_grade_has_the_same_score(made: MadeUp) -> None:
    grade = made.grade()
    said = {line.partition(":")[0]: line for line in summary(grade)}
    loaded = json.loads(grade.model_dump_json(by_alias=True))["score"]
    agreed(
        {
            "grade.json": (loaded["earned"], loaded["possible"]),
            "report.html": ScoreInPage(render(grade, (), {})).score,
            **in_gradescope(gradescope(grade), grade.score.ungradable),
            "markdown": in_line(markdown(grade).splitlines()[0].replace("\\", "")),
            "terminal": in_line(said["score"]),
            "parts": cents(*made.parts),
        }
    )
    assert all(0 <= earned <= possible for earned, possible in made.parts)
    if made.late is None:
        assert grade.score.earned == cents(*((step.earned, step.points) for step in grade.steps))[0]


BODY = """
import json
PLAN = json.load(open("plan.json"))

def made(entry):
    @step(entry["id"], points=entry["points"], needs=tuple(entry["needs"]))
    @pytest.mark.parametrize("guest_name", list(entry["runs"]))
    def test(guest_name):
        '''A step.'''
        for number, outcome in enumerate(entry["runs"][guest_name]):
            if outcome == "error":
                raise CannotObserve("no answer")
            check(outcome == "passed", id=f"c{number}")
    return test

for entry in PLAN:
    globals()["test_" + entry["id"]] = made(entry)
"""

a_run = st.lists(st.sampled_from(["passed", "passed", "failed", "error"]), max_size=4)
a_step = st.tuples(st.integers(0, 3000), st.lists(a_run, min_size=3, max_size=3), st.booleans(), st.booleans())


# Not shrunk: each example is a session of its own.
@settings(
    max_examples=15,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.lists(a_step, min_size=1, max_size=4), st.integers(0, 100), st.integers(0, 100), st.booleans())
def test_so_has_every_file_of_a_run(
    graded: Graded,
    pytester: pytest.Pytester,
    steps: list[tuple[int, list[list[str]], bool, bool]],
    hours: int,
    percent: int,
    waived: bool,
) -> None:
    plan = [
        {
            "id": f"s{number}",
            "points": points / 100,
            "needs": [f"s{number - 1}"] if needs and number else [],
            "runs": {f"g{guest}": outcomes for guest, outcomes in enumerate(runs)},
        }
        for number, (points, runs, needs, _) in enumerate(steps)
    ]
    rubric = f"late = [[0, {percent / 100}]]\n[steps]\n"
    rubric += "".join(f"s{number}.required = {str(step[3]).lower()}\n" for number, step in enumerate(steps))
    rubric += '[[waivers]]\nstep = "s0"\ncheck = "c1"\nwho = "T"\nwhy = "w"\nuntil = 2999-12-31\n' if waived else ""
    metadata = {
        "created_at": f"2026-03-{1 + hours // 24:02}T{hours % 24:02}:00:00Z",
        "assignment": {"due_date": "2026-03-01T00:00:00Z"},
    }
    (pytester.path / "plan.json").write_text(json.dumps(plan))
    (pytester.path / "rubric.toml").write_text(rubric)
    (pytester.path / "metadata.json").write_text(json.dumps(metadata))
    ran = graded(BODY, "--rubric=rubric.toml", "--submission-metadata=metadata.json", "--junitxml=reports/junit.xml")
    reports = pytester.path / "reports"
    results = reports / "gradescope-results.json"
    assert results.exists() == (ran.grade.verdict != "error")
    handed_in = GradescopeResults.model_validate_json(results.read_text()) if results.exists() else None
    (line,) = (line for line in ran.result.outlines if line.startswith("score: "))
    # A run that failed and then went wrong in cleaning up is two cases, of which one has the properties.
    cases = [
        {each.get("name"): each.get("value") for each in properties}
        for properties in ElementTree.parse(reports / "junit.xml").iter("properties")
    ]
    agreed(
        {
            "grade.json": (ran.grade.score.earned, ran.grade.score.possible),
            "report.html": ScoreInPage((reports / "report.html").read_text()).score,
            **in_gradescope(handed_in, ran.grade.score.ungradable),
            "junit": cents(*((float(case["score"]), float(case["points"])) for case in cases)),
            "markdown": in_line((reports / "summary.md").read_text().splitlines()[0].replace("\\", "")),
            "terminal": in_line(line),
        }
    )
    assert len(cases) == 3 * len(steps)
    assert ran.ret == {"passed": 0, "failed": 1, "error": 3}[ran.grade.verdict]
