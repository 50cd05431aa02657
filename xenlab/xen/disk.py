"""One disk of a guest's config, as xl reads it.

Source: xl-disk-configuration(5) and Xen's libxlu_disk_l.l. Parameters are separated by commas: flags,
KEY=VALUE, and those without a name, which fill target, format, vdev and access in turn. A deprecated
prefix (`tap:aio:`, `file:`, `phy:`, ...) leaves no place for the format, and `target=` takes all that is left of the
line, commas too. Where two rules fit, the one that takes more of the text wins, and then the one that is told first.
"""

import re
from dataclasses import dataclass, field
from typing import Final, Literal

from xenlab.errors import LabFault
from xenlab.xen.grammar import shown
from xenlab.xen.numbers import c_int_prefix
from xenlab.xen.parts import in_dom0
from xenlab.xen.vdev import canonical

Access = Literal["ro", "rw"]

_BLANKS = re.compile(r"[ \t\n]+")
_SEPARATOR = re.compile(r"[=,]")
_PREFIX = re.compile(r"(?P<name>[a-z][a-z0-9]*):")
_FORMAT_PREFIXES: Final = frozenset({"raw", "qcow", "qcow2", "vhd"})
_SCRIPT_PREFIXES: Final = frozenset({"iscsi", "nbd", "enbd", "drbd"})
_OTHER_PREFIXES: Final = frozenset({"tapdisk", "tap", "tap2", "aio", "ioemu", "file", "phy"})
_PREFIXES: Final = _FORMAT_PREFIXES | _SCRIPT_PREFIXES | _OTHER_PREFIXES

_ACCESS: Final[dict[str, Access]] = {"": "rw", "w": "rw", "rw": "rw", "r": "ro", "ro": "ro"}
_WORDS: Final = {
    "format": frozenset({"", "raw", "qcow", "qcow2", "vhd", "qed", "empty"}),
    "backendtype": frozenset({"phy", "tap", "qdisk", "standalone"}),
    "specification": frozenset({"xen", "virtio"}),
}
"""The keys that take one of a few words, and may be given again only with the same one."""

_TEXTS: Final = frozenset(
    {"backend", "vdev", "script", "target", "colo-host", "colo-export", "active-disk", "hidden-disk"}
)
"""The keys that take any text, and only once, but over an empty one."""

_KEYS: Final = _TEXTS.union(_WORDS, {"access", "colo-port", "devtype"}) - {"target"}

_FLAGS: Final = {
    **{"direct-io-safe": "direct-io-safe", "discard": "discard", "no-discard": "discard"},
    **{"colo": "colo", "no-colo": "colo", "trusted": "trusted", "untrusted": "trusted", "cdrom": "devtype"},
}
"""The flags, and which overrule each other."""


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
    def device(self) -> str:
        """The same name for all vdevs that mean the same disk: "51712" is xvda."""
        return canonical(self.vdev)

    @property
    def via(self) -> str | None:
        """What makes a disk of the target where Dom0 itself does not: "script block-drbd", "domain storage"."""
        if self.script is not None:
            return f"script {self.script}"
        return None if in_dom0(self.backend) else f"domain {self.backend}"

    @property
    def is_path(self) -> bool:
        """Whether the target is a file or device of this Dom0, and not for a script or driver domain."""
        return bool(self.target) and self.via is None


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
        self.flags: dict[str, str] = {}
        self.prefixes: list[str] = []
        self.span = (0, 0)
        self.has_access = False
        self._line_end = self._part_end = -1

    def read(self) -> DiskSpec:
        at = 0
        while at < len(self.spec):
            at = self._step(at)
        return self._finish()

    def _step(self, at: int) -> int:
        """Read the next thing, and say where the one after it begins."""
        part_end = self._end_of_part(at)
        blanks = _BLANKS.match(self.spec, at)
        prefix = None if blanks else _PREFIX.match(self.spec, at, part_end)
        if blanks and self._end_of_line(blanks.end()) >= part_end:
            return blanks.end()
        if prefix and prefix["name"] in _PREFIXES and not self.spec.startswith("\n", prefix.end()):
            if self._end_of_line(at) >= part_end:
                self._prefix(prefix["name"])
                return prefix.end()
        elif prefix and self._ends_as_prefix(prefix.end(), part_end):
            raise self._fault("unknown prefix", self.spec[at:])
        if self.spec.startswith("=", part_end):
            return self._key(at, part_end)
        word = self.spec[at:part_end]
        if word in _FLAGS:
            self.flags[_FLAGS[word]] = word
        else:
            self._positional(at, part_end)
        return part_end + 1

    def _ends_as_prefix(self, colon: int, part_end: int) -> bool:
        """Whether an unknown `word:` counts as a prefix: the longer of the two readings does."""
        if colon == len(self.spec):
            return True
        following = self.spec[colon]
        is_word = following.isascii() and (following.islower() or following.isdigit())
        return not is_word and self._end_of_line(colon + 1) >= part_end

    def _key(self, at: int, equals: int) -> int:
        key = self.spec[at:equals]
        if key == "target" and not self.spec.startswith("\n", equals + 1):
            end = self._end_of_line(equals + 1)
            self._set_target(equals + 1, end - self.spec.endswith(",", equals + 1, end))
            return end
        if key == "grant_usage" and self.spec[equals + 1 : equals + 2] in ("0", "1"):
            self.flags[key] = self.spec[at : equals + 2]
            return equals + 2 + self.spec.startswith(",", equals + 2)
        if key in _KEYS:
            comma = self.spec.find(",", equals)
            end = len(self.spec) if comma < 0 else comma
            self._set(key, self.spec[equals + 1 : end])
            return end + 1
        if equals < len(self.spec) - 1:
            raise self._fault("unknown parameter", self.spec[at:])
        # One odd "=" as the very last: xl's lexer never tells, as with the last character of a config.
        if key in _FLAGS:
            self.flags[_FLAGS[key]] = key
        elif key:
            self._positional(at, equals)
        return equals + 1

    def _prefix(self, name: str) -> None:
        self.prefixes.append(f"{name}:")
        if name in _FORMAT_PREFIXES:
            self._set("format", name)
        elif name in _SCRIPT_PREFIXES:
            self._set("script", f"block-{name}")

    def _positional(self, start: int, end: int) -> None:
        word = self.spec[start:end]
        if "target" not in self.named:
            self._set_target(start, end)
        elif not self.prefixes and "format" not in self.named:
            if self.named["target"] == "" and ":" in word:
                self._set_vdev(word)
                self.named["format"] = "empty"
            else:
                self._set("format", word)
        elif "vdev" not in self.named:
            self._set_vdev(word)
        elif not self.has_access:
            self.has_access = True
            self._set("access", word)
        else:
            raise self._fault("one parameter too many", word)

    def _set_vdev(self, word: str) -> None:
        vdev, colon, devtype = word.rpartition(":")
        self._set("vdev", vdev if colon else word)
        if colon:
            self._set("devtype", devtype)

    def _set_target(self, start: int, end: int) -> None:
        self._set("target", self.spec[start:end])
        self.span = (start, end)

    def _set(self, key: str, value: str) -> None:
        before = self.named.get(key)
        if key == "devtype":
            if value not in ("cdrom", "disk"):
                raise self._fault("unknown parameter value", f"devtype={value}")
            self.flags[key] = value
            return
        if (key == "access" and value not in _ACCESS) or (key in _WORDS and value not in _WORDS[key]):
            raise self._fault(f"unknown {key}", value)
        if key == "colo-port" and not c_int_prefix(value):
            raise self._fault("unknown colo-port", value)
        if key == "format":
            value = value or "raw"
        if before and (key in _TEXTS or (key in _WORDS and before != value)):
            raise self._fault(f"{key} given twice", value)
        self.named[key] = value

    def _finish(self) -> DiskSpec:
        named, cdrom = self.named, self.flags.pop("devtype", "disk") == "cdrom"
        target = named.get("target", "")
        if "vdev" not in named:
            raise self._fault("no vdev", self.spec)
        if "target" not in named and not cdrom:
            raise self._fault("no target", self.spec)
        own = {"target", "format", "vdev", "access", "backendtype", "backend", "script"}
        others = {f"{key}={value}" for key, value in named.items() if key not in own}
        return DiskSpec(
            target=target,
            format="empty" if cdrom and not target else named.get("format", "raw"),
            vdev=named["vdev"],
            access="ro" if cdrom else _ACCESS[named.get("access", "")],
            backendtype=named.get("backendtype"),
            backend=named.get("backend") or None,
            script=named.get("script") or None,
            cdrom=cdrom,
            prefixes=tuple(self.prefixes),
            options=tuple(sorted(others | set(self.flags.values()))),
            span=self.span,
        )

    def _end_of_line(self, at: int) -> int:
        """Where the line that holds `at` ends; kept, so that a long one is not searched for each part of it."""
        if at > self._line_end:
            found = self.spec.find("\n", at)
            self._line_end = len(self.spec) if found < 0 else found
        return self._line_end

    def _end_of_part(self, at: int) -> int:
        """Where the next "=" or "," is, or the end; kept as the line's."""
        if at > self._part_end:
            found = _SEPARATOR.search(self.spec, at)
            self._part_end = found.start() if found else len(self.spec)
        return self._part_end

    def _fault(self, what: str, near: str) -> DiskSyntaxError:
        return DiskSyntaxError(
            f"disk {shown(self.spec)}: {what} near {shown(near)}",
            hint="write target,format,vdev,access, as in '/mnt/share/guest.img,raw,xvda1,w'",
            expected="a disk as in xl-disk-configuration(5)",
        )
