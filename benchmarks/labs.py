"""What a whole `./lab verify` takes: `python -m benchmarks.labs`.

For each profile once cold (packages, images, boot and all, with an empty cache) and then warm, from the snapshot. With
`--beside FOLDER` another checkout of xenlab is measured in turn, run for run, so that their ratio counts on a machine
whose times do not. Writes benchmarks/results/labs.json.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks/results/labs.json"
PROFILES = ("classic", "modern")


def main() -> None:
    """Measure, and print a line a run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.labs", description=(__doc__ or "").split(":")[0])
    parser.add_argument("--profile", action="append", choices=PROFILES, help="only this one (repeatable)")
    parser.add_argument("--warm", type=int, default=1, help="how many warm runs of each (default: 1)")
    parser.add_argument("--beside", type=Path, metavar="FOLDER", help="another checkout, measured in turn")
    given = parser.parse_args()
    copies = [ROOT, *([given.beside.resolve()] if given.beside else [])]
    found: dict[str, list[float]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as scratch:
        for profile in given.profile or PROFILES:
            for temperature in ("cold", *["warm"] * given.warm):
                for number, copy in enumerate(copies):
                    seconds = verified(copy, profile, Path(scratch) / str(number))
                    found[f"{profile} {temperature} {'beside' if number else 'here'}"].append(seconds)
                    print(f"{copy.name}: {profile}, {temperature}: {seconds:.0f} s", flush=True)
    for line in ratios(found):
        print(line)
    RESULTS.write_text(json.dumps(found, indent=1) + "\n")


def verified(copy: Path, profile: str, scratch: Path) -> float:
    """How long a verification takes in that checkout, in seconds; it must pass. Its reports/ are written."""
    environ = {**os.environ, "XDG_CACHE_HOME": str(scratch / "cache"), "XDG_STATE_HOME": str(scratch / "state")}
    began = time.monotonic()
    done = subprocess.run(
        ["./lab", "verify", "--profile", profile], cwd=copy, env=environ, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        sys.exit(f"{copy.name}: {profile} ended with {done.returncode}: {(done.stdout + done.stderr).strip()[-800:]}")
    return time.monotonic() - began


def ratios(found: dict[str, list[float]]) -> Iterator[str]:
    """One line for each kind of run that there are two checkouts of."""
    for kind, times in found.items():
        if kind.endswith(" here") and (others := found.get(kind.replace(" here", " beside"))):
            ratio = statistics.median(times) / statistics.median(others)
            yield f"{kind.removesuffix(' here')}: {ratio:.2f} of the other's time (medians)"


if __name__ == "__main__":
    main()
