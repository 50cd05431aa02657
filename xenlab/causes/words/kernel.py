"""Kernel and hypervisor logs: what Linux and Xen say of guests, disks, memory and networks."""

from xenlab.causes.cause import Cause

_HYPERVISOR = "xen/, shown by `xl dmesg`"

KERNEL = (
    Cause(
        id="guest-crashed",
        patterns=(
            "Domain {number} (vcpu#{vcpu}) crashed on cpu#{cpu}",
            "Triple fault - invoking HVM shutdown",
            "has shut down, reason code 3 ",
        ),
        meaning="a guest on {host} crashed",
        side="guest",
        remedy='see the guest\'s console log; on_crash="preserve" in its config keeps it to look at. After a move: '
        "do CPU features, Xen and tsc_mode fit on both hosts?",
        example="(XEN) Domain 7 (vcpu#0) crashed on cpu#1:",
        source=f"{_HYPERVISOR}; /var/log/xen/xl-GUEST.log",
    ),
    Cause(
        id="guest-kernel-panicked",
        patterns=("Kernel panic - not syncing: {why...}",),
        meaning="a kernel gave up: {why}",
        side="guest",
        remedy="unknown-block: root= in the config, or in the guest's GRUB, must name a disk of the config, and the "
        "ramdisk must be of the same kernel and have xen-blkfront; no init: the root disk is another's, or damaged",
        example="[    2.1] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)",
        source="Linux: kernel/panic.c",
    ),
    Cause(
        id="root-disk-not-found",
        patterns=(
            "Gave up waiting for root file system device",
            "Gave up waiting for root device",
            "does not exist.  Dropping to a shell!",
            "VFS: Cannot open root device",
            "dracut-initqueue: timeout",
            "Warning: /dev/{disk} does not exist",
        ),
        meaning="the guest's kernel finds no root disk",
        side="guest",
        remedy="root= in the config, or in the guest's own GRUB, must name the vdev of a disk of the config",
        example="ALERT!  /dev/xvda1 does not exist.  Dropping to a shell!",
        source="initramfs-tools, dracut, Linux: init/do_mounts.c",
    ),
    Cause(
        id="loop-device-failed",
        patterns=("loop: Write error at byte offset", "loop{number}: writeback error", "I/O error, dev loop"),
        meaning="{host} cannot write to the file behind a guest's disk",
        side="host",
        remedy="is the share full, read-only or gone? see `df` and `findmnt` on {host}, and `losetup --list`",
        example="[  412.0] loop: Write error at byte offset 1073741824, length 4096.",
        source="Linux: drivers/block/loop.c",
    ),
    Cause(
        id="disk-errors",
        patterns=(
            "I/O error, dev {disk}, sector",
            "Buffer I/O error on ",
            "critical {kind} error, dev {disk}",
            "lost page write due to I/O error on {disk}",
            "rite-error on swap-device",
            "ead-error on swap-device",
        ),
        meaning="reads or writes of a disk failed",
        side="guest",
        remedy="see the kernel log of the host that serves it, and the share under it: a full or stale one shows so "
        "inside the guest",
        example="[   21.2] blk_update_request: I/O error, dev xvda1, sector 2048 op 0x1:(WRITE)",
        source="Linux: block/blk-mq.c, fs/buffer.c",
    ),
    Cause(
        id="file-system-damaged",
        patterns=(
            "-fs error (device {disk})",
            "Remounting filesystem read-only",
            "Aborting journal on device {disk}",
            "XFS ({disk}): Corruption",
            "XFS ({disk}): Metadata corruption",
            "XFS ({disk}): Internal error",
            "BTRFS error (device {disk}",
            "BTRFS critical (device {disk}",
            "checksum verify failed on",
        ),
        meaning="a file system is damaged or was made read-only",
        side="guest",
        remedy="with the guest off: its file system's own check (e2fsck -f, xfs_repair, btrfs check) on the disk, "
        "and find out whether two guests ever had it",
        example="[   33.0] EXT4-fs error (device xvda1): ext4_find_entry:1455: inode #2: comm ls: reading directory "
        "lblock 0",
        source="Linux: fs/ext4, fs/xfs, fs/btrfs",
    ),
    Cause(
        id="nfs-server-not-responding",
        patterns=("nfs: server {server} not responding",),
        meaning="the NFS server {server} did not answer {host}",
        side="server",
        remedy="is the server up, and nfsd at work there (`systemctl status nfs-server`)? whatever waits for the "
        "share hangs until it answers",
        example="[  912.4] nfs: server 10.1.1.143 not responding, still trying",
        source="Linux: net/sunrpc/clnt.c",
        blame="unobservable",
    ),
    Cause(
        id="front-end-not-connected",
        patterns=(
            "XENBUS: Timeout connecting to device: {device}",
            "XENBUS: Waiting for devices to initialise",
            "xenbus_dev_probe on {device}",
            "failed to write error node for {device}",
        ),
        meaning="a guest's disk or network interface did not connect to its back end",
        side="host",
        remedy="see /var/log/xen/xen-hotplug.log on the guest's host; are xen-blkback and xen-netback loaded there?",
        example="[    5.0] XENBUS: Timeout connecting to device: device/vbd/51713 (local state 3, remote state 1)",
        source="Linux: drivers/xen/xenbus",
    ),
    Cause(
        id="process-out-of-memory",
        patterns=("Out of memory: Kill", "invoked oom-killer", "oom-kill:constraint="),
        meaning="a kernel ran out of memory and ended a process",
        side="host",
        remedy="give Dom0 (dom0_mem=) or the guest (memory=) more; see which process it was",
        example="[ 1200.0] Out of memory: Killed process 812 (qemu-system-x86) total-vm:2097152kB",
        source="Linux: mm/oom_kill.c",
    ),
    Cause(
        id="memory-not-given-back",
        patterns=("xen:balloon: Cannot add additional memory",),
        meaning="the balloon driver got less memory from Xen than it was told to take",
        side="host",
        remedy="free_memory in `xl info` is less than Dom0 or the guest wants back: lower a memory=, or cap Dom0",
        example="[  300.1] xen:balloon: Cannot add additional memory (-17)",
        source="Linux: drivers/xen/balloon.c",
    ),
    Cause(
        id="migration-restore-refused-by-xen",
        patterns=("HVM{number} restore: ", "HVM restore: "),
        meaning="Xen on {host} did not take the state of a guest that moved there",
        side="target",
        remedy="compare Xen's versions and the CPUs of both hosts (`xl info`)",
        example="(XEN) HVM7 restore: failed to load entry 2/0",
        source=_HYPERVISOR,
    ),
    Cause(
        id="shadow-memory-short",
        patterns=("Can't pre-allocate {number} shadow pages", "Can't allocate {number} shadow pages"),
        meaning="Xen has too little shadow memory for a guest on {host}",
        side="host",
        remedy="raise shadow_memory= in the guest's config",
        example="(XEN) Can't pre-allocate 4 shadow pages!",
        source=_HYPERVISOR,
    ),
    Cause(
        id="bridge-drops-traffic",
        patterns=("received packet on {port} with own address as source address", "IPv4: martian source"),
        meaning="a bridge of {host} sees its own address elsewhere: a loop, or two machines with one MAC",
        side="host",
        remedy="give every vif a MAC of its own, and see that one uplink alone joins the bridge",
        example="[  100.0] xenbr0: received packet on eth0 with own address as source address "
        "(addr:00:16:3e:00:00:01, vlan:0)",
        source="Linux: net/bridge/br_fdb.c",
    ),
)
