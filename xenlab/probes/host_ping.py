"""The outside ping that a host sends, from the output of its `ping -D -O`. Pure.

A host stands still no more than this machine does, so its wall clock measures the time in between. It is laid on this
machine's monotonic clock by readings that this machine has bracketed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from xenlab.errors import CannotObserve
from xenlab.probes.ping_output import PingOutput, ReplyLine
from xenlab.probes.trace import Packet, PingTrace

_SLEW = 500e-6  # how fast the kernel may slew a clock, as a part of the time that passes (adjtimex(2))


@dataclass(frozen=True, slots=True)
class ClockReading:
    """A machine's wall clock, read between `earliest` and `latest` on this machine's monotonic clock; in seconds."""

    clock: float
    earliest: float
    latest: float


@dataclass(frozen=True, slots=True)
class ClockOffset:
    """What to add to a machine's wall clock for this machine's monotonic one, and by how much that may be wrong."""

    seconds: float
    error: float


def clock_offset(readings: Sequence[ClockReading]) -> ClockOffset:
    """The offset that fits all readings.

    :raises CannotObserve: none does, as the clock was set meanwhile; or there are no readings.
    """
    if not readings:
        raise CannotObserve("its clock was not read")
    least = max(reading.earliest - reading.clock for reading in readings)
    most = min(reading.latest - reading.clock for reading in readings)
    drift = _SLEW * (max(reading.latest for reading in readings) - min(reading.earliest for reading in readings))
    if least - most > drift:
        raise CannotObserve(f"its clock was set, by {least - most:.2f} s or more, while it pinged")
    return ClockOffset((least + most) / 2, abs(most - least) / 2 + drift)


def host_trace(ping: PingOutput, interval: float, offset: ClockOffset, started: float, ended: float) -> PingTrace:
    """Every packet that a host has sent, on this machine's clock; it began and ended at `started` and `ended` there.

    A reply tells when its packet was sent, and so does the note about the one before it, in which no later packet can
    have been sent earlier. In between they are spaced evenly. A lone unanswered packet at the very end was under way
    when ping was stopped, and is left out.
    """
    replies: dict[int, list[ReplyLine]] = {}
    for reply in ping.replies:
        replies.setdefault(reply.sequence, []).append(reply)
    last = ping.highest_sent
    if last not in replies and last not in ping.no_answer and last - 1 in replies:
        last -= 1
    sequences = range(min([ping.first, *replies]), last + 1)
    refused = {error.sequence: error.reason for error in ping.errors if error.local}
    packets = []
    times = _sent(sequences, _known(ping, replies, offset), interval, started)
    for sequence, sent in zip(sequences, times, strict=True):
        got = replies.get(sequence, [])
        arrivals = tuple(sorted(sent + (reply.round_trip or 0.0) for reply in got))
        ttls = tuple(dict.fromkeys(reply.ttl for reply in got if reply.ttl is not None))
        packets.append(Packet(sequence, sent, arrivals, ttls, None if got else refused.get(sequence)))
    first = min([started, *(packet.sent for packet in packets[:1] if packet.sent is not None)])
    return PingTrace(tuple(packets), interval, first, ended, ping.complete, clock_error=offset.error)


def _known(ping: PingOutput, replies: Mapping[int, Sequence[ReplyLine]], offset: ClockOffset) -> dict[int, float]:
    """When packets were sent, or at the latest, as far as ping says so."""
    known = {sequence + 1: stamp + offset.seconds for sequence, stamp in ping.noted}
    for sequence, lines in replies.items():
        if lines[0].stamp is not None:
            known[sequence] = lines[0].stamp - (lines[0].round_trip or 0.0) + offset.seconds
    return known


def _sent(sequences: range, known: Mapping[int, float], interval: float, started: float) -> list[float]:
    """When each was sent; what is printed late would have them overtake each other."""
    marks = [(sequence, known[sequence]) for sequence in sequences if sequence in known]
    marks = marks or [(sequences.start, started)]
    times: dict[int, float] = dict(marks)
    for (one, at), (other, until) in pairwise(marks):
        times |= {n: at + (until - at) * (n - one) / (other - one) for n in range(one + 1, other)}
    (first, begun), (last, over) = marks[0], marks[-1]
    times |= {n: begun - (first - n) * interval for n in sequences if n < first}
    times |= {n: over + (n - last) * interval for n in sequences if n > last}
    earliest, sent = float("inf"), []
    for sequence in reversed(sequences):
        earliest = min(earliest, times[sequence])
        sent.append(earliest)
    return sent[::-1]
