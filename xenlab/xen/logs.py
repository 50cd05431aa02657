"""What hosts wrote down while a step failed: Xen's own ring, the kernel's, hotplug scripts and consoles.

Source: xl(1) for `xl dmesg`, docs/misc/console.txt for xenconsoled's logs, xen/include/public/sched.h for the reasons
of a shutdown and tools/xl/xl_vmcontrol.c for how `xl` notes them.
"""

import re
from dataclasses import dataclass

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
_SHUT_DOWN = re.compile(r"^.*has shut down, reason code ([0-9]{1,9}).*$", re.MULTILINE)
_DESTROYED = re.compile(r"^.*has been destroyed.*$", re.MULTILINE)
_REASONS = {
    0: "it powered itself off",
    1: "it rebooted, and was not started again",
    2: "it suspended",
    3: "it crashed",
    4: "its watchdog ended it",
}


@dataclass(frozen=True, slots=True)
class DomainEnd:
    """How a domain ended, by what `xl` noted of it: in words, and the `line` that says so; `console` is its own end."""

    words: str
    line: str
    crashed: bool
    console: str = ""


def domain_end(guest: str, texts: str) -> DomainEnd | None:
    """How the guest's last domain ended, by what `of_guest` printed; None where `xl` noted nothing of it."""
    parts = re.split(r"^==> (.*) <==$", texts, flags=re.MULTILINE)
    # The first of a name is the true one: a console may say what it likes after it.
    by_file = dict(reversed([*zip(parts[1::2], parts[2::2], strict=True)]))
    noted, console = (by_file.get(file, "") for file in (_own_log(guest), _console_log(guest)))
    if (last := next(reversed(list(_SHUT_DOWN.finditer(noted))), None)) is not None:
        reason = int(last[1])
        return DomainEnd(_REASONS.get(reason, "it ended"), last[0].strip(), reason == 3, console)
    destroyed = _DESTROYED.search(noted)
    return DomainEnd("it was destroyed", destroyed[0].strip(), crashed=False) if destroyed else None


def count() -> Argv:
    """How many lines Xen's ring and the kernel's have now, a number a line."""
    return ("sh", "-c", _COUNT)


def new_lines(which: str, after: int) -> Argv:
    """The lines of "xen"'s or the "kernel"'s ring beyond the first `after`, the last `LINES` of them."""
    return ("sh", "-c", _NEW, "sh", which, str(after), str(LINES))


def of_guest(name: str) -> Argv:
    """The ends of the logs of hotplug scripts, of the guest's own `xl` and of its console, where they are kept."""
    files = ("/var/log/xen/xen-hotplug.log", _own_log(name), _console_log(name), f"/var/log/xen/qemu-dm-{name}.log")
    return ("sh", "-c", _TAIL, "sh", str(LINES), *files)


def _own_log(guest: str) -> str:
    return f"/var/log/xen/xl-{guest}.log"


def _console_log(guest: str) -> str:
    return f"/var/log/xen/console/guest-{guest}.log"
