"""Plays a stock container on this machine: Docker's default capabilities, no /dev/net/tun, no namespaces."""

import os
import subprocess
from collections.abc import Sequence

_CAPABILITIES = (
    *("chown", "dac_override", "fowner", "fsetid", "kill", "setgid", "setuid", "setpcap", "net_bind_service"),
    *("net_raw", "sys_chroot", "mknod", "audit_write", "setfcap"),
)
_HIDE_TUN = 'mount -t tmpfs none /dev/net && exec "$@"'


def contained(argv: Sequence[str]) -> list[str]:
    """The command line that runs `argv` in the container; this machine may be one already."""
    bounds = ",".join(["-all", *(f"+{name}" for name in _CAPABILITIES)])
    inside = ["setpriv", f"--bounding-set={bounds}", "--inh-caps=-all", *argv]
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    outer = ["unshare", *user, "--mount", "--", "sh", "-c", _HIDE_TUN, "sh"]
    granted = subprocess.run([*outer, "true"], capture_output=True, check=False).returncode == 0
    return [*outer, *inside] if granted else list(argv)
