"""NFS: mount(8), mount.nfs(8), exportfs(8), and what any program says of a file that it cannot read or write."""

from xenlab.causes.cause import Cause, Rank

_MOUNT = "mount.nfs(8)"
_ERRNO = "errno(3), as cat, touch, stat, cp and losetup show it"

NFS = (
    Cause(
        id="mount-denied",
        patterns=("access denied by server while mounting {export}",),
        meaning="the server does not let {host} mount {export}",
        side="server",
        remedy="a line for {export} in the server's /etc/exports that names {host} or its network, then `exportfs "
        "-ra` there; `exportfs -v` shows what holds",
        example="mount.nfs: access denied by server while mounting 10.1.1.143:/srv/private",
        source=_MOUNT,
    ),
    Cause(
        id="export-missing",
        patterns=(
            "mounting {export} failed, reason given by server: No such file or directory",
            "exportfs: Failed to stat {export...}: No such file or directory",
            "exportfs: {export} does not exist",
        ),
        meaning="the server has no {export}",
        side="server",
        remedy="make the folder on the server and export it (/etc/exports, `exportfs -ra`); with NFSv4 and fsid=0 "
        "the path is below that root",
        example="mount.nfs: mounting 10.1.1.143:/srv/private failed, reason given by server: No such file or directory",
        source=f"{_MOUNT}, exportfs(8)",
    ),
    Cause(
        id="nfs-server-refuses",
        patterns=(
            "mount.nfs: Connection refused",
            "mount.nfs4: Connection refused",
            "RPC: Program not registered",
            "Port mapper failure",
        ),
        meaning="no NFS server runs at that address",
        side="server",
        remedy="see `systemctl status nfs-server rpcbind` on the server, and `rpcinfo -p SERVER` from {host}",
        example="mount.nfs: Connection refused",
        source=f"{_MOUNT}, showmount(8)",
    ),
    Cause(
        id="nfs-server-unreachable",
        patterns=(
            "mount.nfs: Connection timed out",
            "mount.nfs4: Connection timed out",
            "mount.nfs: No route to host",
            "mount.nfs: Network is unreachable",
            "mount.nfs: Failed to resolve server {server}",
            "mount.nfs: Network Error: ",
            "RPC: Timed out",
        ),
        meaning="{host} does not reach the NFS server",
        side="server",
        remedy="is the server up, in the same network, and not behind a firewall that drops port 2049? does {host} "
        "know its name?",
        example="mount.nfs: Connection timed out",
        source=_MOUNT,
    ),
    Cause(
        id="nfs-version-refused",
        patterns=(
            "requested NFS version or transport protocol is not supported",
            "mount.nfs: Protocol not supported",
            "mount.nfs: an incorrect mount option was specified",
        ),
        meaning="server and {host} do not agree on a version of NFS",
        side="server",
        remedy="see vers= in the mount's options on {host}, and vers3, vers4 in the server's /etc/nfs.conf; `cat "
        "/proc/fs/nfsd/versions` there shows what it serves",
        example="mount.nfs: requested NFS version or transport protocol is not supported for /mnt/private",
        source=_MOUNT,
    ),
    Cause(
        id="nfs-client-missing",
        patterns=(
            "you might need a /sbin/mount.<type> helper program",
            "unknown filesystem type 'nfs",
            "unknown file system type 'nfs",
            "mount.nfs: No such device",
        ),
        meaning="{host} cannot mount NFS",
        side="host",
        remedy="install nfs-common (nfs-utils) on {host}; `modprobe nfs` must work",
        example="mount: /mnt/private: bad option; for several filesystems (e.g. nfs, cifs) you might need a "
        "/sbin/mount.<type> helper program.",
        source="mount(8)",
    ),
    Cause(
        id="statd-not-running",
        patterns=("rpc.statd is not running but is required",),
        meaning="{host} runs no rpc.statd, which locks of NFSv3 need",
        side="host",
        remedy="`systemctl start rpc-statd` on {host}, or mount with vers=4.2",
        example="mount.nfs: rpc.statd is not running but is required for remote locking.",
        source=_MOUNT,
        versions="NFSv3",
    ),
    Cause(
        id="mount-point-missing",
        patterns=(
            "mount point {path} does not exist",
            "{path}: mount point does not exist",
            "mount: mounting {export} on {path} failed: No such file or directory",
        ),
        meaning="{path} does not exist on {host}",
        side="host",
        remedy="on {host}: `mkdir -p {path}`, then mount the share there",
        example="mount: /mnt/private: mount point does not exist.",
        source="mount(8), mount.nfs(8), busybox",
    ),
    Cause(
        id="mounted-already",
        patterns=("is busy or already mounted", "already mounted or mount point busy"),
        meaning="something is mounted there on {host} already",
        side="host",
        remedy="see `findmnt` on {host}: what is mounted at the mount point, and over it",
        example="mount.nfs: /mnt/private is busy or already mounted",
        source=_MOUNT,
    ),
    Cause(
        id="exports-syntax",
        patterns=(
            "exportfs: {file}:{number}: {what...}",
            "does not support NFS export",
            "requires fsid= for NFS export",
            "exportfs: {file}: syntax error{what...}",
        ),
        meaning="the server's exports are not taken as they stand",
        side="server",
        remedy="mend the line of /etc/exports that it names (exports(5)), then `exportfs -ra`; a tmpfs or an overlay "
        "needs fsid=",
        example='exportfs: /etc/exports:1: unknown keyword "no_root_sqash"',
        source="exportfs(8)",
    ),
    Cause(
        id="exports-warning",
        patterns=(
            "Neither 'subtree_check' or 'no_subtree_check' specified",
            "Assuming default behaviour ('no_subtree_check')",
            "NOTE: this default has changed since nfs-utils",
        ),
        meaning="exportfs names a default that it takes",
        side="server",
        remedy="nothing depends on it",
        example="exportfs: /etc/exports [1]: Neither 'subtree_check' or 'no_subtree_check' specified for export "
        '"10.1.1.0/24:/srv/private".',
        source="exportfs(8)",
        rank=Rank.NOISE,
    ),
    Cause(
        id="read-only-file-system",
        patterns=(
            ": Read-only file system",
            "(30 = Read-only file system)",
            "WARNING: source write-protected, mounted read-only",
        ),
        meaning="the file system is read-only on {host}",
        side="host",
        remedy="is the share mounted with ro on {host} (`findmnt`), or exported ro to it (`exportfs -v` on the "
        "server)? mount and export it rw",
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
"""The entries at the end are general: those above them, and those of other origins, know a line first."""
