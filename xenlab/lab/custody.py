"""What must be undone, on this machine's disk before it is done: so that a run that was killed can be mended.

One file a run, below the user's state folder (XDG_STATE_HOME). Its first line is the lab as it was found, each
further line an act that was about to happen; every line is on the disk before the act is begun (write-ahead).
"""

import os
import secrets
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import Literal

import platformdirs
from pydantic import AwareDatetime, ValidationError

from xenlab.errors import CannotObserve, WouldChange
from xenlab.lab.act_plan import key_of
from xenlab.lab.found import GuestFound
from xenlab.outcomes import Model
from xenlab.remote.waiting import is_stopped

WRITE = "write"
"""The act that writes a file of ours on a host or in a guest."""

WATCH = "watch"
"""The act that runs programs of ours in a guest, or on a host that watches it."""

COMMAND = "command"
"""The act that runs a command of the rubric's own which changes something; what takes it back nobody knows."""

_IN_PLACE = (WRITE, WATCH, COMMAND)
"""All others change what a guest does or where it is."""


class LabFound(Model):
    """A lab as it was found, and the run that found it.

    `lab_name` is what the run was given ("embedded" or a path), `lab_file` the lab file's text, without secrets.
    `process` is the run's process id and the time that it began, in clock ticks since the boot (proc(5)).
    `up` tells a lab that is brought up from that of another time, where it is one.
    """

    version: Literal[1] = 1
    run: str
    process: tuple[int, int]
    began: AwareDatetime
    lab_name: str
    working_copy: str
    up: str = ""
    lab_file: str
    guests: dict[str, GuestFound]


class Act(Model):
    """Something that was about to be done, by its name ("create", "migrate", ...) and what it was done to."""

    act: str
    facts: dict[str, str]


class Custody:
    """One run's responsibility for a lab.

    `run` is its id, in every name that it leaves on a machine. Until `begin` no act is let through, and none ever on
    a guest that was found unclear: nobody would know where to bring it back to. `still_ours` may refuse one later, by
    raising, when the hosts' lock was lost. `acts` are those that are not yet undone. With `read_only` there are none;
    where they were `planned`, none but those, and what brings guests home (`only_home`).
    Safe to use from several threads.
    """

    def __init__(self, folder: Path | None = None, run: str | None = None) -> None:
        self.run = run or secrets.token_hex(4)
        self.read_only = False
        self.planned: Counter[str] | None = None
        self.still_ours: Callable[[], None] = lambda: None
        self._folder = folder or default_folder()
        self._begun = False
        self._going_home = False
        self._refusal = "the lab was not looked at yet"
        self._found: Mapping[str, GuestFound] = {}
        self.acts: list[Act] = []
        self._changing = Lock()

    @property
    def path(self) -> Path:
        """The file of this run."""
        return self._folder / f"{self.run}.jsonl"

    @property
    def folder_on_hosts(self) -> str:
        """Where this run keeps files on a host, in memory only."""
        return f"/run/xenlab-{self.run}"

    def begin(self, found: LabFound) -> None:
        """Have the lab as found on the disk; acts may happen from now on.

        :raises CannotObserve: it cannot be written.
        """
        self._write(found.model_dump_json(), anew=True)
        self._begun, self._found = True, found.guests

    def resume(self, found: LabFound, acts: Iterable[Act]) -> None:
        """Go on with what an earlier process of this run has noted."""
        self._begun, self._found = True, found.guests
        self.acts += acts

    def only_home(self) -> None:
        """From now on guests are only brought home: one that something was noted of needs no further note for that.

        A disk that has become full meanwhile keeps no guest away.
        """
        self._going_home = True

    def refuse(self, why: str) -> None:
        """Let no act through: what is needed to undo it is not known."""
        self._refusal = why

    def will(self, act: str, **facts: str) -> None:
        """Note an act before it happens.

        :raises WouldChange: the run only reads.
        :raises CannotObserve: nothing may be done to this lab or this guest, or it cannot be noted.
        """
        if self.read_only:
            raise _not_done(act, facts)
        if not self._begun:
            raise CannotObserve(f"nothing is done to the lab: {self._refusal}")
        if is_stopped():
            raise CannotObserve("nothing more is done to the lab: the run is ending")
        guest = self._found.get(facts.get("guest", ""))
        if guest is not None and guest.unclear:
            raise CannotObserve(f"nothing is done to {facts['guest']}: when the run began it was {guest.unclear}")
        self.still_ours()
        noted = Act(act=act, facts=facts)
        with self._changing:
            self._keep_to_plan(noted)
            try:
                self._write(noted.model_dump_json())
            except CannotObserve:
                if not (self._going_home and facts.get("guest") in self.touched):
                    raise
            self.acts.append(noted)

    @property
    def touched(self) -> frozenset[str]:
        """The guests that something was done to which is not yet undone; a file in a guest does not move it."""
        return frozenset(act.facts["guest"] for act in self.acts if act.act not in _IN_PLACE and "guest" in act.facts)

    def last_act(self, guest: str) -> str:
        """The name of what was last done to a guest, of what is not undone; empty where that is nothing."""
        return next((act.act for act in reversed(self.acts) if act.facts.get("guest") == guest), "")

    def undone(self, guest: str) -> None:
        """The guest is as it was found again."""
        self._keep(lambda act: act.act in _IN_PLACE or act.facts.get("guest") != guest)

    def removed(self, file: str) -> None:
        """A file of ours is gone again."""
        self._keep(lambda act: act.act != WRITE or act.facts.get("file") != file)

    def not_watched(self, guest: str) -> None:
        """The programs that watch a guest are stopped, in it and on hosts, and their files gone."""
        self._keep(lambda act: act.act != WATCH or act.facts.get("guest") != guest)

    def end(self) -> None:
        """All is as it was found: nothing is left to mend."""
        if self._begun:
            with suppress(OSError):  # then the next run is told to mend what is whole
                self.path.unlink()
        self._begun = False
        self._refusal = "the run is over"

    def _keep_to_plan(self, act: Act) -> None:
        if self.planned is None or self._going_home:
            return
        key = key_of(act.act, act.facts)
        if not self.planned[key]:
            raise CannotObserve(f"the plan has no such act: {key}", hint="./lab verify --plan makes a plan anew")
        self.planned[key] -= 1

    def _keep(self, kept: Callable[[Act], bool]) -> None:
        with self._changing:
            self.acts = [act for act in self.acts if kept(act)]

    def _write(self, line: str, *, anew: bool = False) -> None:
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            flags = os.O_CREAT | (os.O_EXCL | os.O_WRONLY if anew else os.O_APPEND | os.O_RDWR)
            descriptor = os.open(self.path, flags, 0o600)
            try:
                _append(descriptor, line)
            finally:
                os.close(descriptor)
            if anew:
                _sync_folder(self._folder)
        except OSError as problem:
            raise CannotObserve(
                f"nothing is done to the lab, since its undo cannot be noted: {self.path}: {problem.strerror}",
                hint=f"make room and see that {self._folder} can be written, or set XDG_STATE_HOME",
            ) from problem


def _not_done(act: str, facts: Mapping[str, str]) -> WouldChange:
    """What nobody sees without the act; before one on a guest all that it needs was looked at."""
    if act == WRITE:
        return WouldChange(f"whether {facts['file']}, once written, can be read back")
    guest = facts.get("guest", "")
    if act == COMMAND:
        return WouldChange(f"what `{facts['command']}` brings about on {facts.get('host', guest)}")
    if act == WATCH:
        return WouldChange(f"what programs of ours would see of {guest}")
    return WouldChange(f"what follows on xl {act} {guest} on {facts['host']}", act=act)


def default_folder() -> Path:
    """Where runs note what they must undo."""
    return platformdirs.user_state_path("xenlab") / "custody"


def unfinished(folder: Path | None = None) -> Iterator[tuple[LabFound, tuple[Act, ...]]]:
    """Every run that left something to mend, the oldest first; a line that was cut short is left out."""
    noted = []
    for path in (folder or default_folder()).glob("*.jsonl"):
        try:
            head, *rest = path.read_text(encoding="utf-8", errors="replace").split("\n")
            found = LabFound.model_validate_json(head)
        except (FileNotFoundError, ValidationError):
            continue  # ended meanwhile, or killed while it wrote its first line: before any act
        noted.append((found, tuple(_acts(rest))))
    return iter(sorted(noted, key=lambda pair: pair[0].began))


def forget(found: LabFound, folder: Path | None = None) -> None:
    """Forget a run that left nothing to mend."""
    ((folder or default_folder()) / f"{found.run}.jsonl").unlink(missing_ok=True)


def is_running(found: LabFound) -> bool:
    """Whether the run's process is still there (a process id alone may be another's by now)."""
    return _process(found.process[0]) == found.process


def this_process() -> tuple[int, int]:
    """The process id and start of this process."""
    return _process(os.getpid()) or (os.getpid(), 0)


def now() -> datetime:
    """The time, aware and in UTC."""
    return datetime.now(UTC)


def _append(descriptor: int, line: str) -> None:
    """One whole line on the disk; after one that was cut short, on a line of its own."""
    end = os.lseek(descriptor, 0, os.SEEK_END)
    cut = end > 0 and os.pread(descriptor, 1, end - 1) != b"\n"
    data = (b"\n" if cut else b"") + line.encode() + b"\n"
    while data:  # a disk that is nearly full takes a part
        data = data[os.write(descriptor, data) :]
    os.fsync(descriptor)


def _sync_folder(folder: Path) -> None:
    """Have the file's name on the disk as well: without it a power cut leaves nothing to be mended from."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _process(pid: int) -> tuple[int, int] | None:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    return pid, int(stat.rpartition(")")[2].split()[19])


def _acts(lines: list[str]) -> Iterator[Act]:
    for line in filter(None, lines):
        try:
            yield Act.model_validate_json(line)
        except ValidationError:
            continue
