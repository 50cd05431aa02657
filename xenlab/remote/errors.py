"""What can go wrong between this machine and a host, one type for each remedy.

All are `CannotObserve`: they say nothing about the lab itself. Who knows what an exit code means for the lab
looks at the result and says so.
"""

from dataclasses import dataclass

from xenlab.errors import CannotObserve


@dataclass(frozen=True, slots=True)
class ShownKey:
    """A host key that a server showed: `name` is what known_hosts calls the server, `kind` and `base64` the key.

    `fingerprint` is as ssh-keygen -l shows it ("SHA256:...").
    """

    name: str
    kind: str
    base64: str
    fingerprint: str

    @property
    def line(self) -> str:
        """Its line of a known_hosts file (sshd(8)), without an end."""
        return f"{self.name} {self.kind} {self.base64}"


class HostUnreachable(CannotObserve):
    """No way in: no route, closed port, silence, or not an SSH server."""


class NoHandlesLeft(CannotObserve):
    """This machine, not the host, is at its end: it can open no more files or connections."""


class JumpUnreachable(HostUnreachable):
    """A machine on the way does not answer: the one behind it was not even asked."""


class JumpUnusable(CannotObserve):
    """A machine on the way answers, but lets nobody go on: another key, a refused login, no forwarding."""


class ConnectionLost(HostUnreachable):
    """A connection that stood has broken; `sent` tells whether the command had gone out by then.

    `stdout` and `stderr` are what it had written until then.
    """

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        sent: bool,
        stdout: str = "",
        stderr: str = "",
        evidence: tuple[str, ...] = (),
    ) -> None:
        super().__init__(message, hint=hint, evidence=evidence)
        self.sent = sent
        self.stdout = stdout
        self.stderr = stderr


class NoConsole(HostUnreachable):
    """`xl console` cannot be opened, or has ended: the guest is not on that host."""


class NoLoginPrompt(HostUnreachable):
    """A console shows nothing that one could log in at: the guest boots or hangs, or a program runs there."""


class ConsoleBusy(CannotObserve):
    """Someone else has the console, or is logged in on it."""


class HostKeyUnknown(CannotObserve):
    """The known_hosts file has no key for the host, so nobody vouches for it; `shown` is the one that it showed."""

    def __init__(self, message: str, *, hint: str = "", shown: ShownKey | None = None) -> None:
        super().__init__(message, hint=hint)
        self.shown = shown


class HostKeyMismatch(CannotObserve):
    """The host shows another key than the known_hosts file has for it."""


class LoginRefused(CannotObserve):
    """The host answers but does not let this user in with this key or password."""


class SudoRefused(CannotObserve):
    """The login succeeds, but sudo runs nothing for it: a wrong password, or it is in no sudoers file.

    `wants_password`: it would ask for one, and there is none to give. `may_pass`: it was only slow, and no password is
    known to be refused.
    """

    def __init__(self, message: str, *, hint: str = "", wants_password: bool = False, may_pass: bool = False) -> None:
        super().__init__(message, hint=hint)
        self.wants_password = wants_password
        self.may_pass = may_pass


class IncompatiblePeer(CannotObserve):
    """The host speaks only SSH algorithms that are refused as too old."""


class NotAShell(CannotObserve):
    """A login succeeds but runs no commands: its shell is nologin, say, or a forced command stands before it."""


class NoisyLogin(CannotObserve):
    """A login prints words of its own on stdout, which nobody could tell from a command's output."""


class CommandUnfinished(CannotObserve):
    """A command was not seen to its end; `stdout` and `stderr` are what it had written until then."""

    def __init__(
        self, message: str, *, hint: str = "", stdout: str = "", stderr: str = "", evidence: tuple[str, ...] = ()
    ) -> None:
        super().__init__(message, hint=hint, evidence=evidence)
        self.stdout = stdout
        self.stderr = stderr


class CommandTimedOut(CommandUnfinished):
    """A command did not end in its time; its process on the host is ended too, unless it was to be left running."""


class OutputFlood(CommandUnfinished):
    """A command wrote so much that it was ended early."""


class OutputCut(CannotObserve):
    """A command ended, but wrote more than is kept: what is there must not be taken for the whole."""


class RemoteCommandFailed(CannotObserve):
    """A command ended, and not with exit code 0; `actual` is the last line it wrote to stderr."""

    def __init__(self, message: str, *, actual: str = "", hint: str = "", evidence: tuple[str, ...] = ()) -> None:
        super().__init__(f"{message}: {actual}" if actual else message, hint=hint, evidence=evidence)
        self.actual = actual
