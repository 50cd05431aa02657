"""An `xl -vvv migrate` as it is stamped on its host, made after the sources of Xen 4.14 (see `xen.stages`).

Its figures are those once measured on the classic lab: 1.5 s to connect, 18.2 s copy, 0.3 s suspend, 0.2 s last copy
and restore, 12 s hotplug scripts of two disks, 3.2 s of the vif.
"""

from xenlab.xen.stamps import Stamped, StampedWords

BEGAN = 5000.0
"""The sending host's uptime when the move began."""

_L = "libxl: debug: "
LINES: tuple[tuple[float, str], ...] = (
    (0.05, _L + "libxl_domain.c:466:libxl_domain_suspend: ao 0x55d0: create: how=(nil) callback=(nil) poller=0x55d1"),
    (1.50, "migration target: Ready to receive domain."),
    (1.51, "Saving to migration stream new xl format (info 0x3/0x0/1541)"),
    (1.52, "Loading new save file <incoming migration stream> (new xl fmt info 0x3/0x0/1541)"),
    (1.52, " Savefile contains xl domain config in JSON format"),
    (1.53, "Parsing config from <saved>"),
    (1.90, "libxl-save-helper: debug: starting save: Success"),
    (1.91, "xc: detail: fd 9, dom 3, flags 1, hvm 0"),
    (1.92, "xc: info: Saving domain 3, type x86 PV"),
    (2.40, _L + "libxl_create.c:1276:domcreate_bootloader_done: Domain 4:restoring, not running bootloader"),
    (2.41, "libxl-save-helper: debug: starting restore: Success"),
    (2.50, "xc: info: Found x86 PV domain from Xen 4.14"),
    (2.51, "xc: info: Restoring domain"),
    (
        19.70,
        _L + "libxl_dom_suspend.c:193:domain_suspend_callback_common: Domain 3:issuing PV suspend request via XenBus "
        "control node",
    ),
    (
        19.71,
        _L + "libxl_event.c:636:libxl__ev_xswatch_register: watch w=0x55d2 wpath=/local/domain/3/control/shutdown "
        "token=2/1: register slotnum=2",
    ),
    (
        19.90,
        _L + "libxl_dom_suspend.c:271:domain_suspend_common_pvcontrol_suspending: Domain 3:guest acknowledged suspend "
        "request",
    ),
    (19.90, _L + "libxl_dom_suspend.c:290:domain_suspend_common_wait_guest: Domain 3:wait for the guest to suspend"),
    (20.00, _L + "libxl_dom_suspend.c:348:suspend_common_wait_guest_check: Domain 3:guest has suspended"),
    (20.05, "libxl-save-helper: debug: complete r=0: Success"),
    (20.15, "xc: info: Restore successful"),
    (20.15, "xc: info: XenStore: mfn 0x137bdb, dom 0, evt 1"),
    (20.16, "libxl-save-helper: debug: complete r=0: Success"),
    (20.18, _L + "libxl_device.c:380:libxl__device_disk_set_backend: Disk vdev=xvda1 spec.backend=phy"),
    (20.20, _L + "libxl_linux.c:194:libxl__hotplug_disk: Domain 4:Args and environment ready"),
    (20.20, _L + "libxl_device.c:1191:device_hotplug: Domain 4:calling hotplug script: /etc/xen/scripts/block add"),
    (20.20, _L + "libxl_device.c:1198:device_hotplug: Domain 4:\tXENBUS_TYPE: vbd"),
    (20.20, _L + "libxl_aoutils.c:593:libxl__async_exec_start: forking to execute: /etc/xen/scripts/block add "),
    (20.60, _L + "libxl_device.c:1191:device_hotplug: Domain 4:calling hotplug script: /etc/xen/scripts/block add"),
    (26.10, _L + "libxl_linux.c:212:libxl__get_hotplug_script_info: Domain 4:num_exec 1, not running hotplug scripts"),
    (26.10, _L + "libxl_device.c:1176:device_hotplug: Domain 4:No hotplug script to execute"),
    (32.20, _L + "libxl_linux.c:212:libxl__get_hotplug_script_info: Domain 4:num_exec 1, not running hotplug scripts"),
    (32.20, _L + "libxl_device.c:1176:device_hotplug: Domain 4:No hotplug script to execute"),
    (
        32.50,
        _L + "libxl_device.c:1191:device_hotplug: Domain 4:calling hotplug script: /etc/xen/scripts/vif-bridge online",
    ),
    (35.70, _L + "libxl_device.c:1176:device_hotplug: Domain 4:No hotplug script to execute"),
    (35.90, "migration target: Transfer complete, requesting permission to start domain."),
    (35.92, "migration sender: Target has acknowledged transfer."),
    (35.93, "migration sender: Giving target permission to start."),
    (35.95, "migration target: Got permission, starting domain."),
    (36.00, "migration target: Domain started successsfully."),
    (36.01, "migration sender: Target reports successful startup."),
    (36.02, _L + "libxl_device.c:1191:device_hotplug: Domain 3:calling hotplug script: /etc/xen/scripts/block remove"),
    (38.50, "Migration successful."),
)


def told(
    lines: tuple[tuple[float, str], ...] = LINES, ahead: float = 0.0, doubt: float = 0.2, stopped_at: float = 120.0
) -> StampedWords:
    """The lines of a move whose guest "has suspended" at `stopped_at` on our clock.

    How the clocks stand is known to within `doubt`, and `ahead` is by how much the middle of that is wrong.
    """
    shift = stopped_at - (BEGAN + 20.0) + ahead
    stamped = tuple(Stamped(BEGAN + at, text) for at, text in lines)
    return StampedWords(BEGAN, stamped, shift - doubt, shift + doubt)


def without_debug(lines: tuple[tuple[float, str], ...] = LINES) -> tuple[tuple[float, str], ...]:
    """What an xl says that is not verbose."""
    return tuple((at, text) for at, text in lines if ": debug: " not in text and ": detail: " not in text)


def changed(lines: tuple[tuple[float, str], ...], words: str, by: float) -> tuple[tuple[float, str], ...]:
    """All from the last line with these words on comes so much later."""
    last = max(number for number, (_, text) in enumerate(lines) if words in text)
    return tuple((at + by * (number >= last), text) for number, (at, text) in enumerate(lines))
