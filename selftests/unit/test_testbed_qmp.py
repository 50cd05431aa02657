"""QEMU's control socket: where it lies, and when it is there."""

import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

import pytest

from xenlab.errors import CannotObserve
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
