"""Texts from the hosts made safe to show: pure.

What a host prints may hold ANSI sequences, control characters, bytes that are no UTF-8 and marks that
turn the writing direction; none of it may reach a terminal, an XML file or a web page as it is.
"""

import re

# ECMA-48: strings (OSC, DCS, APC, PM, SOS) run to BEL or ST; CSI sequences end in @ to ~. A string that is
# not ended stops at the line's end, so that it cannot swallow the rest of an output.
_ANSI = re.compile(
    r"\x1b\][^\x07\x1b\n]*(?:\x07|\x1b\\)?"
    r"|\x1b[PX^_][^\x1b\n]*(?:\x1b\\)?"
    r"|[\x1b\x9b]\[?[0-?]*[ -/]*[@-~]"
)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ufffe\uffff]")
# UAX #9: the explicit embeddings, overrides and isolates, and the implicit marks.
_DIRECTION = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_SURROGATE = re.compile("[\ud800-\udfff]")


def plain(text: str) -> str:
    """`text` without ANSI sequences and control characters (line feeds and tabs stay).

    A lone surrogate, which is how Python holds a byte that was no UTF-8, becomes U+FFFD; a mark that
    turns the writing direction becomes its visible escape.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    text = _CONTROL.sub("", _ANSI.sub("", text))
    text = _SURROGATE.sub("\ufffd", text)
    return _DIRECTION.sub(lambda mark: f"\\u{ord(mark[0]):04x}", text)


def bounded(text: str, limit: int) -> tuple[str, int]:
    """`text` cut to `limit` characters, and how many were cut.

    The head and the tail stay, since a program's verdict stands at its end; between them a line says how
    much is missing, so the result is a little longer than `limit`.
    """
    cut = len(text) - limit
    if cut <= 0:
        return text, 0
    head = limit // 2
    tail = limit - head
    return f"{text[:head]}\n[... {cut} characters cut ...]\n{text[len(text) - tail :]}", cut


def brief(text: str, limit: int = 240) -> str:
    """The first `limit` characters of `text` on one line, with an ellipsis when more was there."""
    line = " ".join(text[: 4 * limit].split())
    return line if len(line) <= limit and len(text) <= 4 * limit else line[: limit - 1].rstrip() + "…"


def points(value: float) -> str:
    """Points as they are read: two decimals at most, none where none are needed (42.5, 10)."""
    return f"{value:.2f}".rstrip("0").rstrip(".")
