"""Moves: what xl migrate, libxl's save and restore streams and libxc say when a guest does not arrive."""

from xenlab.causes.cause import Cause, Rank

_LOOK_ON_BOTH = "`xl list` on {source} and {target}, also for {guest}--incoming and {guest}--migratedaway"
_CRASH_WITNESSES = (
    '`xl dmesg` and the guest\'s console log (xenconsoled --log=guest) on {host}; on_crash="preserve" in its config '
    "keeps a crashed guest to look at"
)
_SAVE = "tools/libs/guest/xg_sr_save.c"
_SUSPEND = "tools/libs/light/libxl_dom_suspend.c"
_MIGRATE = "tools/xl/xl_migrate.c"

MOVE = (
    Cause(
        id="state-undefined",
        patterns=("Domain state is now undefined", "CHECK AT BOTH ENDS"),
        meaning="the final handshake broke, so the guest may be on both hosts or on none",
        side="host",
        remedy=f"{_LOOK_ON_BOTH}: start, unpause and rename nothing until one copy alone can write to the disk",
        example="Domain state is now undefined !",
        source=_MIGRATE,
        rank=Rank.GRAVE,
    ),
    Cause(
        id="copy-left-on-target",
        patterns=("migration target: Failed to destroy our copy",),
        meaning="the target could not start the guest, nor get rid of its own copy",
        side="target",
        remedy=f"{_LOOK_ON_BOTH}: start and unpause nothing until one copy alone can write to the disk",
        example="migration target: Failed to destroy our copy (code -3).",
        source=_MIGRATE,
        rank=Rank.GRAVE,
    ),
    Cause(
        id="no-log-dirty",
        patterns=("Failed to enable logdirty: 95,",),
        meaning="this Xen cannot track the memory that the guest writes to, so it cannot be moved live",
        side="source",
        remedy="a PV guest needs `shadow` in virt_caps of `xl info` on {source}: use a Xen built with it, or "
        'type="pvh"; '
        "a PVH or HVM guest needs hap or shadow",
        example="xc: error: Failed to enable logdirty: 95,22,0 (22 = Invalid argument): Internal error",
        source=_SAVE,
        versions="PV: Debian's 4.17 and later are built without shadow paging, its 4.14 with it",
    ),
    Cause(
        id="log-dirty-refused",
        patterns=("Failed to enable logdirty: {codes...} (",),
        meaning="Xen refused to track the memory that the guest writes to",
        side="source",
        remedy="`xl dmesg` on {source} says why; shadow_memory= in the config may be too small",
        example="xc: error: Failed to enable logdirty: 12,12,0 (12 = Cannot allocate memory): Internal error",
        source=_SAVE,
    ),
    Cause(
        id="guest-gone-while-sent",
        patterns=(
            "Failed to get types for pfn batch (3 = No such process)",
            "Failed to map guest pages (3 = No such process)",
            "Failed to retrieve logdirty bitmap (3 = No such process)",
            "Unable to refresh domain information (3 = No such process)",
            "guest we were suspending has been destroyed",
        ),
        meaning="the guest crashed or was ended while it was sent",
        side="guest",
        remedy=f"see where it is with {_LOOK_ON_BOTH}; {_CRASH_WITNESSES}",
        example="xc: error: Failed to get types for pfn batch (3 = No such process): Internal error",
        source=f"{_SAVE}, {_SUSPEND}",
    ),
    Cause(
        id="guest-did-not-suspend",
        patterns=(
            "guest did not suspend",
            "guest didn't acknowledge suspend",
        ),
        meaning="the guest did not suspend when asked",
        side="guest",
        remedy="is it paused, hung, or without Xen drivers? see its state in `xl list` on {source}, `xl unpause` it "
        "if it is paused, and look at its console",
        example="libxl: error: libxl_dom_suspend.c:366:suspend_common_wait_guest_timeout: Domain 3:guest did not "
        "suspend, timed out",
        source=_SUSPEND,
    ),
    Cause(
        id="guest-not-sendable-as-it-stands",
        patterns=("Bad mfn for L{table}: ", "p2m generation count changed. Migration aborted."),
        meaning="the guest's page tables cannot be sent as they stand, as with one that is paused",
        side="guest",
        remedy="a PV guest must run while it is sent, and keep its memory's size: `xl unpause` it if `xl list` on "
        "{source} shows it paused, and move it again",
        example="xc: error: Bad mfn for L1[510]: Internal error",
        source="tools/libs/guest/xg_sr_save_x86_pv.c",
    ),
    Cause(
        id="guest-failed-while-suspending",
        patterns=("save callback suspend() failed", "Domain has not been suspended: shutdown {down}, reason {reason}"),
        meaning="the guest took the request to suspend, and did something else: crashed, shut down or went on",
        side="guest",
        remedy=f"see its state in `xl list` on {{source}}; {_CRASH_WITNESSES}",
        example="xc: error: save callback suspend() failed: 0: Internal error",
        source=_SAVE,
    ),
    Cause(
        id="guest-too-busy",
        patterns=("Migration aborted as requested, domain is too busy",),
        meaning="the guest dirties its memory faster than it can be sent, and xl was told to give up then",
        side="guest",
        remedy="the guest went on at {source}: lessen its load or use a faster network; xl's --max_iters, "
        "--max_factor and --abort_if_busy say when it gives up",
        example="Migration aborted as requested, domain is too busy.",
        source=_MIGRATE,
        versions="SUSE's xl only",
    ),
    Cause(
        id="guest-cannot-be-saved",
        patterns=(
            "Cannot save a guest with vNUMA configured",
            "Unknown emulator for HVM domain",
            "Cannot save this big a guest",
        ),
        meaning="a guest of this make cannot be saved, and so not moved",
        side="guest",
        remedy="change what the line names in the guest's config, and start it anew",
        example="libxl: error: libxl_dom_save.c:284:libxl__domain_save: Domain 3:Cannot save a guest with vNUMA "
        "configured",
        source="tools/libs/light/libxl_dom_save.c, libxl_stream_write.c",
    ),
    Cause(
        id="no-stored-config",
        patterns=(
            "No config file stored for running domain",
            "unable to retrieve domain configuration",
            "unable to convert config file to JSON",
        ),
        meaning="xl has no stored config of the running guest",
        side="source",
        remedy="was it started by something else than xl? give its config with `xl migrate -C FILE`",
        example="No config file stored for running domain and none supplied - cannot migrate.",
        source=f"{_MIGRATE}, tools/xl/xl_saverestore.c",
    ),
    Cause(
        id="device-model-not-responding",
        patterns=(
            "failed to suspend device model",
            "logdirty switch failed",
            "logdirty switch: wait for device model timed out",
            "device model required but not running",
            "Couldn't enable qemu log-dirty mode",
            " QMP socket",
            "Failed to connect to QMP",
            "Error happened with the QMP connection to QEMU",
        ),
        meaning="the guest's QEMU does not answer libxl",
        side="host",
        remedy="see /var/log/xen/qemu-dm-{guest}.log on {host}, and whether the guest's qemu-system process is there",
        example="libxl: error: libxl_dom_save.c:117:switch_logdirty_timeout: logdirty switch: wait for device model "
        "timed out",
        source="tools/libs/light/libxl_dom_save.c, libxl_dm.c",
        versions="HVM guests",
    ),
    Cause(
        id="cpu-features-differ",
        patterns=(
            "Failed to set CPUID policy: leaf",
            "Failed to apply CPUID policy",
            "'s policy (err leaf",
            "restore: bad CR4",
            "restore: bad EFER",
        ),
        meaning="the guest uses CPU features that {host} does not have",
        side="target",
        remedy="boot the guest with features that both hosts have: cpuid= in its config (xl.cfg(5)), or the older "
        "CPU's as the first host; compare `xl info` hw_caps and `xen-cpuid` on {source} and {target}",
        example="xc: error: Failed to set CPUID policy: leaf 00000007, subleaf 00000000, msr ffffffff (22 = Invalid "
        "argument): Internal error",
        source="tools/libs/guest/xg_sr_common_x86.c, xg_cpuid_x86.c",
        versions="since 4.14 the stream carries the policy; before, the guest fails once it runs",
    ),
    Cause(
        id="guest-not-restorable",
        patterns=(
            "Failed to set vcpu{number}'s ",
            "Failed to pin batch of pagetables",
            "Unable to restore HVM context",
            "Failed to seed grant table",
            "set HVM param {what...}: Internal error",
            "Unable to restore {kind...} domain into an ",
            "Cannot restore this big a guest",
            "Unable to set TSC information",
        ),
        meaning="Xen on {host} did not take the guest's state",
        side="target",
        remedy="`xl dmesg` on {target} says why; compare Xen's versions and the CPUs of both hosts",
        example="xc: error: Failed to set vcpu0's extended info (22 = Invalid argument): Internal error",
        source="tools/libs/guest/xg_sr_restore_x86_pv.c, xg_sr_restore_x86_hvm.c",
    ),
    Cause(
        id="target-has-older-xen",
        patterns=(
            "Savefile has mandatory flag(s)",
            "Mandatory record {type...} not handled",
            "Invalid Version: Expected",
            "Unexpected Version: expected",
            "Unrecognised record 0x",
        ),
        meaning="{host} does not know the format in which the guest was sent",
        side="target",
        remedy="a guest moves to an equal or newer Xen only: compare `xl info` on {source} and {target}, upgrade "
        "{target}",
        example="Savefile has mandatory flag(s) 0x4 which are not supported; need newer xl",
        source="tools/xl/xl_vmcontrol.c, tools/libs/guest/xg_sr_restore.c",
    ),
    Cause(
        id="stream-corrupt",
        patterns=(
            "File has wrong magic number - corrupt or for a different tool?",
            "File has wrong byte order",
            "Invalid marker: Got 0x",
            "Invalid ident: expected",
        ),
        meaning="what arrived is no stream of xl: something in between read or changed it",
        side="target",
        remedy="does root's login shell on {target} read its input or print words? `ssh root@{peer} true "
        "</dev/null` from {source} must print nothing",
        example="File has wrong magic number - corrupt or for a different tool?",
        source="tools/xl/xl_vmcontrol.c",
    ),
    # What follows from something else.
    Cause(
        id="guest-did-not-suspend-in-the-end",
        patterns=(
            "saving domain: domain did not respond to suspend request",
            "Migration failed, failed to suspend at sender",
        ),
        meaning="the guest had not suspended when the move ended",
        side="guest",
        remedy="is it paused, hung, or without Xen drivers? see its state in `xl list` on {source}, `xl unpause` it "
        "if it is paused, and look at its console",
        example="Migration failed, failed to suspend at sender.",
        source="tools/libs/light/libxl_stream_write.c: ERROR_GUEST_TIMEDOUT for every save that fails before the "
        "guest has answered",
        rank=Rank.CONSEQUENCE,
    ),
    Cause(
        id="stream-broke",
        patterns=(
            "Failed to write page data to stream",
            "Unable to write record to stream",
            "Save failed (32 = Broken pipe)",
            "Save failed (104 = Connection reset by peer)",
            "reading ready message from migration receiver stream",
        ),
        meaning="the target's end of the stream was closed while the guest was sent",
        side="target",
        remedy="see `xl dmesg`, the kernel log and /var/log/xen on {target}, and whether the network between the "
        "hosts holds",
        example="xc: error: Failed to write page data to stream (32 = Broken pipe): Internal error",
        source=_SAVE,
        rank=Rank.CONSEQUENCE,
    ),
    Cause(
        id="target-creation-failed",
        patterns=("migration target: Domain creation failed", "migration sender: Target reports startup failure"),
        meaning="the target did not make or start its copy of the guest",
        side="target",
        remedy="see `xl dmesg`, the kernel log and /var/log/xen on {target}",
        example="migration target: Domain creation failed (code -3).",
        source=_MIGRATE,
        rank=Rank.CONSEQUENCE,
    ),
    Cause(
        id="restore-failed",
        patterns=(
            "Restore failed (",
            "restoring domain:",
            "Failed to read Record Header from stream",
            "Failed to populate pfns for batch",
            " from migration stream",
            "from <incoming migration stream>",
        ),
        meaning="the target stopped taking the guest in",
        side="target",
        remedy="see `xl dmesg`, the kernel log and /var/log/xen on {target}",
        example="xc: error: Restore failed (0 = Success): Internal error",
        source="tools/libs/guest/xg_sr_restore.c, tools/libs/light/libxl_stream_read.c",
        rank=Rank.CONSEQUENCE,
    ),
    Cause(
        id="save-failed",
        patterns=(
            "xc: error: Save failed (",
            "saving domain: ",
            "migration sender: libxl_domain_suspend failed",
            "Migration failed, resuming at sender",
            "Migration failed due to problems at target",
            "Failed to get types for pfn batch",
            "Failed to retrieve logdirty bitmap",
            "Failed to map guest pages",
            "save/restore helper",
        ),
        meaning="the guest could not be sent",
        side="source",
        remedy="see `xl dmesg`, the kernel log and /var/log/xen on {source}",
        example="migration sender: libxl_domain_suspend failed (rc=-3)",
        source=f"{_SAVE}, {_MIGRATE}",
        rank=Rank.CONSEQUENCE,
    ),
    Cause(
        id="guest-not-resumed",
        patterns=(
            "xc_domain_resume failed",
            "xs_resume_domain failed",
            "not suspended: (shutdown {down}, reason {reason})",
        ),
        meaning="to resume the guest at the sender failed: it never stopped, or it has crashed",
        side="source",
        remedy="see its state in `xl list` on {source}",
        example="libxl: error: libxl_dom_suspend.c:474:libxl__domain_resume: Domain 1:xc_domain_resume failed: "
        "Invalid argument",
        source=f"{_SUSPEND}, tools/libs/guest/xg_resume.c",
        rank=Rank.AFTERMATH,
    ),
)
