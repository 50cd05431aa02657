"""All entries in their order: of several that know a line, the first has it, so the general ones stand last."""

from types import MappingProxyType

from xenlab.causes.cause import Cause
from xenlab.causes.words.boot import BOOT
from xenlab.causes.words.config import CONFIG
from xenlab.causes.words.create import CREATE
from xenlab.causes.words.errno import ERRNO, LAST
from xenlab.causes.words.hotplug import HOTPLUG
from xenlab.causes.words.kernel import KERNEL
from xenlab.causes.words.move import MOVE
from xenlab.causes.words.nfs import NFS
from xenlab.causes.words.shells import SHELLS
from xenlab.causes.words.ssh import SSH
from xenlab.causes.words.xapi import XAPI
from xenlab.causes.words.xen import XEN

CHAPTERS: tuple[tuple[str, tuple[Cause, ...]], ...] = (
    ("Moves", MOVE),
    ("Making a domain", CREATE),
    ("Boot loader, kernel, QEMU", BOOT),
    ("Hotplug scripts", HOTPLUG),
    ("ssh between the hosts", SSH),
    ("Login shells", SHELLS),
    ("Xen and its services", XEN),
    ("Configs", CONFIG),
    ("XCP-ng and XenServer", XAPI),
    ("Kernel and hypervisor logs", KERNEL),
    ("NFS", NFS),
    ("What the operating system refuses", ERRNO),
    ("Anything else", LAST),
)
CAUSES: tuple[Cause, ...] = tuple(cause for _, chapter in CHAPTERS for cause in chapter)
_BY_ID = MappingProxyType({cause.id: cause for cause in CAUSES})


def cause_named(id_: str) -> Cause:
    """Return the entry of that id.

    :raises KeyError: there is none.
    """
    return _BY_ID[id_]
