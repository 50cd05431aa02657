"""Sets the booted hosts up as the report's authors did: the share, and the guests' move onto it."""

import json
import time
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from xenlab.errors import CannotObserve
from xenlab.remote.connection import Sink
from xenlab.remote.host import RemoteHost
from xenlab.remote.record import CommandRecord
from xenlab.remote.waiting import NotInTime, wait_for
from xenlab.testbed.plan import EXPORT, MOUNT_POINT, SERVER, GuestPlan
from xenlab.xen import xl
from xenlab.xen.cfg import parse_config, rewrite_paths
from xenlab.xen.parsers import GuestType, parse_info

_COPY_SECONDS = 900.0
_SERVER_SECONDS = 240.0


def require_guests_possible(host: RemoteHost, guest_type: GuestType) -> None:
    """Raise CannotObserve where the booted host's Xen could not make guests of this type, or not migrate them live.

    A Dom0 may come up on a KVM that lends it no virtualisation of its own: PV guests run there, PVH ones do not.
    """
    info = parse_info(host.run(*xl.info()).check().stdout)
    if not info.can_live_migrate(guest_type):
        caps = " ".join(sorted(info.virt_caps)) or "none"
        raise CannotObserve(f"no {guest_type.upper()} guests on {host.name}: its virt_caps are {caps}")


def mount_share(client: RemoteHost) -> None:
    """Mount the export on the host that does not serve it, as soon as the server has finished booting.

    Without retry=0, a missing server blocks mount for two minutes.
    """
    source = f"{SERVER.address}:{EXPORT}"
    argv = ("mount", "-t", "nfs4", "-o", "vers=4.2,retry=0", source, MOUNT_POINT)
    said = ""

    def mounted() -> bool:
        nonlocal said
        result = client.run(*argv, timeout=180)
        said = result.stderr.strip()
        return result.ok

    try:
        wait_for(mounted, f"{SERVER.name} to serve {EXPORT}", timeout=_SERVER_SECONDS, interval=2.0)
    except NotInTime as late:
        raise CannotObserve(f"{late.message}: {said}") from late


def move_guest(home: RemoteHost, guest: GuestPlan) -> None:
    """Copy a guest's files onto the share and fix the paths in its config; the original stays behind."""
    text = home.read_bytes(guest.original_config).decode()
    mapping = shared_paths(guest, [entry.path for entry in parse_config(text).paths()])
    home.run("mkdir", "-p", guest.shared_folder).check()
    for before, after in mapping.items():
        home.run("cp", "--sparse=always", before, after, timeout=_COPY_SECONDS).check()
    home.write_file(guest.shared_config, rewrite_paths(text, mapping).encode(), 0o644)
    home.run("sync", timeout=_COPY_SECONDS).check()


def shared_paths(guest: GuestPlan, paths: list[str]) -> Mapping[str, str]:
    """Where each file of the original config lies on the share; disks take the guest's name."""
    named = {path: PurePosixPath(path).name.replace("UbuntuXen", guest.name) for path in paths}
    return {path: f"{guest.shared_folder}/{name}" for path, name in named.items()}


def set_clock(host: RemoteHost) -> None:
    """Give a host restored from its snapshot the time of now."""
    host.run("date", "-s", f"@{time.time():.0f}").check()


def command_log(path: Path) -> Sink:
    """A sink that appends each command as one JSON line."""

    def append(record: CommandRecord) -> str:
        line: dict[str, object] = {
            "host": record.host,
            "command": record.command,
            "exit_code": record.exit_code,
        }
        line |= {"seconds": round(record.seconds, 2), "stderr": record.stderr[-2000:]}
        with path.open("a", encoding="utf-8") as log:
            log.write(json.dumps(line) + "\n")
        return ""

    return append


def no_record(_record: CommandRecord) -> str:
    """A sink for commands that are no evidence of anything, such as looking for a guest's console."""
    return ""
