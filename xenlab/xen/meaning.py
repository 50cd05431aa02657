"""What a guest's config means to xl: two configs of the same meaning make the very same guest.

Source: Xen's xl_parse.c for what counts, libxl_create.c and libxl_nic.c for what is taken where nothing is said.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from xenlab.xen.cfg import XlConfig
from xenlab.xen.conf import XlConf
from xenlab.xen.disk import DiskSpec
from xenlab.xen.files import is_pygrub
from xenlab.xen.grammar import Atom, Value
from xenlab.xen.numbers import c_long
from xenlab.xen.parsers import GuestType
from xenlab.xen.parts import SCRIPTS, in_dom0, named_parts
from xenlab.xen.settings import KINDS, is_read
from xenlab.xen.vif import VifSpec

Meaning = int | str | tuple["Meaning", ...] | frozenset[tuple[str, str | None]]

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
_CPUS = re.compile(r"(?P<first>[0-9]{1,4})(?:-(?P<last>[0-9]{1,4}))?")
_DEVICES: Final = {
    **dict.fromkeys(("pvcalls", "usbctrl", "usbdev", "vdispl", "vfb", "vkb", "vtpm"), False),
    "channel": True,
}
"""Lists of KEY=VALUE parts whose order means nothing; true where blanks around them mean nothing either."""

_SCREEN: Final = frozenset(
    {
        *("display", "keymap", "opengl", "sdl", "xauthority"),
        *("vnc", "vncdisplay", "vnclisten", "vncpasswd", "vncunused"),
    }
)
"""An HVM guest's screen, and a PV guest's where it is on and no `vfb` says how."""

_OF_PCI: Final = frozenset({"pci_msitranslate", "pci_permissive", "pci_power_mgmt", "pci_seize"})

_BIOSES: Final = frozenset({"ovmf", "rombios", "seabios", "unknown"})
COMMAND_LINE: Final = ("cmdline", "root", "extra")
APART: Final = frozenset({"builder", "disk", "p9", "type", "vif", *COMMAND_LINE})
"""The settings that mean something together, or whose parts are compared one by one."""


def counts(config: XlConfig, key: str) -> bool:
    """Whether xl does anything with that setting of this config."""
    values, value = config.values, config.values.get(key)
    if value is None or not is_read(key, config.type):
        return False
    match key:
        case "kernel":
            return config.kernel is not None
        case "root" | "extra":
            return "cmdline" not in values
        case "stdvga":
            return "vga" not in values
    if key in _SCREEN and config.type != "hvm":
        return config.type == "pv" and not values.get("vfb") and bool(_number(config, "vnc"))
    return not (key in _OF_PCI and not values.get("pci"))


def settings_of(config: XlConfig) -> dict[str, Meaning]:
    """What each setting means, but for those `APART`, and those that say what xl takes anyway.

    An HVM guest's `firmware` is found as the `bios` or `firmware_override` that it stands for, and `stdvga` as `vga`.
    """
    means = {key: _setting(config, key) for key in config.values if key not in APART and counts(config, key)}
    if config.type == "hvm" and "firmware" in means:
        _put_firmware(means, str(means.pop("firmware")))
    if means.pop("stdvga", False):
        means["vga"] = "stdvga"
    anyway = {"maxmem": means.get("memory"), "maxvcpus": means.get("vcpus", 1), "ramdisk": "", "bios": "seabios"}
    unset = {"maxvcpus": 0, "max_event_channels": 0}
    for key in KINDS:
        default = KINDS[key].default
        if key in means and means[key] in ((), anyway.get(key), unset.get(key), default and _atom(key, default)):
            del means[key]
    return means


def command_line(config: XlConfig) -> str:
    """The kernel's command line. Source: parse_cmdline()."""
    cmdline, root, extra = (config.get(key) for key in COMMAND_LINE)
    if isinstance(cmdline, str):
        return cmdline
    parts = (f"root={root}" if isinstance(root, str) else None, extra if isinstance(extra, str) else None)
    return " ".join(part for part in parts if part is not None)


def vif(spec: VifSpec, guest_type: GuestType, conf: XlConf) -> VifSpec:
    """What an interface means to a guest of that type on a host with that xl.conf."""
    emulated = guest_type == "hvm" and spec.type != "vif"
    kind, model = ("ioemu", spec.model or "rtl8139") if emulated else ("vif", None)
    return replace(spec.on(conf), type=kind, model=model)


def disk(spec: DiskSpec) -> Meaning:
    """What a disk means, but for its target and its name."""
    same_as_default = {"no-colo", "trusted", "specification=xen", "discard" if spec.access == "rw" else "no-discard"}
    return (
        *(spec.format, spec.access, spec.backendtype or "", spec.cdrom),
        "" if in_dom0(spec.backend) else str(spec.backend),
        (spec.script or "").removeprefix(SCRIPTS),
        *(option for option in spec.options if option not in same_as_default),
    )


def _number(config: XlConfig, key: str) -> int | None:
    value = config.values.get(key)
    return c_long(value.text) if isinstance(value, Atom) else None


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
    """The CPUs of "0-3,^1" as a mask, or the text where it is no list of plain CPUs ("all", "nodes:1")."""
    mask = 0
    for word in filter(None, text.split(",")):
        found = _CPUS.fullmatch(word.removeprefix("^"))
        if found is None:
            return text
        first, last = int(found["first"]), int(found["last"] or found["first"])
        cpus = (2 << last) - (1 << first) if first <= last else 0
        mask = mask & ~cpus if word.startswith("^") else mask | cpus
    return mask


def _put_firmware(means: dict[str, Meaning], firmware: str) -> None:
    """Set what an HVM guest's `firmware` stands for: a `bios` by name, or by the beginning of one, or else a file."""
    if firmware.casefold() in _BIOSES:
        means["bios"] = firmware.casefold()
    elif "uefi".startswith(firmware):
        means["bios"] = "ovmf"
    elif not "bios".startswith(firmware):
        means["firmware_override"] = firmware
