"""The pings of one migration as a picture (SVG) and as a table (CSV). Pure: text out, nothing written."""

import csv
from collections.abc import Iterable, Iterator, Mapping
from io import StringIO
from math import ceil, floor
from zlib import crc32

from xenlab.probes.anatomy import Anatomy
from xenlab.probes.continuity import Continuity, analyse
from xenlab.probes.trace import PingTrace, Window
from xenlab.report.anatomy import STYLE, anatomy_in_words, lane_height, stages_lane
from xenlab.report.svg import Scale, decimals, label, rect, round_step, text

_WIDTH, _LEFT, _RIGHT = 960, 160, 24
_TOP, _LANE, _BAR, _FOOT = 56, 64, 18, 66
_PIXEL = 0.5  # bars closer than this become one
_STROKE = 3  # and strokes: a long loss reads as hatching, not as a bar of another colour

# Told apart by shape and place as well as by colour, so that a grey print-out still reads.
_STYLE = (
    """
.xtl text{font:13px system-ui,sans-serif;fill:#1a1a1a}.xtl .name{font-weight:600}
.xtl .paper{fill:#fff}.xtl .window{fill:#e3e6ee}.xtl .axis,.xtl .rail{stroke:#8a8f99;stroke-width:1}
.xtl .ok{fill:#1b6ca8}.xtl .lost{stroke:#b3261e;stroke-width:1.5}.xtl .dup{stroke:#7a4fb5;stroke-width:1.5}
.xtl .err{stroke:#a15c00;stroke-width:1.5;stroke-dasharray:2 2}
.xtl .gap{stroke:#1a1a1a;stroke-width:1.5;fill:none}
@media screen and (prefers-color-scheme:dark){.xtl text{fill:#e8e8e8}.xtl .paper{fill:#16181d}
.xtl .window{fill:#2c3240}.xtl .ok{fill:#6db7f2}.xtl .lost{stroke:#ff8a80}.xtl .dup{stroke:#c9a7ff}
.xtl .err{stroke:#ffb95c}.xtl .gap{stroke:#e8e8e8}}
""".strip()
    + STYLE
)


def timeline_svg(
    outside: Mapping[str, PingTrace],
    inside: PingTrace | None,
    window: Window,
    title: str,
    anatomy: Anatomy | None = None,
) -> str:
    """An SVG picture: seconds from the start of `window` (shaded), a lane for each ping that is given.

    `outside` are those from outside, by the machines that sent them. Answered packets are a bar, interrupted where the
    ping did not send; losses cross it, duplicates stand above it, send errors hang below it, and the longest gap is
    marked with its length. The inside ping, the guest's own, runs on the guest's clock; if that lies nowhere near the
    window, its lane starts where the picture does. What xl did meanwhile stands below them.
    """
    low = min([window.start, *(trace.started for trace in outside.values())])
    high = max([window.end, *(trace.ended for trace in outside.values())])
    shift = 0.0
    if inside is not None:
        if inside.ended < low or inside.started > high:
            shift = low - inside.started
        low, high = min(low, inside.started + shift), max(high, inside.ended + shift)
    scale = Scale(low, max(high, low + 1e-3), window.start, _LEFT, _WIDTH - _RIGHT)
    lanes = [(f"outside, {seat}", trace, 0.0) for seat, trace in outside.items()]
    lanes += [("inside (own clock)", inside, shift)] if inside is not None else []
    shown = [(name, trace, analyse(trace), by) for name, trace, by in lanes]

    pings = _TOP + _LANE * max(1, len(shown))
    bottom = pings + (lane_height(anatomy) if anatomy else 0)
    texts = [f"The migration took {window.end - window.start:.2f} s."]
    texts += [_in_words(name, trace, found, window.start - by) for name, trace, found, by in shown]
    texts += anatomy_in_words(anatomy) if anatomy else []
    ident = f"xtl-{crc32(repr((title, window, texts)).encode()):08x}"
    start, end = scale.x(window.start), scale.x(window.end)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {bottom + _FOOT}"'
        f' class="xtl" role="img" aria-labelledby="{ident}-t" aria-describedby="{ident}-d">',
        f'<title id="{ident}-t">{text(title)}</title>',
        f'<desc id="{ident}-d">{text(" ".join(texts))}</desc>',
        f"<style>{_STYLE}</style>",
        '<rect class="paper" width="100%" height="100%"/>',
        rect("window", start, _TOP - 6, end - start, bottom - _TOP + 6),
        f'<text class="name" x="12" y="22">{text(title)}</text>',
        label((start + end) / 2, _TOP - 12, f"migration {window.end - window.start:.2f} s", _WIDTH),
    ]
    for number, (name, trace, found, by) in enumerate(shown):
        parts += _lane(name, trace, found, by, scale, _TOP + number * _LANE)
    parts += stages_lane(anatomy, scale, pings, _WIDTH) if anatomy else []
    parts += _axis(scale, bottom)
    parts += _legend(bottom + 54)
    return "\n".join([*parts, "</svg>", ""])


def timeline_csv(trace: PingTrace) -> str:
    """One line a packet: times in seconds from the start of the trace, the round trip in milliseconds."""
    out = StringIO()
    table = csv.writer(out, lineterminator="\n")
    table.writerow(["sequence", "outcome", "sent_s", "received_s", "rtt_ms", "replies", "ttl", "send_error"])
    for packet, at in zip(trace.packets, trace.send_times(), strict=True):
        first = packet.received[0] if packet.received else None
        outcome = "answered" if packet.received else "send error" if packet.send_error is not None else "lost"
        table.writerow(
            [
                packet.sequence,
                outcome,
                f"{at - trace.started:.6f}",
                "" if first is None else f"{first - trace.started:.6f}",
                "" if first is None else f"{(first - at) * 1000:.3f}",
                len(packet.received),
                " ".join(map(str, packet.ttls)),
                packet.send_error or "",
            ]
        )
    return out.getvalue()


def _lane(name: str, trace: PingTrace, found: Continuity, shift: float, scale: Scale, top: float) -> Iterator[str]:
    bar = top + 28
    times = [at + shift for at in trace.send_times()]
    timed = list(zip(trace.packets, times, strict=True))
    yield f'<text class="name" x="12" y="{bar + 14}">{text(name)}</text>'
    yield f'<path class="rail" d="M{_LEFT} {bar + _BAR / 2}H{_WIDTH - _RIGHT}"/>'
    for left, right in _runs(trace, times, scale):
        yield rect("ok", left, bar, right - left, _BAR)
    lost = (t for p, t in timed if not p.received and p.send_error is None)
    errors = (t for p, t in timed if not p.received and p.send_error is not None)
    doubled = (t for p, t in timed if len(p.received) > 1)
    yield from _ticks("lost", lost, scale, bar - 2, bar + _BAR + 2)
    yield from _ticks("dup", doubled, scale, bar - 7, bar - 1)
    yield from _ticks("err", errors, scale, bar + _BAR, bar + _BAR + 9)
    if found.longest_gap > 0:
        left, right = scale.x(found.gap_start + shift), scale.x(found.gap_end + shift)
        yield f'<path class="gap" d="M{left:.1f} {bar - 3}v-7H{right:.1f}v7"/>'
        more = " and no reply since" if found.gap_open else ""
        yield label((left + right) / 2, bar - 14, f"gap {found.longest_gap:.2f} s{more}", _WIDTH)


def _runs(trace: PingTrace, times: list[float], scale: Scale) -> list[tuple[float, float]]:
    """Bars over successive answered packets, broken by a loss and wherever the ping paused."""
    runs: list[tuple[float, float]] = []
    joined, before = False, 0.0
    for packet, at in zip(trace.packets, times, strict=True):
        if packet.received:
            x = scale.x(at)
            if runs and ((joined and at - before < 2 * trace.interval) or x - runs[-1][1] < _PIXEL):
                runs[-1] = (runs[-1][0], x)
            else:
                runs.append((x, x))
            before = at
        joined = bool(packet.received)
    return runs


def _ticks(kind: str, times: Iterable[float], scale: Scale, top: float, bottom: float) -> list[str]:
    """One path of upright strokes, spaced to stay apart; nothing for no times."""
    xs = sorted({round(scale.x(t) / _STROKE) * _STROKE for t in times})
    strokes = "".join(f"M{x} {top}V{bottom}" for x in xs)
    return [f'<path class="{kind}" d="{strokes}"/>'] if xs else []


def _axis(scale: Scale, y: float) -> Iterator[str]:
    yield f'<path class="axis" d="M{_LEFT} {y}H{_WIDTH - _RIGHT}"/>'
    step = round_step((scale.high - scale.low) / 8)
    places = decimals(step)
    for number in range(ceil((scale.low - scale.zero) / step), floor((scale.high - scale.zero) / step) + 1):
        x = scale.x(scale.zero + number * step)
        yield f'<path class="axis" d="M{x:.1f} {y}v5"/>'
        yield label(x, y + 19, f"{number * step:.{places}f}", _WIDTH)
    yield f'<text x="12" y="{y + 19}">s from the start</text>'


def _legend(y: float) -> Iterator[str]:
    yield rect("ok", _LEFT, y - 10, 24, 10)
    yield f'<text x="{_LEFT + 30}" y="{y}">answered</text>'
    marks = (("lost", "lost"), ("dup", "duplicated"), ("err", "could not be sent"))
    for number, (kind, name) in enumerate(marks):
        x = _LEFT + 130 + number * 120
        yield f'<path class="{kind}" d="M{x} {y - 11}v12"/>'
        yield f'<text x="{x + 8}" y="{y}">{name}</text>'


def _in_words(name: str, trace: PingTrace, found: Continuity, zero: float) -> str:
    words = f"{name}: {found.sent} sent, {found.received} received, {found.lost} lost"
    unsent = "of them could not be sent" if trace.by_guest else "not sent"
    rare = {"duplicated": found.duplicated, "reordered": found.reordered, unsent: found.send_errors}
    words += "".join(f", {count} {kind}" for kind, count in rare.items() if count)
    if found.longest_gap > 0:
        where = f"from {found.gap_start - zero:.2f} s to {found.gap_end - zero:.2f} s"
        words += f"; longest gap {found.longest_gap:.2f} s, {where}"
    return words + ("." if trace.complete else " (record incomplete).")
