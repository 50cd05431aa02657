"""What a lab file should say by what was seen, each value with where it was seen; and what could not be found. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Proposed:
    """A value for the lab file, and `where` it was seen, in words for a comment."""

    value: str | int | bool
    where: str


Entry = Mapping[str, Proposed]
"""One table of the lab file."""


@dataclass(frozen=True, slots=True)
class Missing:
    """A value that the lab file needs and nobody has: `key` is where it belongs, `why` it was not found.

    `option` is how it is given ("--guest"), `prefix` what stands there before it ("guest1="), `form` what it is, in
    capitals. `candidates` are those between which nothing decided, and where each was seen.
    """

    key: str
    why: str
    option: str = ""
    prefix: str = ""
    form: str = ""
    candidates: Mapping[str, str] = field(default_factory=dict)

    @property
    def words(self) -> str:
        """What to add to the call."""
        return f"{self.option} {self.prefix}{self.form}".strip()

    def given(self, value: str) -> tuple[str, ...]:
        """The words of the call with that value."""
        return (self.option, f"{self.prefix}{value}") if self.option else (f"{self.prefix}{value}",)


@dataclass(frozen=True, slots=True)
class Proposal:
    """A whole lab file, or what is missing to it; `remarks` are for whoever reads, and belong in no file."""

    name: Proposed
    shares: tuple[Entry, ...]
    hosts: tuple[Entry, ...]
    guests: tuple[Entry, ...]
    jumps: tuple[Entry, ...] = ()
    probes: Entry = field(default_factory=dict)
    timeouts: Entry = field(default_factory=dict)
    missing: tuple[Missing, ...] = ()
    remarks: tuple[str, ...] = ()
