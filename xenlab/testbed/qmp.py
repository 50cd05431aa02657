"""Steering a running QEMU over its control socket (QMP), and where such sockets may lie."""

import socket
import subprocess
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from xenlab.errors import CannotObserve
from xenlab.remote.waiting import wait_for
from xenlab.testbed.tools import last_lines

# A UNIX socket's path may have 107 bytes (unix(7)), of which we name about 35.
_LONGEST_PARENT = 70
# A snapshot takes seconds; a QEMU that hangs never answers, nor greets.
_PATIENCE_SECONDS = 120.0


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
        return str(self._ask("human-monitor-command", {"command-line": command}))

    def is_running(self) -> bool:
        """Whether the machine runs: QEMU stops it on an error of KVM, say; raises CannotObserve without an answer."""
        state = self._ask("query-status")
        return isinstance(state, dict) and bool(state.get("running"))

    def quit(self) -> None:
        """Tell QEMU to end; it may be gone before it has answered."""
        with suppress(CannotObserve):
            self._ask("quit")

    def _ask(self, command: str, arguments: "dict[str, object] | None" = None) -> object:
        # Slow to import, and only who steers needs them.
        import asyncio

        from qemu.qmp import QMPClient, QMPError

        async def converse() -> object:
            client = QMPClient()
            await client.connect(str(self.socket))
            try:
                return await client.execute(command, arguments)
            finally:
                with suppress(QMPError, OSError, EOFError):
                    await client.disconnect()

        try:
            return asyncio.run(asyncio.wait_for(converse(), _PATIENCE_SECONDS))
        except (QMPError, OSError, EOFError, TimeoutError) as error:
            raise CannotObserve(f"{self.whose} does not answer: {str(error) or type(error).__name__}") from error


def control_of(host: str, sockets: Path) -> Control:
    """How the QEMU of a host is steered, in the folder of the lab's sockets."""
    return Control(f"QEMU of {host}", sockets / f"{host}.qmp")


def _listens(path: Path) -> bool:
    """Whether someone takes connections there: for a moment a socket is there before it does."""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError):
            return False
    return True
