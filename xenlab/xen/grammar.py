"""The grammar of xl.cfg and xl.conf: text in, settings out, each word with its place in the text.

Source: xl.cfg(5) and Xen's libxlu_cfg_l.l, libxlu_cfg_y.y and libxlu_cfg.c. It is xl's own language, not
Python's: keys are lower case, a statement ends at a line's end or `;`, and a comment needs its newline.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from lark import Lark, Token, Tree, UnexpectedCharacters, UnexpectedToken

from xenlab.errors import LabFault

LONGEST: Final = 64 * 1024
"""Characters in a config: many times what any guest needs, and whatever they are, they are read within a second."""

DEEPEST: Final = 64
"""Lists within lists; xl itself knows settings with two (vsnd, vnuma)."""

_PARSER = Lark(
    r"""
    start: (assignment? _end)* assignment?
    assignment: IDENT (SET | ADD) value
    ?value: STRING | NUMBER | list
    list: "[" NEWLINE* (_item ("," NEWLINE* _item)* ("," NEWLINE*)?)? "]"
    _item: value NEWLINE*
    _end: NEWLINE | SEMICOLON

    SET: "="
    ADD: "+="
    IDENT: /[a-z][._0-9a-z]*/
    NUMBER: /[0-9][0-9a-fx]*/
    STRING: /'([^'\\\n\0]|\\.)*'|"([^"\\\n\0]|\\.)*"/
    SEMICOLON: /;[; \t]*/
    NEWLINE: /((#[^\n]*)?\n[ \t]*)+/
    %ignore /[ \t]+/
    """,
    parser="lalr",
    lexer="basic",
)

_ESCAPES = dict(zip("abfnrtv\"'\\", "\a\b\f\n\r\t\v\"'\\", strict=True))
_CHARACTER = re.compile(
    # xl reads a number of two characters or three behind an octal escape's first digit, and then forgets it.
    r"\\(?:(?P<nothing>[0-7](?:[0-9]{2,3}|[-+ \t\v\f\r][0-9]{1,2}|[ \t\v\f\r][-+ \t\v\f\r][0-9]))|(?P<name>.))|.",
    re.DOTALL,
)

_HINTS = (
    (r"\r", "the file has Windows line ends: turn CR LF into LF"),
    (r"\0", "the file holds NUL bytes: it is no text"),
    (r"[\u2018-\u201f\u00ab\u00bb]", "a word processor's quotes: write straight quotes, ' or \""),
    (r"['\"]", "close the quotes on the same line"),
    (r"#", "end the last line with a newline: xl reads no comment without one"),
    (r"[A-Z]", "keys are in lower case, and text stands in quotes"),
    (r"[-+.():{}]", "xl reads no Python: only NAME = VALUE with strings, numbers and lists"),
)


class ConfigSyntaxError(LabFault):
    """xl would refuse this config, or ignore a setting of it; `line` and `column` count from 1."""

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
        ends += [ends[0] + found.end() for found in _CHARACTER.finditer(_inside(self.raw)) if not found["nothing"]]
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
    """One statement: its key (from offset `start` on) and value, and whether it adds (`+=`) to what was there."""

    key: str
    value: Value
    adds: bool
    line: int
    column: int
    start: int


def read_assignments(text: str, source: str = "config") -> tuple[Assignment, ...]:
    """The statements of a config, in order; `source` names the file in errors.

    :raises ConfigSyntaxError: at the place where xl would stop, and where a file is too long to be a config.
    """
    if len(text) > LONGEST:
        raise ConfigSyntaxError(
            f"{len(text)} characters are no config",
            source=source,
            line=1,
            column=1,
            hint=f"a config has at most {LONGEST} characters: is it the right file?",
        )
    try:
        tree = _parsed(text)
    except UnexpectedCharacters as odd:
        hint = next((hint for pattern, hint in _HINTS if re.match(pattern, odd.char)), "")
        if "\0" in text[odd.pos_in_stream :].partition("\n")[0]:
            hint = _HINTS[1][1]
        raise ConfigSyntaxError(
            f"unexpected {odd.char!r}", source=source, line=odd.line, column=odd.column, hint=hint
        ) from odd
    except UnexpectedToken as odd:
        raise _misplaced(odd.token, text, source) from odd
    return tuple(_assignment(child, source) for child in _children(tree) if isinstance(child, Tree))


def read_settings(text: str, source: str = "config") -> dict[str, Assignment]:
    """What counts for each key of a config: see `settings_of`.

    :raises ConfigSyntaxError: as `read_assignments` and `settings_of`.
    """
    return settings_of(read_assignments(text, source), source)


def settings_of(statements: Iterable[Assignment], source: str = "config") -> dict[str, Assignment]:
    """What counts for each key: its last statement, with the values that it adds (`+=`) to.

    :raises ConfigSyntaxError: where a list is added to a string, or a string to a list.
    """
    found: dict[str, list[Assignment]] = {}
    for statement in statements:
        before = found.get(statement.key, []) if statement.adds else []
        if before and isinstance(before[0].value, Atom) is not isinstance(statement.value, Atom):
            raise ConfigSyntaxError(
                f"{shown(statement.key)} += mixes a list and a string",
                source=source,
                line=statement.line,
                column=statement.column,
                hint="add a list to a list, or a string to a string",
            )
        before.append(statement)
        found[statement.key] = before
    return {key: _added_up(same) for key, same in found.items()}


def atoms_of(value: Value) -> tuple[Atom, ...]:
    """Every string and number in a value, in order."""
    if isinstance(value, Atom):
        return (value,)
    return tuple(atom for item in value for atom in atoms_of(item))


def edited(text: str, edits: Iterable[tuple[int, int, str]]) -> str:
    """The text with new pieces for those from one offset to another, none of which overlap."""
    pieces, done = [], 0
    for start, stop, new in sorted(edits):
        pieces += [text[done:start], new]
        done = stop
    return "".join((*pieces, text[done:]))


def shown(text: str, longest: int = 120) -> str:
    """A text of a config for a message: quoted, without control characters, and not longer than a line."""
    return repr(text if len(text) <= longest else f"{text[:longest]}...")


def _added_up(statements: list[Assignment]) -> Assignment:
    *before, last = statements
    if not before:
        return last
    if isinstance(last.value, Atom):
        whole = "".join(one.value.text for one in statements if isinstance(one.value, Atom))
        return replace(last, value=replace(last.value, text=whole))
    return replace(last, value=tuple(item for one in statements if isinstance(one.value, tuple) for item in one.value))


def _parsed(text: str) -> Tree[Token]:
    """The parsed text. One odd character as the very last of the file ends it, and xl never tells.

    Source: libxlu_cfg_l.l, whose lexer error is spoken only when something follows the character.
    """
    try:
        return _PARSER.parse(text)
    except UnexpectedCharacters as odd:
        one_byte = odd.char.isascii() or "\udc80" <= odd.char <= "\udcff"  # the latter by errors="surrogateescape"
        if odd.pos_in_stream != len(text) - 1 or not one_byte:
            raise
    return _PARSER.parse(text[:-1])


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
    what = "end of line" if token.type == "NEWLINE" else shown(str(token))
    hint = "write NAME = VALUE, with text in quotes and commas between the items of a list"
    return ConfigSyntaxError(
        f"unexpected {what}", source=source, line=token.line or 1, column=token.column or 1, hint=hint
    )


def _children(tree: Tree[Token]) -> Iterator[Token | Tree[Token]]:
    return (
        child for child in tree.children if not (isinstance(child, Token) and child.type in ("NEWLINE", "SEMICOLON"))
    )


def _assignment(tree: Tree[Token], source: str) -> Assignment:
    key, operator, value = _children(tree)
    if not isinstance(key, Token):
        raise TypeError(key)
    line, column = key.line or 1, key.column or 1
    given = _value(value, source, (line, column))
    return Assignment(str(key), given, operator == "+=", line, column, key.start_pos or 0)


def _value(node: Token | Tree[Token], source: str, place: tuple[int, int], depth: int = 0) -> Value:
    if isinstance(node, Token):
        return _atom(node, source)
    if depth == DEEPEST:
        raise ConfigSyntaxError(
            f"more than {DEEPEST} lists within lists", source=source, line=place[0], column=place[1]
        )
    return tuple(_value(child, source, place, depth + 1) for child in _children(node))


def _atom(token: Token, source: str) -> Atom:
    raw, line, column = str(token), token.line or 1, token.column or 1
    text = _inside(raw)
    if "\\" in text:
        for found in _CHARACTER.finditer(text):
            if found["name"] and found["name"] not in _ESCAPES:
                raise ConfigSyntaxError(
                    f"unknown escape {found[0]!r}",
                    source=source,
                    line=line,
                    column=column + 1 + found.start(),
                    hint="write a backslash as \\\\; xl cannot read numeric escapes",
                )
        text = "".join(map(_spoken, _CHARACTER.finditer(text)))
    return Atom(text, raw, token.start_pos or 0, line, column)


def _spoken(found: re.Match[str]) -> str:
    if found["nothing"]:
        return ""
    return _ESCAPES[found["name"]] if found["name"] else found[0]


def _inside(raw: str) -> str:
    return raw[1:-1] if raw[0] in "'\"" else raw
