"""A pasted text, explained: what happened in it, what is wrong or proves nothing, and what could not be read."""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice

from xenlab.evidence.text import brief
from xenlab.transcripts.gathering import gather
from xenlab.transcripts.judging import configs, listings, moves, pings, shares
from xenlab.transcripts.judging.words import judge_words
from xenlab.transcripts.narrating import events_of
from xenlab.transcripts.notes import Explanation, Note, Unread
from xenlab.transcripts.scene import Scene
from xenlab.transcripts.text import PastedLine, Stretch, stretches_of

JUDGES: tuple[Callable[[Scene], Iterator[Note]], ...] = (
    listings.paused_after_a_move,
    listings.same_domain_as_before,
    listings.dom0_goes_back,
    listings.still_at_the_sender,
    listings.not_arrived,
    listings.odd_states,
    moves.cold_move_that_was_none,
    moves.live_move_of_a_stopped_guest,
    moves.move_without_an_end,
    shares.mount_without_a_type,
    shares.server_is_neither_host,
    shares.mounted_read_only,
    shares.export_keeps_root_out,
    configs.not_readable,
    configs.more_than_paths_changed,
    configs.path_off_the_share,
    configs.path_misses_its_folder,
    pings.inside_ping_bounds_little,
    pings.outside_ping_ends_before_the_move,
    pings.replies_lost,
    pings.replies_twice,
)
"""Every kind of finding but those by words."""

_MOST_OF_A_KIND = 50


def examine(text: str) -> Explanation:
    """Explain a transcript, log, report or config; the notes are in the order of their lines."""
    stretches = stretches_of(text)
    gathered = gather(stretches)
    scene = gathered.scene
    judged = judge_words(scene, gathered.words)
    notes = [*judged.notes, *(note for judge in JUDGES for note in islice(judge(scene), _MOST_OF_A_KIND))]
    understood = gathered.understood | judged.understood | {note.line for note in notes}
    return Explanation(
        events=tuple(events_of(scene)),
        notes=tuple(sorted(dict.fromkeys(notes), key=lambda note: note.line)),
        unread=tuple(_unread(stretches, understood)),
        understood=len(understood),
    )


def _unread(stretches: Iterable[Stretch], understood: set[int]) -> Iterator[Unread]:
    """The lines of code of which nothing is known, those together that stand together."""
    run: list[PastedLine] = []
    for stretch in stretches:
        for line in () if stretch.is_prose else stretch.lines:
            if line.number in understood or line.text.lstrip().startswith("#"):
                yield from _run_of(run)
                run = []
            elif line.text.strip():
                run.append(line)
        yield from _run_of(run)
        run = []


def _run_of(lines: list[PastedLine]) -> Iterator[Unread]:
    if lines:
        yield Unread(lines[0].number, lines[-1].number, brief(lines[0].text.strip(), 80))
