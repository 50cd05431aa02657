"""Watches a guest of the embedded lab while something befalls it: run as a program of its own, in its namespace.

Usage: plant.py WORKING_COPY WHAT. Prints what the probes made of it, as JSON.
"""

import json
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from rich.console import Console
from xenlab.lab.migration import Migration

from xenlab.errors import CannotObserve
from xenlab.lab.guest import Guest
from xenlab.lab.lab import Lab
from xenlab.lab.watch import Watch
from xenlab.testbed import provision
from xenlab.testbed.embedded import EmbeddedLab

SECONDS = 4.0


def nothing(guest: Guest) -> None:
    time.sleep(SECONDS)


def freeze(guest: Guest) -> None:
    dom0 = guest.host.remote
    dom0.run("xl", "pause", guest.name).check()
    time.sleep(SECONDS)
    dom0.run("xl", "unpause", guest.name).check()


def cut(guest: Guest) -> None:
    dom0 = guest.host.remote
    vif = f"vif{dom0.run('xl', 'domid', guest.name).check().stdout.strip()}.0"
    dom0.run("ip", "link", "set", vif, "down").check()
    time.sleep(SECONDS)
    dom0.run("ip", "link", "set", vif, "up").check()


def filter_echo(guest: Guest) -> None:
    for value in ("1", "0"):
        guest.remote.run("sh", "-c", f"echo {value} >/proc/sys/net/ipv4/icmp_echo_ignore_all").check()
        time.sleep(SECONDS)


def reboot(guest: Guest) -> None:
    with suppress(CannotObserve):
        guest.remote.run("sh", "-c", "sync; echo b >/proc/sysrq-trigger", timeout=10)
    guest.remote.close()
    guest.remote.wait_until_reachable(240, "the guest to come back")


EVENTS: dict[str, Callable[[Guest], None]] = {
    "nothing": nothing,
    "freeze": freeze,
    "cut": cut,
    "filter": filter_echo,
    "reboot": reboot,
}


def main() -> None:
    spec = EmbeddedLab(Path(sys.argv[1]), Console(stderr=True)).join()
    with Lab(spec, provision.no_record) as lab:
        guest = lab.guest("guest1")
        if not guest.is_running:
            guest.create(on=guest.home)
        watch, before = Watch(guest, spec.probes), guest.inside.boot_id
        with watch.running():
            started = time.monotonic()
            EVENTS[sys.argv[2]](guest)
            ended = time.monotonic()
        move = Migration("guest1", "live", guest.home, guest.home, started, ended, before, guest.inside.boot_id)
        seen, pulse = watch.outside(move), watch.pulse
        result = {
            "causes": [diagnosis.cause for diagnosis in seen.causes],
            "silence": seen.continuity.longest_silence,
            "same_boot": bool(move.kept_its_boot()),
            "same_connection": all(watch.connection_lived()),
            "pulse": pulse and asdict(pulse),
        }
    json.dump(result, sys.stdout)


if __name__ == "__main__":
    main()
