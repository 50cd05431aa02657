"""A guest whose programs run on this machine, with a ping of its own that is made up, and one from outside."""

import os
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from xenlab.errors import CannotObserve
from xenlab.lab.observed import SeatPing
from xenlab.lab.seats import Seat
from xenlab.probes.trace import Packet, PingTrace
from xenlab.remote.echoed import Echoed
from xenlab.remote.result import CommandResult
from xenlab.remote.shell import TIMEOUT

PING = f"""#!{sys.executable}
import signal, sys, time
if "-V" in sys.argv:
    print("ping from iputils 20221126"); sys.exit()
sent = 0
def end(*_):
    print(f"\\n--- 10.1.1.1 ping statistics ---\\n{{sent}} packets transmitted, {{sent}} received, 0% packet loss")
    sys.exit()
signal.signal(signal.SIGINT, end)
print("PING 10.1.1.1 (10.1.1.1) 56(84) bytes of data.", flush=True)
while True:
    sent += 1
    print(f"[{{time.time():.6f}}] 64 bytes from 10.1.1.1: icmp_seq={{sent}} ttl=64 time=0.200 ms", flush=True)
    time.sleep(0.05)
"""
SILENT_PING = f"""#!{sys.executable}
import signal, sys, time
if "-V" in sys.argv:
    print("ping from iputils 20221126"); sys.exit()
signal.signal(signal.SIGINT, signal.SIG_DFL)
print("PING 10.1.1.1 (10.1.1.1) 56(84) bytes of data.", flush=True)
time.sleep(60)
"""


class LocalMachine:
    """A guest, or a host, whose programs run on this machine; `broken` is raised for each command from then on."""

    def __init__(self, folder: Path, name: str = "guest1") -> None:
        self.name = name
        self.folder = folder
        self.broken: CannotObserve | None = None
        self.ran: list[tuple[str, bool]] = []
        self.ping(PING)

    def ping(self, text: str) -> None:
        program = self.folder / "bin" / "ping"
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text(text)
        program.chmod(0o755)

    def run(self, *argv: str, timeout: float | None = None, changes: bool = False) -> CommandResult:
        self.ran.append((" ".join(argv), changes))
        if self.broken:
            raise self.broken
        environ = {"PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}", TIMEOUT: "timeout -k 5"}
        began = time.monotonic()
        ended = subprocess.run(
            argv, capture_output=True, text=True, check=False, timeout=timeout, env={**os.environ, **environ}
        )
        seconds = time.monotonic() - began
        id_ = f"cmd-{len(self.ran)}"
        return CommandResult(ended.returncode, ended.stdout, ended.stderr, seconds, self.name, argv[0], id_)

    def pinned_connection(self) -> "FakeConnection":
        return FakeConnection()


class FakeConnection:
    """One whose echo works."""

    closed = False

    def echo(self, interval: float) -> "FakeConnection":
        return self

    def wait_for_more(self, timeout: float) -> bool:
        return True

    def finish(self, patience: float) -> Echoed:
        return Echoed(100, 100 if patience else 60, True)

    def close(self) -> None:
        self.closed = True


class FakeGuest:
    """What a watch needs of a guest."""

    name, address, ping_target, by_console = "guest1", "10.1.1.85", "10.1.1.1", False

    def __init__(self, machine: LocalMachine, *seats: Seat) -> None:
        self.machine = machine
        self.seats = seats or (FakeSeat(),)


class FakeSeat:
    """One whose pings are made up."""

    name, keeps_files = "this machine", False

    def ping(self, guest: str, address: str, interval: float, seconds: int) -> "FakePing":
        return FakePing(address, interval)


class FakePing:
    """A ping from outside that is answered until `silent_from`, on this machine's clock."""

    silent_from = float("inf")

    def __init__(self, address: str, interval: float) -> None:
        self.address, self.interval = address, interval
        self.started = self.ended = 0.0

    def __enter__(self) -> Self:
        self.started = time.monotonic()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def silent_for(self) -> float:
        return max(0.0, time.monotonic() - FakePing.silent_from)

    def wait_for_replies(self, count: int, timeout: float) -> None:
        if time.monotonic() >= FakePing.silent_from:
            FakePing.silent_from -= timeout  # as if it had been waited for
            raise CannotObserve(f"no reply from {self.address} in {timeout:g} s")
        time.sleep(min(count * self.interval, timeout))

    def stop(self, drain: float = 1.0) -> None:
        self.ended = self.ended or time.monotonic()

    def seen(self) -> SeatPing:
        return SeatPing("this machine", self.trace())

    def trace(self) -> PingTrace:
        packets, at = [], min(self.started, FakePing.silent_from - 1.0)
        began = at
        while at < self.ended:
            packets.append(Packet(len(packets) + 1, at, (at + 0.001,) if at < FakePing.silent_from else ()))
            at += self.interval
        return PingTrace(tuple(packets), self.interval, began, self.ended)
