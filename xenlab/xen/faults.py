"""The faults of a Xen lab that xl's messages tell of: one table of words, error class, message and hint."""

import re
from dataclasses import dataclass

from xenlab.errors import LabFault


class XlError(LabFault):
    """An xl command failed; `actual` is xl's own line."""


class StateUndefined(XlError):
    """The final handshake of a migration broke: the guest may be on both hosts or on none."""


class GuestHasNoShadowPaging(XlError):
    """Xen cannot log the pages that this guest dirties, so it cannot be moved live."""


class GuestDidNotSuspend(XlError):
    """The guest did not stop when it was asked to, for the last part of a migration."""


class PeerRefusedLogin(XlError):
    """The other host does not let root in without a prompt, or is not the host that is known."""


class PeerUnreachable(XlError):
    """No SSH connection to the other host."""


class PeerLoginNoisy(XlError):
    """Root's shell on the other host writes into the migration stream."""


class NeedsRoot(XlError):
    """xl was not run by root."""


class XenNotRunning(XlError):
    """The host runs without Xen, or without Xen's services."""


class ConfigFileMissing(XlError):
    """There is no config file at that path on this host."""


class BadConfigSyntax(XlError):
    """xl cannot read the config."""


class InvalidDomainType(XlError):
    """The config asks for a kind of guest that xl does not know."""


class DomainExists(XlError):
    """A domain of that name is there already."""


class NoSuchDomain(XlError):
    """No domain of that name runs on this host."""


class DiskMissing(XlError):
    """A disk's file or device is not there, or cannot be read."""


class KernelMissing(XlError):
    """The guest's kernel or ramdisk is not there, or none is named."""


class BridgeMissing(XlError):
    """The bridge of a network interface is not there."""


class TimedOutHotplug(XlError):
    """A hotplug script took longer than xl waits."""


class NotEnoughMemory(XlError):
    """The host has too little free memory for the guest."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Words of xl, and what they mean; `message` may name the groups of `pattern`."""

    error: type[XlError]
    pattern: re.Pattern[str]
    message: str
    hint: str


def _fault(error: type[XlError], pattern: str, message: str, hint: str) -> Fault:
    return Fault(error, re.compile(pattern, re.MULTILINE), message, hint)


_LOGIN_HINT = (
    "xl migrates through ssh as root: put root's public key of this host into the peer's "
    "/root/.ssh/authorized_keys and the peer's host key into known_hosts, "
    "then try `ssh -o BatchMode=yes root@PEER true`"
)
_BOOT_HINT = (
    "kernel= and ramdisk= are files of the host that starts the guest, the target of a migration, too: "
    "give their path on the share"
)
_BRIDGE_HINT = (
    "make the bridge on this host, or name the one it has, as in vif = ['bridge=xenbr0'] "
    "(see `ip link show type bridge`)"
)
_MEMORY_HINT = "compare memory= with free_memory in `xl info`; lower Dom0's share, or shut another guest down"

# From the gravest and the most telling down: xl often says several things, the later ones being consequences.
FAULTS: tuple[Fault, ...] = (
    _fault(
        StateUndefined,
        r"CHECK AT BOTH ENDS|Domain state is now undefined",
        "the final handshake broke, so the guest may be on both hosts or on none",
        "run `xl list` on both; destroy all copies but one before anything writes to the disk",
    ),
    _fault(
        GuestHasNoShadowPaging,
        r"Failed to enable logdirty: 95\b",
        "this Xen cannot track the pages that the guest dirties",
        'a PV guest needs `shadow` in virt_caps of `xl info`: use a Xen built with it, or type="pvh"',
    ),
    _fault(
        GuestDidNotSuspend,
        r"guest did not suspend, timed out|failed to suspend at sender",
        "the guest did not suspend when asked",
        "is it paused, hung, or without Xen drivers? try `xl unpause` and its console",
    ),
    _fault(
        PeerRefusedLogin,
        r"Host key verification failed",
        "the peer's host key is unknown or has changed",
        _LOGIN_HINT,
    ),
    _fault(
        PeerRefusedLogin,
        r"Permission denied(, please try again| \([\w,-]+\))",
        "the peer refused root's login",
        _LOGIN_HINT,
    ),
    _fault(
        PeerUnreachable,
        r"ssh: connect to host (?P<peer>\S+) port \d+: (?P<why>.+)",
        "no SSH connection to {peer}: {why}",
        "is the peer up, in the same network, and is its ssh server running?",
    ),
    _fault(
        PeerUnreachable,
        r"Could not resolve hostname (?P<peer>[^\s:]+)",
        "the name {peer} is not known",
        "give the peer's address, or add it to /etc/hosts",
    ),
    _fault(
        NeedsRoot,
        r"privileged command interface: Permission denied|cannot open libxc handle: Permission denied"
        r"|lock\S* \S* ?errno=13|must be (run as )?root",
        "root is needed",
        "log in as root, or allow sudo without a password",
    ),
    _fault(
        XenNotRunning,
        r"privileged command interface: |Can't find hypervisor information|cannot open libxc handle"
        r"|cannot connect to xenstore|xs_open failed|cannot init xl context|\bxl: (command )?not found",
        "Xen, its services or its tools are not running on that host",
        "boot the Xen entry (`xl info` must work), and see `systemctl status xenstored xenconsoled`",
    ),
    _fault(
        PeerLoginNoisy,
        r"contained unexpected data instead of banner",
        "something was read from the peer before xl's own greeting",
        "keep root's .bashrc on the peer silent in sessions that are not interactive",
    ),
    _fault(
        ConfigFileMissing,
        r"Failed to read config file: (?!/etc/xen/xl\.conf)(?P<path>[^:\n]+): (?P<why>.+)",
        "cannot read {path}: {why}",
        "is the share mounted on this host, and is the file there?",
    ),
    _fault(
        BadConfigSyntax,
        r"^(?P<where>\S+): config parsing error (?P<what>.+)",
        "{where}: {what}",
        "see xl.cfg(5): NAME = VALUE, with text in quotes and lists in [ ]",
    ),
    _fault(
        InvalidDomainType,
        r"Invalid domain type (?P<type>\S+?)\.?$",
        "guest type {type!r} is not known",
        'write type="pv", "pvh" or "hvm"; xl since 4.10 refuses builder="pv"',
    ),
    _fault(
        InvalidDomainType,
        r'Contradicting "builder" and "type"',
        "builder and type contradict each other",
        "drop builder, which is deprecated",
    ),
    _fault(
        DomainExists,
        r'Domain with name "(?P<name>[^"]+)" already exists',
        "a domain named {name} is there already",
        "a guest runs on one host only: see `xl list`; NAME--incoming and NAME--migratedaway "
        "are left from a broken migration",
    ),
    _fault(
        NoSuchDomain,
        r"^(?P<name>\S+) is an invalid domain identifier",
        "no domain {name} on this host",
        "see `xl list` on both hosts",
    ),
    _fault(
        NoSuchDomain,
        r"domain name '(?P<name>[^']+)', maybe|Domain '(?P<other>[^']+)' does not exist",
        "no such domain on this host",
        "see `xl list` on both hosts",
    ),
    _fault(
        DiskMissing,
        r"Disk vdev=(?P<vdev>\S+) failed to stat: (?P<path>[^:\n]+)(: (?P<why>.+))?",
        "disk {vdev}: {path}: {why}",
        "is the share mounted on this host at the same path, and may root read it (no_root_squash)?",
    ),
    _fault(
        DiskMissing,
        r"no suitable backend for disk (?P<vdev>\S+)",
        "disk {vdev} is of no kind that this host can serve",
        "is the target there, and is its format right?",
    ),
    _fault(
        DiskMissing,
        r"script: (?P<path>\S+) (?P<why>does not exist|is not a block device)\.",
        "disk {path} {why}",
        "is the share mounted on this host at the same path?",
    ),
    _fault(
        KernelMissing,
        r"failed to open file '(?P<path>[^']+)': (?P<why>[^:\n]+)",
        "cannot open {path}: {why}",
        _BOOT_HINT,
    ),
    _fault(
        KernelMissing,
        r"xc_dom_(?P<which>kernel|ramdisk|module)_file failed: (?P<why>.+)",
        "the {which} cannot be loaded: {why}",
        _BOOT_HINT,
    ),
    _fault(
        KernelMissing,
        r"Neither kernel nor bootloader specified",
        "the config names neither kernel nor bootloader",
        'set kernel= and ramdisk=, or bootloader="pygrub"',
    ),
    _fault(
        BridgeMissing,
        r"Could not find bridge device (?P<bridge>\S+)",
        "this host has no bridge {bridge}",
        _BRIDGE_HINT,
    ),
    _fault(
        BridgeMissing,
        r"Could not find bridge, and none was specified|scripts/vif-bridge (online|add) .*exited with error",
        "no bridge was found for a network interface",
        _BRIDGE_HINT,
    ),
    _fault(
        TimedOutHotplug,
        r"killing execution of (?P<script>.+) because of timeout",
        "{script} took too long",
        "a mount that hangs, or a very slow host: see /var/log/xen/xen-hotplug.log",
    ),
    _fault(
        NotEnoughMemory,
        r"failed to free memory for the domain|can't allocate low memory|Cannot allocate memory"
        r"|Could not allocate memory for HVM guest|Couldn't set max memory",
        "too little free memory on that host",
        _MEMORY_HINT,
    ),
)
