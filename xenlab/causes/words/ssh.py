"""ssh(1) as xl runs it from one host to the other, and what sshd(8) answers."""

from xenlab.causes.cause import Cause, Rank

_TRY = "then try `ssh -o BatchMode=yes root@{peer} true` on {source}"
_SSH = "OpenSSH: ssh(1), sshconnect.c, sshconnect2.c"
_PACKET = "OpenSSH: packet.c, clientloop.c"

SSH = (
    Cause(
        id="host-key-changed",
        patterns=(
            "REMOTE HOST IDENTIFICATION HAS CHANGED",
            "POSSIBLE DNS SPOOFING DETECTED",
            "Host key for {peer} has changed and you have requested strict checking",
            '-R "{peer}"',
            "Offending {kind} key in {file}",
        ),
        meaning="{target} shows another host key than {source} has for it",
        side="source",
        remedy="compare the key with `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` on {target} itself; if it is "
        "{target}'s own, on {source}: `ssh-keygen -R {peer}`, then `ssh-keyscan {peer} >> /root/.ssh/known_hosts`",
        example="@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @",
        source="OpenSSH: sshconnect.c",
    ),
    Cause(
        id="host-key-unknown",
        patterns=(
            " host key is known for {peer} and you have requested strict checking",
            "The authenticity of host ",
        ),
        meaning="{source} knows no host key of {target} under the name by which the move calls it",
        side="source",
        remedy="on {source}: `ssh-keyscan {peer} >> /root/.ssh/known_hosts`, and compare the key with `ssh-keygen "
        f"-lf /etc/ssh/ssh_host_ed25519_key.pub` on {{target}} itself; {_TRY}",
        example="No ED25519 host key is known for 10.1.1.143 and you have requested strict checking.",
        source="OpenSSH: sshconnect.c",
    ),
    Cause(
        id="host-key-not-verified",
        patterns=("Host key verification failed",),
        meaning="the host key of {target} is unknown on {source}, or has changed",
        side="source",
        remedy="`ssh root@{peer}` on {source} says which: if it is unknown, `ssh-keyscan {peer} >> "
        "/root/.ssh/known_hosts` there and compare it with the key on {target} itself; if it changed rightly, "
        "`ssh-keygen -R {peer}` before",
        example="Host key verification failed.",
        source="OpenSSH: sshconnect.c",
    ),
    Cause(
        id="password-only",
        patterns=(
            "Permission denied (password)",
            "Permission denied (password,keyboard-interactive)",
            "Permission denied (keyboard-interactive)",
            "Permission denied (keyboard-interactive,password)",
            "Permission denied (gssapi-with-mic,password)",
        ),
        meaning="{target} takes passwords only, and nobody is there to type one",
        side="target",
        remedy="PubkeyAuthentication yes in /etc/ssh/sshd_config (and sshd_config.d) on {target}, and root's public "
        f"key of {{source}} in its /root/.ssh/authorized_keys; {_TRY}",
        example="root@10.1.1.143: Permission denied (password,keyboard-interactive).",
        source="OpenSSH: sshconnect2.c",
    ),
    Cause(
        id="too-many-keys",
        patterns=("Too many authentication failures",),
        meaning="{source} offers more keys than {target} lets one try",
        side="source",
        remedy="in /root/.ssh/config on {source}, for {peer}: IdentitiesOnly yes, and the IdentityFile that "
        f"{{target}} knows; {_TRY}",
        example="Received disconnect from 10.1.1.143 port 22:2: Too many authentication failures",
        source="OpenSSH: auth.c (MaxAuthTries)",
    ),
    Cause(
        id="key-file-unusable",
        patterns=(
            "UNPROTECTED PRIVATE KEY FILE",
            "are too open.",
            "This private key will be ignored",
            'Load key "{file...}": {why...}',
            "sign_and_send_pubkey: ",
            "Identity file {file...} not accessible",
            "no such identity: ",
        ),
        meaning="root's key on {source} cannot be used",
        side="source",
        remedy="a private key must be root's own with mode 600, whole, and without a passphrase (or in an agent that "
        f"xl's ssh reaches): see `ls -l /root/.ssh` on {{source}}; {_TRY}",
        example="Permissions 0644 for '/root/.ssh/id_rsa' are too open.",
        source="OpenSSH: authfile.c, sshconnect2.c",
    ),
    Cause(
        id="login-refused",
        patterns=(
            "Permission denied (publickey",
            "Permission denied (gssapi",
            "Permission denied (hostbased",
            "Permission denied, please try again",
            "No more authentication methods",
            "All configured authentication methods failed",
        ),
        meaning="{target} refused root's login",
        side="target",
        remedy="put root's public key of {source} into /root/.ssh/authorized_keys on {target} (`ssh-copy-id "
        "root@{peer}`), "
        f"with PermitRootLogin prohibit-password in its sshd_config; {_TRY}",
        example="root@10.1.1.143: Permission denied (publickey,password).",
        source="OpenSSH: sshconnect2.c",
    ),
    Cause(
        id="ssh-config-bad",
        patterns=(
            "Bad owner or permissions on {file...}",
            "Bad configuration option: ",
            "terminating, {number} bad configuration",
        ),
        meaning="ssh on {source} does not accept its own config",
        side="source",
        remedy="/root/.ssh/config must be root's own, writable by nobody else (chmod 600), and hold options that "
        "this ssh knows",
        example="Bad owner or permissions on /root/.ssh/config",
        source="OpenSSH: readconf.c",
    ),
    Cause(
        id="ssh-algorithms-differ",
        patterns=(
            "no matching host key type found",
            "no matching key exchange method found",
            "no matching cipher found",
            "no matching MAC found",
            "no mutual signature",
            "Protocol major versions differ",
        ),
        meaning="the ssh of {source} and the sshd of {target} have no algorithm in common: one of them is too old",
        side="target",
        remedy="upgrade openssh on {target}; or, in /root/.ssh/config on {source}, for {peer}: HostKeyAlgorithms "
        "+ssh-rsa (KexAlgorithms, Ciphers: what the line says it offers)",
        example="Unable to negotiate with 10.1.1.143 port 22: no matching host key type found. Their offer: "
        "ssh-rsa,ssh-dss",
        source="OpenSSH: kex.c",
        versions="OpenSSH refuses ssh-rsa since 8.8",
    ),
    Cause(
        id="peer-name-unknown",
        patterns=(
            "Could not resolve hostname {peer}",
            "Name or service not known",
            "Temporary failure in name resolution",
        ),
        meaning="{source} does not know the name of {target}",
        side="source",
        remedy="give {target}'s address in the lab file, or add its name to /etc/hosts on {source}",
        example="ssh: Could not resolve hostname baye: Name or service not known",
        source="OpenSSH: sshconnect.c",
    ),
    Cause(
        id="peer-refuses-connections",
        patterns=("ssh: connect to host {peer} port {port}: Connection refused",),
        meaning="no sshd listens on {target} at port {port}",
        side="target",
        remedy="see `systemctl status ssh` (sshd) on {target}, and its Port",
        example="ssh: connect to host 10.1.1.143 port 22: Connection refused",
        source="OpenSSH: sshconnect.c",
    ),
    Cause(
        id="peer-unreachable",
        patterns=("ssh: connect to host {peer} port {port}: {why...}",),
        meaning="no SSH connection from {source} to {target}: {why}",
        side="target",
        remedy="is {target} up and in the same network, and does no firewall between the hosts drop port {port}?",
        example="ssh: connect to host 10.1.1.9 port 22: No route to host",
        source="OpenSSH: sshconnect.c",
    ),
    Cause(
        id="peer-drops-connections",
        patterns=(
            "kex_exchange_identification: ",
            "ssh_exchange_identification: ",
            "banner exchange: Connection ",
            "timed out during banner exchange",
            "Not allowed at this time",
            "Exceeded MaxStartups",
        ),
        meaning="something at the port of {target} takes the connection and drops it before it greets",
        side="target",
        remedy="see sshd's log on {target} (`journalctl -u ssh`): MaxStartups, PerSourcePenalties, fail2ban, "
        "/etc/hosts.deny, a full memory; or is it another service that listens there?",
        example="kex_exchange_identification: Connection closed by remote host",
        source="OpenSSH: kex.c, sshconnect.c",
    ),
    Cause(
        id="peer-connection-lost",
        patterns=(
            "client_loop: send disconnect: {why...}",
            "packet_write_wait: Connection to {peer}",
            "packet_write_poll: Connection to {peer}",
            "ssh_dispatch_run_fatal: Connection to {peer}",
            "Timeout, server {peer} not responding",
            "Connection to {peer} closed by remote host",
            "Connection reset by {peer} port {port}",
            "Read from remote host {peer}",
            "Write failed: Broken pipe",
            "Corrupted MAC on input",
            "Bad packet length",
            "message authentication code incorrect",
        ),
        meaning="the connection from {source} to {target} broke",
        side="target",
        remedy="is {target} still up, and does the network between the hosts hold under load? see both kernel logs "
        "(link down, oom) and sshd's log on {target}",
        example="client_loop: send disconnect: Broken pipe",
        source=_PACKET,
    ),
    Cause(
        id="peer-closed-connection",
        patterns=("Connection closed by {peer}", "Disconnected from {peer}", "Received disconnect from {peer}"),
        meaning="{target} closed the connection before root was logged in",
        side="target",
        remedy="see sshd's log on {target} (`journalctl -u ssh`): AllowUsers, DenyUsers, AllowGroups, pam_access, a "
        f"login shell that is not in /etc/shells; {_TRY}",
        example="Connection closed by 10.1.1.143 port 22",
        source=_PACKET,
    ),
    Cause(
        id="peer-opens-no-session",
        patterns=(
            "exec request failed on channel",
            "shell request failed on channel",
            "open failed: administratively prohibited",
            "open failed: connect failed",
            "Session open refused by peer",
        ),
        meaning="{target} logs root in, and starts nothing for it",
        side="target",
        remedy="see sshd's log on {target}, MaxSessions and PermitTTY in its sshd_config, and root's login shell",
        example="exec request failed on channel 0",
        source="OpenSSH: clientloop.c, channels.c",
    ),
    Cause(
        id="ssh-chatter",
        patterns=(
            "Warning: Permanently added ",
            "Pseudo-terminal will not be allocated",
            "X11 forwarding request failed",
            "post-quantum key exchange",
            "store now, decrypt later",
            "openssh.com/pq.html",
            "Warning: remote port forwarding",
            "already exists, disabling multiplexing",
            "'s password: ",
            "Killed by signal 1.",
        ),
        meaning="ssh tells something by the way",
        side="source",
        remedy="nothing depends on it",
        example="Warning: Permanently added '10.1.1.143' (ED25519) to the list of known hosts.",
        source=_SSH,
        rank=Rank.NOISE,
    ),
    Cause(
        id="ssh-failed",
        patterns=("migration transport process [{pid}] exited with error status 255",),
        meaning="ssh from {source} to {target} ended with an error of its own",
        side="target",
        remedy="try `ssh -v -o BatchMode=yes root@{peer} true` on {source}",
        example="libxl: info: libxl_exec.c:118:libxl_report_child_exitstatus: migration transport process [914] "
        "exited with error status 255",
        source="tools/xl/xl_migrate.c; ssh(1), EXIT STATUS",
        rank=Rank.GENERAL,
    ),
)
