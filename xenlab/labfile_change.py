"""One value of a lab file that is changed; by itself, as it is read where the lab file's model is not."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LabFileChange:
    """Another value of one key; `table` is "share", "probes" or "timeouts", or the name of a host or guest."""

    table: str
    key: str
    value: str | int | float | bool | None
