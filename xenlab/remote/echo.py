"""Bytes sent to a host and back over one SSH connection, counted at both ends.

A connection that merely answers after a move proves little of what was under way during it. Here lines go
out all the while, and every byte of them must come back, in order, on the connection that was opened before.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress

import paramiko

from xenlab.remote.echoed import CLOSED_THERE, Echoed

CHUNK = 65536


class Echo:
    """Numbered lines through `cat` on the other side, one every `interval` seconds, until `finish`.

    `channel` runs `cat` already; it is closed at the end, the connection it belongs to is not. `record` is
    told the result. `lost_on_the_way` tells of a connection that has ended whether that was its peer's doing,
    `after_greeting` of all that has come so far what is `cat`'s, None while that is still to begin.
    """

    def __init__(
        self,
        channel: paramiko.Channel,
        interval: float,
        record: Callable[[Echoed], None],
        lost_on_the_way: Callable[[], bool],
        after_greeting: Callable[[bytes], bytes | None],
    ) -> None:
        self._channel = channel
        self._interval = interval
        self._record = record
        self._lost_on_the_way = lost_on_the_way
        self._after_greeting = after_greeting
        self._sent = bytearray()
        self._returned = 0
        self._intact = True
        self._broken = ""
        self._changed = threading.Condition()
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=job, name=f"echo {job.__name__}", daemon=True) for job in (self._send, self._read)
        ]
        for thread in self._threads:
            thread.start()

    def wait_for_more(self, timeout: float) -> bool:
        """Whether another line came back within `timeout` seconds."""
        with self._changed:
            before = self._returned
            self._changed.wait_for(lambda: self._returned > before or self._broken, timeout)
            return self._returned > before

    def finish(self, timeout: float) -> Echoed:
        """Stop sending, wait up to `timeout` seconds for what is still under way, and count."""
        self._stopping.set()
        with self._changed:
            self._changed.wait_for(lambda: self._broken or self._returned >= len(self._sent), timeout)
            lost = bool(self._broken) and self._lost_on_the_way()
            result = Echoed(len(self._sent), self._returned, self._intact, self._broken, lost)
        self._channel.close()
        for thread in self._threads:
            thread.join(timeout=5)
        self._record(result)
        return result

    def _send(self) -> None:
        number = 0
        # The channel's end, whoever brings it about, is told by the reader.
        with suppress(OSError, EOFError, paramiko.SSHException):
            while not self._stopping.wait(self._interval):
                number += 1
                line = f"{number}\n".encode()
                with self._changed:
                    self._sent += line
                self._channel.sendall(line)

    def _read(self) -> None:
        try:
            for data in self._echoed():
                with self._changed:
                    until = self._returned + len(data)
                    self._intact &= self._sent[self._returned : until] == data
                    self._returned = until
                    self._changed.notify_all()
            reason = CLOSED_THERE
        except (OSError, EOFError, paramiko.SSHException) as error:
            reason = str(error) or type(error).__name__
        with self._changed:
            self._broken = self._broken or reason
            self._changed.notify_all()

    def _echoed(self) -> Iterator[bytes]:
        """What `cat` has written, as it comes."""
        greeting, begun = b"", False
        while data := self._channel.recv(CHUNK):
            if begun:
                yield data
                continue
            greeting += data
            if (first := self._after_greeting(greeting)) is not None:
                begun = True
                yield first
