"""Step 3: the paths in the guest's config."""

from xenlab.grading.steps import check, step
from xenlab.lab.guest import Guest
from xenlab.lab.lab import Lab


@step("path-fixes", needs="shared-storage", claims="guest", in_check=True)
def test_config_names_files_on_the_share(guest: Guest, lab: Lab) -> None:
    """Every path in the guest's config leads to a file on the share, from both hosts, and nothing else changed.

    Compare the config on the share with the first one: `kernel`, `ramdisk` and each `disk` must lie on the share.
    """
    config = guest.read_config(lab.others_than(guest))
    check(config.is_readable(), config.is_taken_by_xl(), essential=True)
    check(config.leads_to_the_share(), config.differs_only_in_paths(), config.names_the_originals())
    check(config.shares_nothing_with_others(), guest.keeps_devices_on_share())
