"""Whether a reader's time grows no faster than its input: one fragment repeated, at doubled and doubled lengths.

Fragments are the words of its inputs, pairs of the marks among them and nestings; they stand at the beginning, in the
midst or at the end of real inputs, since most readers go on only where an input begins as it should.
"""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from math import inf
from random import Random

from selftests.fuzz.mutations import vocabulary
from selftests.fuzz.target import SECONDS, Finding, Target, TooSlow, seconds_of

Make = Callable[[int], bytes]
"""An input of about so many bytes."""

_MARKS = (
    "\n",
    " ",
    "\t",
    "=",
    ",",
    ":",
    ";",
    ".",
    "/",
    "-",
    '"',
    "'",
    "[",
    "(",
    "{",
    "\\",
    "#",
    "@",
    "0",
    "a",
    "1 ",
    "a\n",
)
_NESTINGS = (("[", "]"), ("{", "}"), ("(", ")"), ('{"a":', "}"), ("<", ">"), ("a.", ""), ("[[", "]]"))
_SHORT, _LONG = 1 << 14, 1 << 16
_WORTH_A_LOOK = 0.004
"""Seconds at `_LONG`: what takes less is not to be told from the noise of the clock, nor a second at 4 MB."""
_STEEP = 2.0
"""By what factor more than its length the time of an input may grow when it is made longer by `_LONG` / `_SHORT`."""
_SLOWEST = 3


@dataclass(frozen=True, slots=True)
class Grown:
    """How a reader's slowest inputs grew: their seconds by their length, and what is wrong with that."""

    inputs: int
    seconds: dict[int, float]
    findings: tuple[Finding, ...]


def grown(
    target: Target, seconds: float = inf, fragments: Sequence[str] | None = None, most: int = sys.maxsize
) -> Grown:
    """Feed a reader with repeated fragments for so many seconds, and with the slowest of them in full length.

    Where there is not time for all of them, some are drawn. No input is longer than `most` bytes.
    """
    shortest, longest = min(_SHORT, target.most // 4), min(_LONG, target.most)
    inputs, findings, taken = 0, list[Finding](), list[tuple[float, str, Make]]()
    drawn, until = list(_inputs(target, fragments)), time.process_time() + seconds
    Random(target.name).shuffle(drawn)
    for name, make in drawn:
        if time.process_time() > until:
            break
        try:
            inputs += 1
            long = seconds_of(target, make(longest))
            if long > _WORTH_A_LOOK * longest / _LONG:
                inputs += 4
                long = min(long, seconds_of(target, make(longest)))
                short = min(seconds_of(target, make(shortest)) for _ in range(3))
                if _is_steep(short, long, longest / shortest):
                    findings += _steep(target, name, make, shortest, longest)
            taken.append((long, name, make))
        except TooSlow:
            findings.append(_finding(target, f"more than {SECONDS:g} s for {longest} bytes of {name}", make))
    worst: dict[int, float] = {}
    for _, name, make in sorted(taken, key=lambda one: one[0], reverse=True)[:_SLOWEST]:
        length = longest
        while length <= min(most, target.most):
            try:
                inputs += 1
                worst[length] = max(worst.get(length, 0.0), seconds_of(target, make(length)))
            except TooSlow:
                findings.append(_finding(target, f"more than {SECONDS:g} s for {length} bytes of {name}", make))
                break
            length *= 4
    return Grown(inputs, worst, tuple(findings))


def _is_steep(short: float, long: float, longer: float) -> bool:
    return long > _STEEP * longer * max(short, _WORTH_A_LOOK / longer / 4)


def _steep(target: Target, name: str, make: Make, shortest: int, longest: int) -> Iterator[Finding]:
    """Looked at once more, and longer where the reader takes more, as a ratio of two small times may be chance."""
    lengths = (longest, 4 * longest) if 4 * longest <= target.most else (shortest, longest)
    try:
        short, long = (min(seconds_of(target, make(length)) for _ in range(3)) for length in lengths)
    except TooSlow:
        yield _finding(target, f"more than {SECONDS:g} s for {lengths[1]} bytes of {name}", make)
        return
    if _is_steep(short, long, lengths[1] / lengths[0]):
        figures = f"{lengths[0]} bytes in {short * 1000:.1f} ms, {lengths[1]} bytes in {long * 1000:.1f} ms"
        yield _finding(target, f"grows too fast with {name}: {figures}", make)


def _finding(target: Target, what: str, make: Make) -> Finding:
    return Finding(target.name, what, "", make(_SHORT))


def _inputs(target: Target, fragments: Sequence[str] | None) -> Iterator[tuple[str, Make]]:
    chosen = tuple(dict.fromkeys((*_MARKS, *target.words, *vocabulary(target)))) if fragments is None else fragments
    pairs = [f"{one}{other}" for one, other in product(_MARKS, _MARKS) if one != other] if fragments is None else ()
    places = _places(target)[: None if fragments is None else 3]
    for fragment in filter(None, dict.fromkeys((*chosen, *pairs))):
        for where, before, after in places if fragment in chosen else places[:3]:
            yield f"{fragment[:40]!r} {where}", partial(_repeated, fragment.encode("utf-8", "replace"), before, after)
    if fragments is not None:
        return
    for (opening, closing), (where, before, after) in product(_NESTINGS, places):
        yield f"nested {opening!r} {where}", partial(_nested, opening.encode(), closing.encode(), before, after)
    for number, seed in enumerate(target.seeds):
        if seed.strip():
            yield f"seed {number}, repeated", partial(_repeated, seed, b"", b"")


def _places(target: Target) -> list[tuple[str, bytes, bytes]]:
    """Where a fragment may stand: alone, and before, in and after a real input."""
    seed = max(target.seeds, key=lambda seed: min(len(seed), 2000))
    lines = seed.splitlines(keepends=True)[:40] or [b""]
    first, rest, last = lines[0], b"".join(lines[1:]), lines[-1]
    middle = len(last) // 2
    known = b"".join(lines[:-1])
    return [
        ("alone", b"", b""),
        ("after a first line", first, rest),
        ("after a whole input", b"".join(lines), b""),
        ("before an input", b"", b"".join(lines)),
        ("within a last line", known + last[:middle], last[middle:]),
        ("within a first line", first[: len(first) // 2], first[len(first) // 2 :] + rest),
    ]


def _repeated(fragment: bytes, before: bytes, after: bytes, length: int) -> bytes:
    room = max(0, length - len(before) - len(after))
    return before + fragment * (room // len(fragment)) + after


def _nested(opening: bytes, closing: bytes, before: bytes, after: bytes, length: int) -> bytes:
    deep = max(0, length - len(before) - len(after)) // (len(opening) + len(closing))
    return before + opening * deep + closing * deep + after
