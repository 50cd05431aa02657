"""What listings of `xl list` show, contradict, or leave out."""

from collections.abc import Iterator

from xenlab.causes import Names, cause_named
from xenlab.causes.wording import with_names
from xenlab.transcripts.notes import Note, Weight
from xenlab.transcripts.places import HALVES, whole_name
from xenlab.transcripts.scene import Scene, ShownListing, ShownMove
from xenlab.xen.parsers import DomainRow

_HALF_MOVED = cause_named("half-moved-guest-in-the-way")
_CRASHED = cause_named("guest-gone-while-sent")
_STARTS = frozenset({"create", "restore"})
_REBOOTS = frozenset({"poweroff", "reboot", "shutdown", "systemctl"})
_ENDS = frozenset({"destroy", "save", "shutdown"})


def paused_after_a_move(scene: Scene) -> Iterator[Note]:
    """A guest that was moved while it ran is shown paused, though nobody paused it since."""
    for move, listing, row in _shown_after(scene):
        since = (c for c in scene.between(move.line, listing.line) if c.verb == "pause")
        held = move.stays_paused or any(_is_of(command.operands, row) for command in since)
        if row.paused and not held:
            yield Note(
                kind="paused-after-a-move",
                weight=Weight.CONTRADICTION,
                line=listing.line,
                what=f"{row.name} is shown as what arrived by the move, and is paused ({row.state})",
                why="xl lets a guest go on once it has arrived, and xl says above that it started: a paused one is not "
                "the running guest that was moved, or the listing is of another moment",
                remedy=f"show `xl list` right after the move; if {row.name} is paused there, see who paused it, and "
                f"`xl unpause {row.name}`",
                stage=move.stage,
                others=(move.line,),
                host=listing.host,
            )


def same_domain_as_before(scene: Scene) -> Iterator[Note]:
    """What is shown as just arrived is the domain of an earlier listing: a new one has an id and a clock of its own."""
    for move, listing, row in _shown_after(scene):
        earlier = next(
            (
                (before, was)
                for before in reversed(scene.listings)
                if before.line < move.line and before.host == listing.host and (was := before.row(row.name))
                if was.domid == row.domid and was.cpu_seconds <= row.cpu_seconds
            ),
            None,
        )
        if earlier is None or listing.host is None:
            continue
        before, was = earlier
        yield Note(
            kind="same-domain-as-before",
            weight=Weight.CONTRADICTION,
            line=listing.line,
            what=f"{row.name} is the same domain as in the listing of line {before.line}, id {row.domid} with "
            f"{was.cpu_seconds} s then and {row.cpu_seconds} s now{_dom0_clocks(before, listing)}",
            why="a guest that arrives gets a new id and its time begins near 0, and Domain-0's only grows: this was "
            "seen after that listing, and before that domain left",
            remedy="show the `xl list` of after the move, not one from before the guest left",
            stage=move.stage,
            others=(before.line, move.line),
            host=listing.host,
        )


def _dom0_clocks(before: ShownListing, after: ShownListing) -> str:
    if before.dom0 is None or after.dom0 is None:
        return ""
    more = after.dom0.cpu_seconds - before.dom0.cpu_seconds
    compared = f"{more:.1f} s later" if more > 0 else f"{-more:.1f} s earlier"
    return f"; Domain-0's time is {compared}: {before.dom0.cpu_seconds} s then, {after.dom0.cpu_seconds} s here"


def dom0_goes_back(scene: Scene) -> Iterator[Note]:
    """Behind a move, Domain-0's time is less than in a listing of that host in front of it: that one is the newer."""
    last: dict[str, ShownListing] = {}
    for listing in scene.listings:
        before = last.get(listing.host or "")
        if before and before.dom0 and listing.dom0 and listing.dom0.cpu_seconds < before.dom0.cpu_seconds:
            between = list(scene.between(before.line, listing.line))
            rebooted = any(c.program in _REBOOTS and c.host == listing.host for c in between)
            # Of two terminals shown one after the other the order means nothing; around a move it does.
            moved = any(before.line < move.line < listing.line for move in scene.moves)
            if moved and not rebooted:
                yield Note(
                    kind="listings-out-of-order",
                    weight=Weight.CONTRADICTION,
                    line=listing.line,
                    what=f"Domain-0 of {listing.host} has used {listing.dom0.cpu_seconds} s here, and "
                    f"{before.dom0.cpu_seconds} s in the listing of line {before.line} before it",
                    why="this time only grows while a host is up: this listing is older, or the host was started "
                    "anew in between",
                    remedy="show the listings in the order in which they were made",
                    others=(before.line,),
                    host=listing.host,
                )
        if listing.host and listing.dom0:
            last[listing.host] = listing


def still_at_the_sender(scene: Scene) -> Iterator[Note]:
    """xl said that the guest has moved, and its old host shows it running still."""
    for move, listing, row in _shown_after(scene, at_target=False):
        came_back = any(c.verb in _STARTS for c in scene.between(move.line, listing.line))
        sent = _id_before(scene, move, row.name)
        if row.alive and not came_back and sent in (None, row.domid):
            yield Note(
                kind="still-at-the-sender",
                weight=Weight.CONTRADICTION,
                line=listing.line,
                what=f"{row.name} runs on {listing.host} ({row.state}), which had sent it away",
                why="of a guest that has moved nothing is left on its old host: two that run ruin its disk, or the "
                "listing is from before the move",
                remedy=f"`xl list` on both hosts: start and unpause nothing until one {row.name} alone can write to "
                "its disk",
                stage=move.stage,
                others=(move.line,),
                host=listing.host,
            )


def _id_before(scene: Scene, move: ShownMove, guest: str) -> int | None:
    """The guest's id on the host that sent it: one that came back, be it by a move that is not shown, has a new one."""
    if move.domid is not None:
        return move.domid
    before = (shown for shown in reversed(scene.listings) if shown.line < move.line and shown.host == move.source)
    return next((row.domid for shown in before if (row := shown.row(guest))), None)


def not_arrived(scene: Scene) -> Iterator[Note]:
    """xl said that the guest has moved, and its new host does not show it."""
    for move in scene.moves:
        listing = _first_after(scene, move, move.to)
        if listing is None or move.guest is None or listing.row(move.guest):
            continue
        if any(c.verb in _ENDS and move.guest in c.operands for c in scene.between(move.line, listing.line)):
            continue
        yield Note(
            kind="not-arrived",
            weight=Weight.CONTRADICTION,
            line=listing.line,
            what=f"{move.guest} is not on {listing.host}, where it had been moved to",
            why="xl says above that it started there: it has ended since, or this listing is of another moment or host",
            remedy=f"`xl list` on both hosts; on {listing.host} /var/log/xen/xl-{move.guest}.log says how it ended",
            stage=move.stage,
            others=(move.line,),
            host=listing.host,
        )


def odd_states(scene: Scene) -> Iterator[Note]:
    """Guests that are half moved, crashed, or paused."""
    said = {note.line for note in paused_after_a_move(scene)}
    for listing in scene.listings:
        for row in listing.guests:
            names = Names(source=listing.host, guest=whole_name(row.name))
            if row.name.endswith(HALVES):
                later = (shown for shown in scene.listings if shown.line > listing.line and shown.host == listing.host)
                was_under_way = any(shown.row(row.name) is None for shown in later)
                yield Note(
                    kind="half-moved",
                    weight=Weight.REMARK if was_under_way else Weight.WRONG,
                    line=listing.line,
                    what=f"{row.name} ({row.state}) is half of a guest that was being moved",
                    why="xl renames both halves while it moves a guest, and back when it is through",
                    remedy=with_names(_HALF_MOVED.remedy, names),
                    stage="live-migration",
                    cause=_HALF_MOVED.id,
                    side=_HALF_MOVED.side,
                    host=listing.host,
                )
            elif row.crashed:
                yield Note(
                    kind="crashed",
                    weight=Weight.WRONG,
                    line=listing.line,
                    what=f"{row.name} has crashed ({row.state})",
                    why='the "c" behind the "s" is the reason for its shutdown (xl(1), STATES)',
                    remedy=with_names(_CRASHED.remedy, names),
                    cause=_CRASHED.id,
                    side=_CRASHED.side,
                    host=listing.host,
                )
            elif row.paused and not row.leaving and listing.line not in said and not _was_paused(scene, listing, row):
                yield Note(
                    kind="paused",
                    weight=Weight.REMARK,
                    line=listing.line,
                    what=f"{row.name} is paused ({row.state}): it answers no ping, and cannot be moved live",
                    why="",
                    remedy=f"`xl unpause {row.name}` lets it go on",
                    host=listing.host,
                )


def _was_paused(scene: Scene, listing: ShownListing, row: DomainRow) -> bool:
    before = (command for command in reversed(scene.commands) if command.line < listing.line)
    last = next((c for c in before if c.verb in ("pause", "unpause", "create") and _is_of(c.operands, row)), None)
    return last is not None and last.verb == "pause"


def _shown_after(scene: Scene, *, at_target: bool = True) -> Iterator[tuple[ShownMove, ShownListing, DomainRow]]:
    """For each move that succeeded the next listing of one of its ends, and the guest's row in it."""
    for move in scene.moves:
        listing = _first_after(scene, move, move.to if at_target else move.source)
        guest = move.guest or _only_guest(listing)
        row = listing.row(guest) if listing and guest else None
        if listing and row:
            yield move, listing, row


def _first_after(scene: Scene, move: ShownMove, host: str | None) -> ShownListing | None:
    """The first listing of that host after a move that succeeded, and before the next move of the guest."""
    if not move.report.succeeded or host is None:
        return None
    following = (later.line for later in scene.moves if later.line > move.line and later.guest in (move.guest, None))
    end = next(following, None)
    for listing in scene.listings:
        if listing.line > move.line and listing.host == host and (end is None or listing.line < end):
            return listing
    return None


def _only_guest(listing: ShownListing | None) -> str | None:
    return listing.guests[0].name if listing and len(listing.guests) == 1 else None


def _is_of(operands: tuple[str, ...], row: DomainRow) -> bool:
    return row.name in operands or str(row.domid) in operands
