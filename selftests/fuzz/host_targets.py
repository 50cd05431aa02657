"""The readers of `xenlab.remote`, `xenlab.probes` and `xenlab.lab`: what hosts, guests and their consoles answer."""

import hashlib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import cast

from selftests.fuzz import seeds
from selftests.fuzz.target import Target, of_text
from xenlab.evidence import text as texts
from xenlab.lab import looking
from xenlab.lab.dom0 import Dom0, HostPair
from xenlab.lab.judging.exports import covering, kind, matches, ruling
from xenlab.lab.lock import HostLock
from xenlab.probes import heartbeat, host_ping, inside, outside
from xenlab.probes.continuity import analyse
from xenlab.probes.neighbours import macs_at, neighbours
from xenlab.probes.ping_output import parse_ping
from xenlab.remote import console_login, facts, filesystems, frames, prompts, result, sections, shell, sudo
from xenlab.remote.frames import AgentAnswer
from xenlab.remote.host import RemoteHost
from xenlab.remote.login import Login
from xenlab.remote.output import KEPT_BYTES
from xenlab.remote.result import CommandResult
from xenlab.remote.sections import Section
from xenlab.testbed import debian, usernet
from xenlab.testbed.network import WayIn

_NONCE = "0123456789abcdef"
_CONSOLE_BYTES = 16 << 20
_SCREEN_BYTES = 1 << 16
_PING = seeds.texts(
    "PING 10.1.1.85 (10.1.1.85): 56 data bytes\n64 bytes from 10.1.1.85: seq=0 ttl=64 time=0.512 ms\n"
    "64 bytes from 10.1.1.85: seq=1 ttl=64 time=0.6 ms (DUP!)\n\n--- 10.1.1.85 ping statistics ---\n"
    "2 packets transmitted, 2 packets received, 0% packet loss\nround-trip min/avg/max = 0.5/0.5/0.6 ms\n",
    "PING guest1 (10.1.1.85) 56(84) bytes of data.\n"
    "[1795828180.711254] 64 bytes from 10.1.1.85: icmp_seq=1 ttl=64 time=0.2 ms\n"
    "[1795828180.911254] no answer yet for icmp_seq=2\nFrom 10.1.1.1 icmp_seq=3 Destination Host Unreachable\n"
    "ping: sendmsg: Network is unreachable\n[1795828181.3] 64 Bytes von 10.1.1.85: icmp_seq=65535 ttl=64 Zeit=1,2 ms\n"
    "\n--- 10.1.1.85 ping-Statistik ---\n5 Pakete übertragen, 2 empfangen, 60% packet loss, time 800ms\n",
)
_STATS = (
    *seeds.answered("files", "attached"),
    *seeds.texts("\n--\nstat: cannot statx '/mnt/x': No such file or directory\n"),
)
_EXPORTS = (
    *seeds.answered("exports"),
    *seeds.texts(
        "/srv/private  10.1.1.0/24(sync,wdelay,hide,sec=sys,rw,no_root_squash)\n/a/long\n\t\t<world>(ro)\n"
        "/x *.lab(rw)\n"
    ),
)


@dataclass(frozen=True, slots=True)
class _Answering:
    """A machine that answers each section of a look with the same text, and ends each with the same code."""

    said: str
    code: int

    def run(self, *argv: str, timeout: float | None = None, changes: bool = False) -> CommandResult:
        script = argv[2] if argv[:2] == ("sh", "-c") else ""
        nonce = re.search(r"^nonce=(\w+)$", script, re.MULTILINE)
        names = re.findall(r"^mark ([\w-]+)$", script, re.MULTILINE)
        if nonce is None:
            return CommandResult(self.code, self.said, self.said, 0.0, "baye", "", "cmd-1")
        out = "".join(f"\n={nonce[1]} {name}\n{self.said}\n={nonce[1]} {name}={self.code}\n" for name in names)
        err = out if self.code else ""
        return CommandResult(0, out, err, 0.0, "baye", "", "cmd-1")


def _host(said: str, code: int = 0) -> Dom0:
    spec = SimpleNamespace(among_hosts="baye.lab", port_among_hosts=22)
    remote = SimpleNamespace(name="baye", run=_Answering(said, code).run, fingerprint="SHA256:x", old_algorithms=())
    return cast(Dom0, SimpleNamespace(name="baye", spec=spec, remote=cast(RemoteHost, remote)))


def _looks(text: str) -> None:
    """Everything that is asked of hosts and guests, each answered, or refused, with the same; a look never raises."""
    host = _host(text, ord(text[:1] or "0") % 2)
    looking.look_at_host(host, host, ["/mnt/private/a.cfg"])
    looking.look_before_start(host, "/mnt/private/a.cfg", ["/mnt/private/a.img"])
    looking.look_at_share(host, "/mnt/private", ["/mnt/private/a.img"])
    looking.look_at_config(host, "/mnt/private/a.cfg", "/home/a.cfg")
    looking.look_at_details(host, "guest1")
    looking.look_at_identities(host, ["/mnt/private/a.img"], ["/boot/vmlinuz"])
    looking.look_for_leftovers(host, ".xenlab-*", "/root")
    looking.look_at_logs(host, 1, 1, "guest1")
    looking.look_into_guest(host.remote, "/root/nonce")


def _lock(text: str) -> None:
    HostLock(cast(HostPair, (_host(text, 3),)), "0d7ff038", "1").take()


def _sections(text: str) -> None:
    asked = [Section(name, ("true",)) for name in ("list", "stored", "mounts")]
    for answer in sections.answers(asked, _NONCE, text, text).values():
        _ = answer.ok, answer.timed_out, answer.complaint


def _mounts(text: str) -> None:
    mounts = filesystems.parse_mountinfo(text)
    for mount in mounts[:50]:
        _ = mount.folder, mount.read_only, mount.option("addr")
    place = filesystems.place_of(mounts, "/mnt/private/artem/guest1.img")
    _ = place.seen_at, place.is_below(place), place.is_below(filesystems.place_of(mounts, "/mnt/private"))


def _files(text: str) -> None:
    stdout, _, stderr = text.partition("\n--\n")
    found = filesystems.parse_files(["/mnt/private/artem/guest1.img", "/mnt/x"], stdout, stderr)
    _ = [fact.is_known for fact in found], found[0].is_same(found[1])


def _exports(text: str) -> None:
    exports = facts.exports(text)
    ruling(covering(exports, "/srv/private/artem"), ["10.1.1.189", "labubuntu.lab", "fe80::1%eth0"])
    _ = [(export.is_root, export.lets_root_write) for export in exports]


def _client(text: str) -> None:
    _ = kind(text), matches(text, ["10.1.1.189", "labubuntu.lab"]), matches(text, [])


def _written(text: str) -> None:
    _ = facts.written(text).is_unbroken


def _agent(received: bytes) -> AgentAnswer | None:
    return frames.read(received, _NONCE)


def _agent_with_digest(body: bytes) -> AgentAnswer | None:
    """A guest's root can write any answer, with its right digest."""
    answer = result.text(body).encode("ascii", "ignore").replace(b"\r", b"")
    digest = hashlib.sha256(answer).hexdigest().encode()
    mark = _NONCE.encode()
    return frames.read(b"<" + mark + b"\n" + answer + b"\n>" + mark + b" " + digest + b"\n", _NONCE)


_LOGIN = Login("10.1.1.85", "student", Path("known_hosts"), password="secret", sudo_password="word")


def _screen(received: bytes) -> None:
    shown = prompts.shown_on_screen(received[-_SCREEN_BYTES:])
    prompts.shows_login_prompt(shown)
    console_login.console_ended("the console", shown, _LOGIN)
    tail = shown[-2000:]
    line = tail.rpartition("\n")[2]
    for pattern in (prompts.SHELL, prompts.LOGIN, prompts.QUESTION, prompts.REFUSED, prompts.question_other_than(line)):
        pattern.search(tail)
    prompts.is_login(line)
    _ = frames.READY.search(tail), frames.STARTING.search(tail), frames.answered(_NONCE).search(tail)
    _ = frames.end(_NONCE).search(received)


def _login(text: str) -> None:
    shell.read_probe(_NONCE, text, text.encode(), account="root on baye")


def _sudo(received: bytes) -> None:
    asking = shell.Shell().by_password(_NONCE)
    sent: list[bytes] = []
    told = sudo.SudoDialogue(asking, "word", sent.append, lambda: None)
    for start in range(0, len(received), 1 << 16):
        told.receive("stderr" if start % 3 else "stdout", received[start : start + (1 << 16)])
    assert sent in ([], [b"word\n"])
    assert "word" not in told.words
    _ = str(told.refusal("student on baye")), str(told.refusal("student on baye", 20.0))
    _ = str(sudo.refused("student on baye", told.words)), sudo.wants_password(told.words)


def _shown(text: str) -> None:
    shown = texts.plain(text)
    assert shown == texts.plain(shown)
    _ = texts.brief(text), texts.bounded(text, 1000), result.shortened(text), result.printable(text[:1000])


def _ping(text: str) -> None:
    ping = parse_ping(text)
    _ = ping.highest_sent, ping.complete, [error.reason for error in ping.errors]


def _ping_of_host(text: str) -> None:
    offset = host_ping.clock_offset([host_ping.ClockReading(1795828180.0, 10.0, 10.1)])
    analyse(host_ping.host_trace(parse_ping(text), 0.05, offset, 10.0, 60.0))


def _ping_of_guest(text: str) -> None:
    ping = parse_ping(text)
    inside.analyse_inside(ping, 0.2, (ping.first + 5, ping.first + 20), 3.0, while_it_ran=True)


def _heartbeat(text: str) -> None:
    beats = heartbeat.parse_heartbeat(text)
    heartbeat.to_summary(heartbeat.analyse_heartbeat(beats, 0.05))
    heartbeat.analyse_heartbeat(beats, 0.05, heartbeat.Elapsed(10.0, 12.0, 13.0))


def _packet(packet: bytes) -> None:
    for message in (packet, outside.strip_ip_header(packet)):
        outside.counter_of_reply(message, 4, None, packet[8:16])
        outside.counter_of_reply(message, 6, 1, b"xenlab--")


def _ways_in(text: str) -> dict[str, WayIn]:
    return usernet.ways_in(text)


def _facts(names: Iterable[tuple[str, Callable[[str], object], tuple[bytes, ...]]]) -> tuple[Target, ...]:
    return tuple(Target(name, of_text(read), found) for name, read, found in names)


def _neighbours(text: str) -> object:
    table = neighbours(text)
    return [macs_at(address, table) for address, _ in table[:20]]


def _with_one_nonce(found: tuple[bytes, ...]) -> tuple[bytes, ...]:
    return tuple(re.sub(rb"\n=[0-9a-f]{16} ", b"\n=" + _NONCE.encode() + b" ", one) for one in found)


_LOOPS = seeds.texts('{"loopdevices": [{"name": "/dev/loop0", "back-file": "/srv/private/artem/guest1.img"}]}')
_BACKGROUND = seeds.texts("192 /root/.xenlab-2cb75c7a-watch-ping\n")
_AGENT_BODY = seeds.texts("0/6/0\naGVsbG8K\n\n==\n=\n", "1/0/3\n\n==\nYmFk\n=\n", "mangled/0/0\n==\n=\n")
_CONSOLE = seeds.texts(
    "\r\nDebian GNU/Linux 11 guest1 hvc0\r\n\r\nguest1 login: ",
    "\x1b]0;x\x07\x1b[?2004hroot@guest1:~# ",
    f"\r\nguest1 Anmeldung: \r\nguest1 Anmeldung: \r\nxenlab-agent 2\r\n"
    f"\n<{_NONCE}\n0/0/0\n==\n=\n\n>{_NONCE} {'0' * 64}\n",
)
_NEIGHBOURS = seeds.texts(
    "IP address       HW type     Flags       HW address            Mask     Device\n"
    "10.1.1.85        0x1         0x2         00:16:3e:00:00:07     *        br0\n",
    "2001:db8::85 dev xenbr0 lladdr 00:16:3e:00:00:07 router STALE\nfe80::1 dev xenbr0 FAILED\n",
)
_FORWARDED = "  TCP[HOST_FORWARD]  {0}       127.0.0.1 400{0}      10.1.1.{1}    22     0     0\n"
_USERNET = seeds.texts(
    "Hub 1 (outside):\n  Protocol[State]    FD  Source Address  Port   Dest. Address  Port RecvQ SendQ\n"
    + "".join(_FORWARDED.format(number, last) for number, last in enumerate((189, 143, 85, 86), 20))
)
_ARCHIVE = seeds.texts("E: The repository 'http://x/debian bullseye Release' does not have a Release file.\n")

HOSTS = (
    *_facts(
        (
            ("exportfs -v", _exports, _EXPORTS),
            ("client of an export", _client, seeds.texts("10.1.1.0/24", "*.lab", "@netgroup", "gss/krb5", "labubuntu")),
            ("/proc/swaps", facts.swaps, seeds.answered("swaps")),
            ("losetup", facts.loop_devices, (*seeds.answered("loops"), *_LOOPS)),
            ("/proc/cpuinfo", facts.cpu, seeds.answered("cpu")),
            ("/proc/uptime", facts.uptime, seeds.answered("uptime")),
            ("boot_id", facts.boot_id, seeds.answered("boot")),
            ("start of a program", facts.background, _BACKGROUND),
            ("pgrep -af", facts.command_lines, seeds.texts("914 xl -vvv migrate guest1 baye\n915 libxl-save-helper\n")),
            (
                "progress of a ping",
                facts.ping_progress,
                seeds.texts("61.99 950 13\n[1795828180.7] icmp_seq=12\nicmp_seq=13\n"),
            ),
            ("date", facts.wall_clock, seeds.texts("1795828180.711254123\n")),
            (
                "progress of a timed ping",
                facts.timed_ping_progress,
                seeds.texts("1795828180.7\n13 [1795828180.5]\nicmp_seq=12\n", "1795828180.7\n0 \n"),
            ),
            (
                "writer",
                _written,
                (*seeds.answered("writer"), *seeds.texts("1 61.99\n2 62.19\nsh: write error: I/O error\n3 ")),
            ),
            ("mountinfo", _mounts, seeds.answered("mounts")),
            ("stat", _files, _STATS),
            ("sections", _sections, _with_one_nonce(seeds.answered("sections"))),
            (
                "lock",
                _lock,
                seeds.texts('{"id": "0d7ff038", "from": "x", "who": "root", "pid": "7", "step": "", "since": "now"}'),
            ),
            (
                "login",
                _login,
                seeds.texts(f"{_NONCE}\ntimeout -k 5\nroot\n{_NONCE}\n", f"Welcome!\n{_NONCE}\n\nuser\n{_NONCE}\n"),
            ),
            ("text for a page", _shown, (*seeds.complaints()[:2], *_CONSOLE)),
            ("ping", _ping, (*_PING, *seeds.answered("ping"))),
            ("ping of a host", _ping_of_host, (*_PING, *seeds.answered("ping"))),
            ("ping of a guest", _ping_of_guest, (*_PING, *seeds.answered("ping"))),
            (
                "heartbeat",
                _heartbeat,
                (*seeds.answered("heartbeat"), *seeds.texts("1 1795828180,7 61.99\n2 1795828180.8 62.04\n3 62.1\n")),
            ),
            ("/proc/net/arp", _neighbours, _NEIGHBOURS),
            (
                "os-release",
                facts.system,
                seeds.texts(
                    'os ID="xcp-ng"\nos ID_LIKE="centos rhel fedora"\n'
                    "inventory PRODUCT_BRAND='XCP-ng'\ninventory PRODUCT_VERSION='8.3.0'\nruns xapi\n"
                ),
            ),
            ("info usernet", _ways_in, _USERNET),
            ("apt, of a suite", lambda text: debian.lacks_suite(text, "bullseye"), _ARCHIVE),
        )
    ),
    Target(
        "looks",
        of_text(_looks),
        (*seeds.answered("list", "whole", "logs", "name", "xl-conf"), *seeds.texts("0\n")),
        clean=(),
        most=KEPT_BYTES // 40,  # so many sections are answered with it
    ),
    Target(
        "sudo",
        _sudo,
        seeds.texts(
            "sudo: a password is required",
            "sudo: sorry, you must have a tty to run sudo",
            "student is not in the sudoers file.",
            "Sorry, try again.\nsudo: 1 incorrect password attempt\n",
            f"{shell.Shell().by_password(_NONCE).prompt}{_NONCE[: len(_NONCE) // 2]}\n",
        ),
    ),
    Target("answer over a console", _agent, _CONSOLE, most=_CONSOLE_BYTES),
    Target(
        "answer over a console, well sealed", _agent_with_digest, _AGENT_BODY, words=("==\n", "=\n", "/", "mangled")
    ),
    Target(
        "screen of a console",
        _screen,
        _CONSOLE,
        most=_CONSOLE_BYTES,
        words=(" login:", "Password:", "[ 1.2] ", "\x1b[", "\x1b]"),
    ),
    Target(
        "packet",
        _packet,
        (bytes.fromhex("4500003c000000004001000000000000"), bytes(8) + b"xenlab--" + bytes(40)),
        most=65535,
    ),
)
