"""What keeps a guest from booting from the share as well as before, or from being reached. Pure data."""

from xenlab.labfile_change import LabFileChange
from xenlab.scenarios.scenario import Red, Scenario, wrong
from xenlab.scenarios.shell import KEPT, both_configs_edited, done, in_image
from xenlab.testbed.plan import BRIDGE, CLIENT, EXPORT, GUESTS, MOUNT_POINT, SERVER

_STEP = "boot-from-share"
_GUEST, _OTHER = GUESTS
_IMAGE, _SWAP = (f"{_GUEST.shared_folder}/{_GUEST.name}.{end}".replace(MOUNT_POINT, EXPORT) for end in ("img", "swap"))

_SOON = (LabFileChange("timeouts", "boot_seconds", 180.0),)


def _red(check: str, words: str) -> Red:
    return Red(_STEP, check, words)


BOOT: tuple[Scenario, ...] = (
    wrong(
        "root-device-wrong",
        "root= has always named a device that the guest does not have",
        _red("lab-fault", "root= in the config"),
        *both_configs_edited("/^root/s/xvda1/xvda9/"),
        lab=_SOON,
    ),
    wrong(
        "no-ramdisk",
        "the guest's kernel has no ramdisk, and so no driver of its disk",
        _red("lab-fault", "panic"),
        *both_configs_edited("/^ramdisk/d"),
        lab=_SOON,
    ),
    wrong(
        "no-init",
        "the guest's / has no init",
        _red("lab-fault", "init"),
        in_image("mv sbin/init sbin/init.away; rm -f etc/inittab bin/sh", "test ! -e sbin/init"),
        lab=_SOON,
    ),
    wrong(
        "fstab-by-other-names",
        "the guest's fstab calls its disks sda1 and sda2, and so its swap is not in use",
        _red("swap", "/etc/fstab"),
        in_image("sed -i s/xvda/sda/ etc/fstab", "grep -q sda2 etc/fstab"),
    ),
    wrong(
        "swap-without-signature",
        "the guest's swap disk was never made one",
        _red("swap", "mkswap"),
        done(SERVER.name, f"dd if=/dev/zero of={_SWAP} bs=4k count=1 conv=notrunc", f"! blkid {_SWAP} | grep -q swap"),
        done(
            CLIENT.name,
            f"dd if=/dev/zero of={_GUEST.original_folder}/UbuntuXen.swap bs=4k count=1 conv=notrunc",
            f"! blkid {_GUEST.original_folder}/UbuntuXen.swap | grep -q swap",
        ),
    ),
    wrong(
        "no-getty",
        "nobody waits for logins on the guest's console",
        _red("console-login", "getty"),
        in_image("sed -i /agetty/d etc/inittab", "! grep -q agetty etc/inittab"),
    ),
    wrong(
        "no-sshd",
        "no sshd runs in the guest",
        _red("lab-fault", "refuses connections"),
        in_image("sed -i '/sshd$/d' etc/init.d/start", "! grep -q 'sbin/sshd' etc/init.d/start"),
        lab=_SOON,
    ),
    wrong(
        "address-wrong-inside",
        "the guest gives itself another address than the lab file has",
        _red("lab-fault", _GUEST.address),
        in_image(f"sed -i s/{_GUEST.address}/10.1.1.95/ etc/init.d/start", "grep -q 10.1.1.95/ etc/init.d/start"),
        lab=_SOON,
    ),
    wrong(
        "address-taken",
        f"{SERVER.name} has the guest's address as well",
        _red("lab-fault", "another host key"),
        done(
            SERVER.name,
            f"ip address add {_GUEST.address}/24 dev {BRIDGE}",
            f"ip address show {BRIDGE} | grep -qF {_GUEST.address}/24",
        ),
        in_image("sed -i '/ip link set eth0 up/d' etc/init.d/start", "! grep -q 'eth0 up' etc/init.d/start"),
        lab=_SOON,
    ),
    wrong(
        "image-mounted",
        f"the guest's disk is mounted on {SERVER.name} itself",
        _red("lab-fault", "two writers"),
        done(
            SERVER.name,
            f"mkdir -p {KEPT}/image && mount -o loop {_IMAGE} {KEPT}/image",
            f"mountpoint -q {KEPT}/image",
        ),
    ),
    wrong(
        "pygrub-finds-no-kernel",
        f"{_OTHER.name}'s disk has no boot menu, so that pygrub finds no kernel in it",
        _red("lab-fault", "pygrub"),
        in_image("mv boot/grub boot/no-grub", "test ! -e boot/grub", guest=_OTHER),
        guest=_OTHER.name,
    ),
    wrong(
        "hotplug-script-fails",
        f"the script that attaches disks fails on {CLIENT.name}",
        _red("lab-fault", "block"),
        done(
            CLIENT.name,
            "sed -i '2i exit 1' /etc/xen/scripts/block",
            "sed -n 2p /etc/xen/scripts/block | grep -qx 'exit 1'",
        ),
    ),
    wrong(
        "disk-used-by-another-domain",
        "another domain has the guest's disk already",
        _red("lab-fault", "two writers"),
        done(
            SERVER.name,
            f"sed 's/^name=.*/name=\"backup\"/; s/{_GUEST.mac}/00:16:3e:00:00:09/' {_GUEST.shared_config} "
            ">/run/backup.cfg && xl create -q -p /run/backup.cfg",
            "xl domid backup",
        ),
    ),
    wrong(
        "runs-under-another-name",
        f"the guest runs on {SERVER.name} already, where somebody has renamed it",
        _red("lab-fault", "two writers"),
        done(
            SERVER.name,
            f"xl create -q -p {_GUEST.shared_config} && xl rename {_GUEST.name} artem-guest1",
            "xl domid artem-guest1",
        ),
    ),
    wrong(
        "half-moved-when-found",
        f"a move of the guest was cut off: {SERVER.name} has its half",
        _red("lab-fault", "--incoming"),
        done(
            SERVER.name,
            f"xl create -q -p {_GUEST.shared_config} && xl rename {_GUEST.name} {_GUEST.name}--incoming",
            f"xl domid {_GUEST.name}--incoming",
        ),
    ),
)
"""What a run's fourth step must show."""
