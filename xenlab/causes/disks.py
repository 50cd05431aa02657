"""A guest's kernel log: the lines that speak of its own disks or file systems in trouble.

Source: Linux, fs/ext4/super.c, fs/jbd2/journal.c, fs/xfs/xfs_message.c, fs/btrfs/messages.c, block/blk-mq.c,
fs/buffer.c, mm/page_io.c and drivers/xen/xenbus, from 3.16 to 6.12.
"""

import re
from collections.abc import Collection

from xenlab.remote.answers import ends_of

_LONGEST_LINE = 500

# What a line must hold to be worth a closer look, what it must begin to say, and what must follow: one sweep each,
# so that a line costs its length, and most lines next to nothing.
_TROUBLE = tuple(
    (keys.split("|"), re.compile(about, re.IGNORECASE), re.compile(trouble, re.IGNORECASE))
    for keys, about, trouble in (
        (
            "i/o error|critical |page write|-error on swap-device",
            r"I/O error|critical [a-z ]{1,30} error, dev|lost (a?sync )?page write|(read|write)-error on swap-device",
            "",
        ),
        (
            "remounting filesystem|aborting journal|device/vbd/",
            r"Remounting filesystem read-only|Aborting journal|XENBUS: Timeout connecting to device: device/vbd/",
            "",
        ),
        # `errors=remount-ro` is an option of a sound mount, and another word.
        (
            "-fs",
            r"\bEXT[234]-fs\b",
            r"\berror\b|corrupt|recovery complete|mounting fs with errors|data will be lost|warning \(device",
        ),
        ("jbd", r"\bJBD2?: (?!barrier)", r"error|failed|abort|invalid checksum"),
        (
            "xfs (",
            r"\bXFS \([^)]{1,60}\): ",
            r"corrupt|\berror\b|shut(ting)? ?down|starting recovery|xfs_repair|recovery failed",
        ),
        ("btrfs", r"\bBTRFS:? (error|critical)\b", ""),
        (
            "btrfs",
            r"\bBTRFS\b",
            r"csum failed|verify failed|forced readonly|\berrs: |error corrected|tree-log replay|open_ctree failed",
        ),
        ("fat-fs", r"\bFAT-fs \([^)]{1,60}\): error", ""),
        ("vbd vbd", r"\bvbd vbd-\d{1,9}: ", r"fail|error|reading|timeout"),
    )
)
_DEVICE = re.compile(
    r"(?<![\w-])(?:/dev/)?(?P<kind>xvd|vd|sd|hd|dm-|md|nvme|mmcblk|fd|sr|scd|loop|ram|zram|nbd)"
    r"(?P<which>(?<=d)[a-z]{1,3}(?=\d|\b)|\d{1,4}(?=\b|n\d|p\d))"
)
_NO_DISK = frozenset({"fd", "sr", "scd", "loop", "ram", "zram", "nbd"})
_STACKED = frozenset({"dm-", "md"})
_NAMED_BY_LETTER = frozenset({"xvd", "vd", "sd", "hd"})


def disk_trouble(kernel_log: str, disks: Collection[str] | None) -> tuple[str, ...]:
    """The lines of a kernel log (dmesg(1)) that speak of the guest's disks or file systems in trouble.

    Errors of a disk, a damaged or read-only ext, XFS or btrfs, and a journal that had to be replayed after an unclean
    end. `disks` are the guest's by the names of its config ("xvda1"); a disk is the same whatever driver names it
    (hda, xvda, sda), and what is stacked on disks (dm-0, md0) is its own, too. None: any disk, but no floppy, CD, loop,
    RAM or network block device. A line that names no device counts.
    """
    letters = None if disks is None else {found["which"] for found in map(_DEVICE.search, disks) if found}
    return tuple(
        line
        for line in ends_of(kernel_log.splitlines())
        if line and _is_trouble(line[:_LONGEST_LINE]) and _is_own(line[:_LONGEST_LINE], letters)
    )


def _is_trouble(line: str) -> bool:
    lower = line.lower()
    return any(
        (found := about.search(line)) is not None and trouble.search(line, found.end()) is not None
        for keys, about, trouble in _TROUBLE
        if any(key in lower for key in keys)
    )


def _is_own(line: str, letters: set[str] | None) -> bool:
    named = [(found["kind"], found["which"]) for found in _DEVICE.finditer(line)]
    return not named or any(_is_disk(kind, which, letters) for kind, which in named)


def _is_disk(kind: str, which: str, letters: set[str] | None) -> bool:
    if letters is None or kind in _STACKED:
        return kind not in _NO_DISK
    return kind in _NAMED_BY_LETTER and which in letters
