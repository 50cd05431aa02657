"""How soon does `./lab` answer? `python -m benchmarks.start`: the median of 15 calls each.

Calls `./lab --help`, `./lab status` and, where a lab is up in this working copy, `./lab ssh HOST true` in turn with
the same ssh without ./lab: what that takes is the command's own time. Wants an idle machine. Prints the medians and
writes benchmarks/results/start.json.
"""

import argparse
import json
import os
import platform
import subprocess
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from xenlab.errors import UsageError
from xenlab.testbed import shell
from xenlab.testbed.joining import join
from xenlab.testbed.plan import HOSTS

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks/results/start.json"


def seconds_of(*calls: Sequence[str], runs: int) -> list[float]:
    """The median time of each call in seconds, the calls made in turn.

    :raises SystemExit: one failed.
    """
    times: list[list[float]] = [[] for _ in calls]
    for _ in range(runs):
        for call, taken in zip(calls, times, strict=True):
            began = time.monotonic()
            done = subprocess.run(call, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
            taken.append(time.monotonic() - began)
            if done.returncode != 0:
                raise SystemExit(f"`{' '.join(call)}` ended with {done.returncode}: {done.stderr.strip()}")
    return [median(taken) for taken in times]


def ssh_seconds(host: str, runs: int) -> tuple[float, float]:
    """The median time of a command on a host by `./lab ssh`, and without ./lab; this process joins the lab.

    :raises UsageError: no lab is up, or it has no such host.
    """
    bare = shell.ssh(join(ROOT), host, ["true"])
    by_lab, by_itself = seconds_of(["./lab", "ssh", host, "true"], bare, runs=runs)
    return by_lab, by_itself


def main(argv: Sequence[str] | None = None) -> None:
    """Measure once."""
    options = argparse.ArgumentParser(prog="python -m benchmarks.start", description=__doc__)
    options.add_argument("--runs", type=int, default=15, metavar="N", help="default: 15")
    options.add_argument("--host", default=HOSTS[0].name, help=f"for ssh (default: {HOSTS[0].name})")
    chosen = options.parse_args(argv)
    load = os.getloadavg()
    seconds_of(["./lab", "--help"], runs=1)  # what was never called may have to be set up, and compiled
    help_, status = seconds_of(["./lab", "--help"], ["./lab", "status"], runs=chosen.runs)
    found = {"help": help_, "status": status}
    print(f"./lab --help: {help_:.3f} s\n./lab status: {status:.3f} s")
    try:
        by_lab, by_itself = ssh_seconds(chosen.host, chosen.runs)
    except UsageError as problem:
        print(f"./lab ssh {chosen.host} true: skipped: {problem}")
    else:
        found |= {"ssh": by_lab, "ssh_without_lab": by_itself}
        over = by_lab - by_itself
        print(f"./lab ssh {chosen.host} true: {by_lab:.3f} s, {over:.3f} s over the command's own {by_itself:.3f} s")
    machine = {"kernel": platform.release(), "python": platform.python_version(), "cores": os.cpu_count(), "load": load}
    finished = datetime.now(UTC).isoformat(timespec="seconds")
    how = {"command": "python -m benchmarks.start", "finished": finished, "machine": machine, "runs": chosen.runs}
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps({**how, **found}) + "\n")


if __name__ == "__main__":
    main()
