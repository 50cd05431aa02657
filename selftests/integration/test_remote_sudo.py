"""A sudo that asks for a password, in all ways in which commands are run: who is sent it, when, and how often."""

import os
import shlex
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from playedsudo import PASSWORD, PlayedSudo
from sshd import LIMITS, Sshd

from xenlab.evidence.recorder import Journal
from xenlab.remote import errors
from xenlab.remote.host import RemoteHost
from xenlab.remote.login import Login
from xenlab.remote.sections import Section, answers, script

AWKWARD = ["a b", "$HOME", "'", '"', "*", "", "a\nb\n", "%%", "\\", "!!", "%p"]
# Arguments and environment of the command and of what has started it, up to this process.
ABOVE = r"""
p=$$
until [ "$p" = "$1" ]; do
    tr '\0' '\n' <"/proc/$p/cmdline" && tr '\0' '\n' <"/proc/$p/environ" || exit
    p=$(sed -n 's/^PPid:[^0-9]*//p' "/proc/$p/status")
done
"""
Open = Callable[..., RemoteHost]


@pytest.fixture
def sudo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PlayedSudo:
    played = PlayedSudo(tmp_path / "bin")
    played.put_in_front(monkeypatch)
    return played


@pytest.fixture
def journal() -> Journal:
    return Journal()


@pytest.fixture
def logged_in(login: Login, sudo: PlayedSudo, journal: Journal) -> Iterator[Open]:
    opened: list[RemoteHost] = []

    def open_host(password: str | None = PASSWORD, limits: object = LIMITS) -> RemoteHost:
        user = replace(login, user="student", sudo_password=password)
        opened.append(RemoteHost("baye", user, journal.append, limits=limits, timeout=10))  # type: ignore[arg-type]
        return opened[-1]

    yield open_host
    for host in opened:
        host.close()


@pytest.mark.parametrize("shell", ["sh", "bash", "dash", "busybox", "tcsh", "fish"])
def test_commands_run_as_root_and_nothing_is_mixed_into_what_they_say(
    logged_in: Open, sshd: Sshd, tmp_path: Path, shell: str
) -> None:
    if not (found := shutil.which(shell)):
        pytest.skip(f"no {shell} here")
    sshd.login_shell = [found, *(["sh"] if shell == "busybox" else []), "-c"]
    host = logged_in()
    assert host.runs_as_root()
    assert host.run("id", "-u").stdout == "0\n"
    assert host.run("printf", "%s|", *AWKWARD).stdout == "".join(f"{word}|" for word in AWKWARD)
    ended = host.run("sh", "-c", "echo said; echo words >&2; exit 4")
    assert (ended.stdout, ended.stderr, ended.exit_code) == ("said\n", "words\n", 4)
    host.write_file(str(tmp_path / "file"), b"first\nsecond\n")
    assert host.read_bytes(str(tmp_path / "file")) == b"first\nsecond\n"
    assert host.testinfra.file(str(tmp_path / "file")).exists
    sections = [Section("one", ("cat",)), Section("two", ("id", "-u"))]
    both = host.run(*script(sections, "abcd"))
    assert answers(sections, "abcd", both.stdout, both.stderr)["two"].stdout == "0\n"


def test_the_password_is_in_no_argument_no_environment_and_no_record(
    logged_in: Open, sshd: Sshd, sudo: PlayedSudo, journal: Journal, tmp_path: Path
) -> None:
    host = logged_in()
    seen = host.run("sh", "-c", ABOVE, "sh", str(os.getpid()))
    assert "sudo\n-k\n-S\n" in seen.stdout
    host.run("cat", stdin="mine\n")
    host.write_file(str(tmp_path / "file"), b"data")
    told = "\n".join([seen.stdout, *sudo.calls, *sshd.commands, repr(journal.entries), repr(host)])
    assert PASSWORD not in told
    assert shlex.quote(PASSWORD) not in told
    assert repr(PASSWORD)[1:-1] not in told


@pytest.mark.parametrize("state", ["remembered", "asks-nothing"])
def test_a_sudo_that_asks_nothing_after_all_leaves_no_password_in_what_a_command_reads(
    logged_in: Open, sudo: PlayedSudo, state: str
) -> None:
    host = logged_in()
    assert host.runs_as_root()
    sudo.set(state)
    assert host.run("cat", stdin="mine\n").stdout == "mine\n"
    assert host.run("cat").stdout == ""


def test_a_password_that_was_typed_lately_is_not_taken_for_none_being_asked(logged_in: Open, sudo: PlayedSudo) -> None:
    sudo.set("remembered")
    assert logged_in(None).runs_as_root() is False
    host = logged_in()
    assert host.run("id", "-u").stdout == "0\n"
    assert any("-S" in call for call in sudo.calls)


def test_nothing_is_remembered_for_the_user(logged_in: Open, sudo: PlayedSudo) -> None:
    assert logged_in().run("true").ok
    assert not sudo.is_so("remembered")


def test_the_lecture_is_none_of_a_commands(logged_in: Open, sudo: PlayedSudo, journal: Journal) -> None:
    host = logged_in()
    assert host.runs_as_root()
    assert sudo.is_so("lectured")
    (sudo.folder / "state" / "lectured").unlink()
    assert host.run("sh", "-c", "echo mine >&2").stderr == "mine\n"
    assert sudo.is_so("lectured")
    assert "lecture" not in repr(journal.entries)


def test_a_wrong_password_is_told_and_tried_once(logged_in: Open, sudo: PlayedSudo, journal: Journal) -> None:
    host = logged_in("wrong")
    for _ in range(3):
        with pytest.raises(errors.SudoRefused, match="student on baye: sudo does not take the password") as refusal:
            host.run("cat", stdin="a line\nand another\nand more\n")
        assert "\n" not in str(refusal.value)
    assert sudo.failures == 1
    assert "wrong" not in repr(journal.entries)


def test_a_password_that_is_wrong_by_now_is_tried_once_and_is_no_answer_of_a_command(
    logged_in: Open, sudo: PlayedSudo, journal: Journal
) -> None:
    host = logged_in()
    assert host.run("true").ok
    (sudo.folder / "state" / "password").write_text("another")
    for _ in range(3):
        with pytest.raises(errors.SudoRefused, match="does not take the password"):
            host.run("cat", stdin="a line\nand another\nand more\n")
    assert sudo.failures == 1
    assert PASSWORD not in repr(journal.entries)


def test_without_a_password_commands_run_as_the_user(logged_in: Open, sudo: PlayedSudo) -> None:
    host = logged_in(None)
    assert host.run("id", "-u").stdout == "1000\n"
    assert not host.runs_as_root()
    assert sudo.calls == ["-k -n sh -c :"]


@pytest.mark.parametrize(
    ("state", "words", "hint"),
    [
        ("needs-terminal", "sudo runs on a terminal only there: sorry, you must have a tty", "!requiretty"),
        ("unlisted", "sudo refuses: student is not in the sudoers file", "sudoers"),
    ],
)
def test_what_sudo_has_against_it_is_told_with_its_remedy(
    logged_in: Open, sudo: PlayedSudo, state: str, words: str, hint: str
) -> None:
    sudo.set(state)
    with pytest.raises(errors.SudoRefused, match=f"student on baye: {words}") as refusal:
        logged_in().run("true")
    assert hint in refusal.value.hint
    assert sudo.failures == 0


def test_a_prompt_of_other_words_is_not_answered_but_told(logged_in: Open, sudo: PlayedSudo) -> None:
    sudo.set("own-prompt")
    host = logged_in(limits=replace(LIMITS, channel=1.0))
    with pytest.raises(
        errors.SudoRefused, match=r"nothing through within 1 s; it says 'Password for student@LAB:'"
    ) as told:
        host.run("true")
    assert "passprompt_override" in told.value.hint
    # It may have been the machine that was slow: no password was refused, and guests may have to be brought home.
    tried = len(sudo.calls)
    with pytest.raises(errors.SudoRefused, match="nothing through within 1 s"):
        host.run("true")
    assert len(sudo.calls) > tried
    assert sudo.failures == 0


def test_a_login_that_repeats_its_commands_gets_no_password(logged_in: Open, sshd: Sshd, sudo: PlayedSudo) -> None:
    sshd.login_shell = ["bash", "-c", 'echo "$0" >&2; sleep 0.2; eval "$0"']
    host = logged_in()
    assert host.run("cat", stdin="mine\n").stdout == "mine\n"
    sudo.set("asks-nothing")
    assert host.run("cat", stdin="mine\n").stdout == "mine\n"


def test_a_login_that_greets_is_told_from_sudo_as_well(logged_in: Open, sshd: Sshd) -> None:
    sshd.login_shell = ["bash", "-c", 'echo Hello; echo hello >&2; eval "$0"']
    ended = logged_in().run("sh", "-c", "cat; echo words >&2", stdin="mine\n")
    assert (ended.stdout, ended.stderr) == ("mine\n", "words\n")


def test_what_outlives_its_command_is_started_as_root(logged_in: Open, tmp_path: Path) -> None:
    host = logged_in()
    file = tmp_path / "later"
    begun = host.run(
        "sh", "-c", 'setsid sh -c "sleep 0.3; id -u >$1" sh "$1" </dev/null >/dev/null 2>&1 &', "sh", str(file)
    )
    assert begun.ok
    host.run("sh", "-c", 'for _ in 1 2 3 4 5 6 7 8 9 10; do [ -s "$1" ] && exit; sleep 0.2; done', "sh", str(file))
    assert file.read_text() == "0\n"
    assert host.run("sleep", "0.1", timeout=5.0, leave_running=True).ok


def test_a_command_that_outlives_its_time_is_ended_as_ever(logged_in: Open) -> None:
    host = logged_in()
    assert host.runs_as_root()
    with pytest.raises(errors.CommandTimedOut):
        host.run("sh", "-c", "echo begun; sleep 30", timeout=1.0)
    assert host.run("echo", "next").stdout == "next\n"


def test_an_echo_and_a_connection_of_its_own_go_through_sudo(logged_in: Open, sudo: PlayedSudo) -> None:
    host = logged_in()
    pinned = host.pinned_connection()
    assert pinned.run("id", "-u").stdout == "0\n"
    echo = pinned.echo(0.01)
    assert echo.wait_for_more(5)
    done = echo.finish(5)
    assert done.whole
    assert done.sent > 0
    assert sudo.failures == 0
    pinned.close()


@pytest.mark.parametrize("state", ["", "asks-nothing"])
def test_a_program_on_a_terminal_is_let_through_before_any_key_is_pressed(
    logged_in: Open, sshd: Sshd, sudo: PlayedSudo, state: str
) -> None:
    host = logged_in()
    assert host.runs_as_root()
    if state:
        sudo.set(state)
    sshd.login_shell = ["script", "-q", "/dev/null", "-c"]
    terminal = host.terminal("sh", "-c", 'stty -echo; printf "as %s: " "$(id -u)"; read -r line; printf "<%s>" "$line"')
    terminal.settimeout(10)
    shown = b""
    while b": " not in shown:
        shown += terminal.recv(100)
    terminal.sendall(b"a key\n")
    while data := terminal.recv(100):
        shown += data
    assert shown.decode().split() == ["as", "0:", "<a", "key>"]
    assert PASSWORD not in shown.decode()


def test_a_wrong_password_on_a_terminal_is_tried_once(logged_in: Open, sshd: Sshd, sudo: PlayedSudo) -> None:
    host = logged_in()
    assert host.runs_as_root()
    (sudo.folder / "state" / "password").write_text("another")
    sshd.login_shell = ["script", "-q", "/dev/null", "-c"]
    with pytest.raises(errors.SudoRefused, match="does not take the password"):
        host.terminal("cat")
    assert sudo.failures == 1


def test_a_host_that_says_the_password_back_is_not_quoted(logged_in: Open, sudo: PlayedSudo, journal: Journal) -> None:
    journal.add_secret(PASSWORD)
    (sudo.folder / "sudo").write_text(
        "#!/bin/sh\n[ \"$2\" = -n ] && { echo 'sudo: a password is required' >&2; exit 1; }\n"
        'printf "$4" >&2; read -r said; echo "no: $said" >&2; exit 1\n'
    )
    with pytest.raises(errors.SudoRefused) as refusal:
        logged_in("plain-word").run("true")
    assert "plain-word" not in str(refusal.value)
    assert "********" in str(refusal.value)
    assert os.environ["PATH"].startswith(str(sudo.folder))
