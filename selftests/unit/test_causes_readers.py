"""Readers that use the dictionary: the way to the peer, files on the share, a guest's kernel log."""

import pytest

from xenlab.causes import disk_trouble, nfs_trouble, peer_answer
from xenlab.causes.reading import first_error_line

# The way from host to host

NOISE = "keep root's .bashrc"
FORCED = "no command= before root's key"
SHELL = "chsh -s /bin/bash root"


@pytest.mark.parametrize(
    ("stdout", "stderr"),
    [
        ("baye\n", ""),
        ("baye", ""),
        ("baye\n", "Authorized use only.\n"),  # sshd's Banner: no part of xl's stream
        ("baye\n", "bash: warning: setlocale: LC_ALL: cannot change locale (C.UTF-8)\n"),
        ("baye\n", "-bash: /root/.cargo/env: No such file or directory\n"),
        ("baye\n", "Warning: Permanently added '10.1.1.143' (ED25519) to the list of known hosts.\n"),
    ],
)
def test_the_peer_s_name_alone_is_the_right_answer(stdout: str, stderr: str) -> None:
    assert peer_answer(stdout, stderr, 0, "baye") == (True, "it answers", "")


@pytest.mark.parametrize(
    ("stdout", "stderr", "code", "actual", "hint"),
    [
        ("Welcome\nbaye\n", "", 0, "'Welcome / baye'", NOISE),
        ("\nbaye\n", "", 0, "'baye'", NOISE),
        ("Hi\nbaye\n", "cat: /etc/motd.d: Permission denied\n", 0, "'Hi / baye'", NOISE),
        ("baye\nbye\n", "", 0, "'baye / bye'", NOISE),
        ("Please login as 'cirros' user, not as root\n\n", "", 0, "Please login as 'cirros' user, not as root", FORCED),
        (
            'Please login as the user "debian" rather than the user "root".\n',
            "",
            142,
            'Please login as the user "debian" rather than the user "root".',
            FORCED,
        ),
        ("Use the jump host\n", "", 1, "exit code 1: 'Use the jump host'", FORCED),
        ("This account is currently not available.\n", "", 1, "This account is currently not available.", SHELL),
        ("", "", 1, "exit code 1: nothing was said", SHELL),
        ("", "", 0, "nothing was said", SHELL),
        ("labubuntu\n", "", 0, "it answers as labubuntu", "another machine"),
        (
            "",
            "root@10.1.1.143: Permission denied (publickey,password).\r\n",
            255,
            "root@10.1.1.143: Permission denied (publickey,password).",
            "ssh-copy-id root@baye",
        ),
        (
            "",
            "root@10.1.1.143: Permission denied (password).\r\n",
            255,
            "root@10.1.1.143: Permission denied (password).",
            "PubkeyAuthentication yes",
        ),
        (
            "",
            "No ED25519 host key is known for 10.1.1.143 and you have requested strict checking.\r\n"
            "Host key verification failed.\r\n",
            255,
            "No ED25519 host key is known for 10.1.1.143 and you have requested strict checking.",
            "`ssh-keyscan 10.1.1.143 >> /root/.ssh/known_hosts`",
        ),
        (
            "",
            "@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\r\n"
            "Host key for 10.1.1.143 has changed and you have requested strict checking.\r\n",
            255,
            "@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @",
            "on labubuntu: `ssh-keygen -R 10.1.1.143`",
        ),
        (
            "",
            "ssh: connect to host 10.1.1.143 port 22: Connection refused\r\n",
            255,
            "ssh: connect to host 10.1.1.143 port 22: Connection refused",
            "systemctl status ssh",
        ),
        ("", "what ssh never said before\n", 255, "exit code 255: what ssh never said before", "with -v"),
        ("", "", 255, "exit code 255: nothing was said", "with -v"),
        ("", "bash: ssh: command not found\n", 127, "bash: ssh: command not found", "openssh-client"),
    ],
)
def test_a_wrong_answer_is_quoted_and_has_its_own_remedy(
    stdout: str, stderr: str, code: int, actual: str, hint: str
) -> None:
    answer = peer_answer(stdout, stderr, code, "baye", host="labubuntu")
    assert (answer.ok, answer.actual) == (False, actual)
    assert hint in answer.hint


@pytest.mark.parametrize("code", [None, 124, 137])
def test_no_answer_in_time_says_nothing(code: int | None) -> None:
    assert peer_answer("", "", code, "baye").ok is None


def test_a_tool_that_is_missing_says_nothing() -> None:
    assert peer_answer("", "bash: line 1: uname: command not found\n", 127, "baye").ok is None


# Files on the share


@pytest.mark.parametrize(
    ("words", "cause", "blame"),
    [
        ("touch: cannot touch '/mnt/private/x': Read-only file system", "read-only-file-system", "lab"),
        ("sh: 1: cannot create /mnt/private/x: Read-only file system", "read-only-file-system", "lab"),
        ("sh: 1: echo: echo: I/O error: No space left on device", "disk-full", "lab"),
        ("cat: write error: Disk quota exceeded", "disk-full", "lab"),
        ("touch: /mnt/private/x: Permission denied", "access-denied", "lab"),
        ("cat: /mnt/private/x: No such file or directory", "file-missing", "lab"),
        ("sh: 1: cannot create /mnt/private/x: Directory nonexistent", "file-missing", "lab"),
        ("sh: can't create /mnt/private/x: nonexistent directory", "file-missing", "lab"),
        ("stat: cannot statx '/mnt/private': Stale file handle", "stale-file-handle", "unobservable"),
        ("cat: /mnt/private/x: Stale NFS file handle", "stale-file-handle", "unobservable"),
        ("cat: /mnt/private/x: Input/output error", "io-error", "unobservable"),
        ("ls: reading directory '/mnt/private': Connection timed out", "share-timed-out", "unobservable"),
        ("mount.nfs: access denied by server while mounting 10.1.1.143:/srv/private", "mount-denied", "lab"),
        ("mount.nfs: Connection refused", "nfs-server-refuses", "lab"),
        ("mount: /mnt/private: mount point does not exist.", "mount-point-missing", "lab"),
        ("mount.nfs: mount point /mnt/private does not exist", "mount-point-missing", "lab"),
        (
            "mount: mounting 10.1.1.143:/srv on /mnt/private failed: No such file or directory",
            "mount-point-missing",
            "lab",
        ),
        ("cat: /srv/xl: No such file or directory", "file-missing", "lab"),
    ],
)
def test_what_is_wrong_with_a_file_on_the_share(words: str, cause: str, blame: str) -> None:
    noise = "bash: warning: setlocale: LC_ALL: cannot change locale (C.UTF-8): No such file or directory\n"
    trouble = nfs_trouble(noise + words + "\n")
    assert trouble is not None
    assert (trouble.cause.id, trouble.cause.blame, trouble.line) == (cause, blame, words)


@pytest.mark.parametrize("words", ["", "abc\n", "bash: warning: setlocale: LC_ALL: cannot change locale (C.UTF-8)\n"])
def test_a_file_with_nothing_wrong(words: str) -> None:
    assert nfs_trouble(words) is None


# A guest's kernel log

SOUND = """\
[    0.0] Command line: root=/dev/xvda1 ro rootflags=errors=remount-ro
[    1.0] blkfront: xvda1: flush diskcache: enabled; persistent grants: enabled
[    1.0] EXT4-fs (xvda1): mounted filesystem with ordered data mode. Opts: errors=remount-ro
[    1.1] EXT4-fs (xvda1): re-mounted. Opts: errors=remount-ro
[    1.2] EXT4-fs (xvda1): couldn't mount as ext3 due to feature incompatibilities
[    1.3] EXT4-fs (xvda1): warning: maximal mount count reached, running e2fsck is recommended
[    1.4] XFS (xvda3): Mounting V5 Filesystem
[    1.5] XFS (xvda3): Ending clean mount
[    1.6] BTRFS info (device xvda4): disk space caching is enabled
[    1.7] BTRFS: device fsid 7e1b devid 1 transid 5 /dev/xvda4 scanned by mount (87)
[    1.8] BTRFS warning (device xvda4): excessive commit interval 600
[    1.9] JBD2: barrier-based sync failed on xvda1-8 - disabling barriers
[    2.0] systemd[1]: Finished File System Check on Root Device.
[    2.1] blk_update_request: I/O error, dev fd0, sector 0 op 0x0:(READ) flags 0x0 phys_seg 1 prio class 0
[   10.1] Buffer I/O error on dev sr0, logical block 0, async page read
[   10.2] print_req_error: I/O error, dev loop0, sector 0
[   11.0] md5sum[88]: no error at all
"""
TROUBLE = [
    "[2.0] blk_update_request: I/O error, dev xvda1, sector 2048",
    "[2.1] print_req_error: I/O error, dev xvda1, sector 2048",
    "[2.1] end_request: I/O error, dev xvda1, sector 2048",
    "[2.2] I/O error, dev xvda1, sector 2048 op 0x1:(WRITE) flags 0x800 phys_seg 1 prio class 2",
    "[2.3] critical space allocation error, dev xvda1, sector 2048",
    "[2.4] Buffer I/O error on dev xvda1, logical block 1, lost async page write",
    "[2.5] lost page write due to I/O error on xvda1",
    "[2.6] Write-error on swap-device (202:2:1024)",
    "[3.0] EXT4-fs error (device xvda1): ext4_find_entry:1455: inode #2",
    "[3.1] EXT4-fs (xvda1): recovery complete",
    "[3.2] EXT4-fs (xvda1): Remounting filesystem read-only",
    "[3.3] EXT4-fs (xvda1): warning: mounting fs with errors, running e2fsck is recommended",
    "[3.4] EXT4-fs (xvda1): error count since last fsck: 3",
    "[3.5] EXT4-fs warning (device xvda1): dx_probe:818: inode #2: Unrecognised inode hash code 49",
    "[3.6] EXT3-fs error (device xvda1): ext3_lookup: deleted inode referenced: 2",
    "[3.7] Aborting journal on device xvda1-8.",
    "[3.8] JBD2: Detected IO errors while flushing file data on xvda1-8",
    "[3.9] JBD2: Error -5 detected when updating journal superblock for xvda1-8.",
    "[4.0] XFS (xvda1): Corruption detected. Unmount and run xfs_repair",
    "[4.1] XFS (xvda1): Metadata CRC error detected at xfs_agf_read_verify+0xa7",
    "[4.2] XFS (xvda1): log I/O error -5",
    "[4.3] XFS (xvda1): Starting recovery (logdev: internal)",
    "[4.4] XFS (xvda1): Filesystem has been shut down due to log error (0x2).",
    "[5.0] BTRFS error (device xvda1): bdev /dev/xvda1 errs: wr 1, rd 0, flush 0, corrupt 0, gen 0",
    "[5.1] BTRFS warning (device xvda1): csum failed root 5 ino 257 off 0 csum 0x1 expected csum 0x2 mirror 1",
    "[5.2] BTRFS info (device xvda1): forced readonly",
    "[5.3] BTRFS critical (device xvda1): corrupt leaf: root=2 block=1 slot=0",
    "[5.4] BTRFS: error (device xvda1) in btrfs_commit_transaction:2264: errno=-5 IO failure",
    "[5.5] BTRFS info (device xvda1): start tree-log replay",
    "[6.0] XENBUS: Timeout connecting to device: device/vbd/51713 (local state 3, remote state 1)",
    "[6.1] vbd vbd-51713: 2 reading backend fields at /local/domain/0/backend/vbd/3/51713",
    "[7.0] EXT4-fs error (device dm-0): ext4_lookup:1589: inode #2: comm ls: deleted inode referenced",
]


def test_a_sound_guest_has_no_trouble_with_its_disks() -> None:
    assert disk_trouble(SOUND, None) == ()
    assert disk_trouble(SOUND, ["xvda1", "xvda2", "xvda3", "xvda4"]) == ()
    assert disk_trouble("", None) == ()


@pytest.mark.parametrize("line", TROUBLE)
@pytest.mark.parametrize("disks", [None, ["xvda1"], ["xvda"], ["hda", "xvdb1"]])
def test_trouble_of_the_guest_s_own_disks_is_seen(line: str, disks: list[str] | None) -> None:
    assert disk_trouble(f"{SOUND}{line}\n{SOUND}", disks) == (line,)


@pytest.mark.parametrize(
    "line",
    [
        "[2.1] blk_update_request: I/O error, dev sdb, sector 0",
        "[2.1] blk_update_request: I/O error, dev nvme0n1, sector 0",
        "[3.0] EXT4-fs error (device xvdz1): ext4_find_entry:1455: inode #2",
    ],
)
def test_trouble_of_another_s_disk_is_not_the_guest_s(line: str) -> None:
    assert disk_trouble(line, ["xvda1", "xvda2"]) == ()
    assert disk_trouble(line, None) == (line,)


def test_a_file_of_ours_that_is_gone_is_no_noise_of_a_start_up_file() -> None:
    """What a guest wrote before it went down is lost: on real Xen that could not be told from a failing .bashrc."""
    gone = "cat: /root/.xenlab-43ed1247-nonce: No such file or directory"
    assert first_error_line(gone) == gone
    assert first_error_line("-bash: /root/.cargo/env: No such file or directory") == ""
