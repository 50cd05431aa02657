"""The command lines of `./lab ssh`."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import pytest

from xenlab.errors import UsageError
from xenlab.labfile import LabFile
from xenlab.testbed import shell
from xenlab.testbed.bootfiles import Images
from xenlab.testbed.labplan import embedded_lab
from xenlab.testbed.network import WayIn
from xenlab.testbed.profiles import profile_named


@pytest.fixture
def images(tmp_path: Path) -> Images:
    """Images with the login's files alone."""
    folder = tmp_path / "a b"
    folder.mkdir()
    for name in ("id_ed25519", "known_hosts"):
        (folder / name).touch()
    return Images(folder)


def a_lab(images: Images, ways_in: Mapping[str, WayIn] = MappingProxyType({})) -> LabFile:
    return embedded_lab(profile_named("classic"), images, ways_in, images.known_hosts)


def test_a_cache_with_a_space_is_one_file_of_host_keys(images: Images) -> None:
    line = shell.ssh(a_lab(images), "baye", ["xl", "list"])
    assert line[line.index("-i") + 1] == str(images.login_key)
    assert f'UserKnownHostsFile="{images.folder}/known_hosts"' in line
    assert line[-5:] == ["-p", "22", "root@10.1.1.143", "xl", "list"]


def test_a_host_behind_a_port_of_this_machine(images: Images) -> None:
    line = shell.ssh(a_lab(images, {"baye": WayIn("127.0.0.1", 40002)}), "baye", ["xl", "list"])
    assert line[-5:] == ["-p", "40002", "root@127.0.0.1", "xl", "list"]


def test_a_machine_that_is_not_there_is_told_with_those_that_are(images: Images) -> None:
    with pytest.raises(UsageError, match="no machine is called 'bay': this lab has labubuntu, baye, guest1, guest2"):
        shell.ssh(a_lab(images), "bay", [])
