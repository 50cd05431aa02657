"""What `xl migrate` writes, in pieces: the course that both ends report, and how a move ends when it fails."""

READY = "migration target: Ready to receive domain.\n"
SENDING = (
    "Saving to migration stream new xl format (info 0x3/0x0/1541)\n"
    "Loading new save file <incoming migration stream> (new xl fmt info 0x3/0x0/1541)\n"
    " Savefile contains xl domain config in JSON format\n"
    "Parsing config from <saved>\n"
)
STARTED = READY + SENDING
TRANSFERRED = (
    "migration target: Transfer complete, requesting permission to start domain.\n"
    "migration sender: Target has acknowledged transfer.\n"
)
PERMITTED = "migration sender: Giving target permission to start.\nmigration target: Got permission, starting domain.\n"
CREATION_FAILED = "migration target: Domain creation failed (code -3).\n"
STREAM_BROKE = (
    "xc: error: Failed to write page data to stream (32 = Broken pipe): Internal error\n"
    "xc: error: Save failed (32 = Broken pipe): Internal error\n"
)
NOT_SUSPENDED = (
    "libxl: error: libxl_stream_write.c:347:libxl__xc_domain_save_done: Domain 5:saving domain: domain did not respond "
    "to suspend request: Broken pipe\n"
    "migration sender: libxl_domain_suspend failed (rc=-8)\n"
    "libxl: info: libxl_exec.c:118:libxl_report_child_exitstatus: migration transport process [914] exited with error "
    "status 1\n"
    "Migration failed, failed to suspend at sender.\n"
)
NO_GREETING = (
    "libxl: error: libxl_utils.c:510:libxl_read_exactly: file/stream truncated reading banner from migration receiver "
    "stream\n"
    "libxl: info: libxl_exec.c:118:libxl_report_child_exitstatus: migration transport process [914] exited with error "
    "status {status}\n"
)
CLEANED_UP = (
    "libxl: error: libxl_domain.c:1183:libxl__destroy_domid: Domain 3:Non-existant domain\n"
    "libxl: error: libxl_domain.c:1137:domain_destroy_callback: Domain 3:Unable to destroy guest\n"
    "libxl: error: libxl_domain.c:1064:domain_destroy_cb: Domain 3:Destruction of domain failed\n"
)

DISK = (
    "libxl: error: libxl_device.c:397:libxl__device_disk_set_backend: Disk vdev=xvda1 failed to stat: "
    "/mnt/private/artem/guest1.img: No such file or directory"
)
BRIDGE = (
    "libxl: error: libxl_exec.c:118:libxl_report_child_exitstatus: /etc/xen/scripts/vif-bridge online [-1] exited with "
    "error status 1",
    "libxl: error: libxl_device.c:1085:device_hotplug_child_death_cb: script: Could not find bridge device xenbr9",
    "libxl: error: libxl_create.c:1464:domcreate_attach_devices: Domain 7:unable to add vif devices",
)
NAME_TAKEN = 'libxl: error: libxl_domain.c:81:libxl__domain_rename: Domain 7:Domain with name "{}" already exists.'
NO_XEN = (
    "xencall: error: Could not obtain handle on privileged command interface: No such file or directory",
    "libxl: error: libxl.c:102:libxl_ctx_alloc: cannot open libxc handle: No such file or directory",
    "cannot init xl context",
)
NO_ROOT = tuple(line.replace("No such file or directory", "Permission denied") for line in NO_XEN)


def target_failed(*lines: str) -> str:
    """A move whose target writes these lines while it makes its copy, and gives up."""
    return STARTED + "\n".join(lines) + "\n" + CREATION_FAILED + STREAM_BROKE + NOT_SUSPENDED


def never_greeted(*lines: str, status: int = 1) -> str:
    """A move whose login on the target writes these lines and ends with `status` before xl greets."""
    return "\n".join(lines) + "\n" + NO_GREETING.format(status=status)


def not_created(*lines: str) -> str:
    """An `xl create` that writes these lines, and cleans up."""
    return "Parsing config from /mnt/private/artem/guest1.cfg\n" + "\n".join(lines) + "\n" + CLEANED_UP
