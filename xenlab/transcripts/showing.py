"""An explanation as it is read: for people, and as JSON."""

import json
import textwrap
from collections.abc import Iterator
from dataclasses import asdict
from typing import Final

from xenlab.evidence.text import plain
from xenlab.transcripts.notes import Explanation, Note, Weight

_MOST_UNREAD: Final = 12
_MOST_EVENTS: Final = 200


def shown(explanation: Explanation, width: int = 100) -> Iterator[str]:
    """The lines for people, none longer than `width` where words allow it."""
    if explanation.events:
        yield "What happened"
        for event in explanation.events[:_MOST_EVENTS]:
            stage = f"  [{event.stage}]" if event.stage else ""
            yield from _wrapped(f"  line {event.line:<5}", f"{event.what}{stage}", width)
        yield from _cut(len(explanation.events) - _MOST_EVENTS, "events")
        yield ""
    for title, wanted in (("What is wrong with it", False), ("Remarks", True)):
        notes = [note for note in explanation.notes if (note.weight is Weight.REMARK) is wanted]
        if notes:
            yield title
            for note in notes:
                yield from _note(note, width)
            yield ""
    if explanation.unread:
        yield "What nothing could be made of"
        for unread in explanation.unread[:_MOST_UNREAD]:
            lines = f"line {unread.first}" if unread.first == unread.last else f"lines {unread.first} to {unread.last}"
            yield from _wrapped(f"  {lines}: ", unread.text, width)
        yield from _cut(len(explanation.unread) - _MOST_UNREAD, "places")
        yield ""
    yield _summary(explanation)


def as_json(explanation: Explanation) -> str:
    """All of it: `events`, `notes`, `unread` (docs/explain.md names their fields), and whether it is sound."""
    found = asdict(explanation)
    return json.dumps({"sound": explanation.is_sound, **found}, ensure_ascii=False, indent=2)


def _note(note: Note, width: int) -> Iterator[str]:
    stage = f", {note.stage}" if note.stage else ""
    where = f" (see line {', '.join(map(str, sorted(note.others)))})" if note.others else ""
    yield from _wrapped(f"  line {note.line:<5}", f"{note.what}{where}", width)
    about = "  ".join(filter(None, (f"{note.weight}{stage}", _cause(note))))
    for word, text in (("", about), ("because", note.why), ("do", note.remedy)):
        if text:
            yield from _wrapped(f"             {word + ': ' if word else ''}", text, width, indent=13)


def _cause(note: Note) -> str:
    if note.cause is None:
        return ""
    return f"cause: {note.cause} (side: {note.side}{f', spoken on {note.host}' if note.host else ''})"


def _wrapped(head: str, text: str, width: int, indent: int | None = None) -> Iterator[str]:
    indent = len(head) if indent is None else indent
    lines = textwrap.wrap(
        " ".join(plain(text).split()),
        max(width, 40),
        initial_indent=head,
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
    yield from lines or [head.rstrip()]


def _cut(more: int, what: str) -> Iterator[str]:
    if more > 0:
        yield f"  and {more} more {what}: --json has them all"


def _summary(explanation: Explanation) -> str:
    counts = {weight: sum(note.weight is weight for note in explanation.notes) for weight in Weight}
    words = {
        Weight.WRONG: "wrong",
        Weight.CONTRADICTION: "contradictory",
        Weight.UNPROVEN: "proving less than it is shown for",
        Weight.REMARK: "remarks",
    }
    counted = ", ".join(f"{counts[weight]} {words[weight]}" for weight in Weight if counts[weight])
    return f"{'sound' if explanation.is_sound else 'not sound'}: {counted or 'nothing wrong found'}"
