"""A guest that is reached by its console: found on the host that has it, and followed when it moves."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from fakeconsole import PASSWORD, TIMEOUTS, USER, FakeGuest
from playedxen import HOSTS, PlayedMachine, PlayedXen

from xenlab.errors import CannotObserve, UsageError
from xenlab.lab.lab import Lab
from xenlab.remote import commands
from xenlab.remote.console_login import read_screen
from xenlab.remote.errors import NoConsole
from xenlab.remote.host import RemoteHost
from xenlab.remote.result import CommandResult

OPENED = ("xl", "console", "guest1")


class Seat:
    """What a host shows of guests' consoles."""

    def __init__(self, host: PlayedMachine, console: FakeGuest) -> None:
        self.opened = 0
        self._host = host
        self._console = console

    def terminal(self, *argv: str) -> object:
        assert argv == OPENED
        self.opened += 1
        return self._console.open_console().terminal

    def read_screen(self, *argv: str, timeout: float) -> CommandResult:
        shown = read_screen(self.terminal(*argv), timeout, timeouts=TIMEOUTS)  # type: ignore[arg-type]
        return CommandResult(0, shown, "", 0.1, self._host.name, " ".join(argv), "cmd-screen")


@pytest.fixture
def console(tmp_path: Path) -> Iterator[FakeGuest]:
    (tmp_path / "console").mkdir()
    fake = FakeGuest(tmp_path / "console")
    yield fake
    fake.stop()


@pytest.fixture
def seats(xen: PlayedXen, console: FakeGuest) -> list[Seat]:
    found = []
    for name in HOSTS:
        machine, seat = xen.machines[name], Seat(xen.machines[name], console)
        machine.terminal, machine.read_screen = seat.terminal, seat.read_screen  # type: ignore[attr-defined]
        found.append(seat)
    return found


@pytest.fixture
def lab(xen: PlayedXen, seats: list[Seat], monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    monkeypatch.setattr("xenlab.lab.lab.RemoteHost", lambda name, *_, **__: xen.machines[name])
    with Lab(by_console(xen), lambda _: "", {"GUEST1_PASSWORD": PASSWORD}, xen.custody) as opened:
        yield opened


def by_console(xen: PlayedXen) -> object:
    one, other = xen.spec.guests
    login = {"login": "console", "user": USER, "password_env": "GUEST1_PASSWORD"}
    return xen.spec.model_copy(update={"guests": (one.model_copy(update=login), other)})


def test_it_is_opened_where_the_guest_is_and_followed_when_it_moves(
    lab: Lab, xen: PlayedXen, seats: list[Seat], console: FakeGuest
) -> None:
    guest = lab.guest("guest1")
    xen.runs("guest1", "labubuntu")
    boot_id = guest.acts.look_inside().boot_id
    assert isinstance(boot_id, str)
    assert next(guest.takes_login()).actual == "logged in on its console on labubuntu"
    console.hang_up()
    xen.goes("guest1", "labubuntu")
    xen.runs("guest1", "baye")
    assert guest.acts.look_inside().boot_id == boot_id
    assert next(guest.takes_login()).actual == "logged in on its console on baye"
    assert [seat.opened for seat in seats] == [1, 1]
    assert console.logins == 1


@pytest.mark.parametrize(("host", "state"), [(None, ""), ("labubuntu", "--p---"), ("labubuntu", "---s--")])
def test_a_guest_that_does_not_run_has_no_console(
    host: str | None, state: str, lab: Lab, xen: PlayedXen, seats: list[Seat]
) -> None:
    if host:
        xen.runs("guest1", host, state)
    with pytest.raises(NoConsole, match=r"guest1 is on .*there is no console of it"):
        lab.guest("guest1").machine.run(*commands.boot_id())
    assert [seat.opened for seat in seats] == [0, 0]


def test_a_silent_host_says_nothing_of_where_it_is(lab: Lab, xen: PlayedXen, seats: list[Seat]) -> None:
    xen.runs("guest1", "labubuntu")
    xen.silence("baye")
    with pytest.raises(CannotObserve, match="baye cannot be reached"):
        lab.guest("guest1").machine.run(*commands.boot_id())
    assert [seat.opened for seat in seats] == [0, 0]


def test_it_is_logged_out_before_its_console_is_looked_at(lab: Lab, xen: PlayedXen, console: FakeGuest) -> None:
    xen.runs("guest1", "labubuntu")
    guest = lab.guest("guest1")
    guest.machine.run("true")
    (finding,) = guest.shows_login_prompt()
    assert finding.holds
    assert finding.evidence == ("cmd-screen",)
    guest.machine.run("true")
    assert console.logins == 2


def test_another_guest_is_reached_over_ssh(xen: PlayedXen) -> None:
    with Lab(by_console(xen), lambda _: "", {"GUEST1_PASSWORD": PASSWORD}) as opened:
        assert isinstance(opened.guest("guest2").machine, RemoteHost)
        assert opened.guest("guest1").by_console
        assert opened.guest("guest1").machine.pinned_connection() is None


def test_without_its_password_no_lab_is_opened(xen: PlayedXen) -> None:
    with pytest.raises(UsageError, match="GUEST1_PASSWORD"):
        Lab(by_console(xen), lambda _: "", {})
