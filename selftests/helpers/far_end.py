"""A far end that misbehaves as it is told: run as a program of its own in a network namespace.

It answers pings through a tun device, whose every packet it sees, so what the network "did" is known exactly.
Usage: far_end.py BEHAVIOUR SECONDS. Prints what it did and what the ping saw of it, as JSON.
"""

import fcntl
import heapq
import json
import os
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from xenlab.probes.continuity import analyse, verdict
from xenlab.probes.diagnosis import diagnose
from xenlab.probes.outside import OutsidePing

FAR = "192.0.2.2"  # TEST-NET-1 (RFC 5737)
INTERVAL = 0.01
Replies = list[tuple[float, int]]  # delay in seconds and TTL of each reply
BEHAVIOURS: dict[str, Callable[[int], Replies]] = {
    "well": lambda n: [(0.0, 64)],
    "loss": lambda n: [] if n % 20 == 0 else [(0.0, 64)],
    "delay": lambda n: [(0.03, 64)],
    "duplicates": lambda n: [(0.0, 64)] * (3 if n % 10 == 0 else 1),
    "second-machine": lambda n: [(0.0, 64), (0.001, 63)],
    "reordering": lambda n: [(0.035 if n % 10 == 0 else 0.0, 64)],
    "filtered": lambda n: [],
    "mangled": lambda n: [(-1.0, 64)] if n % 10 == 0 else [(0.0, 64)],
    "unreachable": lambda n: [(0.0, 64)],  # the link goes down half-way
    "frozen": lambda n: [(0.0, 64)],  # whoever started us stops us for a while
}


def checksum(data: bytes) -> int:
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def reply_to(packet: bytes, ttl: int, *, mangled: bool = False) -> bytes:
    icmp = b"\0\0\0\0" + packet[24:]
    icmp = icmp[:2] + struct.pack("!H", checksum(icmp)) + icmp[4:]
    if mangled:  # as if a bit had been flipped on the way: the kernel of the ping drops it, or the ping must
        icmp = icmp[:50] + bytes([icmp[50] ^ 0x40]) + icmp[51:]
    head = packet[:8] + bytes([ttl, 1, 0, 0]) + packet[16:20] + packet[12:16]
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + icmp


class FarEnd:
    def __init__(self, behaviour: Callable[[int], Replies]) -> None:
        self.behaviour = behaviour
        self.requests = 0
        self.answered: list[int] = []  # which request each reply was to, in the order they were written
        self.waiting: list[tuple[float, int, bytes, bool]] = []
        self.more = threading.Condition()
        self.tun = os.open("/dev/net/tun", os.O_RDWR)
        fcntl.ioctl(self.tun, 0x400454CA, struct.pack("16sH14x", b"far", 0x1001))  # TUNSETIFF, IFF_TUN | IFF_NO_PI
        for line in ("address add 192.0.2.1/24 dev far", "link set far up"):
            subprocess.run(["ip", *line.split()], check=True)
        for job in (self.receive, self.answer):
            threading.Thread(target=job, daemon=True).start()

    def receive(self) -> None:
        while True:
            packet = os.read(self.tun, 2048)
            if packet[0] >> 4 != 4 or packet[9] != 1 or packet[20] != 8:
                continue
            with self.more:
                self.requests += 1
                for delay, ttl in self.behaviour(self.requests):
                    due = time.monotonic() + max(0.0, delay)
                    mangled = delay < 0
                    reply = reply_to(packet, ttl, mangled=mangled)
                    heapq.heappush(self.waiting, (due, self.requests, reply, mangled))
                self.more.notify()

    def answer(self) -> None:
        while True:
            with self.more:
                left = self.waiting[0][0] - time.monotonic() if self.waiting else None
                if left is None or left > 0:
                    self.more.wait(left)
                    continue
                _, number, reply, mangled = heapq.heappop(self.waiting)
                if not mangled:
                    self.answered.append(number)
            os.write(self.tun, reply)


def overtaken(order: list[int]) -> int:
    """How many first replies came after one to a later request (RFC 4737)."""
    newest, count = 0, 0
    for number in dict.fromkeys(order):
        count += number < newest
        newest = max(newest, number)
    return count


def main() -> None:
    behaviour, seconds = sys.argv[1], float(sys.argv[2])
    far = FarEnd(BEHAVIOURS[behaviour])
    with OutsidePing(FAR, INTERVAL) as ping:
        print("pinging", file=sys.stderr, flush=True)
        time.sleep(seconds / 2)
        if behaviour == "unreachable":
            subprocess.run(["ip", "link", "set", "far", "down"], check=True)
        time.sleep(seconds / 2)
    seen = analyse(ping.trace())
    result = {
        "requests": far.requests,
        "replied": len(set(far.answered)),
        "doubled": len(far.answered) - len(set(far.answered)),
        "overtaken": overtaken(far.answered),
        "seen": {name: getattr(seen, name) for name in seen.__slots__},
        "verdict": verdict(seen, max_gap=0.5),
        "causes": [diagnosis.cause for diagnosis in diagnose(seen)],
    }
    json.dump(result, sys.stdout, default=str)


if __name__ == "__main__":
    main()
