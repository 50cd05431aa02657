"""What pings show of a guest that was moved, and what they cannot show."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Literal

from xenlab.labfile_limits import ProbeSpec
from xenlab.transcripts.notes import Note, Weight
from xenlab.transcripts.scene import Scene, ShownMove, ShownPing

By = Literal["inside", "outside", "unknown"]
_LIMITS = ProbeSpec()
_FEW_DOUBLED = 5


def sent_by(scene: Scene) -> dict[int, By]:
    """Who sent each ping, by its line: by its prompt, whom it asked, or as one that asked the same before."""
    found: dict[int, By] = {}
    asked: dict[str, By] = {}
    for ping in scene.pings:
        by = _sent_by(scene, ping)
        keys = {key for peer in ping.peers for key in (peer, _domain(peer)) if key}
        if by == "unknown":
            by = next((asked[key] for key in sorted(keys) if key in asked), "unknown")
        if by != "unknown":
            asked |= dict.fromkeys(keys, by)
        found[ping.line] = by
    return found


def _sent_by(scene: Scene, ping: ShownPing) -> By:
    if ping.host in scene.guests or ping.on_console:
        return "inside"
    if ping.peers & scene.guest_addresses or ping.host is not None:
        return "outside"
    return "unknown"


def _domain(name: str) -> str:
    """The domain of a name such as lt-in-f113.1e100.net: a big service answers under many names of one."""
    parts = name.split(".")
    return ".".join(parts[-2:]) if len(parts) > 1 and not parts[-1].isdigit() else ""


def inside_ping_bounds_little(scene: Scene) -> Iterator[Note]:
    """A ping inside the guest, without times, is all that is shown of how long a live move stopped it."""
    by = sent_by(scene)
    for move, end in _live_moves(scene):
        others = [ping for ping in scene.pings if by[ping.line] != "inside" and _is_of(ping, scene, move)]
        outside = [ping for ping in others if by[ping.line] == "outside"]
        inside = [ping for ping in scene.pings if by[ping.line] == "inside" and ping.answered and not ping.is_stamped]
        after = [ping for ping in inside if move.line < ping.line < end]
        if not after or any(_spans(ping, move, end) for ping in others):
            continue
        shown, first = _thread(after)
        before = [ping for ping in outside if ping.line < move.line]
        beside = ""
        if before and before[-1].answered:
            last = before[-1]
            shown_to = f"is shown up to icmp_seq={last.answered[-1]}, before the move"
            beside = f"; the ping from outside (line {last.line}) {shown_to}"
        yield Note(
            kind="inside-ping-bounds-little",
            weight=Weight.UNPROVEN,
            line=first.line,
            what=f"{shown} of a ping inside the guest hardly bounds for how long it stood still{beside}",
            why="ping counts what it sends, and stands still with its guest: however long the stop, no number is "
            "left out. Without the time of each reply the next number says only that the thread goes on",
            remedy="ping it from outside over the whole move (`ping -D -O -i 0.2`), or inside with -D, and show the "
            "lines before, in and after it",
            stage="live-migration",
            others=(move.line, *(ping.line for ping in before[-1:])),
        )


def outside_ping_ends_before_the_move(scene: Scene) -> Iterator[Note]:
    """A ping from outside was begun before a live move, and is shown up to there only."""
    by = sent_by(scene)
    noted = {line for note in inside_ping_bounds_little(scene) for line in note.others}
    for move, end in _live_moves(scene):
        outside = [ping for ping in scene.pings if by[ping.line] == "outside" and _is_of(ping, scene, move)]
        begun = [ping for ping in outside if ping.line < move.line and ping.output.summary is None]
        if not begun or move.line in noted or any(_spans(ping, move, end) for ping in outside):
            continue
        last = begun[-1]
        yield Note(
            kind="outside-ping-ends-before-the-move",
            weight=Weight.UNPROVEN,
            line=last.line,
            what=f"the ping from outside is shown up to icmp_seq={last.output.highest_sent}, before the move",
            why="it says nothing of the time in which the guest was moved",
            remedy="let it run until after the move, and show it to its end",
            stage="live-migration",
            others=(move.line,),
        )


def _live_moves(scene: Scene) -> Iterator[tuple[ShownMove, float]]:
    """Every live move that succeeded, and the line of the next move."""
    for move, following in pairwise((*scene.moves, None)):
        if move and move.report.succeeded and move.stage == "live-migration":
            yield move, following.line if following else float("inf")


def _is_of(ping: ShownPing, scene: Scene, move: ShownMove) -> bool:
    """Whether a ping may be of the guest of that move: not one of before the move before it."""
    earlier = [other.line for other in scene.moves if other.line < move.line]
    return not earlier or ping.line > earlier[-1]


def _spans(ping: ShownPing, move: ShownMove, end: float) -> bool:
    """Whether a ping may have gone on over the move: shown behind it, or to its end."""
    return move.line < ping.line < end or (ping.line < move.line and ping.output.summary is not None)


def _thread(pings: list[ShownPing]) -> tuple[str, ShownPing]:
    """The thread that the lines are shown for: the last number of one and the first of the next where they join."""
    for one, other in pairwise(pings):
        if other.answered[0] == one.answered[-1] + 1:
            return f"icmp_seq {one.answered[-1]} → {other.answered[0]}", one
    first, last = pings[0].answered[0], pings[-1].answered[-1]
    return f"icmp_seq {first} to {last}" if last > first else f"icmp_seq {first}", pings[0]


def replies_lost(scene: Scene) -> Iterator[Note]:
    """Replies that are missing, and for how long at most."""
    by = sent_by(scene)
    for ping in scene.pings:
        answered, summary = ping.answered, ping.output.summary
        if not answered:
            # Without its beginning it may be a part of one that was answered before.
            if ping.output.target and ping.output.highest_sent >= ping.output.first and (ping.output.errors or summary):
                yield _silent(ping)
            continue
        holes = [(a, b) for a, b in pairwise(answered) if b > a + 1]
        # Lines that somebody left out are no lost packets: only ping's own count, or its own words, tell.
        unanswered = {*ping.output.no_answer, *(error.sequence for error in ping.output.errors)}
        counted = summary is not None and ping.output.complete
        sure = [(a, b) for a, b in holes if counted or unanswered & set(range(a + 1, min(b, a + 1000)))]
        if not sure:
            continue
        a, b = max(sure, key=lambda hole: hole[1] - hole[0])
        lost, seconds = b - a - 1, (b - a) * ping.interval
        limit = _LIMITS.max_outside_gap_ms / 1000
        inside = by[ping.line] == "inside"
        too_many = lost > _LIMITS.max_inside_lost if inside else seconds > limit
        bound = f"more than {_LIMITS.max_inside_lost}" if inside else f"longer than the {limit:g} s"
        yield Note(
            kind="replies-lost",
            weight=Weight.WRONG if too_many else Weight.REMARK,
            line=ping.line,
            what=f"{lost} replies are missing between icmp_seq={a} and {b}: up to {seconds:g} s of silence",
            why=f"{bound} that a lab allows unless it says otherwise" if too_many else "within what a lab allows",
            remedy="does the new host's bridge lead where the old one's did? see `bridge link` and the vif there, and "
            "whether the guest tells the network where it is (arping)"
            if too_many
            else "",
            stage="live-migration",
            host=ping.host,
        )


def _silent(ping: ShownPing) -> Note:
    reason = next((error.reason for error in ping.output.errors), "")
    return Note(
        kind="no-reply",
        weight=Weight.WRONG,
        line=ping.line,
        what=f"{ping.output.target or 'the guest'} answered none of {ping.output.highest_sent} pings"
        + (f": {reason}" if reason else ""),
        why="it is not there, not up yet, or on another network",
        remedy="see its state in `xl list` on both hosts, its address on its console, and its vif in `bridge link`",
        stage="boot-from-share",
        host=ping.host,
    )


def replies_twice(scene: Scene) -> Iterator[Note]:
    """Replies that came twice: two machines have the address."""
    for ping in scene.pings:
        if ping.doubled >= _FEW_DOUBLED:
            yield Note(
                kind="replies-twice",
                weight=Weight.WRONG,
                line=ping.line,
                what=f"{ping.doubled} replies came twice (DUP!)",
                why="two machines answer at one address: two copies of the guest, or another one that has its address",
                remedy="`xl list` on both hosts, `arping` the address: start and unpause nothing until it is clear who "
                "answers",
                stage="live-migration",
                host=ping.host,
            )
