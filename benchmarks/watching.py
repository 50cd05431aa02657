"""What watching costs a move: `python -m benchmarks.watching`, while the embedded lab is up.

One guest is moved live, away and back, again and again on the same lab, the other idle at home: by a bare `xl migrate`,
by ours that nobody watches, with each probe of a watch by itself, and with the whole watch. Which goes first changes
from round to round. Prints the seconds of every move and, for each way, the median of its ratios to the unwatched moves
of the same round; writes benchmarks/results/watching.json.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from pathlib import Path

from xenlab.errors import UsageError, XenlabError
from xenlab.evidence.recorder import Journal
from xenlab.lab.dom0 import Dom0
from xenlab.lab.guest import Guest
from xenlab.lab.lab import Lab
from xenlab.lab.watch import Watch
from xenlab.probes.outside import OutsidePing
from xenlab.remote import commands, facts
from xenlab.testbed.joining import join
from xenlab.testbed.plan import GUESTS

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks/results/watching.json"
UNWATCHED = "unwatched"
BARE = "bare xl migrate"
SECONDS = 900
FILE = "/root/.xenlab-benchmark"

Way = Callable[[Lab, Guest], AbstractContextManager[object]]


@contextmanager
def outside(lab: Lab, guest: Guest) -> Iterator[None]:
    """The ping from outside alone."""
    with OutsidePing(guest.address, lab.spec.probes.outside_interval_ms / 1000) as ping:
        ping.wait_for_replies(5, 30)
        yield


@contextmanager
def program(guest: Guest, start: commands.Argv, stop: Callable[[int, str], commands.Argv]) -> Iterator[None]:
    """One program in the guest."""
    started = facts.background(guest.machine.run(*start).check().stdout)
    yield
    guest.machine.run(*stop(started.pid, started.file))


def inside(lab: Lab, guest: Guest) -> AbstractContextManager[None]:
    """The guest's own ping alone."""
    start = commands.start_ping(guest.ping_target, FILE, lab.spec.probes.inside_interval_ms, SECONDS)
    return program(guest, start, commands.stop_ping)


def writer(lab: Lab, guest: Guest) -> AbstractContextManager[None]:
    """The writer to its disk alone."""
    return program(guest, commands.start_writer(FILE, lab.spec.probes.write_interval_ms, SECONDS), commands.stop_writer)


def heartbeat(lab: Lab, guest: Guest) -> AbstractContextManager[None]:
    """The heartbeat alone."""
    start = commands.start_heartbeat(FILE, lab.spec.probes.heartbeat_interval_ms, SECONDS)
    return program(guest, start, commands.stop_heartbeat)


@contextmanager
def echo(lab: Lab, guest: Guest) -> Iterator[None]:
    """The TCP connection alone."""
    connection = guest.machine.pinned_connection()
    if connection is None:
        raise UsageError(f"{guest.name} is not reached by SSH")
    with closing(connection):
        echoed = connection.echo(lab.spec.probes.echo_interval_ms / 1000)
        echoed.wait_for_more(30)
        yield
        echoed.finish(90)


def whole(lab: Lab, guest: Guest) -> AbstractContextManager[object]:
    """All of it, as a graded move is watched."""
    return Watch(lab.spec.probes, run=lab.custody.run, seconds=SECONDS).around(guest)


WAYS: dict[str, Way] = {
    BARE: lambda _lab, _guest: nullcontext(),
    UNWATCHED: lambda _lab, _guest: nullcontext(),
    "outside ping": outside,
    "inside ping": inside,
    "writer": writer,
    "heartbeat": heartbeat,
    "connection": echo,
    "whole watch": whole,
}


def seconds_of(way: str, lab: Lab, guest: Guest, to: Dom0) -> float:
    """How long `xl migrate` took, watched that way."""
    with WAYS[way](lab, guest):
        if way != BARE:
            return guest.live_migrate(to).migration.seconds
        sender = lab.hosts.peer_of(to)
        began = time.monotonic()
        sender.remote.run("xl", "migrate", guest.name, to.spec.among_hosts, timeout=SECONDS, changes=True).check()
        return time.monotonic() - began


def measured(lab: Lab, ways: list[str], rounds: int) -> Iterator[dict[str, list[float]]]:
    """Each round's seconds, away and back, by way."""
    guest = lab.guest(GUESTS[0].name)
    # The other guests run beside it, as in a graded run.
    for each in lab.guests.values():
        each.start(each.home)
    for number in range(rounds):
        turn = number % len(ways)
        taken: dict[str, list[float]] = {}
        for way in ways[turn:] + ways[:turn]:
            hosts = (lab.hosts.peer_of(guest.home), guest.home)
            taken[way] = [seconds_of(way, lab, guest, host) for host in hosts]
            print(f"round {number + 1}, {way}: {' and '.join(f'{each:.1f}' for each in taken[way])} s", flush=True)
        yield taken


def main() -> None:
    """Measure the rounds."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.watching", description=(__doc__ or "").split(":")[0])
    parser.add_argument("--rounds", type=int, default=3, help="how many (default: 3)")
    parser.add_argument("--way", action="append", choices=list(WAYS), help="only these, and the unwatched move")
    given = parser.parse_args()
    ways = [way for way in WAYS if way == UNWATCHED or not given.way or way in given.way]
    try:
        with Lab(join(ROOT), Journal(None).append) as lab:
            lab.begin("embedded", str(ROOT))
            try:
                rounds = list(measured(lab, ways, given.rounds))
            finally:
                lab.bring_home()
                lab.leave()
    except XenlabError as problem:
        print(problem, file=sys.stderr)
        sys.exit(problem.exit_code)
    ratios = {
        way: statistics.median(sum(taken[way]) / sum(taken[UNWATCHED]) for taken in rounds)
        for way in ways
        if way != UNWATCHED
    }
    for way, ratio in ratios.items():
        print(f"{way}: {ratio:.2f} of the unwatched moves (median of {len(rounds)})")
    RESULTS.write_text(json.dumps({"ratios": ratios, "rounds": rounds}, indent=1) + "\n")


if __name__ == "__main__":
    main()
