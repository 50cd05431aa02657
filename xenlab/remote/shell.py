"""Command lines for whatever login shell an account has. Pure.

sshd gives a command to the account's login shell, which may be bash, tcsh or fish, greets whoever logs in, or is no
shell at all. So every command goes to `sh` in words that all shells read alike, and the first one asks, between
marks of its own, how commands can be run there: what stands outside the marks is noise, and never becomes part of a
command line.
"""

import math
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace

from xenlab.remote.errors import NoisyLogin, NotAShell

# xl lives in /usr/sbin, which is not on every user's path. Parsers need messages in plain English: C is the one
# locale that every host has (bash complains on stderr of one that it has not), and names pass through it as bytes.
_SURROUNDINGS = 'export PATH="$PATH:/usr/sbin:/sbin" LC_ALL=C'
TIMEOUT = "XENLAB_TIMEOUT"
"""The variable that tells a script which timeout(1) its host has: the words of `Shell.timeout`."""
# The remote side ends a process a little after this side has given up, so that the two never race.
GRACE_SECONDS = 2
# coreutils and new busybox know -k, older busybox does not, and some guests have no timeout(1) at all. What sudo
# says although it works (that it cannot resolve the host's name, say) is shown, since it says it every time. With -k it
# forgets for this once that the user has typed a password lately: that would not last as long as a run.
# The mark is sent in two parts, so that a shell that repeats its commands cannot repeat the mark.
_PROBE = """
printf '%s%s\\n' "$2" "$3"
if timeout -k 1 5 true 2>/dev/null; then echo "timeout -k 5"
elif timeout 5 true 2>/dev/null; then echo timeout
else echo
fi
said=
if [ "$(id -u)" = 0 ]; then echo root
elif [ "$1" = sudo ] && said=$(LC_ALL=C sudo -k -n sh -c : 2>&1 </dev/null); then
    echo sudo
    [ -z "$said" ] || echo "$said" >&2
else
    echo user
    [ -z "$said" ] || printf '%s\\n' "$said" | tail -n 1
fi
printf '%s%s\\n' "$2" "$3"
"""


@dataclass(frozen=True, slots=True)
class Shell:
    """How commands are run for one login.

    `timeout` is the timeout(1) to put before a command, () where the host has none; `is_root` whether commands run
    as root, with `sudo` through `sudo -n`, and where it is not root, `refused` is what sudo said. `noise` is what the
    login puts on stderr before each command. A login that prints on stdout before each command has a `mark`, which
    stands between that and what the command prints.

    With a `prompt` sudo asks for a password, by these words. Each command begins with the mark then, on both streams,
    and what stands before it is sudo's: that tells for certain whether sudo let it through, and when its own input
    may be sent.
    """

    timeout: tuple[str, ...] = ()
    is_root: bool = True
    sudo: bool = False
    noise: bytes = b""
    mark: str = ""
    refused: str = ""
    prompt: str = ""

    def by_password(self, nonce: str) -> "Shell":
        """The same login, its commands run by a sudo that asks for the password; `nonce` must be fresh."""
        half = len(nonce) // 2
        mark, prompt = self.mark or nonce[:half], f"{nonce[:half]}%{nonce[half:]}"
        return replace(self, is_root=True, sudo=True, mark=mark, refused="", prompt=prompt)

    def script(self, argv: Sequence[str], seconds: float | None, *, on_terminal: bool = False) -> str:
        """The script for sh that becomes a program, ended there `GRACE_SECONDS` after `seconds`.

        None: never ended there. On a terminal, where both streams are one, the mark comes once.
        """
        bound = [*self.timeout, str(math.ceil(seconds) + GRACE_SECONDS)] if self.timeout and seconds is not None else []
        surroundings = f'{_SURROUNDINGS} {TIMEOUT}="{" ".join(self.timeout)}"'
        marking = self._marking + (self._marking.replace(";", " >&2;") if self.prompt and not on_terminal else "")
        script = f"{surroundings}; {marking}exec {shlex.join([*bound, *argv])}"
        # sudo comes first: a timeout(1) without root's rights could not end what runs with them.
        if not self.prompt:
            return f"exec {shlex.join(['sudo', '-n', 'sh', '-c', script])}" if self.sudo else script
        # With -k no password that was typed before counts, and this one will count for no other command. sudo shows
        # %% as %, so that a shell that repeats its commands cannot repeat the prompt.
        asking = ["sudo", "-k", "-S", "-p", self.prompt.replace("%", "%%"), "sh", "-c", script]
        return f"export LC_ALL=C; exec {shlex.join(asking)}"

    def line(self, argv: Sequence[str], seconds: float | None, *, on_terminal: bool = False) -> str:
        """The line for the login shell that does the same."""
        return _through_sh(self.script(argv, seconds, on_terminal=on_terminal))

    def after_mark(self, stdout: bytes) -> bytes | None:
        """What the command has printed; None where the mark has not come yet."""
        if not self.mark:
            return stdout
        _, mark, rest = stdout.partition(f"{self.mark}\n".encode())
        return rest if mark else None

    def own_errors(self, stderr: bytes) -> bytes:
        """What of stderr is the command's own, and neither the login's nor sudo's."""
        if not self.prompt:
            return stderr.removeprefix(self.noise)
        return stderr.partition(f"{self.mark}\n".encode())[2]

    @property
    def _marking(self) -> str:
        half = len(self.mark) // 2
        return f"printf '%s%s\\n' {self.mark[:half]} {self.mark[half:]}; " if self.mark else ""


def probe(nonce: str, *, sudo: bool) -> str:
    """The line that asks a login shell how commands can be run; `sudo`: whether sudo may be used."""
    return _through_sh(probe_script(nonce, sudo=sudo))


def probe_script(nonce: str, *, sudo: bool) -> str:
    """The script for sh that asks the same."""
    half = len(nonce) // 2
    return f"exec {shlex.join(['sh', '-c', _PROBE, 'sh', 'sudo' if sudo else '', nonce[:half], nonce[half:]])}"


def read_probe(nonce: str, stdout: str, stderr: bytes, *, account: str) -> Shell:
    """Read the answer to `probe`; `account` is whose login it is ("root on baye"), for the errors' words.

    :raises NotAShell: there is no answer in it.
    :raises NoisyLogin: there is more after the answer, or in it.
    """
    mark = f"{nonce}\n"
    before, found, rest = stdout.partition(mark)
    answer, closed, after = rest.partition(mark)
    if not (found and closed):
        said = _first_line(before) or _first_line(stderr.decode(errors="replace"))
        raise NotAShell(
            f"the login of {account} runs no commands: it answers {said or 'nothing'!r}",
            hint="give it a login shell (getent passwd shows which it has), and see that no command= in its "
            "authorized_keys and no ForceCommand in sshd_config stands before it",
        )
    match answer.splitlines():
        case [timeout, "root" | "sudo" | "user" as user, *words] if not after and (not words or user == "user"):
            mark, refused = (nonce if before else ""), " ".join(words)
            return Shell(tuple(timeout.split()), user != "user", user == "sudo", stderr, mark, refused)
    said = _first_line(after or answer)
    raise NoisyLogin(
        f"the login of {account} prints words of its own with every command: {said!r}",
        hint="keep its .bashrc (or what its shell reads) silent in sessions that are not interactive: begin it with "
        "`case $- in *i*) ;; *) return;; esac`",
    )


def _first_line(text: str) -> str:
    return next((line.strip()[:160] for line in text.splitlines() if line.strip()), "")


def _through_sh(script: str) -> str:
    """A line that has any login shell replace itself by `sh`, which runs `script`.

    Newlines in `script` must stand within single quotes, as `shlex.quote` has them.
    """
    if "\n" in script:
        # csh takes no newline in quotes.
        script = "_nl=$(printf '\\012x'); _nl=${_nl%x}; " + script.replace("\n", "'\"$_nl\"'")
    return f"exec sh -c {_quoted(script)}"


def _quoted(text: str) -> str:
    """Quote `text` for sh, csh and fish alike.

    Within single quotes csh still heeds !, and fish the backslash; both are themselves after a backslash outside.
    """
    special = {"'": "'\"'\"'", "!": "'\\!'", "\\": "'\\\\'"}
    return f"'{''.join(special.get(char, char) for char in text)}'"
