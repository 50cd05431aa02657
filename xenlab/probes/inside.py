"""The inside ping, which the guest itself runs, from its output.

Only sequences and steps of the guest's clock are used. Its absolute time says nothing: a guest that moves
takes the wall clock of the host it lands on.
"""

from dataclasses import replace
from itertools import pairwise
from math import inf

from xenlab.probes.continuity import Continuity, analyse
from xenlab.probes.ping_output import PingOutput, ReplyLine
from xenlab.probes.trace import Packet, PingTrace, Window

JITTER = 0.1
"""Seconds (at most half an interval) by which ping may be late before it counts as paused."""


def inside_trace(
    ping: PingOutput,
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
    replies: dict[int, list[ReplyLine]] = {}
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
    ping: PingOutput,
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


def _pauses(ping: PingOutput, interval: float) -> list[tuple[int, int, float]]:
    """Between which answered sequences ping sent later than its interval, and by how many seconds."""
    sent: dict[int, float] = {}
    for reply in ping.replies:
        if reply.stamp is not None:
            sent.setdefault(reply.sequence, reply.stamp - (reply.round_trip or 0.0))
    steps = pairwise(sorted(sent.items()))
    late = [(a, b, (sent_b - sent_a) - (b - a) * interval) for (a, sent_a), (b, sent_b) in steps]
    return [(a, b, pause) for a, b, pause in late if pause > min(JITTER, interval / 2)]
