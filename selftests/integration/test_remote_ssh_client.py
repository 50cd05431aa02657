"""Getting in, and every way of not getting in, against an SSH server in this process."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import paramiko
import pytest

from xenlab.errors import CannotObserve
from xenlab.remote import errors
from xenlab.remote.login import Limits, Login
from xenlab.remote.ssh_client import open_client

PASSWORD = "not-for-any-log"


class Door(paramiko.ServerInterface):
    """Lets root in with one key or one password, and remembers who knocked."""

    def __init__(self) -> None:
        self.host_key = paramiko.ECDSAKey.generate()
        self.user_key = paramiko.ECDSAKey.generate()
        self.knocks: list[str] = []
        self.hangs_up = False
        self.hesitates = 0.0
        self.transports: list[paramiko.Transport] = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                self.transports.append(transport := paramiko.Transport(self.listener.accept()[0]))
                transport.add_server_key(self.host_key)
                threading.Event().wait(self.hesitates)
                with contextlib.suppress(paramiko.SSHException, EOFError):
                    transport.start_server(server=self)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for transport in self.transports:
            transport.close()

    def get_allowed_auths(self, username: str) -> str:
        return "password,publickey"

    def _judged(self, way: str, opens: bool) -> int:
        self.knocks.append(way)
        if self.hangs_up:
            self.transports[-1].sock.shutdown(socket.SHUT_RDWR)
        return paramiko.AUTH_SUCCESSFUL if opens else paramiko.AUTH_FAILED

    def check_auth_password(self, username: str, password: str) -> int:
        return self._judged("password", password == PASSWORD)

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        return self._judged("key", username == "root" and key == self.user_key)


def entry(name: str, key: paramiko.PKey) -> str:
    return f"{name} {key.get_name()} {key.get_base64()}\n"


@pytest.fixture
def door() -> Iterator[Door]:
    with contextlib.closing(Door()) as server:
        yield server


@pytest.fixture
def login(door: Door, tmp_path: Path) -> Login:
    (tmp_path / "known_hosts").write_text(entry(f"[127.0.0.1]:{door.port}", door.host_key))
    door.user_key.write_private_key_file(str(tmp_path / "id"))
    return Login("127.0.0.1", "root", tmp_path / "known_hosts", door.port, tmp_path / "id")


def gets_in(login: Login, limits: Limits = Limits(connect=2, banner=2, login=2)) -> bool:  # noqa: B008
    client, transport = open_client("baye", login, limits)
    with client:
        return transport.is_authenticated()


def test_a_key_or_a_password_gets_in(login: Login, door: Door) -> None:
    assert gets_in(login)
    assert gets_in(replace(login, key_file=None, password=PASSWORD))
    assert door.knocks == ["key", "password"]


def test_a_slow_server_has_longer_for_its_keys_than_tcp_has(login: Login, door: Door) -> None:
    """A host that boots under emulation takes seconds for them, which is no "No existing session"."""
    door.hesitates = 0.6
    assert gets_in(login, Limits(connect=0.2, banner=10, login=5))


def test_a_server_that_never_shows_a_key_is_told_in_words(login: Login) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        there = replace(login, port=listener.getsockname()[1])

        def greet() -> None:
            with contextlib.suppress(OSError), listener.accept()[0] as tcp:
                tcp.sendall(b"SSH-2.0-greeter\r\n")
                while tcp.recv(4096):
                    pass

        threading.Thread(target=greet, daemon=True).start()
        with pytest.raises(errors.HostUnreachable, match=r"no key exchange within 0\.5 s"):
            gets_in(there, Limits(connect=0.2, banner=0.5, login=2))


def test_the_kernel_gives_a_silent_peer_up(login: Login) -> None:
    client, transport = open_client("baye", login, Limits(silence=7.5))
    with client:
        assert transport.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 7500


@pytest.mark.parametrize("content", [None, "", "[127.0.0.2]:22 ssh-ed25519 AAAA\n", "# nothing\n"])
def test_an_unknown_host_key_is_refused(login: Login, door: Door, content: str | None) -> None:
    login.known_hosts.unlink()
    if content is not None:
        login.known_hosts.write_text(content)
    with pytest.raises(errors.HostKeyUnknown) as refusal:
        gets_in(login)
    assert "ssh-keyscan" in refusal.value.hint
    assert door.knocks == []


def test_the_unknown_key_is_shown(login: Login, door: Door) -> None:
    login.known_hosts.write_text(entry("10.1.1.143", door.host_key))
    with pytest.raises(errors.HostKeyUnknown) as refusal:
        gets_in(login)
    assert door.host_key.fingerprint in refusal.value.message


def test_another_host_key_is_refused_before_any_secret_is_sent(login: Login, door: Door) -> None:
    other = paramiko.ECDSAKey.generate()
    login.known_hosts.write_text(entry(f"[127.0.0.1]:{door.port}", other))
    with pytest.raises(errors.HostKeyMismatch) as refusal:
        gets_in(replace(login, key_file=None, password=PASSWORD))
    assert door.host_key.fingerprint in refusal.value.message
    assert other.fingerprint in refusal.value.message
    assert "ssh-keygen" in refusal.value.hint
    assert door.knocks == []


def test_a_refused_login(login: Login, tmp_path: Path) -> None:
    stranger = tmp_path / "stranger"
    paramiko.ECDSAKey.generate().write_private_key_file(str(stranger))
    with pytest.raises(errors.LoginRefused) as refusal:
        gets_in(replace(login, key_file=stranger))
    assert "PermitRootLogin" in refusal.value.hint


def test_an_unusable_key_file(login: Login, door: Door, tmp_path: Path) -> None:
    (tmp_path / "rubbish").write_text("no key")
    locked = tmp_path / "locked"
    paramiko.ECDSAKey.generate().write_private_key_file(str(locked), password="x" * 8)
    for unusable in ("rubbish", "missing", "locked"):
        with pytest.raises(errors.LoginRefused, match="cannot be used"):
            gets_in(replace(login, key_file=tmp_path / unusable))
    assert door.transports == []


def test_a_server_that_hangs_up_has_refused_nobody(login: Login, door: Door) -> None:
    door.hangs_up = True
    with pytest.raises(errors.HostUnreachable, match=r"during the login|SSH server"):
        gets_in(login)


def test_a_password_is_shown_nowhere(login: Login, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    wrong = replace(login, key_file=None, password="wrong-" + PASSWORD)
    with pytest.raises(errors.LoginRefused) as refusal:
        gets_in(wrong)
    assert not any(PASSWORD in text for text in (repr(wrong), str(refusal.value), caplog.text))


def test_a_closed_port_is_unreachable(login: Login, door: Door) -> None:
    door.close()
    with pytest.raises(errors.HostUnreachable, match=r"baye \(root@127\.0\.0\.1 port \d+\).*refused"):
        gets_in(login)


def test_a_silent_server_is_unreachable(login: Login) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        begun = time.monotonic()
        with pytest.raises(errors.HostUnreachable, match="not answer as an SSH server"):
            gets_in(replace(login, port=silent.getsockname()[1]), Limits(connect=0.3, banner=0.3))
        assert time.monotonic() - begun < 3


def test_a_servers_banner_moves_no_cursor(login: Login) -> None:
    with socket.create_server(("127.0.0.1", 0)) as rude:

        def greet() -> None:
            client = rude.accept()[0]
            client.sendall(b"\x1b]0;owned\x07\x1b[2Jhello \xe2\x80\xae\r\n" * 60)
            client.close()

        threading.Thread(target=greet, daemon=True).start()
        with pytest.raises(errors.HostUnreachable) as refusal:
            gets_in(replace(login, port=rude.getsockname()[1]))
    assert refusal.value.message.isprintable()


def test_every_failure_to_see_is_a_cannot_observe() -> None:
    names = "HostUnreachable HostKeyMismatch HostKeyUnknown LoginRefused IncompatiblePeer CommandTimedOut"
    assert all(issubclass(getattr(errors, name), CannotObserve) for name in names.split())
