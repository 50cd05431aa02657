"""The name of a virtual disk, and which names mean the same disk.

Source: xen-vbd-interface(7) and libxl__device_disk_dev_number() in Xen's libxl_device.c: "xvda", "d0p0", "51712" and
"0xca00" are one disk, and "hda" another, whatever the guest's kernel calls them.
"""

import re
from typing import Final

from xenlab.xen.numbers import c_long

_BY_LETTERS = re.compile(r"(?P<kind>xvd|hd|sd)(?P<disk>[a-z]{1,6})(?P<partition>[1-9][0-9]{0,3})?")
_BY_NUMBERS = re.compile(r"d(?P<disk>[0-9][0-9a-fA-FxX]*)p(?P<partition>[0-9][0-9a-fA-FxX]*)")
_MOST: Final = {"xvd": ((1 << 20) - 1, 255), "hd": (3, 63), "sd": (15, 15)}
"""The last disk and the last partition of each kind."""

_EXTENDED: Final = 1 << 28
_MAJORS: Final = {"xvd": 202, "sd": 8}
_IDE_MAJORS: Final = (3, 22)


def device_number(vdev: str) -> int | None:
    """The number by which xenstore knows the disk; None where libxl would refuse the name."""
    if found := _BY_NUMBERS.fullmatch(vdev):
        return _numbered("xvd", c_long(found["disk"]), c_long(found["partition"]))
    if found := _BY_LETTERS.fullmatch(vdev):
        disk = 0
        for letter in found["disk"]:
            disk = disk * 26 + ord(letter) - ord("a") + 1
        return _numbered(found["kind"], disk - 1, int(found["partition"] or 0))
    number = c_long(vdev)
    return number if number is not None and 0 <= number < 1 << 31 else None


def canonical(vdev: str) -> str:
    """The one name that stands for all that mean the same disk: xvda, hda, sda1; an unknown name is its own."""
    number = device_number(vdev)
    if number is None:
        return vdev
    major, minor = number >> 8, number & 255
    if major >= _EXTENDED >> 8:
        name = _named("xvd", major & (1 << 20) - 1, minor)
    elif major in _IDE_MAJORS:
        name = _named("hd", 2 * _IDE_MAJORS.index(major) + (minor >> 6), minor & 63)
    else:
        name = _named("sd" if major == _MAJORS["sd"] else "xvd", minor >> 4, minor & 15)
    return name if device_number(name) == number else str(number)


def _numbered(kind: str, disk: int | None, partition: int | None) -> int | None:
    last_disk, last_partition = _MOST[kind]
    if disk is None or partition is None or disk > last_disk or partition > last_partition:
        return None
    if kind == "hd":
        return _IDE_MAJORS[disk >> 1] << 8 | (disk & 1) << 6 | partition
    if disk > 15 or partition > 15:
        return _EXTENDED | disk << 8 | partition
    return _MAJORS[kind] << 8 | disk << 4 | partition


def _named(kind: str, disk: int, partition: int) -> str:
    letters = ""
    while disk >= 0:
        letters = chr(ord("a") + disk % 26) + letters
        disk = disk // 26 - 1
    return f"{kind}{letters}{partition or ''}"
