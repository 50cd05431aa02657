"""The embedded lab's lab file: the same kind of file that a real lab has."""

from xenlab.labfile import GuestSpec, HostSpec, LabFile, ProbeSpec, ShareSpec, TimeoutSpec
from xenlab.testbed.bootfiles import Images
from xenlab.testbed.plan import EXPORT, GUESTS, HOSTS, MOUNT_POINT, OUTSIDE, SERVER
from xenlab.testbed.profiles import Profile


def embedded_lab(profile: Profile, images: Images) -> LabFile:
    """The lab as `load` would read it; thresholds allow for emulation, where hotplug takes seconds."""
    way_in = {"key_file": images.login_key, "known_hosts": images.known_hosts}
    return LabFile(
        name=f"embedded-{profile.name}",
        kind="embedded",
        hosts=(
            HostSpec(name=HOSTS[0].name, address=HOSTS[0].address, **way_in),
            HostSpec(name=HOSTS[1].name, address=HOSTS[1].address, **way_in),
        ),
        share=ShareSpec(server=SERVER.name, export=EXPORT, mount_point=MOUNT_POINT),
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
                **way_in,
            )
            for guest in GUESTS
        ),
        probes=ProbeSpec(
            outside_interval_ms=50,
            inside_interval_ms=200,
            max_outside_gap_ms=60_000,
            max_inside_lost=20,
            settle_seconds=4,
        ),
        timeouts=TimeoutSpec(command_seconds=120, boot_seconds=300, migrate_seconds=900),
    )
