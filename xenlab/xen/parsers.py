"""Reads what `xl list`, `xl info` and `xl list -l` print (Xen 4.9 to 4.20).

Every function raises CannotObserve for output it does not understand: an unread answer says nothing
about the lab.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from json import JSONDecodeError
from types import MappingProxyType
from typing import Any, Literal

from xenlab.errors import CannotObserve
from xenlab.jsontext import parsed
from xenlab.remote.answers import lines_of

GuestType = Literal["pv", "pvh", "hvm"]


@dataclass(frozen=True, slots=True)
class DomainRow:
    """One line of `xl list`: memory in MiB, CPU time in seconds.

    `state` is xl's six columns: running, blocked, paused, shut down, the reason for the shutdown
    (`r` reboot, `s` suspend, `c` crash, `w` watchdog, `S` soft reset), dying. All dashes means ready to run.
    """

    name: str
    domid: int
    memory_mib: int
    vcpus: int
    state: str
    cpu_seconds: float

    @property
    def paused(self) -> bool:
        """Stopped by `xl pause`, or not yet started."""
        return self.state[2] == "p"

    @property
    def shutdown(self) -> bool:
        """Has shut down (or suspended, or crashed) and not yet gone."""
        return self.state[3] == "s"

    @property
    def crashed(self) -> bool:
        """Has shut down because it crashed."""
        return self.state[4] == "c"

    @property
    def dying(self) -> bool:
        """Being taken down."""
        return self.state[5] == "d"

    @property
    def leaving(self) -> bool:
        """Shut down or being taken down, and soon gone with its devices; a crashed one may be kept to be looked at."""
        return (self.shutdown and not self.crashed) or self.dying

    @property
    def alive(self) -> bool:
        """Running, blocked or ready to run: neither paused nor on its way out."""
        return not (self.paused or self.shutdown or self.dying)


_ROW = re.compile(
    r"(?P<name>\S.*?)\s+(?P<domid>[0-9]{1,9})\s+(?P<memory>[0-9]{1,12})\s+(?P<vcpus>[0-9]{1,9})"
    r"\s+(?P<state>[r-][b-][p-][s-][rscwS?-][d-])\s+(?P<seconds>[0-9]{1,12}\.[0-9]{1,9})(?:\s.*)?"
)
_LONGEST_ROW = 1000


def parse_list(text: str) -> tuple[DomainRow, ...]:
    """The rows of `xl list`.

    :raises CannotObserve: when there is no header, no domain (Dom0 is always there), or an odd line.
    """
    lines = [line.rstrip() for line in lines_of(text, "xl list")]
    if not lines or lines[0].split()[:2] != ["Name", "ID"]:
        raise _unknown("xl list", lines[0] if lines else "")
    if len(lines) == 1:
        raise CannotObserve("xl list printed a header and no domain, not even Domain-0")
    return tuple(_row(line) for line in lines[1:])


def _row(line: str) -> DomainRow:
    found = _ROW.fullmatch(line) if len(line) <= _LONGEST_ROW else None
    if found is None:
        raise _unknown("xl list", line)
    return DomainRow(
        name=found["name"],
        domid=int(found["domid"]),
        memory_mib=int(found["memory"]),
        vcpus=int(found["vcpus"]),
        state=found["state"],
        cpu_seconds=float(found["seconds"]),
    )


@dataclass(frozen=True, slots=True)
class XenInfo:
    """What `xl info` says of one host; `version` is Xen's, `release` the Dom0 kernel's, `raw` every line by its key."""

    version: str
    release: str
    free_memory_mib: int
    total_memory_mib: int
    virt_caps: frozenset[str]
    xen_caps: tuple[str, ...]
    nr_cpus: int
    raw: Mapping[str, str]

    @property
    def series(self) -> tuple[int, int]:
        """Xen's major and minor version: guests move between equal ones, or to a newer one."""
        return int(self.raw["xen_major"]), int(self.raw["xen_minor"])

    @property
    def names_paging(self) -> bool:
        """Whether `virt_caps` tells `hap` and `shadow` at all: only since Xen 4.13."""
        return self.series >= (4, 13)

    def can_live_migrate(self, guest_type: GuestType) -> bool:
        """Whether this Xen can track the memory that a guest of this type dirties while it is copied.

        A PV guest needs `shadow` paging; PVH and HVM need `hvm` and either `hap` or `shadow`. A Xen too old
        to name its paging modes is taken to have shadow, as it was then always built in by default.
        """
        shadow = "shadow" in self.virt_caps or not self.names_paging
        if guest_type == "pv":
            return shadow
        return "hvm" in self.virt_caps and (shadow or "hap" in self.virt_caps)


_INFO_LINE = re.compile(r"(?P<key>[a-z]\w*)\s*:(?P<value>.*)")


def parse_info(text: str) -> XenInfo:
    """`xl info` as data.

    :raises CannotObserve: when a line that every Xen prints is missing or not a number.
    """
    found = (_INFO_LINE.fullmatch(line.rstrip()) for line in lines_of(text, "xl info"))
    raw = {line["key"]: line["value"].strip() for line in found if line is not None}
    try:
        return XenInfo(
            version=raw["xen_version"],
            release=raw["release"],
            free_memory_mib=int(raw["free_memory"]),
            total_memory_mib=int(raw["total_memory"]),
            virt_caps=frozenset(raw["virt_caps"].split()),
            xen_caps=tuple(raw["xen_caps"].split()),
            nr_cpus=int(raw["nr_cpus"]),
            raw=MappingProxyType(raw | {key: str(int(raw[key])) for key in ("xen_major", "xen_minor")}),
        )
    except KeyError as missing:
        raise CannotObserve(
            f"xl info printed no {missing.args[0]!r} line", hint="is this Dom0 running on Xen?"
        ) from missing
    except ValueError as odd:
        raise CannotObserve(f"xl info printed something unknown: {odd}") from odd


@dataclass(frozen=True, slots=True)
class DomainDisk:
    """A running domain's disk: what it rests on in Dom0, and what the guest sees."""

    target: str
    vdev: str
    format: str
    access: Literal["ro", "rw"]


@dataclass(frozen=True, slots=True)
class DomainVif:
    """A running domain's network interface; `bridge` and `ip` are None where xl gives none."""

    mac: str
    bridge: str | None
    ip: str | None


@dataclass(frozen=True, slots=True)
class Domain:
    """A running domain by its stored configuration, which is what `xl migrate` sends along.

    Editing the config file does not change it: it tells what the guest really runs on.
    """

    name: str
    domid: int
    type: str
    kernel: str | None
    ramdisk: str | None
    bootloader: str | None
    disks: tuple[DomainDisk, ...]
    vifs: tuple[DomainVif, ...]


def parse_list_long(text: str) -> tuple[Domain, ...]:
    """The domains of `xl list -l`, Dom0 among them when no name was given.

    :raises CannotObserve: when it is not the JSON that xl prints.
    """
    try:
        entries = parsed(text)
        return tuple(_domain(entry) for entry in (entries if isinstance(entries, list) else [entries]))
    except JSONDecodeError as odd:
        lines = text.splitlines()
        raise _unknown("xl list -l", lines[odd.lineno - 1] if odd.lineno <= len(lines) else "") from odd
    except KeyError as missing:
        raise CannotObserve(f"xl list -l printed a domain without {missing.args[0]!r}") from missing
    except (TypeError, ValueError, AttributeError) as odd:
        raise CannotObserve(f"xl list -l printed something unknown: {odd}") from odd


def _domain(entry: Mapping[str, Any]) -> Domain:
    config = entry["config"]
    created, built = config["c_info"], config.get("b_info", {})
    # Up to Xen 4.9 the PV kernel stood in a sub-record of its own.
    boot = {**built.get("type.pv", {}), **built}
    return Domain(
        name=_text(created["name"]),
        domid=_number(entry["domid"]),
        type=_text(created["type"]),
        kernel=_text_or_none(boot.get("kernel")),
        ramdisk=_text_or_none(boot.get("ramdisk")),
        bootloader=_text_or_none(boot.get("bootloader")),
        # xl leaves out whatever has its default value: an empty path, "not writable".
        disks=tuple(
            DomainDisk(
                target=_text(disk.get("pdev_path") or ""),
                vdev=_text(disk["vdev"]),
                format=_text(disk.get("format", "raw")),
                access="rw" if disk.get("readwrite") else "ro",
            )
            for disk in config.get("disks", ())
        ),
        vifs=tuple(
            DomainVif(_text(vif["mac"]), _text_or_none(vif.get("bridge")), _text_or_none(vif.get("ip")))
            for vif in config.get("nics", ())
        ),
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{repr(value)[:80]} where a text should be")
    return value


def _text_or_none(value: object) -> str | None:
    return None if value is None else _text(value)


def _number(value: object) -> int:
    if not isinstance(value, int):
        raise TypeError(f"{repr(value)[:80]} where a number should be")
    return value


def _unknown(command: str, line: str) -> CannotObserve:
    return CannotObserve(f"{command} printed " + (f"something unknown: {line[:200]!r}" if line else "nothing"))
