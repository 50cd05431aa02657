"""The steps as a graph, one row a step: where each stands and how the lines between them run. Pure.

Stations and lines are data, in units of a sixteenth of the page's type size; the template draws them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from xenlab.outcomes import Outcome, StepResult

ROW = 36
"""Height of a row."""

_LANE, _MARGIN = 20, 11
_MOST_LANES = 6


@dataclass(frozen=True, slots=True)
class Edge:
    """A line from a step down to one that needs it, as an SVG path.

    `cause` is how the root step ended where the lower step is blocked along this line, else None.
    """

    source: str
    target: str
    path: str
    cause: Outcome | None


@dataclass(frozen=True, slots=True)
class Graph:
    """The whole picture; `stations` are the middles of the steps' marks, in the order of the steps."""

    width: int
    height: int
    stations: tuple[tuple[int, int], ...]
    lines: tuple[Edge, ...]


def step_graph(steps: Sequence[StepResult]) -> Graph | None:
    """The graph of `steps`; None where nothing needs anything, or where it would be a thicket of lines.

    A need that follows from another one is not drawn, nor one that is not among the steps above; the way
    from a blocked step to its root always is.
    """
    row = {step.id: number for number, step in enumerate(steps)}
    lanes = _Lanes()
    lane_of: list[int] = []
    drawn: list[tuple[int, int, int]] = []
    for number, above in enumerate(_above(steps, row)):
        first = max(above, default=None)
        begin = number if first is None else first + 1
        lane_of.append(lanes.take(begin, number, 0 if first is None else lane_of[first]))
        for other in above:
            via = lane_of[number] if other == first else lanes.take(other + 1, number - 1, lane_of[other])
            drawn.append((other, number, via))
    width = max(lane_of + [via for _, _, via in drawn], default=0) + 1
    if not drawn or width > _MOST_LANES:
        return None
    return Graph(
        width=2 * _MARGIN + (width - 1) * _LANE,
        height=ROW * len(steps),
        stations=tuple((_x(lane), _y(number)) for number, lane in enumerate(lane_of)),
        lines=tuple(
            Edge(
                steps[upper].id,
                steps[lower].id,
                _path((lane_of[upper], upper), via, (lane_of[lower], lower)),
                _cause(steps, row, upper, lower),
            )
            for upper, lower, via in drawn
        ),
    )


class _Lanes:
    """Which rows of which lane are taken."""

    def __init__(self) -> None:
        self._taken: set[tuple[int, int]] = set()

    def take(self, begin: int, end: int, wanted: int) -> int:
        """The lane `wanted`, or else the first that is free from row `begin` to `end`; taken from now on."""
        rows = range(begin, end + 1)
        lane = wanted
        if any((lane, row) in self._taken for row in rows):
            lane = 0
            while any((lane, row) in self._taken for row in rows):
                lane += 1
        self._taken |= {(lane, row) for row in rows}
        return lane


def _above(steps: Sequence[StepResult], row: dict[str, int]) -> list[list[int]]:
    """The rows each step's lines come from: what it needs, but for what that needs in turn."""
    ancestors: list[set[int]] = []
    lines = []
    for number, step in enumerate(steps):
        needed = {row[need] for need in step.needs if row.get(need, number) < number}
        implied = set[int]().union(*(ancestors[other] for other in needed))
        ancestors.append(needed | implied)
        above = needed - implied
        root = row.get(step.blocked_by or "", number)
        if root < number and not any(_leads_back(steps, upper, number) for upper in above):
            above = above | {root}
        lines.append(sorted(above))
    return lines


def _leads_back(steps: Sequence[StepResult], upper: int, lower: int) -> bool:
    root = steps[lower].blocked_by
    return root is not None and root in (steps[upper].id, steps[upper].blocked_by)


def _cause(steps: Sequence[StepResult], row: dict[str, int], upper: int, lower: int) -> Outcome | None:
    root = row.get(steps[lower].blocked_by or "")
    return None if root is None or not _leads_back(steps, upper, lower) else steps[root].outcome


def _x(lane: int) -> int:
    return _MARGIN + lane * _LANE


def _y(row: int) -> int:
    return ROW * row + ROW // 2


def _path(upper: tuple[int, int], via: int, lower: tuple[int, int]) -> str:
    """Down from station to station, in the lane `via` while it passes the rows between them."""
    stops = [upper, *((via, row) for row in (upper[1] + 1, lower[1] - 1) if upper[1] < row < lower[1]), lower]
    path = f"M{_x(upper[0])} {_y(upper[1])}"
    for (lane, row), (next_lane, next_row) in pairwise(stops):
        if lane == next_lane:
            path += f"V{_y(next_row)}"
        else:
            middle = (_y(row) + _y(next_row)) // 2
            path += f"C{_x(lane)} {middle} {_x(next_lane)} {middle} {_x(next_lane)} {_y(next_row)}"
    return path
