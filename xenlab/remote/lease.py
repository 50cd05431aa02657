"""A lock on a machine that names its holder and expires by itself. Argument vectors only.

The file's first line is when it expires, in seconds since 1970 by the machine's own clock; the second is what
its holder says of itself. A holder is known by its `mark`: a part of those words that nobody else's have. flock(1),
which Xen's own hotplug scripts need as well, keeps two from writing at once.
"""

Argv = tuple[str, ...]

HELD = 3
"""The exit code where another one holds it; its holder's words are on stdout."""

GONE = 4
"""The exit code of `renew` where nobody holds it any more."""

_SCRIPT = """
verb=$1 file=$2 mark=$3 seconds=$4 words=$5
now=$(date +%s)
held=0; holder=
[ -e "$file" ] && { read -r held; read -r holder; } <"$file"
case $holder in *"$mark"*) ours=y;; *) ours=;; esac
if [ -n "$holder" ] && [ -z "$ours" ] && [ "${held:-0}" -ge "$now" ]; then echo "$holder"; exit 3; fi
case $verb in
take) umask 077; printf '%s\\n%s\\n' "$((now + seconds))" "$words" >"$file.new" && mv -f -- "$file.new" "$file";;
renew) [ -n "$ours" ] || exit 4
    printf '%s\\n%s\\n' "$((now + seconds))" "$words" >"$file.new" && mv -f -- "$file.new" "$file";;
give) [ -z "$ours" ] || rm -f -- "$file";;
esac
"""


def take(file: str, mark: str, seconds: int, words: str) -> Argv:
    """Take a lock that is free, expired or ours, for so long; `words` is one line with `mark` in it."""
    return _argv("take", file, mark, seconds, words)


def renew(file: str, mark: str, seconds: int, words: str) -> Argv:
    """Hold it for so long from now; exit code HELD or GONE where it is not ours any more."""
    return _argv("renew", file, mark, seconds, words)


def give_back(file: str, mark: str) -> Argv:
    """Let go of it, where it is of this mark."""
    return _argv("give", file, mark, 0, "")


def show(file: str) -> Argv:
    """Its two lines; exit code 1 where there is none."""
    return ("cat", "--", file)


def _argv(verb: str, file: str, mark: str, seconds: int, words: str) -> Argv:
    return ("flock", "-w", "10", f"{file}.guard", "sh", "-c", _SCRIPT, "sh", verb, file, mark, str(seconds), words)
