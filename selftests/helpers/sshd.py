"""A real SSH server in this process, which gives its commands to a login shell."""

import contextlib
import select
import socket
import subprocess
import threading
from collections import defaultdict
from collections.abc import Callable
from io import BufferedReader
from pathlib import Path

import paramiko
from paramiko.common import cMSG_CHANNEL_SUCCESS

from xenlab.remote.algorithms import Group1Sha1, Group14Sha1, OldSsh, RsaKeyBySha1
from xenlab.remote.login import Limits, Login

LIMITS = Limits(connect=5, banner=10, login=10, channel=10)


class Serving(paramiko.Transport):
    """Tells by `told` when a client has our word that what it asked for on a channel is done."""

    def __init__(self, client: socket.socket, **options: bool) -> None:
        super().__init__(client, **options)
        self.told: defaultdict[int, threading.Event] = defaultdict(threading.Event)

    def _send_user_message(self, data: paramiko.Message) -> None:
        super()._send_user_message(data)
        sent = paramiko.Message(data.asbytes())
        if sent.get_byte() == cMSG_CHANNEL_SUCCESS:
            self.told[sent.get_int()].set()


class OldServing(Serving, OldSsh):
    """As OpenSSH of 2005: SHA-1 for everything, and not a word of what it takes."""

    _preferred_kex = (Group14Sha1.name, Group1Sha1.name)
    _preferred_keys = ("ssh-rsa",)
    _preferred_ciphers = ("aes128-cbc", "3des-cbc")
    _preferred_macs = ("hmac-sha1",)

    def __init__(self, client: socket.socket) -> None:
        super().__init__(client, server_sig_algs=False)


class Door(paramiko.ServerInterface):
    def __init__(self, server: "Sshd") -> None:
        self.server = server

    def get_allowed_auths(self, username: str) -> str:
        return "publickey"

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        return paramiko.AUTH_SUCCESSFUL if key == self.server.user_key else paramiko.AUTH_FAILED

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return paramiko.OPEN_SUCCEEDED

    def check_channel_direct_tcpip_request(
        self, chanid: int, origin: tuple[str, int], destination: tuple[str, int]
    ) -> int:
        self.server.asked_for.append(destination)
        self.server.answers.wait()
        if not self.server.forwards:
            return paramiko.OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED
        try:
            tcp = socket.create_connection(self.server.routes.get(destination[0], destination), 5)
        except OSError:
            return paramiko.OPEN_FAILED_CONNECT_FAILED
        tcp.settimeout(None)  # silence, unlike a connection that is never made, may last
        self.server.carried[chanid] = tcp
        return paramiko.OPEN_SUCCEEDED

    def check_channel_pty_request(self, channel: paramiko.Channel, *size: object) -> bool:
        self.server.terminals += 1
        return True

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        self.server.commands.append(command.decode())
        if self.server.dies_on and self.server.dies_on in command.decode():
            self.server.drop()
        elif self.server.hangs_on and self.server.hangs_on in command.decode():
            self.server.answers.wait()
        else:
            argv = [*self.server.login_shell, command.decode()]
            channel.get_transport().told[channel.remote_chanid].clear()
            threading.Thread(target=serve, args=(channel, argv), daemon=True).start()
        return True


def serve(channel: paramiko.Channel, argv: list[str]) -> None:
    # The client has our word that the command runs first, as sshd gives it.
    channel.get_transport().told[channel.remote_chanid].wait()
    pipe = subprocess.PIPE
    # A child that has ended does not take the rest of its input.
    with contextlib.suppress(BrokenPipeError), subprocess.Popen(argv, stdin=pipe, stdout=pipe, stderr=pipe) as child:

        def pump(source: BufferedReader, send: Callable[[bytes], None]) -> None:
            with contextlib.suppress(OSError, EOFError):
                while data := source.read1(65536):
                    send(data)

        def feed() -> None:
            with contextlib.suppress(OSError, ValueError), child.stdin:
                while data := channel.recv(65536):
                    child.stdin.write(data)
                    child.stdin.flush()

        threading.Thread(target=feed, daemon=True).start()
        errors_pump = threading.Thread(target=pump, args=(child.stderr, channel.sendall_stderr))
        errors_pump.start()
        pump(child.stdout, channel.sendall)
        errors_pump.join()
        code = child.wait()
    with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
        if code >= 0:
            channel.send_exit_status(code)
        channel.shutdown_write()
        channel.close()


def carry(channel: paramiko.Channel, tcp: socket.socket, flows: threading.Event) -> None:
    """Hand bytes on in both directions until either end is closed; none while `flows` is not set."""

    def pump(receive: Callable[[int], bytes], send: Callable[[bytes], None]) -> None:
        with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
            while data := receive(65536):
                flows.wait()
                send(data)
        for end in (channel, tcp):
            with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
                end.shutdown(socket.SHUT_RDWR)
                end.close()

    threading.Thread(target=pump, args=(channel.recv, tcp.sendall), daemon=True).start()
    threading.Thread(target=pump, args=(tcp.recv, channel.sendall), daemon=True).start()


class Sshd:
    def __init__(self, address: str = "127.0.0.1", serving: type[Serving] = Serving) -> None:
        self.address = address
        self.serving = serving
        is_old = issubclass(serving, OldServing)
        self.host_key = RsaKeyBySha1.of(paramiko.RSAKey.generate(2048)) if is_old else paramiko.ECDSAKey.generate()
        self.user_key = paramiko.ECDSAKey.generate()
        self.commands: list[str] = []
        self.terminals = 0
        self.login_shell = ["sh", "-c"]
        self.dies_on: str | None = None
        self.hangs_on: str | None = None
        # As a machine on the way: whom it was asked for, whether it may go on, answers at all, and hands bytes on;
        # and where addresses lead that only its own network has.
        self.asked_for: list[tuple[str, int]] = []
        self.routes: dict[str, tuple[str, int]] = {}
        self.forwards = True
        self.answers, self.flows = threading.Event(), threading.Event()
        self.answers.set()
        self.flows.set()
        self.channels: list[paramiko.Channel] = []
        self.carried: dict[int, socket.socket] = {}
        self.transports: list[paramiko.Transport] = []
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.listener = socket.create_server((address, 0), family=family)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError, ValueError):  # in the end it is closed
            while True:
                # accept() wants a file handle even before anybody calls, and a test may have left none.
                select.select([self.listener], [], [])
                client = self.listener.accept()[0]
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                transport = self.serving(client)
                transport.add_server_key(self.host_key)
                self.transports.append(transport)
                # A client that refuses our key hangs up at once, which must not end this loop.
                with contextlib.suppress(paramiko.SSHException, EOFError, OSError):
                    transport.start_server(server=Door(self))
                threading.Thread(target=self._carry_on, args=(transport,), daemon=True).start()

    def _carry_on(self, transport: paramiko.Transport) -> None:
        while transport.is_active():
            if (channel := transport.accept(0.2)) is None:
                continue
            self.channels.append(channel)  # paramiko keeps no channel alive by itself
            if channel.get_id() in self.carried:
                carry(channel, self.carried.pop(channel.get_id()), self.flows)

    def drop(self) -> None:
        for transport in filter(paramiko.Transport.is_active, self.transports):
            transport.sock.shutdown(socket.SHUT_RDWR)

    def ran(self, what: str) -> int:
        return sum(what in command for command in self.commands)

    def login(self, folder: Path, name: str) -> Login:
        """The login that it takes; its files have this name in the folder."""
        known_hosts, key = folder / f"{name}.known_hosts", folder / f"{name}.id"
        known_hosts.write_text(
            f"[{self.address}]:{self.port} {self.host_key.get_name()} {self.host_key.get_base64()}\n"
        )
        self.user_key.write_private_key_file(str(key))
        return Login(self.address, "root", known_hosts, self.port, key)

    def stop(self) -> None:
        self.answers.set()
        self.flows.set()
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for transport in self.transports:
            transport.close()
