"""What a scenario is: changes of the running embedded lab, and what a run that grades it must then show. Pure."""

from dataclasses import dataclass

from xenlab.labfile import LabFileChange
from xenlab.testbed.plan import GUESTS


@dataclass(frozen=True, slots=True)
class LabChange:
    """One thing that root does on one machine of the lab, a host or a guest that runs.

    `script` is POSIX shell; `took` is one that succeeds if, and only if, the lab is changed.
    """

    machine: str
    script: str
    took: str


@dataclass(frozen=True, slots=True)
class Red:
    """The check that must fail, in which step, and what it must say: words of its finding or its hint."""

    step: str
    check: str
    words: str


@dataclass(frozen=True, slots=True)
class Scenario:
    """A lab that is wrong (`red` says what must show it) or right, however unlike the embedded one (`red` None).

    A run grades `step` with all that it needs or, where only that can show anything, `alone`, with those `beside` it:
    on `guest`, which runs at home when found where `runs`, as the other one does. `lab` is what the lab file says
    otherwise, once the `changes` are made. `what` is for readers.
    """

    name: str
    what: str
    changes: tuple[LabChange, ...]
    step: str
    red: Red | None = None
    alone: bool = False
    beside: tuple[str, ...] = ()
    runs: bool = False
    guest: str = GUESTS[0].name
    lab: tuple[LabFileChange, ...] = ()

    @property
    def is_right(self) -> bool:
        """Whether no check may turn red."""
        return self.red is None


def wrong(name: str, what: str, red: Red, *changes: LabChange, **options: object) -> Scenario:
    """A wrong lab that its step shows."""
    return Scenario(name, what, changes, red.step, red, **options)  # type: ignore[arg-type]


def right(name: str, what: str, step: str, *changes: LabChange, **options: object) -> Scenario:
    """A right lab, graded up to that step."""
    return Scenario(name, what, changes, step, **options)  # type: ignore[arg-type]
