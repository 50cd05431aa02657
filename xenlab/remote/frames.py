"""How commands and answers travel over a console that anything else may write to. Pure.

A small shell program of ours, the agent, is started on the console. It is sent a command in short lines of
base64, runs it with its output in files, and tells them in base64 between two marks that hold a nonce, with a
SHA-256 over all. Prompts, CRLF and kernel messages then cannot be taken for output, and an answer that something
was mixed into is asked for again, without running the command again.
"""

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass

# A terminal takes 4095 bytes a line (termios(3), canonical mode).
_CHUNK = 1024
ENTER = b"\r"

KEPT_BYTES = 1 << 20
"""Of each stream of a command, what travels over the console."""

READY = re.compile(r"xenlab-agent 2\s*$")
"""What the agent says when it starts and whenever it is sent an empty line."""

_ENDED = re.compile(r"(?P<code>[0-9]{1,3}|mangled)/(?P<out>[0-9]{1,18})/(?P<err>[0-9]{1,18})")
_BASE64_LINE = re.compile(r"^[A-Za-z0-9+/=]*$", re.MULTILINE)
# Ctrl-C must end the command alone: a trap, unlike ignoring, does not pass on to it; but it makes dash's read fail
# just as the end of input does, which is what `key` tells apart. The output's files are new ones each time: a
# background program may still hold the old. They lie where no disk is waited for.
_AGENT = r"""
export PATH="$PATH:/usr/sbin:/sbin" LC_ALL=C
unset TMOUT
was=$(stty -g) && f=$(mktemp -d -p /dev/shm 2>/dev/null || mktemp -d) || exit
trap 'rm -r "$f"; stty "$was"' EXIT
trap 'exit 1' HUP TERM
trap 'key=1' INT QUIT
stty -echo -opost icanon icrnl isig
run() {
    sum=$(printf %s "$sent" | base64 -d | tee "$f/command" | sha256sum)
    rm -f "$f/out" "$f/err"
    if [ "${sum%% *}" = "$1" ]; then
        sh "$f/command" </dev/null >"$f/out" 2>"$f/err"
        code=$?
    else
        : >"$f/out" >"$f/err"
        code=mangled
    fi
    set -- $(cd "$f" && wc -c out err)
    { echo "$code/$1/$3" && encode out && echo == && encode err && echo =; } >"$f/answer"
}
encode() { head -c KEPT_BYTES "$f/$1" | base64; }
tell() {
    printf '\n<%s\n' "$1"
    cat "$f/answer"
    sum=$(sha256sum <"$f/answer")
    printf '\n>%s %s\n' "$1" "${sum%% *}"
}
sent=
line=
while :; do
    case $line in
    '') printf '\nxenlab-agent 2\n' ;;
    '?'*) sent= && printf '\n?%s %s %s\n' "${line#?}" "${SUDO_USER:-$(id -un)}" "$(id -u)" ;;
    +*) sent=$sent${line#?} ;;
    !*) line=${line#?} && run "${line#* }" && tell "${line%% *}" && sent= ;;
    =*) tell "${line#?}" ;;
    .) exit ;;
    esac
    line= key=
    IFS= read -r line || [ "$key" ] || exit
done
""".replace("KEPT_BYTES", str(KEPT_BYTES))

LEAVE = b".\r"
"""Has the agent end: the console is then as it was before."""


@dataclass(frozen=True, slots=True)
class AgentAnswer:
    """What the agent tells of a command; `mangled` when it was not run, since it did not arrive as it was sent.

    `stdout_cut` and `stderr_cut` are the bytes that it wrote beyond `KEPT_BYTES`.
    """

    exit_code: int
    stdout: bytes
    stderr: bytes
    mangled: bool = False
    stdout_cut: int = 0
    stderr_cut: int = 0


STARTING = re.compile(r"xenlab-starts\s*\Z")
"""What `start` prints once it reads the agent's text."""


def start(*, instead_of_shell: bool, prompt: str = "") -> bytes:
    """The line that has any shell read the agent's text, `program`; `instead_of_shell` ends the login with it.

    With a `prompt`, which must hold a %, sudo asks for a password by these words, and the agent runs as root.
    """
    # Short, since busybox edits no line over 1024 characters. The space in front keeps it out of the histories that
    # heed one; `printf` keeps its echo from looking like its answer.
    read = 'while read -r l && [ "$l" != . ]; do a=$a$l; done'
    words = f'printf "xenlab-%s\\n" starts; a=; {read}; eval "$(echo $a | base64 -d)"'
    # sudo shows %% as %, which the line's echo does not.
    sudo = f"sudo -k -p '{prompt.replace('%', '%%')}' " if prompt else ""
    return f" {'exec ' if instead_of_shell else ''}{sudo}sh -c '{words}'\r".encode()


def program() -> bytes:
    """The agent's text; it says `READY` once it runs."""
    return f"{_lines('', _AGENT.encode())}.\r".encode()


def _lines(mark: str, data: bytes) -> str:
    text = base64.b64encode(data).decode()
    return "".join(f"{mark}{text[at : at + _CHUNK]}\r" for at in range(0, len(text), _CHUNK))


def question(nonce: str) -> bytes:
    """Ask the agent whether it is there, and as whom."""
    return f"?{nonce}\r".encode()


def answered(nonce: str) -> re.Pattern[str]:
    """The agent's answer to `question`: `user` is whose login it runs for, `uid` as whom."""
    return re.compile(rf"\?{nonce} (?P<user>\S+)(?: (?P<uid>[0-9]+))?\n")


def command(script: str, nonce: str) -> bytes:
    """Have the agent run a script for sh and tell the answer.

    It should end in `exec`: the agent then waits for the program itself, whatever a key does to a shell between them.
    """
    data = script.encode()
    return f"{_lines('+', data)}!{nonce} {hashlib.sha256(data).hexdigest()}\r".encode()


def again(nonce: str) -> bytes:
    """Have the agent tell its last answer once more."""
    return f"={nonce}\r".encode()


def begin(nonce: str) -> bytes:
    """What stands before an answer: the command has ended."""
    return f"<{nonce}".encode()


def end(nonce: str) -> re.Pattern[bytes]:
    """What stands after an answer: its digest."""
    return re.compile(rf">{nonce} [0-9a-f]{{64}}".encode())


def read(received: bytes, nonce: str) -> AgentAnswer | None:
    """The answer in what was received, or None when it is not there whole and unchanged."""
    text = received.decode("ascii", errors="replace").replace("\r", "")
    # A kernel message (printk's time in brackets) may come within a line and goes on to the end of one.
    for shown in (text, re.sub(r"\[ *\d+\.\d+\][^\n]*(\n|\Z)", "", text)):
        body, found, rest = shown.partition(f"<{nonce}\n")[2].partition(f"\n>{nonce} ")
        if not found:
            continue
        # Other programs' messages come in lines of their own.
        for answer in (body, "\n".join(_BASE64_LINE.findall(body))):
            if hashlib.sha256(answer.encode()).hexdigest() == rest[:64]:
                return _answer(answer)
    return None


def _answer(text: str) -> AgentAnswer | None:
    head, _, rest = text.partition("\n==\n")
    first, _, out = head.partition("\n")
    said = _ENDED.fullmatch(first)
    if said is None or not rest.endswith("=\n"):
        return None  # the guest had no room to write it down, or it was not our agent that did
    err = rest.removesuffix("=\n")
    try:
        stdout, stderr = (base64.b64decode(stream.replace("\n", "")) for stream in (out, err))
    except binascii.Error:
        return None
    if said["code"] == "mangled":
        return AgentAnswer(-1, b"", b"", mangled=True)
    cut = (max(0, int(said[size]) - len(stream)) for size, stream in (("out", stdout), ("err", stderr)))
    return AgentAnswer(int(said["code"]), stdout, stderr, False, *cut)
