"""What is wrong with the NFS share. Pure data."""

from xenlab.scenarios.scenario import LabChange, Red, Scenario, wrong
from xenlab.scenarios.shell import (
    FILER_LAB,
    KEPT,
    OTHER_GUEST,
    SECOND_LAB,
    SECOND_MOUNT_POINT,
    done,
    exported,
    mounted,
    second_share_serves,
    third_machine_serves,
)
from xenlab.testbed.plan import CLIENT, EXPORT, GUESTS, MOUNT_POINT, SERVER

_STEP = "shared-storage"
_ALL = "10.1.1.0/24"
_USUAL = "rw,sync,no_root_squash,no_subtree_check"
_MOUNT = "mount -t nfs4 -o vers=4.2,retry=0"
_GUEST = GUESTS[0]


def _on_client(script: str, took: str) -> LabChange:
    return done(CLIENT.name, script, took)


_PORT_DROPPED = _on_client(
    f"ip rule add to {SERVER.address} ipproto tcp dport 2049 blackhole",
    f"! timeout 3 ls {MOUNT_POINT}/. >/dev/null 2>&1",
)
_COPIED = "/srv/copy"
_COPY = f"mkdir -p {_COPIED} && cp -a --sparse=always {MOUNT_POINT}/. {_COPIED}/"

SHARE: tuple[Scenario, ...] = (
    wrong(
        "nfs-server-stopped",
        f"the NFS server of {SERVER.name} is stopped",
        Red(_STEP, "nfs-serves", "systemctl start"),
        done(SERVER.name, "systemctl stop nfs-server", 'test "$(cat /proc/fs/nfsd/threads 2>/dev/null || echo 0)" = 0'),
    ),
    wrong(
        "not-exported",
        f"{SERVER.name} exports another folder only",
        Red(_STEP, "one-server", "/etc/exports"),
        exported(f"/srv/other {_ALL}({_USUAL})"),
    ),
    wrong(
        "exported-to-others",
        f"{SERVER.name} exports the share to another machine than {CLIENT.name}, where it is not mounted",
        Red(_STEP, "mounted-by-nfs", f"add {CLIENT.name}"),
        _on_client(f"umount {MOUNT_POINT}", f"! mountpoint -q {MOUNT_POINT}"),
        exported(f"{EXPORT} 10.1.1.77({_USUAL})"),
    ),
    wrong(
        "exported-read-only",
        f"the share is exported read-only to {CLIENT.name}, and writable to all others",
        Red(_STEP, "no-root-squash", "ro"),
        exported(f"{EXPORT} {CLIENT.address}(ro,sync,no_root_squash,no_subtree_check) {_ALL}({_USUAL})"),
    ),
    wrong(
        "root-squashed",
        "the export squashes root, as it does where no_root_squash is not given",
        Red(_STEP, "no-root-squash", "no_root_squash"),
        exported(f"{EXPORT} {_ALL}(rw,sync,no_subtree_check)"),
    ),
    wrong(
        "root-squashed-for-one",
        f"the export squashes root of {CLIENT.name} alone",
        Red(_STEP, "no-root-squash", "no_root_squash"),
        exported(f"{EXPORT} {CLIENT.address}(rw,sync,root_squash,no_subtree_check) {_ALL}({_USUAL})"),
    ),
    wrong(
        "all-squashed",
        "the export makes everybody nobody",
        Red(_STEP, "no-root-squash", "no_root_squash"),
        exported(f"{EXPORT} {_ALL}(rw,sync,all_squash,no_subtree_check)"),
    ),
    wrong(
        "unmounted",
        f"the share is not mounted on {CLIENT.name}",
        Red(_STEP, "mounted-by-nfs", "nothing is mounted there"),
        _on_client(f"umount {MOUNT_POINT}", f"! mountpoint -q {MOUNT_POINT}"),
    ),
    wrong(
        "mounted-read-only",
        f"the share is mounted read-only on {CLIENT.name}",
        Red(_STEP, "mounted-by-nfs", "read-only"),
        _on_client(f"mount -o remount,ro {MOUNT_POINT}", f"! touch {MOUNT_POINT}/try"),
    ),
    wrong(
        "mounted-elsewhere",
        f"{CLIENT.name} mounts the share at another path",
        Red(_STEP, "mounted-by-nfs", f"mount -t nfs {SERVER.address}:{EXPORT} {MOUNT_POINT}"),
        _on_client(
            f"umount {MOUNT_POINT} && mkdir -p /mnt/other && {_MOUNT} {SERVER.address}:{EXPORT} /mnt/other",
            f"mountpoint -q /mnt/other && ! mountpoint -q {MOUNT_POINT}",
        ),
    ),
    wrong(
        "another-export",
        f"{CLIENT.name} mounts another export of {SERVER.name}",
        Red(_STEP, "nonce-shared", "the two hosts do not see the same folder"),
        exported(f"{EXPORT} {_ALL}({_USUAL})", f"/srv/other {_ALL}({_USUAL})"),
        mounted(f"{SERVER.address}:/srv/other"),
    ),
    wrong(
        "folder-below-the-export",
        f"{CLIENT.name} mounts a folder of the export instead of the export",
        Red(_STEP, "nonce-shared", "the two hosts do not see the same folder"),
        mounted(f"{SERVER.address}:{EXPORT}/{_GUEST.owner}"),
    ),
    wrong(
        "over-mounted-by-tmpfs",
        f"a tmpfs lies over the share on {CLIENT.name}",
        Red(_STEP, "mounted-by-nfs", "lies over the NFS mount"),
        _on_client(
            f"mount -t tmpfs tmpfs {MOUNT_POINT}", f"findmnt -n -o FSTYPE {MOUNT_POINT} | tail -1 | grep -qx tmpfs"
        ),
    ),
    wrong(
        "over-mounted-by-a-copy",
        f"a copy of the share lies over it on {CLIENT.name}",
        Red(_STEP, "mounted-by-nfs", "lies over the NFS mount"),
        _on_client(
            f"{_COPY} && mount --bind {_COPIED} {MOUNT_POINT}",
            f"! findmnt -n -o FSTYPE {MOUNT_POINT} | tail -1 | grep -q nfs",
        ),
    ),
    wrong(
        "copy-below-the-mount-point",
        f"a copy of {_GUEST.name}'s folder lies over it on {CLIENT.name}, below the mount point",
        Red(_STEP, "same-file", "compare ls -li on both"),
        _on_client(
            f"{_COPY} && mount --bind {_COPIED}/{_GUEST.owner} {_GUEST.shared_folder}",
            f"mountpoint -q {_GUEST.shared_folder}",
        ),
    ),
    wrong(
        "local-copy",
        f"{CLIENT.name} has a copy of the share's files where the share should be mounted",
        Red(_STEP, "mounted-by-nfs", "nothing is mounted there"),
        _on_client(
            f"{_COPY} && umount {MOUNT_POINT} && cp -a --sparse=always {_COPIED}/. {MOUNT_POINT}/",
            f"! mountpoint -q {MOUNT_POINT} && test -s {_GUEST.shared_config}",
        ),
    ),
    wrong(
        "server-sees-a-copy",
        f"{SERVER.name}'s own path to the share is a copy of what it exports",
        Red(_STEP, "mounted-by-nfs", "another folder than"),
        done(
            SERVER.name,
            f"mkdir -p /srv/copy && cp -a --sparse=always {EXPORT}/. /srv/copy/ && umount {MOUNT_POINT} && "
            f"mount --bind /srv/copy {MOUNT_POINT}",
            f'test "$(stat -c %i {MOUNT_POINT})" != "$(stat -c %i {EXPORT})"',
        ),
    ),
    wrong(
        "two-servers",
        f"{CLIENT.name} exports a folder of the same name as well",
        Red(_STEP, "one-server", "others only mount it"),
        _on_client(
            f"mkdir -p {EXPORT} && exportfs -o rw,no_root_squash {_ALL}:{EXPORT}", f"exportfs | grep -q {EXPORT}"
        ),
    ),
    wrong(
        "stale-handle",
        f"the exported folder was replaced by another while {CLIENT.name} had it mounted",
        Red(_STEP, "mounted-by-nfs", "tale"),
        done(
            SERVER.name,
            f"umount {MOUNT_POINT}; exportfs -ua; mv {EXPORT} /srv/old && cp -a --sparse=always /srv/old {EXPORT} && "
            f"rm -rf /srv/old && exportfs -ra && mount --bind {EXPORT} {MOUNT_POINT}",
            f"test ! -e /srv/old && mountpoint -q {MOUNT_POINT}",
        ),
    ),
    wrong(
        "nfs-port-dropped",
        f"a firewall between {CLIENT.name} and {SERVER.name} drops what goes to the port of NFS",
        Red(_STEP, "mounted-by-nfs", "drop port 2049"),
        _PORT_DROPPED,
    ),
    wrong(
        "soft-mount-in-trouble",
        f"the share is mounted soft on {CLIENT.name}, and its server is out of reach",
        Red(_STEP, "mounted-by-nfs", "cannot be looked into"),
        mounted(f"{SERVER.address}:{EXPORT}", "nfs4", "vers=4.2,soft,timeo=10,retrans=1"),
        _PORT_DROPPED,
    ),
    wrong(
        "third-machine-serves-one-only",
        f"a third machine serves the share to {SERVER.name} alone",
        Red(_STEP, "mounted-by-nfs", "nothing is mounted"),
        *third_machine_serves(f"{SERVER.address}({_USUAL})", SERVER),
        lab=FILER_LAB,
    ),
    wrong(
        "third-machine-squashes-root",
        "a third machine serves the share, and makes root nobody",
        Red(_STEP, "nonce-shared", "Permission denied"),
        *third_machine_serves(f"{_ALL}(rw,sync,root_squash,no_subtree_check)", CLIENT, SERVER),
        lab=FILER_LAB,
    ),
    wrong(
        "third-machine-is-the-server-itself",
        f"the lab file says that a third machine serves the share, but {SERVER.name} does",
        Red(_STEP, "one-server", "exported by"),
        lab=FILER_LAB,
    ),
    wrong(
        "second-share-squashes-root",
        f"of two shares that {SERVER.name} exports, the second squashes root",
        Red(_STEP, "no-root-squash", SECOND_MOUNT_POINT),
        *second_share_serves(f"{_ALL}({_USUAL})", f"{_ALL}(rw,sync,root_squash,no_subtree_check)"),
        guest=OTHER_GUEST.name,
        lab=SECOND_LAB,
    ),
    wrong(
        "share-full",
        "there is no space left on the share",
        Red(_STEP, "nonce-shared", "No space left"),
        done(
            SERVER.name,
            f"fallocate -l $(($(df --output=avail -B1 {EXPORT} | tail -1))) {EXPORT}/fill || "
            f"dd if=/dev/zero of={EXPORT}/fill bs=1M; dd if=/dev/zero of={EXPORT}/fill2 bs=4k; true",
            f"! dd if=/dev/zero of={EXPORT}/try bs=1M count=1 2>/dev/null; rm -f {EXPORT}/try",
        ),
    ),
    wrong(
        "config-not-there",
        "nobody has copied the guest's config onto the share",
        Red(_STEP, "same-file", "No such file"),
        _on_client(f"mkdir -p {KEPT} && mv {_GUEST.shared_config} {KEPT}/", f"test ! -e {_GUEST.shared_config}"),
    ),
)
"""What a run's second step must show."""
