"""The files that xl opens in Dom0 to start a guest, and what each is for.

Source: Xen's xl_parse.c for who overrules whom, and libxl_bootloader.c, libxl_dom.c, libxl_dm.c and libxl_arm.c for
what is opened.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from xenlab.xen.disk import DiskSpec
from xenlab.xen.grammar import Atom, Value, atoms_of
from xenlab.xen.numbers import c_long
from xenlab.xen.p9 import P9Spec
from xenlab.xen.parsers import GuestType
from xenlab.xen.settings import is_read

ROLES: Final[Mapping[str, str]] = {
    **{key: key for key in ("kernel", "ramdisk", "bootloader", "device_tree")},
    **dict.fromkeys(("firmware", "firmware_override"), "firmware"),
    **{"bios_path_override": "bios", "acpi_firmware": "acpi_firmware", "smbios_firmware": "smbios_firmware"},
    **{"device_model_override": "device_model", "pvshim_path": "pvshim"},
    **{key: key for key in ("stubdomain_kernel", "stubdomain_ramdisk")},
}
"""The settings whose whole value may be a file, and what for."""

_ON_CONDITION: Final = {
    "pvshim_path": "pvshim",
    **dict.fromkeys(("stubdomain_kernel", "stubdomain_ramdisk"), "device_model_stubdomain_override"),
}
"""Files that are opened only where another setting is on."""


@dataclass(frozen=True, slots=True)
class ConfigPath:
    """A file that the config needs: `key` says which setting ("disk[hda]", "firmware_override"), `line` where.

    `role` is what the file is for, in the same word for each spelling of it ("kernel", "disk[xvda1]", "firmware"):
    the same role in two configs is the same file, moved or not. `via` is what opens it where Dom0 does not itself: a
    disk's hotplug script ("script block-drbd") or another domain ("domain storage"); `path` is then what that is given.
    """

    key: str
    path: str
    line: int
    role: str = ""
    via: str | None = None

    def __post_init__(self) -> None:
        if not self.role:
            object.__setattr__(self, "role", self.key)


@dataclass(frozen=True, slots=True)
class Files:
    """Which settings of a config are files: of a guest of that type, with those values, disks and shared folders."""

    type: GuestType
    values: Mapping[str, Value]
    disks: tuple[DiskSpec, ...]
    folders: tuple[P9Spec, ...]

    def paths(self) -> Iterator[ConfigPath]:
        """Every file, in the order of `ROLES`, then disks and shared folders."""
        for key, role in ROLES.items():
            value = self.values.get(key)
            if isinstance(value, Atom) and self.is_file(key, value.text):
                yield ConfigPath(key, value.text, value.line, role)
        for disk, atom in zip(self.disks, atoms_of(self.values.get("disk", ())), strict=True):
            if disk.target:
                yield ConfigPath(f"disk[{disk.vdev}]", disk.target, atom.line, f"disk[{disk.device}]", disk.via)
        for folder, atom in zip(self.folders, atoms_of(self.values.get("p9", ())), strict=True):
            if folder.path:
                yield ConfigPath(f"p9[{folder.tag or ''}]", folder.path, atom.line, via=folder.via)

    def is_file(self, key: str, text: str) -> bool:
        """Whether xl would open `text` as a file of Dom0, were it the value of that setting."""
        if key not in ROLES or not text or not is_read(key, self.type):
            return False
        match key:
            case "kernel" | "ramdisk":
                return not self.has_bootloader and not (key == "kernel" and is_dropped_kernel(text, self.type))
            case "bootloader":
                return text.startswith("/") and not is_pygrub(text)
            case "firmware":
                return self.type == "hvm" and text.startswith("/")
            case "firmware_override":
                return text.startswith("/") and not self.is_file("firmware", self._text("firmware"))
            case "device_model_override":
                return self.needs_device_model
        return key not in _ON_CONDITION or self._is_on(_ON_CONDITION[key])

    @property
    def has_bootloader(self) -> bool:
        """Whether a bootloader finds the kernel: kernel= and ramdisk= are then words for it, not files of Dom0."""
        return self.type != "hvm" and "bootloader" in self.values

    @property
    def needs_device_model(self) -> bool:
        """Whether Dom0 runs a QEMU for the guest: for PV and PVH only where it is the back end of some device."""
        by_disk = any(disk.format not in ("raw", "empty") or disk.backendtype == "qdisk" for disk in self.disks)
        by_list = any(self.values.get(key) for key in ("vfb", "p9", "channel"))
        return self.type == "hvm" or by_disk or by_list or self._is_on("vnc")

    def _is_on(self, key: str) -> bool:
        return bool(c_long(self._text(key)))

    def _text(self, key: str) -> str:
        value = self.values.get(key)
        return value.text if isinstance(value, Atom) else ""


def is_dropped_kernel(kernel: str, guest_type: GuestType) -> bool:
    """Whether that kernel is xm's way to ask for an HVM guest's firmware, which xl drops with a warning."""
    return guest_type == "hvm" and kernel.rstrip("/").rpartition("/")[2] == "hvmloader"


def is_pygrub(bootloader: str) -> bool:
    """Whether that is the pygrub of Xen's own packages, by name or by any release's path."""
    return bootloader == "pygrub" or (bootloader.startswith("/usr/") and bootloader.endswith("/pygrub"))
