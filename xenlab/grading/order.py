"""Which steps run, and in which order: pure.

The order is the collected one (the modules' numbers), changed only where a step comes before what it needs.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from graphlib import CycleError, TopologicalSorter

from xenlab.errors import UsageError
from xenlab.grading.run import StepRun


class Plan:
    """The runs there are to choose from, in collected order; tells each what it needs (`run.needed`).

    A run on a guest needs the run of each needed step on the same guest, or its run on the lab as a whole;
    a run on the lab as a whole needs all runs of a needed step.

    :raises UsageError: one id with different points, an unknown id in `needs`, a cycle, or a needed step that
        no run is there of for a guest.
    """

    def __init__(self, runs: Sequence[StepRun]) -> None:
        self._runs = runs
        self._of_step: dict[str, list[StepRun]] = {}
        for run in runs:
            self._of_step.setdefault(run.spec.id, []).append(run)
        self._refuse_contradictions()
        for run in runs:
            run.needed = self._find_needed(run)

    def ordered(self, chosen: Iterable[StepRun]) -> list[StepRun]:
        """`chosen` and all that they need, each after what it needs."""
        return self._in_order(self._with_needs(chosen))

    def alone(self, chosen: Iterable[StepRun]) -> list[StepRun]:
        """`chosen` and nothing else, each after those of them that it needs; what else they need is taken as given.

        They give no points: whether what they rest on is right nobody has seen.
        """
        wanted = set(chosen)
        for run in wanted:
            run.needed = tuple(other for other in run.needed if other in wanted)
            run.spec = replace(run.spec, points=0)
        return self._in_order(wanted)

    @staticmethod
    def _with_needs(chosen: Iterable[StepRun]) -> set[StepRun]:
        wanted: set[StepRun] = set()
        waiting = list(chosen)
        while waiting:
            run = waiting.pop()
            if run not in wanted:
                wanted.add(run)
                waiting += run.needed
        return wanted

    def _in_order(self, wanted: Collection[StepRun]) -> list[StepRun]:
        order: dict[StepRun, None] = {}

        def put(run: StepRun) -> None:
            if run not in order:
                for before in run.needed:
                    put(before)
                order[run] = None

        for run in self._runs:
            if run in wanted:
                put(run)
        return list(order)

    def _refuse_contradictions(self) -> None:
        graph: dict[str, set[str]] = {}
        for id_, runs in self._of_step.items():
            points = {run.spec.points for run in runs}
            if len(points) > 1:
                given = " and ".join(f"{value:g}" for value in sorted(points))
                raise UsageError(f"step {id_!r} is given different points: {given}")
            graph[id_] = {need for run in runs for need in run.spec.needs}
            for need in sorted(graph[id_] - self._of_step.keys()):
                raise UsageError(
                    f"step {id_!r} needs {need!r}, which was not collected",
                    hint=f"to run a step with what it needs, use --step {id_} and name no file",
                )
        try:
            TopologicalSorter(graph).prepare()
        except CycleError as error:
            raise UsageError(f"steps need each other in a circle: {' -> '.join(error.args[1])}") from None

    def _find_needed(self, run: StepRun) -> tuple[StepRun, ...]:
        found: list[StepRun] = []
        for need in run.spec.needs:
            fitting = [
                other
                for other in self._of_step[need]
                if run.guest is None or other.guest is None or other.guest == run.guest
            ]
            if not fitting:
                raise UsageError(f"step {run.spec.id!r} needs {need!r}, which is not there for {run.guest}")
            found += fitting
        return tuple(found)
