"""What can go wrong between this machine and a host, one type for each remedy.

All are `CannotObserve`: they say nothing about the lab itself. Who knows what an exit code means for the lab
looks at the result and says so.
"""

from xenlab.errors import CannotObserve


class HostUnreachable(CannotObserve):
    """No way in: no route, closed port, silence, or not an SSH server."""


class ConnectionLost(HostUnreachable):
    """A connection that stood has broken; `sent` tells whether the command had gone out by then."""

    def __init__(self, message: str, *, hint: str = "", sent: bool) -> None:
        super().__init__(message, hint=hint)
        self.sent = sent


class NoConsole(HostUnreachable):
    """`xl console` cannot be opened, or has ended: the guest is not on that host."""


class NoLoginPrompt(HostUnreachable):
    """A console shows nothing that one could log in at: the guest boots or hangs, or a program runs there."""


class ConsoleBusy(CannotObserve):
    """Someone else has the console, or is logged in on it."""


class HostKeyUnknown(CannotObserve):
    """The known_hosts file has no key for the host, so nobody vouches for it."""


class HostKeyMismatch(CannotObserve):
    """The host shows another key than the known_hosts file has for it."""


class LoginRefused(CannotObserve):
    """The host answers but does not let this user in with this key or password."""


class IncompatiblePeer(CannotObserve):
    """The host speaks only SSH algorithms that are refused as too old."""


class CommandTimedOut(CannotObserve):
    """A command did not end in its time; its process on the host is ended too."""


class RemoteCommandFailed(CannotObserve):
    """A command ended, and not with exit code 0; `actual` is the last line it wrote to stderr."""

    def __init__(self, message: str, *, actual: str = "", hint: str = "", evidence: tuple[str, ...] = ()) -> None:
        super().__init__(f"{message}: {actual}" if actual else message, hint=hint, evidence=evidence)
        self.actual = actual
