"""The embedded lab's lab file: the same kind of file that a real lab has."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from xenlab.labfile import GuestSpec, HostSpec, LabFile, ShareSpec
from xenlab.labfile_limits import ProbeSpec, TimeoutSpec
from xenlab.testbed import emulation
from xenlab.testbed.bootfiles import Images
from xenlab.testbed.network import WayIn
from xenlab.testbed.plan import EXPORT, GUESTS, HOSTS, MOUNT_POINT, OUTSIDE, SERVER, HostPlan, NamedAddress
from xenlab.testbed.profiles import Profile


def embedded_lab(profile: Profile, images: Images, ways_in: Mapping[str, WayIn], known_hosts: Path) -> LabFile:
    """The lab as `load` would read it; thresholds allow for emulation, where hotplug takes seconds.

    `ways_in` are those to machines that are not reached by their own address, `known_hosts` has their keys as well.
    This machine cannot ping guests then: the hosts do.
    """
    login = {"key_file": images.login_key, "known_hosts": known_hosts}

    def way_in(plan: NamedAddress) -> dict[str, Any]:
        way = ways_in.get(plan.name)
        return login if way is None else {**login, "ssh_address": way.address, "port": way.port}

    def host(plan: HostPlan) -> HostSpec:
        return HostSpec(name=plan.name, address=plan.address, peer_port=22, **way_in(plan))

    return LabFile(
        name=f"embedded-{profile.name}",
        kind="embedded",
        hosts=(host(HOSTS[0]), host(HOSTS[1])),
        share=(ShareSpec(server=SERVER.name, export=EXPORT, mount_point=MOUNT_POINT),),
        guests=tuple(
            GuestSpec(
                name=guest.name,
                address=guest.address,
                home=guest.home.name,
                config=guest.shared_config,
                original_config=guest.original_config,
                ping_target=OUTSIDE,
                root_device="xvda1",
                swap=True,
                **way_in(guest),
            )
            for guest in GUESTS
        ),
        probes=ProbeSpec.model_validate({**emulation.PROBES, "outside_from": "hosts" if ways_in else None}),
        timeouts=TimeoutSpec.model_validate(emulation.TIMEOUTS),
    )
