"""A watch of a guest: real programs on this machine, made-up pings, and whatever may befall them."""

import os
import re
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from localguest import SILENT_PING, FakeGuest, FakePing, LocalMachine

from xenlab.errors import CannotObserve, LabFault
from xenlab.lab import guest_programs
from xenlab.lab import watch as watch_module
from xenlab.lab.judging import watched as judging
from xenlab.lab.observed import NotJudged, Observed, ProgramOutput, Unknown, UptimeReading
from xenlab.lab.watch import Watch, Watched
from xenlab.lab.watch_analysis import MoveLimits, analyse
from xenlab.labfile_limits import ProbeSpec
from xenlab.probes.trace import Window
from xenlab.remote import commands
from xenlab.remote.errors import CommandTimedOut, HostUnreachable
from xenlab.remote.result import CommandResult

pytestmark = pytest.mark.skipif(not shutil.which("bash"), reason="no bash on this machine")

PROBES = ProbeSpec(settle_seconds=0.5, inside_interval_ms=50, outside_interval_ms=50, write_interval_ms=50)
UNREACHABLE = HostUnreachable("guest1 cannot be reached: no answer", hint="is it up?", evidence=("cmd-9",))


@pytest.fixture(autouse=True)
def pings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakePing, "silent_from", float("inf"))


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalMachine]:
    monkeypatch.setattr(guest_programs, "FOLDER", str(tmp_path))
    made = LocalMachine(tmp_path)
    yield made
    for pid in programs():
        os.kill(pid, signal.SIGKILL)
    for file in leftovers(tmp_path):
        file.unlink()


RUN = f"t{os.getpid()}"


def leftovers(folder: Path) -> list[Path]:
    return [file for place in (folder, Path("/dev/shm")) for file in place.glob(f".xenlab-{RUN}-*")]


def programs() -> list[int]:
    """Those of this test's watches that run still."""
    found = []
    for link in Path("/proc").glob("[0-9]*/fd/1"):
        try:
            target = str(link.readlink())
        except OSError:
            continue
        if f".xenlab-{RUN}-" in target:
            found.append(int(link.parts[2]))
    return found


def watch(seconds: float = 60) -> Watch:
    return Watch(PROBES, run=RUN, seconds=seconds)


def watching(machine: LocalMachine, body: Callable[[], None]) -> tuple[Observed, Window]:
    with watch().around(FakeGuest(machine)) as watched:  # type: ignore[arg-type]
        began = time.monotonic()
        body()
        over = time.monotonic()
    return watched.observed, Window(began, over)


def nothing() -> None:
    """The guest moved in no time."""
    time.sleep(0.3)


def findings(observed: Observed, window: Window) -> dict[str, bool | None]:
    return {one.id: one.holds for one in judging.findings(analyse(observed, window, MoveLimits(3.0, 2)))}


def test_a_watched_move_in_four_commands(machine: LocalMachine, tmp_path: Path) -> None:
    observed, window = watching(machine, nothing)
    assert set(findings(observed, window).values()) == {True}
    assert [changes for _, changes in machine.ran] == [True, False, False, True]
    assert observed.evidence == ("cmd-1", "cmd-2", "cmd-3", "cmd-4")
    assert isinstance(observed.uptime_before, UptimeReading)
    opened, closed = observed.inside_read
    assert opened is not None
    assert closed is not None
    assert opened < closed
    assert isinstance(observed.heartbeat, ProgramOutput)
    assert not programs()
    assert not leftovers(tmp_path)
    assert f".xenlab-{RUN}-watch-" in machine.ran[0][0]


def test_by_console_there_is_no_connection(machine: LocalMachine) -> None:
    guest = FakeGuest(machine)
    guest.by_console = True
    with watch().around(guest) as watched:  # type: ignore[arg-type]
        pass
    assert watched.observed.echoed is None


def test_nothing_can_be_read_of_a_watch_under_way(machine: LocalMachine) -> None:
    with watch().around(FakeGuest(machine)) as watched, pytest.raises(RuntimeError, match="with block"):  # type: ignore[arg-type]
        _ = watched.observed


# The move's own outcome


@pytest.mark.parametrize("reachable", [True, False])
@pytest.mark.parametrize("fault", [LabFault("it did not move"), CannotObserve("ssh is gone"), KeyboardInterrupt()])
def test_what_the_body_raises_is_what_is_raised(machine: LocalMachine, fault: BaseException, reachable: bool) -> None:
    watched: Watched | None = None

    def around() -> None:
        nonlocal watched
        with watch().around(FakeGuest(machine)) as watched:  # type: ignore[arg-type]
            machine.broken = None if reachable else UNREACHABLE
            raise fault

    with pytest.raises(type(fault)) as raised:
        around()
    assert raised.value is fault
    assert watched
    assert len(watched.observed.outside[0].trace.packets) > 5
    assert isinstance(watched.observed.writes, ProgramOutput if reachable else Unknown)
    assert bool(programs()) is not reachable


def test_a_guest_that_lost_its_network_for_good(machine: LocalMachine) -> None:
    def move() -> None:
        time.sleep(0.3)
        machine.broken = UNREACHABLE
        FakePing.silent_from = time.monotonic()

    observed, window = watching(machine, move)
    found = findings(observed, window)
    assert found["outside-ping-continuous"] is False
    assert {found[id_] for id_ in ("uptime-goes-on", "inside-ping-continuous", "stood-still", "writes-go-on")} == {None}
    assert observed.inside == Unknown(UNREACHABLE.message, UNREACHABLE.hint)
    assert "cmd-9" in observed.evidence
    assert len(machine.ran) == 4


def test_a_look_that_fails_costs_only_itself(machine: LocalMachine) -> None:
    run = machine.run

    def fails(*argv: str, timeout: float | None = None, changes: bool = False) -> CommandResult:
        result = run(*argv, timeout=timeout, changes=changes)
        if len(machine.ran) == 3:
            raise CommandTimedOut("it did not end", evidence=("cmd-3",))
        return result

    machine.run = fails  # type: ignore[method-assign]
    observed, window = watching(machine, nothing)
    assert isinstance(observed.uptime_after, Unknown)
    assert set(findings(observed, window).values()) == {True}


# Programs that do not start, or do not end


@pytest.mark.parametrize("name", ["start_writer", "start_heartbeat"])
def test_a_program_that_does_not_start_is_unknown_and_no_other(
    machine: LocalMachine, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(commands, name, lambda *_: ("sh", "-c", "echo no room here >&2; exit 1"))
    observed, window = watching(machine, nothing)
    found = findings(observed, window)
    if name == "start_writer":
        assert found.pop("writes-go-on") is None
        assert observed.writes == Unknown("it could not be started: no room here")
    else:
        assert "stood-still" not in found
        assert observed.heartbeat == NotJudged("it could not be started: no room here")
    assert set(found.values()) == {True}
    assert not programs()


def test_no_bash_is_said(machine: LocalMachine, monkeypatch: pytest.MonkeyPatch) -> None:
    argv = ("sh", "-c", f"echo nothing of the kind >&2; exit {commands.NOT_FOUND}")
    monkeypatch.setattr(commands, "start_heartbeat", lambda *_: argv)
    observed, window = watching(machine, nothing)
    assert observed.heartbeat == NotJudged("the guest has no bash")
    assert judging.remarks(analyse(observed, window, MoveLimits(3.0, 2)))


def test_a_ping_that_cannot_be_started_ends_the_watch_before_the_move(
    machine: LocalMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "start_ping", lambda *_: ("sh", "-c", "echo read-only file system >&2; exit 1"))
    with pytest.raises(CannotObserve, match="could not be started on guest1: read-only file system"):
        watching(machine, lambda: pytest.fail("it moved"))
    assert not programs()


def test_a_guest_that_does_not_answer_is_not_moved(machine: LocalMachine) -> None:
    machine.broken = UNREACHABLE
    with pytest.raises(HostUnreachable):
        watching(machine, lambda: pytest.fail("it moved"))


@pytest.mark.parametrize(
    ("ping", "error", "words"),
    [
        (SILENT_PING, LabFault, "is not answered, though nothing has moved yet"),
        (f"#!{sys.executable}\nprint('ping: sendmsg: Network is unreachable')\n", LabFault, "is not answered"),
        (f"#!{sys.executable}\nprint('ping: not found')\n", CannotObserve, "guest1 cannot ping: ping: not found"),
    ],
)
def test_a_ping_that_is_not_answered_before_the_move(
    machine: LocalMachine, monkeypatch: pytest.MonkeyPatch, ping: str, error: type[Exception], words: str
) -> None:
    monkeypatch.setattr(watch_module, "_FIRST_REPLIES_SECONDS", 0.5)
    machine.ping(ping)
    with pytest.raises(error, match=words) as raised:
        watching(machine, lambda: pytest.fail("it moved"))
    if isinstance(raised.value, LabFault):
        assert raised.value.actual.endswith(("56(84) bytes of data.", "Network is unreachable"))
        assert "ping_target" in raised.value.hint
    assert not programs()


def test_programs_that_outlast_the_move_they_were_meant_for(machine: LocalMachine) -> None:
    programs_ = guest_programs.GuestPrograms(machine, PROBES, RUN, 1)  # type: ignore[arg-type]
    programs_.start("10.1.1.1")
    time.sleep(1.2)
    left = programs_.stop_and_read()
    assert left.writes == Unknown("it ran for 1 s and then ended by itself, before the move was over")


def test_one_that_hangs_keeps_no_other_from_being_read(machine: LocalMachine) -> None:
    """The script is cut off in the writer's part: what came before it is there."""
    programs_ = guest_programs.GuestPrograms(machine, PROBES, RUN, 60)  # type: ignore[arg-type]
    programs_.start("10.1.1.1")
    time.sleep(0.4)
    run = machine.run

    def hangs(*argv: str, timeout: float | None = None, changes: bool = False) -> CommandResult:
        whole = run(*argv, timeout=timeout, changes=changes)
        out = re.split(r"(?m)^=\w+ writer=", whole.stdout)[0]
        raise CommandTimedOut("it did not end", stdout=out, stderr=whole.stderr, evidence=("cmd-2",))

    machine.run = hangs  # type: ignore[method-assign]
    left = programs_.stop_and_read()
    assert isinstance(left.heartbeat, ProgramOutput)
    assert isinstance(left.uptime, UptimeReading)
    assert isinstance(left.writes, Unknown)
    assert isinstance(left.inside, Unknown)
    assert left.evidence == ("cmd-1", "cmd-2")


@pytest.mark.parametrize(("code", "ended", "hung"), [(0, False, False), (3, True, False), (124, False, True)])
def test_how_a_program_ended_is_kept(machine: LocalMachine, code: int, ended: bool, hung: bool) -> None:
    programs_ = guest_programs.GuestPrograms(machine, PROBES, RUN, 60)  # type: ignore[arg-type]
    programs_.start("10.1.1.1")
    time.sleep(0.3)
    run = machine.run

    def run_ended(*argv: str, timeout: float | None = None, changes: bool = False) -> CommandResult:
        whole = run(*argv, timeout=timeout, changes=changes)
        out = re.sub(r"(?m)^(=\w+ writer)=0", rf"\1={code}", whole.stdout)
        return CommandResult(0, out, whole.stderr, 0.1, "guest1", "sh", "cmd-2")

    machine.run = run_ended  # type: ignore[method-assign]
    left = programs_.stop_and_read()
    assert isinstance(left.writes, ProgramOutput)
    assert (left.writes.ended_before, left.writes.hung) == (ended, hung)
