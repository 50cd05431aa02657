"""A conversation over a terminal: send, and wait for what the screen then ends in."""

import re
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Protocol

from xenlab.remote.errors import OutputFlood
from xenlab.remote.prompts import shown_on_screen

_CHUNK = 65536
_TAIL = 2000
_SCREEN = 1 << 16
_FLOOD_BYTES = 16 << 20
# What takes `xl console` off the guest's console (Ctrl-]); it must come alone.
_DETACH = b"\x1d"
_DETACH_SECONDS = 3.0
_SENDING_SECONDS = 30.0


class Terminal(Protocol):
    """A stream to a program on a terminal: paramiko's Channel is one, and so is a socket."""

    def sendall(self, data: bytes, /) -> object:
        """Send it all, or raise OSError."""

    def recv(self, size: int, /) -> bytes:
        """Return what came, nothing at the end; raises TimeoutError when nothing came in time."""

    def settimeout(self, seconds: float | None, /) -> object:
        """Bound both."""

    def close(self) -> object:
        """End it."""


class Dialogue:
    """Everything sent and received on one open console.

    EOFError: it has ended; TimeoutError: it stayed silent; OutputFlood: it writes without end.
    """

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._received = bytearray()

    @property
    def received(self) -> bytes:
        """All that came since the last `send`."""
        return bytes(self._received)

    @property
    def tail(self) -> str:
        """The last of it, as read on a screen."""
        return shown_on_screen(self._received[-_TAIL:])

    @property
    def screen(self) -> str:
        """More of it: what a reader who scrolls back may see, of a console that may have written for minutes."""
        return shown_on_screen(self._received[-_SCREEN:])

    def send(self, data: bytes) -> None:
        """Send `data`, and forget what was received before."""
        self._received.clear()
        self.send_more(data)

    def send_more(self, data: bytes) -> None:
        """Send `data` in the midst of what is received."""
        try:
            self._terminal.settimeout(_SENDING_SECONDS)
            self._terminal.sendall(data)
        except OSError as end:
            with suppress(TimeoutError):
                while True:  # until its last words are here
                    self.receive(0.0)
            raise EOFError(str(end)) from end

    def receive(self, until: float) -> None:
        """Take what comes next, by `until` on the monotonic clock."""
        self._terminal.settimeout(max(0.01, until - time.monotonic()))
        try:
            data = self._terminal.recv(_CHUNK)
        except TimeoutError:
            raise
        except OSError as end:
            raise EOFError(str(end)) from end
        if not data:
            raise EOFError("it was closed from the other side")
        self._received += data
        if len(self._received) > _FLOOD_BYTES:
            raise OutputFlood(f"the console wrote more than {_FLOOD_BYTES >> 20} MiB on end")

    def expect(self, patterns: Sequence[re.Pattern[str]], timeout: float, settle: float = 0.0) -> re.Match[str]:
        """Wait until the tail fits one of the patterns, and return the match with the first that it fits.

        What is followed by more within `settle` seconds was not the end of the screen, and does not count.
        """
        deadline = time.monotonic() + timeout
        while True:
            match = next(filter(None, (pattern.search(self.tail) for pattern in patterns)), None)
            if match is None:
                self._receive_before(deadline)
                continue
            quiet = min(deadline, time.monotonic() + settle)
            try:
                self._receive_before(quiet)
            except TimeoutError:
                return match

    def receive_between(self, begin: bytes, end: re.Pattern[bytes], until: float, lull: float) -> None:
        """Wait for two marks of less than 128 bytes, one after the other.

        Where the second stays away for `lull` seconds after what came last, return too.
        """
        searched = 0
        begun = False
        while not end.search(self._received, searched):
            begun = begun or self._received.find(begin, searched) >= 0
            # A mark may come in pieces: its beginning is looked at again.
            searched = max(0, len(self._received) - 128)
            try:
                self._receive_before(min(until, time.monotonic() + lull) if begun else until)
            except TimeoutError:
                if begun and time.monotonic() < until:
                    return
                raise

    def close(self) -> None:
        """Let go of the console, and see that it was let go of, so that the next can have it."""
        with suppress(EOFError, TimeoutError, OutputFlood):
            self.send(_DETACH)
            deadline = time.monotonic() + _DETACH_SECONDS
            while True:
                self._receive_before(deadline)
        self._terminal.close()

    def _receive_before(self, deadline: float) -> None:
        # A console that is never silent must not outlast the deadline either.
        if time.monotonic() >= deadline:
            raise TimeoutError
        self.receive(deadline)
