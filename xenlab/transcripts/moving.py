"""The moves in a transcript: who was moved from where to where, how it stood before, and what the text calls it."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from xenlab.transcripts.places import resolved, whole_name, without_user
from xenlab.transcripts.scene import ShownListing, ShownMove
from xenlab.transcripts.text import Stretch
from xenlab.transcripts.typed import TypedCommand
from xenlab.xen.messages import is_migration, parse_migration

_PASSWORD = re.compile(r"(?:\S{1,64}@)?(?P<target>[\w.:%-]{1,64})'s password")
_SAVING = re.compile(r"Saving domain (\d{1,6})")
_COLD = (
    r"\b(?:cold|offline)\b.{0,3}\b(?:migrat|move)|\bkalte\w* migration|\bхолодн\w* миграц|\bmigration à froid"
    r"|\bmigraci[oó]n en fr[ií]o"
)
_LIVE = (
    r"\b(?:live|hot)\b.{0,3}\b(?:migrat|move)|\b(?:живая|горячая|онлайн)\w*.миграц|\bmigration à chaud"
    r"|\bmigraci[oó]n en (?:vivo|caliente)"
)
_CLAIMS = {"cold": re.compile(_COLD, re.IGNORECASE), "live": re.compile(_LIVE, re.IGNORECASE)}
_HEADING = re.compile(r"\s{0,3}(?:#{1,6}\s|={2,}|\*\*|-{2,}\s|(?:step|task|part)\b)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class MoveClaim:
    """What a line calls a move: "cold", "live", or empty for a heading of neither."""

    line: int
    is_heading: bool
    kind: str


def claims_in(stretches: Iterable[Stretch]) -> Iterator[MoveClaim]:
    """Every line that calls a move something, and every heading."""
    for line in (line for stretch in stretches for line in stretch.lines):
        named = [kind for kind, words in _CLAIMS.items() if words.search(line.text)]
        is_heading = _HEADING.match(line.text) is not None
        if is_heading or named:
            yield MoveClaim(line.number, is_heading, named[0] if len(named) == 1 else "")


@dataclass(slots=True)
class _Standing:
    """How guests stand, as far as the text has told: the line at which each was paused or shut down."""

    paused: dict[str, int] = field(default_factory=dict)
    stopped: dict[str, int] = field(default_factory=dict)
    names: dict[tuple[str | None, int], str] = field(default_factory=dict)

    def see(self, listing: ShownListing) -> None:
        for row in listing.guests:
            self.names[listing.host, row.domid] = row.name
            if row.paused:
                self.paused.setdefault(row.name, listing.line)
            else:
                self.paused.pop(row.name, None)
                self.stopped.pop(row.name, None)

    def note(self, command: TypedCommand, guest: str) -> None:
        match command.verb:
            case "pause":
                self.paused[guest] = command.line
            case "shutdown" | "destroy":
                self.stopped[guest] = command.line
                self.paused.pop(guest, None)
            case "unpause" | "reboot":
                self.paused.pop(guest, None)

    def guest(self, command: TypedCommand) -> str | None:
        """The guest that a command is about, also where it was given by its number."""
        if not command.operands:
            return None
        given = command.operands[0]
        by_number = self.names.get((command.host, int(given))) if re.fullmatch(r"\d{1,6}", given) else None
        return by_number or given


def moves_in(
    commands: Sequence[TypedCommand],
    said: Mapping[int, str],
    listings: Sequence[ShownListing],
    hosts: frozenset[str],
    addresses: Mapping[str, frozenset[str]],
    claims: Sequence[MoveClaim],
) -> Iterator[ShownMove]:
    """Every `xl migrate`, in order; `said` are the words that each command was answered, by its line."""
    standing, after = _Standing(), 0
    to_see = list(listings)
    claiming = _Claiming(claims)
    for command in commands:
        while to_see and to_see[0].line <= command.line:
            standing.see(to_see.pop(0))
        guest, words = standing.guest(command), said.get(command.line, "")
        if command.verb == "migrate" or is_migration(words):
            if command.verb != "migrate":
                guest = None
            report = parse_migration(words)
            password = _PASSWORD.search(words)
            target = password["target"] if password else None
            if command.verb == "migrate" and len(command.operands) > 1:
                target = without_user(command.operands[1])
            saving = _SAVING.search(words)
            kind, where = claiming.of(command.line, after)
            yield ShownMove(
                line=command.line,
                guest=None if guest is None else whole_name(guest),
                source=command.host,
                target=target,
                to=None if target is None else resolved(target, command.host, hosts, addresses),
                report=report,
                paused_at=standing.paused.get(guest or ""),
                stopped_at=standing.stopped.get(guest or ""),
                stays_paused=command.has_flag("p"),
                claim=kind,
                claim_line=where,
                domid=int(saving[1]) if saving else None,
            )
            after = command.line
            if report.succeeded:
                standing.paused.pop(guest or "", None)
        elif guest is not None:
            standing.note(command, guest)


@dataclass(slots=True)
class _Claiming:
    """What moves are called, asked for in the order of their lines."""

    claims: Sequence[MoveClaim]
    heading: MoveClaim = MoveClaim(0, True, "")
    last: MoveClaim = MoveClaim(0, False, "")
    at: int = 0

    def of(self, line: int, after: int) -> tuple[str, int]:
        """What the move at `line` is called and where: by the heading above it, or what was said last since `after`."""
        while self.at < len(self.claims) and self.claims[self.at].line < line:
            claim = self.claims[self.at]
            if claim.is_heading:
                self.heading = claim
            elif claim.kind:
                self.last = claim
            self.at += 1
        if self.heading.kind:
            return self.heading.kind, self.heading.line
        if self.last.line > max(self.heading.line, after):
            return self.last.kind, self.last.line
        return "", 0
