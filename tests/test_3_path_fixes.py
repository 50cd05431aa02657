"""Step 3: the paths in the guest's config."""

from xenlab.grading.steps import check, step
from xenlab.lab.dom0 import HostPair
from xenlab.lab.guest import Guest


@step("path-fixes", needs="shared-storage")
def test_config_names_files_on_the_share(guest: Guest, hosts: HostPair) -> None:
    """Every path in the guest's config leads to a file on the share, from both hosts, and nothing else changed.

    Compare the config on the share with the first one: `kernel`, `ramdisk` and each `disk` must lie on the share.
    """
    for host in hosts:
        check(host.parses(guest.config.path, guest.name))
        for entry in guest.config.paths():
            check(guest.config.names_file(entry, host))
    if guest.spec.original_config:
        check(guest.config.differs_only_in_paths(guest.spec.original_config))
    if guest.is_running:
        for finding in guest.keeps_devices_on_share():
            check(finding)
