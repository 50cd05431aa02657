"""What commands complained of, by the dictionary that verify's hints come from (causes)."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from xenlab.causes import CAUSES, Match, Names, NotObserved, Rank, Side, XlError, explain, meaning, remedy
from xenlab.causes.dictionary import CHAPTERS
from xenlab.causes.reading import Reading, read
from xenlab.transcripts.notes import Note, Weight
from xenlab.transcripts.scene import Scene, ShownMove
from xenlab.transcripts.shapes import Shaped
from xenlab.transcripts.text import PastedLine
from xenlab.transcripts.typed import TypedCommand
from xenlab.xen.messages import GuestFate, is_course, is_error

_MOST = 200
_AT_ONCE = 100_000
"""Characters that the dictionary is asked about at once: it reads longer texts in part only."""

_LOGS = re.compile(r"(?:libxl|xc|xl|xencall|xenforeignmemory|xenstore|migration (?:target|sender)|ERROR)\b")
_LONG_LINES = re.compile(rf"{_LOGS.pattern}|Unable to |No \S+ host key|Host key for|Received disconnect|kex_|ssh: ")
_ORDER = MappingProxyType({cause.id: number for number, cause in enumerate(CAUSES)})
_WRAPPED = 50
"""No terminal or mail is narrower: a shorter line was not wrapped."""

_LONGEST = 500
"""Characters of the longest line of Xen's tools, and more."""

_TOLD = re.compile(
    r"\S+'s password: ?|\[sudo\] .{1,80}: ?|(?:password|passphrase|mot de passe|passwort|пароль|contraseña)\b.{0,60}"
    r": ?|warning: permanently added .*|last login: .*|\^C|shutting down domain \d+|\S+ 0|\[?\.{2,}\]?|\s*",
    re.IGNORECASE,
)
_OF_A_MOVE = ("migration target: ", "migration sender: ", "Migration ", "Domain ", "** Migration ", "Please CHECK")

_STAGES: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(("ssh between the hosts", "Login shells", "Xen and its services"), "hosts"),
        **dict.fromkeys(("Making a domain", "Boot loader, kernel, QEMU", "Hotplug scripts"), "boot-from-share"),
        **{"Moves": "live-migration", "Configs": "path-fixes", "NFS": "shared-storage"},
    }
)
_STAGE_OF = MappingProxyType({cause.id: _STAGES.get(title, "") for title, chapter in CHAPTERS for cause in chapter})
_STAGE_OF_PROGRAM = MappingProxyType(
    {
        **dict.fromkeys(
            ("mount", "mount.nfs", "umount", "exportfs", "showmount", "findmnt", "rpcinfo"), "shared-storage"
        ),
        **dict.fromkeys(("ssh", "ssh-copy-id", "ssh-keygen", "scp"), "hosts"),
    }
)
_LOG_READERS = frozenset({"cat", "dmesg", "grep", "head", "journalctl", "less", "more", "tail"})
_STAGE_OF_VERB = MappingProxyType({"create": "boot-from-share", "list": "hosts", "info": "hosts"})
_FATES: Mapping[GuestFate, str] = MappingProxyType(
    {
        "moved": "the guest was moved all the same",
        "resumed-at-sender": "the guest was to go on at the sender",
        "stayed": "the guest stayed where it was",
        "undefined": "where the guest is cannot be told from this",
    }
)


@dataclass(frozen=True, slots=True)
class CommandWords:
    """The words that a command was answered with, its wrapped lines put together."""

    command: TypedCommand
    lines: tuple[PastedLine, ...]

    @property
    def text(self) -> str:
        """The words as one text."""
        return "\n".join(line.text for line in self.lines)


@dataclass(frozen=True, slots=True)
class JudgedWords:
    """The notes on all words, and the numbers of the lines that are known, or tell of the normal course."""

    notes: tuple[Note, ...]
    understood: frozenset[int]


def judge_words(scene: Scene, parts: Iterable[tuple[TypedCommand, Shaped]]) -> JudgedWords:
    """Judge everything that was said; a failure that the same command got over later is a remark."""
    said = list(_by_command(parts))
    known, complaining = _known(line for one in said for line in one.lines)
    moves = {move.line: move for move in scene.moves}
    found: list[tuple[TypedCommand, Note]] = []
    odd = [one for one in said if any(line.number in known or line.number in complaining for line in one.lines)]
    for one in odd[:_MOST]:
        found += ((one.command, note) for note in _notes(one, moves.get(one.command.line)))
    failed = {command.line for command, _ in found} | {one.command.line for one in odd[_MOST:]}
    notes = [_got_over(command, note, scene, failed) for command, note in found]
    shown = {note.line for note in notes}
    return JudgedWords(tuple(notes), frozenset(known | shown | _course(said)))


def _by_command(parts: Iterable[tuple[TypedCommand, Shaped]]) -> Iterator[CommandWords]:
    now: TypedCommand | None = None
    lines: list[PastedLine] = []
    asks = iter(range(_MOST))
    for command, part in parts:
        if now is not None and command is not now:
            yield CommandWords(now, tuple(_unwrapped(lines, asks)))
            lines = []
        now = command
        lines += part.lines
    if now is not None:
        yield CommandWords(now, tuple(_unwrapped(lines, asks)))


def _unwrapped(lines: Sequence[PastedLine], asks: Iterator[int]) -> Iterator[PastedLine]:
    """The lines, with those of Xen's tools put together that a terminal or a mail broke.

    `asks` is how often the dictionary may be asked how two pieces join.
    """
    width = max((len(line.text) for line in lines), default=0)
    whole: PastedLine | None = None
    last = 0
    for line in lines:
        text = line.text
        wrapped = last >= _WRAPPED and text.strip() and not _begins(text)
        if whole is not None and wrapped and _LONG_LINES.match(whole.text) and len(whole.text) < _LONGEST:
            whole = replace(whole, text=_glued(whole.text, text, asks, at_width=last == width))
        else:
            if whole is not None:
                yield whole
            whole = line
        last = len(text)
    if whole is not None:
        yield whole


def _glued(one: str, other: str, asks: Iterator[int], *, at_width: bool) -> str:
    """Two pieces of a line: broken within a word or between two, as the dictionary knows it the better."""
    pieces = (f"{one}{other}", f"{one} {other}")
    if one.endswith(" ") or other.startswith(" "):
        return pieces[0]
    if next(asks, None) is None:
        return pieces[0] if at_width else pieces[1]
    ranks = [min((_ORDER[match.cause.id] for match in read(text).matches), default=len(_ORDER)) for text in pieces]
    return pieces[0] if ranks[0] < ranks[1] or (ranks[0] == ranks[1] and at_width) else pieces[1]


def _begins(text: str) -> bool:
    """Whether a line begins a message of its own."""
    return (
        _LOGS.match(text) is not None
        or is_course(text)
        or re.match(r"Migration |Domain state|Please |\*\* |ssh|root@|[\w/.-]{2,30}: ", text) is not None
    )


def _known(lines: Iterable[PastedLine]) -> tuple[set[int], set[int]]:
    """The numbers of the lines that the dictionary knows, and of those that complain in words of their own."""
    known, complaining = set[int](), set[int]()
    batch: list[PastedLine] = []
    size = 0

    def ask() -> None:
        offsets: dict[int, int] = {}
        at = 0
        for line in batch:
            offsets[at] = line.number
            at += len(line.text) + 1
        for match in read("\n".join(line.text for line in batch)).matches:
            known.add(offsets.get(match.offset, 0))

    for line in lines:
        if is_error(line.text):
            complaining.add(line.number)
        batch.append(line)
        size += len(line.text) + 1
        if size > _AT_ONCE:
            ask()
            batch, size = [], 0
    ask()
    return known - {0}, complaining


def _course(said: Iterable[CommandWords]) -> set[int]:
    """The lines that tell of the normal course: progress, questions for passwords."""
    return {
        line.number
        for one in said
        for line in one.lines
        if line.text.strip()
        and (is_course(line.text) or _TOLD.fullmatch(line.text.strip()) or line.text.startswith(_OF_A_MOVE))
    }


def _notes(said: CommandWords, move: ShownMove | None) -> Iterator[Note]:
    command, words = said.command, said.text
    if move is not None:
        if not move.report.succeeded:
            yield from _failed_move(said, move)
    elif command.verb in ("console", "dmesg", "top") or command.program in _LOG_READERS:
        yield from _each(said, read(words, move=False), least=Rank.CAUSE)
    elif command.verb and not (command.verb == "create" and command.has_flag("c")):
        yield from _failed_xl(said)
    elif command.verb:
        yield from _each(said, read("\n".join(filter(_LOGS.match, words.split("\n"))), move=False), least=Rank.CAUSE)
    elif command.words:
        matches = [match for match in read(words, move=False).matches if match.cause.rank is not Rank.NOISE]
        yield from (_of_match(said, match) for match in matches[:1])
    else:
        yield from _each(said, read(words), least=Rank.GENERAL)


def _failed_move(said: CommandWords, move: ShownMove) -> Iterator[Note]:
    words = said.text
    reading = read(words, move=True)
    if not _complains(reading) and not move.report.outcome:
        return
    fault = explain("migrate", 1, words, host=move.source, peer=move.to or move.target, guest=move.guest)
    stages = move.report.stages
    reached = f"the move got as far as “{stages[-1]}”" if stages else "the move did not get as far as the other host"
    yield _of_fault(said, fault, f"{reached}; {_FATES[move.report.guest_fate]}", move.stage)


def _failed_xl(said: CommandWords) -> Iterator[Note]:
    command, reading = said.command, read(said.text, move=False)
    if not _complains(reading):
        return
    guest = command.operands[0] if command.operands and command.verb != "create" else None
    fault = explain(command.verb, 1, said.text, host=command.host, guest=guest)
    yield _of_fault(said, fault, "", _STAGE_OF_VERB.get(command.verb, ""))


def _complains(reading: Reading) -> bool:
    said = any(match.cause.rank <= Rank.CONSEQUENCE for match in reading.matches)
    return said or reading.unknown_error is not None


def _each(said: CommandWords, reading: Reading, least: Rank) -> Iterator[Note]:
    """A note for each cause of output that belongs to no one command; where none names a cause, for what followed."""
    matches = [match for match in reading.matches if match.cause.rank <= least]
    if not matches and not said.command.words:
        matches = [match for match in reading.matches if match.cause.rank is not Rank.NOISE][:1]
    by_cause = {match.cause.id: match for match in reversed(matches)}
    yield from (_of_match(said, match) for match in reversed(by_cause.values()))


def _of_match(said: CommandWords, match: Match) -> Note:
    names, cause = Names(source=said.command.host), match.cause
    stage = _STAGE_OF_PROGRAM.get(said.command.program, "") or _STAGE_OF[cause.id]
    return _note(
        said, match.line, cause.id, cause.side, meaning(match, names), remedy(match, names), stage, cause.blame
    )


def _of_fault(said: CommandWords, fault: Exception, why: str, stage: str) -> Note:
    if not isinstance(fault, XlError | NotObserved):
        raise TypeError(fault)
    cause = fault.cause
    blame = "unobservable" if isinstance(fault, NotObserved) else "lab"
    stage = stage or (_STAGE_OF[cause.id] if cause else "")
    id_, side = (cause.id, cause.side) if cause else (None, None)
    unknown = f"`{said.command.text or 'it'}` complained in words that no entry of the dictionary knows"
    note = _note(said, fault.actual, id_, side, fault.message if cause else unknown, fault.hint, stage, blame)
    return replace(note, why="; ".join(filter(None, (note.why, why))), host=fault.host)


def _note(
    said: CommandWords, line: str, cause: str | None, side: Side | None, what: str, todo: str, stage: str, blame: str
) -> Note:
    number = next((one.number for one in said.lines if line and line in one.text), said.command.line)
    return Note(
        kind="cause" if cause else "unknown-words",
        weight=Weight.UNPROVEN if blame == "unobservable" else Weight.WRONG,
        line=number,
        what=what,
        why=f"it said: {line}",
        remedy=todo,
        stage=stage,
        cause=cause,
        side=side,
        host=said.command.host,
    )


def _got_over(command: TypedCommand, note: Note, scene: Scene, failed: set[int]) -> Note:
    """The note as a remark, where the same was typed again later and did not fail."""
    if not command.words or note.weight not in (Weight.WRONG, Weight.UNPROVEN):
        return note
    later = (one for one in scene.commands if one.line > command.line and one.line not in failed)
    again = next((one for one in later if _is_again(command, one)), None)
    if again is None or (again.verb == "migrate" and not _went_well(scene, again.line)):
        return note
    return replace(note, weight=Weight.REMARK, why=f"{note.why}; typed again at line {again.line} it went well")


def _is_again(command: TypedCommand, later: TypedCommand) -> bool:
    first, second = (one.operands[:1] if one.verb else one.operands for one in (command, later))
    return (command.program, command.verb, command.host) == (later.program, later.verb, later.host) and first == second


def _went_well(scene: Scene, line: int) -> bool:
    return any(move.line == line and move.report.succeeded for move in scene.moves)
