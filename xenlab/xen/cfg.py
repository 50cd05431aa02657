"""A guest's config file: read as xl reads it, and given new paths.

Source: xl.cfg(5), and parse_config_data() in Xen's xl_parse.c. Rewriting touches only what it must: comments, order
and spacing stay byte for byte.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from xenlab.errors import UsageError
from xenlab.xen import settings
from xenlab.xen.disk import DiskSpec, DiskSyntaxError, parse_disk
from xenlab.xen.files import ROLES, ConfigPath, Files, is_dropped_kernel
from xenlab.xen.grammar import (
    Assignment,
    Atom,
    ConfigSyntaxError,
    Value,
    atoms_of,
    edited,
    read_assignments,
    read_settings,
    settings_of,
    shown,
)
from xenlab.xen.numbers import c_long
from xenlab.xen.p9 import P9Spec, parse_p9
from xenlab.xen.parsers import GuestType
from xenlab.xen.vif import VifSpec, VifSyntaxError, parse_vif

__all__ = ["ConfigPath", "ConfigSyntaxError", "Plain", "XlConfig", "parse_config", "rewrite_paths"]

Plain = str | tuple["Plain", ...]

_TYPE_WORDS: Final[Mapping[str, Mapping[str, GuestType]]] = {
    "type": {"hvm": "hvm", "pv": "pv", "pvh": "pvh"},
    "builder": {"hvm": "hvm", "generic": "pv"},
}


@dataclass(frozen=True, slots=True)
class XlConfig:
    """A config as xl understands it; `memory` and `maxmem` are in MiB. Absent settings are None.

    `kernel` is None, too, where xl drops it (hvmloader). With a bootloader, `kernel` and `ramdisk` are words for that:
    see `paths()` for what xl opens.
    """

    name: str | None
    type: GuestType
    kernel: str | None
    ramdisk: str | None
    bootloader: str | None
    memory: int | None
    maxmem: int | None
    vcpus: int | None
    disks: tuple[DiskSpec, ...]
    vifs: tuple[VifSpec, ...]
    folders: tuple[P9Spec, ...]
    values: Mapping[str, Value]

    def get(self, key: str) -> Plain | None:
        """The value that counts for `key`: a string (numbers too, as written), a list as a tuple, or None."""
        value = self.values.get(key)
        return None if value is None else _plain(value)

    @property
    def files(self) -> Files:
        """Which settings are files of Dom0."""
        return Files(self.type, self.values, self.disks, self.folders)

    def paths(self) -> tuple[ConfigPath, ...]:
        """Every file that must be there on the host that starts the guest.

        That is what xl and libxl open: kernel and ramdisk where no bootloader finds them, a bootloader that is not
        Xen's own, firmware, device tree (opened on Arm only), device model, disks and shared folders. A disk for a
        hotplug script or of another domain is among them, with `via` saying so. Names without a path, which come with
        Xen, are not.
        """
        return tuple(self.files.paths())


def parse_config(text: str, source: str = "config") -> XlConfig:
    """Read a config; `source` names the file in errors.

    :raises ConfigSyntaxError: with line, column and hint, where xl would refuse the file or ignore a
        setting that is not of its form.
    """
    found = read_settings(text, source)
    guest_type = guest_type_of(found, source)
    for key, setting in found.items():
        if settings.is_read(key, guest_type):
            settings.check(setting, source)
    texts = {key: setting.value.text for key, setting in found.items() if isinstance(setting.value, Atom)}
    if is_dropped_kernel(texts.get("kernel", ""), guest_type):
        del texts["kernel"]
    values = {key: setting.value for key, setting in found.items()}
    return XlConfig(
        name=texts.get("name"),
        type=guest_type,
        kernel=texts.get("kernel"),
        ramdisk=texts.get("ramdisk"),
        bootloader=texts.get("bootloader"),
        memory=c_long(texts.get("memory", "")),
        maxmem=c_long(texts.get("maxmem", "")),
        vcpus=c_long(texts.get("vcpus", "")),
        disks=tuple(_disk(atom, source) for atom in atoms_of(values.get("disk", ()))),
        vifs=tuple(_vif(atom, source) for atom in atoms_of(values.get("vif", ()))),
        folders=_folders(values),
        values=MappingProxyType(values),
    )


def rewrite_paths(text: str, mapping: Mapping[str, str]) -> str:
    """The config with every path that `mapping` names (whole paths, old to new) replaced.

    What is no file of Dom0 (`XlConfig.paths`) stays as it is, and so does all else.

    :raises ConfigSyntaxError: when the config cannot be read.
    :raises UsageError: when a new path cannot stand in its disk or shared folder (a comma in it).
    """
    return edited(text, _edits(text, mapping))


def _edits(text: str, mapping: Mapping[str, str]) -> Iterator[tuple[int, int, str]]:
    statements = read_assignments(text)
    found = settings_of(statements)
    values = {key: setting.value for key, setting in found.items()}
    disks = tuple(_disk(atom, "config") for atom in atoms_of(values.get("disk", ())))
    files = Files(guest_type_of(found, "config"), values, disks, _folders(values))
    for statement in statements:
        for atom in atoms_of(statement.value):
            begin, end = _place_of_path(statement.key, atom, files)
            new = mapping.get(atom.text[begin:end]) if begin < end else None
            if new is None:
                continue
            spec = atom.text[:begin] + new + atom.text[end:]
            if not _fits(statement.key, spec, new):
                hint = "only a disk's target= takes a comma"
                raise UsageError(f"{new!r} cannot stand in the {statement.key} {shown(atom.text)}", hint=hint)
            yield (*atom.place(begin, end), atom.quoted(new))


def _place_of_path(key: str, atom: Atom, files: Files) -> tuple[int, int]:
    if key == "disk":
        return _disk(atom, "config").span
    if key == "p9":
        return parse_p9(atom.text).span
    return (0, len(atom.text)) if files.is_file(key, atom.text) else (0, 0)


def _fits(key: str, spec: str, path: str) -> bool:
    if key in ROLES:
        return True
    if key == "p9":
        return parse_p9(spec).path == path
    try:
        return parse_disk(spec).target == path
    except DiskSyntaxError:
        return False


def _plain(value: Value) -> Plain:
    return value.text if isinstance(value, Atom) else tuple(map(_plain, value))


def guest_type_of(found: Mapping[str, Assignment], source: str = "config") -> GuestType:
    """The guest's type by what counts of `type` and `builder` in a config.

    :raises ConfigSyntaxError: where xl knows no such type, or the two contradict each other.
    """
    by_type, by_builder = (_type_by(found.get(key), words, source) for key, words in _TYPE_WORDS.items())
    if by_type is None and "type" in found:
        given = atoms_of(found["type"].value)[0]
        raise _at(given, source, f"unknown guest type {shown(given.text)}", 'type is "pv", "pvh" or "hvm"')
    if by_type and by_builder and by_type != by_builder:
        given = atoms_of(found["builder"].value)[0]
        raise _at(given, source, f"builder {shown(given.text)} contradicts type", "drop builder: type says it all")
    # Any other builder ("linux", "pv") is PV's to Xen 4.9 and before; later ones refuse it in their own words.
    return by_type or by_builder or "pv"


def _type_by(setting: Assignment | None, words: Mapping[str, GuestType], source: str) -> GuestType | None:
    """The guest's type by one setting. xl takes the beginning of a word for the word: "h" is hvm, and "p" pv."""
    if setting is None:
        return None
    settings.check(setting, source)
    given = atoms_of(setting.value)[0].text
    return next((guest_type for word, guest_type in words.items() if word.startswith(given)), None)


def _disk(atom: Atom, source: str) -> DiskSpec:
    try:
        return parse_disk(atom.text)
    except DiskSyntaxError as odd:
        raise _at(atom, source, odd.message, odd.hint) from odd


def _folders(values: Mapping[str, Value]) -> tuple[P9Spec, ...]:
    return tuple(parse_p9(atom.text) for atom in atoms_of(values.get("p9", ())))


def _vif(atom: Atom, source: str) -> VifSpec:
    try:
        return parse_vif(atom.text)
    except VifSyntaxError as odd:
        raise _at(atom, source, f"vif: {odd}", "write mac=00:16:3e:00:00:01, or leave it to xl") from odd


def _at(atom: Atom, source: str, what: str, hint: str) -> ConfigSyntaxError:
    return ConfigSyntaxError(what, source=source, line=atom.line, column=atom.column, hint=hint)
