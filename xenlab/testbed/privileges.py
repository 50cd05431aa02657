"""What the place where we run allows an image's build, and how trees of many users' files are made there.

A place is a machine or a container. `look` asks it, `choose` decides (capabilities(7), user_namespaces(7)).
"""

import os
import pwd
import subprocess
from dataclasses import dataclass
from pathlib import Path

from xenlab.errors import UsageError
from xenlab.testbed.tools import AS_ROOT_OF_NAMESPACE, environment

_CAP_SYS_ADMIN = 21
_ALLOW_NAMESPACES = (
    "sudo sysctl user.max_user_namespaces=15000 kernel.unprivileged_userns_clone=1 "
    "kernel.apparmor_restrict_unprivileged_userns=0 (those your kernel knows), or run ./lab as root"
)


@dataclass(frozen=True, slots=True)
class Privileges:
    """What a place grants; each refusal in the words of the program that was refused, "" where all is granted.

    `mounts`: file systems may be mounted. `no_namespace`: of a user namespace; `no_ids`: of one in which this
    account has subordinate ids as well (subuid(5)). Neither is asked for as root.
    """

    account: str
    root: bool
    mounts: bool
    no_namespace: str = ""
    no_ids: str = ""


@dataclass(frozen=True, slots=True)
class TreeMaking:
    """How trees are made: mmdebstrap's `mode`, and the `prefix` of a command that is to own several users' files."""

    words: str
    mode: tuple[str, ...]
    prefix: tuple[str, ...] = ()


def choose(privileges: Privileges) -> TreeMaking:
    """The way that a place with these privileges allows.

    fakechroot is none: it runs the programs of a release with libraries of this machine, which break them.

    :raises UsageError: there is no way; one line with the remedy.
    """
    if privileges.root and privileges.mounts:
        return TreeMaking("as root", ("--mode=root",))
    if privileges.root:
        # mmdebstrap refuses to go on without /proc and /sys unless told that this is meant.
        return TreeMaking("as root, mounting nothing", ("--mode=root", "--skip=check/canmount"))
    if not privileges.no_ids:
        return TreeMaking("in a user namespace", ("--mode=unshare",), AS_ROOT_OF_NAMESPACE)
    if privileges.no_namespace:
        raise UsageError(
            f"building images needs root or user namespaces, which are refused here: {privileges.no_namespace}",
            hint=_ALLOW_NAMESPACES,
        )
    raise UsageError(
        f"building images without root needs subordinate ids: {privileges.no_ids}",
        hint=f"sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {privileges.account}",
    )


def look() -> Privileges:
    """What this place grants us, by trying it."""
    uid = os.geteuid()
    if uid == 0:
        mounts = _has_capability(_CAP_SYS_ADMIN) and not _refusal("unshare", "--mount", "--propagation", "unchanged")
        return Privileges("root", root=True, mounts=mounts)
    no_namespace = _refusal("unshare", "--user", "--map-root-user")
    no_ids = no_namespace or _refusal(*AS_ROOT_OF_NAMESPACE)
    return Privileges(_account(uid), root=False, mounts=False, no_namespace=no_namespace, no_ids=no_ids)


def _refusal(*prefix: str) -> str:
    """What a command prefix complains of, "" when it starts a program."""
    argv = [*prefix, "true"]
    done = subprocess.run(argv, capture_output=True, text=True, env=environment(), check=False)
    return "" if done.returncode == 0 else done.stderr.strip() or f"{prefix[0]}: exit {done.returncode}"


def _has_capability(number: int) -> bool:
    """Whether this process has the capability in its effective set (proc(5), status)."""
    status = dict(line.split(":\t", 1) for line in Path("/proc/self/status").read_text().splitlines() if ":\t" in line)
    return bool(int(status["CapEff"], 16) >> number & 1)


def _account(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:  # containers run under ids that no account has
        return str(uid)
