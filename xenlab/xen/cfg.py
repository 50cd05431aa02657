"""A guest's config file: read, and given new paths.

Source: xl.cfg(5). Rewriting touches only what it must: comments, order and spacing stay byte for byte.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from xenlab.errors import UsageError
from xenlab.xen.disk import DiskSpec, DiskSyntaxError, parse_disk
from xenlab.xen.grammar import Assignment, Atom, ConfigSyntaxError, Value, read_assignments
from xenlab.xen.parsers import GuestType

Plain = str | tuple["Plain", ...]

PATH_KEYS = ("kernel", "ramdisk", "bootloader")
"""The settings whose whole value is a file."""

_WORD_KEYS = ("name", "type", "builder", "memory", *PATH_KEYS)
_TYPES: dict[str, GuestType] = {"pv": "pv", "pvh": "pvh", "hvm": "hvm"}


@dataclass(frozen=True, slots=True)
class ConfigPath:
    """A file that the config needs: `key` says what for ("kernel", "disk[xvda1]"), `line` where."""

    key: str
    path: str
    line: int


@dataclass(frozen=True, slots=True)
class VifSpec:
    """A network interface as configured; None leaves it to xl (bridge: xenbr0, mac: random)."""

    text: str
    bridge: str | None = None
    mac: str | None = None
    ip: str | None = None


@dataclass(frozen=True, slots=True)
class XlConfig:
    """A config as xl understands it; `memory` is in MiB. Absent settings are None."""

    name: str | None
    type: GuestType
    kernel: str | None
    ramdisk: str | None
    bootloader: str | None
    memory: int | None
    disks: tuple[DiskSpec, ...]
    vifs: tuple[VifSpec, ...]
    values: Mapping[str, Value]

    def get(self, key: str) -> Plain | None:
        """The value that counts for `key`: a string (numbers too), a list as a tuple, or None."""
        value = self.values.get(key)
        return None if value is None else _plain(value)

    def paths(self) -> tuple[ConfigPath, ...]:
        """Every file that must be there on the host that starts the guest.

        That is kernel, ramdisk, the disks' targets, and a bootloader given by a path of its own: pygrub
        and names without a path come with Xen.
        """
        return tuple(self._paths())

    def _paths(self) -> Iterator[ConfigPath]:
        for key in PATH_KEYS:
            atom = self.values.get(key)
            if not isinstance(atom, Atom) or not atom.text:
                continue
            if key != "bootloader" or (atom.text.startswith("/") and not atom.text.endswith("/pygrub")):
                yield ConfigPath(key, atom.text, atom.line)
        for disk, atom in zip(self.disks, _atoms(self.values.get("disk", ())), strict=True):
            if disk.is_path:
                yield ConfigPath(f"disk[{disk.vdev}]", disk.target, atom.line)


def parse_config(text: str, source: str = "config") -> XlConfig:
    """Read a config; `source` names the file in errors.

    :raises ConfigSyntaxError: with line, column and hint, where xl would refuse the file or ignore a
        setting that is not of its form.
    """
    values: dict[str, Value] = {}
    for statement in read_assignments(text, source):
        before = values.get(statement.key) if statement.adds else None
        values[statement.key] = _added(before, statement, source)
    words = {key: _word(key, values[key], source) for key in _WORD_KEYS if key in values}
    texts = {key: atom.text for key, atom in words.items()}
    return XlConfig(
        name=texts.get("name"),
        type=_type(words, source),
        kernel=texts.get("kernel"),
        ramdisk=texts.get("ramdisk"),
        bootloader=texts.get("bootloader"),
        memory=_number(words["memory"], source) if "memory" in words else None,
        disks=tuple(_disk(atom, source) for atom in _items("disk", values, source)),
        vifs=tuple(_vif(atom) for atom in _items("vif", values, source)),
        values=MappingProxyType(values),
    )


def rewrite_paths(text: str, mapping: Mapping[str, str]) -> str:
    """The config with every path that `mapping` names (whole paths, old to new) replaced.

    Kernel, ramdisk, bootloader and disk targets are looked at, nothing else; all else stays as it is.

    :raises ConfigSyntaxError: when the config cannot be read.
    :raises UsageError: when a new path cannot stand in its disk specification (a comma in it).
    """
    edits: list[tuple[int, int, str]] = []
    for statement in read_assignments(text):
        atoms = _atoms(statement.value)
        for atom in atoms if statement.key in (*PATH_KEYS, "disk") else ():
            begin, end = _disk(atom, "config").span if statement.key == "disk" else (0, len(atom.text))
            new = mapping.get(atom.text[begin:end])
            if new is None:
                continue
            if statement.key == "disk" and not _fits(atom.text[:begin] + new + atom.text[end:], new):
                raise UsageError(f"{new!r} cannot stand in the disk {atom.text!r}", hint="only target= takes a comma")
            edits.append((*atom.place(begin, end), atom.quoted(new)))
    for start, stop, new in sorted(edits, reverse=True):
        text = text[:start] + new + text[stop:]
    return text


def _plain(value: Value) -> Plain:
    return value.text if isinstance(value, Atom) else tuple(map(_plain, value))


def _atoms(value: Value) -> tuple[Atom, ...]:
    return (value,) if isinstance(value, Atom) else tuple(a for item in value for a in _atoms(item))


def _added(before: Value | None, statement: Assignment, source: str) -> Value:
    value = statement.value
    if before is None:
        return value
    if isinstance(before, Atom) and isinstance(value, Atom):
        return replace(value, text=before.text + value.text)
    if isinstance(before, tuple) and isinstance(value, tuple):
        return before + value
    raise ConfigSyntaxError(
        f"{statement.key} += mixes a list and a string",
        source=source,
        line=statement.line,
        column=statement.column,
        hint="add a list to a list, or a string to a string",
    )


def _word(key: str, value: Value, source: str) -> Atom:
    if isinstance(value, Atom):
        return value
    place = (*_atoms(value), None)[0]
    raise ConfigSyntaxError(
        f"{key} is a list",
        source=source,
        line=place.line if place else 1,
        column=place.column if place else 1,
        hint=f'write {key} = "..."',
    )


def _items(key: str, values: Mapping[str, Value], source: str) -> tuple[Atom, ...]:
    value = values.get(key, ())
    if isinstance(value, tuple) and all(isinstance(item, Atom) for item in value):
        return _atoms(value)
    place = _atoms(value)[0] if _atoms(value) else Atom("", "", 0, 1, 1)
    raise ConfigSyntaxError(
        f"{key} is not a list of strings",
        source=source,
        line=place.line,
        column=place.column,
        hint=f"write {key} = [ '...', '...' ]; xl would ignore it",
    )


def _type(words: Mapping[str, Atom], source: str) -> GuestType:
    if "type" not in words:
        return "hvm" if "builder" in words and words["builder"].text == "hvm" else "pv"
    given = words["type"]
    if given.text in _TYPES:
        return _TYPES[given.text]
    raise ConfigSyntaxError(
        f"unknown guest type {given.text!r}",
        source=source,
        line=given.line,
        column=given.column,
        hint='type is "pv", "pvh" or "hvm"',
    )


def _number(atom: Atom, source: str) -> int:
    try:
        return int(atom.text, 0)
    except ValueError as odd:
        raise ConfigSyntaxError(
            f"{atom.text!r} is not a number", source=source, line=atom.line, column=atom.column
        ) from odd


def _disk(atom: Atom, source: str) -> DiskSpec:
    try:
        return parse_disk(atom.text)
    except DiskSyntaxError as odd:
        raise ConfigSyntaxError(odd.message, source=source, line=atom.line, column=atom.column, hint=odd.hint) from odd


def _fits(spec: str, target: str) -> bool:
    try:
        return parse_disk(spec).target == target
    except DiskSyntaxError:
        return False


def _vif(atom: Atom) -> VifSpec:
    pairs = (part.strip().partition("=") for part in atom.text.split(","))
    given = {key: value for key, equals, value in pairs if equals}
    return VifSpec(atom.text, bridge=given.get("bridge"), mac=given.get("mac"), ip=given.get("ip"))
