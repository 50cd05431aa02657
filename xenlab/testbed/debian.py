"""A Debian release's packages, installed by mmdebstrap: from its mirrors, or from the archive of old releases."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from xenlab.errors import CannotObserve
from xenlab.testbed import tools
from xenlab.testbed.privileges import TreeMaking
from xenlab.testbed.progress import Progress

DEBOOTSTRAP_SCRIPTS = Path("/usr/share/debootstrap/scripts")
"""What each release needs, as debootstrap's package knows it: the mirror of those that are archived, too."""
_ARCHIVED_LONG_AGO = "etch"

_MMDEBSTRAP = (
    "mmdebstrap", "--variant=minbase", "--format=tar",
    "--aptopt=Apt::Install-Recommends \"false\"",
    "--dpkgopt=path-exclude=/usr/share/man/*", "--dpkgopt=path-exclude=/usr/share/doc/*",
    "--dpkgopt=path-exclude=/usr/share/locale/*", "--dpkgopt=path-exclude=/usr/share/info/*",
)  # fmt: skip

# What the kernels need before the root disk is there: the NIC and disk of a Dom0 (virtio), of a guest (Xen).
_INITRAMFS_MODULES = (
    "virtio_pci", "virtio_blk", "virtio_net", "xen-blkfront", "xen-netfront", "ext4", "crc32c_generic",
)  # fmt: skip


class SuiteGone(CannotObserve):
    """Neither the mirrors nor the archive have this release (any more)."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where packages come from, in mmdebstrap's words; without `mirrors` it takes those it knows for the release."""

    mirrors: tuple[str, ...] = ()
    options: tuple[str, ...] = ()


MIRRORS = Source()


@dataclass(frozen=True, slots=True)
class Installation:
    """The packages of one tree, and the tar file that the tree goes into."""

    name: str
    packages: tuple[str, ...]
    tar: Path

    def program(self, suite: str, source: Source, making: TreeMaking, log: Path) -> tools.Program:
        """What makes it."""
        modules = "\\n".join(_INITRAMFS_MODULES)
        hook = (
            'mkdir -p "$1/etc/initramfs-tools/conf.d" "$1/usr/share/initramfs-tools/modules.d"; '
            'printf "MODULES=list\\nCOMPRESS=gzip\\n" > "$1/etc/initramfs-tools/conf.d/xenlab"; '
            f'printf "{modules}\\n" > "$1/usr/share/initramfs-tools/modules.d/xenlab"'
        )
        wanted = (f"--include={','.join(self.packages)}", f"--essential-hook={hook}")
        return tools.Program(
            [*_MMDEBSTRAP, *making.mode, *source.options, *wanted, suite, str(self.tar), *source.mirrors],
            log=log,
            purpose=f"installing Debian {suite} ({self.name})",
            timeout=1200,
            hint="is the network up, and does `apt-get update` work on this machine?",
        )


def install(
    suite: str,
    wanted: Sequence[Installation],
    making: TreeMaking,
    log: Callable[[str], Path],
    progress: Progress,
) -> None:
    """Install a release's packages into trees, side by side; `log` gives a fresh file for a program's words.

    :raises SuiteGone: the mirrors lack the release, and the archive could not give it, either.
    :raises CannotObserve: anything else, such as mirrors that cannot be reached.
    """
    logs = [log(f"mmdebstrap-{one.name}") for one in wanted]
    try:
        _run(suite, MIRRORS, wanted, making, logs)
        return
    except CannotObserve:
        lacking = [line for path in logs for line in tools.log_lines(path) if lacks_suite(line, suite)]
        if not lacking:
            raise
    gone = f"the mirrors no longer have Debian {suite} ({lacking[0]})"
    archive = archive_of_releases()
    if archive is None:
        raise SuiteGone(f"{gone}, and no debootstrap is here that knows the archive")
    progress.say(f"{gone}: trying the archive of old releases")
    logs = [log(f"archive-{one.name}") for one in wanted]
    try:
        _run(suite, archive, wanted, making, logs)
    except CannotObserve as failed:
        errors = [line for path in logs for line in tools.error_lines(path)] or [failed.message]
        raise SuiteGone(f"{gone}, and the archive cannot give it ({errors[0]})") from failed


def _run(suite: str, source: Source, wanted: Sequence[Installation], making: TreeMaking, logs: list[Path]) -> None:
    tools.run(*[one.program(suite, source, making, path) for one, path in zip(wanted, logs, strict=True)])


def archive_of_releases() -> Source | None:
    """The archive that releases move to, as this machine's debootstrap knows it; None when it knows none.

    The release itself, without its updates: nothing there changes any more. Its signature is verified as ever; but
    nobody signs an archived Release file anew, so that its Valid-Until (apt.conf(5)) says nothing about it.
    """
    try:
        script = (DEBOOTSTRAP_SCRIPTS / _ARCHIVED_LONG_AGO).read_text()
    except OSError:
        return None
    found = re.search(r"^\s*default_mirror\s+(\S+)", script, re.MULTILINE)
    return Source((found[1],), ('--aptopt=Acquire::Check-Valid-Until "false"',)) if found else None


def lacks_suite(line: str, suite: str) -> bool:
    """Whether apt says in this line that a mirror has no such release.

    It does where the server answered "404 Not Found" for the Release file. Whatever else goes wrong (no network, a
    refusing proxy, a server out of order) it says in other words.
    """
    missing = rf"E: The repository '\S+ {re.escape(suite)}(-\w+)* Release' does not have a Release file\."
    return re.fullmatch(missing, line) is not None
