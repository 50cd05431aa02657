"""Watches a guest of the embedded lab while something befalls it: run as a program of its own, in its namespace.

Usage: plant.py WORKING_COPY WHAT. Prints what the probes made of it, as JSON.
"""

import json
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from xenlab.errors import CannotObserve
from xenlab.lab.guest import Guest
from xenlab.lab.judging import watched as judge
from xenlab.lab.lab import Lab
from xenlab.lab.migration import Migration
from xenlab.lab.watch import Watch
from xenlab.lab.watched_move import WatchedMove
from xenlab.remote.host import RemoteHost
from xenlab.testbed import provision
from xenlab.testbed.joining import join

SECONDS = 4.0


def let_pass(seconds: float = SECONDS) -> None:
    threading.Event().wait(seconds)


def nothing(_guest: Guest, _dom0: RemoteHost) -> None:
    let_pass()


def freeze(guest: Guest, dom0: RemoteHost) -> None:
    dom0.run("xl", "pause", guest.name).check()
    let_pass()
    dom0.run("xl", "unpause", guest.name).check()


def cut(guest: Guest, dom0: RemoteHost) -> None:
    vif = f"vif{dom0.run('xl', 'domid', guest.name).check().stdout.strip()}.0"
    dom0.run("ip", "link", "set", vif, "down").check()
    let_pass()
    dom0.run("ip", "link", "set", vif, "up").check()


def filter_echo(guest: Guest, _dom0: RemoteHost) -> None:
    for value in ("1", "0"):
        guest.machine.run("sh", "-c", f"echo {value} >/proc/sys/net/ipv4/icmp_echo_ignore_all").check()
        let_pass()


def reboot(guest: Guest, _dom0: RemoteHost) -> None:
    with suppress(CannotObserve):
        guest.machine.run("sh", "-c", "sync; echo b >/proc/sysrq-trigger", timeout=10)
    guest.machine.close()
    guest.machine.wait_until_reachable(240, "the guest to come back")


EVENTS: dict[str, Callable[[Guest, RemoteHost], None]] = {
    "nothing": nothing,
    "freeze": freeze,
    "cut": cut,
    "filter": filter_echo,
    "reboot": reboot,
}


def main() -> None:
    spec = join(Path(sys.argv[1]))
    with Lab(spec, provision.no_record) as lab:
        guest = lab.guest("guest1")
        if guest.acts.look().is_off:
            guest.home.remote.run("xl", "create", guest.spec.config, timeout=300).check()
            guest.machine.wait_until_reachable(300, "guest1 to boot")
        home = guest.acts.look().whole_on()
        before = guest.acts.look_inside()
        with Watch(spec.probes, run="planted", seconds=300).around(guest) as watched:
            started = time.monotonic()
            EVENTS[sys.argv[2]](guest, lab.hosts.named(home).remote)
            ended = time.monotonic()
        after = guest.acts.look_inside()
        move = Migration("guest1", "live", home, home, started, ended, before, after, guest.acts.look())
        analysis = WatchedMove.of(move, watched.observed, spec.probes).analysis
        result = {
            "causes": [cause.cause for cause in analysis.causes],
            "silence": analysis.worst.continuity.longest_silence,
            "same_boot": before.boot_id == after.boot_id,
            "same_connection": all(judge.connection_lived(analysis)),
            "stood_still": analysis.beating.stood_still if analysis.beating else None,
            "writes_go_on": judge.writes_went_on(analysis).holds,
        }
    json.dump(result, sys.stdout)


if __name__ == "__main__":
    main()
