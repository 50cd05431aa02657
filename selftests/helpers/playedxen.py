"""Two played Xen hosts on this machine, to test decisions with; nothing of them is ever graded.

Each host is a folder of state. Commands really run, in this machine's sh, with a PATH that begins with `played/bin`:
xl and its like there work on that folder. What a host keeps in a fixed place (its lock, sysfs) is below its folder.
"""

import hashlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest

from xenlab.lab import acts, booting, bringing_home, lab
from xenlab.lab.acts import Acts
from xenlab.lab.custody import Custody, LabFound, now, this_process
from xenlab.lab.dom0 import Dom0, HostPair
from xenlab.labfile import GuestSpec, HostSpec, LabFile, ShareSpec
from xenlab.labfile_limits import ProbeSpec, TimeoutSpec
from xenlab.remote.errors import CommandTimedOut, ConnectionLost, HostUnreachable
from xenlab.remote.result import CommandResult
from xenlab.remote.waiting import NotInTime, wait_for

PLAYED = Path(__file__).parent / "played"
ADDRESSES = {"labubuntu": "10.1.1.189", "baye": "10.1.1.143", "guest1": "10.1.1.85", "guest2": "10.1.1.86"}
HOSTS, GUESTS = ("labubuntu", "baye"), ("guest1", "guest2")
TIMEOUTS = TimeoutSpec(command_seconds=20, boot_seconds=5, after_move_seconds=0.1, migrate_seconds=20)
RUNS = "-b----"


@dataclass(frozen=True)
class Done:
    """An act as xl was asked for it, and the last line that custody had on the disk by then."""

    host: str
    words: str
    noted: str


class PlayedMachine:
    """Stands in for RemoteHost: its commands run here, with `environ` and with its own folders for fixed ones.

    It has no timeout(1), which would be every second process of a look: nothing that it is asked hangs.
    """

    way_in = "over SSH, host key SHA256:played"
    fingerprint = "SHA256:played"
    old_algorithms = ()

    def __init__(self, name: str, folder: Path, environ: Mapping[str, str], places: Mapping[str, Path]) -> None:
        self.name = name
        self.address = ADDRESSES[name]
        self.folder = folder
        self.ran: list[tuple[str, ...]] = []
        self.closed = 0
        self._environ = {**os.environ, "PATH": f"{PLAYED / 'bin'}:{os.environ['PATH']}", "LC_ALL": "C", **environ}
        self._places = places
        self._cuts: list[tuple[str, float]] = []
        self._numbers = count(1)
        self._left: list[subprocess.Popen[str]] = []

    @property
    def silent(self) -> bool:
        return (self.folder / "silent").exists()

    @silent.setter
    def silent(self, silent: bool) -> None:
        (self.folder / "silent").write_text("") if silent else (self.folder / "silent").unlink(missing_ok=True)

    def answers(self) -> bool:
        return not self.silent

    def cut(self, word: str, silent_for: float = 0.0) -> None:
        """Break the connection of the next command that has `word` in it; its program goes on."""
        self._cuts.append((word, silent_for))

    def run(
        self,
        *argv: str,
        timeout: float | None = None,
        changes: bool = False,
        stdin: str | None = None,
        leave_running: bool = False,
    ) -> CommandResult:
        self.ran.append(argv)
        self._must_answer()
        id_, begun = f"{self.name}-{next(self._numbers)}", time.monotonic()
        cut = next((cut for cut in self._cuts if any(cut[0] in word for word in argv)), None)
        process = subprocess.Popen(
            [self._here(word) for word in argv],
            stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self._environ,
            start_new_session=True,
        )
        if cut:
            self._cuts.remove(cut)
            self._left.append(process)
            self._answers_again = time.monotonic() + cut[1]
            raise ConnectionLost(f"{self.name}: the connection broke", sent=True)
        try:
            out, err = process.communicate(stdin, timeout=timeout)
        except subprocess.TimeoutExpired as late:
            os.killpg(process.pid, signal.SIGTERM)
            process.communicate()
            raise CommandTimedOut(f"{self.name}: {argv[0]} did not end in {timeout} s", evidence=(id_,)) from late
        seconds = time.monotonic() - begun
        return CommandResult(process.returncode, out, err, seconds, self.name, " ".join(argv), id_)

    def read_screen(self, *argv: str, timeout: float) -> CommandResult:
        return self.run(*argv, timeout=timeout)

    def wait_until_reachable(self, timeout: float, word: str = "") -> None:
        try:
            wait_for(lambda: self.answers() and time.monotonic() >= self._answers_again, word, timeout, 0.01)
        except NotInTime as late:
            raise HostUnreachable(f"{late.message}: {self.name} does not answer") from late

    def runs_as_root(self) -> bool:
        self._must_answer()
        return True

    def pinned_connection(self) -> None:
        return None

    def close(self) -> None:
        self.closed += 1

    def puts(self, fixed: str, place: Path) -> None:
        """What commands name as below `fixed` lies there."""
        self._places = {**self._places, fixed: place}

    def end(self) -> None:
        """End what was cut off and goes on."""
        for process in self._left:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()

    _answers_again = 0.0

    def _must_answer(self) -> None:
        if not self.answers() or time.monotonic() < self._answers_again:
            raise HostUnreachable(f"{self.name} cannot be reached: no answer")

    def _here(self, word: str) -> str:
        for fixed, place in self._places.items():
            word = word.replace(fixed, str(place))
        return word


class PlayedGuest(PlayedMachine):
    """A guest's inside: it answers while exactly one host has it, alive."""

    runs: Callable[[], bool]

    def answers(self) -> bool:
        return self.runs() and not self.silent


class PlayedXen:
    """Both hosts with an NFS share between them, and two guests that are off until a test says otherwise."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.share = folder / "mnt"
        self.custody = Custody(folder / "custody")
        for part in ("addresses", "mnt", "pinged"):
            (folder / part).mkdir(parents=True)
        self.machines = {name: self._host(name) for name in HOSTS} | {name: self._guest(name) for name in GUESTS}
        self.spec = LabFile(
            name="played",
            share=(ShareSpec(server="baye", export=f"{folder}/srv", mount_point=str(self.share)),),
            probes=ProbeSpec(),
            timeouts=TIMEOUTS,
            hosts=(self._host_spec("labubuntu"), self._host_spec("baye")),
            guests=tuple(self._guest_spec(name) for name in GUESTS),
        )
        first, second = (
            Dom0(spec, self.machines[spec.name], TIMEOUTS)  # type: ignore[arg-type]
            for spec in self.spec.hosts
        )
        self.hosts = HostPair(first, second)
        self.home, self.peer = first, second

    def take_custody(self) -> None:
        """Have the lab as found noted, so that acts may happen."""
        found = LabFound(
            run=self.custody.run,
            process=this_process(),
            began=now(),
            lab_name="lab.toml",
            working_copy=str(self.folder),
            lab_file="",
            guests={},
        )
        self.custody.begin(found)

    def acts(self, guest: str = "guest1", timeouts: TimeoutSpec = TIMEOUTS) -> Acts:
        """What can be done to one guest."""
        spec = next(spec for spec in self.spec.guests if spec.name == guest)
        return Acts(spec, self.machines[guest], self.hosts, timeouts, self.custody)

    def config(self, guest: str) -> Path:
        return self.share / f"{guest}.cfg"

    def disk(self, guest: str) -> Path:
        return self.share / f"{guest}.img"

    def runs(self, guest: str, host: str, state: str = RUNS, *disks: str) -> None:
        """The guest (or any domain) is on this host; `disks` are "target vdev mode", else the guest's own."""
        folder = self.machines[host].folder
        id_ = int((folder / "next").read_text()) + 1
        (folder / "next").write_text(f"{id_}\n")
        rows = disks or (f"{self.disk(guest)} xvda1 w",)
        (folder / "domains" / guest).write_text("\n".join([str(id_), state, str(self.config(guest)), *rows, ""]))
        if guest in GUESTS:
            self.boot_id(guest).write_text(Path("/proc/sys/kernel/random/uuid").read_text())

    def goes(self, guest: str, host: str) -> None:
        """The guest leaves this host."""
        (self.machines[host].folder / "domains" / guest).unlink()

    def where(self, guest: str = "guest1") -> dict[str, str]:
        """Every domain of the guest, halves too, as "host/name", with its state."""
        return {
            f"{host}/{file.name}": file.read_text().splitlines()[1]
            for host in HOSTS
            for file in sorted((self.machines[host].folder / "domains").iterdir())
            if file.name.partition("--")[0] == guest
        }

    def plan(self, host: str, verb: str, how: str, seconds: float = 0) -> None:
        """How xl's `verb` goes on this host from now on; see played/bin/xl."""
        (self.machines[host].folder / "plans" / verb).write_text(f"{how} {seconds:g}\n")

    def silence(self, machine: str) -> None:
        """The host or guest does not answer any more."""
        self.machines[machine].silent = True

    def mute(self, host: str, program: str) -> None:
        """`xl` or `xenstore` gives no answer on this host."""
        (self.machines[host].folder / f"mute-{program}").write_text("")

    def boot_id(self, guest: str) -> Path:
        return self.machines[guest].folder / "boot_id"

    def let_go(self) -> None:
        """What hangs goes on, and works."""
        (self.folder / "over").write_text("")

    @property
    def done(self) -> list[Done]:
        """Every act of xl until now."""
        file = self.folder / "acts"
        lines = file.read_text().splitlines() if file.exists() else []
        return [Done(*line.split("\t")) for line in lines]

    @property
    def acted(self) -> list[str]:
        """Every act in short: "labubuntu create guest1"."""
        return [f"{act.host} {act.words}" for act in self.done]

    @property
    def state(self) -> dict[str, str]:
        """Every file of hosts and guests, their domains among them, by its digest."""
        files = (path for path in sorted(self.folder.rglob("*")) if path.is_file())
        return {str(path.relative_to(self.folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}

    def end(self) -> None:
        self.let_go()
        for machine in self.machines.values():
            machine.end()
        moving = [self.machines[host].folder / "migrating" for host in HOSTS]
        wait_for(lambda: not any(list(folder.iterdir()) for folder in moving), "played migrations to end", 10, 0.01)

    def _host(self, name: str) -> PlayedMachine:
        folder = self.folder / "hosts" / name
        for part in ("domains", "migrating", "plans", "run", "etc", "sys"):
            (folder / part).mkdir(parents=True)
        (folder / "next").write_text("0\n")
        (self.folder / "addresses" / ADDRESSES[name]).symlink_to(folder)
        environ = {"PLAYED": str(self.folder), "PLAYED_HOST": name, "PLAYED_WORDS": str(PLAYED / "words")}
        places = {"/run/xenlab": folder / "run/xenlab", "/etc/xen": folder / "etc", "/sys/class/block": folder / "sys"}
        return PlayedMachine(name, folder, environ, places)

    def _guest(self, name: str) -> PlayedMachine:
        folder = self.folder / "guests" / name
        (folder / "root").mkdir(parents=True)
        self.disk(name).write_bytes(b"disk of " + name.encode())
        self.config(name).write_text(config_of(name, self.disk(name)))
        environ = {"PLAYED": str(self.folder), "PLAYED_GUEST": name}
        places = {"/root": folder / "root", "/proc/sys/kernel/random/boot_id": folder / "boot_id"}
        guest = PlayedGuest(name, folder, environ, places)
        guest.runs = lambda: list(self.where(name).values()) in ([RUNS], ["r-----"])
        return guest

    def _host_spec(self, name: str) -> HostSpec:
        return HostSpec(name=name, address=ADDRESSES[name])

    def _guest_spec(self, name: str) -> GuestSpec:
        return GuestSpec(
            name=name,
            address=ADDRESSES[name],
            home="labubuntu",
            config=str(self.config(name)),
            ping_target="10.1.1.1",
        )


def config_of(name: str, *disks: Path) -> str:
    specs = ", ".join(f"'{disk},raw,xvda{number},w'" for number, disk in enumerate(disks, 1))
    return f'name="{name}"\nmemory=128\nkernel="/boot/vmlinuz"\ndisk = [{specs}]\n'


def shorten(monkeypatch: pytest.MonkeyPatch) -> None:
    """What our own code waits for on hosts comes about in no time here."""
    seconds = {"_LOGIN": 0.1, "_PAUSE": 0.05, "_GONE": 0.2, "_SETTLE": 0.1, "_SILENCE": 0.1, "_LOOK": 0.05}
    for module, names in {
        acts: ("_GONE", "_SETTLE", "_LOOK"),
        booting: ("_LOGIN", "_PAUSE"),
        bringing_home: ("_SILENCE", "_LOOK"),
        lab: ("_SETTLE", "_LOOK"),
    }.items():
        for name in names:
            monkeypatch.setattr(module, f"{name}_SECONDS", seconds[name])


@contextmanager
def played(folder: Path) -> Iterator[PlayedXen]:
    """Two played hosts, and nothing of them left running."""
    xen = PlayedXen(folder)
    try:
        yield xen
    finally:
        xen.end()
