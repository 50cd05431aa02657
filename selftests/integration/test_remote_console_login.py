"""Getting in on a console and out again: logins, shells that are found there, and consoles that cannot be had."""

import functools
import itertools
import re
import shutil
import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from fakeconsole import GETTY, HASTY, LOGIN, PASSWORD, TIMEOUTS, USER, ConsoleUser, FakeGuest

from xenlab.errors import CannotObserve
from xenlab.remote import errors
from xenlab.remote.console import Console, ConsoleHost
from xenlab.remote.console_login import read_screen
from xenlab.remote.host import RemoteHost
from xenlab.remote.machine import await_login
from xenlab.remote.prompts import shown_on_screen, shows_login_prompt
from xenlab.remote.record import CommandRecord
from xenlab.remote.waiting import wait_for


@pytest.fixture
def guest(tmp_path: Path) -> Iterator[FakeGuest]:
    fake = FakeGuest(tmp_path)
    yield fake
    fake.stop()


def test_a_wrong_password_is_refused_and_no_password_is_told(guest: FakeGuest) -> None:
    records: list[CommandRecord] = []
    wrong = replace(LOGIN, password="battery staple")
    host = ConsoleHost("guest1", wrong, guest.open_console, records.append, timeouts=TIMEOUTS)
    with pytest.raises(errors.LoginRefused, match=r"the console of guest1 on baye refuses the login of") as refusal:
        host.run("true")
    assert "battery" not in f"{refusal.value} {host!r} {records}"
    host = ConsoleHost("guest1", LOGIN, guest.open_console, records.append, timeouts=TIMEOUTS)
    assert host.run("true").ok
    assert PASSWORD not in f"{host!r} {records}"
    host.close()


def test_a_password_that_is_echoed_is_not_told_either(tmp_path: Path) -> None:
    guest = FakeGuest(tmp_path, GETTY.replace("stty -echo", "true").replace("Login incorrect", "$word is no password"))
    wrong = replace(LOGIN, password="battery staple")
    host = ConsoleHost("guest1", wrong, guest.open_console, lambda _: None, timeouts=TIMEOUTS)
    try:
        with pytest.raises(errors.LoginRefused) as refusal:
            host.run("true")
    finally:
        guest.stop()
    assert "battery" not in str(refusal.value)


@pytest.mark.parametrize(
    ("login", "password", "refusal"),
    [
        ("login: ", "Passwort: ", "Anmeldung fehlerhaft"),
        ("login: ", "Mot de passe : ", "Login incorrect"),
        ("login: ", "Mot de passe\u00a0:\u00a0", "Identifiant incorrect"),
        ("login: ", "Contraseña: ", "Login incorrecto"),
        ("login: ", "Пароль: ", "Неверный вход"),
        ("login: ", "密码：", "登录错误"),
        ("login: ", "Password for root:", "Login incorrect"),
        ("Anmeldung: ", "Passwort: ", "Anmeldung fehlerhaft"),
        ("Identifiant : ", "Mot de passe : ", "Identifiant incorrect"),
        ("Username: ", "Password: ", "Login incorrect"),
        ("login:", "Password:", "Login incorrect"),
    ],
)
def test_a_login_in_any_language(tmp_path: Path, login: str, password: str, refusal: str) -> None:
    getty = GETTY.replace("login: ", login).replace("Password: ", password).replace("Login incorrect", refusal)
    guest = FakeGuest(tmp_path, getty)
    try:
        with ConsoleUser(guest, LOGIN) as host:
            assert host.run("echo", "in").stdout == "in\n"
        with (
            ConsoleUser(guest, replace(LOGIN, password="wrong")) as host,
            pytest.raises(errors.LoginRefused),
        ):
            host.run("true")
    finally:
        guest.stop()
    assert guest.logins == 1


@pytest.mark.parametrize(
    "asks",
    [
        "printf '\\rGive root password for maintenance\\n(or press Control-D to continue): '",
        "printf '\\rPlease unlock disk xvda1_crypt: '",
        "printf '\\rPasswort: '",
        "printf '\\rname: '",
    ],
)
def test_no_password_is_given_to_what_is_no_login(tmp_path: Path, asks: str) -> None:
    guest = FakeGuest(tmp_path, f"while :; do {asks}; IFS= read -r word; done")
    typed: list[bytes] = []
    guest.typed = lambda data: typed.append(data) or data  # type: ignore[func-returns-value]
    host = ConsoleHost("guest1", LOGIN, guest.open_console, lambda _: "", timeouts=replace(HASTY, login=0.5))
    try:
        with pytest.raises(errors.NoLoginPrompt):
            host.run("true")
    finally:
        guest.stop()
    assert PASSWORD.encode() not in b"".join(typed)


def test_an_enter_that_was_answered_late_is_no_refusal(tmp_path: Path) -> None:
    late = GETTY.replace("IFS= read -r user || exit", "IFS= read -r user || exit; [ -e late ] || sleep 0.7")
    guest = FakeGuest(tmp_path, late.replace('[ "$user" ] ||', '[ "$user" ] && : >late ||'))
    try:
        with ConsoleUser(guest, LOGIN) as host:
            assert host.run("echo", "in").stdout == "in\n"
    finally:
        guest.stop()


def test_what_only_looks_like_a_prompt_is_waited_out(tmp_path: Path) -> None:
    boot = "for n in 1 2 3 4; do printf 'Loading <%s>' $n; sleep 0.02; printf 'Last login: '; sleep 0.02; done"
    guest = FakeGuest(tmp_path, f"{boot}; {GETTY}")
    typed: list[bytes] = []
    guest.typed = lambda data: typed.append(data) or data  # type: ignore[func-returns-value]
    try:
        with ConsoleUser(guest, LOGIN) as host:
            assert host.run("echo", "in").stdout == "in\n"
    finally:
        guest.stop()
    sent = b"".join(typed)
    assert sent.index(USER.encode()) < sent.index(b"eval")
    assert sent.count(b"eval") == 1


def test_closing_logs_out_and_lets_go(guest: FakeGuest) -> None:
    for _ in range(2):
        with ConsoleUser(guest, LOGIN) as host:
            assert host.run("echo", "in").stdout == "in\n"
        wait_for(lambda: guest.shown(""), "the console to be free", 2, 0.02)
    assert (guest.opened, guest.logins) == (2, 2)


def test_an_agent_left_by_a_run_that_died_is_used_and_then_ended(guest: FakeGuest) -> None:
    dead = ConsoleHost("guest1", LOGIN, guest.open_console, lambda _: None, timeouts=TIMEOUTS)
    dead.run("true")
    guest.hang_up()
    with ConsoleUser(guest, LOGIN) as host:
        assert host.run("echo", "in").stdout == "in\n"
    assert guest.logins == 1
    with ConsoleUser(guest, LOGIN) as host:
        host.run("true")
    assert guest.logins == 2


def pressed(guest: FakeGuest, times: Iterator[int]) -> bool:
    guest.press(b"\x03\x1c")
    return next(times) == 20


@pytest.mark.parametrize("shell", ["dash", "bash", "busybox"])
def test_any_shell_will_do(tmp_path: Path, shell: str) -> None:
    if not (found := shutil.which(shell)):
        pytest.skip(f"no {shell} here")
    (tmp_path / "sh").symlink_to(found)
    guest = FakeGuest(tmp_path, f"PATH=$PWD:$PATH; {GETTY}")
    try:
        with ConsoleUser(guest, LOGIN) as host:
            assert host.run("echo", "a b").stdout == "a b\n"
            with pytest.raises(errors.CommandTimedOut):
                host.run("sh", "-c", "sleep 60; echo never", timeout=0.3)
            assert host.run("echo", "next").stdout == "next\n"
            # As when the command had just ended by itself: at some time in between, the agent waits for a line.
            wait_for(functools.partial(pressed, guest, itertools.count()), "the keys to be pressed", 5, 0.01)
            assert host.run("echo", "still here").stdout == "still here\n"
        with ConsoleUser(guest, LOGIN) as host:
            assert host.run("sh", "-c", "exit 4").exit_code == 4
    finally:
        guest.stop()
    assert (guest.opened, guest.logins) == (2, 2)


@pytest.mark.parametrize("shell", ["sh", "bash --norc"])
def test_a_shell_that_was_logged_in_is_used_and_left_as_it_was(tmp_path: Path, shell: str) -> None:
    if not shutil.which(shell.split()[0]):
        pytest.skip(f"no {shell} here")
    guest = FakeGuest(tmp_path, f"PS1='root@guest1:~# ' {shell} -i")
    try:
        with ConsoleUser(guest, LOGIN) as host:
            assert host.run("echo", "in").stdout == "in\n"
        with (
            ConsoleUser(guest, replace(LOGIN, user="artem")) as host,
            pytest.raises(errors.ConsoleBusy, match=f"{USER} is logged in on the console .*, not artem"),
        ):
            host.run("true")
        console = guest.open_console().terminal
        console.sendall(b"echo a; stty -a\r")
        heard = b""
        console.settimeout(5)
        while b"echoe" not in heard:
            heard += console.recv(4096)
        assert b"echo a; stty" in heard
        assert re.search(rb"\sa\r\n", heard)
    finally:
        guest.stop()


@pytest.mark.parametrize(
    ("said", "error", "words"),
    [
        (
            b"guest1 is an invalid domain identifier (rc=-6)\r\n",
            errors.NoConsole,
            "guest1 on baye ended: .*invalid domain",
        ),
        (b"xenconsole: Could not read tty from store: Success\r\n", errors.NoConsole, "Could not read tty"),
        (b"xenconsole: Could not lock /var/lock/xenconsole.5: busy\r\n", errors.ConsoleBusy, "someone else has"),
        (b"", errors.NoConsole, "nothing"),
    ],
)
def test_an_xl_console_that_fails_is_told_by_its_words(said: bytes, error: type[Exception], words: str) -> None:
    def open_console() -> Console:
        ours, theirs = socket.socketpair()
        ours.sendall(said)
        ours.close()
        return Console("baye", theirs)

    host = ConsoleHost("guest1", LOGIN, open_console, lambda _: None, timeouts=HASTY)
    with pytest.raises(error, match=words):
        host.run("true")


@pytest.mark.parametrize("program", ["while :; do echo 'Loading, please wait'; sleep 0.01; done", "sleep 60"])
def test_a_console_with_nothing_to_log_in_at(tmp_path: Path, program: str) -> None:
    guest = FakeGuest(tmp_path, program)
    host = ConsoleHost("guest1", LOGIN, guest.open_console, lambda _: None, timeouts=HASTY)
    begun = time.monotonic()
    try:
        with pytest.raises(errors.NoLoginPrompt, match="Loading" if "Load" in program else "nothing"):
            host.run("true")
    finally:
        guest.stop()
    assert time.monotonic() - begun < 10


def test_waiting_for_a_login_goes_on_through_silence_and_stops_at_a_refusal() -> None:
    tries: list[Exception] = [errors.NoConsole("no"), errors.NoLoginPrompt("not yet")]

    def log_in() -> None:
        if tries:
            raise tries.pop(0)

    await_login(log_in, "root", "guest1", 5)
    refused = errors.LoginRefused("wrong password")

    def refuse() -> None:
        raise refused

    with pytest.raises(errors.LoginRefused):
        await_login(refuse, "root", "guest1", 5)
    with pytest.raises(errors.HostUnreachable, match="waited 0 s for guest1: wrong password"):
        await_login(refuse, "artem", "guest1", 0.1)


# What the screen shows


SCREENS = {
    "getty": (GETTY, True),
    "getty in German": (GETTY.replace("login: ", "Anmeldung: "), True),
    "getty below a kernel message": (
        GETTY.replace("login: '", "login: [   12.345678] random: crng init done\\n'"),
        True,
    ),
    "a root shell": ("echo 'Last login: Tue Nov 24 20:00:00 on hvc0'; PS1='root@guest1:~# ' exec sh -i", False),
    "maintenance": ("while :; do printf '\\n(or press Control-D to continue): '; read -r _; done", False),
    "a boot that hangs": (
        "echo 'Loading, please wait:'; printf 'Begin: Waiting for root file system: '; sleep 60",
        False,
    ),
    "nothing": ("sleep 60", False),
}


@pytest.mark.parametrize("screen", SCREENS)
def test_a_look_at_the_screen_sees_a_prompt_and_lets_go(tmp_path: Path, screen: str) -> None:
    program, is_login = SCREENS[screen]
    guest = FakeGuest(tmp_path, program)
    begun = time.monotonic()
    try:
        shown = read_screen(guest.open_console().terminal, 1.5, timeouts=TIMEOUTS)
        assert shows_login_prompt(shown) == is_login
        # It is over as soon as a prompt is there, not when the time is.
        assert (time.monotonic() - begun < 1.4) == (is_login or "shell" in screen)
        wait_for(lambda: guest.shown(""), "the console to be free", 2, 0.02)
    finally:
        guest.stop()


@pytest.mark.parametrize(
    ("said", "error"),
    [
        (
            b"xenconsole: Could not lock /var/lock/xenconsole.5: Resource unavailable\r\n",
            errors.ConsoleBusy,
        ),
        (b"guest1 is an invalid domain identifier (rc=-6)\r\n", errors.NoConsole),
    ],
)
def test_a_console_that_cannot_be_had_is_no_fault_of_the_guest(said: bytes, error: type[CannotObserve]) -> None:
    ours, theirs = socket.socketpair()
    ours.sendall(said)
    ours.close()
    with pytest.raises(error, match=r"xl console guest1"):
        read_screen(theirs, 5, where="`xl console guest1` on baye", timeouts=TIMEOUTS)


def test_reading_a_screen_over_ssh_is_recorded(host: RemoteHost, records: list[CommandRecord], tmp_path: Path) -> None:
    script = "while :; do printf '\\nguest1 login: '; IFS= read -r _ || exit; done"
    result = host.read_screen("sh", "-c", script, timeout=5)
    assert shows_login_prompt(result.stdout)
    assert result.id == "cmd-1"
    assert (records[0].stdout, records[0].exit_code, records[0].changes) == (result.stdout, 0, False)
    with pytest.raises(errors.ConsoleBusy) as busy:
        host.read_screen("echo", "Could not lock /var/lock/xenconsole.5", timeout=5)
    assert busy.value.evidence == ("cmd-2",)


@pytest.mark.parametrize(
    ("text", "is_login"),
    [
        ("\r\nguest1 login: ", True),
        ("Debian GNU/Linux 11 guest1 hvc0\n\nguest1 login: ", True),
        ("guest1 login: [   12.345678] random: crng init done\r\n", True),
        ("login:", True),
        ("GUEST1 LOGIN: ", True),
        ("Last login: Tue Nov 24 20:00:00 on hvc0\r\nroot@guest1:~# ", False),
        ("Last login: ", False),
        ("Last failed login: ", False),
        ("guest1 Anmeldung: \r\n\r\nguest1 Anmeldung: ", True),
        ("guest1 Anmeldung: ", False),
        ("Passwort: \nPasswort: ", False),
        ("(or press Control-D to continue): \n(or press Control-D to continue): ", False),
        ("", False),
        ("[    1.000000] Linux version", False),
        ("root login: x", False),
    ],
)
def test_what_a_login_prompt_looks_like(text: str, is_login: bool) -> None:
    assert shows_login_prompt(text) == is_login


@pytest.mark.parametrize(
    "hostile", ["a:", ":", " ", "last login:", "\n:", "[ ", "[1.1] ", "\x1b]", "\x1b[0", "login: "]
)
def test_a_hostile_screen_costs_no_time(hostile: str) -> None:
    flood = hostile * (250_000 // len(hostile))
    begun = time.process_time()
    shows_login_prompt(flood)
    shown_on_screen(flood.encode())
    assert time.process_time() - begun < 1
