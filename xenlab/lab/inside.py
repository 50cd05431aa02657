"""A guest as it shows itself to a login: its boot, its swap, its kernel log, what its disk keeps."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from xenlab.causes import disk_trouble
from xenlab.errors import CannotObserve, LabFault
from xenlab.labfile import GuestSpec
from xenlab.outcomes import Finding
from xenlab.remote import commands, facts
from xenlab.remote.machine import Machine

NONCE_FILE = "/root/.xenlab-nonce"


class Inside:
    """The view from inside one guest."""

    def __init__(self, spec: GuestSpec, remote: Machine) -> None:
        self.spec = spec
        self.remote = remote

    @property
    def boot_id(self) -> str:
        """The kernel's random id of this boot (random(4))."""
        return facts.boot_id(self.remote.run(*commands.boot_id()).check().stdout)

    @property
    def uptime(self) -> float:
        """Seconds since its boot."""
        return facts.uptime(self.remote.run(*commands.uptime()).check().stdout)

    def has_swap(self) -> Finding:
        """Swap is in use exactly as the lab prescribes."""
        swaps = facts.swaps(self.remote.run(*commands.swaps()).check().stdout)
        shown = ", ".join(f"{swap.device} ({swap.size_kib} KiB)" for swap in swaps)
        return Finding(
            "swap",
            bool(swaps) == self.spec.swap,
            expected="swap in use" if self.spec.swap else "no swap",
            actual=shown or "no swap in use",
            hint="the swap disk's vdev in the config and in the guest's /etc/fstab must be the same",
            guest=self.spec.name,
        )

    def has_clean_disk(self) -> Finding:
        """The kernel saw no error of a disk or file system since the boot, nor a journal to recover."""
        errors = disk_trouble(self.remote.run(*commands.kernel_log()).check().stdout, None)
        return Finding(
            "disk-clean",
            not errors,
            expected="no disk or file system errors in the guest's kernel log",
            actual="; ".join(errors[:3]) or "none",
            hint="shut the guest down and run e2fsck on its disk",
            guest=self.spec.name,
        )

    @contextmanager
    def nonce(self) -> Iterator[str]:
        """A fresh nonce on the guest's disk, synced; removed again, however the body ends.

        Where the body fails, a guest that cannot be asked to remove it must not hide why.
        """
        nonce = secrets.token_hex(16)
        try:
            self.remote.run(*commands.write_nonce(NONCE_FILE, nonce)).check()
            yield nonce
        except BaseException:
            with suppress(CannotObserve, LabFault):
                self._forget_nonce()
            raise
        self._forget_nonce()

    def _forget_nonce(self) -> None:
        self.remote.run(*commands.remove(NONCE_FILE)).check()

    def still_has(self, nonce: str) -> Finding:
        """The nonce written before is read back."""
        read = self.remote.run(*commands.read_nonce(NONCE_FILE))
        seen = read.stdout.strip() if read.ok else read.stderr.strip()
        return Finding(
            "nonce-intact",
            seen == nonce,
            expected=f"nonce {nonce}",
            actual=seen[:200] or "nothing",
            hint="the guest runs from another disk than before, or its writes were lost",
            guest=self.spec.name,
        )
