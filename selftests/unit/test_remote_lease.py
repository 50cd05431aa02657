"""The hosts' lock, on this machine: taken once, renewed, expired, given back by its holder only."""

import json
import subprocess
from pathlib import Path

import pytest

from xenlab.remote import lease


def ran(argv: lease.Argv) -> subprocess.CompletedProcess[str]:
    return subprocess.run(argv, capture_output=True, text=True, check=False)


@pytest.fixture
def file(tmp_path: Path) -> str:
    return str(tmp_path / "xenlab.lock")


def words(id_: str) -> str:
    return json.dumps({"id": id_, "who": "it's me"})


def mark(id_: str) -> str:
    return f'"id": "{id_}"'


def test_a_second_taker_is_told_who_has_it(file: str) -> None:
    assert ran(lease.take(file, mark("aa"), 60, words("aa"))).returncode == 0
    second = ran(lease.take(file, mark("bb"), 60, words("bb")))
    assert second.returncode == lease.HELD
    assert json.loads(second.stdout) == {"id": "aa", "who": "it's me"}
    assert ran(lease.take(file, mark("aa"), 60, words("aa"))).returncode == 0


def test_it_expires_by_itself_and_cannot_be_renewed_then(file: str) -> None:
    assert ran(lease.take(file, mark("aa"), -1, words("aa"))).returncode == 0
    assert ran(lease.take(file, mark("bb"), 60, words("bb"))).returncode == 0
    assert ran(lease.renew(file, mark("aa"), 60, words("aa"))).returncode == lease.HELD


def test_only_its_holder_gives_it_back(file: str) -> None:
    assert ran(lease.take(file, mark("aa"), 60, words("aa"))).returncode == 0
    ran(lease.give_back(file, mark("bb")))
    assert Path(file).exists()
    assert ran(lease.give_back(file, mark("aa"))).returncode == 0
    assert not Path(file).exists()
    assert ran(lease.renew(file, mark("aa"), 60, words("aa"))).returncode == lease.GONE


@pytest.mark.parametrize("left", ["", "\n", "soon\nwho\n", "17\n"])
def test_what_another_left_in_the_file_is_no_lock(left: str, file: str) -> None:
    Path(file).write_text(left)
    assert ran(lease.take(file, mark("aa"), 60, words("aa"))).returncode == 0


def test_a_mark_is_no_pattern(file: str) -> None:
    assert ran(lease.take(file, mark("aa"), 60, words("aa"))).returncode == 0
    assert ran(lease.take(file, "*", 60, words("*"))).returncode == lease.HELD


def test_many_at_once_leave_one_holder(file: str) -> None:
    takers = [
        subprocess.Popen(lease.take(file, mark(f"{n:02}"), 60, words(f"{n:02}")), stdout=subprocess.PIPE)
        for n in range(12)
    ]
    codes = [taker.wait() for taker in takers]
    for taker in takers:
        assert taker.stdout
        taker.stdout.close()
    assert sorted(codes) == [0] + [lease.HELD] * 11
