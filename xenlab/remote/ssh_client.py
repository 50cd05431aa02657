"""Opening an SSH connection, with every way it can fail told apart."""

import logging
import socket
from contextlib import ExitStack
from typing import Never

import paramiko

from xenlab.remote.errors import (
    HostKeyMismatch,
    HostKeyUnknown,
    HostUnreachable,
    IncompatiblePeer,
    LoginRefused,
)
from xenlab.remote.login import Limits, Login
from xenlab.remote.result import printable

LOG = "xenlab.ssh"
# paramiko logs the failures that are raised here anyway; unhandled, they would land on stderr.
logging.getLogger(LOG).addHandler(logging.NullHandler())


class _Reject(paramiko.RejectPolicy):
    """Refuses a server without an entry in known_hosts, and says which key it showed."""

    def __init__(self, name: str, login: Login) -> None:
        self._name = name
        self._login = login

    def missing_host_key(self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey) -> Never:
        """Raise HostKeyUnknown."""
        del client, hostname
        raise HostKeyUnknown(
            f"{self._name}: {self._login.known_hosts} has no key for {self._login.host_key_name}, "
            f"which shows {key.get_name()} {key.fingerprint}",
            hint=f"compare it on the host's own console, then: ssh-keyscan -p {self._login.port} "
            f"{self._login.address} >> {self._login.known_hosts}",
        )


def open_client(name: str, login: Login, limits: Limits) -> tuple[paramiko.SSHClient, paramiko.Transport]:
    """Connect, verify the server's key, log in, and return the client and its live transport.

    :raises HostUnreachable: no route, closed port, silence, or no SSH server there.
    :raises HostKeyUnknown: known_hosts is missing or has no key of this server.
    :raises HostKeyMismatch: the server shows another key.
    :raises LoginRefused: the key or password is not accepted, or the key file cannot be used.
    :raises IncompatiblePeer: no algorithm in common.
    """
    key = _private_key(name, login)
    client = paramiko.SSHClient()
    client.set_log_channel(LOG)
    client.set_missing_host_key_policy(_Reject(name, login))
    _learn_host_keys(client, name, login)
    with ExitStack() as undo:
        undo.callback(client.close)
        tcp = _connect_tcp(name, login, limits)
        undo.callback(tcp.close)
        _log_in(client, tcp, name, login, limits, key)
        transport = client.get_transport()
        if transport is None or not transport.is_active():
            raise HostUnreachable(f"{name}: the connection broke right after the login")
        transport.set_keepalive(limits.keepalive)
        if limits.silence:
            silence_ms = round(limits.silence * 1000)
            tcp.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, silence_ms)
        undo.pop_all()
    return client, transport


def _where(name: str, login: Login) -> str:
    return f"{name} ({login.user}@{login.address} port {login.port})"


def _connect_tcp(name: str, login: Login, limits: Limits) -> socket.socket:
    try:
        tcp = socket.create_connection((login.address, login.port), limits.connect)
    except OSError as failure:
        reason = "no answer" if isinstance(failure, TimeoutError) else failure.strerror or str(failure)
        raise HostUnreachable(
            f"{_where(name, login)} cannot be reached: {reason}",
            hint="is the host up, is its address right, and does its sshd listen there?",
        ) from failure
    # SSH sends several small messages in a row; held back by Nagle's algorithm each costs up to 40 ms.
    tcp.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return tcp


def _log_in(
    client: paramiko.SSHClient,
    tcp: socket.socket,
    name: str,
    login: Login,
    limits: Limits,
    key: paramiko.PKey | None,
) -> None:
    where = _where(name, login)
    own_keys = key is None and login.password is None
    try:
        client.connect(
            login.address,
            login.port,
            login.user,
            password=login.password,
            pkey=key,
            timeout=limits.connect,
            banner_timeout=limits.banner,
            auth_timeout=limits.login,
            channel_timeout=limits.channel,
            sock=tcp,
            allow_agent=own_keys,
            look_for_keys=own_keys,
        )
    except paramiko.BadHostKeyException as other:
        raise HostKeyMismatch(
            f"{where} shows the key {other.key.get_name()} {other.key.fingerprint}, "
            f"but {login.known_hosts} has {other.expected_key.get_name()} {other.expected_key.fingerprint}",
            hint="if the host was re-installed, remove its old key: "
            f"ssh-keygen -f {login.known_hosts} -R '{login.host_key_name}'",
        ) from other
    except paramiko.ssh_exception.IncompatiblePeer as old:
        raise IncompatiblePeer(
            f"{where} has no SSH algorithm in common with us: {printable(old)}",
            hint="its sshd offers only ssh-rsa (SHA-1) keys or group14-sha1: give it an ed25519 host key "
            "(ssh-keygen -A) or upgrade openssh-server",
        ) from old
    except paramiko.AuthenticationException as refusal:
        transport = client.get_transport()
        if transport is None or not transport.is_active():
            raise HostUnreachable(f"{where} closed the connection during the login: {printable(refusal)}") from refusal
        raise LoginRefused(
            f"{where} refuses the login: {printable(refusal)}",
            hint="check the key or password, PermitRootLogin in the host's /etc/ssh/sshd_config, and "
            "whether the account is locked (passwd -S)",
        ) from refusal
    except (paramiko.SSHException, EOFError, OSError) as failure:
        if "authentication methods" in str(failure):
            raise LoginRefused(
                f"{where}: there is no key or password to log in with",
                hint="name key_file or password_env in the lab file, or load a key into the SSH agent",
            ) from failure
        raise HostUnreachable(
            f"{where} does not answer as an SSH server: {printable(failure) or 'connection closed'}",
            hint="is sshd up, and is this its port?",
        ) from failure


def _private_key(name: str, login: Login) -> paramiko.PKey | None:
    if login.key_file is None:
        return None
    try:
        return paramiko.PKey.from_path(login.key_file)
    except (OSError, ValueError, TypeError, paramiko.pkey.UnknownKeyType) as problem:
        raise LoginRefused(
            f"{name}: the private key {login.key_file} cannot be used: {problem}",
            hint="a key with a passphrase belongs into the SSH agent: leave key_file out then",
        ) from problem


def _learn_host_keys(client: paramiko.SSHClient, name: str, login: Login) -> None:
    """Give the client the server's keys under the name that paramiko will look for."""
    known = paramiko.HostKeys()
    try:
        known.load(str(login.known_hosts))
    except FileNotFoundError:
        return  # no file is no entry: the policy says so, with the key that the server showed
    except (OSError, UnicodeDecodeError, paramiko.hostkeys.InvalidHostKey) as problem:
        raise HostKeyUnknown(f"{name}: {login.known_hosts} cannot be read: {problem}") from problem
    looked_for = login.address if login.port == 22 else f"[{login.address}]:{login.port}"
    for keytype, key in (known.lookup(login.host_key_name) or {}).items():
        client.get_host_keys().add(looked_for, keytype, key)
