"""What was typed: prompts of any shell in front of commands, and commands that stand without one."""

import re
import shlex
from dataclasses import dataclass

from xenlab.transcripts.text import LONGEST_LINE, PastedLine

_XL = frozenset(
    {
        *(
            "block-attach",
            "block-detach",
            "config-update",
            "console",
            "cpupool-list",
            "create",
            "debug-keys",
            "destroy",
        ),
        *("dmesg", "domid", "domname", "dump-core", "help", "info", "list", "mem-max", "mem-set", "migrate"),
        *(
            "migrate-receive",
            "network-list",
            "pause",
            "reboot",
            "rename",
            "restore",
            "save",
            "sched-credit",
            "shutdown",
        ),
        *("sysrq", "top", "trigger", "unpause", "uptime", "vcpu-list", "vcpu-pin", "vcpu-set", "vncviewer"),
    }
)
_PROGRAMS = frozenset(
    {
        *(
            "apt",
            "apt-get",
            "blkid",
            "brctl",
            "bridge",
            "cat",
            "cd",
            "chmod",
            "chown",
            "cp",
            "date",
            "dd",
            "debootstrap",
        ),
        *("df", "dmesg", "dnf", "du", "echo", "exit", "exportfs", "fdisk", "file", "findmnt", "free", "grep", "head"),
        *(
            "hostname",
            "hostnamectl",
            "id",
            "ifconfig",
            "ip",
            "journalctl",
            "less",
            "ll",
            "ln",
            "login",
            "logout",
            "losetup",
        ),
        *(
            "ls",
            "lsblk",
            "lsmod",
            "lvcreate",
            "lvs",
            "md5sum",
            "mkdir",
            "mkfs",
            "mkfs.ext4",
            "mkswap",
            "modprobe",
            "more",
        ),
        *("mount", "mount.nfs", "mv", "nano", "nfsstat", "ping", "ping6", "poweroff", "ps", "pwd", "pygrub", "reboot"),
        *(
            "route",
            "rpcinfo",
            "rsync",
            "scp",
            "screen",
            "service",
            "sha256sum",
            "showmount",
            "shutdown",
            "sleep",
            "ssh",
        ),
        *(
            "ssh-copy-id",
            "ssh-keygen",
            "stat",
            "su",
            "sudo",
            "sync",
            "systemctl",
            "tail",
            "tcpdump",
            "test",
            "time",
            "tmux",
        ),
        *(
            "top",
            "touch",
            "truncate",
            "ufw",
            "umount",
            "uname",
            "uptime",
            "vgs",
            "vi",
            "vim",
            "w",
            "watch",
            "who",
            "whoami",
        ),
        *("xe", "xen-create-image", "xenstore-ls", "xl", "xm", "yum", "zypper"),
    }
)
_BEFORE = frozenset({"sudo", "time", "nice", "nohup", "exec", "doas", "command", "watch"})
"""Words in front of the program that is meant."""

_CLOCK = r"(?:\[?(?:\d{1,4}[-/.:T ]){2,6}\d{1,6}\]?\s+)?"
_NAMED = re.compile(
    _CLOCK + r"(?:\([^()\s]{1,60}\)\s?)?\[?(?P<user>[\w.-]{1,32})@(?P<host>[\w.-]{1,64})(?=[\s:~\]#$%>❯/])"
    r"(?P<where>[^#$%>❯]{0,200}?)\]?\s?[#$%>❯](?:\s+(?P<command>.*))?"
)
_BY_HOST = re.compile(
    _CLOCK + r"\[?(?P<host>[A-Za-z][\w.-]{0,62})(?:[: ][^#$%>❯]{0,100}?)?\]?\s?[#$%>❯]\s+(?P<command>\S.*)"
)
_BARE_PROMPT = re.compile(
    _CLOCK + r"(?:[➜→]\s{1,3}(?:[\w./~-]{1,80}\s{1,3})?|(?:[\w./~-]{0,80}\s)?[#$%>❯]\s{1,3})(?P<command>[A-Za-z./].*)"
)
_SHELL = re.compile(r"(?:ba|da|k|z|c|tc|fi)?sh(?:-[\d.]{1,8})?")
_SENTENCE = re.compile(r"[^./][.,;:!?]$")
_MOST_WORDS = 12


@dataclass(frozen=True, slots=True)
class TypedCommand:
    """A command and its `output`; `words` are without sudo, and empty where the output stands alone.

    `host` and `folder` (absolute) are those of the prompt, None where it names none.
    """

    line: int
    words: tuple[str, ...]
    output: tuple[PastedLine, ...] = ()
    host: str | None = None
    folder: str | None = None

    @property
    def program(self) -> str:
        """Its program's name, without a path."""
        return self.words[0].rpartition("/")[2] if self.words else ""

    @property
    def verb(self) -> str:
        """What xl is asked for, or empty."""
        return next(iter(_plain(self.words[1:], "")), "") if self.program in ("xl", "xm") else ""

    @property
    def operands(self) -> tuple[str, ...]:
        """Its words that are no options; of an xl command without the verb, of no option its value."""
        found = _plain(self.words[1:], _WITH_VALUE.get(self.program, ""))
        return tuple(found[1:] if self.verb else found)

    def has_flag(self, letter: str) -> bool:
        """Whether it has that option of one letter, be it among others."""
        return any(re.fullmatch(rf"-[A-Za-z]*{letter}[A-Za-z]*", word) for word in self.words[1:])

    @property
    def text(self) -> str:
        """The command as it was typed, without sudo."""
        return " ".join(self.words)


_WITH_VALUE = {"ping": "IQSTWcimpstw", "mount": "tLUo", "xl": "sC", "ssh": "ilopJFL"}


def _plain(words: tuple[str, ...], valued: str) -> list[str]:
    found, skip = [], False
    for word in words:
        if skip:
            skip = False
        elif word.startswith("-") and len(word) > 1:
            skip = not word.startswith("--") and word[-1] in valued
        else:
            found.append(word)
    return found


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt, and what was typed behind it, if anything."""

    host: str | None
    folder: str | None
    words: tuple[str, ...]


def prompt_of(text: str) -> Prompt | None:
    """The prompt at the beginning of a line, or a command that stands there without one; None where neither does."""
    line = text.strip()[:LONGEST_LINE]
    if named := _NAMED.fullmatch(line):
        folder = named["where"].strip(": ")
        return Prompt(named["host"], folder if folder.startswith("/") else None, words_of(named["command"] or ""))
    for pattern in (_BY_HOST, _BARE_PROMPT):
        found = pattern.fullmatch(line)
        words = words_of(found["command"]) if found else ()
        if found and _is_known(words):
            host = found.groupdict().get("host")
            return Prompt(None if host is None or _SHELL.fullmatch(host) else host, None, words)
    words = words_of(line)
    return Prompt(None, None, words) if _stands_alone(words, line) else None


def words_of(command: str) -> tuple[str, ...]:
    """The words of a command line up to its first pipe or `;`, without what only says how it is run."""
    try:
        words = shlex.split(command, comments=True)
    except ValueError:
        words = command.split()
    end = next((n for n, word in enumerate(words) if word in ("|", "||", "&&", ";", "&")), len(words))
    end = next((n + 1 for n, word in enumerate(words[:end]) if word.endswith(";")), end)
    words = [word.removesuffix(";") for word in words[:end]]
    while words and (words[0] in _BEFORE or re.fullmatch(r"[A-Z_]{1,40}=\S*", words[0])):
        before = words.pop(0)
        while before == "sudo" and words and words[0].startswith("-"):
            flag = words.pop(0)
            if flag in ("-u", "-g") and words:
                words.pop(0)
    return tuple(words)


def _is_known(words: tuple[str, ...]) -> bool:
    """Whether the first word is a program that one types in such a lab."""
    if not words:
        return False
    program = words[0].rpartition("/")[2]
    if program in ("xl", "xm") and len(words) > 1:
        return words[1] in _XL or words[1].startswith("-")
    return program in _PROGRAMS


def _stands_alone(words: tuple[str, ...], line: str) -> bool:
    """Whether a line without a prompt is a command, and no sentence that begins with its name."""
    if not 2 <= len(words) <= _MOST_WORDS or not line.isascii() or any(map(_SENTENCE.search, words)):
        return False
    program, *rest = words
    operands = [word for word in rest if not word.startswith("-")]
    flagged = len(operands) < len(rest)
    match program.rpartition("/")[2]:
        case "xl" | "xm":
            few = 4 if flagged else 2 + (rest[0] == "migrate")
            return rest[0] in _XL and len(operands) <= few
        case "mount" | "umount" | "ls" | "cat" | "cp" | "mv" | "scp" | "rsync":
            return all("/" in word or ":" in word or "." in word or "=" in word for word in operands) or (
                flagged and any("/" in word for word in operands)
            )
        case "ping" | "ping6" | "ssh":
            return (len(operands) == 1 or flagged) and any(c in operands[-1] for c in ".:@") if operands else False
        case "exportfs" | "showmount" | "findmnt":
            return flagged or (len(operands) == 1 and "/" in operands[0])
    return False
