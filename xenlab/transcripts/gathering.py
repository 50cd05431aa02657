"""From a text to what it shows: its commands with their outputs, and each output by its shape."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TypeAlias

from xenlab.errors import CannotObserve, LabFault
from xenlab.probes.ping_output import parse_ping
from xenlab.remote.facts import exports
from xenlab.transcripts.moving import claims_in, moves_in
from xenlab.transcripts.places import address_book, guest_names, host_names
from xenlab.transcripts.scene import (
    Scene,
    ShownConfig,
    ShownExports,
    ShownFolder,
    ShownListing,
    ShownPing,
)
from xenlab.transcripts.shapes import Shape, Shaped, addresses_in, files_in, mounts_in, rows_in, shaped
from xenlab.transcripts.text import PastedLine, Stretch, straight
from xenlab.transcripts.typed import TypedCommand, prompt_of
from xenlab.xen.cfg import parse_config
from xenlab.xen.grammar import ConfigSyntaxError

MOST = 200
"""Of each kind so many are looked at; a text with more is no transcript of a lab."""

_MOST_CONFIGS = 20
_SHOWS_PINGS = frozenset({"", "ping", "ping6"})
"""Behind another command's prompt replies are shown that may come from anywhere."""

_PEER = re.compile(r"(?:\[\S+ )?\d+ \S+ \S+ (?P<name>[^\s(]+?):? ?(?:\((?P<address>[^\s()]+)\))?:?\s")
_SERVED_BY_ONE = re.compile(
    r"\bone of the (?:two|2) (?:machines|hosts|servers)\b.{0,80}\b(?:shared? storage|share|nfs)", re.IGNORECASE
)

Part: TypeAlias = tuple[TypedCommand, Shaped]
"""Lines of one shape, and the command that wrote them."""


@dataclass(slots=True)
class Gathered:
    """The scene, the words with the command that said them, and the numbers of the lines that were understood."""

    scene: Scene
    words: list[Part] = field(default_factory=list)
    understood: set[int] = field(default_factory=set)


def commands_of(stretches: Iterable[Stretch]) -> Iterator[TypedCommand]:
    """Every command with its output, in order; an output without a command has no words."""
    for stretch in stretches:
        if stretch.is_prose:
            for line in stretch.lines:
                prompt = prompt_of(line.text)
                if prompt and prompt.words and (prompt.host or not line.text.startswith("#")):
                    yield TypedCommand(line.number, prompt.words, (), prompt.host, prompt.folder)
        else:
            yield from _in_code(stretch.lines)


def _in_code(lines: Sequence[PastedLine]) -> Iterator[TypedCommand]:
    now, begin = TypedCommand(lines[0].number, ()), 0
    for at, line in enumerate(lines):
        prompt = prompt_of(line.text)
        if prompt is None:
            continue
        yield from _whole(now, lines[begin:at])
        now, begin = TypedCommand(line.number, prompt.words, (), prompt.host, prompt.folder), at + 1
    yield from _whole(now, lines[begin:])


def _whole(command: TypedCommand, output: Sequence[PastedLine]) -> Iterator[TypedCommand]:
    if command.words or command.host or any(line.text.strip() for line in output):
        yield replace(command, output=tuple(output))


def gather(stretches: Sequence[Stretch]) -> Gathered:
    """Gather everything that the text shows."""
    commands = tuple(_adopting(list(commands_of(stretches))))
    parts = [(command, part) for command in commands for part in shaped(command.output)]
    listings = tuple(islice((_listing(c, p) for c, p in parts if p.shape is Shape.LISTING), MOST))
    whole = len(commands) == 1 and not commands[0].words and sum(bool(p.text.strip()) for _, p in parts) == 1
    configs = tuple(_config(p, is_all=whole) for _, p in _of(parts, Shape.CONFIG, _MOST_CONFIGS))
    guests = guest_names(commands, listings, configs)
    hosts = host_names(commands, listings, guests)
    own = [(c.host, address) for c, p in _of(parts, Shape.ADDRESSES) for address in addresses_in(p)]
    addresses = address_book(commands, hosts, own)
    said = {command.line: "\n".join(line.text for line in command.output) for command in commands if command.output}
    claims = tuple(claims_in(stretches))
    scene = Scene(
        commands=commands,
        listings=listings,
        moves=tuple(islice(moves_in(commands, said, listings, hosts, addresses, claims), MOST)),
        pings=tuple(_pings(parts)),
        configs=configs,
        folders=tuple(folder for c, p in _of(parts, Shape.FOLDER) if (folder := _folder(c, p))),
        mounts=tuple(islice((mount for _, p in parts if p.shape is Shape.MOUNTS for mount in mounts_in(p)), MOST)),
        exports=tuple(_exports(parts)),
        guests=guests,
        hosts=hosts,
        addresses=addresses,
        guest_addresses=frozenset(address for host, address in own if host in guests),
        one_of_two_serves=_one_serves(stretches),
    )
    gathered = Gathered(scene, understood={claim.line for claim in claims})
    for command in commands:
        gathered.understood |= {command.line} if command.words or command.host else set()
    for command, part in parts:
        if part.shape is Shape.WORDS:
            gathered.words.append((command, part))
        else:
            gathered.understood |= {line.number for line in part.lines}
    return gathered


def _of(parts: Iterable[Part], shape: Shape, most: int = MOST) -> Iterator[Part]:
    return islice(((command, part) for command, part in parts if part.shape is shape), most)


def _adopting(commands: list[TypedCommand]) -> Iterator[TypedCommand]:
    """The commands, where one shown without its output has that of the block of code behind it."""
    skip = False
    for at, command in enumerate(commands):
        following = commands[at + 1] if at + 1 < len(commands) else None
        bare = command.words and command.program != "ssh" and not any(line.text.strip() for line in command.output)
        if skip:
            skip = False
        elif bare and following and not following.words and following.line - command.line <= _NEAR:
            skip = True
            yield replace(command, output=following.output)
        else:
            yield command


_NEAR = 4


def _listing(command: TypedCommand, part: Shaped) -> ShownListing:
    return ShownListing(part.line, command.host, tuple(rows_in(part)))


def _config(part: Shaped, *, is_all: bool) -> ShownConfig:
    """The config; with straight quotes where it cannot be read as it came, and lines put together that were wrapped."""
    tries = dict.fromkeys(("\n".join(line.raw for line in part.lines), part.text, _unwrapped(part.text)))
    fault: LabFault | None = None
    for number, text in enumerate(tries):
        try:
            config = parse_config(f"{text}\n", "the config")
        except ConfigSyntaxError as odd:
            fault = fault or odd
        else:
            raw = next(iter(tries))
            return ShownConfig(part.line, config, is_all, number > 0 and straight(raw) != raw)
    return ShownConfig(part.line, fault or LabFault("no config"), is_all, is_straightened=False)


def _unwrapped(text: str) -> str:
    """A config whose long lines a terminal broke within quotes."""
    whole: list[str] = []
    for line in text.split("\n"):
        if whole and any(whole[-1].partition("#")[0].count(quote) % 2 for quote in "'\""):
            whole[-1] += line
        else:
            whole.append(line)
    return "\n".join(whole)


def _pings(parts: Iterable[Part]) -> Iterator[ShownPing]:
    for command, part in _of(parts, Shape.PING):
        texts = [line.text.removeprefix("^C") for line in part.lines]
        try:
            output = parse_ping("\n".join(texts))
        except CannotObserve:
            continue
        found = [peer for text in texts if (peer := _PEER.match(text))]
        peers = {peer[key] for peer in found for key in ("name", "address")} | {output.target}
        yield ShownPing(
            line=part.line,
            last_line=part.lines[-1].number,
            host=command.host if command.program in _SHOWS_PINGS else None,
            output=output,
            peers=frozenset(peer for peer in peers if peer),
            interval=_interval(command),
            doubled=sum("(DUP!)" in text for text in texts),
            on_console=command.verb == "console",
        )


def _interval(command: TypedCommand) -> float:
    """Seconds between two packets: ping's -i, or 1."""
    for word, following in zip(command.words, (*command.words[1:], ""), strict=False):
        given = following if word == "-i" else word.removeprefix("-i") if word.startswith("-i") else ""
        if re.fullmatch(r"\d{1,4}(?:\.\d{1,4})?", given):
            return float(given) or 0.001
    return 1.0


def _folder(command: TypedCommand, part: Shaped) -> ShownFolder | None:
    paths = [word for word in command.operands if word.startswith("/")] if command.program in ("ls", "ll") else []
    if command.program in ("ls", "ll") and not command.operands and command.folder:
        paths = [command.folder]
    if len(paths) != 1:
        return None
    return ShownFolder(part.line, paths[0].rstrip("/") or "/", frozenset(name for _, name in files_in(part)))


def _exports(parts: Iterable[Part]) -> Iterator[ShownExports]:
    for command, part in _of(parts, Shape.EXPORTS):
        try:
            yield ShownExports(part.line, command.host, exports(part.text))
        except CannotObserve:
            continue


def _one_serves(stretches: Iterable[Stretch]) -> int | None:
    lines = (line for stretch in stretches for line in stretch.lines)
    return next((line.number for line in lines if _SERVED_BY_ONE.search(line.text)), None)
