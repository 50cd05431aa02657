"""The inside ping, which the guest itself runs, read from its output: iputils (-D, -O or neither), busybox, inetutils.

Only sequences and steps of the guest's clock are used. Its absolute time says nothing: a guest that moves
takes the wall clock of the host it lands on. The words may be in any language, as iputils translates them.
"""

import re
from dataclasses import dataclass, replace
from itertools import pairwise
from math import inf

from xenlab.errors import CannotObserve
from xenlab.probes.continuity import Continuity, analyse
from xenlab.probes.trace import Packet, PingTrace, Window

# Each pattern is linear in the line it is tried on, and no number is longer than Python reads at once.
_HEADER = re.compile(r"PING (?P<name>[^\s(]+) ?(?:\((?:[^()]*\()?(?P<address>[^()]+)\))?")
_STAMP = re.compile(r"\[(\d{1,12}\.\d{1,9})\] ")
_SEQUENCE = re.compile(r"(?:\bicmp_|\s)(?:seq|req)=(\d{1,10})(?!\d)")
_TTL = re.compile(r"\bttl=(\d{1,3})(?!\d)", re.IGNORECASE)
_TIME = re.compile(r"=(\d{1,9}(?:[.,]\d{1,9})?) ?[^\s\d=]")
_OWN_ERROR = re.compile(r"(?:\S*ping6?|connect): (?P<text>.+)")
_SUMMARY = re.compile(r"(?P<sent>\d{1,12}) packets transmitted, (?P<received>\d{1,12}) (?:packets )?received")
_SUMMARY_IN_ANY_LANGUAGE = re.compile(r"\D{0,80}(?P<sent>\d{1,12})\D{1,80}(?P<received>\d{1,12})\D[^%]{0,200}%")

JITTER = 0.1
"""Seconds (at most half an interval) by which ping may be late before it counts as paused."""

MOST_UNSHOWN = 200_000
"""Packets that may be missing from the output without a line: more is no output of ping (11 hours at 0.2 s)."""


@dataclass(frozen=True, slots=True)
class InsideReply:
    """One line of reply: the guest's wall clock on its arrival (-D only) and the round trip, in seconds."""

    sequence: int
    stamp: float | None = None
    round_trip: float | None = None
    ttl: int | None = None


@dataclass(frozen=True, slots=True)
class InsideError:
    """What ping complained of; `local` when the packet never left the guest ("sendmsg: ...").

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
class InsideSummary:
    """The counts ping printed when it was stopped."""

    transmitted: int
    received: int


@dataclass(frozen=True, slots=True)
class InsidePing:
    """One run of ping: `first` is its first sequence (1, for busybox 0), `target` the address if shown.

    Sequences are counted on past 65535, where ping starts again at 0. `summary` is None when ping was
    killed or its output cut short.
    """

    target: str
    first: int
    replies: tuple[InsideReply, ...]
    no_answer: tuple[int, ...] = ()
    errors: tuple[InsideError, ...] = ()
    summary: InsideSummary | None = None

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


def parse_ping(text: str) -> InsidePing:
    """Read ping's output; of several runs in it, the last.

    :raises CannotObserve: nothing in it came from ping, or its numbers cannot be true.
    """
    lines = [line.strip() for line in text.splitlines()]
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
        self.replies: list[InsideReply] = []
        self.no_answer: list[int] = []
        self.errors: list[InsideError] = []
        self.summary: InsideSummary | None = None
        self.in_statistics = False

    def read(self, line: str) -> None:
        stamp = _STAMP.match(line)
        if match := _SEQUENCE.search(line):
            self._read_packet(line, match, float(stamp[1]) if stamp else None)
        elif match := _OWN_ERROR.match(line):
            self._read_own_error(match["text"])
        elif match := self._summary_in(line):
            self.summary = InsideSummary(int(match["sent"]), int(match["received"]))
        elif match := _HEADER.match(line):
            self.target = match["address"] or match["name"]
            self.first = 1
        if line:
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
                self.errors.append(InsideError(sequence, rest.strip()))
            else:  # "no answer yet for icmp_seq=5" (-O)
                self.no_answer.append(sequence)
            return
        from_0 = found[0].lstrip().startswith("seq=") or int(found[1]) == 0  # busybox and inetutils count from 0
        if from_0 and self.first == 1 and not self.replies:
            self.first = 0
        sequence = self._count_on(int(found[1]))
        if "BAD CHECKSUM" in rest:  # ping does not count it as received either
            self.errors.append(InsideError(sequence, "reply with a bad checksum"))
            return
        round_trip = float(time[1].replace(",", ".")) / 1000 if time else None
        self.replies.append(InsideReply(sequence, stamp, round_trip, int(ttl[1]) if ttl else None))

    def _read_own_error(self, text: str) -> None:
        sending = text.startswith(("send", "local error"))  # sendmsg: (iputils), sendto: (busybox)
        self.errors.append(InsideError(self.highest + 1 if sending else None, text, local=True))
        self.highest += sending

    def _count_on(self, printed: int) -> int:
        """The sequence nearest to the highest so far that prints as `printed` (it is 16 bits wide)."""
        if self.first is None:  # the beginning was cut off
            self.first = self.highest = printed
        sequence = self.highest + (printed - self.highest + 0x8000) % 0x10000 - 0x8000
        sequence = sequence if sequence >= 0 else printed
        self.highest = max(self.highest, sequence)
        return sequence

    def result(self) -> InsidePing:
        if self.first is None and not self.errors:
            raise CannotObserve("no output of ping to read")
        ping = InsidePing(
            self.target,
            1 if self.first is None else self.first,
            tuple(self.replies),
            tuple(self.no_answer),
            tuple(self.errors),
            self.summary,
        )
        shown = len(ping.replies) + len(ping.no_answer) + len(ping.errors)
        if ping.highest_sent - ping.first > shown + MOST_UNSHOWN:
            raise CannotObserve(f"ping's output counts up to {ping.highest_sent} in {shown} lines: that cannot be true")
        return ping


def inside_trace(
    ping: InsidePing,
    interval: float,
    pause_limit: float = inf,
    started: float = 0.0,
    *,
    while_it_ran: bool = False,
) -> PingTrace:
    """Every sequence up to the highest sent, on the guest's send clock; `started` is that of the first.

    The clock runs by sequence * interval, and faster where the -D stamps show that ping stood still between
    two replies (a paused guest). A step of more than `pause_limit` seconds over that is a clock that was
    set, and ignored. A lone unanswered packet at the very end was under way when ping was stopped, so it is
    left out. A packet without a reply is lost, also where the guest could not send it. With `while_it_ran` the time
    that the ping stood still, with its guest, is left out.
    """
    replies: dict[int, list[InsideReply]] = {}
    for reply in ping.replies:
        replies.setdefault(reply.sequence, []).append(reply)
    # An error printed out of order (stderr) may be blamed on an answered sequence, or one never sent.
    refused = {e.sequence: e.reason for e in ping.errors if e.local}
    noted = {*ping.no_answer, *(e.sequence for e in ping.errors)}
    last = ping.highest_sent
    if last not in replies and last not in noted and last - 1 in replies:
        last -= 1
    stops = _pauses(ping, interval)
    pauses = {} if while_it_ran else {after: pause for _, after, pause in stops if pause <= pause_limit}
    under_way = {before: pause for before, _, pause in stops} if while_it_ran else {}
    packets, paused = [], 0.0
    for sequence in range(min([ping.first, *replies]), last + 1):
        paused += pauses.get(sequence, 0.0)
        sent = started + (sequence - ping.first) * interval + paused
        got = replies.get(sequence, [])
        stood = under_way.get(sequence, 0.0)
        trips = [trip - stood if trip > stood else trip for trip in (reply.round_trip or 0.0 for reply in got)]
        # A clock set while a reply was under way makes its round trip as wrong as the step.
        arrivals = tuple(sorted(sent + (trip if trip <= pause_limit else 0.0) for trip in trips))
        ttls = tuple(dict.fromkeys(reply.ttl for reply in got if reply.ttl is not None))
        packets.append(Packet(sequence, sent, arrivals, ttls, None if got else refused.get(sequence)))
    ended = packets[-1].sent if packets else started
    ended = started if ended is None else ended
    return PingTrace(tuple(packets), interval, started, ended, ping.complete, by_guest=True)


def analyse_inside(
    ping: InsidePing,
    interval: float,
    window_sequences: tuple[int, int] | None = None,
    pause_limit: float = inf,
    *,
    while_it_ran: bool = False,
) -> Continuity:
    """What the inside ping shows, with a window given by sequences as there is no common clock.

    `window_sequences` are the highest sequence seen when the window opened and when it closed: those in
    between, and the gap after the first of the two, are inside. `frozen` is the largest pause the -D stamps
    show; `on_time` is None, as a paused guest is no starved sender. For the rest see `inside_trace`.
    """
    trace = inside_trace(ping, interval, pause_limit, while_it_ran=while_it_ran)
    window = None
    if window_sequences is not None:
        at = dict(zip((p.sequence for p in trace.packets), trace.send_times(), strict=True))
        opened, closed = window_sequences
        # An edge that is not in the trace leaves no reply on that side: too little, never a pass.
        window = Window(at.get(opened, -inf) + interval / 2, at.get(closed, inf) + interval / 2)
    pauses = (pause for _, _, pause in _pauses(ping, interval) if pause <= pause_limit)
    return replace(analyse(trace, window), on_time=None, frozen=max(pauses, default=0.0))


def _pauses(ping: InsidePing, interval: float) -> list[tuple[int, int, float]]:
    """Between which answered sequences ping sent later than its interval, and by how many seconds."""
    sent: dict[int, float] = {}
    for reply in ping.replies:
        if reply.stamp is not None:
            sent.setdefault(reply.sequence, reply.stamp - (reply.round_trip or 0.0))
    steps = pairwise(sorted(sent.items()))
    late = [(a, b, (sent_b - sent_a) - (b - a) * interval) for (a, sent_a), (b, sent_b) in steps]
    return [(a, b, pause) for a, b, pause in late if pause > min(JITTER, interval / 2)]
