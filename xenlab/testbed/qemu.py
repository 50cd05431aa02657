"""One QEMU: a Dom0 on emulated (or KVM) hardware, steered over QMP, its serial console in a log."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

from xenlab.errors import CannotObserve
from xenlab.testbed.accelerator import Accelerator
from xenlab.testbed.bootfiles import Images
from xenlab.testbed.plan import HostPlan
from xenlab.testbed.profiles import Profile
from xenlab.testbed.qmp import Control, control_of
from xenlab.testbed.tools import Program, environment, log_lines, plain_suboption, run

SNAPSHOT = "booted"


def qemu_version() -> str:
    """First line of `qemu-system-x86_64 --version`."""
    done = subprocess.run(
        ["qemu-system-x86_64", "--version"], capture_output=True, text=True, env=environment(), check=True
    )
    return done.stdout.splitlines()[0]


@dataclass(frozen=True, slots=True)
class Qemu:
    """Where one host's QEMU keeps its things: `folder` for disk and log, `sockets` for QMP (short paths).

    `netdev` is what its NIC is plugged into, as QEMU is told; its processor is `without` those features.
    """

    host: HostPlan
    profile: Profile
    images: Images
    folder: Path
    sockets: Path
    accelerator: Accelerator
    netdev: str
    without: tuple[str, ...] = ()

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
    def control(self) -> Control:
        """How it is steered."""
        return control_of(self.host.name, self.sockets)

    def create_disk(self) -> None:
        """A fresh writable layer.

        :raises CannotObserve: qemu-img refused; carries its own words.
        """
        self.disk.unlink(missing_ok=True)
        argv = ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw"]
        argv += ["-b", str(self.images.disk(self.host.name)), str(self.disk)]
        run(Program(argv, self.error_log, f"making the disk of {self.host.name}", timeout=60))

    def command(self, *, restore: str | None) -> list[str]:
        """QEMU's command line, to be run in the images' folder; `restore` names the snapshot that it starts from.

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
            "-M", "q35", "-m", str(self.profile.memory_mib), "-smp", "1", *self.accelerator.arguments(self.without),
            "-display", "none", "-vga", "none", "-no-reboot",
            "-serial", f"file:{self.console_log}",
            "-qmp", self.control.argument,
            "-kernel", str(self.images.xen), "-append", xen,
            "-initrd", f"{self.images.kernel.name} {plain_suboption(dom0)},{self.images.initrd.name}",
            "-drive", f"if=none,id=disk,file={plain_suboption(self.disk)},format=qcow2,cache=unsafe",
            "-device", "virtio-blk-pci,drive=disk",
            "-netdev", self.netdev,
            "-device", f"virtio-net-pci,netdev=net,mac={self.host.mac},romfile=",
            *(("-loadvm", restore) if restore else ()),
        ]  # fmt: skip

    def start(self, *, restore: str | None) -> "subprocess.Popen[bytes]":
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
        """Wait until QMP answers; raises CannotObserve with QEMU's own last words when it refused."""
        self.control.await_start(process, self.error_log)

    def monitor(self, command: str) -> None:
        """Run a human monitor command (`stop`, `savevm NAME`, `cont`).

        :raises CannotObserve: QEMU does not answer, or the command says something (it is silent when well).
        """
        if said := self.control.monitor(command).strip():
            raise CannotObserve(f"QEMU of {self.host.name}, `{command}`: {said}")

    def require_running(self) -> None:
        """Raise CannotObserve when QEMU has stopped the host, as it does on an error of KVM."""
        if not self.control.is_running():
            said = log_lines(self.error_log)
            reason = next((line for line in said if "error" in line), said[-1])
            raise CannotObserve(f"QEMU stopped {self.host.name}: {reason}")
