"""What our pictures share: texts that XML can hold, labels that stay inside, round steps of an axis. Pure."""

import re
from dataclasses import dataclass
from html import escape
from math import floor, log10


@dataclass(frozen=True, slots=True)
class Scale:
    """Seconds from `low` to `high` to pixels from `left` to `right`; `zero` is where the axis counts from."""

    low: float
    high: float
    zero: float
    left: float
    right: float

    def x(self, at: float) -> float:
        """Where a time stands."""
        return self.left + (at - self.low) / (self.high - self.low) * (self.right - self.left)


def rect(kind: str, x: float, y: float, width: float, height: float) -> str:
    """A box of class `kind`, one pixel wide at least."""
    return f'<rect class="{kind}" x="{x:.1f}" y="{y}" width="{max(1.0, width):.1f}" height="{height}"/>'


def text(words: str) -> str:
    """Escaped, and without the control characters XML has no way to write."""
    return escape(re.sub(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "\ufffd", words))


def label(x: float, y: float, words: str, width: float) -> str:
    """A centred text, kept inside a picture of `width` (7 pixels a character is ample)."""
    half = 3.5 * len(words)
    x = min(max(x, half), width - half)
    return f'<text text-anchor="middle" x="{x:.1f}" y="{y}">{text(words)}</text>'


def round_step(rough: float) -> float:
    """The least of 1, 2, 5 times a power of ten that is not below `rough`."""
    power: float = 10.0 ** floor(log10(rough))
    return next(m * power for m in (1, 2, 5, 10) if m * power >= rough * 0.999)


def decimals(step: float) -> int:
    """How many decimals the labels of an axis need whose ticks are `step` apart."""
    return max(0, -floor(log10(step) + 1e-9))
