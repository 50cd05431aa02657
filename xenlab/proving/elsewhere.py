"""Proving on other machines: scenarios in parts, each a `./lab prove` of its own in that machine's working copy.

Each machine has a working copy of its own, at the same path, and in it an embedded lab: it proves one part at a time.
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from xenlab.errors import CannotObserve
from xenlab.evidence import bundle
from xenlab.evidence.files import make_folder
from xenlab.fleet.bounded import Bounds, Stop, run
from xenlab.fleet.holding import held
from xenlab.proving.proof import Proof
from xenlab.proving.prover import kinds_of
from xenlab.proving.row import Row
from xenlab.scenarios.scenario import Scenario

_MOST = 6
"""Scenarios of a part: enough to share their checkpoints, few enough for every machine to have some."""
_SCENARIO_SECONDS = 2400.0
_UP_SECONDS = 3600.0
_FOLDER = "reports/part"


@dataclass(frozen=True, slots=True)
class ProofPart:
    """Some scenarios of one kind, and with which further words `./lab prove` is called; `suite` is xenlab's digest."""

    scenarios: tuple[Scenario, ...]
    working_copy: Path
    suite: str
    words: tuple[str, ...] = ()


def parts(scenarios: Sequence[Scenario], working_copy: Path, words: Sequence[str]) -> Iterator[ProofPart]:
    """All scenarios, in parts."""
    suite = bundle.suite_digest(working_copy)
    for of_kind in map(tuple, kinds_of(scenarios)):
        for first in range(0, len(of_kind), _MOST):
            yield ProofPart(of_kind[first : first + _MOST], working_copy, suite, tuple(words))


def prove(part: ProofPart, stop: Stop) -> tuple[Row, ...]:
    """The rows of a part, proven on this machine; none where it was stopped.

    :raises CannotObserve: this machine has another xenlab, or the part came to no rows.
    :raises OSError: nothing can be run or written here.
    """
    if part.suite != bundle.suite_digest(part.working_copy):
        raise CannotObserve(f"{part.working_copy} on this machine holds another xenlab")
    folder = part.working_copy / _FOLDER
    make_folder(folder)
    bounds = Bounds(_UP_SECONDS + _SCENARIO_SECONDS * len(part.scenarios))
    names = [scenario.name for scenario in part.scenarios]
    with held(folder / ".part", "another part on this machine", bounds.seconds) as lock:
        if stop.is_set():
            return ()
        (folder / "proof" / "proof.json").unlink(missing_ok=True)
        command = [sys.executable, "-m", "xenlab", "prove", *names, "--reports", str(folder), *part.words]
        ending = run(command, cwd=part.working_copy, log=folder / "run.log", bounds=bounds, stop=stop, holding=lock)
        rows = Proof(folder / "proof", part.scenarios).matrix.rows
    if not rows and ending.why != "stopped":
        said = (folder / "run.log").read_text(errors="replace").strip().splitlines()[-1:]
        raise CannotObserve(f"./lab prove ended with {ending.code}: {' '.join(said)}")
    return rows
