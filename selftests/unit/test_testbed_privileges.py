"""What a place allows, and how trees are made there: decided purely, and looked at in places that are played."""

import os
import re
import shutil
import subprocess
import sys

import pytest
from paths import ROOT

from xenlab.errors import UsageError
from xenlab.testbed.privileges import Privileges, choose
from xenlab.testbed.tools import AS_ROOT_OF_NAMESPACE

OWN_MACHINE = Privileges("root", root=True, mounts=True)
CONTAINER = Privileges("root", root=True, mounts=False)
USER = Privileges("ann", root=False, mounts=False)
NO_IDS = Privileges("ann", root=False, mounts=False, no_ids="newuidmap: not allowed")
NO_NAMESPACES = Privileges("ann", root=False, mounts=False, no_namespace="unshare: refused", no_ids="unshare: refused")


@pytest.mark.parametrize(
    ("privileges", "mode", "prefix"),
    [
        (OWN_MACHINE, ("--mode=root",), ()),
        (CONTAINER, ("--mode=root", "--skip=check/canmount"), ()),
        (USER, ("--mode=unshare",), AS_ROOT_OF_NAMESPACE),
    ],
)
def test_each_place_has_its_way(privileges: Privileges, mode: tuple[str, ...], prefix: tuple[str, ...]) -> None:
    making = choose(privileges)
    assert (making.mode, making.prefix) == (mode, prefix)


@pytest.mark.parametrize(
    ("privileges", "message", "hint"),
    [
        (NO_IDS, "building images without root needs subordinate ids: newuidmap: not allowed", "add-subgids .* ann$"),
        (
            NO_NAMESPACES,
            "building images needs root or user namespaces, which are refused here: unshare: refused",
            r"^sudo sysctl user\.max_user_namespaces=15000 .*, or run \./lab as root$",
        ),
    ],
)
def test_where_there_is_no_way_the_remedy_is_said(privileges: Privileges, message: str, hint: str) -> None:
    with pytest.raises(UsageError) as refused:
        choose(privileges)
    assert refused.value.message == message
    assert re.search(hint, refused.value.hint)


# Docker's default capabilities.
STOCK_CONTAINER = (
    *("setpriv", "--inh-caps=-all"),
    "--bounding-set=-all,+chown,+dac_override,+fowner,+fsetid,+kill,+setgid,+setuid,+setpcap,+net_bind_service,"
    "+net_raw,+sys_chroot,+mknod,+audit_write,+setfcap",
)
# An id that no account has: unshare finds no subordinate ids for it.
STRANGER = ("unshare", "--user", "--map-user=54321", "--map-group=54321")
# The limit is one of the namespace that it is set in: this machine's own stays as it is.
WITHOUT_NAMESPACES = (
    *("unshare", "--user", "--map-root-user", "sh", "-c"),
    'echo 1 >/proc/sys/user/max_user_namespaces && exec unshare --user --map-user=1000 --map-group=1000 "$@"',
    "sh",
)
LOOK = "from xenlab.testbed.privileges import choose, look; p = look(); print(p, flush=True); print(choose(p).mode)"

as_root = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("setpriv") is None, reason="only root has capabilities to drop"
)
with_namespaces = pytest.mark.skipif(
    subprocess.run(["unshare", "--user", "--map-root-user", "true"], capture_output=True, check=False).returncode != 0,
    reason="this machine refuses user namespaces",
)


def looked(*place: str) -> "subprocess.CompletedProcess[str]":
    """What a process in that place sees and decides."""
    return subprocess.run([*place, sys.executable, "-c", LOOK], cwd=ROOT, capture_output=True, text=True, check=False)


@as_root
def test_a_stock_containers_root_mounts_nothing() -> None:
    seen = looked(*STOCK_CONTAINER)
    assert seen.stdout == f"{CONTAINER}\n{choose(CONTAINER).mode}\n", seen.stderr


@with_namespaces
def test_an_account_without_subordinate_ids_is_told() -> None:
    seen = looked(*STRANGER)
    assert "root=False, mounts=False, no_namespace='', no_ids=\"unshare: you" in seen.stdout
    assert "subordinate ids" in seen.stderr


@with_namespaces
def test_an_ordinary_user_without_namespaces_is_told() -> None:
    seen = looked(*WITHOUT_NAMESPACES)
    assert "root=False, mounts=False, no_namespace='unshare: " in seen.stdout, seen.stderr
    assert "building images needs root or user namespaces, which are refused here: unshare: " in seen.stderr
