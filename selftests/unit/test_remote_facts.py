"""What commands print and what it means; the scripts are run for real, by this machine's sh."""

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from xenlab.errors import CannotObserve
from xenlab.remote import commands, facts


def run(argv: commands.Argv) -> subprocess.CompletedProcess[str]:
    return subprocess.run(argv, capture_output=True, text=True, timeout=15, check=False)


FINDMNT = """{"filesystems": [
  {"source":"baye:/under", "fstype":"ext4", "target":"/mnt/private", "options":"rw"},
  {"source":"10.1.1.143:/srv/private", "fstype":"nfs4", "target":"/mnt/private", "options":"rw,hard"}]}"""


def test_of_mounts_on_top_of_each_other_the_upper_one_counts() -> None:
    mount = facts.mount(FINDMNT)
    assert mount == facts.Mount("10.1.1.143:/srv/private", "nfs4", "/mnt/private", ("rw", "hard"))
    assert mount.is_nfs
    assert mount.server_and_export == ("10.1.1.143", "/srv/private")
    assert len(facts.mounts(FINDMNT)) == 2


def test_nfs_is_known_by_type_not_by_name() -> None:
    under = facts.mounts(FINDMNT)[0]
    assert not under.is_nfs
    assert under.server_and_export is None
    over_ipv6 = facts.Mount("[fd00::1]:/", "nfs4", "/mnt", ())
    assert over_ipv6.server_and_export == ("fd00::1", "/")


def test_this_machines_mounts() -> None:
    assert facts.mount(run(commands.mount_of("/proc/self")).stdout).fstype == "proc"
    assert "/" in {mount.target for mount in facts.mounts(run(commands.mounts()).stdout)}


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
    with pytest.raises(CannotObserve, match="exportfs"):
        facts.exports("exportfs: could not open /var/lib/nfs/.etab.lock")


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


@pytest.mark.parametrize(
    "read",
    [
        facts.mounts,
        facts.mount,
        facts.swaps,
        facts.ends_digest,
        facts.cpu,
        facts.uptime,
        facts.boot_id,
        facts.background,
    ],
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
    assert run(commands.is_bridge("lo")).returncode == 1
    assert run(commands.hostname()).stdout.strip() == os.uname().nodename


def test_processes() -> None:
    assert facts.processes("    1 /sbin/init splash\n  812 xl  list\n") == {
        1: "/sbin/init splash",
        812: "xl  list",
    }
    assert facts.processes("") == {}
    with pytest.raises(CannotObserve):
        facts.processes("error: no /proc\n")
    if shutil.which("ps"):
        assert os.getpid() in facts.processes(run(commands.processes()).stdout)


def test_root_device() -> None:
    assert facts.root_device("../../devices/vbd-51713/block/xvda1\n") == "xvda1"
    answer = run(commands.root_device())
    number = Path("/").stat().st_dev
    expected = Path(f"/sys/dev/block/{os.major(number)}:{os.minor(number)}")
    assert (answer.returncode == 0) == expected.exists()
    if expected.exists():
        assert facts.root_device(answer.stdout) == expected.resolve().name


def test_ends_digest(tmp_path: Path) -> None:
    file = tmp_path / "a disk"
    data = b"first" * 300_000 + b"last" * 300_000
    file.write_bytes(data)
    digest = facts.ends_digest(run(commands.ends_digest(str(file))).stdout)
    ends = [hashlib.sha256(end).hexdigest() for end in (data[: 1 << 20], data[-(1 << 20) :])]
    assert [digest.size, digest.first, digest.last] == [len(data), *ends]
    missing = run(commands.ends_digest(str(tmp_path / "none")))
    assert (missing.returncode, missing.stdout) == (commands.NO_SUCH_FILE, "")


def test_nonce(tmp_path: Path) -> None:
    file = str(tmp_path / "it's a $nonce")
    assert run(commands.write_nonce(file, "one\\n two")).returncode == 0
    assert run(commands.read_nonce(file)).stdout == "one\\n two\n"
    assert run(commands.is_file(file)).returncode == 0
    assert run(commands.is_file(str(tmp_path))).returncode == 1
    assert run(commands.is_file(str(tmp_path / "none"))).returncode == commands.NO_SUCH_FILE
    assert run(commands.resolve(file)).stdout == f"{file}\n"
    assert run(commands.remove(file, file)).returncode == 0
    assert run(commands.read_nonce(file)).returncode != 0
    denied = run(commands.write_nonce(str(tmp_path / "no" / "file"), "x"))
    assert denied.returncode != 0
    assert "No such file" in denied.stderr


def test_root_can_be_asked_for_nothing() -> None:
    argv = commands.ssh_to("10.1.1.143")
    assert argv[0] == "ssh"
    assert "BatchMode=yes" in argv
    assert argv[-2:] == ("root@10.1.1.143", "uname -n")
