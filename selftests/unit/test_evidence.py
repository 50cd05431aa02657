import json
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from xenlab.evidence.recorder import MASK, Journal
from xenlab.evidence.text import bounded, brief, plain, points
from xenlab.remote.record import CommandRecord


def record(command: str = "xl list", stdout: str = "", stderr: str = "") -> CommandRecord:
    return CommandRecord("baye", command, 0, stdout, stderr, datetime(2026, 2, 8, tzinfo=UTC), 12.5, 0.25, False)


def test_ids_count_up() -> None:
    journal = Journal()
    assert [journal.append(record()) for _ in range(3)] == ["cmd-1", "cmd-2", "cmd-3"]


def test_a_record_is_in_the_file_as_soon_as_it_is_made(tmp_path: Path) -> None:
    journal = Journal()
    path = tmp_path / "evidence" / "commands.jsonl"
    journal.keep(path)
    assert not journal.kept
    assert not path.exists()
    for number in (1, 2):
        journal.append(record(f"look {number}"))
        assert journal.kept
        assert path.read_text() == journal.text
        assert len(path.read_text().splitlines()) == number
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    journal.close()
    journal.append(record("afterwards"))
    assert "afterwards" not in path.read_text()


def test_threads_write_whole_lines(tmp_path: Path) -> None:
    journal = Journal()
    journal.keep(tmp_path / "commands.jsonl")

    def run(letter: str) -> None:
        for _ in range(50):
            journal.append(record(stdout=letter * 9000))

    work = [threading.Thread(target=run, args=(letter,)) for letter in "xy"]
    for thread in work:
        thread.start()
    for thread in work:
        thread.join()
    ids = [json.loads(line)["id"] for line in (tmp_path / "commands.jsonl").read_text().splitlines()]
    assert ids == [f"cmd-{number}" for number in range(1, 101)]
    journal.close()


def test_a_full_disk_costs_no_record(tmp_path: Path) -> None:
    journal = Journal()
    (tmp_path / "evidence").write_text("a file in place of the folder")
    journal.keep(tmp_path / "evidence" / "commands.jsonl")
    assert journal.append(record()) == "cmd-1"
    assert journal.append(record()) == "cmd-2"
    assert not journal.kept
    assert len(journal.text.splitlines()) == 2


def test_threads_get_ids_of_their_own() -> None:
    journal = Journal()
    ids: list[str] = []
    threads = [
        threading.Thread(target=lambda: ids.extend(journal.append(record()) for _ in range(200))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(ids)) == 1600
    assert [entry["id"] for entry in journal.entries] == [f"cmd-{n}" for n in range(1, 1601)]


def test_secrets_are_masked_everywhere_even_one_within_another() -> None:
    journal = Journal(["hunter2", ""])
    journal.add_secret("hunter2-long")
    journal.append(record("login hunter2", "is hunter2-long", "not hunter2"))
    text = journal.text
    assert "hunter2" not in text
    assert "-long" not in text
    entry = json.loads(text)
    assert (entry["command"], entry["stdout"], entry["stderr"]) == (
        f"login {MASK}",
        f"is {MASK}",
        f"not {MASK}",
    )


def test_a_secret_across_the_cut_leaves_nothing_behind() -> None:
    journal = Journal(["s" * 40], limit=100)
    journal.append(record(stdout="a" * 40 + "s" * 40 + "b" * 200))
    assert "ss" not in str(journal.entries[0]["stdout"])


def test_outputs_are_bounded_and_say_how_much_was_cut() -> None:
    journal = Journal(limit=1000)
    journal.append(record(stdout="start" + "x" * 5_000_000 + "end"))
    (entry,) = (json.loads(line) for line in journal.text.splitlines())
    assert entry["stdout_cut"] == 5_000_008 - 1000
    assert entry["stdout"].startswith("start")
    assert entry["stdout"].endswith("end")
    assert "4999008 characters cut" in entry["stdout"]
    assert entry["stderr_cut"] == 0
    assert len(entry["stdout"]) < 1100


def test_bytes_that_were_no_utf8_survive_in_the_file() -> None:
    journal = Journal()
    journal.append(record(stdout=b"caf\xe9\n".decode("utf-8", "surrogateescape")))
    entry = json.loads(journal.text)
    assert entry["stdout"].encode("utf-8", "surrogateescape") == b"caf\xe9\n"
    assert entry["started"] == "2026-02-08T00:00:00+00:00"


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07text", "text"),
        ("\x1b]0;never ended\nnext line", "\nnext line"),
        ("\x1b[?25lhidden cursor\x1b[?25h", "hidden cursor"),
        ("\x9b1mbold", "bold"),
        ("bell\x07 null\x00", "bell null"),
        ("a\r\nb\tc", "a\nb\tc"),
        ("caf\udce9", "caf\ufffd"),
        ("evil\u202egpj.exe", "evil\\u202egpj.exe"),
        ("שלום фев 8", "שלום фев 8"),
        ("\x1b", ""),
    ],
)
def test_plain(raw: str, shown: str) -> None:
    assert plain(raw) == shown


@pytest.mark.parametrize(
    "hostile",
    [
        *("\x1b[" + "0" * 1_000_000, "\x1b]" * 500_000, "\x1b[0;" * 250_000, "\x1b" * 1_000_000, "\x9b" * 1_000_000),
        *("\x1b[" + " " * 1_000_000, "\x1bP" + "x" * 1_000_000, "\r" * 1_000_000, "\u202e" * 200_000, " " * 1_000_000),
    ],
    ids=str.__len__,
)
def test_hostile_texts_take_no_time(hostile: str) -> None:
    begun = time.monotonic()
    plain(hostile)
    brief(hostile)
    bounded(hostile, 1000)
    assert time.monotonic() - begun < 1


def test_bounded_keeps_what_fits() -> None:
    assert bounded("x" * 10, 10) == ("x" * 10, 0)
    assert bounded("x" * 11, 10)[1] == 1


def test_brief_is_one_line() -> None:
    assert brief("a\n  b") == "a b"
    assert brief("word " * 100, 20) == "word word word word…"
    assert len(brief("x" * 1000, 20)) == 20


@pytest.mark.parametrize(("value", "shown"), [(0, "0"), (10.0, "10"), (42.5, "42.5"), (33.33, "33.33"), (100, "100")])
def test_points(value: float, shown: str) -> None:
    assert points(value) == shown
