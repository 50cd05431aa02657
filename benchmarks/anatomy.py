"""Does the anatomy of a move add up? `python -m benchmarks.anatomy`, while the embedded lab is up.

One guest is moved live, watched, from home to the peer and back: as it is, then with a script that takes 5 s more for
each disk on the peer, then with a vif that is kept out of the peer's bridge for 4 s. Prints a table, its parts beside
the heartbeat's stand-still, and how much longer the planted part took than without; writes
benchmarks/results/anatomy.json.
"""

import argparse
import json
import statistics
import sys
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console

from xenlab.errors import XenlabError
from xenlab.evidence.recorder import Journal
from xenlab.lab.lab import Lab
from xenlab.lab.watch import Watch
from xenlab.lab.watch_analysis import with_figures
from xenlab.lab.watched_move import WatchedMove
from xenlab.outcomes import AnatomySummary, MigrationRecord
from xenlab.scenarios.catalogue import scenario_named
from xenlab.scenarios.planting import plant
from xenlab.testbed.embedded import EmbeddedLab
from xenlab.testbed.joining import join
from xenlab.testbed.plan import GUESTS

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks/results/anatomy.json"
SECONDS = 900
PLANTED = ("slow-disk-script", "late-vif")
Row = dict[str, float | str]


def moved(lab: Lab, rounds: int, kind: str) -> Iterator[Row]:
    """A row a move, away and back."""
    guest = lab.guest(GUESTS[0].name)
    watch = Watch(lab.spec.probes, run=lab.custody.run, seconds=SECONDS)
    for _ in range(rounds):
        for to in (lab.hosts.peer_of(guest.home), guest.home):
            with watch.around(guest) as watched:
                move = guest.live_migrate(to)
            seen = WatchedMove.of(move.migration, watched.observed, lab.spec.probes)
            bare = MigrationRecord(guest=guest.name, kind="live", source="", target="", seconds=0, same_boot=True)
            record = with_figures(bare, seen.analysis)
            if record.anatomy is None or record.heartbeat is None:
                raise XenlabError(f"nothing is known of the move to {to.name}")
            row = row_of(record.anatomy, record.heartbeat.stood_still_ms, f"{kind} to {to.name}")
            print("  ".join(f"{key} {value}" for key, value in row.items()), flush=True)
            yield row


def row_of(anatomy: AnatomySummary, heartbeat_ms: float, what: str) -> Row:
    """The stand-still's parts in seconds, beside what the heartbeat says."""
    parts = {stage.stage: round(stage.stood_still_ms / 1000, 1) for stage in anatomy.stages}
    told = (sum(stage.stood_still_ms for stage in anatomy.stages) + anatomy.untold_ms) / 1000
    return {
        "move": what,
        **parts,
        "sum": round(told, 1),
        "heartbeat": round(heartbeat_ms / 1000, 1),
        "network": round((anatomy.brownout_ms or 0) / 1000, 1),
        "sentence": anatomy.sentence,
    }


def grown(rows: list[Row], kind: str, part: str) -> float:
    """By how much a part of the moves to the peer is longer than as it is (medians), in seconds."""

    def median(of: str) -> float:
        away = [row for row in rows if str(row["move"]) == f"{of} to {first_target(rows)}"]
        return statistics.median(float(row.get(part, 0.0)) for row in away)

    return median(kind) - median("as it is")


def first_target(rows: list[Row]) -> str:
    """The host that the first move went to."""
    return str(rows[0]["move"]).rpartition(" to ")[2]


def main() -> None:
    """Move, and tell."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.anatomy", description=(__doc__ or "").split("?")[0])
    parser.add_argument("--rounds", type=int, default=2, help="moves away and back of each kind (default: 2)")
    given = parser.parse_args()
    spec, embedded = join(ROOT), EmbeddedLab(ROOT, Console(stderr=True))
    embedded.keep("before-anatomy")
    rows: list[Row] = []
    try:
        for kind in ("as it is", *PLANTED):
            embedded.go_back("before-anatomy")
            with Lab(spec, Journal(None).append) as lab:
                lab.begin("embedded", str(ROOT))
                try:
                    lab.guest(GUESTS[0].name).start(lab.guest(GUESTS[0].name).home)
                    for _ in range(given.rounds):
                        if kind in PLANTED:
                            plant(scenario_named(kind), spec, embedded)
                        rows += moved(lab, 1, kind)
                finally:
                    lab.bring_home()
                    lab.leave()
    except XenlabError as problem:
        print(problem, file=sys.stderr)
        sys.exit(problem.exit_code)
    finally:
        embedded.go_back("before-anatomy")
        RESULTS.write_text(json.dumps(rows, indent=1) + "\n")
    print(f"{PLANTED[0]}: disks {grown(rows, PLANTED[0], 'disks'):+.1f} s")
    print(f"{PLANTED[1]}: network {grown(rows, PLANTED[1], 'network'):+.1f} s")


if __name__ == "__main__":
    main()
