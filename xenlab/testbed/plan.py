"""Who is who in the embedded lab: addresses, names and paths, and the lab file they make.

Pure data, as in the original lab report: two team members, each with a host and a guest at home on it; one host,
baye, exports the share as well.
"""

from dataclasses import dataclass
from typing import Protocol

EMBEDDED = "embedded"
"""The name of the embedded lab wherever a lab is named (`--lab`)."""

NETWORK_PREFIX = 24
OUTSIDE = "10.1.1.1"
BRIDGE = "xenbr0"
EXPORT = "/srv/private"
MOUNT_POINT = "/mnt/private"
# Root's, on the guests' consoles alone: the lab's network has no way out, and sshd takes keys only.
GUEST_PASSWORD = "xenlab"  # noqa: S105


class NamedAddress(Protocol):
    """Whatever has a name and an address."""

    @property
    def name(self) -> str:
        """Its host name."""

    @property
    def address(self) -> str:
        """Its IP address."""


@dataclass(frozen=True, slots=True)
class HostPlan:
    """One Dom0: its name, address and the MAC of its NIC."""

    name: str
    address: str
    mac: str

    @property
    def tap(self) -> str:
        """The host's tap device in the lab's namespace (IFNAMSIZ: at most 15 characters)."""
        return f"tap-{self.name}"[:15]


@dataclass(frozen=True, slots=True)
class GuestPlan:
    """One guest: `owner` keeps its first disks under /home on `home`, the owner's own host."""

    name: str
    address: str
    mac: str
    owner: str
    home: HostPlan
    boots_by: str  # "kernel" (kernel= and ramdisk=) or "pygrub" (from its own disk)

    @property
    def original_folder(self) -> str:
        """Where the guest lived before it moved to the share."""
        return f"/home/{self.owner}"

    @property
    def shared_folder(self) -> str:
        """Where the guest lives on the share."""
        return f"{MOUNT_POINT}/{self.owner}"

    @property
    def original_config(self) -> str:
        """The config kept for comparison."""
        return f"{self.original_folder}/{self.name}.cfg"

    @property
    def shared_config(self) -> str:
        """The config on the share, paths fixed."""
        return f"{self.shared_folder}/{self.name}.cfg"


CLIENT = HostPlan("labubuntu", "10.1.1.189", "52:54:00:10:01:89")
SERVER = HostPlan("baye", "10.1.1.143", "52:54:00:10:01:43")
HOSTS = (CLIENT, SERVER)
GUESTS = (
    GuestPlan("guest1", "10.1.1.85", "00:16:3e:42:40:89", "artem", CLIENT, "kernel"),
    GuestPlan("guest2", "10.1.1.86", "00:16:3e:42:40:8a", "gaspar", SERVER, "pygrub"),
)
