"""Builds the disks of the embedded lab: one image a Dom0, the guests' disks on their home host's.

mmdebstrap installs the packages (see `debian`), `mke2fs -d` turns trees into images, each in the way that the place
allows (see `privileges`).
"""

import gzip
import hashlib
import json
import re
import shlex
import tarfile
from pathlib import Path

from xenlab.errors import CannotObserve
from xenlab.testbed import cache, debian, privileges, tools, trees
from xenlab.testbed.bootfiles import Images
from xenlab.testbed.kernels import quick_to_unpack
from xenlab.testbed.keys import LabKeys
from xenlab.testbed.overlay import Overlay
from xenlab.testbed.plan import GUESTS, HOSTS, GuestPlan, HostPlan
from xenlab.testbed.profiles import GUEST_PACKAGES, Profile
from xenlab.testbed.progress import Progress

# Measured with `du` on a built cache and its warm start, rounded up; while building, the trees come on top.
DISK_NEEDED = 5_000_000_000

_DOM0_DISK = "4G"
_GUEST_DISK = "600M"
_GUEST_SWAP_BYTES = 64 * 1024 * 1024


def recipe_digest(profile: Profile) -> str:
    """Digest over all that decides what the images hold: the profile and this room's own code."""
    digest = hashlib.sha256(repr(profile).encode())
    for name in ("images", "kernels", "bootfiles", "debian", "trees", "plan", "keys", "overlay", "profiles"):
        digest.update(Path(__file__).with_name(f"{name}.py").read_bytes())
    return digest.hexdigest()[:12]


def ensure_images(profile: Profile, progress: Progress) -> Images:
    """The profile's images, built when the cache has none that is whole.

    :raises UsageError: too little disk space, or this account may not build.
    :raises SuiteGone: the profile's release can be had nowhere; :raises CannotObserve: a build failed.
    """
    root = cache.cache_root()
    folder = root / f"{profile.name}-{recipe_digest(profile)}"
    with cache.locked(root / f"{folder.name}.lock"):
        if cache.is_complete(folder):
            return Images(folder)
        if folder.exists():
            progress.say(f"the cached images in {folder} are not whole: building them again")
        _drop_older(root, profile, keep=folder.name)
        cache.require_space(root, DISK_NEEDED, f"building the {profile.name} lab")
        progress.say(f"building takes up to {DISK_NEEDED / 1e9:.0f} GB of disk under {root}")
        making = privileges.choose(privileges.look())
        with cache.building(folder) as partial:
            _Build(profile, partial, making, root / "logs", progress).run()
    return Images(folder)


def _drop_older(root: Path, profile: Profile, keep: str) -> None:
    """Make room: images of another recipe go, unless a lab of another working copy runs from them."""
    for old in root.glob(f"{profile.name}-*"):
        if old.is_dir() and old.name != keep and not old.name.endswith(".partial") and not cache.is_used(old):
            tools.remove_tree(old)


class _Build:
    """One build of one profile in one folder."""

    def __init__(
        self, profile: Profile, folder: Path, making: privileges.TreeMaking, logs: Path, progress: Progress
    ) -> None:
        self.profile = profile
        self.folder = folder
        self.making = making
        self.logs = logs
        self.progress = progress
        self.keys = LabKeys.generate([*HOSTS, *GUESTS])

    def run(self) -> None:
        """Make every file of the folder."""
        suite = self.profile.suite
        with self.progress.stage(f"{suite}-packages", f"installing Debian {suite} {self.making.words}"):
            debian.install(suite, self._installations(), self.making, self._log, self.progress)
        version = self._take_boot_files()
        with self.progress.stage(f"{suite}-guests", "making the guests' disks"):
            tools.run(*[self._guest_disk(guest) for guest in GUESTS])
        with self.progress.stage(f"{suite}-dom0s", "making the Dom0s' disks"):
            tools.run(*[self._dom0_disk(host, version) for host in HOSTS])
        self._write_secrets()
        for name in ("dom0.tar", "guest.tar", *[f"{guest.name}.img" for guest in GUESTS]):
            (self.folder / name).unlink()

    def _installations(self) -> tuple[debian.Installation, ...]:
        packages = {"dom0": self.profile.packages, "guest": GUEST_PACKAGES}
        return tuple(debian.Installation(name, packages[name], self.folder / f"{name}.tar") for name in packages)

    def _log(self, name: str) -> Path:
        """A fresh log, kept outside the build's folder, so that it outlives a failed build."""
        self.logs.mkdir(parents=True, exist_ok=True)
        log = self.logs / f"{self.profile.name}-{name}.log"
        log.unlink(missing_ok=True)
        return log

    def _take_boot_files(self) -> str:
        """Take hypervisor, kernel and initramfs out of the Dom0's tree; returns the kernel's version."""
        wanted = {
            "vmlinuz": re.compile(r"\./boot/vmlinuz-(.+)"),
            "initrd.img": re.compile(r"\./boot/initrd\.img-(.+)"),
            "xen": re.compile(r"\./boot/xen-[\d.]+-amd64\.gz"),
        }
        ready = {"xen": gzip.decompress, "vmlinuz": quick_to_unpack}
        version = ""
        with tarfile.open(self.folder / "dom0.tar") as archive:
            for member in archive:
                for name, pattern in wanted.items():
                    match = pattern.fullmatch(member.name)
                    stream = archive.extractfile(member) if match and member.isfile() else None
                    if match and stream:
                        data = stream.read()
                        (self.folder / name).write_bytes(ready.get(name, bytes)(data))
                        version = match[1] if name == "vmlinuz" else version
        missing = [name for name in wanted if not (self.folder / name).exists()]
        if missing:
            raise CannotObserve(f"the Debian {self.profile.suite} packages brought no {', '.join(missing)}")
        return version

    def _guest_disk(self, guest: GuestPlan) -> tools.Program:
        own_kernel = guest.boots_by == "pygrub"
        kernel = (self.folder / "vmlinuz").read_bytes() if own_kernel else None
        initrd = (self.folder / "initrd.img").read_bytes() if own_kernel else None
        overlay = trees.guest_overlay(guest, self.keys, kernel, initrd)
        return self._disk("guest", guest.name, overlay, _GUEST_DISK, {})

    def _dom0_disk(self, host: HostPlan, version: str) -> tools.Program:
        overlay = trees.dom0_overlay(host, self.profile, self.keys)
        overlay.file(f"/boot/vmlinuz-{version}", (self.folder / "vmlinuz").read_bytes())
        copies: dict[str, Path] = {}
        for guest in (guest for guest in GUESTS if guest.home is host):
            overlay.directory(guest.original_folder)
            overlay.file(guest.original_config, trees.original_config(guest, self.profile, version))
            copies[f"{guest.original_folder}/UbuntuXen.img"] = self.folder / f"{guest.name}.img"
        return self._disk("dom0", host.name, overlay, _DOM0_DISK, copies)

    def _disk(self, base: str, name: str, overlay: Overlay, size: str, copies: dict[str, Path]) -> tools.Program:
        """What lays base and overlay into a tree, and the tree into an ext4 image.

        `copies` are big sparse files to bring along; beside each a swap disk is made.
        """
        overlay_tar = self.folder / f"{name}.overlay.tar"
        overlay.write(overlay_tar)
        tree, image = self.folder / f"{name}.tree", self.folder / f"{name}.img"
        lines = [
            "set -e",
            # Interrupted, sh must still pass its EXIT trap.
            "trap 'exit 130' INT TERM",
            f"mkdir {_q(tree)}",
            f"trap {_q(f'rm -rf {_q(tree)} {_q(overlay_tar)}')} EXIT",
            # Device nodes cannot be made without root; the kernel's devtmpfs brings them at boot.
            f"cd {_q(tree)}",
            f"tar -x --numeric-owner -p --exclude='./dev/*' -f {_q(self.folder / f'{base}.tar')}",
            f"tar -x --numeric-owner -p --keep-directory-symlink -f {_q(overlay_tar)}",
            "cd /",
        ]
        for target, source in copies.items():
            disk, swap = f"{tree}{target}", f"{tree}{Path(target).with_suffix('.swap')}"
            lines += [
                f"cp --sparse=always {_q(source)} {_q(disk)}",
                f"truncate -s {_GUEST_SWAP_BYTES} {_q(swap)}",
                f"mkswap -q {_q(swap)}",
                f"chmod 644 {_q(swap)}",
            ]
        lines.append(f"mke2fs -q -F -t ext4 -E root_owner=0:0 -d {_q(tree)} {_q(image)} {size}")
        return tools.Program(
            [*self.making.prefix, "sh", "-c", "\n".join(lines)],
            log=self._log(f"disk-{name}"),
            purpose=f"making the disk of {name}",
            timeout=600,
        )

    def _write_secrets(self) -> None:
        key = self.folder / "id_ed25519"
        key.touch(0o600)
        key.write_text(self.keys.login_private)
        (self.folder / "known_hosts").write_text(self.keys.known_hosts)
        facts = {"profile": self.profile.name, "suite": self.profile.suite, "xen": self.profile.xen}
        (self.folder / "facts.json").write_text(json.dumps(facts, indent=1))


def _q(path: object) -> str:
    return shlex.quote(str(path))
