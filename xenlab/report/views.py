"""Who may see what of a grade: pure."""

from collections.abc import Mapping, Sequence

from xenlab.outcomes import Grade


def for_students(
    grade: Grade, commands: Sequence[Mapping[str, object]]
) -> tuple[Grade, tuple[Mapping[str, object], ...]]:
    """`grade` and `commands` without what a hidden step looked at.

    Of a hidden step stay its title, outcome and points. A command goes that only its checks point at, and
    those right after it that no check points at: the step's own tidying up.
    """
    hidden = {id_ for step in grade.steps if step.hidden for check in step.checks for id_ in check.evidence}
    seen = {id_ for step in grade.steps if not step.hidden for check in step.checks for id_ in check.evidence}
    kept = []
    within = False
    for command in commands:
        id_ = str(command["id"])
        within = id_ not in seen and (within or id_ in hidden)
        if not within:
            kept.append(command)
    steps = tuple(
        step.model_copy(update={"checks": (), "seconds": 0.0}) if step.hidden else step for step in grade.steps
    )
    return grade.model_copy(update={"steps": steps}), tuple(kept)
