"""Where each guest was while it was moved about, as a picture (SVG): a lane a host, a line a guest. Pure.

Its colours are the page's (report.css), which knows light, dark and print.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import ceil, floor

from xenlab.evidence.text import brief, plain
from xenlab.outcomes import MigrationRecord
from xenlab.report.svg import decimals, label, round_step, text

GUESTS = 16
"""How many guests are drawn; more lines could not be told apart."""

_WIDTH, _LEFT, _RIGHT = 960, 116, 100
_NAME, _PITCH, _PAD, _BETWEEN, _FOOT = 30, 20, 4, 10, 62
_COLOURS = 4
_TITLE = "Where each guest was"
_KINDS = (("live", "live"), ("paused", "paused"), ("cold", "cold: shut down, started anew"))


@dataclass(frozen=True, slots=True)
class _Move:
    kind: str
    source: str
    target: str
    begin: float
    end: float


class _Picture:
    """Places: seconds of the run to x, a guest's line in a host's lane to y."""

    def __init__(self, hosts: Sequence[str], moves: dict[str, list[_Move]]) -> None:
        begin = min(move.begin for of_guest in moves.values() for move in of_guest)
        end = max(move.end for of_guest in moves.values() for move in of_guest)
        room = max(1.0, (end - begin) * 0.04)
        self.low, self.high = begin - room, end + room
        self.height = _NAME + _PITCH * len(moves) + _PAD
        self.tops = {host: number * (self.height + _BETWEEN) for number, host in enumerate(hosts)}
        self.bottom = len(hosts) * (self.height + _BETWEEN)
        self._rows = {guest: number for number, guest in enumerate(moves)}

    def x(self, at: float) -> float:
        return _LEFT + (at - self.low) / (self.high - self.low) * (_WIDTH - _LEFT - _RIGHT)

    def y(self, guest: str, host: str) -> float:
        return self.tops[host] + _NAME + _PITCH * (self._rows[guest] + 0.5)


def whereabouts_svg(hosts: Sequence[str], migrations: Sequence[MigrationRecord], started: datetime) -> str:
    """An SVG picture over the minutes since `started`, the begin of the run; "" when no move is known to have begun.

    A guest's line leads from lane to lane while it moves, drawn by the kind of the move. Where two moves do
    not join (one between them was not recorded), a thin upright line does. At most `GUESTS` guests are drawn.
    """
    moves: dict[str, list[_Move]] = {}
    for record in sorted((m for m in migrations if m.started), key=lambda m: m.started or started):
        if record.started is not None:
            begin = (record.started - started).total_seconds()
            move = _Move(record.kind, record.source, record.target, begin, begin + max(0.0, record.seconds))
            moves.setdefault(record.guest, []).append(move)
    if not moves:
        return ""
    left_out = len(moves) - GUESTS
    moves = {guest: moves[guest] for guest in list(moves)[:GUESTS]}
    visited = [host for of_guest in moves.values() for move in of_guest for host in (move.source, move.target)]
    lanes = tuple(dict.fromkeys((*hosts, *visited)))
    picture = _Picture(lanes, moves)
    words = [_in_words(guest, of_guest) for guest, of_guest in moves.items()]
    if left_out > 0:
        words.append(f"{left_out} more guests are not drawn.")
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {picture.bottom + _FOOT}"'
        f' class="whereabouts" role="img" aria-labelledby="whereabouts-t" aria-describedby="whereabouts-d">',
        f'<title id="whereabouts-t">{_TITLE}</title>',
        f'<desc id="whereabouts-d">{text(" ".join(words))}</desc>',
    ]
    for host, top in picture.tops.items():
        parts.append(f'<rect class="lane" x="0" y="{top}" width="{_WIDTH}" height="{picture.height}" rx="6"/>')
        parts.append(f'<text class="name" x="14" y="{top + 21}">{_short(host)}</text>')
    for number, (guest, of_guest) in enumerate(moves.items()):
        parts += _line(guest, of_guest, picture, f"guest-{number % _COLOURS}")
    parts += _axis(picture)
    parts += _legend(picture.bottom + 54, left_out)
    return "\n".join([*parts, "</svg>"])


def _line(guest: str, moves: Sequence[_Move], picture: _Picture, colour: str) -> Iterator[str]:
    yield f'<g class="{colour}">'
    at, host = picture.low, moves[0].source
    first, last = picture.y(guest, host), picture.y(guest, moves[-1].target)
    yield f'<text text-anchor="end" x="{_LEFT - 8}" y="{first + 4.5}">{_short(guest)}</text>'
    for move in moves:
        here, there = picture.y(guest, move.source), picture.y(guest, move.target)
        begin, end = picture.x(move.begin), picture.x(move.end)
        yield f'<path class="stay" d="M{picture.x(at):.1f} {picture.y(guest, host)}H{begin:.1f}"/>'
        if host != move.source:
            yield f'<path class="unknown" d="M{begin:.1f} {picture.y(guest, host)}V{here}"/>'
        yield f'<path class="move {move.kind}" d="M{begin:.1f} {here}L{end:.1f} {there}"/>'
        yield f'<circle cx="{begin:.1f}" cy="{here}" r="3"/><circle cx="{end:.1f}" cy="{there}" r="3"/>'
        at, host = move.end, move.target
    yield f'<path class="stay" d="M{picture.x(at):.1f} {last}H{_WIDTH - _RIGHT}"/>'
    yield f'<text x="{_WIDTH - _RIGHT + 8}" y="{last + 4.5}">{_short(guest)}</text></g>'


def _axis(picture: _Picture) -> Iterator[str]:
    y = picture.bottom
    unit, name = (60.0, "min") if picture.high - picture.low > 180 else (1.0, "s")
    low, high = picture.low / unit, picture.high / unit
    step = round_step((high - low) / 8)
    yield f'<path class="axis" d="M{_LEFT} {y}H{_WIDTH - _RIGHT}"/>'
    for number in range(ceil(low / step), floor(high / step) + 1):
        x = picture.x(number * step * unit)
        yield f'<path class="axis" d="M{x:.1f} {y}v5"/>'
        yield label(x, y + 20, f"{number * step:.{decimals(step)}f}", _WIDTH)
    yield f'<text x="14" y="{y + 20}">{name} of the run</text>'


def _legend(y: float, left_out: int) -> Iterator[str]:
    x = _LEFT
    for kind, name in _KINDS:
        yield f'<path class="move {kind}" d="M{x} {y - 4.5}h34"/><text x="{x + 42}" y="{y}">{name}</text>'
        x += 130
    if left_out > 0:
        yield f'<text text-anchor="end" x="{_WIDTH - 14}" y="{y}">{left_out} more guests are not drawn</text>'


def _in_words(guest: str, moves: Sequence[_Move]) -> str:
    words = "".join(
        f"; {move.kind} to {move.target} from {move.begin:.0f} s to {move.end:.0f} s of the run" for move in moves
    )
    return plain(f"{guest} was on {moves[0].source}{words}.")


def _short(name: str) -> str:
    return text(brief(plain(name), 12))
