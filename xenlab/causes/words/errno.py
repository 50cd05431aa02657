"""What any program says of a file that it cannot read or write (errno(3)): the general entries, asked last."""

from xenlab.causes.cause import Cause, Rank

_ERRNO = "errno(3), as cat, touch, stat, cp and losetup show it"

OUT_OF_REACH = (
    "Stale file handle",
    "Stale NFS file handle",
    "Input/output error",
    "Remote I/O error",
    "Connection timed out",
    "Host is down",
)
"""What the system says of a file whose server or disk does not answer as it should: it says nothing of the file."""

ERRNO = (
    Cause(
        id="read-only-file-system",
        patterns=(
            ": Read-only file system",
            "(30 = Read-only file system)",
            "WARNING: source write-protected, mounted read-only",
        ),
        meaning="the file system is read-only on {host}",
        side="host",
        remedy="a share: is it mounted with ro on {host} (`findmnt`), or exported ro to it (`exportfs -v` on the "
        "server)? mount and export it rw; a disk of its own: the kernel log of {host} says why it was made read-only",
        example="touch: cannot touch '/mnt/private/x': Read-only file system",
        source=_ERRNO,
        rank=Rank.GENERAL,
    ),
    Cause(
        id="disk-full",
        patterns=(": No space left on device", ": Disk quota exceeded", "(28 = No space left on device)"),
        meaning="a file system that {host} writes to is full",
        side="host",
        remedy="see `df -h` and `df -i` on {host} and on the server, and make room",
        example="sh: 1: echo: echo: I/O error: No space left on device",
        source=_ERRNO,
        rank=Rank.GENERAL,
    ),
    Cause(
        id="in-use",
        patterns=(": Device or resource busy", ": Text file busy"),
        meaning="what {host} wants to use is in use already",
        side="host",
        remedy="find out who has it (`losetup --list`, `findmnt` and `xl list -l` on both hosts)",
        example="losetup: /dev/loop0: failed to set up loop device: Device or resource busy",
        source=_ERRNO,
        rank=Rank.GENERAL,
    ),
    Cause(
        id="stale-file-handle",
        patterns=(": Stale file handle", ": Stale NFS file handle", "(116 = Stale file handle)"),
        meaning="the server no longer knows a folder or file that {host} holds",
        side="server",
        remedy="was the exported folder replaced, or its file system mounted anew on the server? a mount made anew on "
        "{host} sees it again, once nobody uses the old one",
        example="cat: /mnt/private/x: Stale file handle",
        source=_ERRNO,
        rank=Rank.GENERAL,
        blame="unobservable",
    ),
    Cause(
        id="io-error",
        patterns=(": Input/output error", ": Remote I/O error", "(5 = Input/output error)"),
        meaning="a read or write failed on {host}, which says nothing about what is there",
        side="host",
        remedy="see the kernel log of {host}: a disk, or a share mounted soft whose server is away",
        example="cat: /mnt/private/x: Input/output error",
        source=_ERRNO,
        rank=Rank.GENERAL,
        blame="unobservable",
    ),
    Cause(
        id="share-timed-out",
        patterns=(
            ": Connection timed out",
            ": Operation timed out",
            ": Host is down",
            ": Transport endpoint is not connected",
        ),
        meaning="the share did not answer {host} in time",
        side="server",
        remedy="see the kernel log of {host} (nfs: server ... not responding), and the NFS server",
        example="ls: reading directory '/mnt/private': Connection timed out",
        source=_ERRNO,
        rank=Rank.GENERAL,
        blame="unobservable",
    ),
    Cause(
        id="access-denied",
        patterns=(": Permission denied", ": Operation not permitted"),
        meaning="root may not do that on {host}",
        side="server",
        remedy="on a share: rw,no_root_squash in the export's options for {host}, and rx on every folder above the "
        "file",
        example="touch: cannot touch '/mnt/private/x': Permission denied",
        source=_ERRNO,
        rank=Rank.GENERAL,
    ),
    Cause(
        id="file-missing",
        patterns=(
            ": No such file or directory",
            ": Directory nonexistent",
            ": nonexistent directory",
            ": Not a directory",
            ": Is a directory",
            ": Too many levels of symbolic links",
        ),
        meaning="a file or folder is not there on {host}",
        side="host",
        remedy="compare the path, and `findmnt` on both hosts: do both see the same folder?",
        example="cat: /srv/private/.xenlab-nonce-1a2b3c4d: No such file or directory",
        source=_ERRNO,
        rank=Rank.GENERAL,
    ),
)

LAST = (
    Cause(
        id="hotplug-script-complained",
        patterns=("script: {what...}",),
        meaning="a hotplug script on {host} says: {what}",
        side="host",
        remedy="see /var/log/xen/xen-hotplug.log on {host}",
        example="libxl: error: libxl_device.c:1351:device_hotplug_child_death_cb: script: Unable to lookup "
        "/mnt/g.img: dev:  inode: ",
        source="tools/hotplug/Linux",
        rank=Rank.GENERAL,
    ),
)
