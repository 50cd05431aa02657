"""Guests reached by their console: a real shell on a real terminal behind a small login, and all that disturbs it."""

import hashlib
import itertools
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from fakeconsole import GETTY, HASTY, LOGIN, TIMEOUTS, FakeGuest

from xenlab.errors import CannotObserve
from xenlab.remote import commands, dialogue, errors, facts, frames, sections
from xenlab.remote.console import ConsoleHost
from xenlab.remote.machine import Machine
from xenlab.remote.record import CommandRecord
from xenlab.remote.result import CommandResult
from xenlab.remote.sections import Section
from xenlab.remote.waiting import wait_for

KERNEL = b"[   12.345678] EXT4-fs error (device xvda1): ext4_lookup\r\n"
WALL = b"\r\nBroadcast message from root:\r\nthe system goes down\r\n"


@pytest.fixture
def guest(tmp_path: Path) -> Iterator[FakeGuest]:
    fake = FakeGuest(tmp_path)
    yield fake
    fake.stop()


@pytest.fixture
def records() -> list[CommandRecord]:
    return []


@pytest.fixture
def host(guest: FakeGuest, records: list[CommandRecord]) -> Iterator[ConsoleHost]:
    def sink(record: CommandRecord) -> str:
        records.append(record)
        return f"cmd-{len(records)}"

    remote = ConsoleHost("guest1", LOGIN, guest.open_console, sink, timeout=10, timeouts=TIMEOUTS)
    yield remote
    remote.close()


def script(host: ConsoleHost, text: str, *args: str, timeout: float | None = None) -> CommandResult:
    return host.run("sh", "-c", text, "sh", *args, timeout=timeout)


def counted(guest: FakeGuest) -> int:
    return len((guest.folder / "count").read_text().splitlines())


# What a command gives


def test_a_command_is_run_and_recorded_as_over_ssh(host: ConsoleHost, records: list[CommandRecord]) -> None:
    remote: Machine = host
    result = remote.run("sh", "-c", "echo out; echo err >&2; exit 3")
    assert (result.exit_code, result.stdout, result.stderr, result.host) == (3, "out\n", "err\n", "guest1")
    assert remote.pinned_connection() is None
    (record,) = records
    assert record.command == result.command == "sh -c 'echo out; echo err >&2; exit 3'"
    assert (record.exit_code, record.stdout, record.stderr, record.timed_out) == (3, "out\n", "err\n", False)
    assert remote.way_in == "on its console on baye"


def test_arguments_arrive_as_they_were_given(host: ConsoleHost) -> None:
    awkward = [
        "a b",
        "$HOME",
        "`id`",
        "'",
        '"',
        "*",
        ";true",
        "",
        "a\nb",
        "Füße",
        "-n",
        "\\",
        "\t\x03\x04\x1d\x11",
        "!!",
    ]
    assert host.run("printf", "%s|", *awkward).stdout == "".join(f"{word}|" for word in awkward)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 57, 58, 1000])
def test_output_is_told_to_the_byte(host: ConsoleHost, count: int) -> None:
    result = script(host, f"printf %{count}s '' ; printf %{count}s '' | tr ' ' x >&2")
    assert (result.stdout, result.stderr) == (" " * count, "x" * count)


def test_line_ends_stay_as_they_are(host: ConsoleHost) -> None:
    assert script(host, r"printf 'a\r\nb\nc\r'").stdout == "a\r\nb\nc\r"
    assert script(host, r"printf 'caf\351\000'").stdout == "caf\N{REPLACEMENT CHARACTER}\0"


def test_a_megabyte_comes_whole(host: ConsoleHost) -> None:
    result = script(host, "yes 0123456789 | head -c 1048576; yes no | head -c 300000 >&2", timeout=60)
    assert result.stdout == ("0123456789\n" * 100_000)[: 1 << 20]
    assert result.stderr == "no\n" * 100_000


def test_a_command_longer_than_a_terminals_line_arrives(host: ConsoleHost) -> None:
    word = "".join(f"{number:06d}" for number in range(10_000))
    assert host.run("printf", "%s", word).stdout == word


def test_surroundings_are_those_of_ssh(host: ConsoleHost) -> None:
    assert script(host, 'echo "$LC_ALL ${PATH##*:}"; cat').stdout == "C /sbin\n"
    assert script(host, "kill -9 $$").exit_code == 137


def test_output_that_looks_like_ours_is_output(host: ConsoleHost) -> None:
    lines = [
        "xenlab-agent 1",
        "login: ",
        "Password: ",
        "root@guest1:~# ",
        "<0123456789abcdef",
        "0",
        "==",
        "=",
        ".",
        "?",
    ]
    words = "\n".join([*lines, f">0123456789abcdef {'0' * 64}", "xenlab-agent 1"])
    assert script(host, 'printf %s "$1"; printf %s "$1" >&2; printf %s "$1" >/dev/tty', words).stdout == words
    assert host.run("echo", "next").stdout == "next\n"


def test_of_much_output_the_start_comes_and_how_much_was_cut(host: ConsoleHost, records: list[CommandRecord]) -> None:
    result = script(host, "echo start; head -c 1500000 /dev/zero; echo err >&2", timeout=60)
    assert result.ok
    assert result.stdout.startswith("start\n")
    assert len(result.stdout) == frames.KEPT_BYTES
    assert (result.stdout_cut, result.stderr_cut) == (1500006 - frames.KEPT_BYTES, 0)
    assert records[-1].stdout_cut == result.stdout_cut
    assert result.stderr == "err\n"
    with pytest.raises(errors.OutputCut):
        result.check()


def test_acts_are_told_from_looks(host: ConsoleHost, records: list[CommandRecord]) -> None:
    host.run("true")
    host.run("true", changes=True)
    assert [record.changes for record in records] == [False, True]


def test_testinfras_modules_work_on_it(host: ConsoleHost, guest: FakeGuest) -> None:
    remote: Machine = host
    (guest.folder / "it's here").write_text("Füße")
    assert remote.testinfra.file(str(guest.folder / "it's here")).content_string == "Füße"
    assert not remote.testinfra.file(str(guest.folder / "not")).exists
    assert remote.testinfra.mount_point("/proc").filesystem == "proc"


# As whom commands run


def as_user(guest: FakeGuest, sudo: str) -> None:
    """Have `id -u` say there that we are an ordinary user, and sudo be this script."""
    for name, text in {"id": '[ "$1" = -un ] && exec /usr/bin/id -un; echo 1000', "sudo": sudo}.items():
        (guest.folder / name).write_text(f"#!/bin/sh\n{text}\n")
        (guest.folder / name).chmod(0o755)


def test_root_needs_no_sudo(host: ConsoleHost) -> None:
    assert host.runs_as_root()


@pytest.mark.parametrize(
    ("sudo", "allowed", "is_root"),
    [
        ('[ "$1" = -k ] && shift; shift; echo used >>sudos; exec "$@"', True, True),
        ('[ "$1" = -k ] && shift; shift; echo used >>sudos; exec "$@"', False, False),
        ("echo 'sudo: a password is required' >&2; exit 1", True, False),
    ],
)
def test_sudo_is_used_where_it_may_be_and_asks_nothing(tmp_path: Path, sudo: str, allowed: bool, is_root: bool) -> None:
    guest = FakeGuest(tmp_path, f'PATH="$PWD:$PATH"; {GETTY}')
    as_user(guest, sudo)
    host = ConsoleHost("guest1", replace(LOGIN, sudo=allowed), guest.open_console, lambda _: "", timeouts=TIMEOUTS)
    try:
        result = script(host, 'echo "$1"; echo words >&2; exit 3', "it's a b")
        assert (result.stdout, result.stderr, result.exit_code) == ("it's a b\n", "words\n", 3)
        assert host.runs_as_root() == is_root
        assert (tmp_path / "sudos").exists() == is_root
        with pytest.raises(errors.CommandTimedOut):
            script(host, "sleep 60", timeout=0.3)
        assert host.run("echo", "next").stdout == "next\n"
    finally:
        host.close()
        guest.stop()


# What disturbs it


@pytest.mark.parametrize(("noise", "every"), [(KERNEL, 3), (WALL, 30)], ids=["kernel", "wall"])
def test_messages_in_the_middle_of_an_answer_are_no_part_of_it(
    host: ConsoleHost, guest: FakeGuest, noise: bytes, every: int
) -> None:
    host.run("true")
    moments = itertools.count()

    def noisy(data: bytes) -> bytes:
        half = len(data) // 2 if next(moments) % every == 2 else 0
        return data[:half] + (noise if half else b"") + data[half:]

    guest.shown_as = noisy
    result = script(host, 'echo run >>count; yes "$1" | head -c 20000; echo no >&2', "a line")
    guest.shown_as = bytes
    assert (result.stdout, result.stderr) == (("a line\n" * 3000)[:20000], "no\n")
    assert counted(guest) == 1


def test_a_garbled_answer_is_asked_for_again_and_the_command_is_not_run_again(
    host: ConsoleHost, guest: FakeGuest
) -> None:
    host.run("true")
    seen = []

    def once(data: bytes) -> bytes:
        seen.append(data)
        return data.replace(b"MDEy", b"MDEz", 1) if len(seen) < 3 else data

    guest.shown_as = once
    assert script(host, "echo run >>count; echo 0123456789").stdout == "0123456789\n"
    assert counted(guest) == 1


@pytest.mark.parametrize("change", [(b"MDEy", b"MDEz"), (b"\n>", b"\n|"), (b"\n<", b"\n|")])
def test_what_stays_garbled_is_never_an_answer(
    host: ConsoleHost, guest: FakeGuest, records: list[CommandRecord], change: tuple[bytes, bytes]
) -> None:
    host.run("true")
    guest.shown_as = lambda data: data.replace(*change)
    with pytest.raises(CannotObserve, match=r"garbled, 5 times|did not end within"):
        script(host, "echo run >>count; echo 0123456789", timeout=3)
    guest.shown_as = bytes
    assert records[-1].exit_code is None
    assert counted(guest) == 1
    assert host.run("echo", "next").stdout == "next\n"


def test_a_command_that_arrives_mangled_is_not_run_but_sent_again(host: ConsoleHost, guest: FakeGuest) -> None:
    host.run("true")
    typed = []

    def once(data: bytes) -> bytes:
        typed.append(data)
        return re.sub(rb"\+(.)", b"+x", data, count=1) if sum(b"+" in each for each in typed) == 1 else data

    guest.typed = once
    assert script(host, "echo run >>count; echo done").stdout == "done\n"
    assert counted(guest) == 1
    guest.typed = lambda data: re.sub(rb"\+(.)", b"+x", data)
    with pytest.raises(CannotObserve, match="garbled"):
        host.run("true")


# Where it ends


def test_a_console_that_ends_in_a_command_is_told_and_the_next_command_finds_it_again(
    host: ConsoleHost, guest: FakeGuest, records: list[CommandRecord]
) -> None:
    started, go = guest.folder / "started", guest.folder / "go"

    def move() -> None:
        wait_for(started.exists, "the command to run", 5, 0.02)
        guest.hang_up()

    mover = threading.Thread(target=move)
    mover.start()
    with pytest.raises(errors.ConnectionLost, match="the console ended during") as lost:
        script(host, "echo run >>count; : >started; while [ ! -e go ]; do sleep 0.02; done")
    mover.join()
    assert lost.value.sent
    assert lost.value.evidence == (f"cmd-{len(records)}",)
    assert (records[-1].exit_code, records[-1].timed_out) == (None, False)
    go.touch()
    assert host.run("echo", "again").stdout == "again\n"
    assert (guest.opened, guest.logins, counted(guest)) == (2, 1, 1)


def test_what_runs_in_the_background_outlives_the_console(host: ConsoleHost, guest: FakeGuest) -> None:
    log = guest.folder / "log"
    pid = facts.background(host.run(*commands.start_writer(str(log), 20)).check().stdout).pid
    guest.hang_up()
    lines = len(log.read_text().splitlines())
    wait_for(lambda: len(log.read_text().splitlines()) > lines + 3, "the writer to go on", 5, 0.02)
    host.run("true")
    host.close()
    host.wait_until_reachable(5)
    written = facts.written(host.run(*commands.stop_writer(pid, str(log))).check().stdout)
    assert written.is_unbroken
    assert len(written.numbers) > lines + 3
    assert guest.logins == 2


def test_a_background_program_that_holds_its_output_spoils_no_later_answer(host: ConsoleHost, guest: FakeGuest) -> None:
    talk = "while [ ! -e go ]; do sleep 0.01; done; while [ ! -e stop ]; do echo late; : >talks; sleep 0.01; done"
    assert script(host, f"{{ {talk}; }} & echo started").stdout == "started\n"
    (guest.folder / "go").touch()
    wait_for((guest.folder / "talks").exists, "the background program to talk", 5, 0.02)
    assert script(host, "sleep 0.2; echo mine").stdout == "mine\n"
    (guest.folder / "stop").touch()


def test_a_console_that_fell_silent_is_left_for_a_new_one(host: ConsoleHost, guest: FakeGuest) -> None:
    host.run("true")
    guest.silent = True
    assert host.run("echo", "there").stdout == "there\n"
    assert guest.opened == 2


def test_a_timeout_is_bounded_and_recorded_and_leaves_the_console_usable(
    host: ConsoleHost, guest: FakeGuest, records: list[CommandRecord]
) -> None:
    host.run("true")
    records.clear()
    begun = time.monotonic()
    with pytest.raises(errors.CommandTimedOut, match=r"guest1: `sh -c .* did not end within 0.3 s") as late:
        script(host, "echo first; echo oops >&2; sleep 60; echo never", timeout=0.3)
    assert (late.value.stdout, late.value.stderr, late.value.evidence) == ("first\n", "oops\n", ("cmd-1",))
    assert time.monotonic() - begun < 5
    assert (records[-1].exit_code, records[-1].timed_out, records[-1].stdout) == (None, True, "first\n")
    assert host.run("echo", "next").stdout == "next\n"
    assert guest.opened == 1


def test_a_question_that_hangs_costs_its_own_answer_only(host: ConsoleHost) -> None:
    asked = (Section("hangs", ("sleep", "60"), seconds=1), Section("after", ("echo", "here")))
    result = host.run(*sections.script(asked, "n0nce"), timeout=30)
    found = sections.answers(asked, "n0nce", result.stdout, result.stderr)
    assert found["hangs"].timed_out
    assert found["after"].stdout.strip() == "here"


def test_a_command_that_does_not_heed_ctrl_c_costs_the_console(guest: FakeGuest, records: list[CommandRecord]) -> None:
    host = ConsoleHost("guest1", LOGIN, guest.open_console, records.append, timeouts=HASTY)
    with pytest.raises(errors.CommandTimedOut):
        script(host, "trap '' INT QUIT; while [ ! -e go ]; do sleep 0.02; done", timeout=0.3)
    with pytest.raises(errors.NoLoginPrompt, match="neither a login prompt nor a shell"):
        host.run("true")
    (guest.folder / "go").touch()
    host.wait_until_reachable(5)
    assert host.run("echo", "next").stdout == "next\n"
    assert guest.logins == 1


def test_a_console_that_writes_without_end_is_let_go_of(
    guest: FakeGuest, records: list[CommandRecord], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dialogue, "_FLOOD_BYTES", 100_000)
    host = ConsoleHost("guest1", LOGIN, guest.open_console, records.append, timeouts=TIMEOUTS)  # type: ignore[arg-type]
    with pytest.raises(errors.OutputFlood, match="the console wrote more than"):
        script(host, "while [ ! -e go ]; do echo flood >/dev/tty; done")
    assert records[-1].exit_code is None
    (guest.folder / "go").touch()
    assert host.run("echo", "next").stdout == "next\n"
    host.close()


def test_an_answer_that_could_not_be_written_down_whole_is_none() -> None:
    def sent(text: str) -> bytes:
        return f"<n\r\n{text}\r\n>n {hashlib.sha256(text.encode()).hexdigest()}\r\n".encode()

    assert frames.read(sent("0/2/0\nb2s=\n==\n=\n"), "n") == frames.AgentAnswer(0, b"ok", b"")
    assert frames.read(sent("0/2/0\nb2s=\n"), "n") is None
    assert frames.read(sent("0/2/0\nb2s=\n==\n=\n")[:-10], "n") is None
    assert frames.read(sent("3/2000000/7\nb2s=\n==\n=\n"), "n") == frames.AgentAnswer(3, b"ok", b"", False, 1999998, 7)


@pytest.mark.parametrize("hostile", ["[1.1] ", "[ ", "x ", "+", "\n", "<n\n", ">n "])
def test_a_hostile_console_costs_no_time(hostile: str) -> None:
    flood = f"<n\n{hostile * (1_000_000 // len(hostile))}".encode()
    begun = time.process_time()
    assert frames.read(flood, "n") is None
    assert frames.read(flood + f"\n>n {'0' * 64}".encode(), "n") is None
    assert time.process_time() - begun < 2
