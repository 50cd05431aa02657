"""How closely a lab is watched, and what may be missed or take how long: two tables of a lab file."""

from typing import Annotated

from pydantic import Field

from xenlab.fields import Name
from xenlab.outcomes import Model


class ProbeSpec(Model):
    """How a migration is watched, and what the two pings may miss before it counts as an interruption.

    `max_outside_gap_ms` bounds the longest silence seen from outside, `max_inside_lost` the replies that the
    guest's own ping may lose; `settle_seconds` is how long both run before and after it at least. `outside_from` is
    who pings from outside: "runner" (this machine), "hosts" (both), one of them, or a jump host. Without it, guests
    that this machine has no way of its own to are pinged from the hosts. A watched move has the lab to itself, unless
    `alone` is false: then the guests' moves run side by side, each slower for the others.

    `heartbeat_interval_ms` is how closely the guest's stand-still is told, `write_interval_ms` the time between two
    synced writes to its disk, `echo_interval_ms` that between two lines of the TCP connection. All that wakes a guest
    while it is sent makes the move longer: little on real hosts, much on emulated ones.
    """

    outside_interval_ms: Annotated[int, Field(ge=1, le=1000)] = 50
    inside_interval_ms: Annotated[int, Field(ge=10, le=10000)] = 200
    heartbeat_interval_ms: Annotated[int, Field(ge=10, le=1000)] = 50
    write_interval_ms: Annotated[int, Field(ge=10, le=1000)] = 200
    echo_interval_ms: Annotated[int, Field(ge=10, le=1000)] = 250
    max_outside_gap_ms: Annotated[int, Field(ge=1)] = 3000
    max_inside_lost: Annotated[int, Field(ge=0)] = 2
    settle_seconds: Annotated[float, Field(ge=0, le=600)] = 5.0
    alone: bool = True
    outside_from: Name | None = None

    @property
    def settled_seconds(self) -> float:
        """How long all probes run before and after a move: long enough for three writes, of which two are judged."""
        return max(self.settle_seconds, 3 * self.write_interval_ms / 1000)


class TimeoutSpec(Model):
    """How long things may take, in seconds: a command, a guest's boot, a migration.

    A migration is never ended by us: after `migrate_seconds` it is said to be under way still. Big guests on slow
    networks need hours. `after_move_seconds` is how long a guest that xl says has moved may take to answer again.
    """

    command_seconds: Annotated[float, Field(gt=0)] = 60.0
    boot_seconds: Annotated[float, Field(gt=0)] = 180.0
    after_move_seconds: Annotated[float, Field(gt=0)] = 60.0
    migrate_seconds: Annotated[float, Field(gt=0)] = 14_400.0
