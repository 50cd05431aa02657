"""`./lab fix-paths` and `./lab explain`: what they show, what they write, and the exit status."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from xenlab.cli.main import main

DATA = Path(__file__).parent / "data"
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


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one line that a wrong call is answered with."""
    assert main(arguments) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("xenlab: ")
    assert said.err.count("\n") == 1
    return said.err


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
