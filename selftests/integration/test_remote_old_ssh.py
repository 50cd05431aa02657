"""Hosts whose sshd has only what is too old: told in full, and reached where the lab file asks for that."""

import contextlib
import shutil
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from getpass import getuser
from pathlib import Path
from typing import ClassVar

import paramiko
import pytest
from sshd import LIMITS, OldServing, Serving, Sshd

from xenlab.remote import errors
from xenlab.remote.algorithms import OLD_KEX, Group14Sha1, OldSsh, RsaKeyBySha1
from xenlab.remote.connection import SshConnection
from xenlab.remote.login import Login
from xenlab.remote.ssh_client import open_client

OLD = ("key exchange diffie-hellman-group14-sha1", "host key ssh-rsa (SHA-1)", "cipher aes128-cbc", "MAC hmac-sha1")


class OfDsaAlone(OldServing):
    """Shows a key of a kind that paramiko has not any more; it never comes to signing by it."""

    _preferred_keys = ("ssh-dss",)
    _key_info: ClassVar = {"ssh-dss": RsaKeyBySha1}

    def __init__(self, client: socket.socket) -> None:
        super().__init__(client)
        self.server_key_dict["ssh-dss"] = paramiko.RSAKey.generate(1024)


def old(server: Sshd, folder: Path, *, old_ssh: bool = True) -> Login:
    return replace(server.login(folder, "baye"), old_ssh=old_ssh)


def said_by(login: Login) -> str:
    with contextlib.closing(SshConnection("baye", login, lambda _record: "c1", LIMITS)) as connection:
        return f"{connection.run('echo', 'here').stdout.strip()}: {', '.join(connection.old_algorithms)}"


@contextlib.contextmanager
def served(serving: type[Serving]) -> Iterator[Sshd]:
    server = Sshd(serving=serving)
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture
def server() -> Iterator[Sshd]:
    with served(OldServing) as server:
        yield server


@pytest.fixture
def moduli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A group for the server to offer (moduli(5)): the one of 2048 bits that everybody knows."""
    (tmp_path / "moduli").write_text(f"20200101000000 2 6 100 2047 2 {Group14Sha1.P:X}\n")
    monkeypatch.setattr(paramiko.Transport, "_modulus_pack", None)
    assert paramiko.Transport.load_server_moduli(str(tmp_path / "moduli"))


def test_what_is_missing_and_what_to_do_is_told(server: Sshd, tmp_path: Path) -> None:
    with pytest.raises(errors.IncompatiblePeer) as refusal:
        open_client("baye", old(server, tmp_path, old_ssh=False), LIMITS)
    assert refusal.value.message == (
        f"baye (root@127.0.0.1 port {server.port}) has no SSH algorithm in common with us: "
        "key exchange: it offers diffie-hellman-group14-sha1, diffie-hellman-group1-sha1; host key: it offers ssh-rsa"
    )
    for words in ("upgrade its sshd", "old_ssh = true", "--old-ssh HOST", "off by default, as SHA-1"):
        assert words in refusal.value.hint


def test_it_is_reached_where_that_is_asked_for(server: Sshd, tmp_path: Path) -> None:
    assert said_by(old(server, tmp_path)) == f"here: {', '.join(OLD)}"


def by_openssh(server: Sshd, login: Login, kex: str) -> str:
    """What OpenSSH's client gets to hear: it knows these algorithms by itself."""
    options = (f"KexAlgorithms=+{kex}", "HostKeyAlgorithms=+ssh-rsa", "Ciphers=+aes128-cbc", "BatchMode=yes")
    files = (f"UserKnownHostsFile={login.known_hosts}", f"IdentityFile={login.key_file}", "IdentitiesOnly=yes")
    argv = ["ssh", "-F", "none", "-p", str(server.port), *(f"-o{option}" for option in (*options, *files))]
    done = subprocess.run([*argv, "root@127.0.0.1", "echo there"], capture_output=True, text=True, timeout=60)
    return done.stdout or done.stderr


@pytest.mark.usefixtures("moduli")
@pytest.mark.parametrize("kex", OLD_KEX)
def test_each_old_key_exchange(kex: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OldServing, "_preferred_kex", (kex,))
    with served(OldServing) as server:
        assert f"key exchange {kex}" in said_by(old(server, tmp_path))
        assert by_openssh(server, old(server, tmp_path), kex) == "there\n"


def test_an_old_servers_rsa_key_is_signed_for_by_sha1(server: Sshd, tmp_path: Path) -> None:
    server.user_key = paramiko.RSAKey.generate(2048)
    assert said_by(old(server, tmp_path)).startswith("here: ")


def test_a_modern_server_is_spoken_to_as_ever(tmp_path: Path) -> None:
    with served(Serving) as server:
        assert said_by(old(server, tmp_path)) == "here: "


def test_the_host_beside_it_is_not_let_off(server: Sshd, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    assert said_by(old(server, tmp_path))
    with served(OldServing) as other, pytest.raises(errors.IncompatiblePeer):
        said_by(old(other, tmp_path / "other", old_ssh=False))
    assert "ssh-rsa" not in paramiko.RSAKey.HASHES


def test_no_signature_by_sha1_is_taken_for_another(tmp_path: Path) -> None:
    """Whoever sits between must not be able to answer rsa-sha2-512 with a signature that is weaker."""
    signed = RsaKeyBySha1.of(paramiko.RSAKey.generate(2048))
    weak = signed.sign_ssh_data(b"hash", "ssh-rsa")
    weak.rewind()
    assert not paramiko.RSAKey(data=signed.asbytes()).verify_ssh_sig(b"hash", weak)


def test_what_nothing_helps_against_is_told_so(tmp_path: Path) -> None:
    with served(OfDsaAlone) as server:
        login = server.login(tmp_path, "baye")
        for old_ssh in (False, True):
            with pytest.raises(errors.IncompatiblePeer, match="host key: it offers ssh-dss") as refusal:
                open_client("baye", replace(login, old_ssh=old_ssh), LIMITS)
            assert "with old_ssh = true neither" in refusal.value.hint


def test_a_server_without_any_host_key_is_told_so(tmp_path: Path) -> None:
    class OfNoKey(OldServing):
        _preferred_keys = ()

    with served(OfNoKey) as server, pytest.raises(errors.IncompatiblePeer) as refusal:
        open_client("baye", old(server, tmp_path), LIMITS)
    assert refusal.value.message.endswith("in common with us: host key: it offers none")
    assert "ssh-keygen -A" in refusal.value.hint


def test_an_offer_that_is_no_text_is_no_ssh_server(tmp_path: Path) -> None:
    class Garbling(Serving):
        def _send_message(self, data: paramiko.Message) -> None:
            super()._send_message(paramiko.Message(data.asbytes().replace(b"aes128-ctr", b"aes128\xff\xfe.")))

    with served(Garbling) as server, pytest.raises(errors.HostUnreachable, match="does not answer as an SSH server"):
        open_client("baye", server.login(tmp_path, "baye"), LIMITS)


def test_a_key_that_is_known_is_asked_for_first(tmp_path: Path) -> None:
    """OpenSSH 6.6 has a newer key as well, which nobody vouches for: that is no other host."""

    class WithTwoKeys(OldServing):
        _preferred_keys = ("ecdsa-sha2-nistp256", "ssh-rsa")

        def __init__(self, client: socket.socket) -> None:
            super().__init__(client)
            self.add_server_key(paramiko.ECDSAKey.generate())

    with served(WithTwoKeys) as server:
        assert "host key ssh-rsa" in said_by(old(server, tmp_path))


def test_an_unknown_key_of_an_old_server_is_got_by_a_client_that_speaks_to_it(server: Sshd, tmp_path: Path) -> None:
    login = old(server, tmp_path)
    login.known_hosts.unlink()
    with pytest.raises(errors.HostKeyUnknown) as unknown:
        open_client("baye", login, LIMITS)
    assert "ssh -o HostKeyAlgorithms=+ssh-rsa" in unknown.value.hint


def test_an_rsa_key_that_is_refused_for_its_age_is_told_so(tmp_path: Path) -> None:
    """OpenSSH 6.6 has modern keys of its own, but takes RSA signatures by SHA-1 alone."""

    class Taciturn(Serving):
        def __init__(self, client: socket.socket) -> None:
            super().__init__(client, server_sig_algs=False)

    with served(Taciturn) as server:
        login = server.login(tmp_path, "baye")
        for key, is_told in ((paramiko.RSAKey.generate(2048), True), (paramiko.ECDSAKey.generate(), False)):
            key.write_private_key_file(str(login.key_file))
            with pytest.raises(errors.LoginRefused) as refusal:
                open_client("baye", login, LIMITS)
            assert ("before OpenSSH 7.2" in refusal.value.hint) == is_told


# OpenSSH's own


@contextlib.contextmanager
def running(*argv: str, port: int) -> Iterator[None]:
    with subprocess.Popen(argv, stderr=subprocess.PIPE, text=True) as daemon:
        assert daemon.stderr is not None
        try:
            for line in daemon.stderr:  # sshd says so itself once it listens
                if f"Server listening on 127.0.0.1 port {port}" in line:
                    break
            else:
                pytest.skip("sshd does not start here")
            yield
        finally:
            daemon.terminate()


SSHD = shutil.which("sshd") or shutil.which("sshd", path="/usr/sbin:/usr/local/sbin")
CONFIG = """\
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host
PidFile none
StrictModes no
UsePAM no
AuthorizedKeysFile {folder}/authorized_keys
KexAlgorithms {kex}
HostKeyAlgorithms ssh-rsa
PubkeyAcceptedAlgorithms ssh-rsa
Ciphers 3des-cbc
MACs hmac-sha1
"""


@pytest.mark.skipif(not SSHD, reason="no sshd on this machine")
@pytest.mark.parametrize("kex", OLD_KEX)
def test_openssh_with_nothing_but_old_algorithms(kex: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A new sshd tells of SHA-2 however it is set up, and an old one does not.
    monkeypatch.setattr(OldSsh, "tells_of_sha2", False)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    for name in ("host", "id"):
        paramiko.RSAKey.generate(2048).write_private_key_file(str(tmp_path / name))
    host, mine = (paramiko.RSAKey(filename=str(tmp_path / name)) for name in ("host", "id"))
    (tmp_path / "authorized_keys").write_text(f"ssh-rsa {mine.get_base64()}\n")
    (tmp_path / "known_hosts").write_text(f"[127.0.0.1]:{port} ssh-rsa {host.get_base64()}\n")
    (tmp_path / "config").write_text(CONFIG.format(port=port, folder=tmp_path, kex=kex))
    login = Login("127.0.0.1", getuser(), tmp_path / "known_hosts", port, tmp_path / "id", sudo=False)
    with running(str(SSHD), "-D", "-e", "-f", str(tmp_path / "config"), port=port):
        with pytest.raises(errors.IncompatiblePeer, match=f"it offers {kex}; host key: it offers ssh-rsa"):
            open_client("baye", login, LIMITS)
        said = said_by(replace(login, old_ssh=True))
    assert said == f"here: key exchange {kex}, host key ssh-rsa (SHA-1), cipher 3des-cbc, MAC hmac-sha1"
