"""What a Linux machine can be asked about itself in one section of a look, beyond `commands`. Argument vectors only.

Needed: a POSIX shell and coreutils or busybox; blkid (util-linux) where file systems are to be told apart.
"""

from collections.abc import Sequence

Argv = tuple[str, ...]

# Each device with what it rests on: device-mapper and md have "slaves", a partition lies within its disk. A file
# system without a device number of its own (btrfs) is told by the source of its mount.
_ROOT_DEVICES = """
while read -r _ _ number _ target rest; do
    [ "$target" = / ] && device=$number tail=${rest##* - }
done </proc/self/mountinfo
show() {
    echo "$1"
    for below in /sys/class/block/"$1"/slaves/*; do [ -e "$below" ] && show "${below##*/}"; done
    if [ -e /sys/class/block/"$1"/partition ]; then
        disk=$(readlink -f /sys/class/block/"$1"/..)
        show "${disk##*/}"
    fi
}
name=$(readlink "/sys/dev/block/$device")
if [ -z "$name" ]; then
    set -- $tail
    name=$(readlink -f "$2")
    [ -b "$name" ] || { echo "/ is $2, which is no block device" >&2; exit 1; }
fi
show "${name##*/}"
"""
# Of either file only what it is called: XCP-ng's own has its disks and identities. The last line may have no end, and
# no line needs to be long: cut(1) sees to both.
_SYSTEM = """
tell() { cut -c -300 | sed "s/^/$1 /"; }
{ cat /etc/os-release || cat /usr/lib/os-release; } 2>/dev/null | grep -E '^(ID|ID_LIKE|PRETTY_NAME)=' | tell os
grep -E '^PRODUCT_(BRAND|VERSION)=' /etc/xensource-inventory 2>/dev/null | tell inventory
pgrep -x xapi >/dev/null && echo "runs xapi"
true
"""
_OPEN_VSWITCH = "command -v ovs-vsctl >/dev/null 2>&1 || exit 0; ovs-vsctl --timeout=5 list-br"
# One line of facts for each path, then its digest where it is small enough to be read whole. blkid opens without
# waiting, and a file that an NFS client was given a write delegation of cannot be opened so on its server (RFC 8881,
# 10.4): it is held open meanwhile, which has waited until the client gave that back.
_IDENTITIES = """
small=$1; shift
for path; do
    [ -e "$path" ] || { printf 'missing %s\\n' "$path"; continue; }
    size=$(stat -L -c %s -- "$path") && [ -r "$path" ] && true <"$path" ||
        { printf 'unread %s\\n' "$path"; continue; }
    digest=-
    [ "$size" -gt "$small" ] || digest=$(sha256sum <"$path")
    echo "file $size ${digest%% *} $path"
    { blkid -p -o export -- "$path" 2>/dev/null | grep -E '^(TYPE|UUID|PTTYPE|PTUUID)='; } <"$path"
done
true
"""
SMALL_FILE = 64 << 20
"""Bytes up to which `identities` reads a file whole: kernels and ramdisks, not disks."""


def user_id() -> Argv:
    """The numeric id of the user that commands run as (id(1))."""
    return ("id", "-u")


def console_daemon() -> Argv:
    """The process id of xenconsoled(8), which serves the consoles of PV and PVH guests; code 1: it does not run."""
    # By its command line, which a wrapper's own name does not hide; the pattern must not find the shell that asks.
    return ("pgrep", "-f", "[x]enconsoled")


def system() -> Argv:
    """What it runs (os-release(5)), and whether xapi manages its domains; `facts.system`."""
    return ("sh", "-c", _SYSTEM)


def open_vswitch_bridges() -> Argv:
    """The names of Open vSwitch's bridges, one a line; none where it is not installed (ovs-vsctl(8))."""
    return ("sh", "-c", _OPEN_VSWITCH)


def nfsd_threads() -> Argv:
    """How many threads serve NFS here (nfsd(7)); there is no such file where the server never ran."""
    return ("cat", "/proc/fs/nfsd/threads")


def root_devices() -> Argv:
    """The device of / and all it rests on, one a line."""
    return ("sh", "-c", _ROOT_DEVICES)


def identities(paths: Sequence[str], digest_up_to: int = SMALL_FILE) -> Argv:
    """What each file is: size, digest of a small one, file system or partition table with its UUID (blkid(8))."""
    return ("sh", "-c", _IDENTITIES, "sh", str(digest_up_to), *paths)
