"""xl's words, as meaning: how a migration went, and what a failed command is about.

Source: Xen's tools/xl (xl_migrate.c, xl_parse.c, xl_vmcontrol.c), tools/libs/light and the hotplug scripts,
whose messages have been the same from 4.9 to 4.20 except where noted.
"""

import re
from dataclasses import dataclass
from typing import Literal

from xenlab.xen.faults import FAULTS, XlError

GuestFate = Literal["moved", "resumed-at-sender", "undefined", "stayed"]

_STAGES = (
    ("connected", "migration target: Ready to receive domain"),
    ("sending", "Saving to migration stream"),
    ("transferred", "migration target: Transfer complete"),
    ("acknowledged", "migration sender: Target has acknowledged transfer"),
    ("permitted", "migration sender: Giving target permission to start"),
    ("started", "migration target: Domain started success"),  # xl writes "successsfully"
    ("confirmed", "migration sender: Target reports successful startup"),
    ("finished", "Migration successful."),
)
"""The stages of a migration in their order, and the words that tell that each was reached."""

_OUTCOMES: tuple[tuple[str, GuestFate], ...] = (
    ("Domain state is now undefined", "undefined"),
    ("CHECK AT BOTH ENDS", "undefined"),
    ("Migration successful.", "moved"),
    ("migration sender: Resumed OK.", "resumed-at-sender"),
    # The same words without "Resumed OK.": the sender tried, and did not get its guest back.
    ("Migration failed due to problems at target.", "undefined"),
    ("Migration failed, resuming at sender.", "resumed-at-sender"),
    ("Migration failed, failed to suspend at sender.", "stayed"),
)
"""xl's last words and what became of the guest, the gravest first."""

_ERROR = re.compile(
    r"\b(error|fail(ed|ure)|denied|refused|undefined|timed out|unable to|cannot|not found|no route)\b"
    r"|CHECK AT BOTH ENDS|Host key verification",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class MigrationReport:
    """How one `xl migrate` went, by its own output.

    `outcome` is the phrase of xl that tells it, empty when xl ended without one. `guest_fate`: `moved` runs
    on the target; `stayed` never stopped on the sender; `resumed-at-sender` goes on there after a failure;
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
    errors = tuple(line.strip() for line in output.splitlines() if _ERROR.search(line))
    return MigrationReport(stages=stages, outcome=phrase, guest_fate=fate, errors=errors)


def explain(
    argv_kind: str, exit_code: int, stderr: str, *, host: str | None = None, guest: str | None = None
) -> XlError:
    """The fault that a failed xl command tells of: the first entry of FAULTS whose words are there.

    `argv_kind` is xl's verb ("create", "migrate"). What is not known becomes a plain XlError. In both cases
    `actual` is xl's own line: the one that was understood, or the last.
    """
    for fault in FAULTS:
        found = fault.pattern.search(stderr)
        if found is not None:
            words = {name: value.strip() for name, value in found.groupdict(default="unknown").items()}
            return fault.error(
                f"xl {argv_kind} failed: {fault.message.format(**words)}",
                hint=fault.hint,
                expected=f"xl {argv_kind} succeeds",
                actual=_line_at(stderr, found.start()),
                host=host,
                guest=guest,
            )
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    return XlError(
        f"xl {argv_kind} ended with exit code {exit_code}",
        hint="see xl's own words, `xl dmesg`, and /var/log/xen on that host",
        expected=f"xl {argv_kind} succeeds",
        actual=lines[-1] if lines else f"exit code {exit_code}, and nothing said",
        host=host,
        guest=guest,
    )


def _line_at(text: str, offset: int) -> str:
    start = text.rfind("\n", 0, offset) + 1
    return text[start:].split("\n", 1)[0].strip()
