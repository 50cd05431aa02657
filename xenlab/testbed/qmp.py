"""Steering a running QEMU over its control socket (QMP), and where such sockets may lie."""

import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from xenlab.errors import CannotObserve
from xenlab.remote.waiting import wait_for
from xenlab.testbed.tools import last_lines

if TYPE_CHECKING:
    from qemu.qmp.legacy import QEMUMonitorProtocol

# A UNIX socket's path may have 107 bytes (unix(7)), of which we name about 35.
_LONGEST_PARENT = 70


def socket_folder() -> str:
    """A new folder for sockets: under TMPDIR, or under /tmp where their paths would become too long."""
    parent = tempfile.gettempdir()
    if len(parent.encode()) > _LONGEST_PARENT:
        parent = "/tmp"  # noqa: S108 - mkdtemp makes a folder of its own there
    return tempfile.mkdtemp(prefix="xenlab-", dir=parent)


@dataclass(frozen=True, slots=True)
class Control:
    """The control socket of one QEMU; `whose` names that QEMU to the reader."""

    whose: str
    socket: Path

    @property
    def argument(self) -> str:
        """The value of QEMU's `-qmp`."""
        return f"unix:{self.socket},server=on,wait=off"

    def await_start(self, process: "subprocess.Popen[bytes]", error_log: Path) -> None:
        """Wait until it takes connections.

        :raises CannotObserve: QEMU refused; carries its own last words.
        """

        def answers() -> bool:
            if process.poll() is not None:
                raise CannotObserve(f"{self.whose} ended: {last_lines(error_log, 2)}")
            return _listens(self.socket)

        wait_for(answers, f"{self.whose} to start", timeout=60, interval=0.05)

    def monitor(self, command: str) -> str:
        """Run a human monitor command (`stop`, `savevm NAME`, `info usernet`); returns what it says.

        :raises CannotObserve: QEMU does not answer.
        """
        with self._qmp() as qmp:
            return str(qmp.cmd("human-monitor-command", **{"command-line": command}))

    def is_running(self) -> bool:
        """Whether the machine runs: QEMU stops it on an error of KVM, say; raises CannotObserve without an answer."""
        with self._qmp() as qmp:
            state = qmp.cmd("query-status")
        return isinstance(state, dict) and bool(state.get("running"))

    def quit(self) -> None:
        """Tell QEMU to end; it may be gone before it has answered."""
        with suppress(CannotObserve), self._qmp() as qmp:
            qmp.cmd("quit")

    @contextmanager
    def _qmp(self) -> "Iterator[QEMUMonitorProtocol]":
        # Slow to import, and only who steers needs it.
        from qemu.qmp import QMPError
        from qemu.qmp.legacy import QEMUMonitorProtocol

        qmp = QEMUMonitorProtocol(str(self.socket))
        try:
            qmp.settimeout(120)
            qmp.connect()
            yield qmp
        except (QMPError, OSError, TimeoutError) as error:
            raise CannotObserve(f"{self.whose} does not answer: {error}") from error
        finally:
            with suppress(QMPError, OSError, EOFError):
                qmp.close()


def _listens(path: Path) -> bool:
    """Whether someone takes connections there: for a moment a socket is there before it does."""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError):
            return False
    return True
