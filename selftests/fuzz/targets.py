"""All readers that are fed with anything."""

from selftests.fuzz.file_targets import FILES
from selftests.fuzz.host_targets import HOSTS
from selftests.fuzz.own_lab_targets import OWN_LAB
from selftests.fuzz.target import Target
from selftests.fuzz.xen_targets import XEN

TARGETS: tuple[Target, ...] = (*XEN, *HOSTS, *FILES, *OWN_LAB)


def target_named(name: str) -> Target:
    """The target of that name.

    :raises KeyError: there is none.
    """
    return {target.name: target for target in TARGETS}[name]
