"""xl's words about a migration: how far it came, what became of the guest, and which of the two ends spoke a line.

Source: Xen's tools/xl/xl_migrate.c, whose messages have been the same from 4.9 to 4.22 except where noted. `xl
migrate` runs `ssh TARGET xl migrate-receive`, so that its stderr holds the words of both hosts.
"""

import re
from dataclasses import dataclass
from typing import Literal

from xenlab.remote.answers import ends_of

MOVED = "Migration successful."
"""xl's last words where a guest has moved."""

GuestFate = Literal["moved", "resumed-at-sender", "undefined", "stayed"]
Speaker = Literal["source", "target"]

_STAGES = (
    ("connected", "migration target: Ready to receive domain"),
    ("sending", "Saving to migration stream"),
    ("transferred", "migration target: Transfer complete"),
    ("acknowledged", "migration sender: Target has acknowledged transfer"),
    ("permitted", "migration sender: Giving target permission to start"),
    ("started", "migration target: Domain started success"),  # xl writes "successsfully"
    ("confirmed", "migration sender: Target reports successful startup"),
    ("finished", MOVED),
)
"""The stages of a migration in their order, and the words that tell that each was reached."""

_OUTCOMES: tuple[tuple[str, GuestFate], ...] = (
    ("Domain state is now undefined", "undefined"),
    ("CHECK AT BOTH ENDS", "undefined"),
    (MOVED, "moved"),
    ("migration sender: Resumed OK.", "resumed-at-sender"),
    # The same words without "Resumed OK.": the sender tried, and did not get its guest back.
    ("Migration failed due to problems at target.", "undefined"),
    ("Migration failed, resuming at sender.", "resumed-at-sender"),
    ("Migration failed, failed to suspend at sender.", "stayed"),
    # SUSE's xl, when it was told to give up on a guest that dirties its memory faster than it is sent.
    ("Migration aborted as requested, domain is too busy.", "stayed"),
)
"""xl's last words and what became of the guest, the gravest first."""

_LIBRARIES = r"(libxl|xc|xl|xencall|xenforeignmemory|xendevicemodel|libxl-save-helper)"
# What `xl -vvv` says more. A message of qemu's ends in line feeds of its own (libxl_qmp.c, "received: '...'").
_DEBUGGING = re.compile(_LIBRARIES + r": (debug|verbose|detail): |'\r?$|\{\".*[}']\r?$")
_ERROR = re.compile(
    r"\b(error|fail(ed|ure)|denied|refused|undefined|timed out|unable to|cannot|can't|could ?n[o']t|not found|no route"
    r"|no such|died|aborted|invalid|unexpected)\b|CHECK AT BOTH ENDS|Host key verification",
    re.IGNORECASE,
)
# Lines that tell of the normal course, whatever words they hold.
_COURSE = re.compile(
    _LIBRARIES + r": (info|notice|verbose|detail|debug|progress): "
    r"|Parsing config from |Saving to .* new xl format|Loading new save file | Savefile contains xl domain config"
    r"|migration (target: (Ready|Transfer complete|Got permission|Domain started)|sender: (Target has|Giving target))"
)
# The message of a child's end is logged as information (XTL_INFO, xl_migrate.c, migration_child_report).
_CHILD_ENDED = "migration transport process ["


@dataclass(frozen=True, slots=True)
class MigrationReport:
    """How one `xl migrate` went, by its own output.

    `outcome` is the phrase of xl that tells it, empty when xl ended without one. `guest_fate`: `moved` runs
    on the target; `stayed` never stopped on the sender; `resumed-at-sender` was to go on there after a failure;
    `undefined` may be on both hosts or on none. `errors` are the lines that complain.
    """

    stages: tuple[str, ...]
    outcome: str
    guest_fate: GuestFate
    errors: tuple[str, ...]

    @property
    def succeeded(self) -> bool:
        """Whether the guest moved."""
        return self.guest_fate == "moved"


def parse_migration(output: str) -> MigrationReport:
    """Read what `xl migrate` wrote (both streams together; its words come on stderr).

    Output that breaks off after the guest began to be sent leaves its fate undefined: xl was killed or lost.
    """
    stages = tuple(stage for stage, words in _STAGES if words in output)
    silent: GuestFate = "undefined" if "sending" in stages else "stayed"
    phrase, fate = next(((words, fate) for words, fate in _OUTCOMES if words in output), ("", silent))
    errors = tuple(line.strip() for line in ends_of(output.splitlines()) if line and is_error(line))
    return MigrationReport(stages=stages, outcome=phrase, guest_fate=fate, errors=errors)


def without_debugging(words: str) -> str:
    """What xl says at its default level, of what `xl -vvv` wrote: readers of its words are not to trip over more."""
    return "\n".join(line for line in ends_of(words.split("\n")) if not _DEBUGGING.match(line))


def is_error(line: str) -> bool:
    """Whether a line complains, by its words; a line of the normal course does not, whatever words it holds."""
    return not is_course(line) and _ERROR.search(line[:1000]) is not None


def is_course(line: str) -> bool:
    """Whether a line tells of the normal course of a command (xl's progress, libxl's levels below a warning)."""
    return _COURSE.match(line) is not None or _CHILD_ENDED in line


def is_migration(words: str) -> bool:
    """Whether these are words of an `xl migrate` that got as far as to its ssh."""
    return any(mark in words for mark in ("migration target:", "migration sender:", "migration receiver stream"))


# Programs of which only one end can speak, told by how their lines look: xl and libxl's save side, libxc's
# (xg_sr_save*.c), and the source's ssh, against the restore side (xg_sr_restore*.c). The first that fits counts.
_SPEAKERS: tuple[tuple[str, Speaker], ...] = (
    ("migration target", "target"),
    ("incoming migration stream", "target"),
    ("libxl_stream_read.c", "target"),
    ("libxl_create.c", "target"),
    ("Restore failed", "target"),
    ("restoring domain:", "target"),
    ("Failed to read Record Header", "target"),
    (" - pte ", "target"),
    # The target's login shell, before ssh or xl has said that it was reached: xl itself runs on the source.
    ("xl: command not found", "target"),
    ("xl: not found", "target"),
    ("xl: Command not found", "target"),
    ("command not found: xl", "target"),
    ("Unknown command: xl", "target"),
    ("xl: Kommando nicht gefunden", "target"),
    ("migration sender", "source"),
    ("migration receiver stream", "source"),
    (_CHILD_ENDED, "source"),
    ("Migration ", "source"),
    ("Domain state is now undefined", "source"),
    ("CHECK AT BOTH ENDS", "source"),
    ("libxl_stream_write.c", "source"),
    ("libxl_dom_save.c", "source"),
    ("libxl_dom_suspend.c", "source"),
    ("saving domain:", "source"),
    ("Save failed", "source"),
    ("callback suspend() failed", "source"),
    ("Failed to write page data", "source"),
    ("Unable to write record to stream", "source"),
    ("logdirty", "source"),
    ("Failed to get types for pfn batch", "source"),
    ("Failed to map guest pages", "source"),
    ("Unable to refresh domain information", "source"),
    ("not been suspended", "source"),
    ("not suspended: (shutdown", "source"),
    ("guest did not suspend", "source"),
    ("acknowledge suspend", "source"),
    ("Bad mfn for L", "source"),
)
# ssh(1) as the source runs it. Once ssh has logged in, what stands before the greeting of the target's xl and is not
# ssh's comes from the target: from its login shell, or from an xl that cannot start.
_SSH = re.compile(
    r"ssh: |ssh_|kex_|client_loop: |packet_write_|Host key |@{5}|@ +WARNING|Connection (to|closed|reset|timed)"
    r"|Received disconnect|Disconnected from|Unable to negotiate|No \S+ host key is known|Offending "
    r"|Add correct host key|Warning: |\*\* |Bad (owner|configuration|packet)|Load key |Permissions 0\d+ for"
    r"|It is (required|also possible)|Corrupted MAC|sign_and_send|no such identity|Write failed: |Read from "
    r"|Timeout, server |Too many authentication"
    r"|command-line: line|mux_client|ControlSocket |channel \d|\S*(sh|xl): (\d+: )?(exec: )?ssh: |Permission denied"
    r"|\S+@\S+: Permission denied|\S+@\S+'s password|Pseudo-terminal|The authenticity|The fingerprint|\S+/\.ssh/"
)


@dataclass(frozen=True, slots=True)
class Turns:
    """The turns of the two ends in the words of an `xl migrate`, as offsets into them.

    Between "Ready to receive domain" and the target's last words the lines that either end could have written came
    through ssh from the target; so did those between the permission to start and the report of it.
    """

    ready: int
    target_ended: int
    permitted: int
    reported: int
    reached: bool

    def speaker(self, offset: int, line: str) -> Speaker:
        """Which end spoke the line at `offset`."""
        known = next((side for mark, side in _SPEAKERS if mark in line), None)
        if known is not None:
            return known
        if _SSH.match(line):
            return "source"
        if offset < self.ready:
            return "target" if self.reached else "source"
        in_turn = offset < self.target_ended or self.permitted <= offset < self.reported
        return "target" if in_turn else "source"


def turns_of(words: str) -> Turns:
    """Find the turns in what an `xl migrate` wrote."""

    def at(mark: str, missing: int) -> int:
        found = words.find(mark)
        return missing if found < 0 else found

    end = len(words)
    ready = at("migration target: Ready to receive", end)
    gave_up = at("migration target: Domain creation failed", at("migration target: Transfer complete", -1))
    return Turns(
        ready=ready,
        target_ended=gave_up if gave_up >= 0 else at("migration sender:", end),
        permitted=at("migration sender: Giving target permission", end),
        reported=at("migration sender: Target reports", end),
        # The source's xl opens Xen's interfaces before it runs ssh: if it came to read the target's greeting, who
        # could not open them is the target.
        reached=ready < end or "migration receiver stream" in words,
    )
