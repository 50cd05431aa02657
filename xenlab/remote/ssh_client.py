"""Opening an SSH connection, with every way it can fail told apart."""

import errno
import logging
import socket
from collections.abc import Callable
from contextlib import ExitStack, suppress
from threading import Thread, Timer
from typing import Never

import paramiko

from xenlab.remote.algorithms import (
    ModernSsh,
    old_ssh_would_do,
    transport_for,
    without_common,
)
from xenlab.remote.errors import (
    HostKeyMismatch,
    HostKeyUnknown,
    HostUnreachable,
    IncompatiblePeer,
    LoginRefused,
    NoHandlesLeft,
    ShownKey,
)
from xenlab.remote.login import Limits, Login
from xenlab.remote.result import printable, shortened

LOG = "xenlab.ssh"
# paramiko logs the failures that are raised here anyway; unhandled, they would land on stderr.
logging.getLogger(LOG).addHandler(logging.NullHandler())


class Carried:
    """A connection that another machine has made for us, as a stream for SSH; `channel` is our end of it."""

    def __init__(self, channel: paramiko.Channel) -> None:
        self._channel = channel

    @property
    def is_lost(self) -> bool:
        """Whether the connection to the machine that carries it has ended."""
        return not self._channel.get_transport().is_active()

    @property
    def _closed(self) -> bool:
        """What paramiko asks of every stream when it ends; its own channels have it for that alone, too."""
        return self._channel.closed

    def settimeout(self, seconds: float | None) -> None:
        """As a socket's."""
        self._channel.settimeout(seconds)

    def send(self, data: bytes) -> int:
        """As a socket's."""
        return self._channel.send(data)

    def recv(self, size: int) -> bytes:
        """As a socket's."""
        return self._channel.recv(size)

    def close(self) -> None:
        """As a socket's: it raises nothing where the machine that carries it is gone."""
        with suppress(paramiko.SSHException, EOFError, OSError):
            self._channel.close()


Stream = socket.socket | Carried
"""What SSH is spoken over: a TCP connection of this machine's, or one that another machine has made for it."""


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
            hint=f"compare it on the host's own console, then{_asked_where(self._login)}: {_key_scan(self._login)}",
            shown=ShownKey(self._login.host_key_name, key.get_name(), key.get_base64(), key.fingerprint),
        )


def connect_tcp(name: str, login: Login, limits: Limits) -> socket.socket:
    """A TCP connection from this machine to the SSH server of a login.

    :raises HostUnreachable: there is none to be had.
    :raises NoHandlesLeft: this machine can open none.
    """
    try:
        tcp = socket.create_connection((login.address, login.port), limits.connect)
    except OSError as failure:
        _raise_if_ours(failure, name)
        reason = "no answer" if isinstance(failure, TimeoutError) else failure.strerror or str(failure)
        raise HostUnreachable(
            f"{where(name, login)} cannot be reached: {reason}",
            hint="is the host up, is its address right, and does its sshd listen there?",
        ) from failure
    # SSH sends several small messages in a row; held back by Nagle's algorithm each costs up to 40 ms.
    tcp.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return tcp


Way = Callable[[str, Login, Limits], Stream]
"""How the SSH server of a login is reached: `connect_tcp`, or through another machine (see `jump`)."""


def open_client(
    name: str, login: Login, limits: Limits, way: Way = connect_tcp
) -> tuple[paramiko.SSHClient, ModernSsh]:
    """Connect, verify the server's key, log in, and return the client and its live transport.

    :raises HostUnreachable: no route, closed port, silence, or no SSH server there.
    :raises HostKeyUnknown: known_hosts is missing or has no key of this server.
    :raises HostKeyMismatch: the server shows another key.
    :raises LoginRefused: the key or password is not accepted, or the key file cannot be used.
    :raises IncompatiblePeer: no algorithm in common.
    :raises NoHandlesLeft: this machine can open no more files.
    :raises JumpUnreachable, JumpUnusable: the `way` leads through a machine that is silent, or lets nobody go on.
    """
    key = _private_key(name, login)
    client = paramiko.SSHClient()
    client.set_log_channel(LOG)
    client.set_missing_host_key_policy(_Reject(name, login))
    _learn_host_keys(client, name, login)
    with ExitStack() as undo:
        undo.callback(client.close)
        stream = way(name, login, limits)
        undo.callback(stream.close)
        _log_in(client, stream, name, login, limits, key)
        transport = client.get_transport()
        if not isinstance(transport, ModernSsh) or not transport.is_active():
            raise HostUnreachable(f"{name}: the connection broke right after the login")
        _find_dead_peers(transport, stream, limits)
        undo.pop_all()
    return client, transport


def where(name: str, login: Login) -> str:
    """Whose SSH server, at which address and through whom: for messages."""
    through = f" through {login.via}" if login.via else ""
    return f"{name} ({login.user}@{login.address} port {login.port}{through})"


def still_answers(transport: paramiko.Transport, seconds: float) -> bool:
    """Ask the server at the other end for a sign of life; one that gives none within `seconds` is given up."""
    timer = Timer(seconds, transport.close)
    timer.daemon = True
    timer.start()
    with suppress(paramiko.SSHException, EOFError, OSError):
        # Known or not, a server answers it (RFC 4254, section 4): this returns then, or once the transport is closed.
        transport.global_request("keepalive@openssh.com")
    timer.cancel()
    return transport.is_active()


def lost_on_the_way(transport: paramiko.Transport) -> bool:
    """Whether the connection of a machine on the way has ended, so that this one's end tells nothing of its peer."""
    return isinstance(transport.sock, Carried) and transport.sock.is_lost


def _incompatible(peer: str, login: Login, transport: object, said: str) -> IncompatiblePeer:
    lacking = without_common(transport) if isinstance(transport, ModernSsh) else {}
    if not lacking:
        return IncompatiblePeer(f"{peer} and we cannot speak SSH with each other: {said}", hint="upgrade its sshd")
    offered = "; ".join(f"{kind}: it offers {printable(', '.join(names)) or 'none'}" for kind, names in lacking.items())
    message = f"{peer} has no SSH algorithm in common with us: {shortened(offered, _OFFER)}"
    if not login.old_ssh and old_ssh_would_do(lacking):
        return IncompatiblePeer(message, hint=f"upgrade its sshd, or {_OLD_SSH}")
    return IncompatiblePeer(
        message,
        hint="upgrade its sshd, or let it offer more (ssh-keygen -A there makes the host keys that it lacks): "
        "xenlab speaks none of these, with old_ssh = true neither",
    )


_OFFER = 600  # characters: a server may offer whatever it likes
_OLD_SSH = (
    "let SSH to it stand on SHA-1: old_ssh = true in its table of lab.toml (./lab init: --old-ssh HOST); off by "
    "default, as SHA-1 and groups of 1024 bits may be broken by whoever sits between, who then has the passwords"
)
_RSA_BY_SHA1 = (
    f"; if that is an RSA key, its sshd may be too old for it (before OpenSSH 7.2): use an ed25519 key, or {_OLD_SSH}"
)


def _if_rsa_is_refused(transport: paramiko.Transport, login: Login, key: paramiko.PKey | None) -> str:
    is_rsa = isinstance(key, paramiko.RSAKey) if key else login.password is None
    is_old = isinstance(transport, ModernSsh) and not transport.tells_of_sha2
    return _RSA_BY_SHA1 if is_rsa and is_old and not login.old_ssh else ""


def _known_types(client: paramiko.SSHClient) -> set[str]:
    return {keytype for entry in client.get_host_keys().values() for keytype in entry}


def _key_scan(login: Login) -> str:
    """What gets a server's key into known_hosts; ssh-keyscan asks no old server."""
    if not login.old_ssh:
        return f"ssh-keyscan -p {login.port} {login.address} >> {login.known_hosts}"
    return (
        "ssh -o HostKeyAlgorithms=+ssh-rsa -o KexAlgorithms=+diffie-hellman-group14-sha1,diffie-hellman-group1-sha1 "
        f"-o UserKnownHostsFile={login.known_hosts} -p {login.port} {login.user}@{login.address}"
    )


def _asked_where(login: Login) -> str:
    return f", on {login.via} as there is no way from here" if login.via else ""


def _find_dead_peers(transport: paramiko.Transport, stream: Stream, limits: Limits) -> None:
    """Have a peer that has fallen silent found out, though nobody asks it anything."""
    if isinstance(stream, socket.socket):
        transport.set_keepalive(limits.keepalive)
        if limits.silence:
            stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(limits.silence * 1000))
    elif limits.keepalive and limits.silence:
        # No TCP of this machine's reaches the peer, so only its own answers tell that it is there.
        job = Thread(target=_ask_now_and_then, args=(transport, limits), name="ssh keepalive", daemon=True)
        job.start()


def _ask_now_and_then(transport: paramiko.Transport, limits: Limits) -> None:
    while still_answers(transport, limits.silence):
        transport.join(limits.keepalive)  # a Transport is a thread, which ends with its connection


def _log_in(
    client: paramiko.SSHClient,
    stream: Stream,
    name: str,
    login: Login,
    limits: Limits,
    key: paramiko.PKey | None,
) -> None:
    peer = where(name, login)
    own_keys = key is None and login.password is None
    try:
        client.connect(
            login.address,
            login.port,
            login.user,
            password=login.password,
            pkey=key,
            timeout=limits.banner,  # the connection stands: this bounds what comes before the login
            banner_timeout=limits.banner,
            auth_timeout=limits.login,
            channel_timeout=limits.channel,
            sock=stream,  # type: ignore[arg-type]  # it takes whatever is like a socket
            allow_agent=own_keys,
            look_for_keys=own_keys,
            transport_factory=transport_for(old_ssh=login.old_ssh, known=_known_types(client)),
        )
    except paramiko.BadHostKeyException as other:
        raise HostKeyMismatch(
            f"{peer} shows the key {other.key.get_name()} {other.key.fingerprint}, "
            f"but {login.known_hosts} has {other.expected_key.get_name()} {other.expected_key.fingerprint}",
            hint="if the host was re-installed, remove its old key: "
            f"ssh-keygen -f {login.known_hosts} -R '{login.host_key_name}'",
        ) from other
    except paramiko.ssh_exception.IncompatiblePeer as old:
        raise _incompatible(peer, login, client.get_transport(), printable(old)) from old
    except paramiko.AuthenticationException as refusal:
        transport = client.get_transport()
        if transport is None or not transport.is_active():
            raise HostUnreachable(f"{peer} closed the connection during the login: {printable(refusal)}") from refusal
        raise LoginRefused(
            f"{peer} refuses the login: {printable(refusal)}",
            hint="check the key or password, PermitRootLogin in the host's /etc/ssh/sshd_config, and "
            f"whether the account is locked (passwd -S){_if_rsa_is_refused(transport, login, key)}",
        ) from refusal
    except (paramiko.SSHException, EOFError, OSError, UnicodeDecodeError) as failure:
        if "authentication methods" in str(failure):
            raise LoginRefused(
                f"{peer}: there is no key or password to log in with",
                hint="name key_file or password_env in the lab file, or load a key into the SSH agent",
            ) from failure
        _raise_if_ours(failure, name)
        # paramiko lets a key exchange that is late pass, and then finds no session to log in by.
        said = printable(failure)
        if "No existing session" in said:
            transport = client.get_transport()
            is_late = transport is not None and transport.is_active()
            said = f"no key exchange within {limits.banner:g} s" if is_late else ""
        raise HostUnreachable(
            f"{peer} does not answer as an SSH server: {said or 'connection closed'}",
            hint="is sshd up, and is this its port?",
        ) from failure


def _raise_if_ours(failure: Exception, name: str) -> None:
    """Raise NoHandlesLeft where it was this machine that had no file handle left: that tells nothing of the host."""
    if isinstance(failure, OSError) and failure.errno in (errno.EMFILE, errno.ENFILE):
        raise NoHandlesLeft(
            f"{name} was not asked: this machine has no file handle left ({failure.strerror})",
            hint="raise its limit (ulimit -n), or see what holds so many: ls -l /proc/PID/fd",
        ) from failure


def _private_key(name: str, login: Login) -> paramiko.PKey | None:
    if login.key_file is None:
        return None
    try:
        return paramiko.PKey.from_path(login.key_file)
    except (OSError, ValueError, TypeError, paramiko.pkey.UnknownKeyType) as problem:
        _raise_if_ours(problem, name)
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
        _raise_if_ours(problem, name)
        raise HostKeyUnknown(f"{name}: {login.known_hosts} cannot be read: {problem}") from problem
    looked_for = login.address if login.port == 22 else f"[{login.address}]:{login.port}"
    for keytype, key in (known.lookup(login.host_key_name) or {}).items():
        client.get_host_keys().add(looked_for, keytype, key)
