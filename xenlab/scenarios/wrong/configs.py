"""What is wrong with a guest's config, or with the files that it names. Pure data."""

from xenlab.scenarios.scenario import Red, Scenario, wrong
from xenlab.scenarios.shell import config_edited, done
from xenlab.testbed.plan import CLIENT, GUESTS, SERVER

_STEP = "path-fixes"
_GUEST, _OTHER = GUESTS
_FOLDER = _GUEST.shared_folder
_CONFIG = _GUEST.shared_config
_IMAGE, _SWAP = f"{_FOLDER}/{_GUEST.name}.img", f"{_FOLDER}/{_GUEST.name}.swap"


def _red(check: str, words: str) -> Red:
    return Red(_STEP, check, words)


def _changed(name: str, what: str, words: str, *edits: str) -> Scenario:
    """Something of the guest itself was changed with its paths."""
    return wrong(name, what, _red("only-paths-changed", words), config_edited(*edits))


CONFIGS: tuple[Scenario, ...] = (
    wrong(
        "path-misses-a-folder",
        "the kernel's path misses the member's folder, as in the original report",
        _red("path-on-share", "kernel"),
        config_edited(f"/^kernel/s|/{_GUEST.owner}/|/|"),
    ),
    wrong(
        "path-off-the-share",
        "the disk's path still is the old one under /home",
        _red("path-on-share", f"{_GUEST.original_folder}/UbuntuXen.img"),
        config_edited(f"s|{_IMAGE}|{_GUEST.original_folder}/UbuntuXen.img|"),
    ),
    wrong(
        "disk-is-a-block-device",
        f"the disk is a block device of {CLIENT.name}, as a logical volume is",
        _red("path-on-share", "copy the device into an image"),
        done(
            CLIENT.name, f"losetup /dev/loop5 {_GUEST.original_folder}/UbuntuXen.img", "losetup -l | grep -q /dev/loop5"
        ),
        config_edited(f"s|{_IMAGE}|/dev/loop5|"),
    ),
    wrong(
        "path-is-relative",
        "the kernel's path depends on where xl is called",
        _red("path-on-share", "depends on where xl is called"),
        config_edited("/^kernel/s|/mnt|mnt|"),
    ),
    wrong(
        "link-off-the-share",
        "the disk on the share is a link to the one under /home",
        _red("path-on-share", "not the share"),
        done(
            CLIENT.name,
            f"rm {_IMAGE} && ln -s {_GUEST.original_folder}/UbuntuXen.img {_IMAGE}",
            f"test -L {_IMAGE}",
        ),
    ),
    wrong(
        "file-missing",
        "the swap disk was not copied",
        _red("path-on-share", "No such file"),
        done(CLIENT.name, f"rm {_SWAP}", f"test ! -e {_SWAP}"),
    ),
    wrong(
        "file-empty",
        "the kernel on the share is an empty file",
        _red("path-on-share", "is empty"),
        done(
            CLIENT.name, f": >$(ls {_FOLDER}/vmlinuz*)", f"test -e {_FOLDER}/vmlinuz* && test ! -s {_FOLDER}/vmlinuz*"
        ),
    ),
    wrong(
        "copy-cut-short",
        "half of the kernel was copied",
        _red("same-as-original", "copy /boot/vmlinuz"),
        done(
            CLIENT.name,
            f"truncate -s 4000000 {_FOLDER}/vmlinuz*",
            f'test "$(stat -c %s {_FOLDER}/vmlinuz*)" = 4000000',
        ),
    ),
    wrong(
        "kernel-and-ramdisk-exchanged",
        "kernel and ramdisk have each other's paths",
        _red("same-as-original", "the two are exchanged"),
        config_edited("s/^kernel=/old=/", "s/^ramdisk=/kernel=/", "s/^old=/ramdisk=/"),
    ),
    wrong(
        "kernel-of-another-release",
        "the kernel on the share is another one than the guest had",
        _red("same-as-original", "copy /boot/vmlinuz"),
        done(
            CLIENT.name,
            f"printf 'another build' | dd of=$(ls {_FOLDER}/vmlinuz*) bs=1 seek=1024 conv=notrunc 2>/dev/null",
            f"! cmp -s {_FOLDER}/vmlinuz* /boot/vmlinuz-*",
        ),
    ),
    wrong(
        "disks-exchanged",
        "disk and swap disk have each other's place",
        _red("same-as-original", "the two are exchanged"),
        config_edited("/^disk/{s/xvda1/old/;s/xvda2/xvda1/;s/old/xvda2/}"),
    ),
    wrong(
        "disk-of-the-other-guest",
        f"{_GUEST.name}'s config names {_OTHER.name}'s disk",
        _red("own-files", f"is {_OTHER.name}'s"),
        config_edited(f"s|{_IMAGE}|{_OTHER.shared_folder}/{_OTHER.name}.img|"),
    ),
    wrong(
        "fresh-disk",
        "the disk on the share is a new, empty file system, not the guest's",
        _red("same-as-original", "it is another file"),
        done(
            CLIENT.name,
            f"size=$(stat -c %s {_IMAGE}); rm {_IMAGE}; truncate -s $size {_IMAGE}; mke2fs -q -F {_IMAGE}",
            f'test "$(blkid -o value -s UUID {_IMAGE})" != '
            f'"$(blkid -o value -s UUID {_GUEST.original_folder}/UbuntuXen.img)"',
        ),
    ),
    wrong(
        "disk-of-another-size",
        "the disk on the share was cut while it was copied",
        _red("same-as-original", "it is another file"),
        done(CLIENT.name, f"truncate -s -64M {_IMAGE}", f'test "$(stat -c %s {_IMAGE})" -lt 600000000'),
    ),
    wrong(
        "name-of-the-other-guest",
        f"{_GUEST.name}'s config has {_OTHER.name}'s name",
        _red("names-guest", _OTHER.name),
        config_edited(f"/^name/s/{_GUEST.name}/{_OTHER.name}/"),
    ),
    wrong(
        "name-not-the-lab-files",
        "the domain is called otherwise than the guest in the lab file",
        _red("names-guest", "artem-vm"),
        config_edited(f"/^name/s/{_GUEST.name}/artem-vm/"),
    ),
    wrong(
        "no-name",
        "the config names no domain",
        _red("names-guest", "no name"),
        config_edited("/^name/d"),
    ),
    wrong(
        "mac-of-the-other-guest",
        "both guests' vifs have one MAC",
        _red("own-mac", "give each vif a mac="),
        config_edited(f"s/{_GUEST.mac}/{_OTHER.mac}/"),
    ),
    _changed(
        "builder-instead-of-type",
        "the guest became another kind: builder= for type=",
        "type",
        's/^type=.*/builder="hvm"/',
    ),
    _changed(
        "disk-read-only",
        "the guest may only read its disk",
        "disk",
        "s/xvda1,w/xvda1,r/;s/xvda1,access=rw/xvda1,access=ro/",
    ),
    _changed("more-memory", "the guest has more memory than before", "memory", "s/^memory=.*/memory=136/"),
    _changed("more-processors", "the guest has one processor more than before", "vcpus", "s/^vcpus=.*/vcpus=2/"),
    _changed("kernel-command-line", "the kernel is called otherwise than before", "extra", "/^extra/s/console=hvc0 //"),
    _changed("another-root", "root= names another device than before", "root", "/^root/s/xvda1/xvda3/"),
    _changed("another-bridge", "the vif is on another bridge than before", "vif", "s/bridge=xenbr0/bridge=br1/"),
    _changed("another-mac", "the guest's MAC is another one than before", "vif", f"s/{_GUEST.mac}/00:16:3e:00:00:01/"),
    _changed(
        "a-disk-more",
        "the guest has got a third disk",
        "disk",
        f"s|^disk = \\[|&'format=raw,vdev=xvdb,access=rw,target={_SWAP}', |",
    ),
    _changed(
        "on-crash-changed",
        "the guest is kept when it crashes, and was not before",
        "on_crash",
        '$a on_crash="preserve"',
    ),
    wrong(
        "quote-missing",
        "the config lacks a quote",
        _red("config-syntax", "close the quotes"),
        config_edited(f'/^name/s/{_GUEST.name}"/{_GUEST.name}/'),
    ),
    wrong(
        "smart-quotes",
        "a word processor has put typographic quotes into the config",
        _red("config-syntax", "straight quotes"),
        config_edited('/^name/s/"\\([^"]*\\)"/“\\1”/'),
    ),
    wrong(
        "comma-missing",
        "two disks stand in their list without a comma between them",
        _red("config-syntax", "commas between the items"),
        config_edited("/^disk/s/', '/' '/"),
    ),
    wrong(
        "config-empty",
        "the config on the share is an empty file",
        _red("config-readable", "it is empty"),
        done(CLIENT.name, f": >{_CONFIG}", f"test -e {_CONFIG} && test ! -s {_CONFIG}"),
    ),
    wrong(
        "runs-from-its-old-disks",
        "the guest runs, started from its old config, as nobody has shut it down for the move onto the share",
        _red("device-on-share", _GUEST.original_folder),
        done(
            CLIENT.name,
            f"xl create -q -p {_GUEST.original_config} && xl unpause {_GUEST.name}",
            f"xl domid {_GUEST.name}",
        ),
    ),
    wrong(
        "xl-refuses-it",
        "the config says of a crash what xl does not know",
        _red("xl-accepts-config", "on_crash"),
        config_edited('$a on_crash="explode"'),
    ),
    wrong(
        "moved-on-the-server-alone",
        "the member's folder on the share is a link that leads nowhere from the other host",
        _red("path-on-share", "No such file"),
        done(
            SERVER.name,
            f"mkdir -p /srv/other && mv {_IMAGE} /srv/other/ && ln -s /srv/other/{_GUEST.name}.img {_IMAGE}",
            f"test -L {_IMAGE} && test -s {_IMAGE}",
        ),
    ),
)
"""What a run's third step must show."""
