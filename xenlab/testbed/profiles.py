"""What an embedded lab is made of: the release of its Dom0s and the kind of its guests."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from xenlab.errors import UsageError

if TYPE_CHECKING:
    from xenlab.xen.parsers import GuestType

PROFILES = ("modern", "classic")
DEFAULT_PROFILE = "classic"


@dataclass(frozen=True, slots=True)
class Profile:
    """One release of the embedded lab.

    `suite` is a Debian release, `xen` the version in its package names, `memory_mib` a host's memory in
    MiB, `xen_options` go on Xen's command line (xen-command-line(7)).
    """

    name: str
    suite: str
    xen: str
    guest_type: "GuestType"
    guest_memory_mib: int
    guest_options: tuple[str, ...]
    disk_template: str
    needs_rpcbind: bool = False
    dom0_memory_mib: int = 768
    memory_mib: int = 1408
    # Without eager FPU switching, user space crashes at random under emulation (lazy CR0.TS).
    xen_options: tuple[str, ...] = ("spec-ctrl=eager-fpu=yes",)

    @property
    def packages(self) -> tuple[str, ...]:
        """Debian packages of a Dom0."""
        return (*DOM0_PACKAGES, f"xen-hypervisor-{self.xen}-amd64", f"xen-utils-{self.xen}")


DOM0_PACKAGES = (
    "systemd-sysv", "udev", "kmod", "iproute2", "iputils-ping", "openssh-server", "nfs-kernel-server",
    "nfs-common", "linux-image-amd64", "procps", "e2fsprogs", "initramfs-tools", "python3",
)  # fmt: skip
# sysvinit, since a guest of emulated hosts needs a minute and more to boot with systemd.
# Of busybox nothing is used but by a guest that is to have no other tools.
GUEST_PACKAGES = (
    "sysvinit-core", "iproute2", "iputils-ping", "openssh-server", "procps", "login", "e2fsprogs", "busybox",
)  # fmt: skip


def profile_named(name: str) -> Profile:
    """The profile of that name; raises UsageError for another."""
    match name:
        case "modern":
            return Profile(
                name="modern",
                suite="trixie",
                xen="4.20",
                guest_type="pvh",
                guest_memory_mib=192,
                # Without a native TSC, rdtscp is emulated and hangs a guest under QEMU's own emulation.
                guest_options=('tsc_mode="native"',),
                disk_template="format=raw,vdev={vdev},access=rw,target={path}",
            )
        case "classic":
            return Profile(
                name="classic",
                suite="bullseye",
                xen="4.14",
                guest_type="pv",
                # With 96 MiB the guest crashes while it boots.
                guest_memory_mib=128,
                guest_options=(),
                disk_template="tap:aio:{path},{vdev},w",
                needs_rpcbind=True,
            )
    raise UsageError(f"--profile {name}: no such profile", hint=f"one of {', '.join(PROFILES)}")


def other_profile(name: str) -> str:
    """The profile to take where the one of that name cannot be had."""
    return next(other for other in PROFILES if other != name)
