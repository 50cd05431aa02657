"""Several questions to one machine in one round trip: a script of sections, and its answer taken apart. Pure.

Each section is a program of its own with a time limit of its own, so that one that hangs (a mount whose server
is away) costs its own answer and no other. Marks with a nonce stand between the answers on both streams: what
lies outside of them is nobody's answer.
"""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from xenlab.remote.answers import whole_number
from xenlab.remote.shell import TIMEOUT

Argv = tuple[str, ...]

# Where the host has no timeout(1), the caller's own limit is all there is.
_PRELUDE = f"""
bounded() {{ seconds=$1; shift; ${{{TIMEOUT}:+${TIMEOUT} $seconds}} "$@"; }}
mark() {{ printf '\\n=%s %s\\n' "$nonce" "$1"; printf '\\n=%s %s\\n' "$nonce" "$1" >&2; }}
"""


@dataclass(frozen=True, slots=True)
class Section:
    """One question: `name` (letters, digits and -), the program that answers it, and its limit in seconds."""

    name: str
    argv: Argv
    seconds: int = 20


@dataclass(frozen=True, slots=True)
class Answer:
    """How a section ended; `exit_code` is None when it did not end, or nothing of it came back."""

    exit_code: int | None
    stdout: str = ""
    stderr: str = ""

    @property
    def ok(self) -> bool:
        """Whether it ended with exit code 0."""
        return self.exit_code == 0

    @property
    def timed_out(self) -> bool:
        """Whether timeout(1) ended it: 124, or 137 where it had to be killed."""
        return self.exit_code in (124, 137)

    @property
    def complaint(self) -> str:
        """The last line that it wrote to stderr, else to stdout; empty where it wrote nothing."""
        lines = [line.strip() for line in (self.stderr or self.stdout).splitlines() if line.strip()]
        return lines[-1] if lines else ""


def script(sections: Sequence[Section], nonce: str) -> Argv:
    """The command that asks all `sections`; `nonce` must be fresh and of plain letters and digits."""
    lines = [_PRELUDE, f"nonce={shlex.quote(nonce)}"]
    for section in sections:
        lines += [
            f"mark {shlex.quote(section.name)}",
            f"bounded {section.seconds} {shlex.join(section.argv)} </dev/null",
            f'mark "{section.name}=$?"',
        ]
    return ("sh", "-c", "\n".join(lines))


def answers(sections: Sequence[Section], nonce: str, stdout: str, stderr: str) -> Mapping[str, Answer]:
    """Each section's answer by its name; a section that did not come back whole has no exit code."""
    out, codes = _parts(stdout, nonce)
    err, _ = _parts(stderr, nonce)
    return {
        section.name: Answer(codes.get(section.name), out.get(section.name, ""), err.get(section.name, ""))
        for section in sections
    }


def _parts(text: str, nonce: str) -> tuple[dict[str, str], dict[str, int]]:
    """What stands between each section's two marks, and its exit code."""
    found: dict[str, str] = {}
    codes: dict[str, int] = {}
    _noise, *pieces = text.split(f"\n={nonce} ")
    for piece in pieces:
        mark, _, body = piece.partition("\n")
        name, equals, code = mark.partition("=")
        if not equals:
            found[name] = body
        elif (number := whole_number(code)) is not None:
            codes[name] = number
    return found, codes
