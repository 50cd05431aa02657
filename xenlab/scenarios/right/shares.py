"""Shares that are right, however they are served and mounted. Pure data."""

from xenlab.labfile_change import LabFileChange
from xenlab.scenarios.scenario import Scenario, right
from xenlab.scenarios.shell import (
    FILER,
    FILER_LAB,
    GUEST,
    OTHER_GUEST,
    SECOND_LAB,
    appended,
    done,
    exported,
    mounted,
    second_share_serves,
    third_machine_serves,
)
from xenlab.testbed.plan import BRIDGE, CLIENT, EXPORT, MOUNT_POINT, SERVER

_ALL, _USUAL = "10.1.1.0/24", "rw,sync,no_root_squash,no_subtree_check"

SHARES: tuple[Scenario, ...] = (
    right(
        "mounted-by-name",
        f"the share is mounted by {SERVER.name}'s name",
        "shared-storage",
        mounted(f"{SERVER.name}:{EXPORT}"),
    ),
    right(
        "mounted-by-an-alias",
        "the share is mounted by an alias of the server",
        "shared-storage",
        appended(CLIENT.name, "/etc/hosts", f"{SERVER.address} filer.lab.example filer"),
        mounted(f"filer:{EXPORT}"),
    ),
    right(
        "mounted-by-a-second-address",
        "the share is mounted by a second address of the server",
        "shared-storage",
        done(
            SERVER.name, f"ip address add 10.1.1.163/24 dev {BRIDGE}", f"ip address show {BRIDGE} | grep -q 10.1.1.163"
        ),
        mounted(f"10.1.1.163:{EXPORT}"),
    ),
    right(
        "mounted-by-ipv6",
        "the share is mounted over IPv6",
        "shared-storage",
        done(
            CLIENT.name,
            f"ip address add fd00:0:0:1::2/64 dev {BRIDGE} nodad",
            f"ip -6 address show {BRIDGE} | grep -q fd00:",
        ),
        done(
            SERVER.name,
            f"ip address add fd00:0:0:1::1/64 dev {BRIDGE} nodad",
            f"ip -6 address show {BRIDGE} | grep -q fd00:",
        ),
        exported(f"{EXPORT} {_ALL}({_USUAL}) fd00:0:0:1::/64({_USUAL})"),
        mounted(f"[fd00:0:0:1::1]:{EXPORT}"),
    ),
    right(
        "pseudo-root",
        "the export is the root of an NFSv4 server (fsid=0), and is mounted as that",
        "shared-storage",
        done(CLIENT.name, f"umount {MOUNT_POINT}", f"! findmnt -n -o SOURCE {MOUNT_POINT} | grep -q {EXPORT}"),
        exported(f"{EXPORT} {_ALL}({_USUAL},fsid=0)"),
        done(
            CLIENT.name,
            f"mount -t nfs4 -o vers=4.2,retry=0 {SERVER.address}:/ {MOUNT_POINT}",
            f"findmnt -n -o SOURCE {MOUNT_POINT} | grep -qx {SERVER.address}:/",
        ),
    ),
    right(
        "nfs-3",
        "the share is mounted by NFSv3",
        "shared-storage",
        done(
            SERVER.name,
            "sed -i s/vers3=n/vers3=y/ /etc/nfs.conf.d/xenlab.conf; systemctl unmask rpcbind.service rpcbind.socket; "
            "systemctl start rpcbind; systemctl restart nfs-server",
            "grep -q +3 /proc/fs/nfsd/versions",
        ),
        mounted(f"{SERVER.address}:{EXPORT}", "nfs", "vers=3,nolock"),
    ),
    right(
        "nfs-4.0",
        "the share is mounted by NFSv4.0",
        "shared-storage",
        mounted(f"{SERVER.address}:{EXPORT}", "nfs4", "vers=4.0"),
    ),
    right(
        "nfs-4.1",
        "the share is mounted by NFSv4.1",
        "shared-storage",
        mounted(f"{SERVER.address}:{EXPORT}", "nfs4", "vers=4.1,hard,noatime"),
    ),
    right(
        "folder-above-exported",
        "the server exports the folder above",
        "shared-storage",
        exported(f"/srv {_ALL}({_USUAL})"),
        done(
            CLIENT.name,
            f"umount {MOUNT_POINT}; mount -t nfs4 -o vers=4.2,retry=0 {SERVER.address}:{EXPORT} {MOUNT_POINT}",
            f"mountpoint -q {MOUNT_POINT}",
        ),
    ),
    right(
        "mount-point-is-a-link",
        f"{MOUNT_POINT} is a link to where the share is mounted",
        "path-fixes",
        done(
            CLIENT.name,
            f"umount {MOUNT_POINT} && rmdir {MOUNT_POINT} && mkdir -p /data/share && "
            f"ln -s /data/share {MOUNT_POINT} && "
            f"mount -t nfs4 -o vers=4.2,retry=0 {SERVER.address}:{EXPORT} /data/share",
            f"test -L {MOUNT_POINT} && test -s {GUEST.shared_config}",
        ),
    ),
    right(
        "automounted",
        "the share is mounted by an automounter once it is looked at, and has not been looked at yet",
        "shared-storage",
        done(
            CLIENT.name,
            f"umount {MOUNT_POINT}; printf '{SERVER.address}:{EXPORT} {MOUNT_POINT} nfs4 "
            "vers=4.2,x-systemd.automount,noauto 0 0\\n' >>/etc/fstab; systemctl daemon-reload; "
            "systemctl start mnt-private.automount",
            f"findmnt -n -o FSTYPE {MOUNT_POINT} | grep -qx autofs",
        ),
    ),
    right(
        "exported-to-several",
        "the share is exported to several clients, each by a line of its own",
        "shared-storage",
        exported(
            f"{EXPORT} {CLIENT.address}({_USUAL}) 10.9.0.0/16(ro,root_squash,no_subtree_check) *(ro,no_subtree_check)"
        ),
    ),
    right(
        "server-by-a-link",
        f"{SERVER.name}'s own way to the share is a link to what it exports",
        "path-fixes",
        done(
            SERVER.name,
            f"umount {MOUNT_POINT} && rmdir {MOUNT_POINT} && ln -s {EXPORT} {MOUNT_POINT}",
            f"test -L {MOUNT_POINT} && test -s {GUEST.shared_config}",
        ),
    ),
    right(
        "another-share-beside-it",
        f"{CLIENT.name} exports another folder, and {SERVER.name} mounts it",
        "shared-storage",
        done(
            CLIENT.name,
            f"mkdir -p /srv/iso && exportfs -o {_USUAL} {_ALL}:/srv/iso",
            "exportfs | grep -q /srv/iso",
        ),
    ),
    right(
        "share-of-a-third-machine",
        "a third machine (a NAS) serves the share to both hosts, neither of which exports anything",
        "path-fixes",
        *third_machine_serves(f"{_ALL}({_USUAL})", CLIENT, SERVER),
        lab=FILER_LAB,
    ),
    right(
        "boots-from-a-third-machine",
        "the guest boots from the share of a third machine (a NAS)",
        "boot-from-share",
        *third_machine_serves(f"{_ALL}({_USUAL})", CLIENT, SERVER),
        alone=True,
        lab=FILER_LAB,
    ),
    right(
        "two-shares",
        f"{SERVER.name} exports two folders, and {OTHER_GUEST.name} lives on the second",
        "path-fixes",
        *second_share_serves(*[f"{_ALL}({_USUAL})"] * 2),
        guest=OTHER_GUEST.name,
        lab=SECOND_LAB,
    ),
    right(
        "moves-on-a-second-share",
        f"{OTHER_GUEST.name}, which lives on a second share, moves while shut down",
        "cold-migration",
        *second_share_serves(*[f"{_ALL}({_USUAL})"] * 2),
        alone=True,
        guest=OTHER_GUEST.name,
        lab=SECOND_LAB,
    ),
    right(
        "second-address-in-the-lab-file",
        "the share is mounted by a second address of the server, which the lab file names",
        "shared-storage",
        done(SERVER.name, f"ip address add {FILER}/24 dev {BRIDGE}", f"ip address show {BRIDGE} | grep -q {FILER}"),
        mounted(f"{FILER}:{EXPORT}"),
        lab=(LabFileChange("share", "address", FILER),),
    ),
)
"""Shares that are right."""
