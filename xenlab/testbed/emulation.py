"""How a lab whose hosts are emulated is watched, and how long things take there: hotplug scripts alone take seconds.

Plain data, in the words of a lab file, for the embedded lab and for any other whose hosts say that they are emulated.
"""

from typing import Final

CPU: Final = "TCG"
"""What the model name of a processor has in it that QEMU emulates (cpu_model_id of its x86 `max`)."""

# An emulated guest that is being sent wakes at a price: at five times this pace a move took half as long again as
# unwatched (`python -m benchmarks.watching`).
PROBES: Final[dict[str, int]] = {
    "outside_interval_ms": 200,
    "inside_interval_ms": 500,
    "heartbeat_interval_ms": 200,
    "write_interval_ms": 1000,
    "echo_interval_ms": 1000,
    "max_outside_gap_ms": 60_000,
    "max_inside_lost": 8,
    "settle_seconds": 4,
}
"""A lab file's [probes]."""

TIMEOUTS: Final[dict[str, int]] = {"command_seconds": 120, "boot_seconds": 300, "migrate_seconds": 900}
"""A lab file's [timeouts]."""
