"""Files laid over a freshly installed root file system, collected as a tar archive.

A tar carries owner and mode, so the trees of the images are made without being root.
"""

import io
import tarfile
from pathlib import Path


class Overlay:
    """A root file system's own files, all owned by root."""

    def __init__(self) -> None:
        self._entries: dict[str, tuple[tarfile.TarInfo, bytes]] = {}

    def file(self, path: str, content: str | bytes, mode: int = 0o644) -> None:
        """A regular file at `path` (absolute)."""
        data = content.encode() if isinstance(content, str) else content
        info = tarfile.TarInfo("." + path)
        info.size = len(data)
        info.mode = mode
        self._entries[path] = (info, data)

    def directory(self, path: str, mode: int = 0o755) -> None:
        """A directory at `path`; parents that need no special mode are made by tar itself."""
        info = tarfile.TarInfo("." + path)
        info.type = tarfile.DIRTYPE
        info.mode = mode
        self._entries[path] = (info, b"")

    def link(self, path: str, target: str) -> None:
        """A symbolic link at `path`."""
        info = tarfile.TarInfo("." + path)
        info.type = tarfile.SYMTYPE
        info.linkname = target
        self._entries[path] = (info, b"")

    def mask(self, *units: str) -> None:
        """Switch off systemd units (systemctl mask)."""
        for unit in units:
            self.link(f"/etc/systemd/system/{unit}", "/dev/null")

    def enable(self, unit: str, wanted_by: str = "multi-user.target") -> None:
        """Switch on a systemd unit."""
        self.link(f"/etc/systemd/system/{wanted_by}.wants/{unit}", f"/etc/systemd/system/{unit}")

    def write(self, path: Path) -> None:
        """Write the archive."""
        with tarfile.open(path, "w") as archive:
            for info, data in self._entries.values():
                archive.addfile(info, io.BytesIO(data))
