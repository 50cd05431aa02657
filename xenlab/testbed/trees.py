"""What the embedded lab's machines have on their disks beyond Debian's packages.

Pure: keys and names in, overlays out. Kept as near to stock Debian as the boot time under emulation
allows; what is masked is named in one place.
"""

from xenlab.testbed.keys import LabKeys
from xenlab.testbed.overlay import Overlay
from xenlab.testbed.plan import (
    BRIDGE,
    EXPORT,
    GUESTS,
    HOSTS,
    MOUNT_POINT,
    NETWORK_PREFIX,
    SERVER,
    GuestPlan,
    HostPlan,
)
from xenlab.testbed.profiles import Profile

# Each costs seconds of an emulated boot and serves nothing here (measured: 120 s to SSH becomes 51 s).
_MASKED = (
    "e2scrub_reap.service", "systemd-random-seed.service", "systemd-update-utmp.service",
    "systemd-update-utmp-runlevel.service", "systemd-logind.service", "networking.service",
    "keyboard-setup.service", "console-setup.service", "systemd-timesyncd.service",
    "apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "fstrim.timer",
    "e2scrub_all.timer", "logrotate.timer", "systemd-pcrphase.service", "systemd-hwdb-update.service",
    "systemd-journal-catalog-update.service", "systemd-update-done.service", "sshd-keygen.service",
    "ldconfig.service", "systemd-firstboot.service", "systemd-ask-password-wall.path",
    "getty@tty1.service", "getty-static.service", "serial-getty@hvc0.service", "nfs-blkmap.service",
    "rpc-statd.service", "rpc-statd-notify.service",
    "rpc-gssd.service", "rpc-svcgssd.service", "gssproxy.service", "xendriverdomain.service",
)  # fmt: skip
# NFSv4 needs no rpcbind; the nfs-server of old releases does not start without it.
_RPCBIND = ("rpcbind.service", "rpcbind.socket")

_NETWORK_UNIT = """\
[Unit]
Description=The lab's static address
BindsTo=sys-subsystem-net-devices-eth0.device
After=sys-subsystem-net-devices-eth0.device
DefaultDependencies=no
Before=network.target network-online.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh -ec '{commands}'

[Install]
WantedBy=multi-user.target
"""

# On a busy machine an emulated NIC may show up later than systemd's 90 s.
_PATIENCE = """\
[Manager]
DefaultTimeoutStartSec=600
DefaultDeviceTimeoutSec=600
"""

_SSHD = """\
PermitRootLogin yes
PasswordAuthentication no
UseDNS no
UsePAM no
"""


def dom0_overlay(host: HostPlan, profile: Profile, keys: LabKeys) -> Overlay:
    """Everything that makes a Debian tree the Dom0 `host`."""
    tree = Overlay()
    _common(tree, host.name, keys)
    tree.file("/etc/systemd/system.conf.d/xenlab.conf", _PATIENCE)
    tree.mask(*_MASKED, *(() if profile.needs_rpcbind else _RPCBIND))
    _network(
        tree,
        f"ip link add {BRIDGE} type bridge forward_delay 0",
        f"ip link set eth0 master {BRIDGE} up",
        f"ip link set {BRIDGE} up",
        f"ip address add {host.address}/{NETWORK_PREFIX} dev {BRIDGE}",
    )
    tree.file("/root/.ssh/id_ed25519", keys.login_private, 0o600)
    tree.file("/root/.ssh/known_hosts", keys.known_hosts)
    # xl sends a guest's memory through ssh; of its ciphers this is the fastest under emulation, by a quarter.
    tree.file("/etc/ssh/ssh_config.d/xenlab.conf", "Ciphers ^aes128-gcm@openssh.com\n")
    tree.file("/etc/xen/xl.conf", 'autoballoon="off"\n')
    # What a guest that crashes says last is on its console (xenconsoled(8)).
    tree.directory("/var/log/xen/console")
    tree.file("/etc/default/xen", 'XENCONSOLED_ARGS="--log=guest"\n')
    tree.file("/etc/nfs.conf.d/xenlab.conf", "[nfsd]\nvers3=n\nthreads=4\n")
    fstab = ["/dev/vda / ext4 rw,noatime 0 1"]
    if host is SERVER:
        tree.directory(EXPORT)
        tree.file("/etc/exports", f"{EXPORT} 10.1.1.0/24(rw,sync,no_root_squash,no_subtree_check)\n")
        fstab.append(f"{EXPORT} {MOUNT_POINT} none bind 0 0")
    else:
        tree.mask("nfs-server.service", "nfs-mountd.service", "nfs-idmapd.service", "fsidd.service")
    tree.directory(MOUNT_POINT)
    tree.file("/etc/fstab", "\n".join(fstab) + "\n")
    return tree


def guest_overlay(guest: GuestPlan, keys: LabKeys, kernel: bytes | None, initrd: bytes | None) -> Overlay:
    """Everything that makes a Debian tree the guest; a pygrub guest carries its own kernel."""
    tree = Overlay()
    _common(tree, guest.name, keys)
    tree.file("/etc/shadow", _GUEST_SHADOW, 0o600)
    tree.file("/etc/inittab", _INITTAB)
    tree.file("/etc/init.d/start", _GUEST_START.format(address=f"{guest.address}/{NETWORK_PREFIX}"), 0o755)
    tree.file("/etc/init.d/stop", _GUEST_STOP, 0o755)
    tree.file("/etc/fstab", "/dev/xvda1 / ext4 rw,noatime 0 1\n/dev/xvda2 none swap sw 0 0\n")
    if kernel and initrd:
        tree.file("/boot/vmlinuz", kernel)
        tree.file("/boot/initrd.img", initrd)
        tree.file("/boot/grub/grub.cfg", GRUB)
    return tree


# GUEST_PASSWORD for its console, hashed by: openssl passwd -6 -salt xenlab xenlab (crypt(5), shadow(5)).
_GUEST_SHADOW = (
    "root:$6$xenlab$iECUxAtA4dI7YGMjspjqHSZovXa0ZBcqOFOHd4yOPNw4ixXKuVKPv3hqTxjgUtT0.eadZARGeKlzRfeDwHh9V."
    "::0:99999:7:::\n"
)

# sysvinit with two scripts of its own, since every fork costs 40 ms in an emulated host (inittab(5)).
_INITTAB = """\
id:2:initdefault:
si::sysinit:/etc/init.d/start
l0:0:wait:/etc/init.d/stop
l6:6:wait:/etc/init.d/stop
co:2345:respawn:/sbin/agetty 115200 hvc0 vt100
"""

_GUEST_START = """\
#!/bin/sh
# Boots the guest: file systems, swap, network, sshd.
PATH=/usr/sbin:/usr/bin:/sbin:/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mountpoint -q /dev || mount -t devtmpfs udev /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /tmp
mkdir -p /run/sshd /run/lock
mount -o remount,rw /
hostname -F /etc/hostname
swapon -a
ip link set lo up
ip address add {address} dev eth0
ip link set eth0 up
/usr/sbin/sshd
"""

_GUEST_STOP = """\
#!/bin/sh
# Ends the guest: everything stopped, disks synced and read-only, power off.
PATH=/usr/sbin:/usr/bin:/sbin:/bin
killall5 -15
sync
swapoff -a
killall5 -9
mount -o remount,ro /
halt -d -f -p
"""

_KERNEL_LINE = "console=hvc0 net.ifnames=0 mitigations=off quiet systemd.show_status=0"

GRUB = f"""\
set default=0
set timeout=0
menuentry "Debian" {{
    linux /boot/vmlinuz root=/dev/xvda1 rw {_KERNEL_LINE}
    initrd /boot/initrd.img
}}
"""


def original_config(guest: GuestPlan, profile: Profile, kernel_version: str) -> str:
    """The guest's first config, its paths under /home and /boot of its home host (xl.cfg(5))."""
    folder = guest.original_folder
    disks = ", ".join(
        f"'{profile.disk_template.format(path=f'{folder}/UbuntuXen.{suffix}', vdev=vdev)}'"
        for suffix, vdev in (("img", "xvda1"), ("swap", "xvda2"))
    )
    if guest.boots_by == "pygrub":
        boot = ['bootloader="pygrub"']
    else:
        boot = [
            f'kernel="/boot/vmlinuz-{kernel_version}"',
            f'ramdisk="/boot/initrd.img-{kernel_version}"',
            'root="/dev/xvda1 rw"',
            f"extra='{_KERNEL_LINE}'",
        ]
    lines = [
        f'name="{guest.name}"',
        "vcpus=1",
        f"memory={profile.guest_memory_mib}",
        f'type="{profile.guest_type}"',
        *profile.guest_options,
        f"disk = [{disks}]",
        *boot,
        f"vif = [ 'mac={guest.mac},bridge={BRIDGE}' ]",
    ]
    return "\n".join(lines) + "\n"


def _common(tree: Overlay, name: str, keys: LabKeys) -> None:
    names = [("127.0.0.1", "localhost")]
    names += [(machine.address, machine.name) for machine in (*HOSTS, *GUESTS)]
    tree.file("/etc/hostname", name + "\n")
    tree.file("/etc/hosts", "".join(f"{address}\t{host}\n" for address, host in names))
    tree.file("/etc/machine-id", keys.machine_ids[name] + "\n")
    tree.directory("/root", 0o700)
    tree.directory("/root/.ssh", 0o700)
    tree.file("/root/.ssh/authorized_keys", keys.login_public, 0o600)
    tree.file("/etc/ssh/ssh_host_ed25519_key", keys.host_private[name], 0o600)
    tree.file("/etc/ssh/ssh_host_ed25519_key.pub", keys.host_public[name])
    tree.file("/etc/ssh/sshd_config.d/xenlab.conf", _SSHD)


def _network(tree: Overlay, *commands: str) -> None:
    unit = "xenlab-network.service"
    tree.file(f"/etc/systemd/system/{unit}", _NETWORK_UNIT.format(commands="; ".join(commands)))
    tree.enable(unit)
