"""Where the files lie that the embedded lab is booted from, and is logged in to with."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Images:
    """A complete set of boot files in the cache."""

    folder: Path

    @property
    def xen(self) -> Path:
        """The hypervisor, an unpacked multiboot ELF."""
        return self.folder / "xen"

    @property
    def kernel(self) -> Path:
        """The Dom0 kernel."""
        return self.folder / "vmlinuz"

    @property
    def initrd(self) -> Path:
        """The initramfs, small enough for a guest of 128 MiB."""
        return self.folder / "initrd.img"

    @property
    def login_key(self) -> Path:
        """Private key that opens root's account on every machine of the lab."""
        return self.folder / "id_ed25519"

    @property
    def known_hosts(self) -> Path:
        """Host keys of every machine of the lab."""
        return self.folder / "known_hosts"

    def disk(self, host: str) -> Path:
        """Root disk of a Dom0, a raw ext4 image that is never written to."""
        return self.folder / f"{host}.img"
