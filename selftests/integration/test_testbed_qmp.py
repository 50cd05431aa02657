"""QEMU's control socket: where it lies, and when it is there."""

import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

import pytest

from xenlab.errors import CannotObserve
from xenlab.testbed import qmp
from xenlab.testbed.qmp import Control, _listens, socket_folder


def test_a_socket_that_nobody_listens_at_yet_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "qmp"
    assert not _listens(path)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        assert not _listens(path)
        server.listen()
        assert _listens(path)


@pytest.mark.parametrize("length", [0, 40, 150])
def test_sockets_lie_where_their_paths_stay_short(length: int, monkeypatch: pytest.MonkeyPatch) -> None:
    with tempfile.TemporaryDirectory(prefix="d" * length, dir="/tmp") as parent:
        monkeypatch.setattr(tempfile, "tempdir", parent)
        folder = Path(socket_folder())
        try:
            with socket.socket(socket.AF_UNIX) as server:
                server.bind(str(folder / "a-host-with-a-long-name.qmp"))
            assert folder.parent == Path(parent if length < 100 else "/tmp")
            assert folder.stat().st_mode & 0o077 == 0
        finally:
            shutil.rmtree(folder)


def test_a_qemu_that_ends_at_once_is_told_by_its_last_words(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("-netdev user: network backend 'user' is not compiled into this QEMU binary\n")
    process = subprocess.Popen(["false"])
    control = Control("the switch", tmp_path / "qmp")
    with pytest.raises(CannotObserve, match=r"the switch ended: .*not compiled into this QEMU binary"):
        control.await_start(process, log)
    with pytest.raises(CannotObserve, match="the switch does not answer: "):
        control.monitor("info usernet")


def test_a_qemu_that_never_greets_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As one does whose KVM hangs: it takes the connection and says nothing."""
    monkeypatch.setattr(qmp, "_PATIENCE_SECONDS", 0.3)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "qmp"))
        server.listen()
        with pytest.raises(CannotObserve, match="QEMU of baye does not answer: TimeoutError"):
            Control("QEMU of baye", tmp_path / "qmp").is_running()


def test_a_real_qemu_is_steered(tmp_path: Path) -> None:
    if shutil.which("qemu-system-x86_64") is None:
        pytest.skip("QEMU is not installed")
    control = Control("a QEMU without a machine", tmp_path / "qmp")
    argv = ["qemu-system-x86_64", "-M", "none", "-nodefaults", "-display", "none", "-qmp", control.argument]
    with (tmp_path / "log").open("wb") as log, subprocess.Popen(argv, stderr=log) as process:
        control.await_start(process, tmp_path / "log")
        assert control.is_running()
        assert "VM status: running" in control.monitor("info status")
        control.monitor("stop")
        assert not control.is_running()
        control.quit()
        assert process.wait(20) == 0
    with pytest.raises(CannotObserve, match="does not answer"):
        control.is_running()
