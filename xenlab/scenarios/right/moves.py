"""Moves that are right, whatever befalls them. Pure data."""

from xenlab.labfile import HOSTS
from xenlab.labfile_change import LabFileChange
from xenlab.scenarios.right.guests import BY_CONSOLE
from xenlab.scenarios.scenario import LabChange, Scenario, right
from xenlab.scenarios.shell import (
    GUEST,
    appended,
    done,
    once_moved,
    small_domain,
    when_it_arrives,
    when_it_leaves,
)
from xenlab.testbed.plan import BRIDGE, CLIENT, OUTSIDE, SERVER

_RUNS = {"alone": True, "runs": True}


def _slow_script(seconds: int, script: str, host: str) -> LabChange:
    path = f"/etc/xen/scripts/{script}"
    is_slow = f"sed -n 2p {path} | grep -qx 'sleep {seconds}'"
    return done(host, f"{is_slow} || sed -i '2i sleep {seconds}' {path}", is_slow)


LATE_VIF = when_it_arrives(
    SERVER.name,
    "while :; do vif=$(ls /sys/class/net | grep -m1 '^vif'); [ -n \"$vif\" ] && break; sleep 0.1; done; "
    "until ip link set $vif nomaster && ! test -e /sys/class/net/$vif/master && "
    '[ "$(cat /sys/class/net/$vif/carrier 2>/dev/null)" = 1 ]; do sleep 0.1; done; '
    f"sleep 4; ip link set $vif master {BRIDGE}",
)
"""The guest's vif comes into the target's bridge 4 s after the guest goes on."""

SLOW_DISK_SCRIPT = _slow_script(5, "block", SERVER.name)
"""The script that attaches disks takes 5 s more on the target, for each of them."""

MOVES: tuple[Scenario, ...] = (
    right(
        "slow-disk-script", "the script that attaches disks takes 5 s more", "live-migration", SLOW_DISK_SCRIPT, **_RUNS
    ),
    right(
        "late-vif",
        "the guest's vif comes into the bridge 4 s after the guest goes on",
        "live-migration",
        LATE_VIF,
        **_RUNS,
    ),
    right(
        "guests-clock-set",
        "the guest's clock is set an hour ahead once it has moved, as by NTP",
        "live-migration",
        once_moved(GUEST.name, "date -s '+1 hour'"),
        **_RUNS,
    ),
    right(
        "our-ssh-cut",
        "every SSH session to the sender is cut in the middle of the move, which goes on",
        "live-migration",
        when_it_leaves(CLIENT.name, "pkill -KILL -f 'sshd: root@'", after=5),
        **_RUNS,
    ),
    right(
        "a-lost-packet-now-and-then",
        "one packet in two hundred to the guest is lost",
        "live-migration",
        done(
            CLIENT.name,
            f"modprobe sch_netem; tc qdisc add dev vif$(xl domid {GUEST.name}).0 root netem loss 0.5%",
            "tc qdisc show | grep -q netem",
        ),
        **_RUNS,
    ),
    right(
        "colleagues-migration",
        f"a colleague's domain stands half moved on {SERVER.name} all the while",
        "live-migration",
        done(
            SERVER.name,
            f"{small_domain('mail')} && xl rename mail mail--incoming",
            "xl domid mail--incoming",
        ),
        **_RUNS,
    ),
    right(
        "moves-by-console-only",
        "the guest is logged in on by its console alone",
        "live-migration",
        lab=BY_CONSOLE,
        **_RUNS,
    ),
    right(
        "pinged-from-the-hosts",
        "the guest is reached through the hosts, which ping it as well",
        "live-migration",
        lab=(LabFileChange(GUEST.name, "via", HOSTS), LabFileChange("probes", "outside_from", HOSTS)),
        **_RUNS,
    ),
    right(
        "pings-a-name",
        "what the guest pings from inside is named, not numbered",
        "live-migration",
        appended(GUEST.name, "/etc/hosts", f"{OUTSIDE} gate.lab.example"),
        lab=(LabFileChange(GUEST.name, "ping_target", "gate.lab.example"),),
        **_RUNS,
    ),
)
"""Moves that are right."""
