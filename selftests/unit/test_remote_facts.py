"""What commands print and what it means; the scripts are run for real, by this machine's sh."""

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable
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


@pytest.mark.parametrize("answer", ["exit 1", "echo 'findmnt: unrecognized option --json' >&2; exit 1", "exit 127"])
def test_mounts_where_findmnt_is_old_or_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: str) -> None:
    by_findmnt = facts.mounts(run(commands.mounts()).stdout)
    (tmp_path / "findmnt").write_text(f"#!/bin/sh\n{answer}\n")
    (tmp_path / "findmnt").chmod(0o755)
    (tmp_path / "a link").symlink_to("/proc/self")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert facts.mount(run(commands.mount_of("/proc/self")).stdout).fstype == "proc"
    assert facts.mount(run(commands.mount_of(str(tmp_path / "a link"))).stdout).fstype == "proc"
    by_kernel = facts.mounts(run(commands.mounts()).stdout)
    seen = [[(mount.source, mount.fstype, mount.target) for mount in found] for found in (by_findmnt, by_kernel)]
    assert seen[0] == seen[1]


def test_a_mount_point_that_is_not_there_is_told_from_one_that_cannot_be_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = run(commands.mount_of(str(tmp_path / "no share")))
    assert (missing.returncode, missing.stdout) == (commands.NO_SUCH_FILE, "")
    assert "No such file or directory" in missing.stderr
    (tmp_path / "stat").write_text("#!/bin/sh\necho \"stat: cannot statx '$3': Stale file handle\" >&2; exit 1\n")
    (tmp_path / "stat").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    path = str(tmp_path / "gone")
    for ask in (commands.mount_of, commands.resolve, commands.is_file, commands.ends_digest):
        stale = run(ask(path))
        assert stale.returncode not in (0, commands.NO_SUCH_FILE), ask
        assert "Stale file handle" in stale.stderr


def test_a_mount_on_access_is_made_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ls").write_text('#!/bin/sh\nfor path; do :; done; echo "$path" >"$LOOKED_AT"; exec /bin/ls "$@"\n')
    (tmp_path / "ls").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("LOOKED_AT", str(tmp_path / "looked at"))
    assert facts.mount(run(commands.mount_of(str(tmp_path))).stdout)
    assert (tmp_path / "looked at").read_text() == f"{tmp_path}/.\n"


MOUNTINFO = (
    "22 27 0:21 / /proc rw,nosuid shared:12 - proc proc rw\n"
    "27 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n"
    "60 27 0:39 / /mnt/a\\040b rw,relatime shared:5 - nfs4 baye.lab.example:/srv rw,vers=4.2,addr=10.1.1.143\n"
    "61 27 254:0 /home/artem /mnt/private/artem rw - ext4 /dev/vda rw\n"
    "62 27 0:40 / /mnt/private rw - autofs systemd-1 rw,fd=40\n"
    "63 62 0:41 / /mnt/private rw - nfs baye:/private rw,vers=3,addr=fd00::143\n"
)


def test_the_kernels_own_table_of_mounts() -> None:
    mounts = facts.mounts(MOUNTINFO)
    assert mounts[2].target == "/mnt/a b"
    assert mounts[2].server_and_export == ("baye.lab.example", "/srv")
    assert mounts[3].source == "/dev/vda[/home/artem]"
    seen = facts.mount("/mnt/private/artem2\n" + MOUNTINFO)
    assert (seen.fstype, seen.target, seen.server_address) == ("nfs", "/mnt/private", "fd00::143")
    assert facts.mount("/mnt/private/artem/guest1.img\n" + MOUNTINFO).fstype == "ext4"
    with pytest.raises(CannotObserve, match="mountinfo"):
        facts.mounts("22 27 0:21\n")


@pytest.mark.parametrize(
    "source", ["baye.lab.example:/srv/private", "BAYE:/srv/private", "[fd00::143]:/srv/private", "10.1.1.143:/"]
)
def test_the_server_is_told_by_its_address_not_by_its_spelling(source: str) -> None:
    options = "rw,relatime,vers=4.2,clientaddr=10.1.1.189,addr=10.1.1.143"
    row = {"source": source, "fstype": "nfs4", "target": "/mnt/private", "options": options}
    seen = facts.mount(json.dumps({"filesystems": [row]}))
    assert seen.server_address == "10.1.1.143"
    assert facts.Mount("addr=1", "ext4", "/", ("addr=10.1.1.143",)).server_address == ""


def test_an_automount_that_waits_is_told() -> None:
    row = {"source": "systemd-1", "fstype": "autofs", "target": "/mnt/private", "options": "rw,fd=40,direct"}
    seen = facts.mount(json.dumps({"filesystems": [row]}))
    assert seen.is_automount
    assert not seen.is_nfs


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
    *(facts.mounts, facts.mount, facts.exports, facts.swaps, facts.loop_devices, facts.ends_digest, facts.cpu),
    *(facts.uptime, facts.boot_id, facts.root_device, facts.background, facts.processes),
    facts.written,
)
HOSTILE = {
    "blanks": " ",
    "path and blanks": "/ ",
    "clients": "/a b(c) ",
    "brackets": "(",
    "open clients": " x(y",
    "digits": "9",
    "json": '{"filesystems":[' + "[",
    "deep json": "[",
    "ext4": "EXT4-fs (",
    "journal": "JBD2: ",
    "io": "I/O error dev f",
    "cpu": "model name ",
    "lines": "\n",
    "mountinfo": "1 2 - ",
    "escapes": "\\04",
}


@pytest.mark.parametrize("read", READERS, ids=lambda read: read.__name__)
@pytest.mark.parametrize("hostile", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_line_of_a_megabyte_costs_less_than_a_second(read: Callable[[str], object], hostile: str) -> None:
    flood = hostile * (1_000_000 // len(hostile))
    for text in (flood, f"/x{flood}", f"Filename\n{flood}", f'{{"filesystems":[{{"source":"{flood}"}}]}}'):
        begun = time.process_time()
        with contextlib.suppress(CannotObserve):
            read(text)
        assert time.process_time() - begun < 1


@pytest.mark.parametrize("text", ['{"filesystems":[1]}', '{"filesystems":{}}', "[]", "[" * 100_000, "9" * 5000])
def test_json_of_another_shape_is_no_answer(text: str) -> None:
    for read in (facts.mounts, facts.loop_devices):
        with pytest.raises(CannotObserve, match="not understood"):
            read(text)


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


def test_what_cannot_be_read_to_its_end_has_no_digest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "disk"
    file.write_bytes(b"x" * 3000)
    (tmp_path / "tail").write_text('#!/bin/sh\necho half\necho "tail: error reading: Input/output error" >&2\nexit 1\n')
    (tmp_path / "tail").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    broken = run(commands.ends_digest(str(file)))
    assert broken.returncode not in (0, commands.NO_SUCH_FILE)
    assert broken.stdout == ""


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
