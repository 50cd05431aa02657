"""How a Dom0 reaches its peer, and acts of xl that outlive the session that began them. Argument vectors only.

`xl migrate` must never be cut off by us: in its last phase the guest is suspended on one host and not yet
running on the other. `xl create` and `xl shutdown` go on, too, when their session is lost. So each runs by itself,
its words in a file, and is asked how far it is; while it runs, its process bears the name of that file. Each line of
its words is stamped with the host's uptime as it arrives: `stamps` reads them.
"""

import re
import shlex
from collections.abc import Sequence

Argv = tuple[str, ...]

# xl asks ssh to come in on the peer; nothing may stop and ask there, and a peer that is dead is found in a minute,
# so that xl itself resumes the guest ("resuming at sender").
SSH: Argv = (
    *("ssh", "-o", "BatchMode=yes", "-o", "ConnectTimeout=15"),
    *("-o", "ServerAliveInterval=10", "-o", "ServerAliveCountMax=6"),
)
# A look leaves the host's known_hosts as it is: ssh_config(5) would have ssh note the peer's other keys there.
_NOTES_NOTHING: Argv = ("-o", "IgnoreUnknown=UpdateHostKeys", "-o", "UpdateHostKeys=no")
TIMED_OUT = 124
"""The exit code of what was ended by `bounded`."""

# The pattern must not find the shell that looks for it, hence [x].
_UNDER_WAY = (
    r"(^|[/ ])[x]l (-[a-zA-Z]+ )*migrate(-receive)?( |$)|[l]ibxl-save-helper|/[x]enlab-[0-9a-f]+/[^ ]+ (timeout|xl) "
)
_ANSWER = "uname -n && xl help migrate-receive >/dev/null && echo xl"
# What reads the words must do xl no harm. xl does not wait for it: xl's end is known by itself, and what may keep the
# pipe open beyond that (a connection that ssh shares, say) is not read to its end. Where it dies, xl goes on without
# it: nobody else can read the pipe, so that it cannot fill, and SIGPIPE is ignored. It only uses what sh has built in,
# as a process costs an emulated Dom0 27 ms, and proc(5)'s uptime, which nobody can set.
# One line, as a list of processes shows it.
_STAMP = (
    'trap "" PIPE; '
    'stamp() { read -r up rest </proc/uptime || up=-; printf "%s %s\\n" "$up" "$1"; }; '
    '{ "$@" 2>&1; echo "$?" >"$0".exit; printf "\\n%s has ended\\n" "$0"; } | { stamp ""; '
    'while IFS= read -r line || [ -n "$line" ]; do '
    '[ "$line" = "$0 has ended" ] && break; [ -z "$line" ] || stamp "$line"; done; stamp ""; } >"$0".log; '
    'read -r code <"$0".exit && echo "$code" >"$0".code'
)
# Its process id is in a file before anything is waited for: a connection that breaks meanwhile loses nothing.
_START = f"""
umask 077
mkdir -p -- "$1" || exit
file=$1/$2 seconds=$3; shift 3
rm -f -- "$file".code "$file".exit "$file".pid
setsid nohup sh -c {shlex.quote(_STAMP)} "$file" "$@" </dev/null >/dev/null 2>&1 &
echo $! >"$file".pid
"""
_FIND = """
file=$1/$2 seconds=$3
for try in 1 2 3 4 5 6 7 8 9 10; do [ -s "$file".pid ] && break; sleep 1; done
[ -s "$file".pid ] || { echo never; exit 0; }
"""
# Short acts are not waited for a whole second; not every sleep(1) knows fractions.
_AWAIT = """
nap() { sleep "$1" 2>/dev/null || sleep 1; }
read -r pid <"$file".pid
for try in $(seq "$((seconds + 8))"); do
    [ -s "$file".code ] && break
    kill -0 "$pid" 2>/dev/null || [ -s "$file".code ] || break
    [ "$try" -le 10 ] && nap 0.2 || nap 1
done
kill -0 "$pid" 2>/dev/null && how=running || how=gone
if [ -s "$file".code ]; then
    for try in 1 2 3; do kill -0 "$pid" 2>/dev/null && nap 0.1; done
    cat -- "$file".code
else
    echo "$how"
fi
read -r up rest </proc/uptime || up=-
echo "$up"
cat -- "$file".log 2>/dev/null; true
"""


def ssh(port: int = 22) -> Argv:
    """The ssh that `xl migrate -s` uses, as words."""
    return SSH if port == 22 else (*SSH, "-p", str(port))


def ask_peer(peer: str, port: int = 22) -> Argv:
    """Log in on the peer exactly as `xl migrate` will: it answers its name, and `xl` where root finds xl there."""
    return (*ssh(port), *_NOTES_NOTHING, "-n", "-T", f"root@{peer}", _ANSWER)


def try_peer(peer: str, port: int = 22) -> Argv:
    """`ask_peer`, leaving nothing on either host: no new key in known_hosts, no connection that stays (ssh_config(5)).

    What `accept-new` in the host's ssh_config would let in counts as not reached.
    """
    unchanging = ("StrictHostKeyChecking=yes", "UpdateHostKeys=no", "ControlMaster=no", "ControlPath=none")
    options = tuple(word for option in unchanging for word in ("-o", option))
    program, *rest = ask_peer(peer, port)
    return (program, *options, "-o", "ConnectTimeout=4", *rest)


def under_way() -> Argv:
    """Command lines of migrations and of what `start` began, by process id (pgrep(1)); exit code 1: there are none.

    An arrived guest keeps its `xl migrate-receive` for life, as the process that watches over it.
    """
    return ("pgrep", "-af", "--", _UNDER_WAY)


def start(folder: str, name: str, seconds: int, argv: Sequence[str]) -> Argv:
    """Run `argv` by itself, and wait for it as `await_end` does; only its session is lost with the connection.

    Its words are in `folder`/`name`.log (see `stamps.read_log`), its exit code in .code, its process id in .pid.
    """
    return ("sh", "-c", _START + _AWAIT, "sh", folder, name, str(seconds), *argv)


def bounded(argv: Sequence[str], seconds: int) -> Argv:
    """End `argv` after so many seconds, with the exit code TIMED_OUT (timeout(1)).

    Only for what merely waits, such as `xl shutdown -w`: the guest has been asked, and may still go down.
    """
    return ("timeout", str(seconds), *argv)


def await_end(folder: str, name: str, seconds: int) -> Argv:
    """Wait up to `seconds` for what `start` began, then print how it is, and its words: see `stamps.read_answer`."""
    return ("sh", "-c", _FIND + _AWAIT, "sh", folder, name, str(seconds))


def acts_on(args: str, guest: str) -> bool:
    """Whether a command line of `under_way` does something to the guest: it is sent, or `start` began it for it."""
    words = args.split()
    sent = "migrate" in words and guest in words[words.index("migrate") :]
    begun = (word for word in words if f"/{guest}-" in word)
    return sent or any(re.fullmatch(rf".*/xenlab-[0-9a-f]+/{re.escape(guest)}-[0-9]+", word) for word in begun)


def forget(folder: str) -> Argv:
    """Remove what `start` wrote."""
    return ("rm", "-rf", "--", folder)
