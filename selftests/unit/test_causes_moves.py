"""A move that failed: its cause, named on the side that spoke, and what only looks like a cause."""

import pytest
from stampedmove import LINES
from transcripts import (
    BRIDGE,
    CREATION_FAILED,
    DISK,
    NAME_TAKEN,
    NO_GREETING,
    NO_ROOT,
    NO_XEN,
    NOT_SUSPENDED,
    PERMITTED,
    STARTED,
    STREAM_BROKE,
    TRANSFERRED,
    never_greeted,
    target_failed,
)

from xenlab.causes import GuestDidNotSuspend, StateUndefined, XlError, explain
from xenlab.xen.messages import parse_migration, without_debugging

HOME, PEER = "labubuntu", "baye"
CUT = "client_loop: send disconnect: Broken pipe\n"
RESUME_FAILED = (
    "xc: error: Dom 1 not suspended: (shutdown 0, reason 3): Internal error\n"
    "libxl: error: libxl_dom_suspend.c:474:libxl__domain_resume: Domain 1:xc_domain_resume failed: Invalid argument\n"
)
SUSPEND_CALLBACK = (
    STARTED + "xc: info: Saving domain 1, type x86 PV\n"
    "xc: error: save callback suspend() failed: 0: Internal error\n"
    "xc: error: Save failed (0 = Success): Internal error\n"
    "libxl: error: libxl_stream_write.c:355:libxl__xc_domain_save_done: Domain 1:saving domain: domain responded to "
    "suspend request: Success\n"
    "migration sender: libxl_domain_suspend failed (rc=-3)\nMigration failed, resuming at sender.\n" + RESUME_FAILED
)
DISK_GONE_LATER = (
    f"{STARTED}{DISK}\n"
    "libxl: error: libxl_domain.c:1182:libxl__destroy_domid: Domain 7:Non-existant domain\n"
    "libxl: error: libxl_domain.c:1136:domain_destroy_callback: Domain 7:Unable to destroy guest\n"
    f"{CREATION_FAILED}"
    "libxl: error: libxl_utils.c:510:libxl_read_exactly: file/stream truncated reading ready message from migration "
    "receiver stream\n"
    "libxl: info: libxl_exec.c:118:libxl_report_child_exitstatus: migration transport process [2101] exited with error "
    "status 1\nMigration failed, resuming at sender.\n"
)
REFUSED_BY_TARGET = (
    "migration target: Failure, destroying our copy.\n"
    "migration target: Cleanup OK, granting sender permission to resume.\n"
    "migration sender: Target reports startup failure (status code 6).\n"
    "migration sender: Trying to resume at our end.\nmigration sender: Resumed OK.\n"
    "Migration failed due to problems at target.\n"
)
LOGDIRTY = (
    STARTED + "xc: error: Failed to enable logdirty: 95,22,0 (22 = Invalid argument): Internal error\n"
    "xc: error: Save failed (22 = Invalid argument): Internal error\n"
    "migration sender: libxl_domain_suspend failed (rc=-3)\n"
    # The target's consequences come through ssh after the sender has given up.
    "xc: error: Failed to read Record Header from stream (0 = Success): Internal error\n"
    "xc: error: Restore failed (0 = Success): Internal error\n"
    "libxl: error: libxl_stream_read.c:850:libxl__xc_domain_restore_done: restoring domain: Success\n"
    f"{CREATION_FAILED}Migration failed, resuming at sender.\n"
)
KEY_CHANGED = (
    "@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@\n"
    "@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\n"
    "IT IS POSSIBLE THAT SOMEONE IS DOING SOMETHING NASTY!\n"
    "Offending ECDSA key in /root/.ssh/known_hosts:3\n"
    "Host key for 10.1.1.143 has changed and you have requested strict checking.\nHost key verification failed.\n"
)
PAUSED = (
    STARTED + "xc: error: Bad mfn for L1[510]: Internal error\nxc: error: mfn 0x0, max 0x3fffff: Internal error\n"
    "xc: error: Save failed (34 = Numerical result out of range): Internal error\n" + NOT_SUSPENDED
)

MOVES = [
    # What the target says is the target's.
    ("disk", target_failed(DISK), "disk-missing", PEER),
    ("disk, told by a sender that resumes", DISK_GONE_LATER, "disk-missing", PEER),
    ("bridge", target_failed(*BRIDGE), "bridge-missing", PEER),
    ("memory", target_failed("failed to free memory for the domain"), "memory-short", PEER),
    (
        "memory for the pages",
        target_failed("xc: error: Failed to populate physmap (12 = Cannot allocate memory): Internal error"),
        "memory-short",
        PEER,
    ),
    ("half of it is there", target_failed(NAME_TAKEN.format("guest1--incoming")), "half-moved-guest-in-the-way", PEER),
    (
        "its name is taken when it is to start",
        f"{STARTED}{TRANSFERRED}{PERMITTED}{NAME_TAKEN.format('guest1')}\n{REFUSED_BY_TARGET}",
        "domain-exists",
        PEER,
    ),
    (
        "share read-only there",
        target_failed("libxl: error: x.c:1:f: script: File /mnt/private/g.img is read-only, and so I will not"),
        "disk-read-only",
        PEER,
    ),
    (
        "no room there",
        target_failed("libxl: error: libxl_dm.c:57: unable to open Qemu logfile: /var/log/x: No space left on device"),
        "disk-full",
        PEER,
    ),
    (
        "CPU features",
        target_failed(
            "xc: error: Failed to set CPUID policy: leaf 00000007, subleaf 00000000, msr ffffffff (22 = Invalid "
            "argument): Internal error",
            "xc: error: Restore failed (22 = Invalid argument): Internal error",
        ),
        "cpu-features-differ",
        PEER,
    ),
    (
        "older Xen",
        target_failed("Savefile has mandatory flag(s) 0x4 which are not supported; need newer xl"),
        "target-has-older-xen",
        PEER,
    ),
    ("Xen not booted there", never_greeted(*NO_XEN), "xen-not-running", PEER),
    ("another user there", never_greeted(*NO_ROOT), "peer-login-is-not-root", PEER),
    ("zsh", never_greeted("zsh:1: command not found: xl", status=127), "xl-missing", PEER),
    ("csh", never_greeted("xl: Command not found.", status=1), "xl-missing", PEER),
    ("fish", never_greeted("fish: Unknown command: xl", status=127), "xl-missing", PEER),
    ("bash", never_greeted("bash: line 1: xl: command not found", status=127), "xl-missing", PEER),
    ("bash alone", "bash: line 1: xl: command not found\n", "xl-missing", PEER),
    ("busybox", never_greeted("-sh: xl: not found", status=127), "xl-missing", PEER),
    ("German bash", never_greeted("bash: Zeile 1: xl: Kommando nicht gefunden.", status=127), "xl-missing", PEER),
    (
        "restricted",
        never_greeted("rbash: line 1: xl: restricted: cannot specify `/'", status=1),
        "shell-restricted",
        PEER,
    ),
    (
        "start-up files that complain, and then a disk",
        "-bash: /root/.cargo/env: No such file or directory\nstdin: is not a tty\n" + target_failed(DISK),
        "disk-missing",
        PEER,
    ),
    # What the sender says is the sender's, ssh's words among them.
    ("ssh cut", STARTED + CUT + STREAM_BROKE + NOT_SUSPENDED, "peer-connection-lost", HOME),
    ("no key", "root@10.1.1.143: Permission denied (publickey,password).\n" + NO_GREETING, "login-refused", HOME),
    (
        "Banner, no key",
        "Authorized use only.\nroot@10.1.1.143: Permission denied (publickey).\n" + NO_GREETING,
        "login-refused",
        HOME,
    ),
    ("password", "root@10.1.1.143: Permission denied (password,keyboard-interactive).\n", "password-only", HOME),
    ("key changed", KEY_CHANGED, "host-key-changed", HOME),
    (
        "key unknown",
        "No ED25519 host key is known for 10.1.1.143 and you have requested strict checking.\r\n"
        "Host key verification failed.\r\n",
        "host-key-unknown",
        HOME,
    ),
    ("key", "Host key verification failed.\r\n", "host-key-not-verified", HOME),
    (
        "old sshd",
        never_greeted(
            "Unable to negotiate with 10.1.1.143 port 22: no matching host key type found. Their offer: ssh-rsa",
            status=255,
        ),
        "ssh-algorithms-differ",
        HOME,
    ),
    (
        "too many keys",
        never_greeted(
            "Received disconnect from 10.1.1.143 port 22:2: Too many authentication failures",
            "Disconnected from 10.1.1.143 port 22",
            status=255,
        ),
        "too-many-keys",
        HOME,
    ),
    ("closed", never_greeted("Connection closed by 10.1.1.143 port 22", status=255), "peer-closed-connection", HOME),
    (
        "dropped",
        never_greeted("kex_exchange_identification: Connection closed by remote host", status=255),
        "peer-drops-connections",
        HOME,
    ),
    (
        "banner late",
        never_greeted("Connection timed out during banner exchange", status=255),
        "peer-drops-connections",
        HOME,
    ),
    ("config", never_greeted("Bad owner or permissions on /root/.ssh/config", status=255), "ssh-config-bad", HOME),
    ("no route", "ssh: connect to host 10.1.1.9 port 22: No route to host\n", "peer-unreachable", HOME),
    ("no sshd", "ssh: connect to host 10.1.1.9 port 22: Connection refused\n", "peer-refuses-connections", HOME),
    ("no name", "ssh: Could not resolve hostname baye: Name or service not known\n", "peer-name-unknown", HOME),
    ("no ssh", "sh: 1: exec: ssh: not found\n" + NO_GREETING.format(status=127), "ssh-client-missing", HOME),
    ("log-dirty", LOGDIRTY, "no-log-dirty", HOME),
    ("noise", "migration receiver stream contained unexpected data instead of banner\n", "login-noise", HOME),
    (
        "gone meanwhile",
        STARTED
        + "xc: error: Failed to get types for pfn batch (3 = No such process): Internal error\n"
        + NOT_SUSPENDED,
        "guest-gone-while-sent",
        HOME,
    ),
    (
        "half of it is here",
        f"{STARTED}{TRANSFERRED}{NAME_TAKEN.format('guest1--migratedaway')}\n",
        "half-moved-guest-in-the-way",
        HOME,
    ),
    ("no such guest", "guest9 is an invalid domain identifier (rc=-6)\n", "no-such-domain", HOME),
    ("too busy", STARTED + "Migration aborted as requested, domain is too busy.\n", "guest-too-busy", HOME),
    # Nothing but consequences.
    ("ended early", NO_GREETING.format(status=1), "peer-gave-no-greeting", HOME),
    ("target gave up", STARTED + CREATION_FAILED + STREAM_BROKE + NOT_SUSPENDED, "target-creation-failed", PEER),
    ("stream broke", STARTED + STREAM_BROKE + NOT_SUSPENDED, "stream-broke", HOME),
]


@pytest.mark.parametrize(("words", "cause", "host"), [case[1:] for case in MOVES], ids=[case[0] for case in MOVES])
def test_a_move_is_explained_by_its_cause_on_the_side_that_spoke(words: str, cause: str, host: str) -> None:
    fault = explain("migrate", 1, words, host=HOME, peer=PEER, guest="guest1", evidence=("cmd-3",))
    assert isinstance(fault, XlError)
    assert fault.cause is not None
    assert (fault.cause.id, fault.host, fault.guest, fault.evidence) == (cause, host, "guest1", ("cmd-3",))
    assert fault.message.startswith("xl migrate failed: ")
    assert fault.actual in words.replace("\r", "")
    assert ": info: " not in fault.actual
    assert fault.hint
    assert not {"HOST", "PEER", "GUEST"} & set(fault.hint.split())


def test_the_path_is_told_on_the_target() -> None:
    fault = explain("migrate", 1, target_failed(DISK), host=HOME, peer=PEER)
    assert fault.message == "xl migrate failed: on baye: disk xvda1: /mnt/private/artem/guest1.img is not there"
    assert fault.hint == "is the share mounted on baye at the same path, and is the file there?"
    unnamed = explain("migrate", 1, target_failed(DISK), host=HOME)
    assert (unnamed.hint.split()[5], getattr(unnamed, "host", "")) == ("PEER", None)


def test_a_changed_key_names_the_one_entry_to_drop_and_where() -> None:
    hint = explain("migrate", 1, KEY_CHANGED, host=HOME, peer=PEER).hint
    assert "on labubuntu: `ssh-keygen -R 10.1.1.143`" in hint
    assert "ssh-copy-id" not in hint


def test_what_a_host_says_reaches_a_remedy_only_as_a_plain_word() -> None:
    hostile = KEY_CHANGED.replace("10.1.1.143", "$(reboot)")
    hint = explain("migrate", 1, hostile, host=HOME, peer=PEER).hint
    assert "reboot" not in hint
    assert "`ssh-keygen -R PEER`" in hint


# A guest that did not suspend, and what only looks so

SUSPEND = [
    ("libxl: error: libxl_dom_suspend.c:360:f: Domain 3:guest did not suspend, timed out\n", "guest-did-not-suspend"),
    (
        "libxl: error: x.c:262:f: Domain 3:guest didn't acknowledge suspend, cancelling request\n",
        "guest-did-not-suspend",
    ),
    (STARTED + NOT_SUSPENDED, "guest-did-not-suspend-in-the-end"),
    ("Migration failed, failed to suspend at sender.\n", "guest-did-not-suspend-in-the-end"),
    (PAUSED, "guest-not-sendable-as-it-stands"),
    (SUSPEND_CALLBACK, "guest-failed-while-suspending"),
]


@pytest.mark.parametrize(("words", "cause"), SUSPEND)
def test_a_guest_that_did_not_suspend(words: str, cause: str) -> None:
    fault = explain("migrate", 1, words, host=HOME, peer=PEER, guest="guest1")
    assert isinstance(fault, GuestDidNotSuspend)
    assert fault.cause is not None
    assert fault.cause.id == cause
    assert fault.host == HOME


def test_a_guest_that_failed_while_suspending_and_was_not_resumed_is_to_be_looked_at() -> None:
    fault = explain("migrate", 1, SUSPEND_CALLBACK, host=HOME, peer=PEER, guest="guest1")
    assert isinstance(fault, GuestDidNotSuspend)
    assert fault.actual == "xc: error: save callback suspend() failed: 0: Internal error"
    assert "to resume the guest at the sender failed" in fault.hint
    assert "`xl list` on labubuntu" in fault.hint


@pytest.mark.parametrize(
    "words",
    [
        target_failed(DISK),
        STARTED + CUT + STREAM_BROKE + NOT_SUSPENDED,
        STARTED + STREAM_BROKE + NOT_SUSPENDED,
        target_failed("libxl: error: libxl_x.c:1:f: Domain 7:the sky fell"),
    ],
)
def test_failed_to_suspend_counts_only_where_nothing_else_is_said(words: str) -> None:
    assert not isinstance(explain("migrate", 1, words), GuestDidNotSuspend)


# An undefined state goes before all


@pytest.mark.parametrize("code", [1, 124, None])
@pytest.mark.parametrize("before", ["", CUT, f"{DISK}\n"])
def test_an_undefined_state_is_told_whatever_else_was_said(before: str, code: int | None) -> None:
    words = (
        f"{STARTED}{TRANSFERRED}{PERMITTED}{before}** Migration failed during final handshake **\n"
        "Domain state is now undefined !\nPlease CHECK AT BOTH ENDS for running instances, before renaming and\n"
    )
    fault = explain("migrate", code, words, host=HOME, peer=PEER, guest="guest1")
    assert isinstance(fault, StateUndefined)
    assert "`xl list` on labubuntu and baye, also for guest1--incoming and guest1--migratedaway" in fault.hint


def test_a_status_alone_names_what_was_said_beside_it() -> None:
    words = never_greeted("xl: 아무것도", status=127)
    fault = explain("migrate", 1, words, host=HOME, peer=PEER)
    assert isinstance(fault, XlError)
    assert "baye has no xl" in fault.message
    assert fault.actual == "xl: 아무것도"


def test_words_that_belong_to_no_turn() -> None:
    late = (
        STARTED + "migration sender: libxl_domain_suspend failed (rc=-3)\nlibxl: error: x.c:1: the sky fell, failed\n"
    )
    fault = explain("migrate", 1, late, host=HOME, peer=PEER)
    assert getattr(fault, "host", "") == HOME


NOISE = [text for _, text in LINES if ": debug: " in text or ": detail: " in text] + [
    "libxl: debug: libxl_device.c:348:disk_try_backend: Disk vdev=xvda1, backend phy unsuitable as phys path not a "
    "block device",
    "libxl: debug: libxl_event.c:1:x: watch error: cannot open, No such file or directory",
    'libxl: debug: libxl_qmp.c:34:qmp_handle_response: Domain 3:received: \'{"error": {"desc": "failed"}}\r',
    "'",
]


@pytest.mark.parametrize(
    "words",
    [
        target_failed(DISK),
        target_failed(*BRIDGE),
        target_failed("Unheard of: cannot be"),
        SUSPEND_CALLBACK,
        DISK_GONE_LATER,
        LOGDIRTY,
        STARTED + TRANSFERRED + PERMITTED + REFUSED_BY_TARGET,
        never_greeted("root@10.1.1.143: Permission denied (publickey)."),
    ],
)
def test_a_verbose_xl_is_explained_as_one_that_is_not(words: str) -> None:
    noisy = "".join(f"{line}\n" + "".join(f"{noise}\n" for noise in NOISE) for line in words.splitlines())
    calm = without_debugging(noisy)
    assert calm == words
    assert parse_migration(calm) == parse_migration(words)
    plain, verbose = (explain("migrate", 1, said, host=HOME, peer=PEER) for said in (words, calm))
    assert str(plain) == str(verbose)
    assert plain.actual == verbose.actual


def test_all_that_a_calm_xl_says_stays() -> None:
    words = "\n".join(text for _, text in LINES)
    assert without_debugging(words).splitlines() == [
        text for _, text in LINES if ": debug: " not in text and ": detail: " not in text
    ]
