"""Does a profile lose guests? `python -m benchmarks.sturdiness`, while the embedded lab is up.

Boots both guests at once, each on a host of its own and then on the other one, and moves them live, watched, from host
to host; every second round beside a machine that is kept busy. A guest that is lost ends it, with what its console said
last. Writes what was done, and how often, to benchmarks/results/sturdiness.json.
"""

import argparse
import json
import multiprocessing
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from xenlab.errors import XenlabError
from xenlab.evidence.recorder import Journal
from xenlab.lab.guest import Guest
from xenlab.lab.lab import Lab
from xenlab.lab.side_evidence import beside
from xenlab.lab.watch import Watch
from xenlab.remote.side_by_side import side_by_side
from xenlab.testbed.joining import join

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks/results/sturdiness.json"
MOVE_SECONDS = 900
Done = Counter[str]


def burn() -> None:
    """Keep one processor busy until it is ended."""
    while True:
        pass


@contextmanager
def busy(processors: int) -> Iterator[None]:
    """Keep so many of this machine's processors busy."""
    burning = [multiprocessing.Process(target=burn, daemon=True) for _ in range(processors)]
    for one in burning:
        one.start()
    try:
        yield
    finally:
        for one in burning:
            one.kill()
            one.join()


def boot_both(lab: Lab, done: Done, how: str) -> None:
    """Start both guests at once, at home and then away, and shut them down again.

    Two that are created on one busy emulated host at once make libxl give up on its hotplug scripts after 10 s.
    """
    guests = list(lab.guests.values())
    for away in (False, True):
        began = time.monotonic()
        places = {guest.name: lab.hosts.peer_of(guest.home) if away else guest.home for guest in guests}
        side_by_side(lambda guest, on=places: guest.start(on[guest.name]), guests)  # type: ignore[misc]
        done[f"boots, {how}"] += len(guests)
        where = " and ".join(f"{name} on {host.name}" for name, host in places.items())
        print(f"booted in {time.monotonic() - began:.0f} s, {how}: {where}", flush=True)
        side_by_side(lambda guest: guest.acts.shut_down(), guests)


def move_watched(lab: Lab, guest: Guest, done: Done, how: str) -> None:
    """Move the guest live to the other host, watched as in a graded run."""
    to = lab.hosts.peer_of(lab.hosts.named(guest.acts.where().whole_on()))
    watch = Watch(lab.spec.probes, run=lab.custody.run, seconds=MOVE_SECONDS)
    with watch.around(guest):
        move = guest.live_migrate(to)
    lost = [finding for finding in (*move.arrived(), move.kept_its_boot()) if finding.holds is not True]
    if lost:
        raise XenlabError(f"{guest.name} was lost on its way to {to.name}: {lost[0].actual}")
    done[f"watched moves, {how}"] += 1
    print(f"{guest.name} to {to.name} in {move.migration.seconds:.1f} s, {how}", flush=True)


def last_words(lab: Lab) -> str:
    """What both hosts and their guests' consoles wrote."""
    texts = (beside(lab.hosts, lab.found.hosts, guest) for guest in lab.guests)
    return "\n".join(f"{title}:\n{text}" for one in texts for title, text in one)


def work(lab: Lab, boots: int, moves: int, processors: int, done: Done) -> None:
    """All of it, every second round beside a busy machine."""
    for number in range(boots):
        how = "busy" if number % 2 else "idle"
        with busy(processors if number % 2 else 0):
            boot_both(lab, done, how)
    for guest in lab.guests.values():
        guest.start(guest.home)
    for number in range(moves):
        how = "busy" if number // 4 % 2 else "idle"
        with busy(processors if how == "busy" else 0):
            move_watched(lab, list(lab.guests.values())[number // 2 % len(lab.guests)], done, how)


def main() -> None:
    """Do it once, and tell what became of it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sturdiness", description=(__doc__ or "").split("`")[0])
    parser.add_argument("--boots", type=int, default=4, help="rounds of boots on both hosts (default: 4)")
    parser.add_argument("--moves", type=int, default=60, help="watched moves (default: 60)")
    parser.add_argument("--busy", type=int, default=2, metavar="N", help="processors kept busy (default: 2)")
    given = parser.parse_args()
    done: Done = Counter()
    lost = ""
    with Lab(join(ROOT), Journal(None).append) as lab:
        lab.begin("embedded", str(ROOT))
        try:
            work(lab, given.boots, given.moves, given.busy, done)
        except XenlabError as problem:
            lost = f"{problem}\n{last_words(lab)}"
            print(lost, file=sys.stderr)
        finally:
            lab.bring_home()
            lab.leave()
    RESULTS.write_text(json.dumps({"done": done, "lost": lost}, indent=1) + "\n")
    print(", ".join(f"{count} {what}" for what, count in done.items()))
    sys.exit(1 if lost else 0)


if __name__ == "__main__":
    main()
