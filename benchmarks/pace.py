"""Does the outside ping keep its pace? `python -m benchmarks.pace`: a packet a millisecond for a minute.

Runs over a veth pair in a network namespace of its own. Prints which share of the schedule's slots was served
within one interval, and which share of one core that took, and writes benchmarks/results/pace.json.
"""

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.wire import FAR, in_own_namespace, wire
from xenlab.probes.continuity import analyse
from xenlab.probes.outside import OutsidePing

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks/results/pace.json"


def measure(interval: float, seconds: float) -> dict[str, float]:
    """Ping for so long; times in seconds, `core` the share of one core that sending and receiving took."""
    with wire(), OutsidePing(FAR, interval) as ping:
        ping.wait_for_replies(10, timeout=10)
        began, before = time.monotonic(), _cpu()
        time.sleep(seconds)
        core = (_cpu() - before) / (time.monotonic() - began)
    seen = analyse(ping.trace())
    assert seen.on_time is not None  # noqa: S101 - for the type checker: an outside ping has a schedule
    return {
        "interval": interval,
        "seconds": seconds,
        "sent": seen.sent,
        "lost": seen.lost,
        "on_time": seen.on_time,
        "worst_lateness": seen.worst_lateness,
        "core": core,
    }


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main(argv: Sequence[str] | None = None) -> None:
    """Measure once, in a namespace of its own."""
    options = argparse.ArgumentParser(prog="python -m benchmarks.pace", description=__doc__)
    options.add_argument("--interval-ms", type=float, default=1.0, metavar="MS", help="default: 1")
    options.add_argument("--seconds", type=float, default=60.0, metavar="S", help="default: 60")
    options.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    chosen = options.parse_args(argv)
    if chosen.here:
        json.dump(measure(chosen.interval_ms / 1000, chosen.seconds), sys.stdout)
        return
    words = [f"--interval-ms={chosen.interval_ms}", f"--seconds={chosen.seconds}", "--here"]
    command = in_own_namespace([sys.executable, "-m", "benchmarks.pace", *words])
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(done.stderr.strip())
    found = json.loads(done.stdout)
    machine = {"kernel": platform.release(), "python": platform.python_version(), "cores": os.cpu_count()}
    finished = datetime.now(UTC).isoformat(timespec="seconds")
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(
        json.dumps({"command": "python -m benchmarks.pace", "finished": finished, "machine": machine, **found}) + "\n"
    )
    print(
        f"every {chosen.interval_ms:g} ms for {chosen.seconds:g} s: {found['on_time']:.3%} of the slots served within "
        f"one interval, at worst {found['worst_lateness'] * 1000:.1f} ms late, {found['core']:.1%} of one core"
    )


if __name__ == "__main__":
    main()
