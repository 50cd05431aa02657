"""The grammar of xl.cfg: text in, assignments out, each word with its place in the text.

Source: xl.cfg(5) and Xen's libxlu_cfg_l.l and libxlu_cfg_y.y. It is xl's own language, not Python's:
keys are lower case, a statement ends at a line's end or `;`, and the last comment needs its newline.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from lark import Lark, Token, Tree, UnexpectedCharacters, UnexpectedToken

from xenlab.errors import LabFault

_PARSER = Lark(
    r"""
    start: (assignment? _end)* assignment?
    assignment: IDENT (SET | ADD) value
    ?value: STRING | NUMBER | list
    list: "[" NEWLINE* (_item ("," NEWLINE* _item)* ("," NEWLINE*)?)? "]"
    _item: value NEWLINE*
    _end: NEWLINE | ";"

    SET: "="
    ADD: "+="
    IDENT: /[a-z][._0-9a-z]*/
    NUMBER: /[0-9][0-9a-fx]*/
    STRING: /'([^'\\\n]|\\.)*'|"([^"\\\n]|\\.)*"/
    NEWLINE: /(#[^\n]*)?\n/
    %ignore /[ \t]+/
    """,
    parser="lalr",
    lexer="basic",
)

_ESCAPES = dict(zip("abfnrtv\"'\\", "\a\b\f\n\r\t\v\"'\\", strict=True))
_CHARACTER = re.compile(r"\\(.)|.", re.DOTALL)

_HINTS = (
    (r"\r", "the file has Windows line ends: turn CR LF into LF"),
    (r"['\"]", "close the quotes on the same line"),
    (r"#", "end the last line with a newline: xl reads no comment without one"),
    (r"[A-Z]", "keys are in lower case, and text stands in quotes"),
    (r"[-+.():{}]", "xl reads no Python: only NAME = VALUE with strings, numbers and lists"),
)


class ConfigSyntaxError(LabFault):
    """xl would refuse this config; `line` and `column` count from 1."""

    def __init__(self, message: str, *, source: str, line: int, column: int, hint: str = "") -> None:
        super().__init__(
            f"{source}:{line}:{column}: {message}",
            hint=hint or "see xl.cfg(5)",
            expected="a config that xl can read",
        )
        self.line = line
        self.column = column


@dataclass(frozen=True, slots=True)
class Atom:
    """One string or number: its `text`, and as it is written (`raw`, with quotes) from offset `start` on."""

    text: str
    raw: str
    start: int
    line: int
    column: int

    def place(self, begin: int, end: int) -> tuple[int, int]:
        """Where the characters `begin` to `end` of `text` stand in the file, as offsets."""
        ends = [self.start + (self.raw[0] in "'\"")]
        ends += [ends[0] + found.end() for found in _CHARACTER.finditer(_inside(self.raw))]
        return ends[begin], ends[end]

    def quoted(self, text: str) -> str:
        """`text` as it must be written between this atom's quotes; a number gets quotes around it."""
        quote = self.raw[0] if self.raw[0] in "'\"" else '"'
        special = {char: f"\\{name}" for name, char in _ESCAPES.items() if char not in "\"'"}
        inside = "".join(f"\\{char}" if char == quote else special.get(char, char) for char in text)
        return inside if quote == self.raw[0] else f"{quote}{inside}{quote}"


Value = Atom | tuple["Value", ...]


@dataclass(frozen=True, slots=True)
class Assignment:
    """One statement: its key and value, and whether it adds (`+=`) to what was there."""

    key: str
    value: Value
    adds: bool
    line: int
    column: int


def read_assignments(text: str, source: str = "config") -> tuple[Assignment, ...]:
    """The statements of a config, in order; `source` names the file in errors.

    :raises ConfigSyntaxError: at the place where xl would stop, or would silently read something else.
    """
    try:
        tree = _PARSER.parse(text)
    except UnexpectedCharacters as odd:
        hint = next((hint for pattern, hint in _HINTS if re.match(pattern, odd.char)), "")
        raise ConfigSyntaxError(
            f"unexpected {odd.char!r}", source=source, line=odd.line, column=odd.column, hint=hint
        ) from odd
    except UnexpectedToken as odd:
        raise _misplaced(odd.token, text, source) from odd
    return tuple(_assignment(child, source) for child in _children(tree) if isinstance(child, Tree))


def _misplaced(token: Token, text: str, source: str) -> ConfigSyntaxError:
    if token.type == "$END":
        lines = text.split("\n")
        return ConfigSyntaxError(
            "the file ends in the middle of a statement",
            source=source,
            line=len(lines),
            column=len(lines[-1]) + 1,
            hint="is a value or a closing ']' missing?",
        )
    what = "end of line" if token.type == "NEWLINE" else repr(str(token))
    hint = "write NAME = VALUE, with text in quotes and commas between the items of a list"
    return ConfigSyntaxError(
        f"unexpected {what}", source=source, line=token.line or 1, column=token.column or 1, hint=hint
    )


def _children(tree: Tree[Token]) -> Iterator[Token | Tree[Token]]:
    return (child for child in tree.children if not (isinstance(child, Token) and child.type == "NEWLINE"))


def _assignment(tree: Tree[Token], source: str) -> Assignment:
    key, operator, value = _children(tree)
    if not isinstance(key, Token):
        raise TypeError(key)
    return Assignment(
        key=str(key),
        value=_value(value, source),
        adds=operator == "+=",
        line=key.line or 1,
        column=key.column or 1,
    )


def _value(node: Token | Tree[Token], source: str) -> Value:
    if isinstance(node, Tree):
        return tuple(_value(child, source) for child in _children(node))
    line, column, raw = node.line or 1, node.column or 1, str(node)
    for escape in _CHARACTER.finditer(_inside(raw)):
        if escape[1] and escape[1] not in _ESCAPES:
            raise ConfigSyntaxError(
                f"unknown escape {escape[0]!r}",
                source=source,
                line=line,
                column=column + 1 + escape.start(),
                hint="write a backslash as \\\\; xl cannot read numeric escapes",
            )
    text = _CHARACTER.sub(lambda found: _ESCAPES[found[1]] if found[1] else found[0], _inside(raw))
    return Atom(text=text, raw=raw, start=node.start_pos or 0, line=line, column=column)


def _inside(raw: str) -> str:
    return raw[1:-1] if raw[0] in "'\"" else raw
