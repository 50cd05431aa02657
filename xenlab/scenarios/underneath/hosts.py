"""Hosts that die, stand still or lose their network before, in and after a move. Pure data.

guest2 moves from baye, which has the share, to labubuntu and back; guest1 the other way round.
"""

from xenlab.outcomes import Outcome
from xenlab.scenarios.scenario import MOVED, Disruption, DisruptionKind, MustEnd, Underneath
from xenlab.testbed.plan import CLIENT, GUESTS, SERVER

_STEP = "live-migration"
_GUEST, _OTHER = (guest.name for guest in GUESTS)
_CLIENT, _SERVER = CLIENT.name, SERVER.name
_ERROR = (Outcome.ERROR,)
_GONE_SECONDS = 1500.0
"""ssh between the hosts gives up after 75 s, ours after 120 s; a host that fell silent is waited for as long as it may
take to boot, in the step and again when guests are brought home.
"""


def _dies(name: str, what: str, disruption: Disruption, must_end: MustEnd, guest: str = _OTHER) -> Underneath:
    return Underneath(
        name, what, (), _STEP, alone=True, runs=True, guest=guest, disruptions=(disruption,), must_end=must_end
    )


def _recovers(name: str, what: str, kind: DisruptionKind, end: DisruptionKind, seconds: float) -> Underneath:
    disruptions = (Disruption(_CLIENT, kind, "migrate", 5), Disruption(_CLIENT, end, "migrate", 5 + seconds))
    must_end = MustEnd(_GONE_SECONDS, (Outcome.PASSED, Outcome.FAILED), _OTHER)
    return Underneath(
        name, what, (), _STEP, alone=True, runs=True, guest=_OTHER, disruptions=disruptions, must_end=must_end
    )


HOSTS: tuple[Underneath, ...] = (
    _dies(
        "target-dies-before-the-move",
        f"{_CLIENT} loses power while {_OTHER} is watched, just before it is sent there",
        Disruption(_CLIENT, DisruptionKind.POWER_CUT, "watch"),
        MustEnd(_GONE_SECONDS, _ERROR, _CLIENT, home=False),
    ),
    _dies(
        "target-dies-in-the-move",
        f"{_CLIENT} loses power while {_OTHER} is on its way to it",
        Disruption(_CLIENT, DisruptionKind.POWER_CUT, "migrate", 8),
        MustEnd(_GONE_SECONDS, _ERROR, _CLIENT, home=False),
    ),
    _dies(
        "target-dies-after-the-move",
        f"{_CLIENT} loses power once {_OTHER} has moved to it",
        Disruption(_CLIENT, DisruptionKind.POWER_CUT, MOVED),
        MustEnd(_GONE_SECONDS, (Outcome.FAILED, Outcome.ERROR), _OTHER, home=False),
    ),
    _dies(
        "sender-dies-in-the-move",
        f"{_CLIENT} loses power while {_GUEST} is on its way from it",
        Disruption(_CLIENT, DisruptionKind.POWER_CUT, "migrate", 8),
        MustEnd(_GONE_SECONDS, _ERROR, _CLIENT, home=False),
        guest=_GUEST,
    ),
    _dies(
        "server-dies-in-the-move",
        f"{_SERVER} loses power, and the share with it, while {_GUEST} is on its way to it",
        Disruption(_SERVER, DisruptionKind.POWER_CUT, "migrate", 8),
        MustEnd(_GONE_SECONDS, _ERROR, _SERVER, home=False),
        guest=_GUEST,
    ),
    _dies(
        "target-halts-for-good-in-the-move",
        f"{_CLIENT} stands still from the middle of the move on, and answers nobody",
        Disruption(_CLIENT, DisruptionKind.HALT, "migrate", 8),
        MustEnd(_GONE_SECONDS, _ERROR, _CLIENT, home=False),
    ),
    _dies(
        "target-unplugged-for-good-in-the-move",
        f"{_CLIENT} is off the network from the middle of the move on",
        Disruption(_CLIENT, DisruptionKind.UNPLUG, "migrate", 8),
        MustEnd(_GONE_SECONDS, _ERROR, _CLIENT, home=False),
    ),
    _recovers(
        "target-halts-in-the-move",
        f"{_CLIENT} stands still for 30 s while {_OTHER} is on its way to it",
        DisruptionKind.HALT,
        DisruptionKind.GO_ON,
        30,
    ),
    _recovers(
        "target-unplugged-in-the-move",
        f"{_CLIENT} is off the network for 30 s while {_OTHER} is on its way to it",
        DisruptionKind.UNPLUG,
        DisruptionKind.PLUG_IN,
        30,
    ),
)
"""Runs whose hosts go away."""
