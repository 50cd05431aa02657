"""One disk of a guest's config, as xl reads it.

Source: xl-disk-configuration(5) and Xen's libxlu_disk_l.l. Parameters are separated by commas: flags,
KEY=VALUE, and those without a name, which fill target, format, vdev and access in turn. A deprecated
prefix (`tap:aio:`, `file:`, `phy:`, ...) on the target leaves no place for the format, and `target=` takes
all that is left, commas too.
"""

import re
from dataclasses import dataclass, field
from typing import Final, Literal

from xenlab.errors import LabFault

Access = Literal["ro", "rw"]

_PREFIX = re.compile(r"(?P<format>raw|qcow2?|vhd):|(?P<script>iscsi|e?nbd|drbd):|(?:tapdisk|tap2?|aio|ioemu|file|phy):")
_UNKNOWN_PREFIX = re.compile(r"[a-z][a-z0-9]*:(?![a-z0-9])")
_ACCESS: Final[dict[str, Access]] = {"": "rw", "w": "rw", "rw": "rw", "r": "ro", "ro": "ro"}
_FORMATS = frozenset({"", "raw", "qcow", "qcow2", "vhd", "qed", "empty"})
_FLAGS = frozenset(
    {
        *("direct-io-safe", "discard", "no-discard", "trusted", "untrusted", "colo", "no-colo"),
        *("grant_usage=0", "grant_usage=1"),
    }
)
_KEYS = frozenset(
    {
        *("access", "backend", "backendtype", "devtype", "format", "script", "specification", "vdev"),
        *("colo-host", "colo-port", "colo-export", "active-disk", "hidden-disk"),
    }
)


class DiskSyntaxError(LabFault):
    """xl would refuse this disk."""


@dataclass(frozen=True, slots=True)
class DiskSpec:
    """A disk: `target` is what it rests on in Dom0, `vdev` the name the guest sees (xvda1).

    `prefixes` are the deprecated ones in front of the target ("tap:", "aio:"), `options` all other flags
    and KEY=VALUE, sorted. `span` is where the target stands in the text that was read.
    """

    target: str
    format: str
    vdev: str
    access: Access
    backendtype: str | None = None
    backend: str | None = None
    script: str | None = None
    cdrom: bool = False
    prefixes: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    span: tuple[int, int] = field(default=(0, 0), compare=False)

    @property
    def is_path(self) -> bool:
        """Whether the target is a file or device of this Dom0, and not for a script or driver domain."""
        return bool(self.target) and self.script is None and self.backend in (None, "0", "Domain-0")


def parse_disk(spec: str) -> DiskSpec:
    """Read one DISKSPEC, e.g. 'tap:aio:/srv/guest1.img,xvda1,w' or 'format=raw,vdev=xvda1,target=/x'.

    :raises DiskSyntaxError: where xl would refuse it.
    """
    return _Reader(spec).read()


class _Reader:
    """Reads one spec from left to right, as Xen's lexer does."""

    def __init__(self, spec: str) -> None:
        self.spec = spec
        self.named: dict[str, str] = {}
        self.options: set[str] = set()
        self.prefixes: list[str] = []
        self.cdrom = False
        self.span: tuple[int, int] | None = None

    def read(self) -> DiskSpec:
        at = 0
        while at < len(self.spec):
            if self.spec[at] in " \t\n":
                at += 1
            elif self.spec.startswith("target=", at):
                start, at = at + len("target="), len(self.spec)
                self._set_target(start, at - self.spec.endswith(","))
            elif prefix := _PREFIX.match(self.spec, at):
                self._prefix(prefix)
                at = prefix.end()
            elif _UNKNOWN_PREFIX.match(self.spec, at):
                raise self._fault("unknown prefix", self.spec[at:])
            else:
                end = self.spec.find(",", at)
                end = len(self.spec) if end < 0 else end
                self._parameter(at, end)
                at = end + 1
        return self._finish()

    def _prefix(self, prefix: re.Match[str]) -> None:
        self.prefixes.append(prefix[0])
        if prefix["format"]:
            self._set("format", prefix["format"])
        if prefix["script"]:
            self._set("script", f"block-{prefix['script']}")

    def _parameter(self, start: int, end: int) -> None:
        word = self.spec[start:end]
        key, equals, value = word.partition("=")
        if word in ("cdrom", "devtype=cdrom", "devtype=disk"):
            self.cdrom = word != "devtype=disk"
        elif word in _FLAGS:
            self.options.add(word)
        elif not equals:
            self._positional(start, end)
        elif key == "devtype" or key not in _KEYS:
            raise self._fault("unknown parameter", word)
        else:
            self._set(key, value)

    def _positional(self, start: int, end: int) -> None:
        word = self.spec[start:end]
        vdev, colon, devtype = word.rpartition(":")
        deprecated_type = colon and devtype in ("cdrom", "disk")
        if self.span is None:
            self._set_target(start, end)
        elif not self.prefixes and "format" not in self.named:
            if self.named["target"] == "" and deprecated_type:
                self._set("format", "empty")
                self._set_vdev(vdev, devtype)
            else:
                self._set("format", word or "raw")
        elif "vdev" not in self.named:
            self._set_vdev(*((vdev, devtype) if deprecated_type else (word, "")))
        elif "access" not in self.named:
            self._set("access", word)
        else:
            raise self._fault("one parameter too many", word)

    def _set_vdev(self, vdev: str, devtype: str) -> None:
        self._set("vdev", vdev)
        if devtype:
            self.cdrom = devtype == "cdrom"

    def _set_target(self, start: int, end: int) -> None:
        self._set("target", self.spec[start:end])
        self.span = (start, end)

    def _set(self, key: str, value: str) -> None:
        if (key == "access" and value not in _ACCESS) or (key == "format" and value not in _FORMATS):
            raise self._fault(f"unknown {key}", value)
        if self.named.get(key, value) not in ("", value):
            raise self._fault(f"{key} given twice", value)
        self.named[key] = value

    def _finish(self) -> DiskSpec:
        named = self.named
        target, disk_format = named.get("target", ""), named.get("format") or "raw"
        if not named.get("vdev"):
            raise self._fault("no vdev", self.spec)
        if "target" not in named and not self.cdrom:
            raise self._fault("no target", self.spec)
        known = {"target", "format", "vdev", "access", "backendtype", "backend", "script"}
        return DiskSpec(
            target=target,
            format="empty" if self.cdrom and not target else disk_format,
            vdev=named["vdev"],
            access="ro" if self.cdrom else _ACCESS[named.get("access", "")],
            backendtype=named.get("backendtype") or None,
            backend=named.get("backend") or None,
            script=named.get("script") or None,
            cdrom=self.cdrom,
            prefixes=tuple(self.prefixes),
            options=tuple(sorted(self.options | {f"{k}={v}" for k, v in named.items() if k not in known})),
            span=self.span or (0, 0),
        )

    def _fault(self, what: str, near: str) -> DiskSyntaxError:
        return DiskSyntaxError(
            f"disk {self.spec!r}: {what} near {near!r}",
            hint="write target,format,vdev,access, as in '/mnt/share/guest.img,raw,xvda1,w'",
            expected="a disk as in xl-disk-configuration(5)",
        )
