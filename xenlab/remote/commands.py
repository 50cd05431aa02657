"""Command lines for what any POSIX machine with Linux's usual tools can tell about itself.

Each function returns an argument vector for `RemoteHost.run`; what its output means is in `facts`. What
takes several steps is a sh script with its arguments beside it, never inside it. Needed on the hosts:
coreutils, util-linux, openssh-client, nfs-kernel-server; in a guest: coreutils, iputils-ping.
"""

Argv = tuple[str, ...]

MOUNT_COLUMNS = "SOURCE,FSTYPE,TARGET,OPTIONS"
# How long a stopped background program has to write its last words, in seconds.
LAST_WORDS_SECONDS = 10
# What a shell says when there is no such program.
NOT_FOUND = 127
# `stop_background` ends with this code when the program had ended before it was told to.
ALREADY_ENDED = 3

ENDS_DIGEST = """
size=$(stat -L -c %s -- "$1") && [ -r "$1" ] || { echo "$1 cannot be read" >&2; exit 1; }
first=$(head -c 1048576 -- "$1" | sha256sum)
last=$(tail -c 1048576 -- "$1" | sha256sum)
echo "$size ${first%% *} ${last%% *}"
"""
WRITE_SYNCED = """printf '%s\\n' "$2" | dd of="$1" conv=fsync status=none"""
BRIDGES = """for bridge in /sys/class/net/*/bridge; do
    [ -d "$bridge" ] && { bridge=${bridge%/bridge}; echo "${bridge##*/}"; }
done; true"""
# /proc/mounts may call the root device /dev/root, so its name comes from its number in mountinfo.
ROOT_DEVICE = """
while read -r _ _ number _ target _; do [ "$target" = / ] && root=$number; done </proc/self/mountinfo
readlink "/sys/dev/block/$root"
"""
# setsid and nohup let it outlive its SSH session; its output goes to a file, so the session can end.
START_PING = """
setsid nohup ping -D -O -n -i "$2" "$1" >"$3" 2>&1 </dev/null &
echo $!
"""
WRITER = """
number=0
while number=$((number + 1)); do echo "$number" && sync "$1" || exit 1; sleep "$2"; done
"""
START_WRITER = """
: >"$1" || exit
setsid nohup sh -c "$3" sh "$1" "$2" >>"$1" 2>&1 </dev/null &
echo $!
"""
# Without a fork a beat, each of which would cost an emulated guest 27 ms: bash (5 or later) knows the time, and
# waits by reading what never comes. Where it cannot wait it ends: it must not spin. A guest without bash has no
# heartbeat.
HEARTBEAT = """
while read -r uptime _ </proc/uptime; do
    echo "$((++number)) $EPOCHREALTIME $uptime"
    read -r -t "$1" -u 9
    [ $? -gt 128 ] || exit
done
"""
START_HEARTBEAT = """
mkfifo -- "$1.pipe" && exec 9<>"$1.pipe" && rm -- "$1.pipe" || exit
setsid nohup bash -c "$3" bash "$2" >"$1" 2>&1 </dev/null &
echo $!
"""
# The program is known by its output file: a process id alone may be someone else's by now. tail
# waits for the process to end, so that its last words are in the file.
STOP_BACKGROUND = f"""
[ "$(readlink "/proc/$1/fd/1")" = "$2" ] || {{ cat -- "$2"; exit {ALREADY_ENDED}; }}
kill -s "$3" "$1" || exit
timeout {LAST_WORDS_SECONDS} tail --pid="$1" -s 0.1 -f /dev/null
ended=$?; cat -- "$2"; exit $ended
"""


def _script(text: str, *args: str) -> Argv:
    return ("sh", "-c", text, "sh", *args)


def mount_of(path: str) -> Argv:
    """The mount that holds `path`; `facts.mount`."""
    return ("findmnt", "--json", "--list", "-o", MOUNT_COLUMNS, "-T", path)


def mounts() -> Argv:
    """Every mount; `facts.mounts`."""
    return ("findmnt", "--json", "--list", "-o", MOUNT_COLUMNS)


def exports() -> Argv:
    """What an NFS server exports, to whom and how (exportfs(8)); `facts.exports`."""
    return ("exportfs", "-v")


def is_file(path: str) -> Argv:
    """Exit code 0 when there is a regular file, links followed (test(1))."""
    return ("test", "-f", path)


def ends_digest(path: str) -> Argv:
    """A file's size and the SHA-256 of its first and last megabyte; `facts.ends_digest`."""
    return _script(ENDS_DIGEST, path)


def resolve(path: str) -> Argv:
    """The path without symbolic links; exit code 1 when it does not exist."""
    return ("readlink", "-e", "--", path)


def read(path: str) -> Argv:
    """A text file's content."""
    return ("cat", "--", path)


def write_nonce(path: str, nonce: str) -> Argv:
    """Write one line to a file and have it on the disk (or the NFS server) before this ends."""
    return _script(WRITE_SYNCED, path, nonce)


def read_nonce(path: str) -> Argv:
    """The line that `write_nonce` wrote."""
    return read(path)


def remove(*paths: str) -> Argv:
    """Remove files, there or not."""
    return ("rm", "-f", "--", *paths)


def names_in(folder: str, pattern: str) -> Argv:
    """Paths of the files in `folder` whose names match the glob `pattern` (find(1)), one a line."""
    return ("find", folder, "-maxdepth", "1", "-name", pattern)


def boot_id() -> Argv:
    """The random id that the kernel takes anew at every boot (random(4))."""
    return ("cat", "/proc/sys/kernel/random/boot_id")


def uptime() -> Argv:
    """Seconds since the boot (proc_uptime(5)); `facts.uptime`."""
    return ("cat", "/proc/uptime")


def hostname() -> Argv:
    """The machine's own name (uname(1))."""
    return ("uname", "-n")


def ssh_to(address: str, user: str = "root", port: int = 22) -> Argv:
    """Log in from this machine to another as `xl migrate` does, but refuse to be asked anything."""
    ways = ("-n", "-T", "-o", "BatchMode=yes", "-o", "ConnectTimeout=10", "-p", str(port))
    return ("ssh", *ways, f"{user}@{address}", "uname -n")


def is_bridge(interface: str) -> Argv:
    """Exit code 0 when there is a bridge of this name."""
    return ("test", "-d", f"/sys/class/net/{interface}/bridge")


def bridges() -> Argv:
    """The names of all bridges, one a line."""
    return _script(BRIDGES)


def cpu() -> Argv:
    """The processors as Linux sees them; `facts.cpu`."""
    return ("cat", "/proc/cpuinfo")


def loop_devices() -> Argv:
    """The loop devices in use (losetup(8)); `facts.loop_devices`."""
    return ("losetup", "--list", "--json", "-O", "NAME,BACK-FILE")


def swaps() -> Argv:
    """The swap areas in use (proc_swaps(5)); `facts.swaps`."""
    return ("cat", "/proc/swaps")


def root_device() -> Argv:
    """The block device under /; `facts.root_device`."""
    return _script(ROOT_DEVICE)


def processes() -> Argv:
    """Every process with its arguments (ps(1)); `facts.processes`."""
    return ("ps", "-e", "-o", "pid=,args=")


def kernel_log() -> Argv:
    """The kernel's messages since boot (dmesg(1))."""
    return ("dmesg",)


def start_ping(target: str, file: str, interval_ms: int = 200) -> Argv:
    """Start a ping that outlives its session and writes to `file`; `facts.process_id`.

    Every line has its time (-D), and a reply that is late is told at once (-O); see ping(8).
    """
    return _script(START_PING, target, f"{interval_ms / 1000:g}", file)


def stop_ping(pid: int, file: str) -> Argv:
    """Have the ping write its summary, and read all that it wrote.

    Exit code ALREADY_ENDED when it had ended by itself, 124 when it did not end in LAST_WORDS_SECONDS.
    """
    return stop_background(pid, file, "INT")


def start_writer(file: str, interval_ms: int = 200) -> Argv:
    """Start a program that appends 1, 2, 3... to `file`, each synced to the disk; `facts.process_id`."""
    return _script(START_WRITER, file, f"{interval_ms / 1000:g}", WRITER)


def stop_writer(pid: int, file: str) -> Argv:
    """Stop the writer and read all that it wrote; `facts.written`. Exit codes as in `stop_ping`."""
    return stop_background(pid, file, "TERM")


def start_heartbeat(file: str, interval_ms: int = 50) -> Argv:
    """Start a program that notes its number and the guest's clocks in `file`; `facts.process_id`.

    Put the file where no disk is waited for (/dev/shm): see `probes.heartbeat` for what it tells.
    """
    return _script(START_HEARTBEAT, file, f"{interval_ms / 1000:g}", HEARTBEAT)


def stop_heartbeat(pid: int, file: str) -> Argv:
    """Stop the heartbeat and read it. Exit codes as in `stop_ping`."""
    return stop_background(pid, file, "TERM")


def stop_background(pid: int, file: str, signal: str) -> Argv:
    """Signal the background program that writes to `file` and read the whole file, however it ended."""
    return _script(STOP_BACKGROUND, str(pid), file, signal)
