"""What is wrong with the two hosts themselves. Pure data."""

from xenlab.labfile_change import LabFileChange
from xenlab.scenarios.scenario import LesserProcessor, Red, Scenario, wrong
from xenlab.scenarios.shell import KEPT, both_configs_edited, bridge_renamed, done, edited, memory_taken, written
from xenlab.testbed.plan import BRIDGE, CLIENT, SERVER

_STEP = "hosts"
_SSHD = "/etc/ssh/sshd_config.d/zz-scenario.conf"
_RELOAD = 'kill -HUP "$(cat /run/sshd.pid)"'
_ALIEN = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGWVYmlzaCBrZXkgb2Ygbm8gaG9zdCBhdCBhbGw="


def _for_the_peer(rule: str) -> str:
    """An sshd_config(5) that holds for those who come from the client alone."""
    return f"Match Address {CLIENT.address}\n    {rule}\n"


HOSTS: tuple[Scenario, ...] = (
    wrong(
        "no-key-to-peer",
        f"root of {CLIENT.name} has lost its SSH key",
        Red(_STEP, "ssh-to-peer", "ssh-copy-id"),
        done(
            CLIENT.name,
            f"mkdir -p {KEPT} && mv /root/.ssh/id_ed25519 {KEPT}/",
            "test ! -e /root/.ssh/id_ed25519",
        ),
    ),
    wrong(
        "peer-key-unknown",
        f"{CLIENT.name} does not know {SERVER.name}'s host key",
        Red(_STEP, "ssh-to-peer", "ssh-keyscan"),
        edited(CLIENT.name, "/root/.ssh/known_hosts", f"/{SERVER.name}/d"),
    ),
    wrong(
        "peer-key-changed",
        f"{CLIENT.name} knows {SERVER.name} by another host key",
        Red(_STEP, "ssh-to-peer", "ssh-keygen -R"),
        edited(CLIENT.name, "/root/.ssh/known_hosts", f"/{SERVER.name}/s/ssh-.*/{_ALIEN.replace('/', chr(92) + '/')}/"),
    ),
    wrong(
        "password-only",
        f"{SERVER.name} takes passwords from {CLIENT.name}, and no key",
        Red(_STEP, "ssh-to-peer", "password"),
        written(
            SERVER.name,
            _SSHD,
            _for_the_peer("PubkeyAuthentication no\n    PasswordAuthentication yes"),
            _RELOAD,
        ),
    ),
    wrong(
        "login-prints",
        f"{SERVER.name}'s .bashrc prints a welcome, which would stand in the stream that carries a guest",
        Red(_STEP, "ssh-to-peer", "Welcome"),
        done(
            SERVER.name,
            "printf 'echo Welcome to baye\\n' >/root/.bashrc && chsh -s /bin/bash root",
            "bash -c '. /root/.bashrc' | grep -qx 'Welcome to baye'",
        ),
    ),
    wrong(
        "forced-command",
        f"{SERVER.name} answers every login from {CLIENT.name} by a command of its own",
        Red(_STEP, "ssh-to-peer", "restricted"),
        written(SERVER.name, _SSHD, _for_the_peer("ForceCommand /bin/echo restricted account"), _RELOAD),
    ),
    wrong(
        "no-shell-at-peer",
        f"{SERVER.name} lets nobody from {CLIENT.name} have a shell",
        Red(_STEP, "ssh-to-peer", "not available"),
        written(SERVER.name, _SSHD, _for_the_peer("ForceCommand /usr/sbin/nologin"), _RELOAD),
    ),
    wrong(
        "xl-not-in-path",
        f"who comes to {SERVER.name} by ssh has a PATH without xl",
        Red(_STEP, "xl-on-peer", "PATH"),
        written(SERVER.name, "/root/.bashrc", "PATH=/usr/bin:/bin", "chsh -s /bin/bash root"),
        done(CLIENT.name, ":", f"ssh -o BatchMode=yes {SERVER.address} true && ! ssh {SERVER.address} xl help"),
    ),
    wrong(
        "peer-refuses-connections",
        f"{SERVER.name}'s sshd takes no connection from {CLIENT.name}",
        Red(_STEP, "ssh-to-peer", "refused"),
        done(
            CLIENT.name,
            f"mkdir -p /root/.ssh && printf 'Host {SERVER.address}\\n    Port 2222\\n' >>/root/.ssh/config",
            f"ssh -G {SERVER.address} | grep -qx 'port 2222'",
        ),
    ),
    wrong(
        "no-route-to-peer",
        f"{CLIENT.name} has no route to {SERVER.name}",
        Red(_STEP, "ssh-to-peer", "No route to host"),
        done(
            CLIENT.name,
            f"ip route add unreachable {SERVER.address}/32",
            f"ip route show {SERVER.address} | grep -q unreachable",
        ),
    ),
    wrong(
        "xenstored-stopped",
        f"xenstored has died on {SERVER.name}",
        Red(_STEP, "xen-runs", "xenstored"),
        done(SERVER.name, "pkill -KILL xenstored", "! pgrep xenstored"),
    ),
    wrong(
        "xenconsoled-stopped",
        f"xenconsoled does not run on {SERVER.name}",
        Red(_STEP, "xen-runs", "xenconsoled"),
        done(SERVER.name, "pkill -KILL xenconsoled", "! pgrep xenconsoled"),
    ),
    wrong(
        "bridge-renamed",
        f"{SERVER.name}'s bridge has another name than the vifs ask for",
        Red(_STEP, "bridge", f"create {BRIDGE} on {SERVER.name}"),
        bridge_renamed(SERVER.name),
    ),
    wrong(
        "bridge-unknown",
        "guest1's vif names a bridge that neither host has",
        Red(_STEP, "bridge", "create virbr0"),
        *both_configs_edited(f"s/bridge={BRIDGE}/bridge=virbr0/"),
    ),
    wrong(
        "memory-taken",
        f"another domain has taken {SERVER.name}'s free memory",
        Red(_STEP, "memory-free", "MiB free"),
        memory_taken(SERVER.name, 60),
    ),
    wrong(
        "another-xen",
        f"{SERVER.name} says that it runs another Xen",
        Red(_STEP, "same-xen", "same release"),
        done(
            SERVER.name,
            'real=$(command -v xl); printf \'#!/bin/sh\\n%s "$@" | sed "s/^\\\\(xen_version *: \\\\).*/\\\\14.11.4/; '
            's/^\\\\(xen_minor *: \\\\).*/\\\\111/"\\n\' "$real" >/usr/local/sbin/xl; chmod 755 /usr/local/sbin/xl',
            "/usr/local/sbin/xl info | grep -q 'xen_minor.*: 11'",
        ),
    ),
    wrong(
        "another-processor",
        f"{SERVER.name} has an older processor, without AVX",
        Red(_STEP, "same-cpu-features", f"only {CLIENT.name}: avx"),
        processors=(LesserProcessor(SERVER.name, ("avx", "avx2", "f16c", "vaes", "fma")),),
    ),
    wrong(
        "no-hardware-virtualisation",
        f"{SERVER.name}'s processor virtualises nothing, and the guest is a PVH one",
        Red(_STEP, "live-migratable", "switch on the CPU's virtualisation"),
        *both_configs_edited('$a type="pvh"'),
        processors=(LesserProcessor(SERVER.name, ("svm",)),),
    ),
    wrong(
        "ordinary-user",
        f"the lab file logs in on {SERVER.name} as somebody who may not become root",
        Red(_STEP, "reached", "not as root"),
        done(
            SERVER.name,
            # A password of "!" would lock the account for keys, too.
            "useradd -m -s /bin/sh -p '*' student && cp -r /root/.ssh /home/student/ && "
            "chown -R student: /home/student",
            "test -s /home/student/.ssh/authorized_keys",
        ),
        lab=(LabFileChange(SERVER.name, "user", "student"),),
    ),
    wrong(
        "ssh-waits-for-ever",
        f"{SERVER.name} takes {CLIENT.name}'s connections and never answers",
        Red(_STEP, "ssh-to-peer", SERVER.name),
        done(
            CLIENT.name,
            f"printf 'Host {SERVER.address}\\n    ProxyCommand sleep 1000\\n' >>/root/.ssh/config",
            f"ssh -G {SERVER.address} | grep -q 'proxycommand sleep'",
        ),
    ),
    wrong(
        "peer-under-another-name",
        f"who goes from {CLIENT.name} to {SERVER.name}'s address comes to itself",
        Red(_STEP, "ssh-to-peer", CLIENT.name),
        done(
            CLIENT.name,
            f"printf 'Host {SERVER.address}\\n    HostName {CLIENT.address}\\n    StrictHostKeyChecking no\\n' "
            ">>/root/.ssh/config",
            f"ssh {SERVER.address} hostname | grep -qx {CLIENT.name}",
        ),
    ),
)
"""What a run's first step must show."""
