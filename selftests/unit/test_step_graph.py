"""Where the steps' stations stand and how the lines between them run."""

import re

from hypothesis import given
from hypothesis import strategies as st
from pages import Page, grade, step

from xenlab.outcomes import Outcome, StepResult
from xenlab.report.graph import ROW, step_graph
from xenlab.report.html import render


def steps(**needs: str) -> list[StepResult]:
    """Passed steps by id, each with the ids it needs."""
    return [step(id_, "passed", needs=tuple(text.split())) for id_, text in needs.items()]


def lines(made: list[StepResult]) -> list[tuple[str, str]]:
    graph = step_graph(made)
    assert graph
    return [(line.source, line.target) for line in graph.lines]


def lanes(made: list[StepResult]) -> list[int]:
    graph = step_graph(made)
    assert graph
    assert [y for _, y in graph.stations] == [ROW * n + ROW // 2 for n in range(len(made))]
    distinct = sorted({x for x, _ in graph.stations})
    return [distinct.index(x) for x, _ in graph.stations]


LAB = steps(hosts="", share="hosts", paths="share", boot="paths", cold="boot", paused="cold", live="cold", left="hosts")


def test_a_chain_is_one_lane_and_what_branches_off_has_its_own() -> None:
    assert lanes(steps(a="", b="a", c="b")) == [0, 0, 0]
    assert lanes(LAB) == [0, 0, 0, 0, 0, 0, 1, 2]


def test_a_line_stands_for_each_need_that_no_other_implies() -> None:
    assert lines(LAB) == [
        *(("hosts", "share"), ("share", "paths"), ("paths", "boot"), ("boot", "cold")),
        *(("cold", "paused"), ("cold", "live"), ("hosts", "left")),
    ]
    assert lines(steps(a="", b="a", c="a b zzz c")) == [("a", "b"), ("b", "c")]
    assert lines(steps(a="", b="", c="a b")) == [("a", "c"), ("b", "c")]


def test_lines_lead_back_from_what_is_blocked_to_its_root() -> None:
    made = [
        step("a", "passed"),
        step("b", "failed", needs=("a",)),
        step("c", "blocked", blocked_by="b", needs=("b",)),
        step("d", "blocked", blocked_by="b", needs=("c",)),
        step("e", "passed", needs=("a",)),
    ]
    graph = step_graph(made)
    assert graph
    causes = {(line.source, line.target): line.cause for line in graph.lines}
    assert causes == {
        ("a", "b"): None,
        ("b", "c"): Outcome.FAILED,
        ("c", "d"): Outcome.FAILED,
        ("a", "e"): None,
    }


def test_a_root_that_is_reached_by_no_need_has_a_line_of_its_own() -> None:
    # Blocked on one guest only: the step between passed on the other, and counts as such here.
    made = [
        step("a", "error"),
        step("b", "passed", needs=("a",)),
        step("c", "blocked", blocked_by="a", needs=("b",)),
        step("d", "blocked", blocked_by="gone", needs=()),
    ]
    graph = step_graph(made)
    assert graph
    assert [(line.source, line.target, line.cause) for line in graph.lines] == [
        ("a", "b", None),
        ("a", "c", Outcome.ERROR),
        ("b", "c", None),
    ]


def test_no_graph_where_nothing_is_needed_or_lines_would_be_a_thicket() -> None:
    assert step_graph([]) is None
    assert step_graph(steps(a="", b="")) is None
    assert step_graph(steps(hub="", **{f"s{n}": "hub" for n in range(40)})) is None


@given(st.lists(st.sets(st.integers(0, 11)), max_size=12))
def test_no_line_runs_through_another_step(needs: list[set[int]]) -> None:
    made = [
        step(f"s{row}", "passed", needs=tuple(f"s{n}" for n in above if n < row)) for row, above in enumerate(needs)
    ]
    graph = step_graph(made)
    if graph is None:
        return
    place = {one.id: at for one, at in zip(made, graph.stations, strict=True)}
    for line in graph.lines:
        numbers = [int(n) for n in re.findall(r"\d+", line.path)]
        assert tuple(numbers[:2]) == place[line.source]
        assert numbers[-1] == place[line.target][1]
        x, y = numbers[:2]
        for letter, rest in re.findall(r"([VC])([\d ]+)", line.path):
            values = [int(n) for n in rest.split()]
            if letter == "V":
                between = {at for at in place.values() if at[0] == x and y < at[1] < values[-1]}
                assert not between
            else:
                assert values[-1] - y == ROW
                x = values[-2]
            y = values[-1]
        assert x == place[line.target][0]
        assert 0 < x < graph.width


def test_the_page_names_each_step_once_and_links_to_it() -> None:
    text = render(grade(*LAB[:-1], step("left", "blocked", blocked_by="hosts", needs=("hosts",))), [], {})
    page = Page(text)
    for made in LAB:
        assert f'<a href="#step-{made.id}">{made.id}</a>' in text
    assert "left Blocked by hosts, needs hosts" in page.text
    assert text.count('class="rail"') == 6
    assert text.count('class="rail back passed"') == 1


def test_a_page_without_lines_still_tells_what_is_needed() -> None:
    text = render(grade(*steps(hub="", **{f"s{n}": "hub" for n in range(40)})), [], {})
    assert 'class="map plain"' in text
    assert text.count(">needs hub</span>") == 40
