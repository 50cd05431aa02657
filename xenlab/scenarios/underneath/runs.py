"""Runs that are told to end, and runs whose own machine is at its end. Pure data."""

from collections.abc import Iterator

from xenlab.outcomes import Outcome
from xenlab.scenarios.scenario import BEGUN, FOUND, RUN, Disruption, DisruptionKind, MustEnd, Underneath

_SECONDS = 900.0
_HOME_SECONDS = 1200.0
_ERROR = (Outcome.ERROR,)
_LIVE = "live-migration"

_AT = {
    "hosts": (FOUND, False),
    "shared-storage": ("write", False),
    "path-fixes": (FOUND, False),
    "boot-from-share": ("create", False),
    "cold-migration": ("shutdown", True),
    "paused-migration": ("pause", True),
    "live-migration": ("migrate", True),
    "left-as-found": (FOUND, False),
}
"""What each step notes first, or what is noted before it begins, and whether its guest runs when found."""

_SIGNALS = {"interrupted": DisruptionKind.INTERRUPT, "terminated": DisruptionKind.TERMINATE}


def _signalled() -> Iterator[Underneath]:
    """Ctrl-C and SIGTERM at every step, and before the first."""
    for word, kind in _SIGNALS.items():
        yield _run(
            f"{word}-before-the-first-step",
            f"{kind.value} comes while the lab is looked at and locked",
            "hosts",
            MustEnd(_SECONDS, (None,), "interrupt"),
            Disruption(RUN, kind, BEGUN),
            runs=False,
        )
        for step, (moment, runs) in _AT.items():
            must_end = MustEnd(_HOME_SECONDS, _ERROR, "interrupted")
            if moment == FOUND:  # the step may not have begun by then, or be over
                must_end = MustEnd(_SECONDS, (None, Outcome.PASSED, Outcome.ERROR), "as found")
            disruption = Disruption(RUN, kind, moment)
            yield _run(
                f"{word}-in-{step}", f"{kind.value} comes in the step {step}", step, must_end, disruption, runs=runs
            )


def _run(name: str, what: str, step: str, must_end: MustEnd, *disruptions: Disruption, runs: bool = True) -> Underneath:
    return Underneath(name, what, (), step, alone=True, runs=runs, disruptions=disruptions, must_end=must_end)


RUNS: tuple[Underneath, ...] = (
    *_signalled(),
    _run(
        "hung-up-in-live-migration",
        "the terminal goes away while a guest is on its way",
        _LIVE,
        MustEnd(_HOME_SECONDS, _ERROR, "interrupted"),
        Disruption(RUN, DisruptionKind.HANG_UP, "migrate", 3),
    ),
    _run(
        "interrupted-again-on-the-way-home",
        "Ctrl-C comes while a guest is on its way, and once more while it is brought home",
        _LIVE,
        MustEnd(_HOME_SECONDS, _ERROR, "as found"),
        Disruption(RUN, DisruptionKind.INTERRUPT, "migrate", 3),
        Disruption(RUN, DisruptionKind.INTERRUPT, "migrate", 1, nth=2),
    ),
    _run(
        "interrupted-until-it-stops",
        "Ctrl-C comes three times, until no guest is brought home any more",
        _LIVE,
        MustEnd(_HOME_SECONDS, _ERROR, "./lab mend", home=False),
        Disruption(RUN, DisruptionKind.INTERRUPT, "migrate", 3),
        Disruption(RUN, DisruptionKind.INTERRUPT, "migrate", 1, nth=2),
        Disruption(RUN, DisruptionKind.INTERRUPT, "migrate", 3, nth=2),
    ),
    _run(
        "no-file-handles-when-found",
        "once the lab was looked at, this machine has no file handle left for the run",
        _LIVE,
        MustEnd(_SECONDS, (None, Outcome.ERROR), "Too many open files"),
        Disruption(RUN, DisruptionKind.NO_HANDLES, FOUND),
    ),
    _run(
        "no-file-handles-in-the-move",
        "while a guest is on its way, this machine has no file handle left for the run",
        _LIVE,
        MustEnd(_HOME_SECONDS, _ERROR, "Too many open files"),
        Disruption(RUN, DisruptionKind.NO_HANDLES, "migrate", 1),
    ),
    _run(
        "no-room-in-the-move",
        "while a guest is on its way, this machine's disk becomes full",
        _LIVE,
        # What it notes before its next act may still find its place in a block that the file has.
        MustEnd(_HOME_SECONDS, (Outcome.PASSED, Outcome.ERROR), "No space left on device"),
        Disruption(RUN, DisruptionKind.NO_ROOM, "migrate", 1),
    ),
)
"""Runs that are disrupted on this machine."""
