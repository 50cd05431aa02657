"""Does to the embedded lab what must never harm its guests: run as a program of its own, in the lab's namespace.

Usage: harm.py WORKING_COPY FOLDER WHAT. Prints what came of it, as JSON; FOLDER keeps what the run noted.
"""

import json
import os
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from xenlab.errors import XenlabError
from xenlab.evidence.recorder import Journal
from xenlab.lab.custody import Custody
from xenlab.lab.guest import Guest
from xenlab.lab.lab import Lab
from xenlab.lab.left import LabLeft
from xenlab.lab.watch import Watch
from xenlab.lab.watched_move import WatchedMove
from xenlab.labfile import LabFile
from xenlab.outcomes import Finding
from xenlab.remote.waiting import wait_for
from xenlab.testbed.joining import join

Result = dict[str, Any]
COPY, FOLDER = Path(sys.argv[1]), Path(sys.argv[2])


@contextmanager
def begun(spec: LabFile, folder: Path = FOLDER) -> Iterator[Lab]:
    """The lab in the custody of a run of its own; given back even if the body fails."""
    with Lab(spec, Journal(None).append, custody=Custody(folder / "custody")) as lab:
        lab.begin("embedded", str(COPY))
        yield lab


def refused(act: Callable[[], object]) -> Result:
    """What an act was refused with."""
    try:
        act()
    except XenlabError as problem:
        actual = getattr(problem, "actual", "")
        return {
            "kind": type(problem).__name__,
            "fault": problem.exit_code == 1,
            "words": str(problem),
            "actual": actual,
        }
    return {"kind": "", "fault": False, "words": "", "actual": ""}


def where(lab: Lab) -> dict[str, str]:
    """Where every guest is."""
    return {name: guest.acts.look().words for name, guest in lab.guests.items()}


def disk_is_sound(lab: Lab, guest: Guest) -> bool:
    """Whether the guest's file system is clean, asked on the server while the guest is off."""
    image = f"/srv/private/artem/{guest.name}.img"
    checked = lab.hosts.named("baye").remote.run("e2fsck", "-fn", image, timeout=300)
    return checked.exit_code in (0, 1) and "ERRORS" not in checked.stdout


def gone_home(lab: Lab) -> Result:
    """Bring all home, and say where they are."""
    homecomings = lab.bring_home()
    lab.leave()
    return {"as_found": [home.as_found for home in homecomings], "last_words": [str(home) for home in homecomings]}


def failing(findings: Iterator[Finding]) -> list[str]:
    return [f"{f.id}: {f.actual}" for f in findings if f.holds is not True]


def second_writer(spec: LabFile) -> Result:
    """guest1 runs on baye under a name that is not the lab file's; then the config itself has that name."""
    with Lab(spec, Journal(None).append) as quiet:
        baye = quiet.hosts.named("baye").remote
        path = spec.guests[0].config
        text = baye.read_bytes(path).decode()
        other = text.replace('name="guest1"', 'name="artem-guest1"')
        baye.write_file("/run/other.cfg", other.encode())
        baye.run("xl", "create", "/run/other.cfg", timeout=300).check()
    with begun(spec) as lab:
        guest = lab.guest("guest1")
        taken = refused(lambda: guest.start(on=guest.home))
        lab.hosts.named("baye").remote.write_file(path, other.encode())
        named = refused(lambda: guest.start(on=guest.home))
        lab.hosts.named("baye").remote.write_file(path, text.encode())
        lists = {host.name: host.remote.run("xl", "list").stdout for host in lab.hosts}
        result = {"taken": taken, "named": named, "lists": lists, **gone_home(lab)}
        lab.hosts.named("baye").remote.run("xl", "shutdown", "-w", "artem-guest1", timeout=300)
        return {**result, "sound": disk_is_sound(lab, guest)}


def panics(spec: LabFile) -> Result:
    """guest1's config names no ramdisk, so that its kernel finds no disk and gives up."""
    with begun(spec) as lab:
        guest = lab.guest("guest1")
        remote, path = guest.home.remote, spec.guests[0].config
        text = remote.read_bytes(path).decode()
        remote.write_file(path, re.sub(r"(?m)^ramdisk.*\n", "", text).encode())
        began = time.monotonic()
        told = refused(lambda: guest.start(on=guest.home))
        seconds = time.monotonic() - began
        remote.write_file(path, text.encode())
        return {"told": told, "seconds": seconds, **gone_home(lab), "sound": disk_is_sound(lab, guest)}


def halves(spec: LabFile) -> Result:
    """A guest that a broken handshake left half moved is neither started again nor taken for off."""
    with begun(spec) as lab:
        guest = lab.guest("guest1")
        guest.start(on=guest.home)
        home = guest.home.remote
        for argv in (("pause", "guest1"), ("rename", "guest1", "guest1--migratedaway")):
            home.run("xl", *argv).check()
        again = refused(lambda: guest.acts.create(guest.home))
        left = LabLeft.of(lab)
        result = {"again": again, "red": failing(left.nothing_is_half_moved()), **gone_home(lab), "where": where(lab)}
        for argv in (("rename", "guest1--migratedaway", "guest1"), ("unpause", "guest1"), ("shutdown", "-w", "guest1")):
            home.run("xl", *argv, timeout=300).check()
        return {**result, "sound": disk_is_sound(lab, guest)}


def as_they_were(spec: LabFile) -> Result:
    """guest1 is found running on baye, guest2 paused at home; moved about, they are left so."""
    with Lab(spec, Journal(None).append) as quiet:
        first, second = (quiet.guest(guest.name) for guest in spec.guests)
        quiet.hosts.named("baye").remote.run("xl", "create", first.spec.config, timeout=300).check()
        second.home.remote.run("xl", "create", "-p", second.spec.config, timeout=300).check()
        first.machine.wait_until_reachable(300, "guest1 to boot")
    with begun(spec) as lab:
        first = lab.guest("guest1")
        before = where(lab)
        boot = first.acts.look_inside().boot_id
        with first.nonce() as nonce:
            first.return_to(first.home)
            second = lab.guest("guest2")
            second.acts.unpause(second.home)
            moved = where(lab)
            lab.bring_home()
            look = first.acts.look_inside(nonce.file)
        result = gone_home(lab)
        after = where(lab)
        return {
            **result,
            "before": before,
            "moved": moved,
            "after": after,
            "same_boot": look.boot_id == boot,
            "nonce": look.nonce == nonce.word,
        }


def colleague(spec: LabFile) -> Result:
    """A colleague starts a domain, has one arriving and mounts something, all while a guest is graded."""
    with begun(spec) as lab:
        guest = lab.guest("guest1")
        guest.start(on=guest.home)
        remote = lab.hosts.named("baye").remote
        text = remote.read_bytes(spec.guests[1].config).decode()
        remote.write_file("/run/payroll.cfg", text.replace('name="guest2"', 'name="payroll"').encode())
        remote.run("xl", "create", "-p", "/run/payroll.cfg", timeout=300).check()
        remote.run("xl", "rename", "payroll", "mail--incoming").check()
        remote.run("sh", "-c", "mkdir -p /run/theirs && mount -t tmpfs tmpfs /run/theirs").check()
        left = LabLeft.of(lab)
        red = [
            *failing(left.guests_are_in_place()),
            *failing(left.nothing_is_half_moved()),
            *failing(left.nothing_of_ours_is_there()),
        ]
        taken = refused(lambda: lab.guest("guest2").start(on=guest.home))
        return {**gone_home(lab), "red": red, "remarks": list(left.what_others_did()), "taken": taken}


def two_runs(spec: LabFile) -> Result:
    """A second run is told in one line who has the lab, and touches nothing."""
    with begun(spec) as lab:
        other = Lab(spec, Journal(None).append, custody=Custody(FOLDER / "other"))
        with other:
            second = refused(lambda: other.begin("embedded", str(COPY)))
            act = refused(lambda: other.guest("guest1").start(on=other.guest("guest1").home))
        result = {"second": second, "act": act, **gone_home(lab)}
    with begun(spec) as lab:
        return {**result, "third": gone_home(lab)["as_found"]}


def ssh_cut(spec: LabFile) -> Result:
    """Every SSH session to the sender dies in the middle of a move: the move goes on, and its true end is told."""
    with begun(spec) as lab:
        guest, target = lab.guest("guest1"), lab.hosts.peer_of(lab.guest("guest1").home)
        guest.start(on=guest.home)
        with guest.nonce() as nonce:
            cutting = threading.Thread(target=_cut_when_moving, args=(spec,))
            cutting.start()
            move = guest.live_migrate(to=target, nonce=nonce)
            cutting.join()
            findings = [*move.arrived(), move.kept_its_boot(), move.kept(nonce)]
        return {
            "red": failing(iter(findings)),
            **gone_home(lab),
            "where": where(lab),
            "sound": disk_is_sound(lab, guest),
        }


def network_lost(spec: LabFile) -> Result:
    """xl says that the guest has moved, and it has no network there: failed, with the proof, and it comes home."""
    with begun(spec) as lab:
        guest, target = lab.guest("guest1"), lab.hosts.peer_of(lab.guest("guest1").home)
        guest.start(on=guest.home)
        # Whatever vif comes up on the target is taken off its bridge again.
        loop = "while :; do for vif in /sys/class/net/vif*; do ip link set ${vif##*/} nomaster; done; sleep 0.2; done"
        target.remote.run("sh", "-c", f"setsid sh -c '{loop}' >/dev/null 2>&1 </dev/null & echo $! >/run/loop").check()
        probes = spec.probes.model_copy(update={"max_outside_gap_ms": 20_000})
        with Watch(probes, run=lab.custody.run, seconds=600).around(guest) as watched:
            move = guest.live_migrate(to=target)
        seen = WatchedMove.of(move.migration, watched.observed, probes)
        outcome = {finding.id: finding.holds for finding in (*move.arrived(), *seen.pings_are_continuous())}
        target.remote.run("sh", "-c", "kill $(cat /run/loop)").check()
        return {"outcome": outcome, **gone_home(lab), "where": where(lab), "sound": disk_is_sound(lab, guest)}


def target_dies(spec: LabFile) -> Result:
    """The target's QEMU is killed in the middle of a move: the guest goes on on the sender, which is no fault of it."""
    pid = int(os.environ["XENLAB_TARGET_PID"])
    with begun(spec) as lab:
        guest, sender = lab.guest("guest1"), lab.hosts.named("baye")
        guest.start(on=sender)
        with guest.nonce() as nonce:
            killing = threading.Thread(target=_when_moving, args=(spec, sender.name, lambda _: os.kill(pid, 9)))
            killing.start()
            begin = time.monotonic()
            ended = refused(lambda: guest.live_migrate(to=guest.home, nonce=nonce))
            seconds = time.monotonic() - begin
            killing.join()
            rows = sender.remote.run("xl", "list").stdout
            kept = guest.acts.look_inside(nonce.file).nonce == nonce.word
        homecomings = lab.bring_home()
        lab.leave()
        sender.remote.run("xl", "shutdown", "-w", "guest1", timeout=300)
        return {
            "ended": ended,
            "seconds": seconds,
            "rows": rows,
            "kept": kept,
            "last_words": [str(home) for home in homecomings],
            "sound": disk_is_sound(lab, guest),
        }


def move(spec: LabFile) -> Result:
    """Move guest1 to the peer and say when it is on its way, to be killed by whoever started this."""
    with Lab(spec, Journal(None).append, custody=Custody()) as lab:
        lab.begin("embedded", str(COPY))
        guest = lab.guest("guest1")
        guest.start(on=guest.home)
        telling = threading.Thread(
            target=_when_moving, args=(spec, guest.home.name, lambda _: (FOLDER / "moving").touch()), daemon=True
        )
        telling.start()
        guest.live_migrate(to=lab.hosts.peer_of(guest.home))
        return gone_home(lab)


def _when_moving(spec: LabFile, sender: str, then: Callable[[Lab], object], after: float = 4.0) -> None:
    """Do something once `xl migrate` has run for some seconds on the sender."""
    with Lab(spec, Journal(None).append) as other:
        remote = other.hosts.named(sender).remote
        wait_for(lambda: remote.run("pgrep", "-f", "[x]l (-v+ )?migrate ").ok, "a move to begin", 300.0, 0.5)
        threading.Event().wait(after)
        then(other)


def _cut_when_moving(spec: LabFile) -> None:
    def cut(other: Lab) -> None:
        # Not by the connections that are cut themselves: the killer runs by itself.
        script = "setsid sh -c 'sleep 1; pkill -KILL -f \"sshd: root@\"' >/dev/null 2>&1 </dev/null &"
        other.hosts.named(spec.guests[0].home).remote.run("sh", "-c", script)

    _when_moving(spec, spec.guests[0].home, cut)


WHAT: dict[str, Callable[[LabFile], Result]] = {
    "second-writer": second_writer,
    "panics": panics,
    "halves": halves,
    "as-they-were": as_they_were,
    "colleague": colleague,
    "two-runs": two_runs,
    "ssh-cut": ssh_cut,
    "network-lost": network_lost,
    "target-dies": target_dies,
    "move": move,
}


def main() -> None:
    spec = join(COPY)
    json.dump(WHAT[sys.argv[3]](spec), sys.stdout)


if __name__ == "__main__":
    main()
