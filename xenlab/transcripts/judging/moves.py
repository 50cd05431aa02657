"""What moves are shown for, and what they are."""

from collections.abc import Iterator

from xenlab.transcripts.notes import Note, Weight
from xenlab.transcripts.scene import Scene


def cold_move_that_was_none(scene: Scene) -> Iterator[Note]:
    """The text calls a move cold, and the guest was only paused, or not even that."""
    for move in scene.moves:
        if move.claim != "cold" or not move.report.succeeded or move.stopped_at is not None:
            continue
        guest = move.guest or "the guest"
        if move.paused_at is not None:
            what = (
                f"the move that is called cold was a paused one: {guest} was paused (line {move.paused_at}), then moved"
            )
        else:
            what = f"the move that is called cold was a live one: {guest} was neither shut down nor paused before it"
        yield Note(
            kind="cold-move-was-paused" if move.paused_at is not None else "cold-move-was-live",
            weight=Weight.CONTRADICTION,
            line=move.line,
            what=what,
            why="`xl migrate` sends the memory of a domain, which goes on with the same boot: cold means "
            "shut down on one host and started anew on the other, from the same disk",
            remedy=f"`xl shutdown {guest}` on the one host, wait until `xl list` no longer shows it, then `xl create` "
            "with its config on the other; `uptime` in the guest shows the new boot",
            stage="cold-migration",
            others=tuple(line for line in (move.paused_at, move.claim_line) if line),
            host=move.source,
        )


def move_without_an_end(scene: Scene) -> Iterator[Note]:
    """The words of a move break off before xl said how it ended, and nothing complains."""
    for move in scene.moves:
        report = move.report
        if report.stages and not report.outcome and not report.errors:
            yield Note(
                kind="move-without-an-end",
                weight=Weight.UNPROVEN,
                line=move.line,
                what=f"the words of the move end at “{report.stages[-1]}”: whether the guest arrived is not shown",
                why='xl\'s last words are "Migration successful." or say what failed',
                remedy="show the move to its end, and `xl list` on both hosts",
                stage=move.stage,
                host=move.source,
            )


def live_move_of_a_stopped_guest(scene: Scene) -> Iterator[Note]:
    """The text calls a move live, and the guest was paused before it."""
    for move in scene.moves:
        if move.claim == "live" and move.paused_at is not None and move.report.succeeded:
            yield Note(
                kind="live-move-was-paused",
                weight=Weight.CONTRADICTION,
                line=move.line,
                what=f"the move that is called live was a paused one: {move.guest or 'the guest'} was paused "
                f"(line {move.paused_at})",
                why="a guest that stands still has nothing to lose while it is moved: it proves no live migration",
                remedy="unpause it, and move it while pings run",
                stage="live-migration",
                others=tuple(line for line in (move.paused_at, move.claim_line) if line),
                host=move.source,
            )
