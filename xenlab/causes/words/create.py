"""Making a domain: what libxl and libxc say of its name, disks, devices and memory."""

from xenlab.causes.cause import Cause, Rank
from xenlab.causes.words.errno import OUT_OF_REACH

_ON_SHARE = "is the share mounted on {host} at the same path, and is the file there?"
_MEMORY = "compare memory= with free_memory in `xl info` on {host}; lower the guest's memory=, or cap Dom0 (dom0_mem=)"
_DEVICE = "tools/libs/light/libxl_device.c"
_CREATE = "tools/libs/light/libxl_create.c"

CREATE = (
    Cause(
        id="half-moved-guest-in-the-way",
        patterns=(
            'Domain with name "{name}--incoming" already exists',
            'Domain with name "{name}--migratedaway" already exists',
        ),
        meaning="half of a guest {name} that was being moved is on {host}",
        side="host",
        remedy="{guest}--incoming and {guest}--migratedaway belong to a move that is under way or broke: find out "
        "whose it is (`xl list` and `ps` on both hosts) and start nothing meanwhile",
        example='libxl: error: libxl_domain.c:81:libxl__domain_rename: Domain 7:Domain with name "guest1--incoming" '
        "already exists.",
        source="tools/libs/light/libxl_domain.c",
    ),
    Cause(
        id="domain-exists",
        patterns=('Domain with name "{name}" already exists',),
        meaning="a domain named {name} is on {host} already",
        side="host",
        remedy="a guest runs on one host only: see `xl list` on both, and that no other guest's config has this name=",
        example='libxl: error: libxl_domain.c:81:libxl__domain_rename: Domain 7:Domain with name "guest1" already '
        "exists.",
        source="tools/libs/light/libxl_domain.c",
    ),
    Cause(
        id="no-such-domain",
        patterns=(
            "{name} is an invalid domain identifier",
            "domain name '{name}', maybe",
            "Domain '{name}' does not exist",
        ),
        meaning="no domain {name} on {host}",
        side="host",
        remedy="see `xl list` on both hosts",
        example="guest9 is an invalid domain identifier (rc=-6)",
        source="tools/xl/xl_utils.c, xl_list.c",
    ),
    Cause(
        id="disk-missing",
        patterns=("Disk vdev={vdev} failed to stat: {path...}: No such file or directory",),
        meaning="disk {vdev}: {path} is not there",
        side="host",
        remedy=_ON_SHARE,
        example="libxl: error: libxl_device.c:397:libxl__device_disk_set_backend: Disk vdev=xvda1 failed to stat: "
        "/mnt/private/artem/guest1.img: No such file or directory",
        source=_DEVICE,
    ),
    Cause(
        id="disk-not-permitted",
        patterns=(
            "Disk vdev={vdev} failed to stat: {path...}: Permission denied",
            "Disk vdev={vdev} failed to stat: {path...}: Operation not permitted",
        ),
        meaning="disk {vdev}: root may not look at {path}",
        side="server",
        remedy="no_root_squash in the export's options, and x on every folder above the file",
        example="libxl: error: libxl_device.c:468:libxl__device_disk_set_backend: Disk vdev=xvda1 failed to stat: "
        "/mnt/private/artem/guest1.img: Permission denied",
        source=_DEVICE,
    ),
    Cause(
        id="disk-not-reached",
        patterns=tuple(f"Disk vdev={{vdev}} failed to stat: {{path...}}: {error}" for error in OUT_OF_REACH),
        meaning="disk {vdev}: {path} is on a share that does not answer {host} as it should",
        side="server",
        remedy="does `stat` of that path work on {host}? see its kernel log, and the NFS server",
        example="libxl: error: libxl_device.c:468:libxl__device_disk_set_backend: Disk vdev=xvda1 failed to stat: "
        "/mnt/private/guest1.img: Stale file handle",
        source=_DEVICE,
        blame="unobservable",
    ),
    Cause(
        id="disk-wrong-path",
        patterns=("Disk vdev={vdev} failed to stat: {path...}: {why...}",),
        meaning="disk {vdev}: {path}: {why}",
        side="host",
        remedy=_ON_SHARE,
        example="libxl: error: libxl_device.c:468:libxl__device_disk_set_backend: Disk vdev=xvda1 failed to stat: "
        "/mnt/private/guest1.img/disk: Not a directory",
        source=_DEVICE,
    ),
    Cause(
        id="disk-of-no-known-kind",
        patterns=(
            "no suitable backend for disk {vdev}",
            "Invalid or unsupported virtual disk identifier {vdev}",
            "Disk vdev={vdev} is empty but ",
        ),
        meaning="disk {vdev} is of no kind that {host} can serve",
        side="host",
        remedy="see target, format, vdev and backendtype in the guest's disk= (xl-disk-configuration(5)); qcow2 and "
        "vhd need QEMU on {host}",
        example="libxl: error: libxl_device.c:488:libxl__device_disk_set_backend: no suitable backend for disk xvda1",
        source=_DEVICE,
    ),
    Cause(
        id="device-twice",
        patterns=("device already exists in xenstore",),
        meaning="the config gives two devices the same place",
        side="host",
        remedy="each disk needs a vdev of its own, each vif a devid",
        example="libxl: error: libxl_disk.c:377:device_disk_add: Domain 4:device already exists in xenstore",
        source="tools/libs/light/libxl_disk.c, libxl_device.c",
    ),
    Cause(
        id="disk-backend-not-up",
        patterns=("unable to add device with path {backend}/vbd/{device}",),
        meaning="the disk's back end did not come up on {host}",
        side="host",
        remedy="`modprobe xen-blkback` on {host} (is it in the list of `lsmod`?), and see its kernel log",
        example="libxl: error: libxl_device.c:1109:device_backend_callback: Domain 3:unable to add device with path "
        "/local/domain/0/backend/vbd/3/51713",
        source=_DEVICE,
    ),
    Cause(
        id="vif-backend-not-up",
        patterns=("unable to add device with path {backend}/vif/{device}",),
        meaning="the network interface's back end did not come up on {host}",
        side="host",
        remedy="`modprobe xen-netback` on {host} (is it in the list of `lsmod`?), and see its kernel log",
        example="libxl: error: libxl_device.c:1109:device_backend_callback: Domain 3:unable to add device with path "
        "/local/domain/0/backend/vif/3/0",
        source=_DEVICE,
    ),
    Cause(
        id="backend-not-up",
        patterns=("unable to add device with path {path}",),
        meaning="the back end of {path} did not come up on {host}",
        side="host",
        remedy="a qdisk needs QEMU on {host}: see `systemctl status xen-qemu-dom0-disk-backend`, its kernel log and "
        "/var/log/xen",
        example="libxl: error: libxl_device.c:1109:device_backend_callback: Domain 3:unable to add device with path "
        "/local/domain/0/backend/qdisk/3/51713",
        source=_DEVICE,
    ),
    Cause(
        id="memory-short",
        patterns=(
            "failed to free memory for the domain",
            "can't allocate low memory for domain",
            "Could not allocate memory for HVM guest",
            "Failed to populate physmap",
            "Populate physmap failed for pfn",
            "Couldn't set max memory",
            "not enough memory for initial mapping",
            "domain creation fail: Cannot allocate memory",
            "(12 = Cannot allocate memory)",
            "xc_dom_boot_mem_init failed",
        ),
        meaning="too little free memory on {host}",
        side="host",
        remedy=_MEMORY,
        example="failed to free memory for the domain",
        source="tools/xl/xl_vmcontrol.c, tools/libs/guest/xg_dom_boot.c, xg_sr_restore.c",
    ),
    Cause(
        id="no-hvm-here",
        patterns=("neither hap nor shadow paging available",),
        meaning="{host} cannot run HVM or PVH guests",
        side="host",
        remedy="switch on the CPU's virtualisation (VT-x or AMD-V) in the firmware; virt_caps in `xl info` must name "
        "hvm",
        example="libxl: error: libxl_create.c:46:hvm_set_conf_params: neither hap nor shadow paging available",
        source=_CREATE,
    ),
    Cause(
        id="xen-refused-domain",
        patterns=(
            "domain creation fail: {why...}",
            "Illegal pool specified: {why...}",
            "domain id recently used{why...}",
        ),
        meaning="Xen on {host} refused to make the domain: {why}",
        side="host",
        remedy="`xl dmesg` on {host} says why; is the guest's type= one that this Xen is built for?",
        example="libxl: error: libxl_create.c:700:libxl__domain_make: Domain 4:domain creation fail: Invalid argument",
        source=_CREATE,
    ),
    Cause(
        id="guest-takes-no-requests",
        patterns=(
            "PV control interface not available",
            "guest didn't acknowledge control request",
        ),
        meaning="the guest does not act on Xen's requests to shut down",
        side="guest",
        remedy="it needs Xen's drivers in its kernel, and an init that acts on them; has it finished booting? see "
        "its console",
        example="PV control interface not available: external graceful shutdown not possible.",
        source="tools/xl/xl_vmcontrol.c, tools/libs/light/libxl_domain.c",
    ),
    # What follows from something else.
    Cause(
        id="devices-not-added",
        patterns=(
            "unable to add {kind} devices",
            "error connecting {kind} devices",
            "Unable to add {kind} with id {number}",
        ),
        meaning="the domain's {kind} devices were not added",
        side="host",
        remedy="see /var/log/xen/xen-hotplug.log and the kernel log of {host}",
        example="libxl: error: libxl_create.c:1450:domcreate_launch_dm: Domain 3:unable to add disk devices",
        source=_CREATE,
        rank=Rank.CONSEQUENCE,
    ),
    Cause(
        id="domain-not-built",
        patterns=(
            "cannot (re-)build domain: ",
            "device model did not start: ",
            "Device Model already exited",
            "Unable to set disk defaults for disk",
            "cannot make domain: ",
            "bootloader [{pid}] exited with error status",
            "xc_dom_boot_image failed",
            "xc_dom_build_image failed",
        ),
        meaning="the domain could not be built on {host}",
        side="host",
        remedy="see `xl dmesg`, the kernel log and /var/log/xen on {host}",
        example="libxl: error: libxl_create.c:1661:domcreate_rebuild_done: Domain 3:cannot (re-)build domain: -3",
        source=_CREATE,
        rank=Rank.CONSEQUENCE,
    ),
    Cause(
        id="cleaned-up-after-failure",
        patterns=(
            "Non-existant domain",
            "Unable to destroy guest",
            "estruction of domain failed",
            "unable to destroy domain following failed creation",
            "libxl__devices_destroy failed",
            "xc_domain_destroy failed",
        ),
        meaning="the domain was not made, and libxl cleaned up after it",
        side="host",
        remedy="see `xl dmesg`, the kernel log and /var/log/xen on {host}",
        example="libxl: error: libxl_domain.c:1183:libxl__destroy_domid: Domain 3:Non-existant domain",
        source="tools/libs/light/libxl_domain.c",
        rank=Rank.CONSEQUENCE,
    ),
    Cause(
        id="request-failed",
        patterns=(
            "destroy failed (rc=",
            "shutdown failed (rc=",
            "reboot failed (rc=",
        ),
        meaning="the request could not be carried out on {host}",
        side="host",
        remedy="see `xl list` and `xl dmesg` on {host}",
        example="shutdown failed (rc=-3)",
        source="tools/xl/xl_vmcontrol.c",
        rank=Rank.CONSEQUENCE,
    ),
)
