"""A guest that is reached by its console, in a lab: found on the host that has it, and what is not asked of it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from fakeconsole import PASSWORD, TIMEOUTS, USER, FakeGuest
from fakelab import ADDRESSES, CONFIG, EXPORT, MOUNT_POINT, FakeRemote, xl_list

from xenlab.errors import UsageError
from xenlab.lab.guest import Guest
from xenlab.lab.lab import Lab
from xenlab.lab.watch import Watch
from xenlab.labfile import GuestSpec, HostSpec, LabFile, ShareSpec
from xenlab.remote import commands
from xenlab.remote.console_login import glance
from xenlab.remote.errors import NoConsole
from xenlab.remote.host import RemoteHost
from xenlab.remote.result import CommandResult
from xenlab.xen import xl


class Seat(FakeRemote):
    """A host where the guest's console can be opened."""

    guest: FakeGuest

    def terminal(self, *argv: str) -> object:
        self.asked.append(argv)
        return self.guest.open_console().terminal

    def glance(self, *argv: str, timeout: float) -> CommandResult:
        shown = glance(self.terminal(*argv), timeout, timeouts=TIMEOUTS)  # type: ignore[arg-type]
        return CommandResult(0, shown, "", 0.1, self.name, " ".join(argv))


def lab_file(**login: str) -> LabFile:
    first, second = (HostSpec(name=name, address=ADDRESSES[name]) for name in ("labubuntu", "baye"))
    spec = {"name": "guest1", "address": ADDRESSES["guest1"], "home": "labubuntu", "config": CONFIG, "user": USER}
    guest = GuestSpec.model_validate({**spec, "ping_target": "10.1.1.1", **login})
    share = ShareSpec(server="baye", export=EXPORT, mount_point=MOUNT_POINT)
    return LabFile(name="lab", hosts=(first, second), share=share, guests=(guest,))


@pytest.fixture
def console(tmp_path: Path) -> Iterator[FakeGuest]:
    fake = FakeGuest(tmp_path)
    yield fake
    fake.stop()


@pytest.fixture
def lab(console: FakeGuest) -> Iterator[Lab]:
    file = lab_file(login="console", password_env="GUEST1_PASSWORD")
    with Lab(file, lambda _: None, {"GUEST1_PASSWORD": PASSWORD}) as opened:
        for host in opened.hosts:
            host.remote = seat = Seat(host.name)  # type: ignore[assignment]
            seat.guest = console
            seat.says[xl.list_domains()] = xl_list()
        yield opened


def seats(lab: Lab) -> tuple[Seat, Seat]:
    first, second = (host.remote for host in lab.hosts)
    assert isinstance(first, Seat)
    assert isinstance(second, Seat)
    return first, second


def guest_on(lab: Lab, at: int, state: str = "-b----") -> Guest:
    for number, host in enumerate(seats(lab)):
        host.says[xl.list_domains()] = xl_list(guest1=state) if number == at else xl_list()
    return lab.guest("guest1")


def test_the_console_is_opened_where_the_guest_is_and_followed_when_it_moves(lab: Lab, console: FakeGuest) -> None:
    guest = guest_on(lab, 0)
    boot_id = guest.inside.boot_id
    assert guest.answers().actual == "logged in on its console on labubuntu"
    console.hang_up()
    guest_on(lab, 1)
    assert guest.inside.boot_id == boot_id
    assert guest.answers().actual == "logged in on its console on baye"
    assert [host.asked.count(xl.console("guest1")) for host in seats(lab)] == [1, 1]
    assert console.logins == 1


@pytest.mark.parametrize(("at", "state"), [(-1, "-b----"), (0, "--p---")])
def test_a_guest_that_runs_nowhere_has_no_console(lab: Lab, at: int, state: str) -> None:
    with pytest.raises(NoConsole, match="guest1 runs on no host"):
        guest_on(lab, at, state).remote.run(*commands.boot_id())
    assert all(xl.console("guest1") not in host.asked for host in seats(lab))


def test_it_is_logged_out_before_its_console_is_looked_at(lab: Lab, console: FakeGuest) -> None:
    guest = guest_on(lab, 0)
    guest.remote.run("true")
    assert guest.shows_login_prompt()
    assert console.shown("")
    guest.remote.run("true")
    assert console.logins == 2


def test_of_its_tcp_connection_nothing_is_said(lab: Lab) -> None:
    guest = guest_on(lab, 0)
    watch = Watch(guest, lab.spec.probes)
    with watch._echoing() as echo:
        assert echo is None
    assert watch.connection_lived() == ()


def test_of_a_guest_over_ssh_it_is_asked() -> None:
    with Lab(lab_file(), lambda _: None, {}) as opened:
        guest = opened.guest("guest1")
        assert isinstance(guest.remote, RemoteHost)
        (finding,) = Watch(guest, opened.spec.probes).connection_lived()
        assert not finding
        assert finding.actual == "no byte was sent"


def test_without_its_password_no_lab_is_opened() -> None:
    with pytest.raises(UsageError, match="GUEST1_PASSWORD"):
        Lab(lab_file(login="console", password_env="GUEST1_PASSWORD"), lambda _: None, {})
