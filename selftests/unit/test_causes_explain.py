"""Other verbs that failed, what says nothing about the lab, and words that nobody knows."""

import pytest
from transcripts import BRIDGE, CREATION_FAILED, DISK, NO_ROOT, NO_XEN, STARTED, not_created, target_failed

from xenlab.causes import NotObserved, XlError, explain, first_error_line
from xenlab.errors import CannotObserve, LabFault

HOME, PEER = "labubuntu", "baye"

# xl create, xl list and others

OTHERS = [
    ("create", 1, not_created(DISK), "disk-missing"),
    ("create", 1, not_created(*BRIDGE), "bridge-missing"),
    (
        "create",
        1,
        not_created(
            "libxl: error: libxl_bootloader.c:648:bootloader_finished: Domain 3:bootloader failed - consult logfile "
            "/var/log/xen/bootloader.3.log",
            "libxl: error: libxl_exec.c:117:report_child_exitstatus: bootloader [1987] exited with error status 1",
            "libxl: error: libxl_create.c:1661:domcreate_rebuild_done: Domain 3:cannot (re-)build domain: -3",
        ),
        "boot-loader-failed",
    ),
    (
        "create",
        1,
        not_created(
            "libxl: error: libxl_dm.c:2893:device_model_spawn_outcome: Domain 4:domain 4 device model: spawn failed "
            "(rc=-3)",
            "libxl: error: libxl_create.c:1676:domcreate_devmodel_started: Domain 4:device model did not start: -3",
            "libxl: error: libxl_aoutils.c:646:libxl__kill_xs_path: Device Model already exited",
        ),
        "device-model-failed",
    ),
    (
        "create",
        1,
        not_created(
            "libxl: error: libxl_device.c:1109:device_backend_callback: Domain 3:unable to add device with path "
            "/local/domain/0/backend/vbd/3/51713",
            "libxl: error: libxl_create.c:1450:domcreate_launch_dm: Domain 3:unable to add disk devices",
        ),
        "disk-backend-not-up",
    ),
    (
        "create",
        1,
        "Failed to read config file: /etc/xen/xl.conf: No such file or directory\nInvalid domain type pv.\n",
        "guest-type-unknown",
    ),
    ("create", 1, "Failed to read config file: /mnt/g.cfg: No such file or directory\n", "config-missing"),
    ("create", 1, not_created(), "cleaned-up-after-failure"),
    ("list", 127, "timeout: failed to run command 'xl': No such file or directory\n", "xl-missing"),
    ("list", 127, "timeout: failed to run command ‘/usr/sbin/xl’: No such file or directory\n", "xl-missing"),
    ("list", 127, "timeout: can't execute 'xl': No such file or directory\n", "xl-missing"),
    ("list", 127, "bash: xl: command not found\n", "xl-missing"),
    ("migrate", 127, "timeout: failed to run command 'xl': No such file or directory\n", "xl-missing"),
    ("list", 1, "\n".join(NO_XEN), "xen-not-running"),
    ("info", 1, "ERROR:  Can't find hypervisor information in sysfs!\n", "xen-not-running"),
    (
        "list",
        1,
        "libxl: error: libxl.c:116:libxl_ctx_alloc: cannot connect to xenstore: No such file or directory\n"
        "cannot init xl context\n",
        "xenstore-down",
    ),
    ("list", 1, "cannot init xl context\n", "xl-cannot-start"),
    ("shutdown", 1, "guest9 is an invalid domain identifier (rc=-6)\n", "no-such-domain"),
    (
        "shutdown",
        1,
        "PV control interface not available: external graceful shutdown not possible.\nshutdown failed (rc=-9)\n",
        "guest-takes-no-requests",
    ),
]


@pytest.mark.parametrize(("verb", "code", "words", "cause"), OTHERS)
def test_other_verbs_speak_for_their_own_host(verb: str, code: int, words: str, cause: str) -> None:
    fault = explain(verb, code, words, host=HOME, peer=PEER)
    assert isinstance(fault, XlError)
    assert fault.cause is not None
    assert (fault.cause.id, fault.host, fault.expected) == (cause, HOME, f"xl {verb} succeeds")
    assert fault.actual in words


def test_the_boot_loader_s_log_is_named() -> None:
    fault = explain("create", 1, OTHERS[2][2], host=HOME)
    assert "read /var/log/xen/bootloader.3.log on labubuntu" in fault.hint


# What says nothing about the lab


@pytest.mark.parametrize(
    ("verb", "code", "words", "actual"),
    [
        ("migrate", None, STARTED, ""),
        ("migrate", 124, STARTED, ""),
        ("create", 137, "Parsing config from /mnt/g.cfg\n", ""),
        ("create", 124, f"Parsing config from /mnt/g.cfg\n{DISK}\n", DISK),
        ("list", 1, "none: Command not found.\n", "none: Command not found."),  # csh, asked for what is for sh
        ("list", 1, "\n".join(NO_ROOT), NO_ROOT[0]),
        (
            "list",
            127,
            "timeout: failed to run command 'losetup': No such file or directory\n",
            "timeout: failed to run",
        ),
        ("create", 1, "cannot acquire lock /var/lock/xl errno=35\n", "cannot acquire lock"),
        (
            "console",
            1,
            "xenconsole: Could not lock /var/run/xen/xenconsole.3.lock: Resource temporarily unavailable\n",
            "xenconsole: Could not lock",
        ),
        ("create", 1, "Failed to read config file: /mnt/g.cfg: Input/output error\n", "Failed to read config file"),
        (
            "create",
            1,
            "xc: error: f: failed to open file '/mnt/vmlinuz': Stale file handle: Internal error\n",
            "xc: error",
        ),
        ("create", 1, not_created(DISK.replace("No such file or directory", "Stale file handle")), "libxl: error"),
    ],
)
def test_what_could_not_be_seen_is_no_fault_of_the_lab(verb: str, code: int | None, words: str, actual: str) -> None:
    error = explain(verb, code, words, host=HOME, peer=PEER, evidence=("cmd-9",))
    assert isinstance(error, NotObserved)
    assert isinstance(error, CannotObserve)
    assert error.actual.startswith(actual)
    assert (error.host, error.evidence) == (HOME, ("cmd-9",))
    assert error.hint


# What nobody knows


def test_an_unknown_fault_shows_its_first_complaint_and_who_spoke_it() -> None:
    sky = "libxl: error: libxl_x.c:1:f: Domain 7:the sky fell"
    fault = explain("migrate", 1, target_failed(sky), host=HOME, peer=PEER)
    assert type(fault) is XlError
    assert isinstance(fault, LabFault)
    assert (fault.cause, fault.actual, fault.host) == (None, sky, PEER)
    assert "exit code 1" in fault.message
    here = explain("create", 3, not_created(sky, "libxl: error: libxl_y.c:2:g: Domain 7:and the earth"), host=HOME)
    assert (getattr(here, "actual", ""), getattr(here, "host", "")) == (sky, HOME)


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("", ""),
        ("Parsing config from g.cfg\n", ""),
        ("Parsing config from g.cfg\nthe sky fell\nsoftly\n", "the sky fell"),
        ("bash: warning: setlocale: LC_ALL: cannot change locale (C.UTF-8)\n", ""),
        (
            "bash: warning: setlocale: LC_ALL: cannot change locale (C.UTF-8)\n"
            "cat: /srv/private/.xenlab-nonce-1a2b: No such file or directory\n",
            "cat: /srv/private/.xenlab-nonce-1a2b: No such file or directory",
        ),
        (
            "libxl: warning: x.c:1: cannot do it well\nlibxl: error: x.c:2: cannot do it\n",
            "libxl: error: x.c:2: cannot do it",
        ),
        ("libxl: warning: x.c:1: cannot do it well\n", "libxl: warning: x.c:1: cannot do it well"),
        (
            "libxl: info: x.c:1: migration transport process [9] exited with error status 1\nweird\n",
            "weird",
        ),
        (CREATION_FAILED + "libxl: error: x.c:2: cannot do it\n", "libxl: error: x.c:2: cannot do it"),
        (CREATION_FAILED, CREATION_FAILED.strip()),
        ("10%\r20%\rfailed badly\r\n", "failed badly"),
    ],
)
def test_the_first_error_line(words: str, line: str) -> None:
    assert first_error_line(words) == line


def test_nothing_said_is_said_so() -> None:
    fault = explain("create", 3, "")
    assert isinstance(fault, XlError)
    assert fault.actual == "exit code 3, and nothing said"
