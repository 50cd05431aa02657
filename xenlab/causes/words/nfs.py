"""NFS: mount(8), mount.nfs(8), exportfs(8), showmount(8)."""

from xenlab.causes.cause import Cause, Rank

_MOUNT = "mount.nfs(8)"

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
        remedy="install {nfs_client} on {host}; `modprobe nfs` must work",
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
)
