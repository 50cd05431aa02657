"""A pasted text as lines, each with its number: without colours, markup, quoting, typographic quotes. Linear."""

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from xenlab.evidence.text import plain

LONGEST_LINE = 2000
"""Characters of a line that are read."""

_TYPOGRAPHIC = str.maketrans(
    {
        **dict.fromkeys("\u2018\u2019\u201a\u201b\u2032", "'"),
        **dict.fromkeys("\u201c\u201d\u201e\u201f\u2033\u00ab\u00bb", '"'),
        **dict.fromkeys("\u00a0\u2007\u202f\u2009", " "),
        **dict.fromkeys("\u2010\u2011", "-"),
        **dict.fromkeys("\u200b\u200c\u200d\ufeff\u2060", ""),
        **{"\u2013": "--", "\u2014": "--", "\u2026": "..."},
    }
)
_FENCE = re.compile(r"\s{0,3}(?:>\s?)*(?P<mark>`{3,}|~{3,})\s*[^`~]{0,100}$")
# A word in angle brackets is markup only where it is one of these: ip(8) writes <BROADCAST,UP>, xl <saved>.
_TAG = re.compile(
    r"</?(?P<name>html|head|body|p|br|pre|code|div|span|h[1-6]|[uo]l|li|table|tbody|tr|t[dh]|[biau]|em|strong|tt|samp|kbd"
    r"|blockquote|font|img|hr)(?:\s[^<>]{0,500})?/?>",
    re.IGNORECASE,
)
_BREAKS = frozenset({"p", "br", "pre", "div", "li", "tr", "hr", "blockquote", *(f"h{n}" for n in range(1, 7))})
_IS_HTML = re.compile(r"<(?:html|body|pre|p|br|div)\b", re.IGNORECASE)
_QUOTING = re.compile(r"(?:[>|] ?){1,8}")


@dataclass(frozen=True, slots=True)
class PastedLine:
    """One line as it is read: `number` counts from 1; `text` has straight quotes, `raw` those that it came with."""

    number: int
    text: str
    raw: str


@dataclass(frozen=True, slots=True)
class Stretch:
    """Lines that stand together; `is_prose` where the text has code blocks and this is none."""

    lines: tuple[PastedLine, ...]
    is_prose: bool


def straight(text: str) -> str:
    """A text with the quotes, blanks and dashes that a keyboard types."""
    return text.translate(_TYPOGRAPHIC)


def stretches_of(text: str) -> tuple[Stretch, ...]:
    """The text in its stretches: Markdown's blocks of code and the prose between them, or as a whole without any."""
    lines: list[PastedLine] = []
    fences: list[int] = []
    mark = ""
    is_html = _IS_HTML.search(text) is not None
    rows = [row[:LONGEST_LINE] for row in text.split("\n")]
    for number, row in enumerate(_unquoted(rows), 1):
        fence = _FENCE.match(row.rstrip("\r"))
        if fence and (not mark or fence["mark"].startswith(mark)):
            mark = "" if mark else fence["mark"]
            fences.append(len(lines))
        else:
            lines += (PastedLine(number, straight(piece), piece) for piece in _pieces(row, is_html=is_html))
    edges = [0, *fences, len(lines)]
    parts = (tuple(lines[begin:end]) for begin, end in pairwise(edges))
    return tuple(Stretch(part, bool(fences) and number % 2 == 0) for number, part in enumerate(parts) if part)


def _unquoted(rows: list[str]) -> list[str]:
    """The rows without the marks of quoted mail, where most of them have such."""
    quoted = sum(row.startswith((">", "| ")) for row in rows)
    return [_QUOTING.sub("", row, count=1) for row in rows] if quoted > len(rows) / 2 else rows


def _pieces(row: str, *, is_html: bool) -> Iterator[str]:
    """A row as it shows: what a carriage return or a break in HTML parts is several lines of one number."""
    if is_html:
        row = html.unescape(_TAG.sub(lambda tag: "\r" if tag["name"].lower() in _BREAKS else "", row))
    first, *more = plain(row).split("\n")
    yield first
    yield from filter(str.strip, more)
