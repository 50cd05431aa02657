"""The run before, of which another may take something over: read from the reports that it left."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from xenlab.errors import UsageError
from xenlab.evidence import bundle
from xenlab.jsontext import parsed

_HINT = "./lab verify without --again grades every step"


@dataclass(frozen=True, slots=True)
class Before:
    """The run before: when it began, what it was of, and the lines of its tape (by step) and of its journal."""

    started: datetime
    facts: bundle.RunFacts
    tape: Mapping[str, Sequence[str]]
    commands: Sequence[str]

    @classmethod
    def of(cls, reports: Path) -> "Before":
        """The run that left these reports.

        :raises UsageError: there is none that is whole and unchanged.
        """
        try:
            with bundle.opened(reports) as folder:
                facts, grade = bundle.facts_of(folder), bundle.grade_of(folder)
                tape = _by_step((folder / bundle.TAPE).read_text("ascii").splitlines())
                commands = (folder / bundle.COMMANDS).read_text("ascii").splitlines()
        except (OSError, UnicodeError) as problem:
            raise UsageError(f"{reports}: {problem}", hint=_HINT) from None
        except UsageError as problem:
            raise UsageError(f"no run to go on from: {problem.message}", hint=_HINT) from None
        if facts.read_only:
            raise UsageError("no run to go on from: the last one only read", hint=_HINT)
        return cls(grade.started, facts, tape, commands)


def _by_step(lines: Sequence[str]) -> Mapping[str, Sequence[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for number, line in enumerate(lines, 1):
        try:
            step = parsed(line).get("step")
        except (ValueError, AttributeError):
            raise UsageError(f"line {number} of the tape is none of ours") from None
        if isinstance(step, str):
            found[step].append(line)
    return dict(found)
