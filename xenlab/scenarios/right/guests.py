"""Guests that are right, however they are found. Pure data."""

from xenlab.labfile import HOSTS
from xenlab.labfile_change import LabFileChange
from xenlab.scenarios.scenario import Scenario, right
from xenlab.scenarios.shell import GUEST, PASSWORD_ENV, both_configs_edited, done, in_image, partitioned
from xenlab.testbed.plan import CLIENT, EXPORT, MOUNT_POINT, SERVER

BY_CONSOLE = (
    LabFileChange(GUEST.name, "login", "console"),
    LabFileChange(GUEST.name, "password_env", PASSWORD_ENV),
    LabFileChange(GUEST.name, "key_file", None),
)
"""The guest takes no key over SSH, but a password on its console."""

GUESTS: tuple[Scenario, ...] = (
    right(
        "fstab-by-uuid",
        "the guest's fstab names its disks by UUID and label",
        "boot-from-share",
        in_image(
            'uuid=$(blkid -o value -s UUID "$(findmnt -n -o SOURCE -T .)"); '
            'sed -i "s,^/dev/xvda1,UUID=$uuid," etc/fstab',
            "grep -q ^UUID= etc/fstab",
        ),
    ),
    right(
        "disk-with-partitions",
        "the guest's disk has a partition table, / is in its first partition, and swap is another disk",
        "boot-from-share",
        partitioned(
            SERVER.name,
            f"{GUEST.shared_folder}/{GUEST.name}.img".replace(MOUNT_POINT, EXPORT),
            in_image("sed -i s/xvda2/xvdb/ etc/fstab", "").script,
        ),
        partitioned(GUEST.home.name, f"{GUEST.original_folder}/UbuntuXen.img"),
        *both_configs_edited("s/xvda1,/xvda,/; s/xvda2,/xvdb,/"),
    ),
    right(
        "guest-without-swap",
        "the guest has a swap disk, and has never used it",
        "boot-from-share",
        in_image("sed -i /swap/d etc/fstab", "! grep -q swap etc/fstab"),
        lab=(LabFileChange(GUEST.name, "swap", None),),
    ),
    right(
        "guest-of-busybox",
        "the guest's shell, ping and tools are busybox's",
        "live-migration",
        in_image(
            "chroot . /bin/busybox --install -s /usr/local/bin && ln -sf busybox bin/sh && "
            "sed -i '/^root:/s,/bin/bash$,/bin/sh,' etc/passwd",
            'test -L usr/local/bin/ping && test "$(readlink bin/sh)" = busybox',
        ),
    ),
    right("runs-when-found", "the guests run when they are found", "boot-from-share", runs=True),
    right(
        "runs-on-the-peer-when-found",
        f"{GUEST.name} runs on {SERVER.name} when it is found",
        "boot-from-share",
        done(SERVER.name, f"xl create -q {GUEST.shared_config}", f"xl domid {GUEST.name}"),
    ),
    right(
        "paused-when-found",
        "the guest is paused when it is found",
        "boot-from-share",
        done(CLIENT.name, f"xl pause {GUEST.name}", f"xl list {GUEST.name} | grep -q -- --p---"),
        runs=True,
    ),
    right(
        "by-console-only",
        "the guest is logged in on by its console, and has no SSH server",
        "boot-from-share",
        in_image("sed -i '/sshd$/d' etc/init.d/start", "! grep -q 'sbin/sshd' etc/init.d/start"),
        lab=BY_CONSOLE,
    ),
    right(
        "guests-reached-through-hosts",
        "there is no way to the guest but through the hosts",
        "boot-from-share",
        lab=(LabFileChange(GUEST.name, "via", HOSTS),),
    ),
    right(
        "guest-greets",
        "the guest has a login message, a banner on its console and a .bashrc that prints",
        "boot-from-share",
        in_image(
            "echo 'Willkommen!' >etc/motd; echo 'echo Hallo' >root/.bashrc; printf 'Nur für Befugte\\n\\n' >etc/issue",
            "grep -q Hallo root/.bashrc",
        ),
    ),
    right(
        "noisy-kernel-log",
        "the guest's kernel log tells of errors of devices that are none of its own",
        "cold-migration",
        in_image(
            "sed -i '$a echo \"<3>end_request: I/O error, dev fd0, sector 0\" >/dev/kmsg' etc/init.d/start",
            "grep -q fd0 etc/init.d/start",
        ),
        alone=True,
    ),
)
"""Guests that are right."""
