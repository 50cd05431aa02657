"""The switch of QEMU's user network for real, with sockets of ours in place of the hosts."""

import shutil
import socket
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Self

import pytest

from xenlab.remote.waiting import wait_for
from xenlab.testbed import cache
from xenlab.testbed.network import WayIn
from xenlab.testbed.plan import CLIENT, OUTSIDE, SERVER, HostPlan
from xenlab.testbed.state import ProcessId
from xenlab.testbed.usernet import UserNetwork

pytestmark = pytest.mark.skipif(shutil.which("qemu-system-x86_64") is None, reason="QEMU is not installed")

IPV4, ARP, OURS = 0x0800, 0x0806, 0x88B5  # EtherTypes; the last is for experiments (IEEE 802)


@dataclass
class Switch:
    """A switch that runs, and where it is reached."""

    sockets: Path
    process: "subprocess.Popen[bytes]"
    ways_in: dict[str, WayIn]


@contextmanager
def a_switch(folder: Path) -> Iterator[Switch]:
    """One switch; it uses `folder` as a lab uses its images."""
    with tempfile.TemporaryDirectory(prefix="xenlab-") as sockets:
        network = UserNetwork(Path(sockets), folder / "switch.log")
        with cache.using(folder) as descriptor:
            process = network.start(descriptor)
        try:
            yield Switch(Path(sockets), process, network.complete(process))
        finally:
            process.kill()
            process.wait()


class Plug:
    """A host's end of its cable: QEMU's stream has each frame's length in four bytes before it."""

    def __init__(self, host: HostPlan, switch: Switch) -> None:
        self.mac = bytes.fromhex(host.mac.replace(":", ""))
        self.address = ip_address(host.address).packed
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(20)
        self._socket.connect(str(switch.sockets / f"{host.name}.net"))
        self._stream = self._socket.makefile("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()
        self._socket.close()

    def send(self, to: bytes, kind: int, payload: bytes) -> None:
        frame = (to + self.mac + struct.pack("!H", kind) + payload).ljust(60, b"\0")
        self._socket.sendall(struct.pack("!I", len(frame)) + frame)

    def receive(self) -> tuple[int, bytes]:
        """EtherType and payload of the next frame."""
        frame = self._stream.read(*struct.unpack("!I", self._stream.read(4)))
        return struct.unpack("!H", frame[12:14])[0], frame[14:]

    def ask_for_outside(self) -> None:
        """An ARP request (RFC 826), which the user network answers."""
        request = struct.pack("!HHBBH", 1, IPV4, 6, 4, 1) + self.mac + self.address + bytes(6)
        self.send(b"\xff" * 6, ARP, request + ip_address(OUTSIDE).packed)


def plugged_in(stack: ExitStack, switch: Switch) -> tuple[Plug, Plug]:
    """Both hosts, known to the switch: a frame of the one reaches the other."""
    home, server = (stack.enter_context(Plug(host, switch)) for host in (CLIENT, SERVER))
    for one, other in ((home, server), (server, home)):
        other._socket.settimeout(0.2)

        def arrives(one: Plug = one, other: Plug = other) -> bool:
            one.send(other.mac, OURS, b"are you there")
            try:
                return other.receive()[0] == OURS
            except TimeoutError:
                return False

        wait_for(arrives, "a frame to cross the switch", timeout=20, interval=0.05)
        other._socket.settimeout(20)
    return home, server


def tcp_syn(sender: Plug, receiver: Plug, port: int) -> bytes:
    """A packet that opens a connection (RFC 791, RFC 9293)."""
    tcp = struct.pack("!HHIIBBHHH", 40000, port, 1, 0, 5 << 4, 0x02, 65535, 0, 0)
    over = sender.address + receiver.address + struct.pack("!BBH", 0, socket.IPPROTO_TCP, len(tcp))
    tcp = tcp[:16] + checksum(over + tcp) + tcp[18:]
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(tcp), 1, 0, 64, socket.IPPROTO_TCP, 0)
    addresses = sender.address + receiver.address
    return head[:10] + checksum(head + addresses) + addresses + tcp


def checksum(data: bytes) -> bytes:
    """The Internet's (RFC 1071)."""
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return struct.pack("!H", ~total & 0xFFFF)


def test_hosts_see_each_other_and_the_outside_resets_none_of_their_connections(tmp_path: Path) -> None:
    with a_switch(tmp_path) as switch, ExitStack() as stack:
        home, server = plugged_in(stack, switch)
        packet = tcp_syn(home, server, 2049)
        home.send(server.mac, IPV4, packet)
        assert server.receive() == (IPV4, packet.ljust(46, b"\0"))
        # What the user network has to say comes in the order in which it was asked.
        home.ask_for_outside()
        kind, answer = home.receive()
        assert kind == ARP
        assert answer[6:8] == b"\0\x02"  # a reply
        assert answer[14:18] == ip_address(OUTSIDE).packed


def test_a_connection_from_this_machine_reaches_its_host(tmp_path: Path) -> None:
    with a_switch(tmp_path) as switch, ExitStack() as stack:
        home, server = plugged_in(stack, switch)
        way = switch.ways_in[SERVER.name]
        with socket.create_connection((way.address, way.port), timeout=5):
            for host in (home, server):
                kind, request = host.receive()
                assert kind == ARP
                assert request[24:28] == server.address
            reply = struct.pack("!HHBBH", 1, IPV4, 6, 4, 2) + server.mac + server.address
            server.send(b"\xff" * 6, ARP, reply + bytes(6) + ip_address(OUTSIDE).packed)
            kind, packet = server.receive()
            assert (kind, packet[12:16], packet[16:20]) == (IPV4, ip_address(OUTSIDE).packed, server.address)
            assert struct.unpack("!H", packet[22:24]) == (22,)


def test_nothing_gets_out(tmp_path: Path) -> None:
    """A connection to this machine's own loopback by way of the outside is reset, not made."""
    with a_switch(tmp_path) as switch, ExitStack() as stack, socket.create_server(("127.0.0.1", 0)) as here:
        home, _ = plugged_in(stack, switch)
        home.ask_for_outside()
        outside = home.receive()[1][8:14]
        there = Plug.__new__(Plug)
        there.address = ip_address(OUTSIDE).packed
        home.send(outside, IPV4, tcp_syn(home, there, here.getsockname()[1]))
        kind, answer = home.receive()
        assert (kind, answer[9], answer[33] & 0x04) == (IPV4, socket.IPPROTO_TCP, 0x04)
        here.settimeout(0.2)
        with pytest.raises(TimeoutError):
            here.accept()


def test_two_switches_have_ports_of_their_own_and_give_them_back(tmp_path: Path) -> None:
    with a_switch(tmp_path) as one, a_switch(tmp_path) as other:
        ports = [way.port for switch in (one, other) for way in switch.ways_in.values()]
        assert len(set(ports)) == 8
        for port in ports:
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
        assert cache.is_used(tmp_path)
        for switch in (one, other):
            ProcessId.of(switch.process.pid).kill()
        assert not cache.is_used(tmp_path)
        for port in ports:
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", port), timeout=5)


def test_a_host_that_is_started_anew_takes_its_place_again(tmp_path: Path) -> None:
    with a_switch(tmp_path) as switch:
        for _ in range(3):
            with ExitStack() as stack:
                plugged_in(stack, switch)
