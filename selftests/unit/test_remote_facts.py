"""What commands print and what it means; the scripts are run for real, by this machine's sh."""

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from xenlab.errors import CannotObserve
from xenlab.remote import commands, facts, questions
from xenlab.remote.facts import System


def run(argv: commands.Argv) -> subprocess.CompletedProcess[str]:
    return subprocess.run(argv, capture_output=True, text=True, timeout=15, check=False)


def test_the_root_of_an_nfsv4_server_is_one_of_its_exports() -> None:
    text = "/srv/private  \t<world>(sync,hide,fsid=0,sec=sys,rw,secure,no_root_squash)\n/srv/x\t<world>(ro,fsid=1)\n"
    assert [export.is_root for export in facts.exports(text)] == [True, False]


def test_exports() -> None:
    text = (
        "/private      \t10.1.1.0/24(sync,wdelay,hide,no_subtree_check,sec=sys,rw,no_root_squash)\n"
        "/srv/a long path\n\t\t<world>(sync,ro,root_squash)\n\t\t10.1.1.189(rw,no_root_squash,all_squash)\n"
    )
    first, world, squashed = facts.exports(text)
    assert (first.path, first.client, first.options[0]) == ("/private", "10.1.1.0/24", "sync")
    assert first.lets_root_write
    assert (world.path, world.client) == ("/srv/a long path", "<world>")
    assert not world.lets_root_write
    assert squashed.path == world.path
    assert not squashed.lets_root_write
    assert facts.exports("") == ()
    for wrong in ("exportfs: could not open /var/lib/nfs/.etab.lock", "\t\t<world>(rw)\n", "<world>(rw)"):
        with pytest.raises(CannotObserve, match="exportfs"):
            facts.exports(wrong)


def test_paths_of_exports_may_look_like_clients() -> None:
    text = "/srv/x (old)\n\t\t<world>(ro)\n/srv/y(1) \t@lab(rw,no_root_squash)\n/srv/z(2)\n\t\t*.example(rw)\n"
    assert [(export.path, export.client) for export in facts.exports(text)] == [
        ("/srv/x (old)", "<world>"),
        ("/srv/y(1)", "@lab"),
        ("/srv/z(2)", "*.example"),
    ]


def test_swaps() -> None:
    head = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"
    text = head + "/dev/xvda2  partition\t1048572\t0\t-2\n" + "/swap\\040file file 512 0 -3\n"
    assert facts.swaps(text) == (facts.Swap("/dev/xvda2", 1048572), facts.Swap("/swap file", 512))
    assert facts.swaps(head) == ()
    with pytest.raises(CannotObserve):
        facts.swaps("")


def test_loop_devices() -> None:
    text = '{"loopdevices": [{"name":"/dev/loop0", "back-file":"/mnt/private/artem/guest1.img"}]}'
    assert facts.loop_devices(text) == (facts.LoopDevice("/dev/loop0", "/mnt/private/artem/guest1.img"),)
    assert facts.loop_devices("") == ()


def test_cpu() -> None:
    text = "processor\t: 0\nmodel name\t: QEMU TCG CPU\nflags\t\t: fpu sse2\n\nprocessor\t: 1\nflags\t\t: fpu\n"
    assert facts.cpu(text) == facts.Cpu("QEMU TCG CPU", frozenset({"fpu", "sse2"}), 2)


READERS = (
    *(facts.exports, facts.swaps, facts.loop_devices, facts.cpu, facts.uptime, facts.boot_id),
    *(facts.background, facts.command_lines, facts.ping_progress, facts.written),
)
HOSTILE = {
    "blanks": " ",
    "path and blanks": "/ ",
    "clients": "/a b(c) ",
    "brackets": "(",
    "open clients": " x(y",
    "digits": "9",
    "json": '{"loopdevices":[' + "[",
    "deep json": "[",
    "ext4": "EXT4-fs (",
    "journal": "JBD2: ",
    "io": "I/O error dev f",
    "cpu": "model name ",
    "lines": "\n",
    "escapes": "\\04",
}


@pytest.mark.parametrize("read", READERS, ids=lambda read: read.__name__)
def test_a_hostile_line_costs_no_time(read: Callable[[str], object]) -> None:
    for name, hostile in HOSTILE.items():
        flood = hostile * (200_000 // len(hostile))
        for text in (flood, f"/x{flood}", f"Filename\n{flood}", f'{{"loopdevices":[{{"name":"{flood}"}}]}}'):
            begun = time.process_time()
            with contextlib.suppress(CannotObserve):
                read(text)
            assert time.process_time() - begun < 1.5, name


@pytest.mark.parametrize("text", ['{"loopdevices":[1]}', '{"loopdevices":{}}', "[]", "[" * 100_000, "9" * 5000])
def test_json_of_another_shape_is_no_answer(text: str) -> None:
    with pytest.raises(CannotObserve, match="not understood"):
        facts.loop_devices(text)


@pytest.mark.parametrize(
    "read",
    [facts.swaps, facts.cpu, facts.uptime, facts.boot_id, facts.background, facts.ping_progress],
)
@pytest.mark.parametrize("text", ["", "sh: 1: not found\n"])
def test_an_answer_that_is_not_understood_is_no_answer(read, text: str) -> None:  # noqa: ANN001
    with pytest.raises(CannotObserve, match="not understood"):
        read(text)


def test_this_machine() -> None:
    assert facts.uptime(run(commands.uptime()).stdout) > 0
    assert facts.boot_id(run(commands.boot_id()).stdout)
    assert facts.cpu(run(commands.cpu()).stdout).count == os.cpu_count()
    assert isinstance(facts.swaps(run(commands.swaps()).stdout), tuple)
    assert isinstance(facts.loop_devices(run(commands.loop_devices()).stdout), tuple)
    assert run(commands.bridges()).returncode == 0
    assert run(commands.hostname()).stdout.strip() == os.uname().nodename


def test_command_lines() -> None:
    assert facts.command_lines("1 /sbin/init splash\n812 xl  list\n") == {1: "/sbin/init splash", 812: "xl  list"}
    assert facts.command_lines("") == {}
    with pytest.raises(CannotObserve, match="pgrep"):
        facts.command_lines("error: no /proc\n")
    if shutil.which("pgrep"):
        assert os.getpid() in facts.command_lines(run(("pgrep", "-af", ".")).stdout)


def test_nonce(tmp_path: Path) -> None:
    file = str(tmp_path / "it's a $nonce")
    assert run(commands.write_nonce(file, "one\\n two")).returncode == 0
    assert run(commands.read(file)).stdout == "one\\n two\n"
    assert run(commands.remove(file, file)).returncode == 0
    assert run(commands.read(file)).returncode != 0
    denied = run(commands.write_nonce(str(tmp_path / "no" / "file"), "x"))
    assert denied.returncode != 0
    assert "No such file" in denied.stderr


def test_what_this_machine_runs() -> None:
    said = subprocess.run(questions.system(), capture_output=True, text=True, check=True).stdout
    system = facts.system(said)
    if Path("/etc/os-release").exists():
        assert system.name
        assert f'"{system.name}"' in Path("/etc/os-release").read_text().replace("'", '"')
    assert not system.xapi


def system_said(tmp_path: Path, release: bytes, inventory: str = "", *, xapi: bool = False) -> str:
    """What a host with these files says of itself."""
    *shell, script = questions.system()
    for file, text in (("/etc/os-release", release), ("/etc/xensource-inventory", inventory.encode())):
        there = tmp_path / file.rpartition("/")[2]
        there.write_bytes(text)
        script = script.replace(file, str(there))
    programs = tmp_path / "bin"
    programs.mkdir(exist_ok=True)
    (programs / "pgrep").write_text(f"#!/bin/sh\nexit {int(not xapi)}\n")
    (programs / "pgrep").chmod(0o755)
    environment = {"PATH": f"{programs}:{os.environ['PATH']}"}
    return subprocess.run([*shell, script], capture_output=True, text=True, check=True, env=environment).stdout


def test_xcp_ng_tells_what_it_is_called_and_nothing_of_its_disks(tmp_path: Path) -> None:
    inventory = "PRIMARY_DISK='/dev/sda'\nPRODUCT_BRAND='XCP-ng'\nPRODUCT_VERSION='8.3.0'\n"
    said = system_said(tmp_path, b"ID=xcp-ng\n", inventory)
    assert facts.system(said).name == "XCP-ng 8.3.0"
    assert "PRIMARY_DISK" not in said


def test_files_whose_last_line_has_no_end_hide_nothing(tmp_path: Path) -> None:
    said = system_said(tmp_path, b"ID=xcp-ng\nID_LIKE=rhel", "PRODUCT_BRAND=XCP-ng\nPRODUCT_VERSION=8.3.0", xapi=True)
    assert facts.system(said) == System("XCP-ng 8.3.0", "redhat", xapi=True)


def test_a_hostile_os_release_is_read_in_part_and_runs_nothing(tmp_path: Path) -> None:
    astray = tmp_path / "astray"
    release = f'ID=debian\nPRETTY_NAME="$(touch {astray}) `touch {astray}`; touch {astray}"\n'
    endless = b"".join(b"KEY_%d=%s\n" % (number, b"x" * 100) for number in range(10_000))
    said = system_said(tmp_path, endless + release.encode() + b"ID_LIKE=" + b"suse " * 200_000, xapi=True)
    assert len(said) < 2000
    assert not astray.exists()
    assert facts.system(said) == System(f"$(touch {astray}) `touch {astray}`; touch {astray}", "debian", xapi=True)
