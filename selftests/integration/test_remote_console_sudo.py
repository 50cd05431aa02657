"""Guests reached by their console whose sudo asks for a password: the login as a whole goes through it, once."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from fakeconsole import GETTY, LOGIN, TIMEOUTS, FakeGuest
from playedsudo import PASSWORD, PlayedSudo

from xenlab.remote import errors
from xenlab.remote.console import ConsoleHost
from xenlab.remote.record import CommandRecord

# Each start of a played sudo is one of Python, which a busy machine is slow at.
PATIENT = replace(TIMEOUTS, prompt=20, login=20, agent=10, lull=2, interrupt=10)


@pytest.fixture
def asking(tmp_path: Path) -> Iterator[tuple[FakeGuest, PlayedSudo]]:
    """A guest whose sudo asks for a password."""
    sudo = PlayedSudo(tmp_path / "bin")
    guest = FakeGuest(tmp_path, f'PATH="$PWD/bin:$PATH"; {GETTY}')
    yield guest, sudo
    guest.stop()


def sudoer(guest: FakeGuest, records: list[CommandRecord], password: str | None = PASSWORD) -> ConsoleHost:
    login = replace(LOGIN, sudo_password=password)
    return ConsoleHost("guest1", login, guest.open_console, lambda r: records.append(r) or "", timeouts=PATIENT)  # type: ignore[func-returns-value]


@pytest.fixture
def records() -> list[CommandRecord]:
    return []


@pytest.mark.parametrize("state", ["", "asks-nothing", "remembered"])
def test_a_sudo_that_asks_is_answered_once_a_login(
    asking: tuple[FakeGuest, PlayedSudo], records: list[CommandRecord], state: str
) -> None:
    guest, sudo = asking
    if state:
        sudo.set(state)
    host = sudoer(guest, records)
    result = host.run("sh", "-c", 'echo "$1"; id -u; cat; echo words >&2; exit 3', "sh", "it's a b")
    assert (result.stdout, result.stderr, result.exit_code) == ("it's a b\n0\n", "words\n", 3)
    guest.hang_up()
    assert host.run("id", "-u").stdout == "0\n"
    assert host.runs_as_root()
    assert len([call for call in sudo.calls if "xenlab" in call]) == guest.logins == 1
    assert PASSWORD not in repr([records, sudo.calls])
    with pytest.raises(errors.CommandTimedOut):
        host.run("sleep", "60", timeout=0.3)
    assert host.run("echo", "next").stdout == "next\n"
    host.close()


@pytest.mark.parametrize(
    ("state", "password", "words", "failures"),
    [("", "wrong", "does not take the password", 1), ("unlisted", PASSWORD, "refuses: .*not in the sudoers file", 0)],
)
def test_a_sudo_that_refuses_on_a_console_is_asked_once(
    asking: tuple[FakeGuest, PlayedSudo],
    records: list[CommandRecord],
    state: str,
    password: str,
    words: str,
    failures: int,
) -> None:
    guest, sudo = asking
    if state:
        sudo.set(state)
    host = sudoer(guest, records, password)
    for _ in range(3):
        with pytest.raises(errors.SudoRefused, match=words) as refusal:
            host.run("true")
        assert password not in str(refusal.value)
    assert sudo.failures == failures
    assert len(sudo.calls) == 1


def test_an_agent_that_knew_no_password_makes_room_for_one_that_does(
    asking: tuple[FakeGuest, PlayedSudo], records: list[CommandRecord]
) -> None:
    guest, _ = asking
    first = sudoer(guest, records, None)
    assert first.run("id", "-u").stdout == "1000\n"
    guest.hang_up()
    host = sudoer(guest, records)
    assert host.run("id", "-u").stdout == "0\n"
    assert guest.logins == 2
    host.close()
