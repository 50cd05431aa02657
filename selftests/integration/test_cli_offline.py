"""`./lab fix-paths` and `./lab explain`: what they show, what they write, and the exit status."""

import io
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from paths import DATA
from test_cli import refused

from xenlab.cli.main import main

ORIGINAL = (DATA / "report_guest1_original.cfg").read_text("utf-8")
SHARE = ("--share", "/mnt/private/artem")


@pytest.fixture(autouse=True)
def _signals() -> Iterator[None]:
    """main()'s signal handlers are taken back."""
    before = {sign: signal.getsignal(sign) for sign in (signal.SIGTERM, signal.SIGHUP)}
    yield
    for sign, handler in before.items():
        signal.signal(sign, handler)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "guest1.cfg"
    path.write_text(ORIGINAL)
    return path


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# fix-paths


def test_without_write_a_diff_is_shown_and_nothing_written(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fix-paths", str(config), *SHARE]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert '-kernel="/boot/vmlinuz-5.3.0-28-generic"' in lines
    assert '+kernel="/mnt/private/artem/vmlinuz-5.3.0-28-generic"' in lines
    assert "to copy as root on the host that has them, with the guest shut down:" in lines
    assert (
        "    [ -e /mnt/private/artem/UbuntuXen.img ] || cp --sparse=always /home/artem/UbuntuXen.img "
        "/mnt/private/artem/UbuntuXen.img  # disk[xvda1]" in lines
    )
    assert lines[-1] == "nothing was written: --write does it"
    assert config.read_text() == ORIGINAL
    assert names_in(config.parent) == ["guest1.cfg"]


def test_write_keeps_the_mode_and_what_it_was(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config.chmod(0o640)
    assert main(["fix-paths", str(config), *SHARE, "--write", "--type"]) == 0
    assert 'type="pv"' in config.read_text()
    assert config.stat().st_mode & 0o777 == 0o640
    kept = config.with_name("guest1.cfg.before-1")
    assert (kept.read_text(), kept.stat().st_mode & 0o777) == (ORIGINAL, 0o640)
    assert f"written: {config}; as it was: {kept}" in capsys.readouterr().out
    # What is as it should be is not written again.
    before = config.stat()
    assert main(["fix-paths", str(config), *SHARE, "--write"]) == 0
    assert config.stat() == before
    assert "the config is as it is to be" in capsys.readouterr().out
    assert names_in(config.parent) == ["guest1.cfg", "guest1.cfg.before-1"]


def test_what_was_kept_before_is_not_overwritten(config: Path) -> None:
    config.with_name("guest1.cfg.before-1").write_text("older")
    assert main(["fix-paths", str(config), *SHARE, "--write"]) == 0
    assert config.with_name("guest1.cfg.before-1").read_text() == "older"
    assert config.with_name("guest1.cfg.before-2").read_text() == ORIGINAL


@pytest.mark.skipif(os.geteuid() != 0, reason="another's file is written by root only")
def test_write_keeps_the_owner(config: Path) -> None:
    os.chown(config, 4321, 1234)
    assert main(["fix-paths", str(config), *SHARE, "--write"]) == 0
    assert (config.stat().st_uid, config.stat().st_gid) == (4321, 1234)


def test_links_are_not_written_through(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    link = config.with_name("link.cfg")
    link.symlink_to(config)
    assert main(["fix-paths", str(link), *SHARE, "--write"]) == 2
    assert f"name the file itself: {config}" in capsys.readouterr().err
    link.unlink()
    link.hardlink_to(config)
    assert main(["fix-paths", str(link), *SHARE, "--write"]) == 2
    assert "hard links" in capsys.readouterr().err
    assert config.read_text() == ORIGINAL
    assert names_in(config.parent) == ["guest1.cfg", "link.cfg"]


def test_a_file_that_changes_meanwhile_is_left_alone(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from xenlab.cli import inplace

    def kept_while_another_writes(path: Path, *_: object) -> Path:
        path.write_text("another's")
        kept = path.with_name("kept")
        kept.touch()
        return kept

    monkeypatch.setattr(inplace, "_keep", kept_while_another_writes)
    assert main(["fix-paths", str(config), *SHARE, "--write"]) == 2
    assert config.read_text() == "another's"
    assert names_in(config.parent) == ["guest1.cfg"]


def test_what_another_serves_is_told_by_the_exit_status(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config.write_text("disk=['drbd:res0,xvda,w']\n")
    assert main(["fix-paths", str(config), *SHARE]) == 1
    assert "note: disk[xvda]: res0 is served by script block-drbd" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"name=\n", "guest1.cfg:1:6: unexpected end of line"),
        (b"x" * ((1 << 20) + 1), "is it the right file?"),
        (b"x" * 70_000, "70000 characters are no config"),
        (b"\0\1", "NUL"),
        (None, "No such file or directory"),
    ],
)
def test_what_is_no_config_is_one_line(
    config: Path, content: bytes | None, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    config.unlink()
    if content is not None:
        config.write_bytes(content)
    assert said in refused(capsys, "fix-paths", str(config), *SHARE)


def test_a_folder_is_no_config(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "is no regular file" in refused(capsys, "fix-paths", str(tmp_path), *SHARE)
    assert "no absolute path" in refused(capsys, "fix-paths", str(DATA / "report_guest1_original.cfg"), "--share", "x")


# explain


def test_the_report_is_explained(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    assert main(["explain", str(DATA / "lab-report.md")]) == 1
    text = capsys.readouterr().out
    assert "What happened\n" in text
    assert "  line 215  guest1 from labubuntu to baye (10.1.1.143) was moved: Migration successful.\n" in text
    assert "names no type" in text
    assert text.endswith("not sound: 2 wrong, 4 contradictory, 1 proving less than it is shown for\n")
    assert max(map(len, text.splitlines())) <= 100


def test_a_sound_text_exits_0(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", str(DATA / "report_xl_migrate_live.txt")]) == 0
    assert capsys.readouterr().out.endswith("sound: nothing wrong found\n")


def test_json_has_all_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "--json", str(DATA / "lab-report.md")]) == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["sound"], len(told["notes"]), told["unread"]) == (False, 7, [])
    assert told["notes"][0]["kind"] == "mount-type"
    assert told["notes"][0]["weight"] == "wrong"
    assert {"line", "what", "why", "remedy", "stage", "others", "cause", "side", "host"} <= set(told["notes"][0])
    assert told["events"][0] == {
        "line": 16,
        "what": "a config of guest1, with 2 disks",
        "stage": "path-fixes",
    }


def piped(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_stdin_is_read_in_any_unicode(encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    piped(monkeypatch, "root@baye:~# xl list\nbash: xl: command not found\n".encode(encoding))
    assert main(["explain", "-"]) == 1


def test_nothing_raw_reaches_the_terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    piped(monkeypatch, b"# mount -t a:/b\x1b]0;t\x07\xff /c\xe2\x80\xae\n\x9b31mnonsense\n")
    assert main(["explain", "-"]) == 1
    said = capsys.readouterr().out
    assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(said)
    assert "a:/b" in said


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "what stdin gave is empty"),
        (b" \n", "what stdin gave is empty"),
        (b"PK\3\4\0\0", "it is no text"),
        (b"x" * 2_200_000, "more than 2097152 bytes"),
        (b"\n" * 60_000, "more than 50000 lines"),
        (b"a poem\nabout the sea\n", "nothing in what stdin gave is of a known shape"),
    ],
)
def test_what_is_no_transcript_is_one_line(
    data: bytes, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    piped(monkeypatch, data)
    assert said in refused(capsys, "explain", "-")


def test_a_file_that_is_not_there_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "No such file or directory" in refused(capsys, "explain", str(tmp_path / "none"))
    assert "is no regular file" in refused(capsys, "explain", str(tmp_path))
