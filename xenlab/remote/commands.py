"""Command lines for what any POSIX machine with Linux's usual tools can tell about itself.

Each function returns an argument vector for `RemoteHost.run`; what its output means is in `facts`. What
takes several steps is a sh script with its arguments beside it, never inside it. Needed on the hosts:
coreutils, util-linux, nfs-kernel-server; in a guest: coreutils and ping, or busybox.

Programs that run on in the background of a guest end by themselves after `seconds`, write a bounded number of lines,
and are known by the file that they write to: a process id alone may be someone else's by now.
"""

Argv = tuple[str, ...]

# What a shell says when there is no such program.
NOT_FOUND = 127
# `start_timed_ping` ends with this code where ping cannot note times.
NO_TIMES = 3
# `stop_background` ends with this code when the program had ended before it was told to.
ALREADY_ENDED = 3
# How long a stopped background program has to write its last words, in seconds; then it is killed.
LAST_WORDS_SECONDS = 10
# `stop_background` ends with this code when that took so long.
ENDED_LATE = 124
# For how long background programs run that nobody stops, in seconds.
BACKGROUND_SECONDS = 3600

_WRITE_SYNCED = """printf '%s\\n' "$2" | dd of="$1" conv=fsync status=none"""
# Past the page cache, which would give back what was just written, whatever the disk has: by O_DIRECT, where the
# file system takes it, else by dropping the file's pages, else (busybox) all that the kernel holds.
_READ_FROM_DISK = """
[ -r "$1" ] || { cat -- "$1"; exit; }
dd if="$1" iflag=direct bs=4096 count=1 2>/dev/null && exit
dd if="$1" iflag=nocache count=0 2>/dev/null || echo 1 >/proc/sys/vm/drop_caches || exit
head -c 4096 -- "$1"
"""
_BRIDGES = """for bridge in /sys/class/net/*/bridge; do
    [ -d "$bridge" ] && { bridge=${bridge%/bridge}; echo "${bridge##*/}"; }
done; true"""
# A session of its own has no terminal that could hang up on the program; its output goes to a file, so that the SSH
# session can end.
# -c bounds it by the packets that it sends. iputils notes times (-D) and tells late replies at once (-O); busybox
# and inetutils do neither, and old busybox waits whole seconds.
_START_PING = """
: >"$1" || exit
notes= every="-i $3" count=$4
case $(PING -V 2>&1) in
*iputils*) notes="-D -O -n" ;;
*) PING -i "$3" -c 1 LOOPBACK >/dev/null 2>&1 || { every= count=$5; } ;;
esac
setsid PING $notes $every -c "$count" "$2" >"$1" 2>&1 </dev/null &
echo "$! $1"
"""
# A host that pings a guest from outside is busy with its move: its ping goes first (chrt(1)). With a buffer (-S) for
# more than ping's own one packet it goes on sending while the kernel looks for a neighbour that is gone.
_START_TIMED_PING = f"""
case $(PING -V 2>&1) in
*iputils*) ;;
*) PING -V 2>&1 | grep -i -m 1 -e busybox -e inetutils || PING -V 2>&1 | head -n 1; exit {NO_TIMES} ;;
esac
first=
chrt -f 1 true 2>/dev/null && first="chrt -f 1"
: >"$1" || exit
setsid $first PING -D -O -n -S 212992 -i "$3" -c "$4" "$2" >"$1" 2>&1 </dev/null &
echo "$! $1"
"""
# Of iputils before 2015, and of inetutils, ping knows IPv4 alone, and ping6 the other.
_PING_FOR_IPV6 = """
ping=ping
ping -c 1 -W 1 ::1 >/dev/null 2>&1 || ! command -v ping6 >/dev/null || ping=ping6"""
# The ping6 of inetutils has no -W.
_PING_FEW = """
[ "PING" = ping6 ] || wait="-W 2"
exec PING -c 3 $wait "$1"
"""
# The wall clock, replies so far, when the last one came, and ping's last words.
_TIMED_PING_PROGRESS = """
date +%s.%N
LC_ALL=C awk '/seq=[0-9]+ .*time=/ { count++; at = $1 } END { print count + 0, at }' "$1"
tail -n 2 -- "$1"
"""
# Who answered is known, and is written in each line.
_WITHOUT_NAMES = '{ sub(/[0-9]+ bytes from [^ ]+: /, ""); print }'
# A fork costs an emulated guest 27 ms. bash waits without one, by reading a pipe to which nobody writes (its own <(:)
# needs /dev/fd, which a guest without udev has not); where it cannot wait, the program ends: it must not spin.
# $1: seconds to wait, $2: number of lines, $3: seconds until its end. A guest that is moved to a host whose clock is
# ahead finds its uptime put ahead as well, by hours: that much never passed.
_LOOP = """
if [ "$BASH_VERSION" ]; then
    never=$(readlink "/proc/$$/fd/1").pipe
    mkfifo -- "$never" && exec 9<>"$never"
    rm -f -- "$never"
    pause() { read -r -t "$1" -u 9; [ $? -gt 128 ]; }
else
    pause() { sleep "$1" 2>/dev/null || sleep 1; }
fi
read -r now _ </proc/uptime
number=0 left=$3 before=${now%.*}
while [ "$number" -lt "$2" ] && [ "$left" -gt 0 ] && read -r now _ </proc/uptime; do
    passed=$((${now%.*} - before)) before=${now%.*}
    left=$((left - (passed < 10 ? passed : 10)))
    number=$((number + 1))
    line || exit 1
    pause "$1" || exit
done
"""
# The attribute S has the kernel write each line to the disk before it goes on (chattr(1)); other file systems need a
# program for it.
_WRITER = f"""
if chattr +S "$4" 2>/dev/null; then
    line() {{ echo "$number $now"; }}
else
    file=$4
    line() {{ echo "$number $now" && sync "$file"; }}
fi
{_LOOP}"""
_START_WRITER = """
: >"$1" || exit
setsid "$(command -v bash || echo sh)" -c "$5" writer "$2" "$3" "$4" "$1" >>"$1" 2>&1 </dev/null &
echo "$! $1"
"""
# bash (5 or later) knows the time without a fork.
_HEARTBEAT = f"""
line() {{ echo "$number $EPOCHREALTIME $now"; }}
{_LOOP}"""
_START_HEARTBEAT = f"""
command -v bash >/dev/null || {{ echo "a heartbeat takes bash, which is not here" >&2; exit {NOT_FOUND}; }}
file=$1
[ -d /dev/shm ] && [ -w /dev/shm ] && file=/dev/shm/${{1##*/}}
: >"$file" || exit
setsid bash -c "$5" heartbeat "$2" "$3" "$4" >"$file" 2>&1 </dev/null &
echo "$! $file"
"""
# Of an hour's beats one a second is enough, and each that came late with the one before it: `late` is three
# beats, in seconds, `second` the beats of one second.
_THIN_HEARTBEAT = """
function show() { if (held != "") print held; held = ""; print; uptime = $3; wall = $2 }
$1 !~ /^[0-9]+$/ { print; next }
$3 - uptime > late || $2 - wall > late || wall - $2 > 0.05 { show(); next }
$1 % second == 1 % second { held = ""; show(); next }
{ held = $0; uptime = $3; wall = $2 }
END { if (held != "") print held }
"""
_STOP_BACKGROUND = f"""
show() {{ if [ -z "$2" ]; then cat -- "$1"; else LC_ALL=C awk "$2" "$1" || cat -- "$1"; fi; }}
runs() {{ [ "/proc/$1/fd/1" -ef "$2" ]; }}
runs "$1" "$2" || {{ show "$2" "$4"; exit {ALREADY_ENDED}; }}
kill -s "$3" "$1" || exit
read -r now _ </proc/uptime
code=0 end=$((${{now%.*}} + {LAST_WORDS_SECONDS}))
while runs "$1" "$2"; do
    read -r now _ </proc/uptime
    [ "${{now%.*}}" -lt "$end" ] || {{ kill -s KILL "$1"; code={ENDED_LATE}; break; }}
    sleep 0.1 2>/dev/null || sleep 1
done
show "$2" "$4"
exit $code
"""
_END_BACKGROUND = """
prefix=$1
shift
for folder; do
    for file in "$folder/$prefix"*; do
        [ -f "$file" ] || continue
        for output in /proc/[0-9]*/fd/1; do
            [ "$output" -ef "$file" ] && pid=${output#/proc/} && kill "${pid%/fd/1}"
        done
        rm -f -- "$file" && echo "$file"
    done
done; true
"""

# How far a ping is: the guest's uptime, the bytes in its file, the lines of reply in any language, and its last words.
_PING_PROGRESS = """
read -r now _ </proc/uptime
echo "$now $(wc -c <"$1") $(grep -c 'seq=[0-9]*.*=[0-9]' "$1")"
tail -n 2 -- "$1"
"""


def _script(text: str, *args: str) -> Argv:
    return ("sh", "-c", text, "sh", *args)


def by_sh(script: str) -> Argv:
    """A script of somebody else's, for sh as it stands."""
    return "sh", "-c", script


def exports() -> Argv:
    """What an NFS server exports, to whom and how (exportfs(8)); `facts.exports`."""
    return ("exportfs", "-v")


def read(path: str) -> Argv:
    """A text file's content."""
    return ("cat", "--", path)


def write_nonce(path: str, nonce: str) -> Argv:
    """Write one line to a file and have it on the disk (or the NFS server) before this ends."""
    return _script(_WRITE_SYNCED, path, nonce)


def read_nonce_from_disk(path: str) -> Argv:
    """The line that `write_nonce` wrote, read from the disk (or the NFS server), not from the machine's memory."""
    return _script(_READ_FROM_DISK, path)


def remove(*paths: str) -> Argv:
    """Remove files, there or not."""
    return ("rm", "-f", "--", *paths)


def names_in(pattern: str, *folders: str) -> Argv:
    """Paths of the files in `folders` whose names match the glob `pattern` (find(1)), one a line."""
    return ("find", *folders, "-maxdepth", "1", "-name", pattern)


def boot_id() -> Argv:
    """The random id that the kernel takes anew at every boot (random(4))."""
    return ("cat", "/proc/sys/kernel/random/boot_id")


def uptime() -> Argv:
    """Seconds since the boot (proc_uptime(5)); `facts.uptime`."""
    return ("cat", "/proc/uptime")


def hostname() -> Argv:
    """The machine's own name (uname(1))."""
    return ("uname", "-n")


def ping_few(address: str) -> Argv:
    """Ping a machine from this one, three times; exit code 0 when it answered (ping(8), and busybox's)."""
    if ":" not in address:
        return ("ping", "-c", "3", "-W", "2", address)
    return _script(_pinging(_PING_FEW, address), address)


def _pinging(script: str, target: str) -> str:
    """A script of these with the program for that target; a name is left to `ping`."""
    if ":" in target:
        return _PING_FOR_IPV6 + script.replace("PING", "$ping").replace("LOOPBACK", "::1")
    return script.replace("PING", "ping").replace("LOOPBACK", "127.0.0.1")


def ssh_server(address: str, port: int) -> Argv:
    """Try an SSH server from this machine: a line a key where one answers, else why not on stderr (ssh-keyscan(1))."""
    return ("ssh-keyscan", "-T", "5", "-p", str(port), address)


def bridges() -> Argv:
    """The names of all bridges, one a line."""
    return _script(_BRIDGES)


def cpu() -> Argv:
    """The processors as Linux sees them; `facts.cpu`."""
    return ("cat", "/proc/cpuinfo")


def loop_devices() -> Argv:
    """The loop devices in use (losetup(8)); `facts.loop_devices`."""
    return ("losetup", "--list", "--json", "-O", "NAME,BACK-FILE")


def swaps() -> Argv:
    """The swap areas in use (proc_swaps(5)); `facts.swaps`."""
    return ("cat", "/proc/swaps")


def kernel_log() -> Argv:
    """The kernel's messages since boot (dmesg(1))."""
    return ("dmesg",)


def start_ping(target: str, file: str, interval_ms: int = 200, seconds: int = BACKGROUND_SECONDS) -> Argv:
    """Start a ping that outlives its session and writes to `file`; `facts.background`.

    Where ping can, every line has its time (-D), and a reply that is late is told at once (-O); see ping(8).
    """
    count = _lines(interval_ms, seconds)
    return _script(_pinging(_START_PING, target), file, target, _in_seconds(interval_ms), count, str(seconds))


def stop_ping(pid: int, file: str) -> Argv:
    """Have the ping write its summary, and read all that it wrote; exit codes as in `stop_background`."""
    return stop_background(pid, file, "INT")


def ping_progress(file: str) -> Argv:
    """How far the ping that writes to `file` is; `facts.ping_progress`."""
    return _script(_PING_PROGRESS, file)


def start_timed_ping(target: str, file: str, interval_ms: int, seconds: int) -> Argv:
    """Start a ping that notes all times, outlives its session and writes to `file`; `facts.background`.

    Exit code NO_TIMES where the machine's ping is not iputils', with its name on stdout.
    """
    return _script(
        _pinging(_START_TIMED_PING, target), file, target, _in_seconds(interval_ms), _lines(interval_ms, seconds)
    )


def stop_timed_ping(pid: int, file: str) -> Argv:
    """Have it write its summary, and read all of it but who answered; exit codes as in `stop_background`."""
    return stop_background(pid, file, "INT", _WITHOUT_NAMES)


def timed_ping_progress(file: str) -> Argv:
    """How far it is, and the machine's wall clock; `facts.timed_ping_progress`."""
    return _script(_TIMED_PING_PROGRESS, file)


def wall_clock() -> Argv:
    """Seconds since 1970 (date(1)); `facts.wall_clock`."""
    return ("date", "+%s.%N")


def start_writer(file: str, interval_ms: int = 200, seconds: int = BACKGROUND_SECONDS) -> Argv:
    """Start a program that appends 1, 2, 3... to `file`, each with the guest's uptime and each on the disk before the
    next; `facts.background`, and `facts.written` for the file."""
    return _script(_START_WRITER, file, _in_seconds(interval_ms), _lines(interval_ms, seconds), str(seconds), _WRITER)


def stop_writer(pid: int, file: str) -> Argv:
    """Stop the writer and read all that it wrote; `facts.written`. Exit codes as in `stop_background`."""
    return stop_background(pid, file, "TERM")


def start_heartbeat(file: str, interval_ms: int = 50, seconds: int = BACKGROUND_SECONDS) -> Argv:
    """Start a program that notes its number and the guest's clocks; `facts.background`.

    Its file is one of `file`'s name in /dev/shm, where no disk is waited for; `file` itself where there is none. Exit
    code NOT_FOUND where the guest has no bash. See `probes.heartbeat` for what it tells.
    """
    count = _lines(interval_ms, seconds)
    return _script(_START_HEARTBEAT, file, _in_seconds(interval_ms), count, str(seconds), _HEARTBEAT)


def stop_heartbeat(pid: int, file: str, interval_ms: int = 50) -> Argv:
    """Stop the heartbeat and read of it one beat a second, and those around each that was late.

    Exit codes as in `stop_background`.
    """
    intervals = f"BEGIN {{ late = {_in_seconds(3 * interval_ms)}; second = {max(1, 1000 // interval_ms)} }}"
    return stop_background(pid, file, "TERM", intervals + _THIN_HEARTBEAT)


def stop_background(pid: int, file: str, signal: str, awk: str = "") -> Argv:
    """Signal the background program that writes to `file` and read the file, however it ended.

    The whole of it, or what the program `awk` (awk(1)) makes of it.

    Exit code ALREADY_ENDED when it had ended by itself, ENDED_LATE when it did not end within LAST_WORDS_SECONDS.
    """
    return _script(_STOP_BACKGROUND, str(pid), file, signal, awk)


def end_background(prefix: str, *folders: str) -> Argv:
    """End every background program whose file in `folders` begins with `prefix`, and remove these files.

    Prints the files that were there, one a line.
    """
    return _script(_END_BACKGROUND, prefix, *folders)


def _in_seconds(interval_ms: int) -> str:
    return f"{interval_ms / 1000:g}"


def _lines(interval_ms: int, seconds: int) -> str:
    return str(max(1, seconds * 1000 // interval_ms))
