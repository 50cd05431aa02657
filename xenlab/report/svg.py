"""What our pictures share: texts that XML can hold, labels that stay inside, round steps of an axis. Pure."""

import re
from html import escape
from math import floor, log10


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
