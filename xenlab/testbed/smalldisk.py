"""A disk of this machine's that is soon full."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from xenlab.errors import CannotObserve
from xenlab.testbed.tools import environment

FILL = "fill"
"""The file on it that fills it, which is not kept."""


@contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """Have a folder on a disk of its own of 8 MiB within the body; what is on it at the end is left in the folder.

    :raises CannotObserve: none can be mounted.
    """
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m,mode=0700", "none", str(folder)],
        capture_output=True,
        text=True,
        env=environment(),
        check=False,
    )
    if mounted.returncode:
        raise CannotObserve(f"a small disk can be mounted by root only: {mounted.stderr.strip()}")
    with TemporaryDirectory(prefix="xenlab-") as kept:
        try:
            yield
        finally:
            shutil.copytree(folder, kept, dirs_exist_ok=True, ignore=shutil.ignore_patterns(FILL))
            subprocess.run(["umount", str(folder)], capture_output=True, env=environment(), check=True)
        shutil.copytree(kept, folder, dirs_exist_ok=True)
