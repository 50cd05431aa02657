"""A ping from outside the guest, fit to measure continuity: it sends on schedule whether or not replies come.

icmplib provides the sockets and the requests. Its `receive` is not used: it drops a reply that arrives just
past its wall-clock deadline, hides the TTL, and takes every IPv4 header for 20 bytes.
"""

import os
import secrets
import socket
import sys
import threading
import time
from array import array
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address, ip_address
from struct import Struct
from types import TracebackType
from typing import Self

from icmplib import ICMPRequest, ICMPSocketError, ICMPv4Socket, ICMPv6Socket
from icmplib.exceptions import SocketAddressError, SocketBroadcastError, SocketPermissionError

from xenlab.errors import CannotObserve, UsageError
from xenlab.probes.trace import Packet, PingTrace

SETTLED = 1.0
"""Seconds after which an unanswered packet counts as lost in a trace taken while the ping runs."""

_HEADER = Struct("!BBHHH")  # type, code, checksum, id, sequence (RFC 792, RFC 4443)
_PADDING = 40
_PAYLOAD = Struct(f"!8sQ{_PADDING}x")  # token of this ping, packet counter, padding: 56 bytes as ping sends
_ECHO_REPLY = {4: 0, 6: 129}
_IP_RECVTTL = 12  # <linux/in.h>; not in the socket module
_POLL = 0.1


class OutsidePing:
    """Pings `address` every `interval` seconds between `start` and `stop`, or as a context manager.

    One thread sends on an absolute schedule (slots missed while it was held up are left out, not made up
    for), another receives. Both inherit the network namespace of the thread that calls `start`. A 64-bit
    counter travels in the payload, so the 16-bit sequence may wrap and a late reply is still told apart.
    Unprivileged ICMP sockets are used where the kernel allows them, raw ones otherwise. Runs once.

    :param address: an IPv4 or IPv6 address; names are refused, as looking one up would break the schedule.
    :param source: the address to send from, by default the kernel's choice.
    :raises UsageError: the address is not an address, or the interval is not positive.
    """

    def __init__(self, address: str, interval: float = 0.05, source: str | None = None) -> None:
        try:
            self._peer = ip_address(address)
        except ValueError:
            raise UsageError(f"cannot ping {address!r}: not an IP address") from None
        if not interval > 0:
            raise UsageError(f"the ping interval must be positive, not {interval}")
        self.address, self.interval, self.source = address, interval, source
        self._id = secrets.randbits(16)
        self._token = secrets.token_bytes(8)
        # Numbers in arrays: with an object a packet, Python's garbage collector stops the sender for 10 ms at times.
        self._sent = array("d")  # by counter - 1
        self._errors: dict[int, str] = {}
        self._arrivals = _Arrivals()
        self._replied = threading.Condition()
        self._stopping = threading.Event()
        self._closing = threading.Event()
        self._broken = ""
        self._started = self._ended = 0.0
        self._socket: ICMPv4Socket | ICMPv6Socket | None = None
        self._threads = [
            threading.Thread(target=self._send_on_schedule, name=f"ping {address} sender", daemon=True),
            threading.Thread(target=self._receive, name=f"ping {address} receiver", daemon=True),
        ]

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Nobody waits for the stragglers of a measurement that has failed.
        self.stop(drain=1.0 if kind is None else 0.0)

    def start(self) -> None:
        """Begin to ping.

        :raises CannotObserve: this user may open no ICMP socket.
        :raises UsageError: the source is not an address of this machine.
        """
        self._socket = _open_socket(self._peer, self.source)
        self._started = time.monotonic()
        for thread in self._threads:
            thread.start()

    def stop(self, drain: float = 1.0) -> None:
        """Stop sending, wait up to `drain` seconds for replies under way, close the socket. Idempotent."""
        if self._socket is None or self._closing.is_set():
            return
        sender, receiver = self._threads
        self._stopping.set()
        sender.join()
        self._ended = time.monotonic()
        with self._replied:
            self._replied.wait_for(lambda: self._arrivals.answered >= len(self._sent) - len(self._errors), drain)
        self._closing.set()
        receiver.join()
        self._socket.close()

    def wait_for_replies(self, count: int, timeout: float) -> None:
        """Return once `count` more packets have been answered.

        :raises CannotObserve: that took longer than `timeout` seconds.
        """
        with self._replied:
            before = self._arrivals.answered
            if self._replied.wait_for(lambda: self._arrivals.answered - before >= count, timeout):
                return
            got = self._arrivals.answered - before
        what = f"only {got} of {count} replies" if got else "no reply"
        last = self._errors.get(len(self._sent), "")
        hint = self._broken or (f"cannot send: {last}" if last else "")
        raise CannotObserve(f"{what} from {self.address} in {timeout:g} s", hint=hint)

    @property
    def silent_for(self) -> float:
        """Seconds since the last reply, or since it began where there was none."""
        with self._replied:
            return time.monotonic() - max(self._started, self._arrivals.newest)

    def trace(self) -> PingTrace:
        """All packets, on the monotonic clock; while it runs, without those that may yet be answered."""
        running = not self._closing.is_set()
        now = time.monotonic()
        with self._replied:
            replies = self._arrivals.by_counter()
        sent = self._sent.tolist()
        if running:
            sent = [t for t in sent if t <= now - SETTLED]
        packets = tuple(Packet(n, at, *replies.get(n, ((), ())), self._errors.get(n)) for n, at in enumerate(sent, 1))
        ended = max(self._started, now - SETTLED) if running else self._ended
        return PingTrace(packets, self.interval, self._started, ended, complete=not self._broken)

    def _send_on_schedule(self) -> None:
        _go_first()
        slot = self._started
        while not self._stopping.wait(max(0.0, slot - time.monotonic())):
            self._send()
            slot += self.interval * (1 + max(0.0, (time.monotonic() - slot) // self.interval))

    def _send(self) -> None:
        assert self._socket is not None  # noqa: S101 - for the type checker: start() opened it
        counter = len(self._sent) + 1
        request = ICMPRequest(self.address, self._id, counter & 0xFFFF, _PAYLOAD.pack(self._token, counter))
        self._sent.append(time.monotonic())
        try:
            self._socket.send(request)
        except SocketBroadcastError:  # what icmplib makes of any EPERM
            self._errors[counter] = "not permitted: a broadcast address, or a local firewall"
        except ICMPSocketError as error:
            self._errors[counter] = str(error)

    def _receive(self) -> None:
        assert self._socket is not None  # noqa: S101 - as above
        _go_first()
        sock, version = self._socket.sock, self._peer.version
        raw_v4 = version == 4 and self._socket.is_privileged
        sock.settimeout(_POLL)
        while not self._closing.is_set():
            try:
                data, ancillary, _flags, sender = sock.recvmsg(2048, 64)
            except TimeoutError:
                continue
            except OSError as error:
                self._broken = f"cannot receive: {error}"
                return
            arrived = time.monotonic()
            if not _same_host(sender[0], self._peer):
                continue
            # The kernel replaces the id of an unprivileged socket, and filters on it.
            ident = self._id if self._socket.is_privileged else None
            counter = counter_of_reply(strip_ip_header(data) if raw_v4 else data, version, ident, self._token)
            if counter is None or counter > len(self._sent):
                continue
            with self._replied:
                self._arrivals.add(counter, arrived, _ttl_of(ancillary))
                self._replied.notify_all()


class _Arrivals:
    """Every reply that came: counter, time and TTL; `answered` counts the packets that have one.

    `newest` is when the last one came.
    """

    def __init__(self) -> None:
        self.answered = 0
        self.newest = 0.0
        self._counters, self._times, self._ttls = array("Q"), array("d"), array("h")
        self._has_reply = bytearray()

    def add(self, counter: int, at: float, ttl: int | None) -> None:
        self.newest = at
        self._counters.append(counter)
        self._times.append(at)
        self._ttls.append(-1 if ttl is None else ttl)
        if (short := counter + 1 - len(self._has_reply)) > 0:
            self._has_reply.extend(bytes(short + 4096))
        self.answered += not self._has_reply[counter]
        self._has_reply[counter] = 1

    def by_counter(self) -> dict[int, tuple[tuple[float, ...], tuple[int, ...]]]:
        """The times and the different TTLs of each answered packet's replies, in order of arrival."""
        found: dict[int, tuple[tuple[float, ...], tuple[int, ...]]] = {}
        for counter, at, ttl in zip(self._counters, self._times, self._ttls, strict=True):
            times, ttls = found.get(counter, ((), ()))
            found[counter] = ((*times, at), ttls if ttl < 0 or ttl in ttls else (*ttls, ttl))
        return found


def _go_first() -> None:
    """Give the calling thread real-time priority where the machine allows it (sched(7)): root, as a rule."""
    with suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))


def strip_ip_header(packet: bytes) -> bytes:
    """What follows the IPv4 header, options and all (RFC 791: its length is in the second nibble)."""
    return packet[(packet[0] & 0x0F) * 4 :] if packet else b""


def counter_of_reply(message: bytes, version: int, ident: int | None, token: bytes) -> int | None:
    """The counter in an ICMP message, or None unless it is an echo reply to this very ping, byte for byte.

    Requests (a raw socket on lo sees its own), errors, and replies to others carry another type, id or
    token; one that was mangled on the way carries another payload (a raw socket is given it all the same:
    the kernel checks no ICMP checksum for it). `ident` None takes any id.
    """
    if len(message) != _HEADER.size + _PAYLOAD.size:
        return None
    kind, _code, _checksum, replied_id, sequence = _HEADER.unpack_from(message)
    if kind != _ECHO_REPLY[version] or ident not in (None, replied_id):
        return None
    its_token, counter = _PAYLOAD.unpack_from(message, _HEADER.size)
    ours = its_token == token and counter > 0 and counter & 0xFFFF == sequence
    return counter if ours and not any(message[-_PADDING:]) else None


def _same_host(sender: str, peer: IPv4Address | IPv6Address) -> bool:
    return ip_address(sender.partition("%")[0]) == ip_address(str(peer).partition("%")[0])


def _ttl_of(ancillary: list[tuple[int, int, bytes]]) -> int | None:
    for level, kind, data in ancillary:
        if (level, kind) in ((socket.IPPROTO_IP, socket.IP_TTL), (socket.IPPROTO_IPV6, socket.IPV6_HOPLIMIT)):
            return int.from_bytes(data[:4], sys.byteorder)
    return None


def _open_socket(peer: IPv4Address | IPv6Address, source: str | None) -> ICMPv4Socket | ICMPv6Socket:
    make = ICMPv4Socket if peer.version == 4 else ICMPv6Socket
    try:
        try:
            opened = make(source, privileged=False)
        except SocketPermissionError:
            opened = make(source, privileged=True)
    except SocketPermissionError:
        remedy = "run as root, give python cap_net_raw, or let net.ipv4.ping_group_range include your group"
        raise CannotObserve(f"may not open an ICMP socket to ping {peer}", hint=remedy) from None
    except SocketAddressError:
        raise UsageError(f"cannot ping from {source}: not an address of this machine") from None
    except ICMPSocketError as error:
        raise CannotObserve(f"cannot open an ICMP socket to ping {peer}: {error}") from None
    if peer.version == 4:
        opened.sock.setsockopt(socket.IPPROTO_IP, _IP_RECVTTL, 1)
    else:
        opened.sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVHOPLIMIT, 1)
    return opened
