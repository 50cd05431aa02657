"""What ping(8) writes: that of iputils (-D, -O or neither), busybox and inetutils, in any language. Pure."""

import re
from dataclasses import dataclass

from xenlab.errors import CannotObserve
from xenlab.remote.answers import lines_of

# Each pattern is linear in the line it is tried on, and no number is longer than Python reads at once.
_HEADER = re.compile(r"PING (?P<name>[^\s(]+) ?(?:\((?:[^()]*\()?(?P<address>[^()]+)\))?")
_STAMP = re.compile(r"\[(\d{1,12}\.\d{1,9})\] ")
_SEQUENCE = re.compile(r"(?:\bicmp_|\s)(?:seq|req)=(\d{1,10})(?!\d)")
_TTL = re.compile(r"\bttl=(\d{1,3})(?!\d)", re.IGNORECASE)
_TIME = re.compile(r"=(\d{1,9}(?:[.,]\d{1,9})?) ?[^\s\d=]")
_OWN_ERROR = re.compile(r"(?:\S*ping6?|connect): (?P<text>.+)")
_SUMMARY = re.compile(r"(?P<sent>\d{1,12}) packets transmitted, (?P<received>\d{1,12}) (?:packets )?received")
_SUMMARY_IN_ANY_LANGUAGE = re.compile(r"\D{0,80}(?P<sent>\d{1,12})\D{1,80}(?P<received>\d{1,12})\D[^%]{0,200}%")

MOST_LINES = 100_000
"""Of ping's output: more than an hour of packets every 50 ms."""

MOST_UNSHOWN = 200_000
"""Packets that may be missing from the output without a line: more is no output of ping (11 hours at 0.2 s)."""


@dataclass(frozen=True, slots=True)
class ReplyLine:
    """One line of reply: its machine's wall clock on its arrival (-D only) and the round trip, in seconds."""

    sequence: int
    stamp: float | None = None
    round_trip: float | None = None
    ttl: int | None = None


@dataclass(frozen=True, slots=True)
class ErrorLine:
    """What ping complained of; `local` when the packet never left the machine ("sendmsg: ...").

    The sequence of a local error is inferred from the lines before it: ping does not print it.
    """

    sequence: int | None
    text: str
    local: bool = False

    @property
    def reason(self) -> str:
        """The text without the name of the call that failed: "Network is unreachable"."""
        call, _, reason = self.text.partition(": ")
        return reason if reason and call.startswith("send") else self.text


@dataclass(frozen=True, slots=True)
class SummaryLine:
    """The counts ping printed when it was stopped."""

    transmitted: int
    received: int


@dataclass(frozen=True, slots=True)
class PingOutput:
    """One run of ping: `first` is its first sequence (1, for busybox 0), `target` the address if shown.

    Sequences are counted on past 65535, where ping starts again at 0. `noted` is when ping said of a sequence that it
    had no answer (yet), by the machine's wall clock: right before it sends the next one (-O with -D), again and again
    where that cannot be sent. `summary` is None when ping was killed or its output cut short.
    """

    target: str
    first: int
    replies: tuple[ReplyLine, ...]
    no_answer: tuple[int, ...] = ()
    noted: tuple[tuple[int, float], ...] = ()
    errors: tuple[ErrorLine, ...] = ()
    summary: SummaryLine | None = None

    @property
    def highest_sent(self) -> int:
        """The last sequence known to be sent, `first` - 1 if none was."""
        transmitted = self.summary.transmitted if self.summary else 0
        # With a count at hand, the inferred sequences of local errors are not needed.
        errors = [e.sequence for e in self.errors if e.sequence and not (e.local and self.summary)]
        replies = [r.sequence for r in self.replies]
        return max([self.first - 1 + transmitted, *replies, *self.no_answer, *errors])

    @property
    def complete(self) -> bool:
        """Whether every line is there: a summary whose count of replies is the one we read."""
        return self.summary is not None and self.summary.received == len({r.sequence for r in self.replies})


def parse_ping(text: str) -> PingOutput:
    """Read ping's output; of several runs in it, the last.

    :raises CannotObserve: nothing in it came from ping, or its numbers cannot be true.
    """
    lines = [line.strip() for line in lines_of(text, "ping", MOST_LINES)]
    headers = [number for number, line in enumerate(lines) if _HEADER.match(line)]
    reader = _Reader()
    for line in lines[headers[-1] if headers else 0 :]:
        reader.read(line)
    return reader.result()


class _Reader:
    def __init__(self) -> None:
        self.target = ""
        self.first: int | None = None
        self.highest = 0
        self.replies: list[ReplyLine] = []
        self.no_answer: list[int] = []
        self.noted: list[tuple[int, float]] = []
        self.errors: list[ErrorLine] = []
        self.summary: SummaryLine | None = None
        self.in_statistics = False

    def read(self, line: str) -> None:
        stamp = _STAMP.match(line)
        if match := _SEQUENCE.search(line):
            self._read_packet(line, match, float(stamp[1]) if stamp else None)
        elif match := _OWN_ERROR.match(line):
            self._read_own_error(match["text"])
        elif match := self._summary_in(line):
            self.summary = SummaryLine(int(match["sent"]), int(match["received"]))
        elif match := _HEADER.match(line):
            self.target = match["address"] or match["name"]
            self.first = 1
        self.in_statistics = line.startswith("--- ")

    def _summary_in(self, line: str) -> re.Match[str] | None:
        any_language = _SUMMARY_IN_ANY_LANGUAGE.match(line) if self.in_statistics else None
        return _SUMMARY.match(line) or any_language

    def _read_packet(self, line: str, found: re.Match[str], stamp: float | None) -> None:
        rest = line[found.end() :]
        ttl = _TTL.search(rest)
        time = _TIME.search(rest, ttl.end() if ttl else 0)
        if ttl is None and time is None:
            sequence = self._count_on(int(found[1]))
            if rest.strip():  # what a router said: "From 10.1.1.1 icmp_seq=5 Destination Host Unreachable"
                self.errors.append(ErrorLine(sequence, rest.strip()))
            else:  # "no answer yet for icmp_seq=5" (-O)
                self.no_answer.append(sequence)
                self.noted += [] if stamp is None else [(sequence, stamp)]
            return
        from_0 = found[0].lstrip().startswith("seq=") or int(found[1]) == 0  # busybox and inetutils count from 0
        if from_0 and self.first == 1 and not self.replies:
            self.first = 0
        sequence = self._count_on(int(found[1]))
        if "BAD CHECKSUM" in rest:  # ping does not count it as received either
            self.errors.append(ErrorLine(sequence, "reply with a bad checksum"))
            return
        round_trip = float(time[1].replace(",", ".")) / 1000 if time else None
        self.replies.append(ReplyLine(sequence, stamp, round_trip, int(ttl[1]) if ttl else None))

    def _read_own_error(self, text: str) -> None:
        sending = text.startswith(("send", "local error"))  # sendmsg: (iputils), sendto: (busybox)
        self.errors.append(ErrorLine(self.highest + 1 if sending else None, text, local=True))
        self.highest += sending

    def _count_on(self, printed: int) -> int:
        """The sequence nearest to the highest so far that prints as `printed` (it is 16 bits wide)."""
        if self.first is None:  # the beginning was cut off
            self.first = self.highest = printed
        sequence = self.highest + (printed - self.highest + 0x8000) % 0x10000 - 0x8000
        sequence = sequence if sequence >= 0 else printed
        self.highest = max(self.highest, sequence)
        return sequence

    def result(self) -> PingOutput:
        if self.first is None and not self.errors:
            raise CannotObserve("no output of ping to read")
        ping = PingOutput(
            self.target,
            1 if self.first is None else self.first,
            tuple(self.replies),
            tuple(self.no_answer),
            tuple(self.noted),
            tuple(self.errors),
            self.summary,
        )
        shown = len(ping.replies) + len(ping.no_answer) + len(ping.errors)
        if ping.highest_sent - ping.first > shown + MOST_UNSHOWN:
            raise CannotObserve(f"ping's output counts up to {ping.highest_sent} in {shown} lines: that cannot be true")
        return ping
