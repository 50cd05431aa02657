"""Configs that are right, however they are written. Pure data."""

from xenlab.scenarios.scenario import Scenario, right
from xenlab.scenarios.shell import GUEST, both_configs_edited, config_edited, done
from xenlab.testbed.plan import BRIDGE, CLIENT

CONFIGS: tuple[Scenario, ...] = (
    right(
        "disks-otherwise-written",
        "the fixed config writes its disks in xl's other way (positions, or key=value pairs), which means the same",
        "path-fixes",
        config_edited(
            "s/format=raw,vdev=\\(xvda[12]\\),access=rw,target=\\([^']*\\)/\\2,raw,\\1,rw/g",
            "s/tap:aio:\\([^,]*\\),\\(xvda[12]\\),w/format=raw, vdev=\\2, access=rw, target=\\1/g",
        ),
    ),
    right(
        "comments-and-order",
        "the fixed config has comments, blank lines, other quotes, and its keys in another order",
        "path-fixes",
        config_edited("1{h;d}", "$G", "2i# fixed by Artem, May 2015\\n", "s/^vcpus=1/vcpus = 0x1   # one/"),
    ),
    right(
        "files-renamed",
        "the guest's files have other names on the share",
        "path-fixes",
        done(
            CLIENT.name,
            f"cd {GUEST.shared_folder} && mkdir -p disks && mv {GUEST.name}.img disks/root.raw && "
            f"sed -i s,{GUEST.owner}/{GUEST.name}.img,{GUEST.owner}/disks/root.raw, {GUEST.name}.cfg",
            f"test -s {GUEST.shared_folder}/disks/root.raw && grep -q disks/root.raw {GUEST.shared_config}",
        ),
    ),
    right(
        "link-within-the-share",
        "the kernel's path is a link to another file on the share",
        "path-fixes",
        done(
            CLIENT.name,
            f"cd {GUEST.shared_folder} && mkdir -p boot && kernel=$(ls -d vmlinuz*) && mv $kernel boot/ && "
            "ln -s boot/$kernel $kernel",
            f"test -L {GUEST.shared_folder}/vmlinuz*",
        ),
    ),
    right(
        "originals-gone",
        "the guest's first disks are not kept under /home any more",
        "path-fixes",
        done(
            CLIENT.name,
            f"rm {GUEST.original_folder}/UbuntuXen.img {GUEST.original_folder}/UbuntuXen.swap",
            f"test ! -e {GUEST.original_folder}/UbuntuXen.img",
        ),
    ),
    right(
        "several-vifs",
        "the guest has a second vif",
        "path-fixes",
        *both_configs_edited(f"s/^vif = \\[/& 'mac=00:16:3e:00:00:77,bridge={BRIDGE}',/"),
    ),
)
"""Configs that are right."""
