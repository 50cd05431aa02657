"""Every scenario: wrong labs, right ones, and what goes wrong underneath; in the order of the lab sheet's steps. Pure
data.
"""

from xenlab.errors import UsageError
from xenlab.scenarios.right.configs import CONFIGS as RIGHT_CONFIGS
from xenlab.scenarios.right.guests import GUESTS as RIGHT_GUESTS
from xenlab.scenarios.right.hosts import HOSTS as RIGHT_HOSTS
from xenlab.scenarios.right.moves import MOVES as RIGHT_MOVES
from xenlab.scenarios.right.shares import SHARES as RIGHT_SHARES
from xenlab.scenarios.scenario import Scenario
from xenlab.scenarios.underneath.hosts import HOSTS as UNDER_HOSTS
from xenlab.scenarios.underneath.runs import RUNS
from xenlab.scenarios.underneath.services import SERVICES
from xenlab.scenarios.wrong.boot import BOOT
from xenlab.scenarios.wrong.configs import CONFIGS
from xenlab.scenarios.wrong.hosts import HOSTS
from xenlab.scenarios.wrong.left import LEFT
from xenlab.scenarios.wrong.moves import COLD, LIVE, PAUSED
from xenlab.scenarios.wrong.share import SHARE

WRONG = (*HOSTS, *SHARE, *CONFIGS, *BOOT, *COLD, *PAUSED, *LIVE, *LEFT)
RIGHT = (*RIGHT_HOSTS, *RIGHT_SHARES, *RIGHT_CONFIGS, *RIGHT_GUESTS, *RIGHT_MOVES)
UNDERNEATH = (*RUNS, *SERVICES, *UNDER_HOSTS)
SCENARIOS: tuple[Scenario, ...] = (*WRONG, *RIGHT, *UNDERNEATH)


def scenario_named(name: str) -> Scenario:
    """The scenario of that name.

    :raises UsageError: there is none.
    """
    for scenario in SCENARIOS:
        if scenario.name == name:
            return scenario
    raise UsageError(f"no scenario is called {name!r}", hint="./lab faults lists them")
