"""Programs that are there to change something, in commands that are said to read. Pure.

A seat belt and no lock: it keeps a slip (`rm`, `systemctl restart`, `> file`) from being run as if it read. Whether a
command changes something cannot be told from its words, and root cannot be kept from it in a way that all hosts have:
with every file system made read-only, commands that only read fail as well (`exportfs -v` opens its lock for writing).
"""

import re
import shlex
from collections.abc import Iterable, Sequence

_PROGRAMS = frozenset(
    {
        *("apt", "apt-get", "chattr", "chgrp", "chmod", "chown", "chpasswd", "cp", "dd", "dnf", "dpkg", "halt"),
        *("install", "kill", "killall", "ln", "mkdir", "mkfs", "mkswap", "modprobe", "mv", "passwd", "pkill"),
        *("poweroff", "reboot", "rm", "rmdir", "rmmod", "shutdown", "swapoff", "swapon", "tee", "touch", "truncate"),
        *("umount", "useradd", "userdel", "usermod", "yum"),
    }
)
_VERBS = {
    "xl": frozenset(
        {
            *("create", "destroy", "shutdown", "reboot", "pause", "unpause", "migrate", "save", "restore", "rename"),
            *("mem-set", "vcpu-set", "block-attach", "block-detach", "network-attach", "network-detach", "trigger"),
        }
    ),
    "systemctl": frozenset(
        {
            *("start", "stop", "restart", "reload", "try-restart", "reload-or-restart", "enable", "disable"),
            *("mask", "unmask", "kill", "daemon-reload", "isolate", "reboot", "poweroff", "halt"),
        }
    ),
    "sed": frozenset({"-i", "--in-place"}),
}
_QUOTED = re.compile(r"'[^']*'|\"(?:\\.|[^\"\\])*\"")
_ENDS = re.compile(r"[;&|()`\n{}]+")
_BEFORE = frozenset({"if", "then", "elif", "else", "while", "until", "do", "!", "sudo", "exec", "env", "time", "nohup"})
_REDIRECTED = re.compile(r">+(?![>&(]|\s*/dev/(?:null|stdout|stderr)\b)")


def what_changes(argv: Sequence[str]) -> str:
    """The word of a command for which it is taken to change something; "" where there is none.

    Of what sh is given all commands are looked at, but for what stands in quotes; else the program and its first word.
    """
    if tuple(argv[:2]) != ("sh", "-c"):
        return _changes(argv)
    script = _QUOTED.sub("''", " ".join(argv[2:3]))
    commands = (_changes(part.split()) for part in _ENDS.split(script))
    return next(filter(None, commands), ">" if _REDIRECTED.search(script) else "")


def _changes(words: Iterable[str]) -> str:
    command = [word for word in words if word not in _BEFORE and not re.match(r"\w+=", word)]
    if not command:
        return ""
    program, first = command[0].rpartition("/")[2], "".join(command[1:2])
    if program in _PROGRAMS or program.startswith("mkfs."):
        return program
    return shlex.join((program, first)) if first in _VERBS.get(program, ()) else ""
