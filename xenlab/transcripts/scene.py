"""What a transcript shows, each kind in the order of the text: listings, moves, pings, configs, folders, mounts."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from xenlab.errors import LabFault
from xenlab.probes.ping_output import PingOutput
from xenlab.remote.facts import Export
from xenlab.transcripts.shapes import MountedShare
from xenlab.transcripts.typed import TypedCommand
from xenlab.xen.cfg import XlConfig
from xenlab.xen.messages import MigrationReport
from xenlab.xen.parsers import DomainRow


@dataclass(frozen=True, slots=True)
class ShownListing:
    """One `xl list`; `host` is the prompt's, None where nothing tells."""

    line: int
    host: str | None
    rows: tuple[DomainRow, ...]

    @property
    def dom0(self) -> DomainRow | None:
        """Domain-0's row."""
        return next((row for row in self.rows if row.domid == 0), None)

    @property
    def guests(self) -> tuple[DomainRow, ...]:
        """All other rows."""
        return tuple(row for row in self.rows if row.domid != 0)

    def row(self, guest: str) -> DomainRow | None:
        """The row of that name."""
        return next((row for row in self.rows if row.name == guest), None)


@dataclass(frozen=True, slots=True)
class ShownMove:
    """One `xl migrate`: `target` is as it was typed, `to` the host that it is, where the text tells.

    `claim` is what the text calls it ("cold", "live" or empty), and `claim_line` where. `paused_at` and `stopped_at`
    are the lines at which the guest was paused or shut down before, if it was, and not set going since. `stays_paused`
    is `xl migrate -p`. `domid` is the id that it had on the sender.
    """

    line: int
    guest: str | None
    source: str | None
    target: str | None
    to: str | None
    report: MigrationReport
    paused_at: int | None
    stopped_at: int | None
    stays_paused: bool
    claim: str = ""
    claim_line: int = 0
    domid: int | None = None

    @property
    def stage(self) -> str:
        """The lab step that it belongs to."""
        if self.paused_at is not None:
            return "paused-migration"
        return "cold-migration" if self.claim == "cold" else "live-migration"


@dataclass(frozen=True, slots=True)
class ShownPing:
    """One run of ping, or some of its lines.

    `peers` are the names and addresses that answered, `interval` is in seconds, `doubled` are replies that came twice.
    `on_console` tells that a guest's console showed it.
    """

    line: int
    last_line: int
    host: str | None
    output: PingOutput
    peers: frozenset[str]
    interval: float
    doubled: int
    on_console: bool

    @property
    def is_stamped(self) -> bool:
        """Whether it told the time of each reply (-D)."""
        return any(reply.stamp is not None for reply in self.output.replies)

    @property
    def answered(self) -> tuple[int, ...]:
        """The sequence numbers that were answered, in their order."""
        return tuple(sorted({reply.sequence for reply in self.output.replies}))


@dataclass(frozen=True, slots=True)
class ShownConfig:
    """One config: what it says, or the fault that keeps xl from reading it. `is_all` where the text is nothing else."""

    line: int
    config: XlConfig | LabFault
    is_all: bool
    is_straightened: bool

    @property
    def name(self) -> str | None:
        """The guest's name in it."""
        return self.config.name if isinstance(self.config, XlConfig) else None


@dataclass(frozen=True, slots=True)
class ShownFolder:
    """One `ls -l` of a folder, and the names of its files."""

    line: int
    path: str
    files: frozenset[str]


@dataclass(frozen=True, slots=True)
class ShownExports:
    """What `exportfs -v` or /etc/exports shows."""

    line: int
    host: str | None
    exports: tuple[Export, ...]


@dataclass(frozen=True, slots=True)
class Scene:
    """All of it. `guests` and `hosts` are names, `addresses` those of each host, `guest_addresses` those of guests.

    `one_of_two_serves` is where the text says that one of both hosts exports the share, or None.
    """

    commands: tuple[TypedCommand, ...] = ()
    listings: tuple[ShownListing, ...] = ()
    moves: tuple[ShownMove, ...] = ()
    pings: tuple[ShownPing, ...] = ()
    configs: tuple[ShownConfig, ...] = ()
    folders: tuple[ShownFolder, ...] = ()
    mounts: tuple[MountedShare, ...] = ()
    exports: tuple[ShownExports, ...] = ()
    guests: frozenset[str] = frozenset()
    hosts: frozenset[str] = frozenset()
    addresses: Mapping[str, frozenset[str]] = field(default_factory=dict)
    guest_addresses: frozenset[str] = frozenset()
    one_of_two_serves: int | None = None

    def between(self, first: int, last: int) -> Iterator[TypedCommand]:
        """The commands that stand after one line and before another."""
        return (command for command in self.commands if first < command.line < last)
