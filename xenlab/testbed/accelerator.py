"""What runs the hosts: KVM where the whole lab comes up on it, otherwise QEMU's own emulation."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from xenlab.errors import CannotObserve

# With plain `max`, Dom0 crashes in its first page fault: smap to la57 are what QEMU emulates and Xen trips over.
# erms and fsrm make kernels copy with `rep movsb`, which is emulated byte by byte.
EMULATED_CPU = "max,-smap,-smep,-pku,-la57,-erms,-fsrm"
_REASON_LENGTH = 200


@dataclass(frozen=True, slots=True)
class Accelerator:
    """How QEMU runs the hosts, and why so."""

    name: str  # "kvm" or "tcg"
    reason: str

    def arguments(self, without: Sequence[str] = ()) -> tuple[str, ...]:
        """QEMU's own words for it, on a processor `without` some features; a bounded translation cache keeps both hosts
        under 4 GiB.
        """
        accelerator, cpu = ("kvm", "host") if self.name == "kvm" else ("tcg,thread=multi,tb-size=256", EMULATED_CPU)
        return ("-accel", accelerator, "-cpu", ",".join((cpu, *(f"-{feature}" for feature in without))))


def kvm_refused() -> str | None:
    """Why KVM cannot even be tried here, or None when it can."""
    device = Path("/dev/kvm")
    if not device.exists():
        return "this machine has no /dev/kvm"
    if not os.access(device, os.R_OK | os.W_OK):
        return "/dev/kvm refuses this account"
    return None


def candidates(refused: str | None) -> tuple[Accelerator, ...]:
    """What to run the hosts on, the best first; `refused` says why KVM is not among it."""
    if refused is not None:
        return (Accelerator("tcg", refused),)
    return (
        Accelerator("kvm", "the lab comes up on this machine's KVM"),
        Accelerator("tcg", "the lab does not come up on this machine's KVM"),
    )


def first_usable(
    choice: Sequence[Accelerator], bring_up: Callable[[Accelerator], None], say: Callable[[str], None]
) -> Accelerator:
    """Bring the lab up on the first of `choice` that it comes up on, which is returned.

    What the one before it failed of goes into its reason, and is said. `bring_up` leaves nothing when it fails.

    :raises CannotObserve: it comes up on none; the last one's failure.
    """
    accelerator, *others = choice
    try:
        bring_up(accelerator)
    except CannotObserve as problem:
        if not others:
            raise
        following = others[0]
        reason = f"{following.reason}: {problem.message}"[:_REASON_LENGTH]
        say(f"emulating: {reason}")
        return first_usable((replace(following, reason=reason), *others[1:]), bring_up, say)
    return accelerator
