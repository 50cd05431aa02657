"""The embedded lab: bringing it up, looking around in it, ending it."""

import argparse
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from xenlab.cli.grammar import Verbs, add_network, add_profile, add_verb
from xenlab.testbed.plan import HOSTS

if TYPE_CHECKING:
    from xenlab.testbed.embedded import EmbeddedLab


def add_verbs(verbs: Verbs) -> None:
    """Add `up`, `status`, `ssh`, `console` and `down`."""
    up = add_verb(verbs, "up", _up, "bring the embedded lab up and leave it running", "--profile classic")
    add_profile(up)
    add_network(up)
    up.add_argument("--cold", action="store_true", help="boot anew instead of restoring the snapshot")

    add_verb(verbs, "status", _status, "what is running, and how to reach it")
    ssh = add_verb(
        verbs, "ssh", _ssh, "a root shell on a host (or guest) of the running lab, or one command", "baye xl list"
    )
    ssh.add_argument("machine", metavar="HOST")
    ssh.add_argument("command", nargs=argparse.REMAINDER, metavar="COMMAND")
    console = add_verb(verbs, "console", _console, "a guest's console (leave with Ctrl-])", "guest1")
    console.add_argument("guest", metavar="GUEST")
    add_verb(verbs, "down", _down, "end the lab and leave nothing of it")


def _lab(working_copy: Path) -> "EmbeddedLab":
    from rich.console import Console

    from xenlab.testbed.embedded import EmbeddedLab

    return EmbeddedLab(working_copy, Console(stderr=True))


def _up(arguments: argparse.Namespace) -> int:
    started = time.monotonic()
    lab = _lab(arguments.working_copy)
    state = lab.up(arguments.profile, network=arguments.network, cold=arguments.cold)
    print(f"the {state.profile} lab is up after {time.monotonic() - started:.1f} s: ./lab status, ./lab ssh HOST")
    return 0


def _status(arguments: argparse.Namespace) -> int:
    from xenlab.testbed.network import NetworkChoice
    from xenlab.testbed.state import LabState, lab_folder

    state = LabState.load(lab_folder(arguments.working_copy))
    if state is None:
        print("no lab is up in this working copy")
        return 0
    word = "up" if state.running else "broken (./lab down clears it)"
    print(f"{state.profile} lab: {word}, since {state.minutes_up:.0f} min, on {state.accelerator} ({state.reason})")
    print(f"  network    {NetworkChoice(state.network, state.network_reason)}")
    for host in HOSTS:
        process = state.hosts.get(host.name)
        alive = f"pid {process.pid}" if process and process.alive else "gone"
        way = state.ways_in.get(host.name)
        here = f", from here {way.address} port {way.port}" if way else ""
        log = state.folder / f"{host.name}.console.log"
        print(f"  {host.name:<10} {host.address:<12} {alive}{here}, console log {log}")
    print(f"  lab file   {state.lab_file}")
    if state.checkpoints:
        from xenlab.scenarios.sheet import TASKS

        solved = ", ".join(task.step for task in TASKS if task.checkpoint in state.checkpoints) or "nothing yet"
        print(f"  practice   solved: {solved} (./lab check says what is next)")
    if state.planted:
        print(f"  planted    {', '.join(state.planted)} (./lab break --undo)")
    return 0 if state.running else 3


def _ssh(arguments: argparse.Namespace) -> int:
    from xenlab.testbed import shell
    from xenlab.testbed.joining import join

    return _become(shell.ssh(join(arguments.working_copy), arguments.machine, arguments.command))


def _console(arguments: argparse.Namespace) -> int:
    from xenlab.lab.lab import Lab
    from xenlab.testbed import shell
    from xenlab.testbed.joining import join
    from xenlab.testbed.provision import no_record

    spec = join(arguments.working_copy)
    with Lab(spec, no_record) as lab:
        host = lab.guest(arguments.guest).acts.look().whole_on()
    return _become(shell.console(spec, arguments.guest, host))


def _become(argv: list[str]) -> int:
    """Hand the terminal over to another program, which inherits the lab's network."""
    os.execvp(argv[0], argv)


def _down(arguments: argparse.Namespace) -> int:
    from xenlab.opening import forget_embedded

    print("the lab is down" if _lab(arguments.working_copy).down() else "no lab was up")
    forget_embedded(arguments.working_copy)
    return 0
