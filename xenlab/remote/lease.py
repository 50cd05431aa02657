"""A lock on a machine that names its holder and expires by itself. Argument vectors only.

The file's first line is when it expires, in seconds since 1970 by the machine's own clock; the second is what
its holder says of itself. flock(1), which Xen's own hotplug scripts need as well, keeps two from writing at once.
"""

Argv = tuple[str, ...]

HELD = 3
"""The exit code where another one holds it; its holder's words are on stdout."""

_SCRIPT = """
verb=$1 file=$2 id=$3 seconds=$4 words=$5
now=$(date +%s)
held=0; holder=
[ -e "$file" ] && { read -r held; read -r holder; } <"$file"
case $holder in *"\\"id\\": \\"$id\\""*) ours=y;; *) ours=;; esac
if [ -n "$holder" ] && [ -z "$ours" ] && [ "${held:-0}" -ge "$now" ]; then echo "$holder"; exit 3; fi
case $verb in
take) umask 077; printf '%s\\n%s\\n' "$((now + seconds))" "$words" >"$file.new" && mv -f -- "$file.new" "$file";;
renew) [ -n "$ours" ] || exit 4
    printf '%s\\n%s\\n' "$((now + seconds))" "$words" >"$file.new" && mv -f -- "$file.new" "$file";;
give) [ -z "$ours" ] || rm -f -- "$file";;
esac
"""


def take(file: str, id_: str, seconds: int, words: str) -> Argv:
    """Take or take over an expired lock for so long; `words` is one line of JSON with "id"."""
    return _argv("take", file, id_, seconds, words)


def renew(file: str, id_: str, seconds: int, words: str) -> Argv:
    """Hold it for so long from now; exit code 4 where it is not ours any more."""
    return _argv("renew", file, id_, seconds, words)


def give_back(file: str, id_: str) -> Argv:
    """Let go of it, where it is of this id."""
    return _argv("give", file, id_, 0, "")


def show(file: str) -> Argv:
    """Its two lines; exit code 1 where there is none."""
    return ("cat", "--", file)


def _argv(verb: str, file: str, id_: str, seconds: int, words: str) -> Argv:
    return ("flock", "-w", "10", f"{file}.guard", "sh", "-c", _SCRIPT, "sh", verb, file, id_, str(seconds), words)
