import errno
import io
import json
import os
import shlex
import subprocess
import sys
import threading
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from paths import ROOT

from xenlab.evidence.files import make_folder
from xenlab.evidence.recorder import Journal
from xenlab.evidence.text import bounded, brief, plain, points
from xenlab.remote.record import MASK, CommandRecord
from xenlab.xen.cfg import parse_config
from xenlab.xen.changes import beyond_paths, compare


def record(command: str = "xl list", stdout: str = "", stderr: str = "") -> CommandRecord:
    return CommandRecord("baye", command, 0, stdout, stderr, datetime(2026, 2, 8, tzinfo=UTC), 12.5, 0.25, False)


def test_ids_count_up() -> None:
    journal = Journal()
    assert [journal.append(record()) for _ in range(3)] == ["cmd-1", "cmd-2", "cmd-3"]


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


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text("ascii").splitlines()]


def test_secrets_are_masked_everywhere_even_one_within_another(tmp_path: Path) -> None:
    path = tmp_path / "evidence" / "commands.jsonl"
    journal = Journal(path, ["hunter2", ""])
    journal.add_secret("hunter2-long")
    journal.append(record("login hunter2", "is hunter2-long", "not hunter2"))
    text = path.read_text()
    assert "hunter2" not in text
    assert "-long" not in text
    (entry,) = lines(path)
    assert (entry["command"], entry["stdout"], entry["stderr"]) == (
        f"login {MASK}",
        f"is {MASK}",
        f"not {MASK}",
    )


@pytest.mark.parametrize("secret", ["hunter2", 'it\'s a "secret"', "a\\b $HOME", "Füße\t!"])
def test_a_secret_is_masked_as_a_shell_or_json_would_quote_it(secret: str) -> None:
    journal = Journal(secrets=[secret])
    journal.append(
        record(
            f"sshpass -p {shlex.quote(secret)} ssh",
            json.dumps({"passwd": secret}),
            shlex.join(["mysql", f"--password={secret}"]),
        )
    )
    (entry,) = journal.entries
    assert entry["command"] == f"sshpass -p {MASK} ssh"
    assert entry["stdout"] == f'{{"passwd": "{MASK}"}}'
    assert secret not in str(entry["stderr"])
    assert str(entry["stderr"]).count(MASK) == 1


CONSOLES = """
vnc = 1
vncpasswd = 'hunter2'
#spicepasswd="other"
spicepasswd = 4711
vfb = [ 'vnc=1,vncpasswd=hunter2,keymap=de', "type=vnc, vncpasswd=another" ]
"""


def test_passwords_of_graphical_consoles_are_kept_by_nobody() -> None:
    journal = Journal()
    listed = json.dumps([{"vnc": {"enable": "True", "passwd": 'hunter"2'}, "spice": {"passwd": ""}}], indent=4)
    journal.append(record("cat guest1.cfg", CONSOLES, listed))
    (entry,) = journal.entries
    text, printed = str(entry["stdout"]), str(entry["stderr"])
    for password in ("hunter", "another", "other", "4711"):
        assert password not in text + printed
    assert json.loads(printed)[0]["vnc"]["enable"] == "True"
    assert "keymap=de" in text
    assert Journal().mask(CONSOLES) != text  # nobody finds a password by trying what it would look like


def test_a_config_whose_passwords_are_masked_says_otherwise_what_it_said() -> None:
    mask = Journal().mask
    before, after = parse_config(mask(f"name = 'g'\n{CONSOLES}")), parse_config(f"name = 'g'\n{CONSOLES}")
    assert before.values.keys() == after.values.keys()
    assert {change.key for change in beyond_paths(compare(before, after))} >= {"vfb"}
    one, same, other = (parse_config(mask(f"vncpasswd = '{word}'")) for word in ("hunter2", "hunter2", "hunter3"))
    assert not compare(one, same)
    assert [change.key for change in compare(one, other)] == ["vncpasswd"]


# The file


def test_each_command_is_in_the_file_as_soon_as_it_has_its_id(tmp_path: Path) -> None:
    path = tmp_path / "evidence" / "commands.jsonl"
    path.parent.mkdir()
    path.write_text("of an earlier run\n")
    path.chmod(0o644)
    journal = Journal(path)
    assert path.read_text() == ""
    for number in range(1, 4):
        id_ = journal.append(record(f"echo {number}"))
        assert lines(path)[-1]["id"] == id_
    assert path.stat().st_mode & 0o777 == 0o600
    assert journal.close() is None
    assert tuple(lines(path)) == journal.entries


def test_its_folder_is_for_its_owner(tmp_path: Path) -> None:
    path = tmp_path / "reports" / "evidence" / "commands.jsonl"
    Journal(path).close()
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_a_run_that_is_killed_can_be_read_up_to_that_point(tmp_path: Path) -> None:
    program = """
import os, pathlib, signal, sys
from test_evidence import Journal, record
journal = Journal(pathlib.Path(sys.argv[1]))
for number in range(5):
    journal.append(record(f"echo {number}"))
os.kill(os.getpid(), signal.SIGKILL)
"""
    path = tmp_path / "commands.jsonl"
    env = {**os.environ, "PYTHONPATH": f"{Path(__file__).parent}:{ROOT / 'selftests/helpers'}:{ROOT}"}
    killed = subprocess.run([sys.executable, "-c", program, str(path)], env=env, check=False)
    assert killed.returncode == -9
    assert [entry["command"] for entry in lines(path)] == [f"echo {number}" for number in range(5)]


def test_what_came_before_the_file_is_written_to_it_first(tmp_path: Path) -> None:
    journal = Journal()
    journal.append(record("before"))
    journal.open(tmp_path / "commands.jsonl")
    journal.append(record("after"))
    journal.open(tmp_path / "commands.jsonl")  # it is there already
    assert [entry["command"] for entry in lines(tmp_path / "commands.jsonl")] == ["before", "after"]
    assert journal.close() is None
    assert journal.append(record("late")) == "cmd-3"


class FullDisk:
    """A file on a disk that has room for `room` bytes."""

    def __init__(self, file: io.FileIO, room: int) -> None:
        self.file = file
        self.room = room

    def write(self, data: bytes) -> int:
        if not self.room:
            raise OSError(errno.ENOSPC, "No space left on device")
        written = self.file.write(data[: self.room])
        self.room -= written
        return written

    def __getattr__(self, name: str) -> object:
        return getattr(self.file, name)


def test_a_full_disk_costs_no_record_and_no_half_line(tmp_path: Path) -> None:
    path = tmp_path / "commands.jsonl"
    journal = Journal(path)
    journal._lines._file = disk = FullDisk(journal._lines._file, 700)  # type: ignore[assignment, arg-type]
    assert [journal.append(record(f"echo {number}")) for number in range(5)][-1] == "cmd-5"
    assert [entry["command"] for entry in lines(path)] == ["echo 0", "echo 1"]
    assert len(journal.entries) == 5
    disk.room = 100
    problem = journal.close()
    assert problem is not None
    assert problem.errno == errno.ENOSPC
    assert len(lines(path)) == 2


def test_what_a_full_disk_kept_out_is_written_once_there_is_room(tmp_path: Path) -> None:
    path = tmp_path / "commands.jsonl"
    journal = Journal(path)
    journal._lines._file = disk = FullDisk(journal._lines._file, 700)  # type: ignore[assignment, arg-type]
    for number in range(5):
        journal.append(record(f"echo {number}"))
    disk.room = 100_000
    assert journal.close() is None
    assert tuple(lines(path)) == journal.entries


def test_a_folder_that_cannot_be_made_is_told_at_the_end(tmp_path: Path) -> None:
    (tmp_path / "reports").write_text("a file in the way")
    journal = Journal(tmp_path / "reports" / "evidence" / "commands.jsonl")
    assert journal.append(record()) == "cmd-1"
    assert isinstance(journal.close(), OSError)
    (tmp_path / "reports").unlink()
    assert journal.close() is None
    assert len(lines(tmp_path / "reports" / "evidence" / "commands.jsonl")) == 1


def test_threads_write_whole_lines_in_the_order_of_their_ids(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "commands.jsonl")
    threads = [
        threading.Thread(target=lambda: [journal.append(record(stdout="x" * 5000)) for _ in range(50)])
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [entry["id"] for entry in lines(tmp_path / "commands.jsonl")] == [f"cmd-{n}" for n in range(1, 201)]


def test_a_secret_across_the_cut_leaves_nothing_behind() -> None:
    journal = Journal(secrets=["s" * 40], limit=100)
    journal.append(record(stdout="a" * 40 + "s" * 40 + "b" * 200))
    assert "ss" not in str(journal.entries[0]["stdout"])


def test_outputs_are_bounded_and_say_how_much_was_cut(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "commands.jsonl", limit=1000)
    journal.append(record(stdout="start" + "x" * 5_000_000 + "end"))
    (entry,) = lines(tmp_path / "commands.jsonl")
    assert entry["stdout_cut"] == 5_000_008 - 1000
    assert entry["stdout"].startswith("start")
    assert entry["stdout"].endswith("end")
    assert "4999008 characters cut" in entry["stdout"]
    assert entry["stderr_cut"] == 0
    assert len(entry["stdout"]) < 1100


def test_what_was_thrown_away_on_arrival_counts_as_cut() -> None:
    journal = Journal(limit=1000)
    journal.append(replace(record(stdout="x" * 4000), stdout_cut=100, stderr_cut=7))
    assert (journal.entries[0]["stdout_cut"], journal.entries[0]["stderr_cut"]) == (3100, 7)


def test_bytes_that_were_no_utf8_survive_in_the_file(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "commands.jsonl")
    journal.append(record(stdout=b"caf\xe9\n".decode("utf-8", "surrogateescape")))
    (entry,) = lines(tmp_path / "commands.jsonl")
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


def test_a_folder_that_another_thread_makes_meanwhile_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Attempts of one class are made side by side, and the first of them make the folder that all lie in."""
    looked = iter([False])
    real = Path.is_dir
    monkeypatch.setattr(Path, "is_dir", lambda path: next(looked, None) is None and real(path))
    make_folder(tmp_path)
    assert next(looked, None) is None
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(NotADirectoryError):
        make_folder(file)
