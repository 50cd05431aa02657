"""Every reader of text, fed with a million inputs: `python -m benchmarks.fuzz`, about half an hour on two cores.

Each target of `selftests.fuzz.targets` in turn, in processes of its own with a bound on their memory: first inputs that
atheris finds by the lines of xenlab that they reach, then those of hypothesis, then one fragment repeated at doubled
lengths. Whatever a reader does but end cleanly within a second of CPU time is a finding. Prints a table and writes
benchmarks/results/fuzz.json; the exit code is 1 where there are findings, each of which lies in --found.

atheris is not among our requirements, as there are no wheels of it for each Python: `pip install atheris` (3.0.0 was
used, with Python 3.11) in a venv that has the rest. Without it hypothesis draws all inputs, and the table says so.
"""

import argparse
import base64
import json
import os
import platform
import subprocess
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple, Self

from rich.console import Console
from rich.progress import Progress, TaskID
from rich.table import Table

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks/results/fuzz.json"
HOWS = ("atheris", "hypothesis", "growth")
SHARE_OF_HYPOTHESIS = 0.05
"""Of all inputs that are drawn: it is slower, and draws what is near to what is right."""

MOST_ROUNDS = 6
"""Until all inputs are drawn: the first, and more of targets that are quick."""


@dataclass(frozen=True, slots=True)
class Fed:
    """What one process has fed one target with, in `seconds` of CPU time.

    `findings` are what happened, where, and the input (base64).
    """

    target: str
    how: str
    inputs: int
    seconds: float
    findings: tuple[tuple[str, str, str], ...]
    slowest: float = 0.0
    grown: tuple[tuple[int, float], ...] = ()


class Round(NamedTuple):
    """One target to be fed, with at most so many inputs and seconds; `seed` is what the drawing begins with."""

    target: str
    how: str
    inputs: int
    seconds: float
    seed: int


class Feeder:
    """A process that has loaded all targets, and forks for each round that it is told of."""

    def __init__(self, how: str) -> None:
        self.how = how
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.feeding", how],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": "0"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def feed(self, one: Round) -> Fed:
        """Have it feed one target.

        :raises SystemExit: it is gone.
        """
        assert self._process.stdin  # noqa: S101 - for the type checker: both are pipes
        assert self._process.stdout  # noqa: S101
        self._process.stdin.write(json.dumps(one) + "\n")
        self._process.stdin.flush()
        told = self._process.stdout.readline()
        if not told:
            raise SystemExit(f"what feeds readers by {self.how} has ended with {self._process.wait()}")
        return fed_of(json.loads(told))

    def end(self) -> None:
        """End it."""
        self._process.kill()
        self._process.communicate()


class Feeders:
    """The processes of each lane, which is a thread: one for each way to feed."""

    def __init__(self) -> None:
        self._of_lane = threading.local()
        self._all: list[Feeder] = []

    def feed(self, one: Round) -> Fed:
        """Feed one target in this lane."""
        feeder: Feeder | None = getattr(self._of_lane, "feeder", None)
        if feeder is None or feeder.how != one.how:
            feeder = self._of_lane.feeder = Feeder(one.how)
            self._all.append(feeder)
        return feeder.feed(one)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for feeder in self._all:
            feeder.end()


def fed_of(told: dict[str, Any]) -> Fed:
    """What a process has told, as it was before it was JSON."""
    return Fed(**{**told, "findings": tuple(map(tuple, told["findings"])), "grown": tuple(map(tuple, told["grown"]))})


def rounds(targets: Sequence[str], inputs: int, seconds: float, hows: Sequence[str]) -> list[Round]:
    """The first rounds of all targets: each has an equal part of all inputs, as far as its time reaches."""
    each = -(-inputs // len(targets))
    shares = {"hypothesis": each, "atheris": each}
    if {"hypothesis", "atheris"} <= set(hows):
        shares["hypothesis"] = int(each * SHARE_OF_HYPOTHESIS)
        shares["atheris"] = each - shares["hypothesis"]
    return [Round(target, how, shares.get(how, 0), seconds, 1) for how in hows for target in targets]


def more_rounds(results: Sequence[Fed], inputs: int, seconds: float, number: int) -> list[Round]:
    """What slow targets have left of all inputs, for those that are quick."""
    drawn = [result for result in results if result.how != "growth" and result.inputs]
    lacking = inputs - sum(result.inputs for result in drawn)
    if lacking <= 0 or not drawn:
        return []
    drawn.sort(key=lambda fed: fed.seconds / fed.inputs)
    quick = list({fed.target: fed.how for fed in reversed(drawn[: len(drawn) // 2 + 1])}.items())
    return [Round(target, how, -(-lacking // len(quick)), seconds, number) for target, how in quick]


def table(results: Sequence[Fed]) -> Table:
    """A row a target."""
    made = Table(title="readers, fed with anything")
    for title in ("target", *(f"inputs by {how}" for how in HOWS), "inputs", "seconds", "slowest", "findings"):
        made.add_column(title, justify="left" if title == "target" else "right")
    names = dict.fromkeys(result.target for result in results)
    for name, some in [*((name, [r for r in results if r.target == name]) for name in names), ("all", list(results))]:
        counts = [sum(result.inputs for result in some if result.how == how) for how in HOWS]
        seconds, slowest = sum(result.seconds for result in some), max(result.slowest for result in some)
        findings = sum(len(result.findings) for result in some)
        figures = [f"{count:,}" for count in (*counts, sum(counts))]
        made.add_row(name, *figures, f"{seconds:.0f}", f"{slowest * 1000:.0f} ms", str(findings))
    return made


def document(results: Sequence[Fed], command: str) -> dict[str, object]:
    """All that was measured, and on what."""
    machine = {"kernel": platform.release(), "python": platform.python_version(), "cores": os.cpu_count()}
    return {
        "command": command,
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {**machine, "load": os.getloadavg()},
        "inputs": sum(result.inputs for result in results),
        "findings": sum(len(result.findings) for result in results),
        "slowest": max(result.slowest for result in results),
        "rounds": [asdict(replace(result, findings=())) | {"findings": len(result.findings)} for result in results],
    }


def keep(results: Sequence[Fed], folder: Path) -> list[str]:
    """Write down the input of each finding; returns a line for each."""
    lines = []
    for result in results:
        for number, (what, where, data) in enumerate(result.findings):
            name = "".join(char if char.isalnum() else "-" for char in f"{result.target}-{result.how}-{number}")
            folder.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(base64.b64decode(data))
            lines.append(f"{result.target}: {what} {f'at {where} ' if where else ''}({folder / name})")
    return lines


def note(progress: Progress, task: TaskID, result: Fed) -> None:
    """Say how a round has ended."""
    found = f", {len(result.findings)} findings" if result.findings else ""
    said = f"{result.target} by {result.how}: {result.inputs:,} inputs in {result.seconds:.0f} s{found}"
    for line in (said, *(f"  {what} {f'at {where}' if where else ''}" for what, where, _ in result.findings)):
        progress.console.print(line, highlight=False, markup=False)
    progress.advance(task)


def main(argv: Sequence[str] | None = None) -> int:
    """Feed all targets, or some."""
    options = argparse.ArgumentParser(
        prog="python -m benchmarks.fuzz", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--inputs", type=int, default=1_100_000, metavar="N", help="in all (default: 1100000)")
    options.add_argument(
        "--seconds", type=float, default=10.0, metavar="S", help="of CPU time, at most, each round (default: 10)"
    )
    options.add_argument("--target", action="append", metavar="NAME", help="only this one (can be given again)")
    options.add_argument("--how", action="append", choices=HOWS, help="only by this (can be given again)")
    options.add_argument("--lanes", type=int, default=2, metavar="N", help="rounds side by side (default: 2)")
    options.add_argument("--found", type=Path, default=ROOT / ".fuzz", metavar="FOLDER", help="for inputs of findings")
    options.add_argument("--list", action="store_true", help="name all targets")
    chosen = options.parse_args(argv)
    from selftests.fuzz.targets import TARGETS

    known = [target.name for target in TARGETS]
    if unknown := [name for name in chosen.target or () if name not in known]:
        options.error(f"there is no target {unknown[0]!r}: --list names them")
    if chosen.list:
        print("\n".join(known))
        return 0
    hows = chosen.how or [how for how in HOWS if how != "atheris" or find_spec("atheris")]
    if "atheris" not in hows and not chosen.how:
        print("atheris is not installed: hypothesis draws all inputs", file=sys.stderr)
    todo = rounds(chosen.target or known, chosen.inputs, chosen.seconds, hows)
    results: list[Fed] = []
    console = Console(stderr=True)
    with Progress(console=console) as progress, Feeders() as feeders, ThreadPoolExecutor(chosen.lanes) as pool:
        task = progress.add_task("feeding readers", total=len(todo))
        for number in range(2, 2 + MOST_ROUNDS):
            for result in pool.map(feeders.feed, todo):
                results.append(result)
                note(progress, task, result)
            todo = more_rounds(results, chosen.inputs, chosen.seconds, number)
            progress.update(task, total=len(results) + len(todo))
    Console(width=150).print(table(results))
    for line in keep(results, chosen.found):
        print(line)
    if not (chosen.target or chosen.how):
        RESULTS.parent.mkdir(exist_ok=True)
        command = f"python -m benchmarks.fuzz --inputs {chosen.inputs} --seconds {chosen.seconds:g}"
        RESULTS.write_text(json.dumps(document(results, command), indent=1) + "\n")
    return 1 if any(result.findings for result in results) else 0


if __name__ == "__main__":
    raise SystemExit(main())
