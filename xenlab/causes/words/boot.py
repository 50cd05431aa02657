"""What a domain starts with: pygrub, the kernel and ramdisk, and QEMU."""

from xenlab.causes.cause import Cause
from xenlab.causes.words.errno import OUT_OF_REACH

_SHARED_KERNEL = (
    "kernel= and ramdisk= are files of the host that starts the guest, the target of a cold move, too: give their "
    "path on the share, and see that root on {host} can read it"
)

BOOT = (
    Cause(
        id="file-not-reached",
        patterns=tuple(
            f"{what}{error}"
            for what in ("Failed to read config file: {path...}: ", "failed to open file '{path...}': ")
            for error in OUT_OF_REACH
        ),
        meaning="{path} is on a share that does not answer {host} as it should",
        side="server",
        remedy="does `stat {path}` work on {host}? see its kernel log, and the NFS server",
        example="Failed to read config file: /mnt/private/guest1.cfg: Stale file handle",
        source="tools/xl/xl_vmcontrol.c, tools/libs/guest/xg_dom_core.c",
        blame="unobservable",
    ),
    Cause(
        id="device-model-failed",
        patterns=(
            "device model: spawn failed",
            "device model: startup timed out",
            "device model {path...} is not executable",
            "QEMU did not start properly",
            "device model [{pid}]: died during startup",
            "device model [{pid}]: failed startup",
            "device model [{pid}]: unexpectedly exited",
        ),
        meaning="QEMU, the guest's device model, did not start on {host}",
        side="host",
        remedy="read /var/log/xen/qemu-dm-{guest}.log on {host}; is qemu-system-x86 installed there?",
        example="libxl: error: libxl_dm.c:2893:device_model_spawn_outcome: Domain 4:domain 4 device model: spawn "
        "failed (rc=-3)",
        source="tools/libs/light/libxl_dm.c, libxl_exec.c",
        versions="HVM guests, and PV ones with a framebuffer, qcow2 or a qdisk",
    ),
    Cause(
        id="boot-loader-failed",
        patterns=("bootloader failed - consult logfile {log}",),
        meaning="the guest's boot loader (pygrub) failed on {host}; its log is {log}",
        side="host",
        remedy="read {log} on {host}; is the root disk the first of disk=, and are its kernel, ramdisk and GRUB's "
        "config where pygrub looks (/boot/grub)?",
        example="libxl: error: libxl_bootloader.c:648:bootloader_finished: Domain 3:bootloader failed - consult "
        "logfile /var/log/xen/bootloader.3.log",
        source="tools/libs/light/libxl_bootloader.c",
    ),
    Cause(
        id="boot-loader-not-run",
        patterns=(
            "cannot run bootloader with no boot disk",
            "failed to attach local disk for bootloader execution",
            "killing bootloader because of timeout",
            "failed to create bootloader ",
            "failed to precreate bootloader output",
        ),
        meaning="the guest's boot loader could not be run on {host}",
        side="host",
        remedy="the first of disk= must be a disk that {host} can read; see /var/log/xen/bootloader.*.log and the "
        "room on its file systems",
        example="libxl: error: libxl_bootloader.c:426:libxl__bootloader_run: Domain 3:cannot run bootloader with no "
        "boot disk",
        source="tools/libs/light/libxl_bootloader.c",
    ),
    Cause(
        id="kernel-not-found-in-disk",
        patterns=(
            "Unable to find partition containing kernel",
            "couldn't find bootloader config file in the image provided",
            "No kernel image selected!",
            "bad_xenfsimage: rc=",
            "Error opening {file...} in guest",
            "The requested {kind} file does not exist",
            "No root slice found",
        ),
        meaning="pygrub finds no kernel in the guest's disk",
        side="guest",
        remedy="the root disk must be the first of disk=, and hold /boot/grub/grub.cfg (or menu.lst) on a file "
        "system that pygrub reads (ext2 to ext4, and XFS or btrfs with an old enough format)",
        example="RuntimeError: Unable to find partition containing kernel",
        source="tools/pygrub/src/pygrub, in /var/log/xen/bootloader.*.log",
    ),
    Cause(
        id="kernel-missing",
        patterns=(
            "failed to open file '{path...}': {why...}: Internal error",
            "failed to open file '{path...}': {why...}",
        ),
        meaning="cannot open {path}: {why}",
        side="host",
        remedy=_SHARED_KERNEL,
        example="xc: error: panic: xc_dom_core.c:208: xc_dom_malloc_filemap: failed to open file "
        "'/mnt/private/vmlinuz': No such file or directory: Internal error",
        source="tools/libs/guest/xg_dom_core.c",
    ),
    Cause(
        id="kernel-unnamed",
        patterns=("Neither kernel nor bootloader specified", "direct boot parameters specified but kernel missing"),
        meaning="the config names neither kernel nor boot loader",
        side="host",
        remedy='set kernel= and ramdisk=, or bootloader="pygrub"',
        example="Neither kernel nor bootloader specified",
        source="tools/xl/xl_parse.c, tools/libs/light/libxl_create.c",
    ),
    Cause(
        id="kernel-not-usable",
        patterns=(
            "': zero length file",
            "xc_dom_find_loader: no loader found",
            "image not capable of booting inside a HVM container",
            "kernel is not an ELF image",
            "corrupted ELF image",
            "Kernel does not support unprivileged (DomU) operation",
            "not supported by xen kernel, sorry",
            " decompress kernel",
            "unknown compression format",
            "kernel image too large",
        ),
        meaning="the guest's kernel is no file that Xen on {host} can start",
        side="host",
        remedy="is it whole (compare its size with the original), built with Xen's guest support of the config's "
        "type=, and packed in a way that this Xen knows (zstd since 4.15)?",
        example="xc: error: panic: xc_dom_core.c:689: xc_dom_find_loader: no loader found: Invalid kernel",
        source="tools/libs/guest/xg_dom_core.c, xg_dom_elfloader.c, xg_dom_bzimageloader.c",
    ),
    Cause(
        id="kernel-not-loaded",
        patterns=(
            "xc_dom_kernel_file failed: {why...}",
            "xc_dom_ramdisk_file failed: {why...}",
            "xc_dom_module_file failed: {why...}",
            "xc_dom_parse_image failed: {why...}",
        ),
        meaning="the kernel or ramdisk cannot be loaded: {why}",
        side="host",
        remedy=_SHARED_KERNEL,
        example="libxl: error: libxl_dom.c:653:build_pv: xc_dom_kernel_file failed: No such file or directory",
        source="tools/libs/light/libxl_dom.c",
    ),
)
