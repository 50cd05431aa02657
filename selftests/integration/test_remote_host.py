"""Remote hosts, against a real SSH server in this process that runs its commands with sh."""

import contextlib
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, timedelta
from pathlib import Path

import pytest
from sshd import LIMITS, Sshd

from xenlab.errors import LabFault
from xenlab.remote import errors, shell
from xenlab.remote.activity import show_activity
from xenlab.remote.echoed import Echoed
from xenlab.remote.host import RemoteHost
from xenlab.remote.login import Login
from xenlab.remote.record import CommandRecord
from xenlab.remote.result import CommandResult
from xenlab.remote.waiting import wait_for

Records = list[CommandRecord]


def script(host: RemoteHost, text: str, *args: str, timeout: float | None = None) -> CommandResult:
    return host.run("sh", "-c", text, "sh", *args, timeout=timeout)


def test_arguments_arrive_as_they_were_given(host: RemoteHost) -> None:
    awkward = ["a b", "$HOME", "`id`", "'", '"', "*", ";true", "", "a\nb", "Füße", "-n", "\\"]
    result = host.run("printf", "%s|", *awkward)
    assert result.ok
    assert result.stdout == "".join(f"{word}|" for word in awkward)


def test_a_command_is_recorded(host: RemoteHost, records: Records) -> None:
    before = time.monotonic()
    host.run("sh", "-c", "echo out; echo err >&2; exit 3")
    (record,) = records
    assert (record.host, record.exit_code, record.stdout, record.stderr) == ("baye", 3, "out\n", "err\n")
    assert record.command == "sh -c 'echo out; echo err >&2; exit 3'"
    assert record.started.utcoffset() == timedelta(0)
    assert record.started.tzinfo is UTC
    assert before <= record.monotonic <= time.monotonic()
    assert 0 < record.seconds < 5
    assert not record.timed_out


def test_what_runs_is_shown_without_whole_scripts(host: RemoteHost) -> None:
    shown: list[str] = []

    def listener(what: str) -> contextlib.AbstractContextManager[None]:
        shown.append(what)
        return contextlib.nullcontext()

    with show_activity(listener):
        host.run("echo", "a b")
        script(host, "exit 0", "/srv/private", "x y")
    assert shown == ["baye: echo 'a b'", "baye: sh … /srv/private 'x y'"]


def test_much_on_both_streams_does_not_hang(host: RemoteHost) -> None:
    result = script(host, "head -c 4000000 /dev/zero >&2; head -c 4000000 /dev/zero", timeout=5)
    assert result.ok
    assert (len(result.stdout), len(result.stderr)) == (4000000, 4000000)


def test_standard_input(host: RemoteHost) -> None:
    assert host.run("wc", "-c", stdin="x" * 3_000_000).stdout.strip() == "3000000"
    assert host.run("cat").stdout == ""
    assert host.run("true", stdin="x" * 3_000_000).ok


def test_output_that_is_not_utf8(host: RemoteHost) -> None:
    assert script(host, r"printf 'caf\351'").stdout == "caf\N{REPLACEMENT CHARACTER}"


def test_messages_are_in_plain_english(host: RemoteHost) -> None:
    assert script(host, 'echo "$LC_ALL ${PATH##*:}"').stdout == "C /sbin\n"


def test_a_timeout_is_bounded_and_recorded_and_leaves_the_connection_usable(
    host: RemoteHost, records: Records, sshd: Sshd
) -> None:
    host.run("true")
    begun = time.monotonic()
    with pytest.raises(errors.CommandTimedOut, match=r"baye: `sh -c .* did not end within 0.3 s"):
        script(host, "echo first; sleep 30", timeout=0.3)
    assert time.monotonic() - begun < 2
    last = records[-1]
    assert (last.exit_code, last.timed_out, last.stdout) == (None, True, "first\n")
    assert 0.3 <= last.seconds < 2
    assert host.run("echo", "still here").stdout == "still here\n"
    assert len(sshd.transports) == 1


def test_a_background_child_that_holds_the_output_counts_as_not_ended(host: RemoteHost) -> None:
    with pytest.raises(errors.CommandTimedOut):
        script(host, "sleep 1 & echo started", timeout=0.2)
    assert script(host, "sleep 1 >/dev/null 2>&1 & echo started", timeout=0.8).ok


def test_the_host_ends_a_process_that_outlived_its_time(
    host: RemoteHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shell, "GRACE_SECONDS", 0)
    with pytest.raises(errors.CommandTimedOut):
        script(host, 'echo $$ >"$1"; sleep 60', str(tmp_path / "pid"), timeout=0.2)
    pid = (tmp_path / "pid").read_text().strip()
    assert Path("/proc", pid).exists()
    wait_for(lambda: not Path("/proc", pid).exists(), "the process to end", 5, 0.05)


@pytest.mark.parametrize("knows", ["-k", "plain", "nothing"])
def test_any_kind_of_timeout_program_will_do(
    host: RemoteHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, knows: str, sshd: Sshd
) -> None:
    fake = tmp_path / "bin" / "timeout"
    fake.parent.mkdir()
    refusal = {"-k": "", "plain": '[ "$1" = -k ] && exit 1;', "nothing": "exit 127;"}[knows]
    fake.write_text(f'#!/bin/sh\n{refusal} [ "$1" = -k ] && shift 2; shift; exec "$@"\n')
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{fake.parent}:/usr/bin:/bin")
    assert host.run("echo", "ran").stdout == "ran\n"
    expected = {
        "-k": "exec timeout -k 5 62 echo ran'",
        "plain": "exec timeout 62 echo ran'",
        "nothing": "exec echo ran'",
    }
    assert sshd.commands[-1].endswith(expected[knows])
    assert ("timeout" in sshd.commands[-1]) == (knows != "nothing")
    told = {"-k": "timeout -k 5\n", "plain": "timeout\n", "nothing": "\n"}
    assert host.run("printenv", shell.TIMEOUT).stdout == told[knows]


def test_a_process_ended_by_a_signal(host: RemoteHost) -> None:
    result = script(host, "kill -9 $PPID")
    assert result.exit_code == -1
    with pytest.raises(errors.RemoteCommandFailed, match="ended by a signal"):
        result.check()


def test_check_tells_the_last_line_of_stderr(host: RemoteHost) -> None:
    assert host.run("true").check().ok
    with pytest.raises(errors.RemoteCommandFailed) as failure:
        script(host, "echo chatter >&2; echo libxl: error: no >&2; exit 4").check(hint="look")
    error = failure.value
    assert not isinstance(error, LabFault)
    assert (error.actual, error.hint) == ("libxl: error: no", "look")
    assert "on baye ended with exit code 4" in error.message


def test_words_that_would_move_a_terminals_cursor_are_escaped(host: RemoteHost) -> None:
    with pytest.raises(errors.RemoteCommandFailed) as failure:
        script(host, r"printf 'xl: \033[2Jerror \342\200\256 F\303\274\303\237e\n' >&2; exit 1").check()
    assert failure.value.actual == r"xl: \x1b[2Jerror \u202e Füße"


def test_several_threads_share_one_connection(host: RemoteHost, sshd: Sshd) -> None:
    with ThreadPoolExecutor(12) as pool:
        results = list(pool.map(lambda i: host.run("echo", str(i)).stdout, range(24)))
    assert results == [f"{i}\n" for i in range(24)]
    assert len(sshd.transports) == 1


def test_a_dead_connection_is_opened_anew_before_a_command(host: RemoteHost, sshd: Sshd) -> None:
    assert sshd.transports == []  # it connects when first used
    host.run("true")
    sshd.drop()
    assert host.run("echo", "again").stdout == "again\n"
    assert sshd.ran("echo again") == 1
    assert len(sshd.transports) == 2


def test_a_command_that_was_sent_is_never_sent_again(host: RemoteHost, sshd: Sshd, records: Records) -> None:
    sshd.dies_on = "migrate"
    with pytest.raises(errors.ConnectionLost, match="the connection broke during `echo migrate`") as loss:
        host.run("echo", "migrate")
    assert loss.value.sent
    assert sshd.ran("migrate") == 1
    assert (records[-1].exit_code, records[-1].timed_out) == (None, False)
    assert host.run("echo", "next").ok


def test_the_pinned_connection_never_reconnects(host: RemoteHost, sshd: Sshd, records: Records) -> None:
    host.run("true")
    pinned = host.pinned_connection()
    assert len(sshd.transports) == 2
    assert pinned.run("echo", "a b").stdout == "a b\n"
    assert records[-1].command == "echo 'a b'"
    host.close()
    assert pinned.alive
    sshd.drop()
    with pytest.raises(errors.ConnectionLost):
        pinned.run("true")
    assert not pinned.alive
    assert len(sshd.transports) == 2
    pinned.close()


def test_a_program_on_a_terminal(host: RemoteHost, sshd: Sshd, records: Records) -> None:
    assert host.run("true").ok
    sshd.drop()
    with contextlib.closing(host.terminal("sh", "-c", 'read -r line; echo "heard $line"')) as terminal:
        terminal.settimeout(5)
        terminal.sendall(b"a word\n")
        assert terminal.recv(100) == b"heard a word\n"
        assert terminal.recv(100) == b""
    assert (sshd.terminals, len(sshd.transports), len(records)) == (1, 2, 1)
    assert host.way_in == f"over SSH, host key {sshd.host_key.fingerprint}"


def test_files(host: RemoteHost, tmp_path: Path, records: Records) -> None:
    path = tmp_path / "a file"
    data = bytes(range(256)) * 100
    host.write_file(str(path), data, 0o640)
    assert path.read_bytes() == data
    assert path.stat().st_mode & 0o777 == 0o640
    assert host.read_bytes(str(path), len(data)) == data
    with pytest.raises(errors.RemoteCommandFailed, match="more than 10 bytes"):
        host.read_bytes(str(path), 10)
    with pytest.raises(errors.RemoteCommandFailed) as failure:
        host.read_bytes(str(tmp_path / "none"))
    assert "No such file" in failure.value.actual
    assert len(records) == 4


def test_testinfra_modules_use_the_same_bounded_and_recorded_way(
    host: RemoteHost, tmp_path: Path, records: Records, sshd: Sshd
) -> None:
    file = tmp_path / "it's here"
    file.write_text("Füße")
    assert host.testinfra.file(str(file)).exists
    assert host.testinfra.file(str(file)).content_string == "Füße"
    assert not host.testinfra.file(str(tmp_path / "not")).exists
    assert len(records) >= 3
    assert len(sshd.transports) == 1


def test_more_of_testinfras_modules(host: RemoteHost) -> None:
    proc = host.testinfra.mount_point("/proc")
    assert proc.exists
    assert proc.filesystem == "proc"
    assert not host.testinfra.mount_point("/no/such/mount").exists
    assert host.testinfra.user("root").uid == 0
    assert host.testinfra.check_output("echo %s", "it's a b") == "it's a b"
    assert not host.testinfra.service("no-such-service").is_running
    if shutil.which("dpkg-query"):
        assert host.testinfra.package("coreutils").is_installed
        assert not host.testinfra.package("no-such-package").is_installed


def test_testinfra_says_when_it_cannot_see(host: RemoteHost, sshd: Sshd, login: Login) -> None:
    hasty = RemoteHost("baye", login, lambda _: "", timeout=0.3, limits=LIMITS)
    with pytest.raises(errors.CommandTimedOut):
        hasty.testinfra.run("sleep 5")
    hasty.close()
    sshd.login_shell = ["false"]
    with pytest.raises(errors.NotAShell):
        host.testinfra.file("/etc/passwd").exists  # noqa: B018


def test_the_fingerprint_is_the_verified_key(host: RemoteHost, sshd: Sshd) -> None:
    assert host.fingerprint == sshd.host_key.fingerprint
    assert host.fingerprint.startswith("SHA256:")


def test_waiting_for_a_login(host: RemoteHost, login: Login, sshd: Sshd) -> None:
    host.wait_until_reachable(2)
    sshd.stop()
    gone = RemoteHost("baye", login, lambda _: None, limits=LIMITS)
    with pytest.raises(errors.HostUnreachable, match=r"waited 0 s for guest1 to boot: .*refused"):
        gone.wait_until_reachable(0.2, "guest1 to boot")
    login.key_file.write_text("no key")
    begun = time.monotonic()
    with pytest.raises(errors.LoginRefused):
        gone.wait_until_reachable(30)
    assert time.monotonic() - begun < 5


def test_every_byte_of_an_echo_comes_back_and_is_counted(host: RemoteHost, records: Records) -> None:
    with contextlib.closing(host.pinned_connection()) as pinned:
        echo = pinned.echo(0.01)
        assert echo.wait_for_more(5)
        assert echo.wait_for_more(5)
        echoed = echo.finish(5)
    assert echoed.whole
    assert echoed.sent == echoed.returned > 3
    assert records[-1].command == "cat"
    assert records[-1].stdout == f"{echoed.sent} of {echoed.sent} bytes came back\n"


def test_an_echo_whose_connection_breaks_is_not_whole(host: RemoteHost, sshd: Sshd) -> None:
    with contextlib.closing(host.pinned_connection()) as pinned:
        echo = pinned.echo(0.01)
        assert echo.wait_for_more(5)
        sshd.drop()
        assert not echo.wait_for_more(5) or not echo.wait_for_more(1)
        echoed = echo.finish(1)
    assert echoed.broken
    assert not echoed.whole
    # A new connection answers, which must not count.
    assert host.run("true").ok
    assert not echoed.whole


def test_an_echo_that_comes_back_changed_is_told() -> None:
    assert not Echoed(sent=10, returned=10, intact=False).whole
    assert str(Echoed(10, 10, intact=False)) == "10 of 10 bytes came back, not as they went"
    assert not Echoed(sent=10, returned=8, intact=True).whole
    assert not Echoed(sent=0, returned=0, intact=True).whole
