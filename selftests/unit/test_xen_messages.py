"""What xl says when it migrates and when it fails."""

from pathlib import Path

import pytest

from xenlab.errors import LabFault
from xenlab.xen import faults
from xenlab.xen.messages import explain, parse_migration

DATA = Path(__file__).parent / "data"
ALL_STAGES = (
    *("connected", "sending", "transferred", "acknowledged"),
    *("permitted", "started", "confirmed", "finished"),
)
LIVE = (DATA / "report_xl_migrate_live.txt").read_text("utf-8")


@pytest.mark.parametrize("name", ["report_xl_migrate_live.txt", "report_xl_migrate_back.txt"])
def test_both_migrations_of_the_report_succeeded(name: str) -> None:
    report = parse_migration((DATA / name).read_text("utf-8"))
    assert report.succeeded
    assert report.guest_fate == "moved"
    assert report.stages == ALL_STAGES
    assert report.errors == ()


def cut(before: str) -> str:
    assert before in LIVE
    return LIVE[: LIVE.index(before)]


@pytest.mark.parametrize(
    ("output", "fate", "last", "outcome"),
    [
        ("root@10.1.1.143: Permission denied (publickey,password).\n", "stayed", None, ""),
        (
            cut("migration target: Transfer") + "xc: error: Failed to enable logdirty: 95,22,0: Internal error\n"
            "migration sender: libxl_domain_suspend failed (rc=-3)\nMigration failed, resuming at sender.\n",
            "resumed-at-sender",
            "sending",
            "Migration failed, resuming at sender.",
        ),
        (
            cut("migration target: Transfer") + "Migration failed, failed to suspend at sender.\n",
            "stayed",
            "sending",
            "Migration failed, failed to suspend at sender.",
        ),
        (
            cut("migration target: Got") + "migration sender: Trying to resume at our end.\n"
            "migration sender: Resumed OK.\nMigration failed due to problems at target.\n",
            "resumed-at-sender",
            "permitted",
            "migration sender: Resumed OK.",
        ),
        (
            cut("migration target: Got") + "migration sender: Trying to resume at our end.\n"
            "Migration failed due to problems at target.\n",
            "undefined",
            "permitted",
            "Migration failed due to problems at target.",
        ),
        (
            cut("migration target: Got") + "** Migration failed during final handshake **\n"
            "Domain state is now undefined !\nPlease CHECK AT BOTH ENDS for running instances\n",
            "undefined",
            "permitted",
            "Domain state is now undefined",
        ),
        (cut("migration sender: Target reports"), "undefined", "started", ""),
        (cut("Saving"), "stayed", "connected", ""),
        ("", "stayed", None, ""),
    ],
)
def test_the_fate_of_the_guest(output: str, fate: str, last: str | None, outcome: str) -> None:
    report = parse_migration(output)
    assert not report.succeeded
    assert report.guest_fate == fate
    assert report.outcome == outcome
    assert (report.stages[-1] if report.stages else None) == last
    assert bool(report.errors) is ("fail" in output or "denied" in output)


CASES = [
    (
        "migrate",
        "xc: error: Failed to enable logdirty: 95,22,0 (22 = Invalid argument): Internal error\n"
        "Migration failed, resuming at sender.\n",
        faults.GuestHasNoShadowPaging,
        "dirties",
    ),
    (
        "migrate",
        "root@10.1.1.143: Permission denied (publickey,password).\n"
        "libxl: error: libxl_utils.c:507:libxl_read_exactly: file/stream truncated\n",
        faults.PeerRefusedLogin,
        "login",
    ),
    ("migrate", "Host key verification failed.\r\n", faults.PeerRefusedLogin, "host key"),
    (
        "migrate",
        "ssh: connect to host 10.1.1.9 port 22: No route to host\n",
        faults.PeerUnreachable,
        "10.1.1.9: No route to host",
    ),
    (
        "migrate",
        "migration receiver stream contained unexpected data instead of banner\n",
        faults.PeerLoginNoisy,
        "greeting",
    ),
    ("migrate", "Please CHECK AT BOTH ENDS for running instances", faults.StateUndefined, "both hosts"),
    (
        "migrate",
        "libxl: error: Domain 3:guest did not suspend, timed out\n",
        faults.GuestDidNotSuspend,
        "suspend",
    ),
    ("migrate", "bash: line 1: xl: command not found\n", faults.XenNotRunning, "tools"),
    (
        "create",
        "Failed to read config file: /mnt/g.cfg: No such file or directory\n",
        faults.ConfigFileMissing,
        "/mnt/g.cfg: No such file",
    ),
    (
        "create",
        "Parsing config from /mnt/g.cfg\nlibxl: error: libxl_device.c:331:libxl__device_disk_set_backend: "
        "Disk vdev=xvda1 failed to stat: /mnt/g.img: No such file or directory\n"
        "libxl: error: libxl_create.c:1052:initiate_domain_create: Unable to set disk defaults for disk 0\n",
        faults.DiskMissing,
        "disk xvda1: /mnt/g.img: No such file",
    ),
    (
        "create",
        "libxl: error: libxl_device.c:1180:hotplug_child_death_cb: script: /mnt/g.img does not exist.\n",
        faults.DiskMissing,
        "/mnt/g.img does not exist",
    ),
    (
        "create",
        "xc: error: panic: xc_dom_core.c:208: xc_dom_malloc_filemap: failed to open file "
        "'/mnt/private/vmlinuz': No such file or directory: Internal error\n"
        "libxl: error: libxl_dom.c:653:build_pv: xc_dom_kernel_file failed: No such file or directory\n",
        faults.KernelMissing,
        "cannot open /mnt/private/vmlinuz: No such file",
    ),
    ("create", "Neither kernel nor bootloader specified\n", faults.KernelMissing, "neither"),
    (
        "create",
        "xc: error: panic: xc_dom_boot.c:122: xc_dom_boot_mem_init: can't allocate low memory for domain: "
        "Out of memory\nlibxl: error: libxl_dom.c:762:libxl__build_dom: xc_dom_boot_mem_init failed: "
        "Permission denied\n",
        faults.NotEnoughMemory,
        "memory",
    ),
    ("create", "failed to free memory for the domain\n", faults.NotEnoughMemory, "memory"),
    (
        "create",
        'libxl: error: libxl_domain.c:81:domain_rename: Domain 7:Domain with name "guest1" already exists.\n',
        faults.DomainExists,
        "guest1",
    ),
    ("destroy", "guest9 is an invalid domain identifier (rc=-6)\n", faults.NoSuchDomain, "guest9"),
    ("list", "Error: Domain 'guest9' does not exist.\n", faults.NoSuchDomain, "no such"),
    (
        "create",
        "libxl: error: libxl_exec.c:118:report_child_exitstatus: /etc/xen/scripts/vif-bridge online [-1] "
        "exited with error status 1\nlibxl: error: libxl_device.c:1085:device_hotplug_child_death_cb: "
        "script: Could not find bridge device xenbr9\n",
        faults.BridgeMissing,
        "xenbr9",
    ),
    (
        "create",
        "/mnt/g.cfg:3: config parsing error near `guest': syntax error, unexpected IDENT\n"
        "Failed to parse config: Invalid argument\n",
        faults.BadConfigSyntax,
        "/mnt/g.cfg:3: near `guest'",
    ),
    ("create", "Parsing config from g.cfg\nInvalid domain type pv.\n", faults.InvalidDomainType, "'pv'"),
    (
        "list",
        "xencall: error: Could not obtain handle on privileged command interface: Permission denied\n"
        "libxl: error: libxl.c:109:libxl_ctx_alloc: cannot open libxc handle: Permission denied\n"
        "cannot init xl context\n",
        faults.NeedsRoot,
        "root",
    ),
    (
        "list",
        "xencall: error: Could not obtain handle on privileged command interface: No such file or directory\n"
        "cannot init xl context\n",
        faults.XenNotRunning,
        "Xen",
    ),
    ("info", "ERROR:  Can't find hypervisor information in sysfs!\n", faults.XenNotRunning, "Xen"),
    (
        "create",
        "libxl: error: libxl_aoutils.c:539:async_exec_timeout: killing execution of "
        "/etc/xen/scripts/block add because of timeout\n",
        faults.TimedOutHotplug,
        "/etc/xen/scripts/block add",
    ),
]


@pytest.mark.parametrize(("kind", "stderr", "error", "words"), CASES)
def test_known_words_become_a_typed_fault_with_a_remedy(
    kind: str, stderr: str, error: type[faults.XlError], words: str
) -> None:
    fault = explain(kind, 1, stderr, host="baye", guest="guest1")
    assert type(fault) is error
    assert words in fault.message
    assert fault.message.startswith(f"xl {kind} failed: ")
    assert fault.hint
    assert (fault.host, fault.guest) == ("baye", "guest1")
    assert fault.actual in stderr


def test_every_fault_class_is_covered() -> None:
    table = {fault.error for fault in faults.FAULTS}
    assert table == set(faults.XlError.__subclasses__())
    assert table == {error for _, _, error, _ in CASES}


def test_unknown_words_keep_the_last_line() -> None:
    fault = explain("create", 3, "Parsing config from g.cfg\nlibxl: error: the sky fell\n\n")
    assert type(fault) is faults.XlError
    assert isinstance(fault, LabFault)
    assert fault.actual == "libxl: error: the sky fell"
    assert "exit code 3" in fault.message
    assert "exit code 3" in explain("create", 3, "").actual


def test_a_missing_xl_conf_is_no_missing_config() -> None:
    stderr = "Failed to read config file: /etc/xen/xl.conf: No such file or directory\nInvalid domain type pv.\n"
    assert type(explain("create", 1, stderr)) is faults.InvalidDomainType
