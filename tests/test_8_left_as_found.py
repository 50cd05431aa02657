"""Step 8: the lab is left as it was found."""

from xenlab.grading.steps import check, step
from xenlab.lab.left import LabLeft


@step("left-as-found", needs="hosts", of_the_run=True)
def test_lab_is_left_as_it_was_found(left: LabLeft) -> None:
    """Every guest is where it was, and nothing half-moved or of ours is left on either host.

    Look for `--incoming` and `--migratedaway` in `xl list`, and at `losetup -l`, `findmnt` and `ps` on both.
    """
    check(left.guests_are_in_place(), left.nothing_is_half_moved(), left.nothing_of_ours_is_there())
