"""What `ssh root@PEER uname -n`, asked on one host as xl asks, says about the way to the other."""

import re
from typing import NamedTuple

from xenlab.causes.cause import Rank
from xenlab.causes.dictionary import cause_named
from xenlab.causes.explaining import TIMED_OUT
from xenlab.causes.reading import read
from xenlab.causes.wording import Names, remedy, with_names

_SHOWN = 200
_NAME = re.compile(r"[A-Za-z0-9._-]{1,253}")

TRY_BY_HAND = "try `ssh -o BatchMode=yes root@{peer} uname -n` on {source}, and with -v"
RUNS_NOTHING = (
    "root's login on {target} ends at once: its shell must be a real one (`chsh -s /bin/bash root`), and no command= "
    "or ForceCommand in the way"
)
ANOTHER_MACHINE = (
    "that name or address leads {source} to another machine: see /etc/hosts and /root/.ssh/config on {source}, and `ip "
    "address` on {target}"
)
NOISE = cause_named("login-noise").remedy
FORCED = cause_named("forced-command").remedy


class PeerAnswer(NamedTuple):
    """`ok` None: it could not be found out. `actual` quotes what was answered, `hint` says what to do."""

    ok: bool | None
    actual: str
    hint: str


def peer_answer(
    stdout: str,
    stderr: str,
    exit_code: int | None,
    expected_name: str,
    *,
    host: str | None = None,
    peer: str | None = None,
    at: str | None = None,
) -> PeerAnswer:
    """Judge the answer: the peer's own `uname -n` and nothing else, as anything else ends up in xl's stream.

    What comes on stderr beside the right answer (sshd's Banner, a warning of a locale) is harmless. `host` is where
    ssh ran, `peer` the other one's name, `at` the name or address that ssh was given; all only for the hint.
    """
    names = Names(source=host, target=peer or expected_name, peer=at)
    if exit_code is None or exit_code in TIMED_OUT:
        return PeerAnswer(None, "no answer in time", with_names(TRY_BY_HAND, names))
    if exit_code == 0 and stdout.removesuffix("\n") == expected_name:
        return PeerAnswer(True, "it answers", "")
    # ssh's own words come on stderr, those of the peer's login on either.
    matches = read(f"{stderr}\n{stdout}", move=True).matches
    said, complaint = _on_one_line(stdout), _on_one_line(stderr)
    # Where words came back, what a start-up file complained of beside them is not the reason.
    least = Rank.GENERAL if exit_code and not said else Rank.CAUSE
    known = next((match for match in matches if match.cause.rank <= least), None)
    if known is not None:
        ok = None if known.cause.blame == "unobservable" else False
        return PeerAnswer(ok, known.line[:_SHOWN], remedy(known, names))
    code = f"exit code {exit_code}: " if exit_code else ""
    if exit_code == 255 or not said:
        hint = TRY_BY_HAND if exit_code == 255 else RUNS_NOTHING
        return PeerAnswer(False, code + (complaint or "nothing was said"), with_names(hint, names))
    if expected_name in stdout.split("\n"):
        return PeerAnswer(False, f"{code}{said!r}", with_names(NOISE, names))
    if exit_code == 0 and _NAME.fullmatch(said):
        return PeerAnswer(False, f"it answers as {said}", with_names(ANOTHER_MACHINE, names))
    return PeerAnswer(False, f"{code}{said!r}", with_names(FORCED, names))


def _on_one_line(text: str) -> str:
    return " / ".join(text[: 4 * _SHOWN].split("\n")).strip(" /")[:_SHOWN]
