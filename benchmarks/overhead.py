"""What grading costs beside the bare work: `python -m benchmarks.overhead`.

`./lab verify --guest guest1` and `bare.sh`, which types the same xl commands and looks at nothing, in turn on the same
running embedded lab. Prints each pair and the median of their ratios, and writes them to
benchmarks/results/overhead.json.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from xenlab.errors import XenlabError
from xenlab.testbed.joining import join
from xenlab.testbed.plan import GUESTS

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks/results/overhead.json"
GUEST = GUESTS[0]


@dataclass(frozen=True, slots=True)
class Pair:
    """One run of each, in seconds."""

    suite: float
    bare: float

    @property
    def ratio(self) -> float:
        """How many times as long as the bare work the graded one took."""
        return self.suite / self.bare


def main() -> None:
    """Measure the pairs, or (as a process of its own, in the lab's network) do the bare work once."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.overhead", description=(__doc__ or "").split(":")[0])
    parser.add_argument("--pairs", type=int, default=3, help="how many (default: 3)")
    parser.add_argument("--bare", action="store_true", help="do the bare work once, and measure nothing")
    given = parser.parse_args()
    if given.bare:
        sys.exit(do_bare_work())
    pairs = []
    for number in range(given.pairs):
        # Which goes first alternates, so that neither always finds warm caches.
        order: list[Callable[[], float]] = [graded, bare]
        seconds = {way: way() for way in (order if number % 2 == 0 else order[::-1])}
        pairs.append(Pair(seconds[graded], seconds[bare]))
        print(f"graded {pairs[-1].suite:.1f} s, bare {pairs[-1].bare:.1f} s: {pairs[-1].ratio:.2f}", flush=True)
    median = statistics.median(pair.ratio for pair in pairs)
    print(f"median of {len(pairs)}: {median:.2f}")
    RESULTS.write_text(json.dumps({"median": median, "pairs": [asdict(pair) for pair in pairs]}, indent=1) + "\n")


def graded() -> float:
    """How long a graded run of the guest takes."""
    with tempfile.TemporaryDirectory() as reports:
        return timed("./lab", "verify", "--guest", GUEST.name, "--reports", reports)


def bare() -> float:
    """How long the same work takes by itself."""
    return timed(sys.executable, "-m", "benchmarks.overhead", "--bare")


def timed(*argv: str) -> float:
    """The wall time of a program that must succeed, in seconds."""
    began = time.monotonic()
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{' '.join(argv)} ended with {done.returncode}: {(done.stderr or done.stdout).strip()[-500:]}")
    return time.monotonic() - began


def do_bare_work() -> int:
    """Run bare.sh in the network of the lab that is up."""
    try:
        lab = join(ROOT)
    except XenlabError as problem:
        print(problem, file=sys.stderr)
        return problem.exit_code
    home, peer = sorted(lab.hosts, key=lambda host: host.name != GUEST.home.name)
    guest = next(guest for guest in lab.guests if guest.name == GUEST.name)
    facts = (home.key_file, home.known_hosts, home.address, peer.address, guest.address, guest.name, guest.config)
    return subprocess.run([ROOT / "benchmarks/bare.sh", *map(str, facts)], check=False).returncode


if __name__ == "__main__":
    main()
