"""A host's machine as it is from outside, where nothing in it is asked: its power, its processor, its cable."""

import os
import signal
from dataclasses import dataclass
from pathlib import Path

from xenlab.errors import CannotObserve, UsageError
from xenlab.testbed.qmp import Control, control_of
from xenlab.testbed.state import LabState, ProcessId, lab_folder

_NETDEV = "net"


@dataclass(frozen=True, slots=True)
class Hardware:
    """The QEMU that one host runs in."""

    process: ProcessId
    control: Control

    def cut_power(self) -> None:
        """End it at once: nothing in it is written or said any more."""
        self.process.kill()

    def halt(self) -> None:
        """Have it stand still, and answer nothing, until `go_on`."""
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it run, where it was halted."""
        self._signal(signal.SIGCONT)

    def unplug(self) -> None:
        """Take the cable out of its one NIC.

        :raises CannotObserve: QEMU does not answer, or refuses.
        """
        self._set_link("off")

    def plug_in(self) -> None:
        """Put the cable back.

        :raises CannotObserve: QEMU does not answer, or refuses.
        """
        self._set_link("on")

    def _set_link(self, state: str) -> None:
        if said := self.control.monitor(f"set_link {_NETDEV} {state}").strip():  # it is silent when well
            raise CannotObserve(f"{self.control.whose}, set_link: {said}")

    def _signal(self, sign: int) -> None:
        if self.process.alive:
            os.kill(self.process.pid, sign)


def hardware_of(working_copy: Path) -> dict[str, Hardware]:
    """Each host's machine, by the host's name.

    :raises UsageError: no lab is up.
    """
    state = LabState.load(lab_folder(working_copy))
    if state is None:
        raise UsageError("no lab is up in this working copy", hint="./lab up")
    sockets = Path(state.sockets)
    return {name: Hardware(process, control_of(name, sockets)) for name, process in state.hosts.items()}
