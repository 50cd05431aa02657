"""What hosts wrote down while a step failed: Xen's own ring, the kernel's, hotplug scripts and consoles.

Argument vectors only. Source: xl(1) for `xl dmesg`, docs/misc/console.txt for xenconsoled's logs.
"""

Argv = tuple[str, ...]

LINES = 60
"""How many lines of each are brought along at most."""

_COUNT = "xl dmesg 2>/dev/null | wc -l; dmesg 2>/dev/null | wc -l"
# A ring that has wrapped holds fewer lines than were counted: then its end is what there is.
_NEW = """
fresh() { awk -v skip="$1" -v most="$2" '
    { line[NR] = $0 }
    END { first = NR >= skip ? skip + 1 : 1; if (NR - first >= most) first = NR - most + 1
          for (at = first; at <= NR; at++) print line[at] }'; }
case $1 in
xen) xl dmesg | fresh "$2" "$3";;
kernel) dmesg | fresh "$2" "$3";;
esac
"""
_TAIL = """
most=$1; shift
for file; do [ -s "$file" ] && { echo "==> $file <=="; tail -n "$most" -- "$file"; }; done; true
"""


def count() -> Argv:
    """How many lines Xen's ring and the kernel's have now, a number a line."""
    return ("sh", "-c", _COUNT)


def new_lines(which: str, after: int) -> Argv:
    """The lines of "xen"'s or the "kernel"'s ring beyond the first `after`, the last `LINES` of them."""
    return ("sh", "-c", _NEW, "sh", which, str(after), str(LINES))


def of_guest(name: str) -> Argv:
    """The ends of the logs of hotplug scripts, of the guest's own `xl` and of its console, where they are kept."""
    files = (
        "/var/log/xen/xen-hotplug.log",
        f"/var/log/xen/xl-{name}.log",
        f"/var/log/xen/console/guest-{name}.log",
        f"/var/log/xen/qemu-dm-{name}.log",
    )
    return ("sh", "-c", _TAIL, "sh", str(LINES), *files)
