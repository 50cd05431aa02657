"""A run that is graded again from its evidence: what of its grade is told anew, and what is as it was then."""

from dataclasses import dataclass
from pathlib import Path

from xenlab.errors import UsageError
from xenlab.evidence import bundle
from xenlab.outcomes import Grade


@dataclass(frozen=True, slots=True)
class Played:
    """The evidence in `folder`, and the grade that was made of it then."""

    folder: Path
    grade: Grade

    @classmethod
    def of(cls, folder: Path) -> "Played":
        """Read the grade of a bundle that was opened.

        :raises UsageError: it is none of ours.
        """
        return cls(folder, bundle.grade_of(folder))

    @property
    def tape(self) -> list[str]:
        """The lines of its tape."""
        return self._lines(bundle.TAPE)

    @property
    def commands(self) -> list[str]:
        """The lines of its journal."""
        return self._lines(bundle.COMMANDS)

    def timed(self, grade: Grade) -> Grade:
        """The grade, made again, with the times of then: when, how long, and by which commands.

        Steps and moves that there were not then keep their own.
        """
        steps = {step.id: step for step in self.grade.steps}
        then = dict.fromkeys(("seconds", "commands", "side"))
        moves = self.grade.migrations
        return grade.model_copy(
            update={
                "started": self.grade.started,
                "finished": self.grade.finished,
                "steps": tuple(
                    step.model_copy(update={name: getattr(steps[step.id], name) for name in then})
                    if step.id in steps
                    else step
                    for step in grade.steps
                ),
                "migrations": tuple(
                    move.model_copy(update={"started": moves[number].started}) if number < len(moves) else move
                    for number, move in enumerate(grade.migrations)
                ),
            }
        )

    def _lines(self, name: str) -> list[str]:
        try:
            return (self.folder / name).read_text("ascii").splitlines()
        except (OSError, UnicodeError) as problem:
            raise UsageError(f"{self.folder / name} cannot be read: {problem}") from None
