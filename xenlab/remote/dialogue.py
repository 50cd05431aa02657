"""A conversation over a terminal: send, and wait for what the screen then ends in."""

import re
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Protocol

_CHUNK = 65536
_TAIL = 2000
# ECMA-48 sequences, such as those that set a window's title in front of a prompt.
_ESCAPES = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)?|[^\[\]])")
# What takes `xl console` off the guest's console (Ctrl-]); it must come alone.
_DETACH = b"\x1d"
_PARTING_SECONDS = 3.0
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
    """Everything said and heard on one open console. EOFError: it has ended; TimeoutError: it stayed silent."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._heard = bytearray()

    @property
    def heard(self) -> bytes:
        """All that came since the last `say`."""
        return bytes(self._heard)

    @property
    def tail(self) -> str:
        """The last of it, as read on a screen."""
        text = self._heard[-_TAIL:].decode("utf-8", errors="replace")
        return _ESCAPES.sub("", text).replace("\r", "")

    def say(self, data: bytes) -> None:
        """Send `data`, and forget what was heard before."""
        self._heard.clear()
        self.press(data)

    def press(self, data: bytes) -> None:
        """Send `data` in the midst of what is heard."""
        try:
            self._terminal.settimeout(_SENDING_SECONDS)
            self._terminal.sendall(data)
        except OSError as end:
            with suppress(TimeoutError):
                while True:  # until its last words are heard
                    self.listen(0.0)
            raise EOFError(str(end)) from end

    def listen(self, until: float) -> None:
        """Hear what comes next, by `until` on the monotonic clock."""
        self._terminal.settimeout(max(0.01, until - time.monotonic()))
        try:
            data = self._terminal.recv(_CHUNK)
        except TimeoutError:
            raise
        except OSError as end:
            raise EOFError(str(end)) from end
        if not data:
            raise EOFError("it was closed from the other side")
        self._heard += data

    def expect(self, patterns: Sequence[re.Pattern[str]], timeout: float, settle: float = 0.0) -> re.Match[str]:
        """Wait until the tail fits one of the patterns, and return the match with the first that it fits.

        What is followed by more within `settle` seconds was not the end of the screen, and does not count.
        """
        deadline = time.monotonic() + timeout
        while True:
            match = next(filter(None, (pattern.search(self.tail) for pattern in patterns)), None)
            if match is None:
                self._before(deadline)
                continue
            quiet = min(deadline, time.monotonic() + settle)
            try:
                self._before(quiet)
            except TimeoutError:
                return match

    def hear_between(self, begin: bytes, end: re.Pattern[bytes], until: float, lull: float) -> None:
        """Wait for a mark and for what stands after it; where that stays away for `lull` seconds, return too."""
        searched = 0
        while not end.search(self._heard, searched):
            # Its digest may come in pieces: it is looked for in the last line again.
            searched = max(0, self._heard.rfind(b"\n"))
            begun = begin in self._heard
            try:
                self._before(min(until, time.monotonic() + lull) if begun else until)
            except TimeoutError:
                if begun and time.monotonic() < until:
                    return
                raise

    def close(self) -> None:
        """Let go of the console, and see that it was let go of, so that the next can have it."""
        with suppress(EOFError, TimeoutError):
            self.press(_DETACH)
            deadline = time.monotonic() + _PARTING_SECONDS
            while True:
                self._before(deadline)
        self._terminal.close()

    def _before(self, deadline: float) -> None:
        # A console that is never silent must not outlast the deadline either.
        if time.monotonic() >= deadline:
            raise TimeoutError
        self.listen(deadline)
