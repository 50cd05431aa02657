"""The changes that scenarios are made of, as shell text. Pure."""

import shlex
from hashlib import sha256

from xenlab.labfile_change import LabFileChange
from xenlab.scenarios.scenario import LabChange
from xenlab.testbed.plan import BRIDGE, CLIENT, EXPORT, GUESTS, HOSTS, MOUNT_POINT, SERVER, GuestPlan, HostPlan

GUEST, OTHER_GUEST = GUESTS

KEPT = "/run/scenario"
"""Where what was there before is kept on a host, and the programs that run on are noted."""

PASSWORD_ENV = "XENLAB_GUEST_PASSWORD"  # noqa: S105
"""The variable that holds the guests' password, where the lab file has them logged in on by their console."""

FILER = "10.1.1.163"
FILER_LAB = (LabFileChange("share", "server", "filer"), LabFileChange("share", "address", FILER))
"""A third machine's address, and what the lab file says where it serves the share."""

SECOND_EXPORT, SECOND_MOUNT_POINT = "/srv/second", "/mnt/second"
SECOND_FOLDER = f"{SECOND_MOUNT_POINT}/{OTHER_GUEST.owner}"
SECOND_LAB = (
    LabFileChange(SECOND_MOUNT_POINT, "server", SERVER.name),
    LabFileChange(SECOND_MOUNT_POINT, "export", SECOND_EXPORT),
    LabFileChange(OTHER_GUEST.name, "config", f"{SECOND_FOLDER}/{OTHER_GUEST.name}.cfg"),
)
"""A second folder of the server, and what the lab file says where the other guest lives on it."""

_QUIET = "</dev/null >/dev/null 2>&1"


def done(machine: str, script: str, took: str) -> LabChange:
    """That script, once."""
    return LabChange(machine, script, took)


def edited(machine: str, path: str, *edits: str) -> LabChange:
    """A file, changed by sed(1)."""
    kept = f"{KEPT}/{sha256(path.encode()).hexdigest()[:8]}"
    commands = " ".join(f"-e {shlex.quote(edit)}" for edit in edits)
    return LabChange(
        machine,
        f"mkdir -p {KEPT} && cp {path} {kept} && sed -i {commands} {path}",
        f"test -s {kept} && ! cmp -s {kept} {path}",
    )


def appended(machine: str, path: str, text: str, then: str = ":") -> LabChange:
    """A file with more lines at its end, and what makes them count."""
    line = text.splitlines()[-1]
    return LabChange(
        machine,
        f"printf '%s\\n' {shlex.quote(text)} >>{path} && {then}",
        f"grep -qxF -e {shlex.quote(line)} {path}",
    )


def written(machine: str, path: str, text: str, then: str = ":") -> LabChange:
    """A file with that text, and what makes it count."""
    quoted = shlex.quote(text.rstrip("\n"))
    return LabChange(machine, f"printf '%s\\n' {quoted} >{path} && {then}", f'test "$(cat {path})" = {quoted}')


def config_edited(*edits: str, guest: GuestPlan = GUESTS[0]) -> LabChange:
    """The guest's config on the share."""
    return edited(CLIENT.name, guest.shared_config, *edits)


def both_configs_edited(*edits: str, guest: GuestPlan = GUESTS[0]) -> tuple[LabChange, LabChange]:
    """The guest's config on the share and its original, so that it has always been so."""
    return config_edited(*edits, guest=guest), edited(guest.home.name, guest.original_config, *edits)


def in_image(script: str, took: str, guest: GuestPlan = GUESTS[0]) -> LabChange:
    """Something in the guest's / while it is off; both scripts run there."""

    def mounted(inner: str, mode: str) -> str:
        image = f"{guest.shared_folder}/{guest.name}.img".replace(MOUNT_POINT, EXPORT)
        return (
            f"mkdir -p {KEPT}/image && mount -o loop,{mode} {image} {KEPT}/image && cd {KEPT}/image && "
            f"{{ ({inner}); status=$?; cd /; umount {KEPT}/image && exit $status; }}"
        )

    return LabChange(SERVER.name, mounted(script, "rw"), mounted(took, "ro"))


def partitioned(machine: str, image: str, before: str = ":") -> LabChange:
    """A disk's image with a partition table, in whose one partition is what the disk was (the MBR of a PC).

    What is done in it `before` is done while there is none.
    """
    table = (
        "import os, struct, sys; "
        'entry = struct.pack("<B3xB3xII", 0, 0x83, 2048, os.path.getsize(sys.argv[1]) // 512); '
        'record = bytes(440) + b"lab1" + bytes(2) + entry + bytes(48) + b"\\x55\\xaa"; '
        "sys.stdout.buffer.write(record.ljust(1 << 20, bytes(1)))"
    )
    return LabChange(
        machine,
        f"({before}) && python3 -c {shlex.quote(table)} {image} >{image}.new && "
        f"dd if={image} of={image}.new bs=1M seek=1 conv=sparse,notrunc && mv {image}.new {image}",
        f'test "$(blkid -p -o value -s PTTYPE {image})" = dos',
    )


def exported(*lines: str) -> LabChange:
    """The server's /etc/exports with these lines alone, in force, what its clients have cached forgotten."""
    folders = sorted({line.split()[0] for line in lines})
    in_force = f"mkdir -p {' '.join(folders)} && exportfs -ra && exportfs -f"
    change = written(SERVER.name, "/etc/exports", "\n".join(lines), in_force)
    return LabChange(
        SERVER.name, change.script, " && ".join(f"exportfs -v | grep -q '^{folder}[[:space:]]'" for folder in folders)
    )


def mounted(source: str, kind: str = "nfs4", options: str = "vers=4.2") -> LabChange:
    """Something else, or the same otherwise, at the client's mount point."""
    return LabChange(
        CLIENT.name,
        f"umount {MOUNT_POINT} && mount -t {kind} -o {options},retry=0 '{source}' {MOUNT_POINT}",
        f"findmnt -n -o SOURCE {MOUNT_POINT} | grep -qxF '{source}'",
    )


def second_share_serves(first: str, second: str) -> tuple[LabChange, ...]:
    """The server exports two folders, to such clients (as exports(5) has them); the other guest lives on the second."""
    config = f"{SECOND_FOLDER}/{OTHER_GUEST.name}.cfg"
    source = f"{SERVER.address}:{SECOND_EXPORT}"
    return (
        exported(f"{EXPORT} {first}", f"{SECOND_EXPORT} {second}"),
        LabChange(
            SERVER.name,
            f"mkdir -p {SECOND_MOUNT_POINT} && mount --bind {SECOND_EXPORT} {SECOND_MOUNT_POINT} && "
            f"mv {EXPORT}/{OTHER_GUEST.owner} {SECOND_EXPORT}/ && "
            f"sed -i s:{OTHER_GUEST.shared_folder}/:{SECOND_FOLDER}/:g {config}",
            f"mountpoint -q {SECOND_MOUNT_POINT} && grep -q {SECOND_FOLDER}/ {config} && "
            f"! grep -q {MOUNT_POINT}/ {config}",
        ),
        LabChange(
            CLIENT.name,
            f"mkdir -p {SECOND_MOUNT_POINT} && mount -t nfs4 -o vers=4.2,retry=0 {source} {SECOND_MOUNT_POINT}",
            f"findmnt -n -o SOURCE {SECOND_MOUNT_POINT} | grep -qxF {source}",
        ),
    )


def third_machine_serves(clients: str, *hosts: HostPlan) -> tuple[LabChange, ...]:
    """A third machine (a NAS) serves the share to those clients (as exports(5) has them), and those hosts mount it.

    For them it is another machine: a name, network stack, address and NFS server of its own, in namespaces of the
    server's, where its disk is. The name matters: to an NFS client, two addresses whose servers bear one name are one
    server (RFC 5661, 2.10.5), which it would go on to ask at the old address.
    """
    source = f"{FILER}:{EXPORT}"
    is_mounted = f"findmnt -n -o SOURCE {MOUNT_POINT} | grep -qxF {source}"
    # A server that is gone would be waited for.
    unmounted = (
        LabChange(host.name, f"umount {MOUNT_POINT}", f"! mountpoint -q {MOUNT_POINT} || {is_mounted}")
        for host in HOSTS
    )
    mounted = (
        LabChange(host.name, f"mount -t nfs4 -o vers=4.2,retry=0 {source} {MOUNT_POINT}", is_mounted) for host in hosts
    )
    return (*unmounted, _filer(clients), *mounted)


def _filer(clients: str) -> LabChange:
    client, _, options = clients.rstrip(")").partition("(")
    serves = (
        "hostname filer; mount -t tmpfs tmpfs /var/lib/nfs; mkdir -p /var/lib/nfs/v4recovery; "
        "touch /var/lib/nfs/etab /var/lib/nfs/rmtab; mount -t nfsd nfsd /proc/fs/nfsd; "
        f"rpc.mountd -N 3; exportfs -i -o {options} {client}:{EXPORT}; rpc.nfsd -N 3 -G 10 -L 10 4"
    )
    return LabChange(
        SERVER.name,
        "systemctl stop nfs-server; exportfs -ua; ip netns add filer; "
        f"ip link add to-filer type veth peer name eth0 netns filer; ip link set to-filer master {BRIDGE} up; "
        f"ip -n filer address add {FILER}/24 dev eth0; ip -n filer link set eth0 up; ip -n filer link set lo up; "
        f"ip netns exec filer unshare -u sh -ec {shlex.quote(serves)} {_QUIET}",
        "test \"$(ip netns exec filer sh -c 'mount -t nfsd nfsd /proc/fs/nfsd; cat /proc/fs/nfsd/threads')\" = 4 && "
        'test "$(cat /proc/fs/nfsd/threads)" = 0',
    )


def small_domain(name: str, memory_mib: str = "128") -> str:
    """The shell text that makes a domain of that name, which does nothing."""
    lines = (f'name=\\"{name}\\"', f"memory={memory_mib}", 'type=\\"pv\\"', 'kernel=\\"$(ls /boot/vmlinuz-*)\\"')
    text = " ".join(f'"{line}"' for line in lines)
    return f"printf '%s\\n' {text} >/run/{name}.cfg && xl create -q -p /run/{name}.cfg"


def memory_taken(host: str, left: int) -> LabChange:
    """Another domain has all of the host's free memory but so many MiB (and what a domain costs beside)."""
    return LabChange(
        host,
        f"free=$(xl info free_memory); {small_domain('hog', f'$((free - {left}))')}",
        f'test "$(xl info free_memory)" -le {left}',
    )


def bridge_renamed(host: str) -> LabChange:
    """The host's bridge goes on under another name, so that nobody finds it."""
    return LabChange(
        host,
        f"ip link set {BRIDGE} down; ip link set {BRIDGE} name br0; ip link set br0 up",
        f"test -d /sys/class/net/br0/bridge && ! test -e /sys/class/net/{BRIDGE}",
    )


def running_on(machine: str, script: str) -> LabChange:
    """A program that goes on by itself; its end is the lab's."""
    note = f"{KEPT}/program"
    program = shlex.quote(f"echo $$ >{note}; {script}")
    noted = f"until test -s {note}; do sleep 0.1; done"
    return LabChange(
        machine,
        f"mkdir -p {KEPT}; setsid sh -c {program} {_QUIET} & {noted}",
        f'kill -0 "$(cat {note})"',
    )


def when_it_arrives(host: str, script: str, after: float = 0.0) -> LabChange:
    """What is done on the host once a guest is on its way to it."""
    return running_on(host, f"{_until(_RECEIVES)}; sleep {after:g}; {script}")


def when_it_leaves(host: str, script: str, after: float = 0.0) -> LabChange:
    """What is done on the host once a guest is being sent from it."""
    return running_on(host, f"{_until(_SENDS)}; sleep {after:g}; {script}")


def once_moved(guest: str, script: str) -> LabChange:
    """What is done in the guest once it has stood still for three seconds, as for its move."""
    wait = (
        "last=; while :; do read -r up _ </proc/uptime; up=${up%.*}; "
        '[ -n "$last" ] && [ $((up - last)) -ge 3 ] && break; last=$up; sleep 0.3; done'
    )
    return running_on(guest, f"{wait}; {script}")


def once_under_way(script: str) -> LabChange:
    """What is done on the client once a run has found the lab and tries the share: by the nonces that it writes."""
    wait = f"until nonce=$(ls -A {MOUNT_POINT} | grep -m1 '^[.]xenlab-'); do sleep 0.2; done"
    return running_on(CLIENT.name, f"{wait}; {script}")


_SENDS = 'pgrep -f "[x]l (-v+ )?migrate "'
_RECEIVES = 'pgrep -f "[x]l (-v+ )?migrate-receive"'


def _until(condition: str) -> str:
    return f"until {condition} >/dev/null; do sleep 0.3; done"
