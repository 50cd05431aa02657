"""Login shells of every kind: those that greet, those that are none, and what may be run as whom."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from sshd import LIMITS, Sshd

from xenlab.errors import CannotObserve
from xenlab.remote import errors
from xenlab.remote.host import RemoteHost
from xenlab.remote.login import Login
from xenlab.remote.record import CommandRecord
from xenlab.remote.shell import Shell, probe, read_probe

Records = list[CommandRecord]
AWKWARD = [
    *("a b", "$HOME", "`id`", "'", '"', "*", ";true", "", "a\nb\n", "Füße", "-n", "\\", "\\n", "!!", "a!b\n\n'\n\\\n!"),
    *("%s", "~", "{a,b}", "=ls", "^x^y", "#", "$_nl", "\t", "a\\'b"),
]
SHELLS = ["sh", "dash", "bash", "busybox", "zsh", "mksh", "tcsh", "bsd-csh", "csh", "fish"]


def greeting(words: str) -> list[str]:
    """A login shell that runs every command after words of its own."""
    return ["bash", "-c", f'{words}; eval "$0"']


@pytest.mark.parametrize("shell", SHELLS)
def test_any_login_shell_will_do(host: RemoteHost, sshd: Sshd, shell: str) -> None:
    if not (found := shutil.which(shell)):
        pytest.skip(f"no {shell} here")
    sshd.login_shell = [found, *(["sh"] if shell == "busybox" else []), "-c"]
    assert host.run("printf", "%s|", *AWKWARD).stdout == "".join(f"{word}|" for word in AWKWARD)
    assert (
        host.run("sh", "-c", 'printf "%s\\n" "$1"; echo "$LC_ALL ${PATH##*:}" >&2; exit 3', "sh", "a!b").stdout
        == "a!b\n"
    )
    assert host.run("cat", stdin="to the end\n").stdout == "to the end\n"
    assert host.testinfra.file("/etc/passwd").exists


@pytest.mark.parametrize(
    "words",
    [
        "cat noise",
        "echo Hello >&1; cat >&2 noise",
        "printf 'no line end'",
        "echo",
        "printf '\\033[31mred\\n'",
        'echo "$0"',
        "date +%N",
    ],
)
def test_what_a_login_prints_is_none_of_a_commands_and_never_becomes_a_command(
    login: Login, sshd: Sshd, tmp_path: Path, words: str
) -> None:
    (tmp_path / "noise").write_text("Hello\ntouch executed-by-root\nsee > notes\n")
    (tmp_path / "notes").write_text("keep")
    sshd.login_shell = greeting(f"cd {tmp_path}; {words}")
    records: Records = []
    host = RemoteHost("baye", login, lambda record: records.append(record) or "", limits=LIMITS)  # type: ignore[func-returns-value]
    for _ in range(2):
        assert host.run("printf", "%s", "a\nb").stdout == "a\nb"
        assert host.run("cat", stdin="to the end\n").stdout == "to the end\n"
    assert not (tmp_path / "executed-by-root").exists()
    assert (tmp_path / "notes").read_text() == "keep"
    assert [record.stdout for record in records] == ["a\nb", "to the end\n"] * 2
    pinned = host.pinned_connection()
    echo = pinned.echo(0.01)
    assert echo.wait_for_more(5)
    assert echo.finish(5).whole
    pinned.close()
    host.close()


def test_a_login_that_prints_after_each_command_is_not_used(login: Login, sshd: Sshd) -> None:
    sshd.login_shell = ["sh", "-c", 'sh -c "$0"; echo Bye']
    with pytest.raises(errors.NoisyLogin, match=r"root on baye prints words .* 'Bye'") as noise:
        RemoteHost("baye", login, lambda _: "", limits=LIMITS).run("uname", "-n")
    assert "not interactive" in noise.value.hint
    assert isinstance(noise.value, CannotObserve)


def test_words_on_stderr_are_none_of_a_commands(host: RemoteHost, sshd: Sshd, records: Records) -> None:
    warning = "bash: warning: setlocale: LC_ALL: cannot change locale (C.UTF-8)"
    sshd.login_shell = greeting(f"echo '{warning}' >&2")
    assert host.run("true").stderr == ""
    with pytest.raises(errors.RemoteCommandFailed) as failure:
        host.run("cat", "/no/such/file").check()
    assert failure.value.actual == "cat: /no/such/file: No such file or directory"
    assert records[-1].stderr == "cat: /no/such/file: No such file or directory\n"
    assert host.run("sh", "-c", f"echo '{warning}' >&2").stderr == f"{warning}\n"


@pytest.mark.parametrize(
    ("shell", "words"),
    [
        (["sh", "-c", "echo 'This account is currently not available.'; exit 1"], "This account is currently"),
        (["sh", "-c", "echo 'git> ' >&2; exit 128"], "git>"),
        (["true"], "nothing"),
        (["sh", "-c", "echo baye"], "baye"),
    ],
    ids=["nologin", "git-shell", "silent", "forced command"],
)
def test_a_login_that_runs_no_commands_is_told_by_its_words(
    host: RemoteHost, sshd: Sshd, records: Records, shell: list[str], words: str
) -> None:
    sshd.login_shell = shell
    with pytest.raises(errors.NotAShell, match=f"the login of root on baye runs no commands: .*{words}") as refusal:
        host.run("uname", "-n")
    assert "ForceCommand" in refusal.value.hint
    assert records == []


def test_a_login_shell_that_never_ends_is_bounded(login: Login, sshd: Sshd) -> None:
    sshd.login_shell = ["sh", "-c", "sleep 5"]
    limits = replace(LIMITS, channel=0.5)
    host = RemoteHost("baye", login, lambda _: "", limits=limits)
    with pytest.raises(errors.CommandTimedOut, match=r"`the login shell of root on baye` did not end within 0\.5 s"):
        host.run("true")


# As whom commands run


@pytest.fixture
def as_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Have `id -u` say that we are an ordinary user, and sudo be what the returned script says."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, text in {
        "id": "echo 1000",
        "sudo": 'echo sudo "$@" >>"$SUDO_LOG"; [ "$1" = -k ] && shift; shift; exec "$@"',
    }.items():
        (folder / name).write_text(f"#!/bin/sh\n{text}\n")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("SUDO_LOG", str(tmp_path / "sudo.log"))
    monkeypatch.setenv("PATH", f"{folder}:/usr/sbin:/usr/bin:/sbin:/bin")
    return folder / "sudo"


def test_root_needs_no_sudo(host: RemoteHost, sshd: Sshd) -> None:
    assert host.run("true").ok
    assert host.runs_as_root()
    assert "sudo" not in sshd.commands[-1]
    assert len(sshd.commands) == 2


def test_sudo_is_used_where_it_asks_nothing(host: RemoteHost, sshd: Sshd, as_user: Path, tmp_path: Path) -> None:
    assert host.run("printf", "%s|", *AWKWARD).stdout == "".join(f"{word}|" for word in AWKWARD)
    assert host.runs_as_root()
    assert host.run("sh", "-c", "exit 4").exit_code == 4
    host.write_file(str(tmp_path / "file"), b"data")
    assert host.read_bytes(str(tmp_path / "file")) == b"data"
    assert host.testinfra.file(str(tmp_path / "file")).exists
    log = (tmp_path / "sudo.log").read_text().splitlines()
    assert {line.partition(" sh ")[0] for line in log if " sh " in line} == {"sudo -k -n", "sudo -n"}
    assert len(log) >= len(sshd.commands) - 1
    # The pinned connection knows it without asking again.
    pinned = host.pinned_connection()
    asked = len(sshd.commands)
    assert pinned.run("echo", "a b").stdout == "a b\n"
    assert len(sshd.commands) == asked + 1
    assert "sudo -n" in sshd.commands[-1]
    pinned.close()


def test_what_sudo_says_each_time_is_none_of_a_commands(host: RemoteHost, as_user: Path) -> None:
    as_user.write_text(
        '#!/bin/sh\necho "sudo: unable to resolve host baye" >&2\n[ "$1" = -k ] && shift; shift; exec "$@"\n'
    )
    result = host.run("sh", "-c", "echo mine >&2")
    assert result.stderr == "mine\n"
    assert host.runs_as_root()


def test_a_sudo_that_asks_for_a_password_is_left_alone(host: RemoteHost, sshd: Sshd, as_user: Path) -> None:
    as_user.write_text('#!/bin/sh\necho "sudo: a password is required" >&2\nexit 1\n')
    result = host.run("sh", "-c", "echo mine; echo words >&2")
    assert (result.stdout, result.stderr) == ("mine\n", "words\n")
    assert not host.runs_as_root()
    assert "sudo" not in sshd.commands[-1]


def test_sudo_can_be_forbidden(login: Login, sshd: Sshd, as_user: Path, tmp_path: Path) -> None:
    host = RemoteHost("baye", replace(login, sudo=False), lambda _: "", limits=LIMITS)
    assert host.run("true").ok
    assert not host.runs_as_root()
    assert not (tmp_path / "sudo.log").exists()
    host.close()


# The answer, read


def test_only_what_lies_between_the_marks_is_the_answer() -> None:
    def read(stdout: str) -> Shell:
        return read_probe("abcd", stdout, b"", account="root on baye")

    assert read("abcd\ntimeout -k 5\nroot\nabcd\n") == Shell(("timeout", "-k", "5"), True, False)
    assert read("abcd\n\nsudo\nabcd\n") == Shell((), True, True)
    assert read("abcd\ntimeout\nuser\nabcd\n") == Shell(("timeout",), False, False)
    assert read("x\nabcd\n\nroot\nabcd\n") == Shell((), True, False, b"", "abcd")
    for noisy in (
        "abcd\n\nroot\nabcd\nx",
        "abcd\nx\n\nroot\nabcd\n",
        "abcd\n\nrm -rf\nabcd\n",
    ):
        with pytest.raises(errors.NoisyLogin):
            read(noisy)
    for none in ("", "abcd\n\nroot\n", "\n\nroot\n"):
        with pytest.raises(errors.NotAShell):
            read(none)


def test_a_shell_that_repeats_its_commands_cannot_repeat_the_mark() -> None:
    assert "0123456789abcdef" not in probe("0123456789abcdef", sudo=True)


def test_a_command_that_is_left_running_is_not_bounded_there() -> None:
    shell = Shell(("timeout", "-k", "5"))
    assert "timeout -k 5 62 xl" in shell.line(("xl", "list"), 59.5)
    assert shell.line(("xl", "migrate"), None).endswith("; exec xl migrate'")
