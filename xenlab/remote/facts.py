"""What the output of `commands` means. Pure: text in, facts out.

Every function raises CannotObserve when it does not understand the text: an unread answer is no answer.
"""

import re
from dataclasses import dataclass
from typing import Any, NoReturn

from xenlab.errors import CannotObserve
from xenlab.jsontext import parsed
from xenlab.remote.answers import lines_of

# "10.1.1.0/24(rw,sync)" at the end of a line, after blanks.
_CLIENT = re.compile(r"(?<=\s)(\S+)\(([^()]*)\)\Z")
# "os ID_LIKE="centos rhel fedora"", with quotes or without (os-release(5)).
_SETTING = re.compile(r"""(?P<key>\S+ [A-Z_]+)=["']?(?P<value>[^"']*)["']?""")
_FAMILIES = {
    "debian": ("debian", "ubuntu"),
    "suse": ("suse", "sles", "opensuse"),
    "redhat": ("rhel", "fedora", "centos"),
}
_NUMBER = re.compile(r"[0-9]{1,18}")
_CLOCK = re.compile(r"[0-9]{1,12}\.[0-9]{1,9}")
_UPTIME = re.compile(r"[0-9]{1,12}\.[0-9]{1,9}")


@dataclass(frozen=True, slots=True)
class Export:
    """One exported path for one kind of client, as exportfs -v shows it."""

    path: str
    client: str
    options: tuple[str, ...]

    @property
    def is_root(self) -> bool:
        """Whether NFSv4 clients see it as "/" (exports(5), fsid=0): a mount of SERVER:/ is this export."""
        return not {"fsid=0", "fsid=root"}.isdisjoint(self.options)

    @property
    def lets_root_write(self) -> bool:
        """Whether root of a client stays root and may write (exports(5): rw, no_root_squash)."""
        return {"rw", "no_root_squash"} <= set(self.options) and "all_squash" not in self.options


@dataclass(frozen=True, slots=True)
class System:
    """What a machine runs: its `name` ("XCP-ng 8.3.0"), and whose packages it has (see `causes.packages`).

    With `xapi` its domains are XCP-ng's or XenServer's to manage, by xe.
    """

    name: str = ""
    family: str = ""
    xapi: bool = False


@dataclass(frozen=True, slots=True)
class Swap:
    """A swap area in use."""

    device: str
    size_kib: int


@dataclass(frozen=True, slots=True)
class LoopDevice:
    """A loop device and the file behind it."""

    device: str
    file: str


@dataclass(frozen=True, slots=True)
class Cpu:
    """The first processor; `flags` are those that Linux may use."""

    model: str
    flags: frozenset[str]
    count: int


@dataclass(frozen=True, slots=True)
class Background:
    """A program that runs on in the background: its process id, and the file that it writes to."""

    pid: int
    file: str


@dataclass(frozen=True, slots=True)
class PingProgress:
    """How far a guest's ping is: its uptime in seconds, bytes written, lines of reply, and the last words."""

    uptime: float
    bytes_written: int
    replies: int
    last_words: str


@dataclass(frozen=True, slots=True)
class TimedPingProgress:
    """How far a host's ping is: its wall clock, lines of reply, the clock at the last one (if any), the last words."""

    clock: float
    replies: int
    last_reply: float | None
    last_words: str


@dataclass(frozen=True, slots=True)
class Written:
    """What the background writer left: its numbers, the guest's uptime in seconds when it wrote each, and any other
    words (an error of the disk)."""

    numbers: tuple[int, ...]
    uptimes: tuple[float, ...]
    complaints: tuple[str, ...]

    @property
    def is_unbroken(self) -> bool:
        """Whether it wrote 1, 2, 3... without a gap or a complaint."""
        count = len(self.numbers)
        return count > 0 and self.numbers == tuple(range(1, count + 1)) and not self.complaints


def exports(text: str) -> tuple[Export, ...]:
    """Read `commands.exports`; a long path stands on a line of its own before its clients."""
    found: list[Export] = []
    path = ""
    for line in lines_of(text, "exportfs"):
        words = line.rstrip()
        client = _CLIENT.search(words)
        named = words[: client.start()].rstrip() if client else words
        path = named or path
        if not path.startswith("/") or named[:1] not in ("", "/"):
            _not_understood("exportfs", line)
        if client:
            found.append(Export(path, client[1], tuple(client[2].split(","))))
    return tuple(found)


def system(text: str) -> System:
    """Read `questions.system`; a machine that tells nothing of itself is one of no name."""
    found = {match["key"]: match["value"] for match in map(_SETTING.fullmatch, lines_of(text, "os-release")) if match}
    kinds = {found.get("os ID", ""), *found.get("os ID_LIKE", "").split()}
    family = next((name for name, words in _FAMILIES.items() if any(one.startswith(words) for one in kinds)), "")
    brand, version = (found.get(f"inventory PRODUCT_{key}", "") for key in ("BRAND", "VERSION"))
    name = f"{brand} {version}".strip() or found.get("os PRETTY_NAME", "")
    return System(name, family, "runs xapi" in text.splitlines())


def swaps(text: str) -> tuple[Swap, ...]:
    """Read `commands.swaps`."""
    head, *rows = lines_of(text, "/proc/swaps") or [""]
    if not head.startswith("Filename"):
        _not_understood("/proc/swaps", text)
    found = []
    for row in rows:
        match row.split():
            case [device, _, size, *_] if _NUMBER.fullmatch(size):
                found.append(Swap(_unescaped(device), int(size)))
            case _:
                _not_understood("/proc/swaps", row)
    return tuple(found)


def loop_devices(text: str) -> tuple[LoopDevice, ...]:
    """Read `commands.loop_devices`; without any, losetup may print nothing at all."""
    rows = _json_rows("losetup", text, "loopdevices") if text.strip() else []
    return tuple(LoopDevice(str(row.get("name")), str(row.get("back-file") or "")) for row in rows)


def cpu(text: str) -> Cpu:
    """Read `commands.cpu`."""
    model = re.search(r"^model name\s*:\s*(.*)$", text, re.MULTILINE)
    flags = re.search(r"^flags\s*:\s*(.*)$", text, re.MULTILINE)
    if model is None or flags is None:
        _not_understood("/proc/cpuinfo", text)
    count = len(re.findall(r"^processor\s*:", text, re.MULTILINE))
    return Cpu(model[1].strip(), frozenset(flags[1].split()), count)


def uptime(text: str) -> float:
    """Read `commands.uptime`: seconds since the boot."""
    first = text.partition(" ")[0]
    if not _UPTIME.fullmatch(first):
        _not_understood("/proc/uptime", text)
    return float(first)


def boot_id(text: str) -> str:
    """Read `commands.boot_id`."""
    if not re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", text.strip()):
        _not_understood("boot_id", text)
    return text.strip()


def background(text: str) -> Background:
    """Read what `commands.start_ping` and its siblings print."""
    pid, _, file = text.removesuffix("\n").partition(" ")
    if not _NUMBER.fullmatch(pid) or not file.startswith("/"):
        _not_understood("the program's start", text)
    return Background(int(pid), file)


def command_lines(text: str) -> dict[int, str]:
    """Read what `pgrep -af` prints (pgrep(1)), such as of `xen.peers.under_way`: command lines by process id."""
    found = {}
    for line in lines_of(text, "pgrep"):
        pid, _, args = line.strip().partition(" ")
        if not _NUMBER.fullmatch(pid):
            _not_understood("pgrep", line)
        found[int(pid)] = args.strip()
    return found


def ping_progress(text: str) -> PingProgress:
    """Read `commands.ping_progress`."""
    first, _, rest = text.partition("\n")
    words = first.split()
    if len(words) != 3 or not (_UPTIME.fullmatch(words[0]) and all(map(_NUMBER.fullmatch, words[1:]))):
        _not_understood("the ping's progress", text)
    return PingProgress(float(words[0]), int(words[1]), int(words[2]), rest.strip()[-200:])


def wall_clock(text: str) -> float:
    """Read `commands.wall_clock`."""
    if not _CLOCK.fullmatch(text.strip()):
        _not_understood("date", text)
    return float(text.strip())


def timed_ping_progress(text: str) -> TimedPingProgress:
    """Read `commands.timed_ping_progress`."""
    clock, _, rest = text.partition("\n")
    counts, _, words = rest.partition("\n")
    match counts.split():
        case [replies] if _NUMBER.fullmatch(replies):
            last = None
        case [replies, stamp] if _NUMBER.fullmatch(replies) and stamp.startswith("["):
            last = wall_clock(stamp.strip("[]"))
        case _:
            _not_understood("the ping's progress", text)
    return TimedPingProgress(wall_clock(clock), int(replies), last, words.strip()[-200:])


def written(text: str) -> Written:
    """Read what the background writer wrote; a last line that was cut short is left out."""
    numbers, uptimes, complaints = [], [], []
    for line in text.split("\n")[:-1]:
        match line.split(" "):
            case [number, uptime] if _NUMBER.fullmatch(number) and _UPTIME.fullmatch(uptime):
                numbers.append(int(number))
                uptimes.append(float(uptime))
            case _:
                complaints.append(line)
    return Written(tuple(numbers), tuple(uptimes), tuple(complaints))


def _json_rows(program: str, text: str, key: str) -> list[dict[str, Any]]:
    try:
        rows = parsed(text)[key]
    except (ValueError, KeyError, TypeError):
        _not_understood(program, text)
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        _not_understood(program, text)
    return rows


def _unescaped(path: str) -> str:
    """Undo the kernel's octal escapes in a path (\\040 is a space)."""
    return re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), path)


def _not_understood(source: str, text: str) -> NoReturn:
    first = next(iter(text[:1000].strip().splitlines()), "nothing")
    raise CannotObserve(f"the answer of {source} is not understood: {first[:100]!r}")
