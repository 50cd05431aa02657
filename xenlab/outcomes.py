"""What a run found, as data: findings, checks, steps, migrations and the grade.

Pure models. They are made by the graded steps, summed up by `grading.scoring`, and rendered by
`report`; nothing here does I/O. `Grade` is what `reports/grade.json` holds.
"""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Outcome(StrEnum):
    """How a check or step ended; the five never mix."""

    PASSED = "passed"
    FAILED = "failed"
    BLOCKED = "blocked"
    ERROR = "error"
    WAIVED = "waived"


@dataclass(frozen=True, slots=True)
class Finding:
    """What looks at the lab showed, beside what they should have shown.

    `holds` is None where it could not be told: an error, never a pass and never a fault of the lab. `id` is
    kebab-case and stable ("runs-only-on"); `expected`, `actual` and `hint` are short English texts for the
    report; `proof` may be a longer one, such as a diff. `evidence` are the ids of the recorded commands it
    rests on ("cmd-17"). Truthy when it holds.
    """

    id: str
    holds: bool | None
    expected: str
    actual: str
    hint: str = ""
    host: str | None = None
    guest: str | None = None
    proof: str = ""
    evidence: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return self.holds is True


class Model(BaseModel):
    """A frozen record that refuses unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Waiver(Model):
    """Why a failed check does not count: who said so, why, and the last day on which it holds."""

    who: str
    why: str
    until: date


class CheckResult(Model):
    """One check of a step; `evidence` names the recorded commands it rests on ("cmd-17").

    `proof` is a longer text that shows it, where there is one; a waived check has its `waiver`.
    """

    id: str
    outcome: Outcome
    expected: str = ""
    actual: str = ""
    hint: str = ""
    host: str | None = None
    guest: str | None = None
    evidence: tuple[str, ...] = ()
    proof: str = ""
    waiver: Waiver | None = None


class SideEvidence(Model):
    """What the machines had to say when a step failed on a guest: the tail of a log, say.

    `file` is the text's name below evidence/ ("side/1-live-migration-guest1-kernel-log.txt").
    """

    title: str
    file: str
    guest: str | None = None


class StepResult(Model):
    """One graded step over all guests; `blocked_by` is the id of the root step that did not pass.

    `ungradable` are the points of those runs of it that could not be observed, or were blocked by one that could
    not: neither earned nor lost. `needs` are the ids of the steps it comes after, `commands` those of the commands
    that were begun while it ran. A step that is not `required` earns points but does not fail the whole; of a
    `hidden` one students see the outcome, not the checks.
    """

    id: str
    title: str
    points: float
    earned: float
    outcome: Outcome
    blocked_by: str | None = None
    seconds: float = 0.0
    checks: tuple[CheckResult, ...] = ()
    needs: tuple[str, ...] = ()
    required: bool = True
    hidden: bool = False
    ungradable: float = 0.0
    commands: tuple[str, ...] = ()
    side: tuple[SideEvidence, ...] = ()


class PingSummary(Model):
    """One ping's figures over a migration; see `probes.continuity`.

    The true outage lies in (longest_gap_ms - gap_resolution_ms, longest_gap_ms]; `scatter_resolution_ms` of
    the resolution is owed to packets lost at other times. `seat` is the machine that sent it ("this machine", or a
    host's name); None where it was the guest.
    """

    seat: str | None = None
    sent: int
    received: int
    lost: int
    duplicated: int
    reordered: int
    send_errors: int
    interval_ms: float
    longest_gap_ms: float
    gap_resolution_ms: float
    scatter_resolution_ms: float = 0.0
    last_before: int | None
    first_after: int | None
    gap_in_window: bool


class HeartbeatSummary(Model):
    """The guest's own pulse over a migration; see `probes.heartbeat`.

    `stood_still_ms` is for how long the guest itself did nothing: what a gap of the outside ping has beyond
    that is the network's.
    """

    beats: int
    interval_ms: float
    stood_still_ms: float
    clock_step_ms: float


class EchoSummary(Model):
    """Bytes sent over one TCP connection to the guest, from before the move to after it, and those that came back."""

    sent_bytes: int
    returned_bytes: int
    intact: bool


class StageSummary(Model):
    """What xl did at one time of a move; see `xen.stages`.

    It took `took_ms`, and while the guest stood still `stood_still_ms` of them. `scripts` is how many hotplug scripts
    were run. Several kinds, such as "last copy and restore", were not told apart by this xl.
    """

    stage: str
    took_ms: float
    stood_still_ms: float
    scripts: int = 0


class AnatomySummary(Model):
    """Where the downtime of a move went; see `probes.anatomy`.

    The stages' `stood_still_ms` and `untold_ms` make up `blackout_ms`, for which the guest stood still (None where that
    is not known). Up to `doubt_ms` of them may belong to a neighbouring stage. `brownout_ms` is the network's part,
    from the guest going on to the first answer outside. `causes` are those of which the signature was seen; `sentence`
    says it all.
    """

    stages: tuple[StageSummary, ...]
    blackout_ms: float | None
    untold_ms: float
    doubt_ms: float
    brownout_ms: float | None
    causes: tuple[str, ...] = ()
    sentence: str = ""


class MigrationRecord(Model):
    """One move of one guest and what was seen of it; `timeline` is the SVG's file name.

    `outside` is the ping from outside that decides, `outside_elsewhere` those from other seats at the same time.
    """

    guest: str
    kind: Literal["cold", "paused", "live"]
    source: str
    target: str
    started: datetime | None = None
    seconds: float
    same_boot: bool
    outside: PingSummary | None = None
    outside_elsewhere: tuple[PingSummary, ...] = ()
    inside: PingSummary | None = None
    heartbeat: HeartbeatSummary | None = None
    connection: EchoSummary | None = None
    anatomy: AnatomySummary | None = None
    timeline: str | None = None


class LabInfo(Model):
    """Which lab was graded; `host_keys` are the hosts' SSH fingerprints by name."""

    name: str
    kind: Literal["embedded", "real", "replay"]
    hosts: tuple[str, ...]
    xen: dict[str, str] = Field(default_factory=dict)
    host_keys: dict[str, str] = Field(default_factory=dict)


class Late(Model):
    """How late the work was handed in, and the part of its points (0 to 1) that this leaves."""

    hours: float
    factor: float


class Score(Model):
    """Points earned of points possible; where the work was `late`, `earned` is what that leaves.

    `ungradable` are the points that could not be observed: neither earned nor lost.
    """

    earned: float
    possible: float
    late: Late | None = None
    ungradable: float = 0.0


class Grade(Model):
    """The whole result of one run: what grade.json holds, schema version 3.

    `remarks` are what the reader should know and no check is about, such as what others did on the hosts
    meanwhile; `whereabouts` say where each guest is at the end.
    """

    schema_: Literal[3] = Field(default=3, alias="schema")
    lab: LabInfo
    started: datetime
    finished: datetime
    score: Score
    verdict: Literal["passed", "failed", "error"]
    steps: tuple[StepResult, ...]
    migrations: tuple[MigrationRecord, ...] = ()
    remarks: tuple[str, ...] = ()
    whereabouts: tuple[str, ...] = ()

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)
