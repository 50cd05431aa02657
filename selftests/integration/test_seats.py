"""From where guests are pinged from outside: the choice, and real background pings of hosts that this machine plays."""

import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from localguest import SILENT_PING, FakeGuest, FakeSeat, LocalMachine
from playedsessions import Sessions
from playedxen import PlayedXen

from xenlab.errors import CannotObserve
from xenlab.grading.moves import Moves
from xenlab.grading.rubric import Thresholds
from xenlab.lab import guest_programs
from xenlab.lab.custody import WATCH
from xenlab.lab.judging import watched as judging
from xenlab.lab.left import LabLeft
from xenlab.lab.observed import SeatPing, Unknown
from xenlab.lab.ping_on_host import HostPing
from xenlab.lab.seats import HostSeat, OutsideView, Seat, ThisMachine, seats_for
from xenlab.lab.tape import Untaped
from xenlab.lab.watch import Watch
from xenlab.lab.watch_analysis import MoveLimits, analyse
from xenlab.labfile import GuestSpec, HostSpec, JumpSpec, LabFile, ShareSpec
from xenlab.labfile_limits import ProbeSpec, TimeoutSpec
from xenlab.probes.trace import PingTrace, Window
from xenlab.remote.errors import HostUnreachable
from xenlab.remote.waiting import wait_for

pytestmark = pytest.mark.skipif(not shutil.which("setsid"), reason="no setsid on this machine")

RUN = f"s{os.getpid()}"
BUSYBOX = """#!/bin/sh
echo "ping: invalid option -- 'V'" >&2
echo "BusyBox v1.35.0 (Debian 1:1.35.0-4+b3) multi-call binary." >&2
exit 1
"""
ARGV = f"""#!{sys.executable}
import sys
if "-V" in sys.argv:
    print("ping from iputils 20221126"); sys.exit()
print(" ".join(sys.argv[1:]), flush=True)
print("ping: cannot flood; minimal interval allowed for user is 200ms", flush=True)
sys.exit(2)
"""
GUEST = "10.1.1.85"


# -- who pings ----------------------------------------------------------------------------------------

HERE, BOTH = ("runner",), ("labubuntu", "baye")
CHOICES = {
    "all are within reach": ({}, HERE),
    "a guest behind the hosts": ({"via": "hosts"}, BOTH),
    "a guest behind one host": ({"via": "baye"}, BOTH),
    "a guest behind a jump host": ({"via": "gate"}, BOTH),
    "a guest with a way of its own, hosts behind a jump host": ({"hosts_via": "gate"}, HERE),
    "a guest by the console of hosts within reach": ({"login": "console", "password_env": "X"}, HERE),
    "a guest by the console of hosts behind a jump host": (
        {"login": "console", "password_env": "X", "hosts_via": "gate"},
        BOTH,
    ),
    "this machine, as the lab file says": ({"via": "hosts", "outside_from": "runner"}, HERE),
    "the hosts, as the lab file says": ({"outside_from": "hosts"}, BOTH),
    "one host, as the lab file says": ({"outside_from": "baye"}, ("baye",)),
    "a third machine, as the lab file says": ({"via": "hosts", "outside_from": "gate"}, ("gate",)),
}


def lab_of(hosts_via: str | None = None, outside_from: str | None = None, **guest: str) -> LabFile:
    rest = {"home": "labubuntu", "config": "/mnt/p/guest1.cfg", "ping_target": "10.1.1.1"}
    return LabFile(
        name="x",
        share=(ShareSpec(server="baye", export="/srv/p", mount_point="/mnt/p"),),
        probes=ProbeSpec(outside_from=outside_from),
        hosts=(
            HostSpec(name="labubuntu", address="10.1.1.189", via=hosts_via),
            HostSpec(name="baye", address="10.1.1.143", via=hosts_via),
        ),
        guests=(GuestSpec(name="guest1", address=GUEST, **rest, **guest),),  # type: ignore[arg-type]
        jumps=(JumpSpec(name="gate", address="gate.example.org"),),
    )


@pytest.mark.parametrize(("how", "seats"), CHOICES.values(), ids=CHOICES.keys())
def test_who_pings_a_guest_from_outside(how: dict[str, str], seats: tuple[str, ...]) -> None:
    lab = lab_of(**how)
    assert seats_for(lab, lab.guests[0]) == seats


# -- a host's ping ------------------------------------------------------------------------------------


@pytest.fixture
def host(tmp_path: Path) -> Iterator[LocalMachine]:
    made = LocalMachine(tmp_path / "baye", "baye")
    yield made
    for pid in running():
        os.kill(pid, signal.SIGKILL)
    for file in files():
        file.unlink()


def files() -> list[Path]:
    return list(Path("/dev/shm").glob(f".xenlab-{RUN}-*"))


def running(run: str = RUN) -> list[int]:
    """Those pings of a run that run still."""
    found = []
    for link in Path("/proc").glob("[0-9]*/fd/1"):
        try:
            if f".xenlab-{run}-" in str(link.readlink()):
                found.append(int(link.parts[2]))
        except OSError:
            continue
    return found


def ping_from(host: LocalMachine, seconds: int = 60) -> HostPing:
    return HostSeat(host, RUN).ping("guest1", GUEST, 0.05, seconds)  # type: ignore[arg-type]


def test_a_host_pings_and_nothing_is_left_of_it(host: LocalMachine) -> None:
    begun = time.monotonic()
    with ping_from(host) as ping:
        assert [file.name for file in files()] == [f".xenlab-{RUN}-watch-guest1.ping"]
        ping.wait_for_replies(10, 10)
        assert len(running()) == 1
        assert 0 <= ping.silent_for < 1.0
    ended = time.monotonic()
    assert (files(), running()) == ([], [])
    seen = ping.seen()
    assert (seen.seat, seen.unread) == ("baye", "")
    assert seen.trace.complete
    assert len(seen.trace.packets) >= 10
    error = seen.trace.clock_error
    assert all(begun - error <= at <= ended + error for at in seen.trace.send_times())
    assert error < 0.5
    assert not isinstance(seen.neighbours, Unknown)
    assert seen.evidence == tuple(f"cmd-{n}" for n in range(1, len(host.ran) + 1))
    assert [changes for _, changes in host.ran] == [True, *[False] * (len(host.ran) - 2), True]
    ping.stop()  # once more changes nothing
    assert ping.seen() is seen


@pytest.mark.skipif(not shutil.which("ping") or os.geteuid() != 0, reason="no iputils ping here, or not root")
def test_a_real_ping_is_read(host: LocalMachine) -> None:
    (host.folder / "bin/ping").unlink()
    if "iputils" not in host.run("ping", "-V").stdout:
        pytest.skip("another ping")
    with HostPing(host, "127.0.0.1", 0.05, f"/dev/shm/.xenlab-{RUN}-watch-real", 60) as ping:  # type: ignore[arg-type]
        ping.wait_for_replies(20, 10)
    trace = ping.seen().trace
    assert trace.complete
    assert all(packet.received for packet in trace.packets)
    assert trace.packets[0].ttls == (64,)
    first, *_, last = trace.send_times()
    assert 0.045 < (last - first) / (len(trace.packets) - 1) < 0.1


def test_it_ends_by_itself_and_keeps_its_pace(host: LocalMachine) -> None:
    """The number of packets bounds it, whoever is left to stop it."""
    host.ping(ARGV)
    with ping_from(host, seconds=90) as ping:
        wait_for(lambda: not running(), "it to end", 5, 0.02)
        argv = files()[0].read_text().splitlines()[0]
        assert argv == f"-D -O -n -S 212992 -i 0.05 -c 1800 {GUEST}"
        with pytest.raises(CannotObserve) as failure:
            ping.wait_for_replies(1, 0.1)
    assert failure.value.message == f"no reply from {GUEST} to baye in 0.1 s"
    assert failure.value.hint.endswith("minimal interval allowed for user is 200ms")
    assert files() == []


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (BUSYBOX, "BusyBox v1.35.0 (Debian 1:1.35.0-4+b3) multi-call binary."),
        ("#!/bin/sh\necho 'ping (GNU inetutils) 2.4'\n", "ping (GNU inetutils) 2.4"),
    ],
)
def test_a_ping_that_notes_no_times_is_told_as_what_it_is(host: LocalMachine, text: str, name: str) -> None:
    host.ping(text)
    with pytest.raises(CannotObserve) as failure, ping_from(host):
        pytest.fail("it began")
    assert failure.value.message == f"baye cannot tell when its pings went out: its ping is {name}"
    assert "iputils-ping" in failure.value.hint
    assert files() == []


def test_a_host_that_is_lost_leaves_a_trace_that_passes_nothing(host: LocalMachine) -> None:
    with ping_from(host) as ping:
        ping.wait_for_replies(1, 10)
        host.broken = HostUnreachable("baye cannot be reached: no answer", evidence=("cmd-9",))
    seen = ping.seen()
    assert seen.unread == "baye cannot be reached: no answer"
    assert seen.trace.packets == ()
    assert not seen.trace.complete
    assert isinstance(seen.neighbours, Unknown)
    assert seen.evidence[-1] == "cmd-9"


def test_a_ping_that_somebody_ended_is_not_whole(host: LocalMachine) -> None:
    with ping_from(host) as ping:
        ping.wait_for_replies(3, 10)
        for pid in running():
            os.kill(pid, signal.SIGKILL)
        wait_for(lambda: not running(), "it to end", 5, 0.02)
    assert not ping.seen().trace.complete
    assert len(ping.seen().trace.packets) >= 3


def test_whether_a_host_hears_a_guest(host: LocalMachine) -> None:
    seat = HostSeat(host, RUN)  # type: ignore[arg-type]
    for code, silent, could_send in ((0, False, True), (1, True, True), (2, True, False), (127, True, False)):
        host.ping(f"#!/bin/sh\nexit {code}\n")
        heard = seat.try_ping(GUEST, 0.1)
        assert (heard.seat, heard.silent is not None, heard.could_send) == ("baye", silent, could_send)
        assert heard.evidence
    assert ThisMachine().try_ping("127.0.0.1", 5.0).silent is None


# -- both hosts at once -------------------------------------------------------------------------------


@pytest.fixture
def hosts(host: LocalMachine, tmp_path: Path) -> tuple[LocalMachine, LocalMachine]:
    return LocalMachine(tmp_path / "labubuntu", "labubuntu"), host


def seats_of(*machines: LocalMachine) -> tuple[Seat, ...]:
    return tuple(HostSeat(machine, f"{RUN}-{machine.name}") for machine in machines)  # type: ignore[arg-type]


def test_a_move_that_both_hosts_watch(
    hosts: tuple[LocalMachine, LocalMachine], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guest_programs, "FOLDER", str(tmp_path))
    guest = FakeGuest(LocalMachine(tmp_path / "guest1"), *seats_of(*hosts))
    probes = ProbeSpec(settle_seconds=0.5, inside_interval_ms=50, outside_interval_ms=50)
    began = time.monotonic()
    with Watch(probes, run=RUN, seconds=60).around(guest) as watched:  # type: ignore[arg-type]
        began = time.monotonic()
        time.sleep(0.5)
        over = time.monotonic()
    analysis = analyse(watched.observed, Window(began, over), MoveLimits(3.0, 2))
    assert {ping.seat for ping in analysis.outside} == {"labubuntu", "baye"}
    finding = judging.outside_ping(analysis)
    assert finding.holds, finding.actual
    assert {finding.actual.count(f"from {name}: last packet before") for name in ("labubuntu", "baye")} == {1}
    assert set(watched.observed.evidence) >= {f"cmd-{len(machine.ran)}" for machine in hosts}
    assert (files(), running()) == ([], [])


def test_a_host_without_a_ping_ends_the_other_ones_as_well(hosts: tuple[LocalMachine, LocalMachine]) -> None:
    hosts[1].ping(BUSYBOX)
    with (
        pytest.raises(CannotObserve, match="its ping is BusyBox"),
        OutsideView(seats_of(*hosts), "guest1", GUEST, 0.05, 60),
    ):
        pytest.fail("it began")
    assert (files(), running()) == ([], [])


def test_every_seat_is_to_hear_it_before_anything_moves(hosts: tuple[LocalMachine, LocalMachine]) -> None:
    hosts[0].ping(SILENT_PING)
    with OutsideView(seats_of(*hosts), "guest1", GUEST, 0.05, 60) as view:
        with pytest.raises(CannotObserve, match=f"no reply from {GUEST} to labubuntu in 1 s"):
            view.wait_for_replies(3, 1.0)
        assert view.silent_for < 5.0
    silent, heard = view.seen()
    assert (silent.seat, heard.seat) == ("labubuntu", "baye")
    assert not any(packet.received for packet in silent.trace.packets)
    assert all(packet.received for packet in heard.trace.packets)


def test_this_machine_pings_for_itself() -> None:
    assert not ThisMachine().keeps_files
    with ThisMachine().ping("guest1", "127.0.0.1", 0.02, 60) as ping:
        ping.wait_for_replies(3, 5.0)
    seen = ping.seen()
    assert (seen.seat, seen.unread, seen.trace.complete) == ("this machine", "", True)


# -- nothing is left on hosts -------------------------------------------------------------------------


def test_a_hosts_ping_is_noted_before_it_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    noted: list[str] = []

    class Noting:
        run = RUN

        def will(self, act: str, **facts: str) -> None:
            noted.append(f"{act} {facts['guest']} {facts.get('host', '')}".strip())

        def not_watched(self, guest: str) -> None:
            noted.append(f"{guest} is not watched any more")

    seen = SeatPing("baye", PingTrace((), 0.05, 0.0, 1.0))

    class Begun:
        def __init__(self, *_: object, **__: object) -> None: ...

        @contextmanager
        def around(self, guest: object) -> Iterator[SimpleNamespace]:
            noted.append("begun")
            yield SimpleNamespace(observed=SimpleNamespace(outside=(seen,)))

    monkeypatch.setattr("xenlab.grading.moves.Watch", Begun)
    spec = SimpleNamespace(probes=ProbeSpec(), timeouts=TimeoutSpec())
    run = SimpleNamespace(rubric=SimpleNamespace(thresholds=Thresholds()))
    moves = Moves(SimpleNamespace(spec=spec, custody=Noting(), tape=Untaped()), run)  # type: ignore[arg-type]
    host = SimpleNamespace(name="baye", keeps_files=True)
    guest = SimpleNamespace(name="guest1", seats=(FakeSeat(), host))
    with moves.watched(guest):  # type: ignore[arg-type]
        pass
    assert noted == ["watch guest1", "watch guest1 baye", "begun", "guest1 is not watched any more"]
    noted.clear()
    seen = replace(seen, unread="baye cannot be reached")  # what it left there is still to be removed
    with moves.watched(guest):  # type: ignore[arg-type]
        pass
    assert noted == ["watch guest1", "watch guest1 baye", "begun"]


def test_a_ping_that_a_killed_run_left_is_ended_by_mend(
    xen: PlayedXen, sessions: Sessions, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pinger = LocalMachine(tmp_path / "bin-of-baye", "baye")
    xen.spec = xen.spec.model_copy(update={"probes": ProbeSpec(outside_from="baye")})
    session = sessions.begin()
    run = session.custody.run
    (seat,) = session.guest("guest1").seats
    assert (seat.name, seat.keeps_files) == ("baye", True)
    session.custody.will(WATCH, guest="guest1", host="baye")
    left = HostSeat(pinger, run).ping("guest1", GUEST, 0.05, 60)  # type: ignore[arg-type]
    left.start()
    left.wait_for_replies(1, 10)
    file = Path(f"/dev/shm/.xenlab-{run}-watch-guest1.ping")
    assert file.exists()
    names = [finding.actual for finding in LabLeft.of(session).nothing_of_ours_is_there() if not finding]
    assert names
    assert all(str(file) in name for name in names)
    sessions.kill(session)
    sessions.mend()
    assert not file.exists()
    wait_for(lambda: not running(run), "it to end", 5, 0.02)
    assert sessions.noted() == []
