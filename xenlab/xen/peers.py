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
# Its process id is in a file before the session is told of it: a connection that breaks meanwhile loses nothing.
_START = """
umask 077
mkdir -p -- "$1" || exit
file=$1/$2; shift 2
rm -f -- "$file".code "$file".pid
setsid nohup sh -c '"$@" >"$0".log 2>&1; echo $? >"$0".code' "$file" "$@" </dev/null >/dev/null 2>&1 &
echo $! >"$file".pid
"""
_AWAIT = """
file=$1/$2
for second in 1 2 3 4 5 6 7 8 9 10; do [ -s "$file".pid ] && break; sleep 1; done
read -r pid <"$file".pid || { echo never; exit 0; }
for second in $(seq "$3"); do
    [ -e "$file".code ] && break
    kill -0 "$pid" 2>/dev/null || [ -e "$file".code ] || { echo gone; cat -- "$file".log; exit; }
    sleep 1
done
if [ -s "$file".code ]; then cat -- "$file".code; else echo running; fi
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
    """Run `argv` by itself, its words in `folder`/`name`.log, its exit code in .code, its process id in .pid."""
    return ("sh", "-c", _START, "sh", folder, name, *argv)


def await_end(folder: str, name: str, seconds: int) -> Argv:
    """Wait up to `seconds` for what `start` began, then print how it is, and its words.

    The first line is its exit code, `running`, `gone` (without an exit code) or `never` (it was not begun).
    """
    return ("sh", "-c", _AWAIT, "sh", folder, name, str(seconds))


def forget(folder: str) -> Argv:
    """Remove what `start` wrote."""
    return ("rm", "-rf", "--", folder)
