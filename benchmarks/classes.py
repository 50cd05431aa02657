"""What does a whole class take? `python -m benchmarks.classes`: classes of 1 to 32 replayed teams, a call each.

A replayed team hands in the evidence of a recorded run (selftests/recordings), which is judged anew, so that no lab is
needed. For each class: wall time, the part of linear that it reached (the time of one team alone, times the teams, over
the cores that could work on them), and the most memory that all of its processes had together. Then what a class of a
thousand takes that is graded already: its gradebook, workbook and index page, made of its attempts. Wants an idle
machine. Prints a line a class and writes benchmarks/results/classes.json.
"""

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import cycle, islice
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks/results/classes.json"
RECORDINGS = ("root-squashed", "unmounted", "image-mounted", "more-memory", "no-getty", "path-misses-a-folder")
SIZES = (1, 2, 4, 8, 16, 32)
MANY = 1000
_LOOK_SECONDS = 0.2


def teams_of(folder: Path, size: int) -> list[Path]:
    """So many teams, each with the evidence of one of the recordings in turn."""
    made = []
    for number, name in enumerate(islice(cycle(RECORDINGS), size)):
        team = folder / f"team-{number}"
        team.mkdir(parents=True)
        shutil.copyfile(ROOT / f"selftests/recordings/{name}.zip", team / "evidence.zip")
        made.append(team)
    return made


def graded(teams: Sequence[Path], reports: Path, jobs: int) -> tuple[float, float]:
    """The seconds that one call takes for them, and the most MB that its processes had together.

    :raises SystemExit: it did not grade them all.
    """
    command = [
        sys.executable,
        "-m",
        "xenlab",
        "grade",
        *map(str, teams),
        "--reports",
        str(reports),
        "--jobs",
        str(jobs),
    ]
    began = time.monotonic()
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    ended = threading.Event()
    most = [0.0]
    watcher = threading.Thread(target=_watch, args=(process.pid, ended, most))
    watcher.start()
    _, said = process.communicate()
    taken = time.monotonic() - began
    ended.set()
    watcher.join()
    if process.returncode != 1:  # every one of the recordings is of a wrong lab
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}:\n{said}")
    return taken, most[0]


def _watch(pid: int, ended: threading.Event, most: list[float]) -> None:
    while not ended.wait(_LOOK_SECONDS):
        most[0] = max(most[0], sum(_megabytes(each) for each in _tree(pid)))


def _tree(pid: int) -> Iterator[int]:
    yield pid
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = path.read_text().split()
        except OSError:  # it has ended meanwhile
            continue
        for child in children:
            yield from _tree(int(child))


def _megabytes(pid: int) -> float:
    """What a process has to itself, with its part of what it shares (proc(5), smaps_rollup: Pss)."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def pages(reports: Path, folder: Path, many: int) -> float:
    """The seconds that a second call takes for a class of so many that is graded already, pages and all."""
    first = next((reports / "teams").glob("*/attempt-1"))
    evidence = teams_of(folder / "many", 1)[0] / "evidence.zip"
    named = []
    for number in range(many):
        team = folder / "many" / f"one-{number}"
        team.mkdir()
        os.link(evidence, team / "evidence.zip")
        attempt = folder / "class" / "teams" / team.name / "attempt-1"
        attempt.mkdir(parents=True)
        for name in ("attempt.json", "report.html"):
            os.link(first / name, attempt / name)
        named.append(team)
    command = [sys.executable, "-m", "xenlab", "grade", *map(str, named), "--reports", str(folder / "class")]
    began = time.monotonic()
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    taken = time.monotonic() - began
    if f"{many} teams, 0 to be graded" not in done.stderr:
        raise SystemExit(done.stderr)
    return taken


def main(argv: Sequence[str] | None = None) -> None:
    """Measure once."""
    options = argparse.ArgumentParser(prog="python -m benchmarks.classes", description=__doc__)
    options.add_argument("--sizes", type=int, nargs="+", default=SIZES, metavar="N", help="default: 1 2 4 8 16 32")
    options.add_argument("--jobs", type=int, default=os.cpu_count() or 1, metavar="N", help="default: the cores")
    options.add_argument("--many", type=int, default=MANY, metavar="N", help="default: 1000")
    chosen = options.parse_args(argv)
    load = os.getloadavg()
    found = []
    with TemporaryDirectory(prefix="xenlab-classes-") as scratch:
        folder = Path(scratch)
        alone, _ = graded(teams_of(folder / "alone", 1), folder / "alone-class", chosen.jobs)
        for size in chosen.sizes:
            seconds, megabytes = graded(teams_of(folder / f"{size}", size), folder / f"{size}-class", chosen.jobs)
            linear = alone * size / min(size, chosen.jobs) / seconds
            found.append({"teams": size, "seconds": seconds, "of_linear": linear, "megabytes": megabytes})
            print(f"{size:>4} teams: {seconds:6.1f} s, {linear:.2f} of linear, {megabytes:5.0f} MB", flush=True)
        again = pages(folder / "alone-class", folder / "pages", chosen.many)
        print(f"{chosen.many} teams, graded already: {again:.1f} s for the gradebook and the page")
    machine = {"kernel": platform.release(), "python": platform.python_version(), "cores": os.cpu_count(), "load": load}
    finished = datetime.now(UTC).isoformat(timespec="seconds")
    how = {"command": "python -m benchmarks.classes", "finished": finished, "machine": machine, "jobs": chosen.jobs}
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(
        json.dumps({**how, "alone": alone, "classes": found, "many": chosen.many, "pages": again}) + "\n"
    )


if __name__ == "__main__":
    main()
