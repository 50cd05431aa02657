"""A check that is given as data: which machines are asked, by which command, and what they should answer. Pure."""

import shlex
from collections.abc import Sequence
from typing import Annotated, Self

from pydantic import AfterValidator, Field, JsonValue, model_validator
from pydantic_core import SchemaError, SchemaValidator, core_schema

from xenlab.outcomes import Model
from xenlab.remote.changing import what_changes
from xenlab.remote.commands import by_sh

WORDS = HOSTS, SERVER, CLIENT, GUESTS = "hosts", "server", "client", "guests"
"""What may stand for machines, where a check does not name one."""

MOST_SECONDS = 300
"""More than any look takes; a lab is not to be held longer by one command."""


def _command(value: JsonValue) -> JsonValue:
    words = value if isinstance(value, list) else [value]
    if not words or not all(isinstance(word, str) and "\0" not in word for word in words) or not str(words[0]).strip():
        raise ValueError("must be a command: a string for sh, or a list of words")
    return value


def _pattern(text: str) -> str:
    try:
        _searching(text)
    except SchemaError as problem:
        # "Error building ...: SchemaError: regex parse error: (the pattern, and where in it) error: unclosed group"
        why = str(problem).rpartition("error: ")[2].strip()
        raise ValueError(f"{text!r} is no regular expression that is taken: {why}") from None
    return text


def _searching(pattern: str) -> SchemaValidator:
    """Searches by Rust's engine, which takes time in proportion to the text, whatever pattern and text are.

    As for grep, ^ and $ are the ends of a line, which a console ends by "\\r\\n".
    """
    return SchemaValidator(core_schema.str_schema(pattern=f"(?mR){pattern}", regex_engine="rust-regex"))


class OwnCheck(Model):
    """A `command` that is run `on` machines of the lab, and what holds where all is well.

    `on` is "hosts" (both), "server" or "client" (that of the first share, and the other one), "guests" (each), or one
    machine's name. The command is a string for sh, or a list of words. It ends with `exit_code` within `seconds`, and
    what it writes to stdout `contains` a text and `matches` a regular expression (of the Rust crate regex, where ^ and
    $ are the ends of a line), if these are given. Unless it `changes` something it only reads, by the word of who
    wrote it.

    :raises ValueError: a command that is said to read is one that changes something; see `changing.what_changes`.
    """

    id: str
    on: Annotated[str, Field(min_length=1)] = HOSTS
    command: Annotated[JsonValue, AfterValidator(_command)]
    exit_code: Annotated[int, Field(ge=0, le=255)] = 0
    contains: Annotated[str, Field(min_length=1)] | None = None
    matches: Annotated[str, AfterValidator(_pattern)] | None = None
    seconds: Annotated[int, Field(ge=1, le=MOST_SECONDS)] = 20
    hint: str = ""
    changes: bool = False

    @model_validator(mode="after")
    def _reads_if_it_says_so(self) -> Self:
        if not self.changes and (word := what_changes(self.argv)):
            raise ValueError(f"its command changes something ({word}): it must read, or say changes = true")
        return self

    @property
    def argv(self) -> tuple[str, ...]:
        """The program that is run, with its arguments."""
        return tuple(map(str, self.command)) if isinstance(self.command, list) else by_sh(str(self.command))

    @property
    def typed(self) -> str:
        """The command as it would be typed."""
        return shlex.join(self.argv) if isinstance(self.command, list) else str(self.command)

    def hosts_of(self, hosts: Sequence[str], server: str) -> tuple[str, ...]:
        """Those of the lab's hosts that it is run on; `server` is the machine that exports the first share."""
        asked = {HOSTS: hosts, SERVER: [server], CLIENT: [host for host in hosts if host != server]}
        return tuple(host for host in hosts if host in asked.get(self.on, (self.on,)))

    def guests_of(self, guests: Sequence[str]) -> tuple[str, ...]:
        """Those of the lab's guests that it is run in."""
        return tuple(guest for guest in guests if self.on in (GUESTS, guest))

    def fits(self, text: str) -> bool:
        """Whether what was written to stdout is as it should be."""
        text = text.encode("utf-8", "replace").decode()
        found = self.matches is None or _searching(self.matches).isinstance_python(text)
        return found and (self.contains is None or self.contains in text)
