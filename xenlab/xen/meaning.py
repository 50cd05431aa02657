"""What a guest's config means to xl: two configs of the same meaning make the very same guest.

Source: Xen's xl_parse.c for what counts, libxl_create.c and libxl_nic.c for what is taken where nothing is said.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from xenlab.xen.cfg import XlConfig
from xenlab.xen.conf import XlConf
from xenlab.xen.disk import DiskSpec
from xenlab.xen.files import is_pygrub
from xenlab.xen.grammar import Atom, Value
from xenlab.xen.numbers import c_long
from xenlab.xen.parsers import GuestType
from xenlab.xen.parts import named_parts
from xenlab.xen.settings import KINDS, is_read
from xenlab.xen.vif import VifSpec

Meaning = int | str | tuple["Meaning", ...] | frozenset[int] | frozenset[tuple[str, str | None]]

_SCRIPTS: Final = "/etc/xen/scripts/"
_DOM0: Final = (None, "0", "Domain-0")
_NUMBERED: Final[Mapping[str, tuple[str, ...]]] = {
    "altp2m": ("disabled", "mixed", "external", "limited"),
    "timer_mode": (
        *("delay_for_missed_ticks", "no_delay_for_missed_ticks"),
        *("no_missed_ticks_pending", "one_missed_tick_pending"),
    ),
    "tsc_mode": ("default", "always_emulate", "native", "native_paravirt"),
}
"""Words that may also be given by their number."""

_FLAGS_OR_WORDS: Final = frozenset({"gfx_passthru", "viridian"})
_CPU_SETS: Final = frozenset({"cpus", "cpus_soft"})
_CPUS = re.compile(r"(?P<first>[0-9]{1,5})(?:-(?P<last>[0-9]{1,5}))?")
_DEVICES: Final = {
    **dict.fromkeys(("pvcalls", "usbctrl", "usbdev", "vdispl", "vfb", "vkb", "vtpm"), False),
    "channel": True,
}
"""Lists of KEY=VALUE parts whose order means nothing; true where blanks around them mean nothing either."""

_BIOSES: Final = frozenset({"ovmf", "rombios", "seabios", "unknown"})
COMMAND_LINE: Final = ("cmdline", "root", "extra")
APART: Final = frozenset({"builder", "disk", "p9", "type", "vif", *COMMAND_LINE})
"""The settings that mean something together, or whose parts are compared one by one."""


def counts(config: XlConfig, key: str) -> bool:
    """Whether xl does anything with that setting of this config."""
    value = config.values.get(key)
    if value is None or not is_read(key, config.type):
        return False
    if key in ("root", "extra") and "cmdline" in config.values:
        return False
    return not (key == "kernel" and isinstance(value, Atom) and config.files.is_ignored_kernel(value.text))


def settings_of(config: XlConfig) -> dict[str, Meaning]:
    """What each setting means, but for those `APART`, and those that say what xl takes anyway.

    An HVM guest's `firmware` is found as the `bios` or `firmware_override` that it stands for.
    """
    means = {key: _setting(config, key) for key in config.values if key not in APART and counts(config, key)}
    if config.type == "hvm" and "firmware" in means:
        _put_firmware(means, str(means.pop("firmware")))
    defaults = {"maxmem": means.get("memory"), "maxvcpus": means.get("vcpus", 1), "ramdisk": "", "bios": "seabios"}
    for key in KINDS:
        default = KINDS[key].default
        if key in means and means[key] in ((), defaults.get(key), default and _atom(key, default)):
            del means[key]
    return means


def command_line(config: XlConfig) -> str:
    """The kernel's command line. Source: parse_cmdline()."""
    cmdline, root, extra = (config.get(key) for key in COMMAND_LINE)
    if isinstance(cmdline, str):
        return cmdline
    parts = (f"root={root}" if isinstance(root, str) else None, extra if isinstance(extra, str) else None)
    return " ".join(part for part in parts if part is not None)


def vif(spec: VifSpec, guest_type: GuestType, conf: XlConf) -> Meaning:
    """What an interface means on a host with that xl.conf."""
    emulated = guest_type == "hvm" and spec.type != "vif"
    backend = spec.backend or conf.default_backend
    return (
        spec.bridge or conf.default_bridge or "xenbr0",
        (spec.script or conf.default_script or "vif-bridge").removeprefix(_SCRIPTS),
        "0" if backend in _DOM0 else str(backend),
        (spec.model or "rtl8139") if emulated else "",
        spec.mac or "",
        spec.ip or "",
        *_vif_options(spec, conf),
    )


def disk(spec: DiskSpec) -> Meaning:
    """What a disk means, but for its target and its name."""
    same_as_default = {"no-colo", "trusted", "specification=xen", "discard" if spec.access == "rw" else "no-discard"}
    return (
        *(spec.format, spec.access, spec.backendtype or "", spec.cdrom),
        "0" if spec.backend in _DOM0 else str(spec.backend),
        (spec.script or "").removeprefix(_SCRIPTS),
        *(option for option in spec.options if option not in same_as_default),
    )


def _vif_options(spec: VifSpec, conf: XlConf) -> Iterator[str]:
    yield from spec.options
    if conf.default_gatewaydev and not any(option.startswith("gatewaydev=") for option in spec.options):
        yield f"gatewaydev={conf.default_gatewaydev}"


def _setting(config: XlConfig, key: str) -> Meaning:
    value = config.values[key]
    if isinstance(value, Atom):
        return _atom(key, value.text)
    if key in _DEVICES:
        return tuple(_parts(item, _DEVICES[key]) for item in value)
    return tuple(_item(key, item) for item in value)


def _atom(key: str, text: str) -> Meaning:
    form, number = KINDS[key].form, c_long(text)
    if form == "flag" or (key in _FLAGS_OR_WORDS and number is not None):
        return int(bool(number))
    if form == "number" and number is not None:
        return max(number, 1) if key == "vcpus" else number
    if key in _NUMBERED:
        names = _NUMBERED[key]
        return names[number] if number is not None and 0 <= number < len(names) else text.casefold()
    if key in _CPU_SETS:
        return _cpus(text)
    if key == "bootloader" and is_pygrub(text):
        return "pygrub"
    if key == "uuid":
        return text.replace("-", "").casefold()
    return text.casefold() if form == "word" else text


def _item(key: str, item: Value) -> Meaning:
    if not isinstance(item, Atom):
        return tuple(_item(key, one) for one in item)
    return _cpus(item.text) if key in _CPU_SETS else item.text


def _parts(item: Value, trimmed: bool) -> Meaning:
    return frozenset(named_parts(item.text, trimmed=trimmed).items()) if isinstance(item, Atom) else ()


def _cpus(text: str) -> Meaning:
    """The CPUs of "0-3,^1", or the text where it is no list of plain CPUs ("all", "nodes:1")."""
    chosen: set[int] = set()
    for word in filter(None, text.split(",")):
        found = _CPUS.fullmatch(word.removeprefix("^"))
        if found is None:
            return text
        cpus = range(int(found["first"]), int(found["last"] or found["first"]) + 1)
        chosen = chosen.difference(cpus) if word.startswith("^") else chosen.union(cpus)
    return frozenset(chosen)


def _put_firmware(means: dict[str, Meaning], firmware: str) -> None:
    """Set what an HVM guest's `firmware` stands for: a `bios` by name, or by the beginning of one, or else a file."""
    if firmware.casefold() in _BIOSES:
        means["bios"] = firmware.casefold()
    elif "uefi".startswith(firmware):
        means["bios"] = "ovmf"
    elif not "bios".startswith(firmware):
        means["firmware_override"] = firmware
