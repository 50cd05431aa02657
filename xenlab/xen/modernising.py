"""A config's outdated spellings in today's, where the meaning is surely the same: comments and layout stay.

Source: xl.cfg(5) and xl-disk-configuration(5). A disk without a deprecated prefix means the same to every xl; `type=`
is known since Xen 4.10 only, so that `builder=` stays unless it is asked for.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from xenlab.xen.cfg import guest_type_of
from xenlab.xen.disk import DiskSpec, DiskSyntaxError, parse_disk
from xenlab.xen.grammar import Assignment, Atom, atoms_of, edited, read_assignments, settings_of

_KEPT = frozenset({"iscsi:", "nbd:", "enbd:", "drbd:"})
"""Prefixes that name a hotplug script: what they mean in its place is not the same to each xl."""


def modernise(text: str, *, with_type: bool = False) -> str:
    """The config without deprecated prefixes of disks (`tap:aio:`), and `with_type` with `type=` for `builder=`.

    What cannot be said otherwise in the same meaning stays as it is, and so does a `builder` beside a `type`.

    :raises ConfigSyntaxError: when the config cannot be read.
    """
    statements = read_assignments(text)
    edits = [*_disks(statements), *(_builders(statements) if with_type else ())]
    return edited(text, edits)


def without_prefix(spec: str) -> str | None:
    """A disk without its deprecated prefixes; None where it has none, or would not mean the same.

    :raises DiskSyntaxError: where xl would refuse it.
    """
    before = parse_disk(spec)
    if not before.prefixes or _KEPT & set(before.prefixes):
        return None
    start, stop = before.span
    after = f"{spec[start:stop]},{before.format}{spec[stop:]}"
    try:
        same = _means_the_same(before, parse_disk(after))
    except DiskSyntaxError:
        return None
    return after if same else None


def _means_the_same(before: DiskSpec, after: DiskSpec) -> bool:
    return replace(before, prefixes=()) == after


def _disks(statements: Iterable[Assignment]) -> Iterator[tuple[int, int, str]]:
    for statement in statements:
        if statement.key == "disk":
            for atom in atoms_of(statement.value):
                after = without_prefix(atom.text)
                if after is not None:
                    yield (*atom.place(0, len(atom.text)), atom.quoted(after))


def _builders(statements: tuple[Assignment, ...]) -> Iterator[tuple[int, int, str]]:
    found = settings_of(statements)
    if "type" in found:
        return
    guest_type = guest_type_of(found)
    for statement in statements:
        if statement.key == "builder" and not statement.adds and isinstance(statement.value, Atom):
            atom = statement.value
            yield statement.start, statement.start + len(statement.key), "type"
            yield (*atom.place(0, len(atom.text)), atom.quoted(guest_type))
