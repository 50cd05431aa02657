"""Who may see what of a grade: pure."""

from collections.abc import Iterator, Mapping, Sequence

from xenlab.outcomes import Grade, StepResult


def for_students(
    grade: Grade, commands: Sequence[Mapping[str, object]]
) -> tuple[Grade, tuple[Mapping[str, object], ...]]:
    """`grade` and `commands` without what a hidden step looked at.

    Of a hidden step stay its title, outcome and points. Every command goes that it ran or that its checks point at,
    but those that another step's checks point at, too.
    """
    hidden = {id_ for step in grade.steps if step.hidden for id_ in (*step.commands, *_evidence(step))}
    seen = {id_ for step in grade.steps if not step.hidden for id_ in _evidence(step)}
    steps = tuple(
        step.model_copy(update={"checks": (), "seconds": 0.0, "commands": (), "side": ()}) if step.hidden else step
        for step in grade.steps
    )
    kept = tuple(command for command in commands if command["id"] in seen or command["id"] not in hidden)
    return grade.model_copy(update={"steps": steps}), kept


def _evidence(step: StepResult) -> Iterator[str]:
    return (id_ for check in step.checks for id_ in check.evidence)
