"""Hosts that are right, however they are set up. Pure data."""

from xenlab.labfile_change import LabFileChange
from xenlab.scenarios.scenario import LesserProcessor, Scenario, right
from xenlab.scenarios.shell import appended, both_configs_edited, done, small_domain, written
from xenlab.testbed.plan import BRIDGE, CLIENT, GUESTS, SERVER

HOSTS: tuple[Scenario, ...] = (
    right(
        "hosts-greet",
        "both hosts have a login message, a banner, and a .bashrc that prints where somebody works at it",
        "hosts",
        *(
            change
            for host in (CLIENT.name, SERVER.name)
            for change in (
                written(host, "/etc/motd", "Welcome to the lab!"),
                written(host, "/root/.bashrc", 'case $- in *i*) echo "Hello at $(hostname)";; esac'),
                written(
                    host,
                    "/etc/ssh/sshd_config.d/zz-scenario.conf",
                    "Banner /etc/motd",
                    'kill -HUP "$(cat /run/sshd.pid)"',
                ),
            )
        ),
    ),
    right(
        "another-processor-masked",
        f"{SERVER.name} has an older processor, without AVX, and the guests' configs hide that from them",
        "hosts",
        *(change for guest in GUESTS for change in both_configs_edited("$a cpuid='host,avx=0'", guest=guest)),
        processors=(LesserProcessor(SERVER.name, ("avx", "avx2", "f16c", "vaes", "fma")),),
    ),
    right(
        "known-hosts-hashed",
        "the hosts know each other by hashed names",
        "hosts",
        done(CLIENT.name, "ssh-keygen -q -H -f /root/.ssh/known_hosts", "grep -q '^|1|' /root/.ssh/known_hosts"),
    ),
    right(
        "hosts-know-names-only",
        "the hosts know each other by name, and no address is in their known_hosts",
        "hosts",
        *(
            change
            for host, peer in ((CLIENT, SERVER), (SERVER, CLIENT))
            for change in (
                appended(host.name, "/etc/hosts", f"{peer.address} {peer.name}.lab.example"),
                done(
                    host.name,
                    f"keys=$(grep -F {peer.address} /root/.ssh/known_hosts | cut -d' ' -f2-); "
                    f'echo "$keys" | sed "s/^/{peer.name}.lab.example /" >/root/.ssh/known_hosts',
                    f"! grep -qF {peer.address} /root/.ssh/known_hosts && "
                    f"ssh -o BatchMode=yes {peer.name}.lab.example true",
                ),
            )
        ),
        lab=tuple(LabFileChange(host.name, "peer_address", f"{host.name}.lab.example") for host in (CLIENT, SERVER)),
    ),
    right(
        "clocks-apart",
        f"the clock of {SERVER.name} is five hours ahead",
        "path-fixes",
        done(SERVER.name, "date -s '+5 hours'", "test $(date +%s) -gt $(($(stat -c %Y /run/sshd.pid) + 10000))"),
    ),
    right(
        "default-bridge",
        "the guest's vif names no bridge: xl.conf does",
        "path-fixes",
        appended(CLIENT.name, "/etc/xen/xl.conf", f'vif.default.bridge="{BRIDGE}"'),
        appended(SERVER.name, "/etc/xen/xl.conf", f'vif.default.bridge="{BRIDGE}"'),
        *both_configs_edited(f"s/,bridge={BRIDGE}//"),
    ),
    right(
        "autoballoon",
        "xl takes memory for guests from Domain-0",
        "hosts",
        written(CLIENT.name, "/etc/xen/xl.conf", 'autoballoon="on"'),
        written(SERVER.name, "/etc/xen/xl.conf", 'autoballoon="on"'),
    ),
    right(
        "others-work-there",
        f"colleagues have a domain, a mount, a loop device and a user's programs on {SERVER.name}",
        "shared-storage",
        done(
            SERVER.name,
            f"{small_domain('payroll')}; xl rename payroll mail--incoming; mkdir -p /run/theirs; "
            "mount -t tmpfs tmpfs /run/theirs; truncate -s 1M /run/theirs/snap && losetup -f /run/theirs/snap",
            "xl domid mail--incoming && mountpoint -q /run/theirs && losetup -l | grep -q snap",
        ),
    ),
    right(
        "spare-route",
        "a firewall's route forbids the hosts other machines, not each other",
        "hosts",
        done(CLIENT.name, "ip route add unreachable 10.1.1.200/32", "ip route show 10.1.1.200 | grep -q unreachable"),
    ),
)
"""Hosts that are right."""
