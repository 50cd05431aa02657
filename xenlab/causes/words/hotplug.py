"""Hotplug scripts: what /etc/xen/scripts says of bridges, disks and loop devices, through libxl or in its own log."""

from xenlab.causes.cause import Cause, Rank

_LOG = "/var/log/xen/xen-hotplug.log"
_BLOCK = "tools/hotplug/Linux/block"

HOTPLUG = (
    Cause(
        id="bridge-missing",
        patterns=(
            "Could not find bridge device {bridge}",
            "bridge {bridge} does not exist!",
            "no bridge named {bridge}",
            'Cannot find device "{bridge}"',
        ),
        meaning="{host} has no bridge {bridge}",
        side="host",
        remedy="make the bridge on {host}, or name the one it has, as in vif = ['bridge=xenbr0'] (see `ip link show "
        "type bridge`, `ovs-vsctl list-br`)",
        example="libxl: error: libxl_device.c:1085:device_hotplug_child_death_cb: script: Could not find bridge "
        "device xenbr9",
        source="tools/hotplug/Linux/vif-bridge, vif-openvswitch",
    ),
    Cause(
        id="no-bridge-at-all",
        patterns=("Could not find bridge, and none was specified", "No valid bridge was specified"),
        meaning="{host} has no bridge, and the vif names none",
        side="host",
        remedy="make the bridge on {host}, and name it as in vif = ['bridge=xenbr0'] or in /etc/xen/xl.conf "
        "(vif.default.bridge)",
        example="libxl: error: libxl_device.c:1085:device_hotplug_child_death_cb: script: Could not find bridge, and "
        "none was specified",
        source="tools/hotplug/Linux/vif-bridge, vif-openvswitch",
    ),
    Cause(
        id="vif-name-taken",
        patterns=("An interface with name {name} already exists",),
        meaning="{host} has a network interface {name} already",
        side="host",
        remedy="vifname= must be the guest's own on {host}, also for the half of a guest that is being moved",
        example="libxl: error: libxl_device.c:1351:device_hotplug_child_death_cb: script: Cannot rename interface "
        "vif7.0. An interface with name guest1-lan already exists.",
        source="tools/hotplug/Linux/vif-common.sh",
    ),
    Cause(
        id="hotplug-tool-missing",
        patterns=("Unable to find {tool} tool", "scripts/{script}: line {number}: {tool}: command not found"),
        meaning="the hotplug script finds no {tool} on {host}",
        side="host",
        remedy="install the package that has {tool} on {host}",
        example="libxl: error: libxl_device.c:1351:device_hotplug_child_death_cb: script: Unable to find ovs-vsctl "
        "tool",
        source="tools/hotplug/Linux/vif-openvswitch, block-iscsi",
    ),
    Cause(
        id="disk-in-use",
        patterns=(
            "is loopback-mounted through",
            "Device {device} is mounted ",
            "and so cannot be mounted",
        ),
        meaning="another guest, or {host} itself, has that disk open",
        side="host",
        remedy="two writers ruin a disk: find out who has it (`losetup --list`, `findmnt` and `xl list -l` on both "
        "hosts) and start nothing until it is free",
        example="libxl: error: libxl_device.c:1351:device_hotplug_child_death_cb: script: File "
        "/mnt/private/guest1.img is loopback-mounted through /dev/loop0,",
        source=_BLOCK,
    ),
    Cause(
        id="disk-read-only",
        patterns=("is read-only, and so I will not", "mount it read-write in a guest domain"),
        meaning="a disk of the guest may not be written to on {host}",
        side="host",
        remedy="is the share mounted read-only on {host}, or the file without w for root? else give the disk r for w",
        example="libxl: error: libxl_device.c:1351:device_hotplug_child_death_cb: script: File "
        "/mnt/private/guest1.img is read-only, and so I will not",
        source=_BLOCK,
    ),
    Cause(
        id="disk-gone-for-script",
        patterns=("script: {path...} does not exist.", "script: {path...} is not a block device."),
        meaning="disk {path} is not there on {host}",
        side="host",
        remedy="is the share mounted on {host} at the same path?",
        example="libxl: error: libxl_device.c:1180:hotplug_child_death_cb: script: /mnt/g.img does not exist.",
        source=_BLOCK,
    ),
    Cause(
        id="no-loop-device",
        patterns=("Failed to find an unused loop device", "losetup: cannot find an unused loop device"),
        meaning="{host} has no loop device left for a disk",
        side="host",
        remedy="`modprobe loop max_loop=64`, or loop.max_loop=64 on the kernel's command line of {host}; `losetup "
        "--list` shows who has them",
        example="libxl: error: libxl_device.c:1351:device_hotplug_child_death_cb: script: Failed to find an unused "
        "loop device",
        source=_BLOCK,
    ),
    Cause(
        id="hotplug-too-slow",
        patterns=(
            "killing execution of {script...} because of timeout",
            "Path closed or removed during hotplug add",
        ),
        meaning="a hotplug script on {host} took longer than libxl waits",
        side="host",
        remedy=f"a mount that hangs, a lock in /var/run/xen-hotplug that somebody holds, or a very slow host: see "
        f"{_LOG} "
        "on {host}",
        example="libxl: error: libxl_aoutils.c:539:async_exec_timeout: killing execution of /etc/xen/scripts/block "
        "add because of timeout",
        source="tools/libs/light/libxl_aoutils.c",
    ),
    Cause(
        id="device-not-released",
        patterns=("timed out while waiting for {path} to be removed", "unable to remove device with path {path}"),
        meaning="{host} did not let go of {path} in time",
        side="host",
        remedy=f"see {_LOG} and the kernel log of {{host}}: a hung disk or script keeps it",
        example="libxl: error: libxl_device.c:1389:device_destroy_be_watch_cb: Domain 5:timed out while waiting for "
        "/local/domain/0/backend/vif/5/0 to be removed",
        source="tools/libs/light/libxl_device.c",
    ),
    Cause(
        id="xenstore-entry-missing",
        patterns=(
            "xenstore-read {path...} failed.",
            "xenstore-read: couldn't read path {path}",
            "Failed to read /vm",
            "unable to read script from {path}",
            "Writing {path...} to xenstore failed",
        ),
        meaning="xenstore on {host} lacks an entry that a hotplug script needs",
        side="host",
        remedy="the domain went away meanwhile, or xenstored was started anew under running guests: see "
        "`xenstore-ls` and `systemctl status xenstored` on {host}",
        example="xenstore-read: couldn't read path /local/domain/7/vm",
        source="tools/hotplug/Linux/xen-hotplug-common.sh, tools/xs-clients/xenstore_client.c",
    ),
    Cause(
        id="network-tool-refused",
        patterns=("RTNETLINK answers: {why...}", "{interface} is not up.  Bring it up"),
        meaning="the network of {host} could not be set up for a vif",
        side="host",
        remedy=f"see {_LOG} and `ip link` on {{host}}",
        example="RTNETLINK answers: Operation not supported",
        source="ip(8), called by tools/hotplug/Linux/xen-network-common.sh",
    ),
    Cause(
        id="vif-firewall-warning",
        patterns=("iptables setup failed. This may affect guest networking",),
        meaning="the vif script could not add its rule for iptables",
        side="host",
        remedy="only where Dom0 filters what passes its bridges (br_netfilter) does the guest's traffic need a rule",
        example="/etc/xen/scripts/vif-bridge: iptables setup failed. This may affect guest networking.",
        source="tools/hotplug/Linux/vif-common.sh",
        rank=Rank.NOISE,
    ),
    Cause(
        id="vif-script-failed",
        patterns=("/scripts/vif-{name} failed; error detected.",),
        meaning="the script that joins a network interface to its bridge failed on {host}",
        side="host",
        remedy=f"see {_LOG} on {{host}}; is the vif's bridge there (`ip link show type bridge`), and are the tools "
        "that the script calls (ip, brctl, iptables)?",
        example="libxl: error: libxl_device.c:1351:device_hotplug_child_death_cb: script: /etc/xen/scripts/vif-bridge "
        "failed; error detected.",
        source="tools/hotplug/Linux/xen-hotplug-common.sh",
    ),
    Cause(
        id="disk-script-failed",
        patterns=("/scripts/block{name} failed; error detected.", "/scripts/block failed; error detected."),
        meaning="the script that opens a disk failed on {host}",
        side="host",
        remedy=f"see {_LOG} on {{host}}; can root there open the disk's file, and is a loop device free?",
        example="libxl: error: libxl_device.c:1351:device_hotplug_child_death_cb: script: /etc/xen/scripts/block "
        "failed; error detected.",
        source="tools/hotplug/Linux/xen-hotplug-common.sh",
    ),
    Cause(
        id="hotplug-script-failed",
        patterns=(
            "/scripts/{script...} exited with error status {status}",
            "unable to get args/env to execute hotplug script",
            "/scripts/{script...} failed; error detected.",
        ),
        meaning="a hotplug script failed on {host}",
        side="host",
        remedy=f"see {_LOG} on {{host}}",
        example="libxl: error: libxl_exec.c:118:report_child_exitstatus: /etc/xen/scripts/vif-bridge online [-1] "
        "exited with error status 1",
        source="tools/libs/light/libxl_device.c",
        rank=Rank.CONSEQUENCE,
    ),
)
