"""One move of one guest, as it happened."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from xenlab.lab.dom0 import Dom0
from xenlab.outcomes import Finding, MigrationRecord

Kind = Literal["cold", "paused", "live"]


@dataclass(frozen=True, slots=True)
class Migration:
    """A guest's move from `source` to `target`; `started` and `ended` in seconds on the monotonic clock.

    For a live or paused move they bracket `xl migrate`, for a cold one shutdown to the first login.
    """

    guest: str
    kind: Kind
    source: Dom0
    target: Dom0
    started: float
    ended: float
    boot_id_before: str
    boot_id_after: str
    stages: tuple[str, ...] = ()

    @property
    def seconds(self) -> float:
        """How long it took."""
        return self.ended - self.started

    @property
    def same_boot(self) -> bool:
        """Whether the guest went on rather than booted again."""
        return self.boot_id_before == self.boot_id_after

    def record(self) -> MigrationRecord:
        """The move for the grade."""
        return MigrationRecord(
            guest=self.guest,
            kind=self.kind,
            source=self.source.name,
            target=self.target.name,
            started=datetime.now(UTC) - timedelta(seconds=time.monotonic() - self.started),
            seconds=round(self.seconds, 2),
            same_boot=self.same_boot,
        )

    def kept_its_boot(self) -> Finding:
        """boot_id is the same before and after: the guest did not reboot."""
        return Finding(
            "same-boot",
            self.same_boot,
            expected=f"boot_id {self.boot_id_before}",
            actual=f"boot_id {self.boot_id_after}",
            hint="the guest rebooted: this was not a live migration",
            guest=self.guest,
        )

    def was_a_new_boot(self) -> Finding:
        """boot_id changed: the guest really was shut down and started again."""
        return Finding(
            "new-boot",
            not self.same_boot,
            expected=f"a boot_id other than {self.boot_id_before}",
            actual=f"boot_id {self.boot_id_after}",
            hint="the guest never went down: shut it down on the old host before starting it on the new one",
            guest=self.guest,
        )
