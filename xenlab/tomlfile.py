"""TOML files as validated and unchanging models: everything wrong with a file is said at once.

A line for each problem: file, key, and what is allowed.
"""

import json
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from xenlab.errors import UsageError
from xenlab.outcomes import Model

M = TypeVar("M", bound=Model)

LONGEST = 64 * 1024
"""Characters in a file: many times what any lab needs."""

LONGEST_LINE = 2000
"""tomllib takes the square of a key's parts in time and memory, and a key stands on one line."""

Problem = Mapping[str, Any]
"""One of pydantic's ErrorDetails."""


def read(
    path: Path,
    model: type[M],
    tables: Mapping[str, type[Model]],
    *,
    hint: str,
    context: Mapping[str, object],
    says: Callable[[tuple[int | str, ...], Problem], str] = lambda _loc, _problem: "",
) -> M:
    """Read `path`; see `parse`. `hint` is what to do when there is no such file.

    :raises UsageError: it cannot be read or has problems: one line each.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as problem:
        raise UsageError(f"{path}: {problem.strerror or problem}", hint=hint) from problem
    except UnicodeDecodeError as problem:
        raise UsageError(f"{path.name}: not UTF-8 text: {problem}") from problem
    return parse(text, path.name, model, tables, context=context, says=says)


def parse(
    text: str,
    name: str,
    model: type[M],
    tables: Mapping[str, type[Model]],
    *,
    context: Mapping[str, object],
    says: Callable[[tuple[int | str, ...], Problem], str] = lambda _loc, _problem: "",
) -> M:
    """Read `text`, that of the file `name`, as a `model` whose `tables` have the keys of other models.

    `context` goes to its validators. `says` may word a problem better than is done here.

    :raises UsageError: it has problems: one line each.
    """
    data = data_of(text, name)
    try:
        # Through JSON, because only there does pydantic's strict mode take an array for a tuple: strict, so
        # that port = "22" or swap = 1 is refused instead of guessed at.
        return model.model_validate_json(data, strict=True, context=dict(context))
    except ValidationError as problems:
        written = json.loads(data)
        lines = [
            line
            for error in problems.errors()
            for loc in [tuple(_as_written(error["loc"], written))]
            for line in (says(loc, error) or _says(loc, error, model, tables)).splitlines()
        ]
        raise UsageError("\n".join(f"{name}: {line}" for line in lines)) from problems


def data_of(text: str, name: str) -> str:
    """The data of TOML text, as JSON; dates as strings.

    :raises UsageError: it is no TOML, or more than any file of ours holds.
    """
    longest = max(map(len, text.split("\n")))
    if len(text) > LONGEST or longest > LONGEST_LINE:
        what = f"{len(text)} characters" if len(text) > LONGEST else f"a line of {longest} characters"
        hint = f"it may have {LONGEST}, {LONGEST_LINE} of them in a line: is it the right file?"
        raise UsageError(f"{name}: too long: {what}", hint=hint)
    try:
        return json.dumps(tomllib.loads(text), default=str)
    # Numbers that Python does not read, or write, are ValueErrors, and so is what tomllib says itself.
    except (ValueError, RecursionError) as problem:
        raise UsageError(f"{name}: not valid TOML: {problem}") from problem


def listed(words: Iterable[str]) -> str:
    """Words as a list within a line."""
    return ", ".join(words)


def _as_written(loc: Iterable[int | str], data: object) -> Iterator[int | str]:
    """Where a problem is; a table that may be one of several has no number where it is written as the only one."""
    for part in loc:
        if isinstance(part, int) and not isinstance(data, list):
            continue
        yield part
        rows = dict(enumerate(data)) if isinstance(data, list) else data
        data = rows.get(part) if isinstance(rows, dict) else None


def _says(loc: tuple[int | str, ...], error: Problem, model: type[Model], tables: Mapping[str, type[Model]]) -> str:
    kind = error["type"]
    if not loc:
        return str(error["ctx"]["error"])
    key = ".".join(str(part) for part in loc if part != "[key]")
    if kind == "missing":
        return f"{key}: is missing and must be given"
    if kind == "extra_forbidden":
        known = tables.get(str(loc[0]), model) if len(loc) > 1 else model
        return f"{key}: unknown key: allowed are {listed(known.model_fields)}"
    message: str = error["msg"]
    if kind == "value_error":
        return "\n".join(f"{key}: {line}" for line in message.removeprefix("Value error, ").splitlines())
    # pydantic says "Input should be a valid integer".
    wanted = message.partition(" should ")[2] or f"be otherwise ({message})"
    return f"{key}: {json.dumps(error['input'], ensure_ascii=False)} is not allowed: it must {wanted}"


def dump(model: Model) -> str:
    """A model as TOML text, which reads back to an equal one; what it does not have is left out."""
    tables = model.model_dump(mode="json", exclude_none=True, by_alias=True)
    plain = {key: value for key, value in tables.items() if not isinstance(value, dict | list)}
    parts = ["".join(_assignments(plain))]
    for key, value in tables.items():
        if isinstance(value, dict) and value:
            parts.append("".join([f"[{key}]\n", *_assignments(value)]))
        elif isinstance(value, list):
            parts += ["".join([f"[[{key}]]\n", *_assignments(row)]) for row in value]
    return "\n".join(parts)


def _assignments(table: Mapping[str, str | int | float | bool]) -> Iterator[str]:
    for key, value in table.items():
        name = key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else _scalar(key)
        yield f"{name} = {_scalar(value)}\n"


def _scalar(value: str | int | float | bool) -> str:
    # A JSON string is a TOML basic string, but for DEL, which TOML wants escaped.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
