"""What the rooms above need of a guest, whichever way it is reached."""

from collections.abc import Callable
from typing import Protocol

from testinfra.host import Host as TestinfraHost

from xenlab.errors import CannotObserve
from xenlab.remote.connection import SshConnection
from xenlab.remote.errors import HostUnreachable, JumpUnreachable, LoginRefused
from xenlab.remote.result import CommandResult
from xenlab.remote.waiting import NotInTime, wait_for


class Machine(Protocol):
    """A machine that commands can be run on: `RemoteHost` over SSH, `ConsoleHost` by its console."""

    @property
    def name(self) -> str:
        """What the lab file calls it."""

    @property
    def way_in(self) -> str:
        """How one is logged in: "over SSH, host key SHA256:..."; raises CannotObserve when no login succeeds."""

    @property
    def testinfra(self) -> TestinfraHost:
        """testinfra's modules on it: `testinfra.file(path)`, `.mount_point(path)`, `.service(name)`."""

    def runs_as_root(self) -> bool:
        """Whether commands run as root, by the login itself or through sudo; raises CannotObserve without a login."""

    def run(self, *argv: str, timeout: float | None = None, changes: bool = False) -> CommandResult:
        """Run a program with these arguments, each quoted; `timeout` in seconds.

        `changes` records it as an act, which changes the lab, not a look.

        :raises CommandTimedOut: it did not end in time.
        :raises OutputFlood: it wrote without end.
        :raises HostUnreachable: and its siblings in `xenlab.remote.errors`.
        """

    def pinned_connection(self) -> SshConnection | None:
        """A TCP connection to it that never reconnects, to be closed by the caller; None where there is none."""

    def wait_until_reachable(self, timeout: float, word: str = "") -> None:
        """Wait until a login succeeds; see `await_login`."""

    def close(self) -> None:
        """Log out; a later command logs in again."""


def await_login(log_in: Callable[[], object], user: str, awaited: str, timeout: float) -> None:
    """Try `log_in` until it succeeds; `awaited` says what it is waited for.

    A refused root login will not mend itself, so it ends the wait. Other users are refused for a while during a
    boot (pam_nologin).

    :raises HostUnreachable: no login within about `timeout` seconds; tells the last reason.
    :raises JumpUnreachable: the same, where it was a machine on the way that did not answer.
    :raises CannotObserve: another reason than silence, at once.
    """
    last: CannotObserve | None = None

    def logs_in() -> bool:
        nonlocal last
        try:
            log_in()
        except HostUnreachable as silent:
            last = silent
            return False
        except LoginRefused as refused:
            if user == "root":
                raise
            last = refused
            return False
        return True

    try:
        wait_for(logs_in, awaited, timeout, 1.0)
    except NotInTime as late:
        if last is None:
            raise
        kind = JumpUnreachable if isinstance(last, JumpUnreachable) else HostUnreachable
        raise kind(f"{late.message}: {last.message}", hint=last.hint) from last
