"""Where a guest was before it was touched, and whether it is so again: pure."""

from xenlab.lab.places import Places
from xenlab.outcomes import Model


class GuestFound(Model):
    """Where a guest was before it was touched; `unclear` says what could not be told of it, and forbids all acts."""

    host: str | None = None
    paused: bool = False
    unclear: str = ""


def as_found(places: Places) -> GuestFound:
    """Where a guest is, to be brought back there; what is not clear is never acted on."""
    if places.is_off:
        return GuestFound()
    row = places.row
    if row is None or row.shutdown or row.dying:
        return GuestFound(unclear=places.words)
    return GuestFound(host=places.host, paused=row.paused)


def is_as_found(places: Places, found: GuestFound) -> bool:
    """Whether the guest is where it was found, in the state it was in."""
    if found.unclear:
        return False
    if found.host is None:
        return places.is_off
    row = places.row
    return places.host == found.host and row is not None and (row.paused if found.paused else row.alive)
