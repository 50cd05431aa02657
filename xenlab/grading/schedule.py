"""Which steps may run side by side: pure.

A step says what it claims of the lab while it runs. What measures (a watched move) or speaks of all guests claims the
whole lab; guests' other steps run beside each other, so that neither host waits for the other's guest.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Protocol, Self, TypeVar


class Claim(StrEnum):
    """What of the lab nobody else may use while a step runs."""

    LAB = "lab"
    """All of it. Whatever comes before is over, and nothing after has begun."""
    QUIET = "quiet"
    """All of it, for a quiet network and idle hosts; its guest alone where the lab file lets moves run together."""
    HOME = "home"
    """Its guest, and its home host's processor: two guests that boot on one host only make each other wait."""
    GUEST = "guest"
    """Its guest alone."""


def claim_of(claim: Claim, *, moves_alone: bool) -> Claim:
    """What a step really claims, in a lab whose watched moves have it to themselves or not."""
    if claim is Claim.QUIET:
        return Claim.LAB if moves_alone else Claim.GUEST
    return claim


class Schedulable(Protocol):
    """What is asked of a step on one guest (or, `guest` None, on the lab as a whole)."""

    @property
    def claim(self) -> Claim:
        """What it needs to itself."""

    @property
    def guest(self) -> str | None:
        """The guest that it is about."""

    @property
    def needed(self) -> Sequence[Self]:
        """Those that have to pass before it."""

    @property
    def started(self) -> bool:
        """Whether it was begun."""

    @property
    def running(self) -> bool:
        """Whether it was begun and has not ended."""

    @property
    def over(self) -> bool:
        """Whether it has ended, and how is known."""

    @property
    def passed(self) -> bool:
        """Whether it came to its end, and nothing was wrong."""


S = TypeVar("S", bound=Schedulable)


def startable(steps: Sequence[S], homes: Mapping[str, str]) -> list[S]:
    """Those of `steps`, in their order, that may be begun now, beside those that run; `homes` are the guests'.

    Past a step that claims the lab nothing is begun until it is over: it is run when its turn has come.
    """
    running = [step for step in steps if step.running]
    found: list[S] = []
    for step in steps:
        if step.over:
            continue
        if step.claim is Claim.LAB:
            break
        if _is_ready(step) and not any(_disturb(step, other, homes) for other in (*running, *found)):
            found.append(step)
    return found


def _is_ready(step: Schedulable) -> bool:
    return not step.started and all(need.passed for need in step.needed)


def _disturb(one: Schedulable, other: Schedulable, homes: Mapping[str, str]) -> bool:
    if one.guest == other.guest:
        return True
    both_home = one.claim is other.claim is Claim.HOME
    return both_home and homes.get(one.guest or "") == homes.get(other.guest or "")
