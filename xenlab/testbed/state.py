"""What is running for one working copy's lab, written down before and after each change.

So that whatever ends us, the next call knows what to clean up. A process is known by its PID and its start
time, since a PID alone may be somebody else's by now.
"""

import json
import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Self

from xenlab.jsontext import parsed
from xenlab.labfile_change import LabFileChange
from xenlab.remote.waiting import since_boot, wait_for
from xenlab.testbed.network import WayIn


@dataclass(frozen=True, slots=True)
class ProcessId:
    """One process of ours; `started` in clock ticks since the machine's boot (proc(5), stat)."""

    pid: int
    started: int

    @classmethod
    def of(cls, pid: int) -> Self:
        """The process that has this PID now."""
        return cls(pid, _start_ticks(pid))

    @property
    def alive(self) -> bool:
        """Whether that very process still runs; a zombie does while a thread of it still ends.

        A killed QEMU's first thread may be a zombie already while a virtual processor's thread still holds
        the disk open, and locked.
        """
        with suppress(OSError, ValueError, IndexError):
            return _start_ticks(self.pid) == self.started and any(state != "Z" for state in _thread_states(self.pid))
        return False

    def kill(self) -> None:
        """End it at once, and wait until it is gone."""
        if not self.alive:
            return
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)

        def gone() -> bool:
            with suppress(ChildProcessError):
                os.waitpid(self.pid, os.WNOHANG)
            return not self.alive

        wait_for(gone, f"process {self.pid} to end", timeout=20, interval=0.02)


def _stat_fields(stat: Path) -> list[str]:
    # The command's name may hold spaces and brackets; what follows the last bracket does not.
    return stat.read_text().rpartition(")")[2].split()


def _start_ticks(pid: int) -> int:
    return int(_stat_fields(Path(f"/proc/{pid}/stat"))[19])


def _thread_states(pid: int) -> Iterator[str]:
    """proc(5)'s letter for each thread of a process; one that ends while we look is left out."""
    for stat in Path(f"/proc/{pid}/task").glob("*/stat"):
        with suppress(OSError):
            yield _stat_fields(stat)[0]


def lab_folder(working_copy: Path) -> Path:
    """Where the lab of a working copy keeps what it runs on; there while the lab is."""
    return working_copy / ".lab"


@dataclass(slots=True)
class LabState:
    """One lab that is up, coming up or half gone.

    `network` is one of NETWORKS, `keeper` the process it lives as long as, `ways_in` where hosts and guests are
    reached from this machine otherwise than by their own addresses. `planted` are the scenarios that it was changed to,
    `changes` what its lab file says otherwise for them. `checkpoints` are those of a practice, in their order; a lab
    that has none is for no practice.
    `since` is when it began to come up, in seconds since this machine's boot: its clock may be set meanwhile.
    """

    folder: Path
    profile: str = ""
    accelerator: str = ""
    reason: str = ""
    images: str = ""
    sockets: str = ""
    network: str = "namespace"
    network_reason: str = ""
    ways_in: dict[str, WayIn] = field(default_factory=dict)
    keeper: ProcessId | None = None
    hosts: dict[str, ProcessId] = field(default_factory=dict)
    ready: bool = False
    planted: list[str] = field(default_factory=list)
    changes: list[LabFileChange] = field(default_factory=list)
    checkpoints: list[str] = field(default_factory=list)
    since: float = field(default_factory=since_boot)

    @classmethod
    def load(cls, folder: Path) -> Self | None:
        """The state kept in `folder`, or None when there is no lab."""
        try:
            data = parsed((folder / "state.json").read_bytes())
            data["keeper"] = ProcessId(**data["keeper"]) if data["keeper"] else None
            data["ways_in"] = {name: WayIn(**way) for name, way in data.get("ways_in", {}).items()}
            data["changes"] = [LabFileChange(**change) for change in data.get("changes", [])]
            data["hosts"] = {name: ProcessId(**process) for name, process in data["hosts"].items()}
            return cls(folder=folder, **data)
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return None

    def save(self) -> None:
        """Write the state down, whole or not at all."""
        data = asdict(self)
        del data["folder"]
        partial = self.folder / "state.json.partial"
        partial.write_text(json.dumps(data, indent=1))
        partial.replace(self.folder / "state.json")

    @property
    def lab_file(self) -> Path:
        """The lab's lab.toml, there once it is up."""
        return self.folder / "lab.toml"

    @property
    def known_hosts(self) -> Path:
        """The host keys of the lab's machines, by every way in to them."""
        return self.folder / "known_hosts"

    @property
    def minutes_up(self) -> float:
        """How long ago it began to come up."""
        return (since_boot() - self.since) / 60

    @property
    def wired(self) -> bool:
        """Whether the lab was brought up to the end and its network is there, though a host may have ended."""
        return self.ready and self.keeper is not None and self.keeper.alive

    @property
    def running(self) -> bool:
        """Whether the lab is up: brought up to the end, and every process of it still there."""
        return self.wired and all(process.alive for process in self.hosts.values())
