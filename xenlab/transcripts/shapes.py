"""What an output is, by the shape of its lines: a listing, a ping, a move, a config, a folder, mounts, exports.

A line belongs to the first shape that fits; each pattern is linear in a line of bounded length.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from xenlab.errors import CannotObserve
from xenlab.transcripts.text import PastedLine
from xenlab.xen.parsers import DomainRow, parse_list
from xenlab.xen.settings import KINDS

Run: TypeAlias = tuple[int, bool]
"""Where a run of lines ends that fit a shape, and whether it is one of that shape."""


class Shape(StrEnum):
    """What a run of lines is."""

    LISTING = "xl list"
    PING = "ping"
    CONFIG = "config"
    FOLDER = "ls -l"
    MOUNTS = "mounts"
    EXPORTS = "exports"
    ADDRESSES = "ip address"
    INFO = "xl info"
    WORDS = "words"


@dataclass(frozen=True, slots=True)
class Shaped:
    """Lines of one shape that stand together."""

    shape: Shape
    lines: tuple[PastedLine, ...]

    @property
    def line(self) -> int:
        """Where it begins."""
        return self.lines[0].number

    @property
    def text(self) -> str:
        """Its lines as one text."""
        return "\n".join(line.text for line in self.lines)


_HEADER = re.compile(r"\s*Name\s+ID\s+Mem(?:\(MiB\))?\s+VCPUs\s+State\s+Time\(s\)")
_STATE = re.compile(r"(?<=\s)[rbpscwSd?-]{2,16}(?=\s+\d+\.\d+)")
_REASONS = "rscwS"
_REPLY = re.compile(
    r"(?:\[\d{1,12}\.\d{1,9}\] )?(?:\d+ \S+ \S+ .{1,200}\b(?:icmp_)?(?:seq|req)=\d|\S{2,20} \S+(?: \S+)? icmp_seq=\d"
    r"|no answer yet for)"
)
_PING_WORDS = re.compile(r"--- .{1,200} ---$|\d+ packets transmitted|rtt min/avg|round-trip min|ping6?: |\^C|\s*$")
_SENT = re.compile(r"\D{0,80}\d{1,12}\D{1,80}\d{1,12}\D[^%]{0,200}%|rtt |round-trip ")
_WHEN = r"\d{4}-\d\d-\d\d\s+\d\d:\d\d(?::\S+)?(?:\s+[+-]\d{4})?|\S+\s+\S+\s+\S+"
_FILE = re.compile(
    r"(?P<mode>[-dlbcps][rwxsStT-]{9})[.+@]?\s+\d+\s+\S+\s+\S+\s+(?P<size>\d+|\d+,\s*\d+|[\d.,]+[KMGT])\s+"
    rf"(?P<when>{_WHEN})\s(?P<name>\S.*)"
)
_FOLDER_WORDS = re.compile(r"[^\W\d]{2,12}\s+[\d.,]+[KMGT]?|/\S*:")
_MOUNT = re.compile(r"(?P<source>\S+) \S+ (?P<target>/\S*) \S+ (?P<type>[\w.]+) \((?P<options>[^()]*)\)")
_FSTAB = re.compile(r"(?P<source>\S+:/\S*)\s+(?P<target>/\S*)\s+(?P<type>nfs4?)\s+(?P<options>\S+)(?:\s+\d\s+\d)?")
_FINDMNT = re.compile(r"(?:[├└│`|─-]+\s?)?(?P<target>/\S*)\s+(?P<source>\S+:/\S*)\s+(?P<type>nfs4?)\s+(?P<options>\S+)")
_FINDMNT_HEADER = re.compile(r"TARGET\s+SOURCE\s+FSTYPE\s+OPTIONS")
_EXPORT = re.compile(r"/\S*(?:\s+[^\s()]+\([^()]*\))*\s*|\s+[^\s()]+\([^()]*\)\s*")
_EXPORT_SURE = re.compile(r"\s[^\s()]+\((?:[^()]*,)?(?:rw|ro|sync|async|no_root_squash|root_squash)(?:,[^()]*)?\)\s*$")
_ADDRESS = re.compile(r"\s+inet6? (?:addr:)?\s?(?P<address>[0-9a-fA-F.:]+)")
_LINK = re.compile(
    r"\d+: [\w.@-]+: <|\s+link/|\s+valid_lft|\s+(?:inet6?|ether|RX|TX|UP|loop|device|collisions)\b|[\w.-]+: flags="
    r"|[\w.-]+\s+Link encap"
)
_INFO = re.compile(r"(?P<key>[a-z]\w{1,40})\s*:(?: (?P<value>.*))?")
_SETTING = re.compile(r"\s*(?P<key>[a-z][a-z0-9_]*)\s*\+?=\s*\S")
_MOST_COMMENTS = 60
"""Lines of comment in front of a config that are taken for its own."""

_OF_A_GUEST = frozenset(
    {"name", "kernel", "disk", "memory", "bootloader", "vif", "builder", "type", "ramdisk", "vcpus"}
)


def shaped(lines: Sequence[PastedLine]) -> Iterator[Shaped]:
    """The lines in runs of one shape, in order."""
    at, words = 0, 0
    # Where a run turned out to be none, no later line of it begins one either: so each is read once for each shape.
    none_before = dict.fromkeys(_SHAPES, 0)
    while at < len(lines):
        shape, end = _run(lines, at, none_before)
        if end > at:
            if words < at:
                yield Shaped(Shape.WORDS, tuple(lines[words:at]))
            yield Shaped(shape, tuple(lines[at:end]))
            words = end
        at = max(end, at + 1)
    if words < len(lines):
        yield Shaped(Shape.WORDS, tuple(lines[words:]))


def _run(lines: Sequence[PastedLine], at: int, none_before: dict[Shape, int]) -> tuple[Shape, int]:
    """The shape that begins at a line, and where it ends; the same place where none does."""
    for shape, run_of in _SHAPES.items():
        if at >= none_before[shape] and lines[at].text.strip():
            end, is_one = run_of(lines, at)
            if is_one:
                return shape, end
            none_before[shape] = end
    return Shape.WORDS, at


def _while(fits: Callable[[str], bool], lines: Sequence[PastedLine], at: int) -> int:
    while at < len(lines) and fits(lines[at].text):
        at += 1
    return at


def _listing(lines: Sequence[PastedLine], at: int) -> Run:
    begin = next((at + n for n in (1, 2) if _HEADER.match(_joined(lines, at, n))), at)
    end = begin
    while begin > at and (size := _size_of_row(lines, end)):
        end += size
    return max(end, at), end > begin


def _size_of_row(lines: Sequence[PastedLine], at: int) -> int:
    """Over how many lines a row of `xl list` goes, which a narrow terminal or a mail breaks; 0 where none begins."""
    return next((n for n in (1, 2) if at + n <= len(lines) and row_of(_joined(lines, at, n)) is not None), 0)


def _joined(lines: Sequence[PastedLine], at: int, size: int) -> str:
    return " ".join(line.text for line in lines[at : at + size])


def _ping(lines: Sequence[PastedLine], at: int) -> Run:
    def goes_on(text: str) -> bool:
        return bool(_REPLY.match(text) or _PING_WORDS.match(text))

    if not _REPLY.match(lines[at].text) and not lines[at].text.startswith(("PING ", "--- ")):
        return at, False
    end, statistics = at, False
    while end < len(lines) and (goes_on(lines[end].text) or (statistics and _SENT.match(lines[end].text)) or end == at):
        statistics = statistics or lines[end].text.startswith("--- ")
        end += 1
    while end > at and not lines[end - 1].text.strip():
        end -= 1
    is_ping = any(_REPLY.match(line.text) or line.text.startswith("PING ") for line in lines[at:end])
    # "--- a/guest1.cfg" is the beginning of a diff.
    return end, is_ping or any("packets transmitted" in line.text for line in lines[at:end])


def _config(lines: Sequence[PastedLine], at: int) -> Run:
    """A config goes on over comments, blank lines and lists, as long as settings follow; it ends with the last."""
    first = at
    while first < min(len(lines) - 1, at + _MOST_COMMENTS) and _is_comment(lines[first].text):
        first += 1
    begun = _SETTING.match(lines[first].text)
    if not begun or (begun["key"] not in KINDS and begun["key"] not in _OF_A_GUEST):
        return first, False
    end, last, depth, keys = at, at, 0, set[str]()
    while end < len(lines):
        text = lines[end].text
        found = _SETTING.match(text) if depth == 0 else None
        if depth == 0 and not found and not _is_comment(text):
            break
        if found or depth:
            keys |= {found["key"]} if found else set()
            depth = max(0, depth + _opened(text))
            last = end + 1
        end += 1
    return last, len(keys & _OF_A_GUEST) > 1 or keys == {"disk"}


def _is_comment(text: str) -> bool:
    return not text.strip() or text.lstrip().startswith("#")


def _opened(text: str) -> int:
    """How many more brackets a line opens than it closes, outside of quotes and comments."""
    bare = re.sub(r"'[^'\n]*'|\"[^\"\n]*\"|#.*", "", text)
    return bare.count("[") - bare.count("]")


def _folder(lines: Sequence[PastedLine], at: int) -> Run:
    end = _while(lambda text: bool(_FILE.match(text) or _FOLDER_WORDS.fullmatch(text.strip())), lines, at)
    return end, any(_FILE.match(line.text) for line in lines[at:end])


def _mounts(lines: Sequence[PastedLine], at: int) -> Run:
    def fits(text: str) -> bool:
        return any(pattern.fullmatch(text.strip()) for pattern in (_MOUNT, _FSTAB, _FINDMNT, _FINDMNT_HEADER))

    end = _while(fits, lines, at)
    return end, end > at


def _exports(lines: Sequence[PastedLine], at: int) -> Run:
    end = _while(lambda text: bool(_EXPORT.fullmatch(text.rstrip())), lines, at)
    return end, any(_EXPORT_SURE.search(line.text) for line in lines[at:end])


def _addresses(lines: Sequence[PastedLine], at: int) -> Run:
    end = _while(lambda text: bool(_LINK.match(text)), lines, at)
    return end, any(_ADDRESS.match(line.text) for line in lines[at:end])


def _info(lines: Sequence[PastedLine], at: int) -> Run:
    if not re.match(r"(?:host|release|xen_version|xen_major|virt_caps)\s*:", lines[at].text):
        return at, False
    end = _while(lambda text: bool(_INFO.fullmatch(text)), lines, at)
    return end, end > at + 1


_SHAPES: dict[Shape, Callable[[Sequence[PastedLine], int], Run]] = {
    Shape.LISTING: _listing,
    Shape.PING: _ping,
    Shape.FOLDER: _folder,
    Shape.MOUNTS: _mounts,
    Shape.ADDRESSES: _addresses,
    Shape.INFO: _info,
    Shape.CONFIG: _config,
    Shape.EXPORTS: _exports,
}


# Single lines, read


def row_of(text: str) -> DomainRow | None:
    """A row of `xl list`, or None; what a text editor made of its dashes is undone."""
    try:
        (row,) = parse_list(f"Name ID\n{_STATE.sub(_six_columns, text.strip())}")
    except (CannotObserve, ValueError):
        return None
    return row


def rows_in(part: Shaped) -> Iterator[DomainRow]:
    """The rows of a part that is a listing."""
    at = 0
    while at < len(part.lines):
        size = _size_of_row(part.lines, at)
        row = row_of(_joined(part.lines, at, size)) if size else None
        yield from [row] if row else []
        at += max(size, 1)


def _six_columns(found: re.Match[str]) -> str:
    """xl's six columns by their letters alone: text editors make one dash of two."""
    letters = found[0].replace("-", "")
    state = dict.fromkeys(("r", "b", "p", "s", "reason", "d"), "-")
    for at, letter in enumerate(letters):
        down = at > 0 and letters[at - 1] == "s" and state["s"] == "s" and letter in _REASONS
        state["reason" if down else letter if letter in state else "reason"] = letter
    return "".join(state.values())


@dataclass(frozen=True, slots=True)
class MountedShare:
    """A mount as `mount`, findmnt, /etc/fstab or /proc/mounts shows it."""

    line: int
    source: str
    target: str
    type: str
    options: tuple[str, ...]

    @property
    def server(self) -> str:
        """The NFS server, as the mount spells it; empty for what has none."""
        return server_in(self.source)


def server_in(source: str) -> str:
    """The server in "10.1.1.143:/private" or "[fe80::1]:/private"; empty where there is none."""
    found = re.fullmatch(r"\[?(?P<server>[\w.%:-]+?)\]?:/.*", source)
    return found["server"] if found else ""


def mounts_in(part: Shaped) -> Iterator[MountedShare]:
    """The mounts of a part of that shape."""
    for line in part.lines:
        for pattern in (_MOUNT, _FSTAB, _FINDMNT):
            if found := pattern.fullmatch(line.text.strip()):
                options = tuple(found["options"].split(","))
                yield MountedShare(line.number, found["source"], found["target"], found["type"], options)
                break


def files_in(part: Shaped) -> Iterator[tuple[str, str]]:
    """The mode and name of each file of a part of that shape; "." and ".." are left out."""
    for line in part.lines:
        if (found := _FILE.match(line.text)) and found["name"] not in (".", ".."):
            yield found["mode"], found["name"].partition(" -> ")[0].rstrip("/*@")


def addresses_in(part: Shaped) -> Iterator[str]:
    """The addresses of a part of that shape, but those of the loopback interface and of links."""
    for line in part.lines:
        found = _ADDRESS.match(line.text)
        if found and not found["address"].startswith(("127.", "::1", "fe80")):
            yield found["address"]
