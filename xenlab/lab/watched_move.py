"""A move that was watched, and what is to be thought of it."""

from collections.abc import Iterator
from dataclasses import dataclass

from xenlab.lab.judging import watched as judge
from xenlab.lab.migration import Migration
from xenlab.lab.observed import Observed
from xenlab.lab.watch_analysis import Analysis, MoveLimits, analyse
from xenlab.labfile_limits import ProbeSpec
from xenlab.outcomes import Finding
from xenlab.probes.trace import Window


@dataclass(frozen=True, slots=True)
class WatchedMove:
    """A move, and the analysis of its watch."""

    migration: Migration
    analysis: Analysis

    @classmethod
    def of(cls, migration: Migration, observed: Observed, probes: ProbeSpec) -> "WatchedMove":
        """Analyse what was observed around the move, with the thresholds of `probes`."""
        limits = MoveLimits(probes.max_outside_gap_ms / 1000, probes.max_inside_lost)
        window = Window(migration.started, migration.ended)
        return cls(migration, analyse(observed, window, limits, migration.stamped))

    def pings_are_continuous(self) -> tuple[Finding, ...]:
        """Neither ping lost its thread, and the guest itself did not stand still for too long."""
        return (
            judge.outside_ping(self.analysis, self.migration.places),
            judge.inside_ping(self.analysis),
            *judge.stood_still(self.analysis),
        )

    def goes_on_as_before(self) -> Iterator[Finding]:
        """The same uptime, TCP connection and disk go on, and nobody else answers for the guest."""
        yield judge.uptime_went_on(self.analysis)
        yield from judge.connection_lived(self.analysis)
        yield judge.one_machine_answers(self.analysis, self.migration.places.macs)
        yield judge.writes_went_on(self.analysis)

    def remarks(self) -> tuple[str, ...]:
        """What is not judged of this guest, and why."""
        return judge.remarks(self.analysis)
