"""A guest's moves, and what is to be thought of them. Pure."""

from dataclasses import dataclass

from xenlab.lab.judging import moves
from xenlab.lab.looks import GuestLook
from xenlab.lab.migration import Migration
from xenlab.lab.places import Places
from xenlab.outcomes import Finding


@dataclass(frozen=True, slots=True)
class Nonce:
    """A random word that was written to a file on the guest's disk; what stays `unjudged` where it was not."""

    word: str
    file: str
    unjudged: str = ""


@dataclass(frozen=True, slots=True)
class Move:
    """One move of the guest, and what is to be thought of it."""

    migration: Migration

    def arrived(self) -> tuple[Finding, ...]:
        """The guest runs on the target alone, and answers there."""
        on_target = moves.runs_only_on(self.migration.places, self.migration.target)
        return (on_target, moves.answers_after(self.migration))

    def kept_its_boot(self) -> Finding:
        """The guest went on rather than booted again."""
        return moves.kept_boot(self.migration.before, self.migration.after)

    def booted_anew(self) -> Finding:
        """The guest really was shut down and started again."""
        return moves.booted_anew(self.migration)

    def kept(self, nonce: Nonce) -> Finding:
        """What was written before is on the disk still."""
        return moves.still_has(self.migration.after, nonce.word)

    def left_disk_clean(self) -> Finding:
        """The guest's kernel saw no error of its disks, nor a journal to recover."""
        return moves.has_clean_disk(self.migration.after)


@dataclass(frozen=True, slots=True)
class PausedMove:
    """How Xen took a paused guest's move: `migration` is None where it `refused`, which are its words.

    `places` are those right after.
    """

    guest: str
    source: str
    refused: str
    places: Places
    migration: Migration | None
    before: GuestLook
    after: GuestLook

    def left_it_unharmed(self) -> Finding:
        """It moved, or Xen refused and left it as it was."""
        if self.migration is not None:
            return moves.pause_was_taken(self.migration)
        return moves.refused_unharmed(self.guest, self.source, self.refused, self.places)

    def kept_its_boot(self) -> Finding:
        """The guest goes on where it stopped."""
        return moves.kept_boot(self.before, self.after)

    def kept(self, nonce: Nonce) -> Finding:
        """What was written before is on the disk still."""
        return moves.still_has(self.after, nonce.word)
