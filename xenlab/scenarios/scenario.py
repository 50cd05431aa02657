"""What a scenario is: changes of the running embedded lab, and what a run that grades it must then show. Pure."""

from dataclasses import dataclass
from enum import StrEnum

from xenlab.labfile_change import LabFileChange
from xenlab.outcomes import Outcome
from xenlab.testbed.plan import GUESTS

RUN = "the run"
"""Whom a disruption may meet beside the hosts: the run that grades the lab, and what it has of this machine."""

BEGUN, FOUND, MOVED = "begun", "found", "moved"
"""Moments of a run beside its acts: it has run its first command; it has noted how it found the lab; a guest's move is
over."""


@dataclass(frozen=True, slots=True)
class LabChange:
    """One thing that root does on one machine of the lab, a host or a guest that runs.

    `script` is POSIX shell; `took` is one that succeeds if, and only if, the lab is changed.
    """

    machine: str
    script: str
    took: str


@dataclass(frozen=True, slots=True)
class LesserProcessor:
    """A host that is booted anew on a processor `without` some features, by QEMU's names of them."""

    host: str
    without: tuple[str, ...]


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
    otherwise, once the `changes` are made, and before these the hosts have such `processors`. `what` is for readers.
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
    processors: tuple[LesserProcessor, ...] = ()

    @property
    def is_right(self) -> bool:
        """Whether no check may turn red."""
        return self.red is None


class DisruptionKind(StrEnum):
    """What may happen to a host's machine, and then the run and its own machine."""

    POWER_CUT = "power cut"
    HALT = "halt"
    GO_ON = "go on"
    UNPLUG = "unplug"
    PLUG_IN = "plug in"

    INTERRUPT = "SIGINT"
    TERMINATE = "SIGTERM"
    HANG_UP = "SIGHUP"
    NO_HANDLES = "no file handles"
    NO_ROOM = "no room"

    @property
    def is_signal(self) -> bool:
        """Whether it is one that asks the run to end."""
        return self in (DisruptionKind.INTERRUPT, DisruptionKind.TERMINATE, DisruptionKind.HANG_UP)


@dataclass(frozen=True, slots=True)
class Disruption:
    """One of a kind, to `whom` (a host's name, or RUN), `after` so many seconds after the run has come to a moment.

    `moment` is one of BEGUN, FOUND and MOVED, or an act as the run notes it before it happens ("migrate"; of several
    of one name the `nth`).
    """

    whom: str
    kind: DisruptionKind
    moment: str
    after: float = 0.0
    nth: int = 1


@dataclass(frozen=True, slots=True)
class MustEnd:
    """How a run must end, whatever happened to it: within so many seconds, its step so, and with these words.

    `outcomes` are those that the step may have, of which time decides; None is that of one that has not begun.
    `words` are in what is told of the step or in the run's last words. Where guests need not be `home`, the last words
    must say what to type.
    """

    within: float
    outcomes: tuple[Outcome | None, ...]
    words: str
    home: bool = True

    @property
    def graded(self) -> str:
        """The outcomes in words."""
        return " or ".join(outcome.value if outcome else "not graded" for outcome in self.outcomes)

    def __str__(self) -> str:
        return f"{self.graded} within {self.within:g} s, guests {'home' if self.home else 'told, with what to type'}"


@dataclass(frozen=True, slots=True)
class Underneath(Scenario):
    """A lab under which something goes wrong while it is graded: by its changes, which wait for their time, or by
    `disruptions`. No check is there for it; `must_end` says what counts.
    """

    disruptions: tuple[Disruption, ...] = ()
    must_end: MustEnd = MustEnd(0, (None,), "")

    @property
    def is_right(self) -> bool:
        """Whether no check may turn red: here any may."""
        return False


def wrong(name: str, what: str, red: Red, *changes: LabChange, **options: object) -> Scenario:
    """A wrong lab that its step shows."""
    return Scenario(name, what, changes, red.step, red, **options)  # type: ignore[arg-type]


def right(name: str, what: str, step: str, *changes: LabChange, **options: object) -> Scenario:
    """A right lab, graded up to that step."""
    return Scenario(name, what, changes, step, **options)  # type: ignore[arg-type]
