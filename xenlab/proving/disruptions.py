"""Disruptions of a run: each waits for its moment, as the run itself has noted it, and then comes.

A run is followed by the files that it writes, so that nobody else asks its hosts anything meanwhile.
"""

import resource
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from signal import Signals
from threading import Event, Thread
from types import TracebackType
from typing import Self

from xenlab.errors import XenlabError
from xenlab.grading.writing import COMMANDS, TAPE
from xenlab.remote.waiting import wait_for
from xenlab.scenarios.planting import NotPlanted
from xenlab.scenarios.scenario import BEGUN, FOUND, MOVED, RUN, Disruption, DisruptionKind
from xenlab.testbed.hardware import Hardware
from xenlab.testbed.smalldisk import FILL

_LOOK_SECONDS = 0.2
# Whoever waits for the run bounds this wait, too.
_LONGEST_SECONDS = 1e5
_STANDARD_STREAMS = 3

_TO_HOSTS: Mapping[DisruptionKind, Callable[[Hardware], None]] = {
    DisruptionKind.POWER_CUT: Hardware.cut_power,
    DisruptionKind.HALT: Hardware.halt,
    DisruptionKind.GO_ON: Hardware.go_on,
    DisruptionKind.UNPLUG: Hardware.unplug,
    DisruptionKind.PLUG_IN: Hardware.plug_in,
}
_UNDONE_BY = {DisruptionKind.HALT: DisruptionKind.GO_ON, DisruptionKind.UNPLUG: DisruptionKind.PLUG_IN}


@dataclass(frozen=True, slots=True)
class RunFiles:
    """Where a run writes its reports, and (`state`, its XDG_STATE_HOME) what it must undo."""

    reports: Path
    state: Path

    def times(self, moment: str) -> int:
        """How many times the run has come to a moment by now; see `Disruption`."""
        if moment == BEGUN:
            return min(1, _text(self.reports / COMMANDS).count("\n"))
        if moment == MOVED:
            return _text(self.reports / TAPE).count(' migration"')
        noted = "".join(_text(path) for path in self.state.glob("xenlab/custody/*.jsonl"))
        return noted.count('"began":' if moment == FOUND else f'"act":"{moment}"')


class Disruptions:
    """Brings about disruptions of a run within a `with` block, and then undoes what can be undone.

    `missed` are the disruptions that did not come about, and why.
    """

    def __init__(
        self,
        disruptions: Sequence[Disruption],
        hosts: Mapping[str, Hardware],
        run: "subprocess.Popen[bytes]",
        files: RunFiles,
    ) -> None:
        self._hosts = hosts
        self._run = run
        self._files = files
        self._over = Event()
        self._threads = [
            Thread(target=self._bring_about, args=(disruption,), daemon=True) for disruption in disruptions
        ]
        self._happened: list[Disruption] = []
        self.missed: dict[Disruption, str] = dict.fromkeys(disruptions, "the run did not come so far")

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()
        for disruption in self._happened:
            if (undo := _UNDONE_BY.get(disruption.kind)) is not None:
                with suppress(XenlabError):  # what has lost its power needs none
                    _TO_HOSTS[undo](self._hosts[disruption.whom])

    def _bring_about(self, disruption: Disruption) -> None:
        try:
            self._await(disruption)
            self._inflict(disruption)
        except (XenlabError, OSError) as problem:
            if not self._over.is_set():
                self.missed[disruption] = str(problem)
            return
        self._happened.append(disruption)
        self.missed.pop(disruption, None)

    def _await(self, disruption: Disruption) -> None:
        def has_come() -> bool:
            return self._files.times(disruption.moment) >= disruption.nth

        wait_for(has_come, f"the run to come to {disruption.moment}", _LONGEST_SECONDS, _LOOK_SECONDS, stop=self._over)
        if self._over.wait(disruption.after):
            raise NotPlanted(f"the run ended within {disruption.after:g} s")

    def _inflict(self, disruption: Disruption) -> None:
        if disruption.whom != RUN:
            _TO_HOSTS[disruption.kind](self._hosts[disruption.whom])
        elif disruption.kind is DisruptionKind.NO_HANDLES:
            _, most = resource.prlimit(self._run.pid, resource.RLIMIT_NOFILE)
            resource.prlimit(self._run.pid, resource.RLIMIT_NOFILE, (_STANDARD_STREAMS, most))
        elif disruption.kind is DisruptionKind.NO_ROOM:
            _fill(self._files.reports / FILL)
        else:
            self._run.send_signal(Signals[disruption.kind.value])


def _fill(path: Path) -> None:
    """Write until the disk is full."""
    for size in (1 << 16, 1):
        with suppress(OSError), path.open("ab", buffering=0) as file:
            while file.write(b"\0" * size):
                pass


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:  # not written yet, or done with
        return ""
