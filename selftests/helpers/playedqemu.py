"""A played machine: a program in QEMU's place on PATH that speaks QMP, and the hosts that then answer over SSH.

What goes wrong on it is told by word: "no hvm" (a Dom0 comes up, and can make PV guests only), "hangs" (nothing comes
up), "dies in the restore" (QEMU ends when it is to load its snapshot).
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from xenlab.remote.errors import HostUnreachable
from xenlab.remote.login import Login
from xenlab.remote.result import CommandResult
from xenlab.testbed import embedded
from xenlab.testbed.plan import GUESTS
from xenlab.testbed.profiles import profile_named
from xenlab.testbed.trees import original_config

QEMU = f"""#!{sys.executable}
import contextlib, json, os, socket, sys
def option(name):
    return sys.argv[sys.argv.index(name) + 1]
if "--version" in sys.argv:
    print("QEMU emulator version 0.0 (played)"); sys.exit()
accelerator = option("-accel").split(",")[0]
trouble = os.environ.get("PLAYED_TROUBLE", "") if accelerator == "kvm" else ""
with open(os.environ["PLAYED_STARTS"], "a") as starts:
    starts.write(accelerator + (" restore" if "-loadvm" in sys.argv else " boot") + "\\n")
if "-loadvm" in sys.argv and trouble == "dies in the restore":
    sys.exit("qemu-system-x86_64: error: failed to set MSR 0x48f to 0x7fffff00036dfb")
path = option("-qmp").removeprefix("unix:").split(",")[0]
server = socket.socket(socket.AF_UNIX)
server.bind(path)
server.listen()
def talk(connection):
    def say(**what):
        connection.sendall(json.dumps(what).encode() + b"\\n")
    say(QMP={{"version": {{"qemu": {{"major": 0, "minor": 0, "micro": 0}}, "package": ""}}, "capabilities": []}})
    while came := connection.recv(65536):  # one command each: the client waits for its answer
        asked = json.loads(came)
        if command := asked.get("arguments", {{}}).get("command-line"):
            with open(os.environ["PLAYED_STARTS"] + ".said", "a") as told:
                told.write(command + "\\n")
        answer = {{"query-status": {{"running": True, "status": "running"}}, "human-monitor-command": ""}}
        say(**{{"return": answer.get(asked["execute"], {{}}), "id": asked.get("id")}})
        if asked["execute"] == "quit":
            sys.exit()
while True:
    connection, _ = server.accept()
    with contextlib.suppress(OSError), connection:
        talk(connection)  # who only looked whether anyone listens is gone again
"""
INFO = """\
release                : 6.12.0
nr_cpus                : 1
virt_caps              : {caps}
total_memory           : 1408
free_memory            : 500
xen_major              : 4
xen_minor              : 20
xen_version            : 4.20.0
xen_caps               : xen-3.0-x86_64
"""


class PlayedHost:
    """A Dom0 as the testbed meets it over SSH; whether it answers is up to what QEMU was started last."""

    def __init__(self, name: str, login: Login, *_: object, **__: object) -> None:
        self.name = name

    def wait_until_reachable(self, timeout: float, awaited: str) -> None:
        if self._trouble() == "hangs":
            raise HostUnreachable(f"{self.name} does not answer")

    def run(self, *argv: str, **_: object) -> CommandResult:
        caps = "pv shadow" if self._trouble() == "no hvm" else "pv hvm hap shadow"
        stdout = INFO.format(caps=caps) if argv == ("xl", "info") else ""
        return CommandResult(0, stdout, "", 0.0, self.name, " ".join(argv), "")

    def read_bytes(self, path: str) -> bytes:
        guest = next(guest for guest in GUESTS if guest.original_config == path)
        return original_config(guest, profile_named("modern"), "6.12.0").encode()

    def write_file(self, path: str, data: bytes, mode: int) -> None:
        """Nothing is kept."""

    def close(self) -> None:
        """Nothing to close."""

    @staticmethod
    def _trouble() -> str:
        on_kvm = starts()[-1].startswith("kvm")
        return os.environ["PLAYED_TROUBLE"] if on_kvm else ""


def starts() -> list[str]:
    """What QEMU was started for so far: accelerator, and boot or restore."""
    return Path(os.environ["PLAYED_STARTS"]).read_text().splitlines()


def said() -> Path:
    """What QEMU's monitors were told, one command a line."""
    return Path(f"{os.environ['PLAYED_STARTS']}.said")


@contextmanager
def played(folder: Path, trouble: str) -> Iterator[None]:
    """QEMU and hosts are played, and KVM has this trouble."""
    (folder / "bin").mkdir()
    program = folder / "bin/qemu-system-x86_64"
    program.write_text(QEMU)
    program.chmod(0o755)
    (folder / "starts").touch()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
        patch.setenv("PLAYED_STARTS", str(folder / "starts"))
        patch.setenv("PLAYED_TROUBLE", trouble)
        patch.setattr(embedded, "RemoteHost", PlayedHost)
        patch.setattr(embedded, "kvm_refused", lambda: None)
        patch.setattr(embedded, "_BOOT_SECONDS", {"kvm": 1.0, "tcg": 20.0})
        yield
