"""A guest's console as `xl console` shows it: a real terminal, a real shell behind a small login, and who reads it.

The terminal and what runs on it outlive any reader, as a guest outlives its hosts.
"""

import contextlib
import os
import pty
import pwd
import socket
import subprocess
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from xenlab.remote.console import Console, ConsoleHost
from xenlab.remote.console_login import ConsoleTimeouts
from xenlab.remote.login import Login

USER = pwd.getpwuid(os.geteuid()).pw_name
PASSWORD = "correct horse"
TIMEOUTS = ConsoleTimeouts(prompt=3, nudge=0.5, login=5, agent=2, lull=0.5, interrupt=2, settle=0.05)
HASTY = replace(TIMEOUTS, prompt=0.4, nudge=0.1, agent=0.3, interrupt=0.3)
LOGIN = Login("10.1.1.85", USER, Path("/dev/null"), password=PASSWORD)
DETACH = b"\x1d"
Change = Callable[[bytes], bytes]

# What getty and login do, without the pauses; a key that ends a command ends neither.
GETTY = """
trap : INT QUIT
while :; do
    printf '\\r\\nguest1 login: '
    IFS= read -r user || exit
    [ "$user" ] || continue
    stty -echo
    printf 'Password: '
    IFS= read -r word
    stty echo
    echo
    [ "$user:$word" = "$1:$2" ] || { printf '\\nLogin incorrect\\n'; continue; }
    echo logged-in >>logins
    printf 'Last login: Tue Nov 24 20:00:00 on hvc0\\n\\033]0;guest1\\007'
    PS1='root@guest1:~# ' HOME=. sh -i
done
"""


class FakeGuest:
    """`shown_as` changes what a reader is shown of the console, `typed` what the console gets of what is typed."""

    def __init__(self, folder: Path, program: str = GETTY) -> None:
        self.folder = folder
        self.shown_as: Change = bytes
        self.typed: Change = bytes
        self.opened = 0
        self.silent = False
        self._reader: socket.socket | None = None
        self._unread = b""
        self._lock = threading.Lock()
        self._master, slave = pty.openpty()
        # What tests are started from, in the background of a shell, may ignore Ctrl-C; what init starts does not.
        argv = ["env", "--default-signal=INT", "setsid", "-c", "sh", "-c", program, "sh", USER, PASSWORD]
        self._child = subprocess.Popen(argv, stdin=slave, stdout=slave, stderr=slave, cwd=folder)
        os.close(slave)
        threading.Thread(target=self._show, daemon=True).start()

    @property
    def logins(self) -> int:
        file = self.folder / "logins"
        return len(file.read_text().splitlines()) if file.exists() else 0

    def open_console(self) -> Console:
        ours, theirs = socket.socketpair()
        with self._lock:
            self.opened += 1
            self.silent = False
            self._reader = ours
            ours.sendall(self.shown_as(self._unread))
            self._unread = b""
        threading.Thread(target=self._type, args=(ours,), daemon=True).start()
        return Console("baye", theirs)

    def hang_up(self) -> None:
        """The console ends where it is, as it does on the source of a migration."""
        with self._lock:
            if self._reader:
                self._reader.shutdown(socket.SHUT_RDWR)
            self._reader = None

    def press(self, key: bytes) -> None:
        """A key on the console itself, whoever has it."""
        os.write(self._master, key)

    def shown(self, words: str) -> bool:
        """Whether nobody has the console, and it shows this."""
        return self._reader is None and words in self._unread.decode(errors="replace")

    def stop(self) -> None:
        self.hang_up()
        self._child.kill()
        self._child.wait()

    def _show(self) -> None:
        with contextlib.suppress(OSError):
            while data := os.read(self._master, 4096):
                with self._lock:
                    if self.silent:
                        continue
                    if self._reader is None:
                        self._unread += data
                        continue
                    with contextlib.suppress(OSError):
                        self._reader.sendall(self.shown_as(data))

    def _type(self, reader: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := reader.recv(4096):
                if data == DETACH:
                    break
                if self._reader is reader and not self.silent:
                    os.write(self._master, self.typed(data))
        with self._lock:
            if self._reader is reader:
                self._reader = None
            reader.close()


class ConsoleUser:
    """A console host for a while, closed at its end."""

    def __init__(self, guest: FakeGuest, login: Login) -> None:
        self.host = ConsoleHost("guest1", login, guest.open_console, lambda _: None, timeouts=TIMEOUTS)

    def __enter__(self) -> ConsoleHost:
        return self.host

    def __exit__(self, *args: object) -> None:
        self.host.close()
