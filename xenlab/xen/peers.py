"""How a Dom0 reaches its peer, and a migration that outlives the session that began it. Argument vectors only.

`xl migrate` must never be cut off by us: in its last phase the guest is suspended on one host and not yet
running on the other. So it runs by itself on the sender, its words in a file, and is asked how far it is.
"""

from collections.abc import Sequence

Argv = tuple[str, ...]

# xl asks ssh to come in on the peer; nothing may stop and ask there, and a peer that is dead is found in a minute,
# so that xl itself resumes the guest ("resuming at sender").
SSH: Argv = (
    *("ssh", "-o", "BatchMode=yes", "-o", "ConnectTimeout=15"),
    *("-o", "ServerAliveInterval=10", "-o", "ServerAliveCountMax=6"),
)
# The pattern must not find the shell that looks for it, hence [x].
_UNDER_WAY = r"(^|[/ ])[x]l (-[a-zA-Z]+ )*migrate(-receive)?( |$)|[l]ibxl-save-helper"
_ANSWER = "uname -n && xl help migrate-receive >/dev/null && echo xl"
_START = """
umask 077
mkdir -p -- "$1" || exit
file=$1/$2; shift 2
rm -f -- "$file".code
setsid nohup sh -c '"$@" >"$0".log 2>&1; echo $? >"$0".code' "$file" "$@" </dev/null >/dev/null 2>&1 &
echo $!
"""
_AWAIT = """
file=$1/$2
for second in $(seq "$4"); do
    [ -e "$file".code ] && break
    kill -0 "$3" 2>/dev/null || [ -e "$file".code ] || { echo gone; cat -- "$file".log; exit; }
    sleep 1
done
if [ -e "$file".code ]; then cat -- "$file".code; else echo running; fi
cat -- "$file".log
"""


def ssh(port: int = 22) -> Argv:
    """The ssh that `xl migrate -s` uses, as words."""
    return SSH if port == 22 else (*SSH, "-p", str(port))


def ask_peer(peer: str, port: int = 22) -> Argv:
    """Log in on the peer exactly as `xl migrate` will: it answers its name, and `xl` where root finds xl there."""
    return (*ssh(port), "-n", "-T", f"root@{peer}", _ANSWER)


def migrations_under_way() -> Argv:
    """Command lines of `xl migrate`, `xl migrate-receive` and their helpers by process id (pgrep(1)); code 1: none.

    An arrived guest keeps its `xl migrate-receive` for life, as the process that watches over it.
    """
    return ("pgrep", "-af", "--", _UNDER_WAY)


def start(folder: str, name: str, argv: Sequence[str]) -> Argv:
    """Run `argv` by itself, its words in `folder`/`name`.log, its exit code in .code; prints the process id."""
    return ("sh", "-c", _START, "sh", folder, name, *argv)


def await_end(folder: str, name: str, pid: int, seconds: int) -> Argv:
    """Wait up to `seconds` for what `start` began: a line with its exit code, `running` or `gone`, then its words."""
    return ("sh", "-c", _AWAIT, "sh", folder, name, str(pid), str(seconds))


def forget(folder: str) -> Argv:
    """Remove what `start` wrote."""
    return ("rm", "-rf", "--", folder)
