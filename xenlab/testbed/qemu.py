"""One QEMU: a Dom0 on emulated (or KVM) hardware, steered over QMP, its serial console in a log."""

import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from qemu.qmp import QMPError
from qemu.qmp.legacy import QEMUMonitorProtocol

from xenlab.errors import CannotObserve
from xenlab.remote.waiting import wait_for
from xenlab.testbed.accelerator import Accelerator
from xenlab.testbed.images import Images
from xenlab.testbed.plan import HostPlan
from xenlab.testbed.profiles import Profile
from xenlab.testbed.tools import Program, environment, last_lines, log_lines, run

SNAPSHOT = "booted"


def qemu_version() -> str:
    """First line of `qemu-system-x86_64 --version`."""
    done = subprocess.run(
        ["qemu-system-x86_64", "--version"], capture_output=True, text=True, env=environment(), check=True
    )
    return done.stdout.splitlines()[0]


@dataclass(frozen=True, slots=True)
class Qemu:
    """Where one host's QEMU keeps its things: `folder` for disk and log, `sockets` for QMP (short paths)."""

    host: HostPlan
    profile: Profile
    images: Images
    folder: Path
    sockets: Path
    accelerator: Accelerator

    @property
    def disk(self) -> Path:
        """The host's own writable layer over its image."""
        return self.folder / f"{self.host.name}.qcow2"

    @property
    def console_log(self) -> Path:
        """All that the host wrote to its serial console."""
        return self.folder / f"{self.host.name}.console.log"

    @property
    def error_log(self) -> Path:
        """What QEMU itself had to say."""
        return self.folder / f"{self.host.name}.qemu.log"

    @property
    def qmp_socket(self) -> Path:
        """The control socket."""
        return self.sockets / f"{self.host.name}.qmp"

    def create_disk(self) -> None:
        """A fresh writable layer.

        :raises CannotObserve: qemu-img refused; carries its own words.
        """
        self.disk.unlink(missing_ok=True)
        argv = ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw"]
        argv += ["-b", str(self.images.disk(self.host.name)), str(self.disk)]
        run(Program(argv, self.error_log, f"making the disk of {self.host.name}", timeout=60))

    def command(self, *, restore: bool) -> list[str]:
        """QEMU's command line, to be run in the images' folder; `restore` starts from the snapshot.

        A multiboot module's name ends at the first space, which the path of the cache may have.
        """
        xen = " ".join(
            (
                "console=com1 com1=115200,8n1 loglvl=warning guest_loglvl=warning noreboot",
                f"dom0_mem={self.profile.dom0_memory_mib}M,max:{self.profile.dom0_memory_mib}M",
                *self.profile.xen_options,
            )
        )
        dom0 = (
            "root=/dev/vda rw console=hvc0 net.ifnames=0 mitigations=off quiet systemd.show_status=0 "
            "fsck.mode=skip audit=0"
        )
        return [
            "qemu-system-x86_64", "-name", self.host.name, "-nodefaults", "-no-user-config",
            "-M", "q35", "-m", str(self.profile.memory_mib), "-smp", "1", *self.accelerator.arguments,
            "-display", "none", "-vga", "none", "-no-reboot",
            "-serial", f"file:{self.console_log}",
            "-qmp", f"unix:{self.qmp_socket},server=on,wait=off",
            "-kernel", str(self.images.xen), "-append", xen,
            "-initrd", f"{self.images.kernel.name} {_plain(dom0)},{self.images.initrd.name}",
            "-drive", f"if=none,id=disk,file={_plain(self.disk)},format=qcow2,cache=unsafe",
            "-device", "virtio-blk-pci,drive=disk",
            "-netdev", f"tap,id=net,ifname={self.host.tap},script=no,downscript=no",
            "-device", f"virtio-net-pci,netdev=net,mac={self.host.mac},romfile=",
            *(("-loadvm", SNAPSHOT) if restore else ()),
        ]  # fmt: skip

    def start(self, *, restore: bool) -> "subprocess.Popen[bytes]":
        """Start QEMU in the background."""
        with self.error_log.open("ab") as sink:
            return subprocess.Popen(
                self.command(restore=restore),
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                env=environment(),
                cwd=self.images.folder,
                start_new_session=True,
            )

    def await_control(self, process: "subprocess.Popen[bytes]") -> None:
        """Wait until QMP answers.

        :raises CannotObserve: QEMU refused; carries its own last words.
        """

        def answers() -> bool:
            if process.poll() is not None:
                raise CannotObserve(f"QEMU for {self.host.name} ended: {last_lines(self.error_log, 2)}")
            return _listens(self.qmp_socket)

        wait_for(answers, f"QEMU of {self.host.name} to start", timeout=60, interval=0.05)

    def monitor(self, command: str) -> None:
        """Run a human monitor command (`stop`, `savevm NAME`, `cont`).

        :raises CannotObserve: QEMU does not answer, or the command says something (it is silent when well).
        """
        with self._qmp() as qmp:
            said = qmp.cmd("human-monitor-command", **{"command-line": command})
        if isinstance(said, str) and said.strip():
            raise CannotObserve(f"QEMU of {self.host.name}, `{command}`: {said.strip()}")

    def quit(self) -> None:
        """Tell QEMU to end; it may be gone before it has answered."""
        with suppress(CannotObserve), self._qmp() as qmp:
            qmp.cmd("quit")

    def require_running(self) -> None:
        """Raise CannotObserve when QEMU has stopped the host, as it does on an error of KVM."""
        with self._qmp() as qmp:
            state = qmp.cmd("query-status")
        if not isinstance(state, dict) or not state.get("running"):
            said = log_lines(self.error_log)
            reason = next((line for line in said if "error" in line), said[-1])
            raise CannotObserve(f"QEMU stopped {self.host.name}: {reason}")

    @contextmanager
    def _qmp(self) -> Iterator[QEMUMonitorProtocol]:
        qmp = QEMUMonitorProtocol(str(self.qmp_socket))
        try:
            qmp.settimeout(120)
            qmp.connect()
            yield qmp
        except (QMPError, OSError, TimeoutError) as error:
            raise CannotObserve(f"QEMU of {self.host.name} does not answer: {error}") from error
        finally:
            with suppress(QMPError, OSError, EOFError):
                qmp.close()


def _plain(value: object) -> str:
    """The value with its commas doubled: a single one separates QEMU's suboptions, or multiboot modules."""
    return str(value).replace(",", ",,")


def _listens(path: Path) -> bool:
    """Whether someone takes connections there: for a moment a socket is there before it does."""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError):
            return False
    return True
