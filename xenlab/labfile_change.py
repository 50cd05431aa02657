"""One value of a lab file that is changed; by itself, as it is read where the lab file's model is not."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LabFileChange:
    """Another value of one key; `table` is "share", "probes" or "timeouts", or the name of a host or guest.

    "share" is the lab's first one. One is also known by its mount point, and added where the lab has none there.
    """

    table: str
    key: str
    value: str | int | float | bool | None
