"""The command lines of `./lab ssh`."""

from pathlib import Path

import pytest

from xenlab.errors import UsageError
from xenlab.testbed import shell
from xenlab.testbed.images import Images
from xenlab.testbed.labplan import embedded_lab
from xenlab.testbed.profiles import profile_named

CACHE = Path("/home/a b/cache")


def test_a_cache_with_a_space_is_one_file_of_host_keys() -> None:
    line = shell.ssh(embedded_lab(profile_named("classic"), Images(CACHE)), "baye", ["xl", "list"])
    assert line[line.index("-i") + 1] == f"{CACHE}/id_ed25519"
    assert f'UserKnownHostsFile="{CACHE}/known_hosts"' in line
    assert line[-3:] == ["root@10.1.1.143", "xl", "list"]


def test_a_machine_that_is_not_there_is_told_with_those_that_are() -> None:
    with pytest.raises(UsageError, match="no machine is called 'bay': this lab has labubuntu, baye, guest1, guest2"):
        shell.ssh(embedded_lab(profile_named("classic"), Images(CACHE)), "bay", [])
