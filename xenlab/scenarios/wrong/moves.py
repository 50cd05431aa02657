"""What goes wrong while a guest moves, shut down, paused or running. Pure data.

Most of it is set up before and happens once the move is under way.
"""

from xenlab.scenarios.scenario import LabChange, Red, Scenario, wrong
from xenlab.scenarios.shell import (
    KEPT,
    bridge_renamed,
    done,
    memory_taken,
    once_moved,
    running_on,
    small_domain,
    when_it_arrives,
    when_it_leaves,
)
from xenlab.testbed.plan import BRIDGE, CLIENT, GUESTS, MOUNT_POINT, OUTSIDE, SERVER

_COLD, _PAUSED, _LIVE = "cold-migration", "paused-migration", "live-migration"
_GUEST, _OTHER = GUESTS
_HOME, _PEER = CLIENT.name, SERVER.name
_RUNS = {"alone": True, "runs": True}
_VIF = f"vif$(xl domid {_GUEST.name}).0"
_STAYS = f"until xl domid {_GUEST.name} && xl list {_GUEST.name} | grep -q ' [-r]b*----* '; do sleep 0.3; done"


def _cold(name: str, what: str, check: str, words: str, *changes: LabChange) -> Scenario:
    return wrong(name, what, Red(_COLD, check, words), *changes, **_RUNS)


def _paused(name: str, what: str, check: str, words: str, *changes: LabChange) -> Scenario:
    return wrong(name, what, Red(_PAUSED, check, words), *changes, **_RUNS)


def _live(name: str, what: str, check: str, words: str, *changes: LabChange) -> Scenario:
    return wrong(name, what, Red(_LIVE, check, words), *changes, **_RUNS)


def _once_there(script: str) -> LabChange:
    """What is done on the peer once the guest runs on it."""
    return when_it_arrives(_PEER, f"{_STAYS}; {script}")


_NO_DISKS = done(
    _PEER,
    f"mkdir -p {KEPT}/empty && mount --bind {KEPT}/empty {_GUEST.shared_folder}",
    f"test ! -e {_GUEST.shared_config}",
)

COLD: tuple[Scenario, ...] = (
    _cold(
        "shutdown-ignored",
        "the guest begins to shut down and never ends",
        "lab-fault",
        "shut",
        done(_GUEST.name, "printf '#!/bin/sh\\nsleep 100000\\n' >/etc/init.d/stop", "grep -q 100000 /etc/init.d/stop"),
    ),
    _cold(
        "target-cannot-see-the-share",
        f"the share is gone from {_PEER} when the guest is to be started there",
        "lab-fault",
        f"is the share mounted on {_PEER}",
        done(_PEER, f"umount -l {MOUNT_POINT}", f"! mountpoint -q {MOUNT_POINT}"),
    ),
    _cold(
        "target-has-another-copy-of-the-disk",
        f"on {_PEER} a copy lies over the guest's disk, so that what was written is not there",
        "nonce-intact",
        "another disk",
        done(
            _PEER,
            f"mkdir -p {KEPT} && cp --sparse=always {_GUEST.shared_folder}/{_GUEST.name}.img {KEPT}/copy.img && "
            f"e2fsck -fy {KEPT}/copy.img; mount --bind {KEPT}/copy.img {_GUEST.shared_folder}/{_GUEST.name}.img",
            f"mountpoint -q {_GUEST.shared_folder}/{_GUEST.name}.img",
        ),
    ),
    _cold(
        "target-has-that-name",
        f"another domain on {_PEER} has the guest's name",
        "lab-fault",
        _PEER,
        done(
            _PEER,
            f"{small_domain('hog')} && xl rename hog {_GUEST.name}",
            f"xl domid {_GUEST.name}",
        ),
    ),
    _cold(
        "target-without-bridge",
        f"the bridge of {_PEER} has another name by the time the guest is started there",
        "lab-fault",
        "bridge",
        bridge_renamed(_PEER),
    ),
    _cold(
        "boots-from-a-snapshot",
        "whatever the guest writes goes to a tmpfs that lies over its folder, and is lost when it goes down",
        "nonce-intact",
        "lost",
        done(
            _GUEST.name,
            "printf '#!/bin/sh\\nrm -f /root/.xenlab-* /root/xenlab-* /var/tmp/xenlab-* /.xenlab-*; sync; "
            "swapoff -a; mount -o remount,ro /; halt -d -f -p\\n' >/etc/init.d/stop",
            "grep -q xenlab /etc/init.d/stop",
        ),
    ),
)
"""What a run's fifth step must show."""

PAUSED: tuple[Scenario, ...] = (
    _paused(
        "destroyed-while-paused",
        "somebody else destroys the guest while it is paused",
        "lab-fault",
        "on neither host",
        running_on(
            _HOME,
            f"until xl list {_GUEST.name} | grep -q -- --p---; do sleep 0.2; done; sleep 3; xl destroy {_GUEST.name}",
        ),
    ),
    _paused(
        "reboots-instead-of-going-on",
        "the guest's kernel starts anew once it has been paused",
        "same-boot",
        "rebooted",
        once_moved(_GUEST.name, "sync; echo b >/proc/sysrq-trigger"),
    ),
)
"""What the step of paused moves must show."""

LIVE: tuple[Scenario, ...] = (
    _live(
        "target-without-disks",
        f"{_PEER} does not see the guest's disks",
        "lab-fault",
        _PEER,
        _NO_DISKS,
    ),
    _live(
        "target-without-memory",
        f"{_PEER} has no memory for the guest by the time it comes",
        "lab-fault",
        "memory",
        memory_taken(_PEER, 60),
    ),
    _live(
        "target-without-its-bridge",
        f"{_PEER}'s bridge has another name by the time the guest comes",
        "lab-fault",
        "bridge",
        bridge_renamed(_PEER),
    ),
    _live(
        "key-gone-before-the-move",
        f"{_HOME} can log in on {_PEER} no longer by the time the guest is sent",
        "lab-fault",
        "ssh",
        done(_HOME, f"mkdir -p {KEPT} && mv /root/.ssh/id_ed25519 {KEPT}/", "test ! -e /root/.ssh/id_ed25519"),
    ),
    _live(
        "network-lost-on-the-target",
        f"the guest's vif never comes into the bridge of {_PEER}",
        "answers-after-move",
        "network",
        running_on(
            _PEER,
            "while :; do for vif in /sys/class/net/vif*; do ip link set ${vif##*/} nomaster; done; sleep 0.2; done",
        ),
    ),
    _live(
        "network-gone-for-longer-than-allowed",
        f"once on {_PEER}, the guest is off the network for 75 s",
        "outside-ping-continuous",
        "s",
        _once_there(f"ip link set {_VIF} down; sleep 75; ip link set {_VIF} up"),
    ),
    _live(
        "pings-dropped-all-the-time",
        "a fifth of all packets to the guest is lost",
        "inside-ping-continuous",
        "lost",
        done(
            _HOME,
            f"modprobe sch_netem; tc qdisc add dev {_VIF} root netem loss 20%",
            f"tc qdisc show dev {_VIF} | grep -q netem",
        ),
    ),
    _live(
        "reboots-on-arrival",
        "the guest boots anew once it has arrived",
        "same-boot",
        "rebooted",
        once_moved(_GUEST.name, "sync; echo b >/proc/sysrq-trigger"),
    ),
    _live(
        "another-machine-answers",
        f"{_PEER} itself answers at the guest's address all the while",
        "one-machine-answers",
        _GUEST.address,
        done(
            _PEER,
            f"ip address add {_GUEST.address}/32 dev {BRIDGE} && ip neigh flush all",
            f"ip address show {BRIDGE} | grep -qF {_GUEST.address}/32",
        ),
    ),
    _live(
        "connection-cut",
        "the guest ends every SSH session once it has arrived",
        "same-connection",
        "the guest's own end closed it",
        once_moved(_GUEST.name, "sleep 1; pkill -KILL -f 'sshd: root@'"),
    ),
    _live(
        "disk-stalls-after-the-move",
        "once it has arrived, nothing is written to the guest's disk for 60 s",
        "writes-go-on",
        "write",
        once_moved(_GUEST.name, "fsfreeze -f /; sleep 60; fsfreeze -u /"),
    ),
    _live(
        "guest-stands-still",
        f"{_PEER} pauses the guest for 75 s once it has arrived",
        "outside-ping-continuous",
        "s",
        _once_there(f"xl pause {_GUEST.name}; sleep 75; xl unpause {_GUEST.name}"),
    ),
    _live(
        "target-of-its-own-ping-is-filtered",
        f"the guest has no way to {OUTSIDE}, which it pings",
        "lab-fault",
        OUTSIDE,
        done(
            _GUEST.name,
            f"ip route add blackhole {OUTSIDE}/32",
            f"ip route show {OUTSIDE} | grep -q blackhole",
        ),
    ),
    _live(
        "move-is-killed",
        "somebody ends xl migrate on the sender in the middle of it",
        "lab-fault",
        "ended",
        when_it_leaves(_HOME, "pkill -KILL -f '^xl (-v+ )?migrate '", after=5),
    ),
    _live(
        "receiver-is-killed",
        f"somebody ends xl on {_PEER} in the middle of the move",
        "lab-fault",
        _PEER,
        when_it_arrives(_PEER, "pkill -KILL -f '^xl (-v+ )?migrate-receive'", after=5),
    ),
    _live(
        "destroyed-on-arrival",
        f"somebody on {_PEER} destroys the guest once it has arrived",
        "runs-only-on",
        _GUEST.name,
        _once_there(f"sleep 3; xl destroy {_GUEST.name}"),
    ),
    _live(
        "paused-on-arrival",
        f"the guest is left paused on {_PEER}, as the original report shows it",
        "runs-only-on",
        "it is paused",
        _once_there(f"sleep 2; xl pause {_GUEST.name}"),
    ),
    _live(
        "hotplug-script-fails-on-the-target",
        f"the script that attaches disks fails on {_PEER}",
        "lab-fault",
        _PEER,
        done(
            _PEER,
            "sed -i '2i exit 1' /etc/xen/scripts/block",
            "sed -n 2p /etc/xen/scripts/block | grep -qx 'exit 1'",
        ),
    ),
)
"""What a run's sixth step must show."""
