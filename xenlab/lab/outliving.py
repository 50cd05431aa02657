"""An act of xl on a host that goes on when its session is lost, and whose true result is fetched all the same."""

import time
from dataclasses import dataclass

from xenlab.errors import CannotObserve
from xenlab.lab.dom0 import Dom0
from xenlab.remote.errors import CommandTimedOut, ConnectionLost, HostUnreachable
from xenlab.xen import peers

# A host is asked again after so many seconds: no command of ours lasts for hours.
_ASK_SECONDS = 300
# What a busy host may need beyond that to answer at all.
_SLACK_SECONDS = 60.0


class StillUnderWay(CannotObserve):
    """It did not end in its time; it goes on, and is left alone."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How it ended: its exit code (None: it was gone without one), its words, and the ids of what was run."""

    code: int | None
    words: str
    ids: tuple[str, ...]


def run_to_its_end(host: Dom0, folder: str, name: str, argv: peers.Argv, seconds: float, patience: float) -> Ended:
    """Run `argv` on the host as `name`, and wait up to `seconds` for it, even over a connection that breaks.

    A host that falls silent meanwhile is waited for up to `patience` seconds.

    :raises StillUnderWay: it did not end in time.
    :raises CannotObserve: it was not begun, or the host does not answer any more.
    """
    deadline = time.monotonic() + seconds
    ids: tuple[str, ...] = ()
    begun = False
    while not begun or time.monotonic() < deadline:
        left = int(max(1.0, min(_ASK_SECONDS, deadline - time.monotonic())))
        ask = peers.await_end(folder, name, left) if begun else peers.start(folder, name, left, argv)
        try:
            asked = host.remote.run(*ask, timeout=left * 3.0 + _SLACK_SECONDS, changes=not begun).check()
        except CommandTimedOut:
            begun = True
            continue
        except HostUnreachable as silent:
            # Sent, it may have been begun all the same: a file on the host tells. It is not sent again.
            begun = begun or (isinstance(silent, ConnectionLost) and silent.sent)
            if not begun:
                raise
            host.remote.wait_until_reachable(patience, f"{host.name} to answer again")
            continue
        begun = True
        ids = (*ids, asked.id)
        state, _, words = asked.stdout.partition("\n")
        if state == "never":
            raise CannotObserve(f"`{' '.join(argv)}` was not begun on {host.name}", evidence=ids)
        if state != "running":
            return Ended(int(state) if state.isdecimal() else None, words, ids)
    raise StillUnderWay(
        f"`{' '.join(argv)}` is under way on {host.name} after {seconds:.0f} s",
        hint=f"it goes on by itself: see how far it is by xl list, and {folder}/{name}.log on {host.name}",
        evidence=ids,
    )
