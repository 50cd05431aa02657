"""A lab file's text, each value with a comment that says where it was seen; and such a text with more added to it.

What stands in a file already is somebody's: it is never changed, nor are comments and layout.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import AoT, Item, Key, Table

from xenlab.discovery.given import shares_in
from xenlab.discovery.proposal import Entry, Missing, Proposal, Proposed
from xenlab.errors import UsageError
from xenlab.evidence.text import brief, plain
from xenlab.fields import plain_path

_HEAD = (
    "Found by `./lab init`, which only read; behind each value is where it was seen.",
    "What you change stays yours: `./lab init --update` adds what is missing, and no more.",
)


_Line = tuple[Key | None, Item]


def written(proposal: Proposal) -> str:
    """The text of a new lab file."""
    document = tomlkit.document()
    for line in _HEAD:
        document.add(tomlkit.comment(line))
    document.add(tomlkit.nl())
    _put(document, "name", proposal.name)
    if proposal.shares:
        document.add("share", _shares(proposal.shares))
    for name, entry in _tables(proposal):
        if entry:
            document.add(name, _table(entry))
    for name, entries in _rows(proposal):
        if entries:
            document.add(name, _array(entries))
    return tomlkit.dumps(document)


def merged(text: str, proposal: Proposal) -> str:
    """A lab file's text with what it does not say yet.

    :raises UsageError: it is no TOML, or has tables in a form that nothing can be added to.
    """
    document = parsed(text)
    if "name" not in document:
        _put(document, "name", proposal.name)
    # Whoever has a pace of their own has chosen it as a whole.
    has_pace = "probes" in document or "timeouts" in document
    if proposal.shares:
        _merge_shares(document, proposal.shares)
    for name, entry in _tables(proposal):
        if entry and not has_pace:
            document.add(name, _table(entry))
    for name, entries in _rows(proposal):
        if entries:
            _merge_rows(document, name, entries)
    return tomlkit.dumps(document)


def differences(data: Mapping[str, Any], seen: Proposal) -> Iterator[str]:
    """What a lab file says otherwise than what was seen."""
    yield from _other_shares(shares_in(data), seen.shares)
    for name, entries in _rows(seen):
        rows = {row["name"]: row for row in data.get(name, ()) if "name" in row}
        for entry in entries:
            own = str(entry["name"].value)
            yield from _otherwise(rows.get(own, {}), entry, f"{name}.{own}")


def parsed(text: str) -> tomlkit.TOMLDocument:
    """A lab file's text as data that keeps its comments.

    :raises UsageError: it is no TOML.
    """
    try:
        return tomlkit.parse(text)
    except TOMLKitError as odd:
        raise UsageError(f"not valid TOML: {odd}") from odd


def still_missing(data: Mapping[str, Any], missing: tuple[Missing, ...]) -> tuple[Missing, ...]:
    """What a lab file does not say either."""
    return tuple(one for one in missing if not _says(data, one.key))


def save(path: Path, text: str, *, over: str | None = None) -> None:
    """Write a new lab file; `over` is the text of the one that it takes the place of, where it is to do so.

    :raises UsageError: one is there that is not to be replaced, or has changed meanwhile, or it cannot be written.
    """
    try:
        if over is None:
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
            return
        if path.read_text(encoding="utf-8") != over:
            raise UsageError(f"{path} has been changed meanwhile", hint="call again")
        fresh = path.with_name(f".{path.name}.new")
        fresh.write_text(text, encoding="utf-8")
        fresh.chmod(path.stat().st_mode & 0o777)
        fresh.replace(path)
    except FileExistsError:
        raise UsageError(f"{path} is there already, and is not overwritten", hint="--update adds to it") from None
    except OSError as problem:
        raise UsageError(f"{path}: {problem.strerror or problem}") from problem


def _tables(proposal: Proposal) -> Iterator[tuple[str, Entry]]:
    yield from (("probes", proposal.probes), ("timeouts", proposal.timeouts))


def _rows(proposal: Proposal) -> Iterator[tuple[str, tuple[Entry, ...]]]:
    yield from (("jumps", proposal.jumps), ("hosts", proposal.hosts), ("guests", proposal.guests))


def _table(entry: Entry) -> Table:
    table = tomlkit.table()
    for key, proposed in entry.items():
        _put(table, key, proposed)
    return table


def _shares(entries: tuple[Entry, ...]) -> Table | AoT:
    return _table(entries[0]) if len(entries) == 1 else _array(entries)


def _array(entries: tuple[Entry, ...]) -> AoT:
    array = tomlkit.aot()
    for entry in entries:
        array.append(_table(entry))
    return array


def _put(table: Table | tomlkit.TOMLDocument, key: str, proposed: Proposed) -> None:
    item: Item = tomlkit.item(proposed.value)
    # A host's words must stay a comment: on one line, without control characters.
    item.comment(brief(plain(proposed.where)))
    item.trivia.comment_ws = "  "
    table.add(key, item)


def _append(array: AoT, entry: Entry) -> None:
    """Add a row, a blank line after the last; what stands below that, and belongs to what follows, stays below."""
    after = _taken_off(array[-1]) if array else []
    if array:
        array[-1].add(tomlkit.nl())
    array.append(_table(entry))
    _body(array[-1]).extend(after)


def _body(table: Table | tomlkit.TOMLDocument) -> list[_Line]:
    return table.body if isinstance(table, tomlkit.TOMLDocument) else table.value.body


def _taken_off(table: Table | tomlkit.TOMLDocument) -> list[_Line]:
    """The blank lines and comments at the end of a table, which stand before the next: taken off it."""
    body = _body(table)
    taken: list[_Line] = []
    while body and body[-1][0] is None:
        taken.insert(0, body.pop())
    return taken


def _merge_shares(document: tomlkit.TOMLDocument, entries: tuple[Entry, ...]) -> None:
    if "share" not in document:
        document.add("share", _shares(entries))
    elif isinstance(document["share"], AoT):
        _merge_rows(document, "share", entries, by="mount_point")
    elif len(entries) == 1:
        _complete(_as_table(document["share"], "share"), entries[0])
    else:
        raise UsageError("share is written as the only one: write [[share]] instead of [share], and call again")


def _merge_rows(document: tomlkit.TOMLDocument, name: str, entries: tuple[Entry, ...], by: str = "name") -> None:
    if name not in document:
        document.add(name, _array(entries))
        return
    array = document[name]
    if not isinstance(array, AoT):
        raise UsageError(f"{name} is not written as [[{name}]] tables: write it so, and call again")
    rows = {plain_path(str(row.get(by))): row for row in array}
    for entry in entries:
        own = str(entry[by].value)
        if own in rows:
            _complete(rows[own], entry)
        else:
            _append(array, entry)


def _as_table(item: object, name: str) -> Table:
    if not isinstance(item, Table):
        raise UsageError(f"{name} is not written as a [{name}] table: write it so, and call again")
    return item


def _complete(table: Table, entry: Entry) -> None:
    """Add to a table what it does not say."""
    for name, proposed in entry.items():
        if name not in table:
            after = _taken_off(table)
            _put(table, name, proposed)
            _body(table).extend(after)


def _other_shares(rows: Sequence[Mapping[str, Any]], entries: tuple[Entry, ...]) -> Iterator[str]:
    if len(rows) == len(entries) == 1:
        yield from _otherwise(rows[0], entries[0], "share")
        return
    by_point = {plain_path(str(row.get("mount_point"))): row for row in rows}
    for entry in entries if rows else ():
        point = str(entry["mount_point"].value)
        if point in by_point:
            yield from _otherwise(by_point[point], entry, f"share at {point}")
        else:
            what = f"{entry['server'].value}:{entry['export'].value} at {point}"
            yield f"guests' configs lie on {what}, too: write a [[share]] table for each share to have them in the lab"


def _otherwise(table: Mapping[str, Any], entry: Entry, key: str) -> Iterator[str]:
    for name, proposed in entry.items():
        written = plain_path(table[name]) if isinstance(table.get(name), str) else table.get(name)
        if name in table and written != proposed.value:
            yield f"{key}.{name} is {table[name]}, and stays so; seen was {proposed.value} ({proposed.where})"


def _says(data: Mapping[str, Any], key: str) -> bool:
    """Whether the file has what "guests.guest1.address" names."""
    table, _, rest = key.partition(".")
    if table in ("hosts", "guests") and rest:
        name, _, column = rest.rpartition(".")
        rows = data.get(table, ())
        return any(row.get("name") == name and column in row for row in rows if isinstance(row, Mapping))
    shares = shares_in(data) if table == "share" else []
    return bool(shares) and all({"server", "export", "mount_point"} <= {*share} for share in shares)
