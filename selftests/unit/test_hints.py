"""No hint tells to destroy what may be another's: on a shared host a reader copies it as it stands.

The rule is a function from source text to complaints, tried on planted sources as well.
"""

import ast
import re
from collections.abc import Iterator
from functools import cache

import pytest
from paths import ROOT

DESTROYS = re.compile(
    r"\bxl destroy\b|\bvirsh destroy\b|\bumount\s|\blosetup (-d|-D|--detach)|\bexportfs -\w*u"
    r"|\b(kill (-9|-KILL|-s KILL)|pkill|killall)\b|\brm -|\brmdir\s|\bmkfs\b|\bwipefs\b|\bxenstore-rm\b|\blvremove\b"
)
SAYS = frozenset({"Finding", "UsageError", "XenlabError"})
"""What speaks to the reader, besides every error of the project's own (by the bases that their classes name)."""


def texts_in(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and text of every string; of a formatted one its parts, joined."""
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            parts = (part.value if isinstance(part, ast.Constant) else "{}" for part in node.values)
            yield node.lineno, "".join(map(str, parts))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value


def destroying(module: str, tree: ast.AST) -> list[str]:
    return [f"{module}:{line} says {found[0]!r}" for line, text in texts_in(tree) for found in DESTROYS.finditer(text)]


def destroying_in_calls(module: str, tree: ast.AST, names: frozenset[str]) -> list[str]:
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call))
    return [complaint for call in calls if last_name(call.func) in names for complaint in destroying(module, call)]


def last_name(expression: ast.expr) -> str:
    """`LabFault` of both `LabFault` and `errors.LabFault`."""
    match expression:
        case ast.Attribute(attr=name) | ast.Name(id=name):
            return name
    return ""


def speakers(trees: dict[str, ast.Module]) -> frozenset[str]:
    """`SAYS`, and every class below one of them, however deep."""
    bases = {
        node.name: {last_name(base) for base in node.bases}
        for tree in trees.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    }
    found = set(SAYS)
    while more := {name for name, above in bases.items() if above & found} - found:
        found |= more
    return frozenset(found)


@cache
def trees_of(folder: str) -> dict[str, ast.Module]:
    paths = sorted((ROOT / folder).rglob("*.py"))
    return {str(path.relative_to(ROOT)): ast.parse(path.read_text("utf-8")) for path in paths}


def test_nothing_that_the_lab_or_the_dictionary_of_causes_says_destroys() -> None:
    trees = trees_of("xenlab/lab") | trees_of("xenlab/causes")
    assert len(trees) > 30
    assert [complaint for module, tree in trees.items() for complaint in destroying(module, tree)] == []


def test_no_error_or_finding_anywhere_tells_to_destroy() -> None:
    trees = trees_of("xenlab") | trees_of("fixtures") | trees_of("tests")
    names = speakers(trees)
    assert {"LabFault", "CannotObserve", "RemoteCommandFailed"} <= names
    assert [c for module, tree in trees.items() for c in destroying_in_calls(module, tree, names)] == []


@pytest.mark.parametrize(
    "text",
    [
        "'try: xl destroy guest1'",
        "f'on {host}: umount {path}'",
        "f'losetup -d {device}'",
        "'kill -9 the process'",
        "'rm -rf /mnt/private/x'",
        "'first ' 'rm -f the file'",
        "'exportfs -ua'",
    ],
)
def test_a_hint_that_destroys_is_noticed(text: str) -> None:
    assert destroying("planted", ast.parse(f"HINT = {text}"))
    assert destroying_in_calls("planted", ast.parse(f"raise LabFault('x', hint={text})"), SAYS | {"LabFault"})
    assert not destroying_in_calls("planted", ast.parse(f"run({text})"), SAYS)


@pytest.mark.parametrize(
    "text",
    [
        "'it is unmounted on baye'",
        "f'xl shutdown {guest}, then xl create'",
        "'perform -n runs, on the arm - or leg'",
        "'exportfs -ra'",
        "'nothing was destroyed'",
        "'losetup --list shows whose it is'",
    ],
)
def test_what_only_sounds_like_it_is_left_alone(text: str) -> None:
    assert destroying("planted", ast.parse(f"HINT = {text}")) == []
