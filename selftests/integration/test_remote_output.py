"""What a command writes: kept to a bound while it arrives, whole or told to be cut, and there when the end is not."""

import threading
import time
from pathlib import Path

import pytest
from sshd import Sshd

from xenlab.errors import CannotObserve
from xenlab.remote import errors, output, shell
from xenlab.remote.host import RemoteHost
from xenlab.remote.record import CommandRecord
from xenlab.remote.waiting import wait_for

Records = list[CommandRecord]
MIB = 1 << 20


def peak_mib() -> float:
    """The most memory that this process had at once since `forget_peak` (proc_pid_status(5), VmHWM)."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def script(host: RemoteHost, text: str, timeout: float | None = None) -> object:
    return host.run("sh", "-c", text, timeout=timeout)


def test_much_output_costs_little_memory(host: RemoteHost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output, "FLOOD_BYTES", 1 << 40)
    host.run("true")
    forget_peak()
    before = peak_mib()
    result = host.run("sh", "-c", f"yes | head -c {120 * MIB}; yes oops | head -c {80 * MIB} >&2", timeout=120)
    assert (result.stdout_cut, result.stderr_cut) == (116 * MIB, 76 * MIB)
    # What is kept is 8 MiB; this process is the SSH server, too, and has both sides' windows.
    assert peak_mib() - before < 60


def test_an_endless_writer_is_ended_at_its_time_limit(host: RemoteHost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output, "FLOOD_BYTES", 1 << 40)
    with pytest.raises(errors.CommandTimedOut):
        script(host, "yes & while :; do echo oops; done >&2", timeout=2)
    assert host.run("echo", "next").stdout == "next\n"


@pytest.mark.parametrize("to", ["1", "2"])
def test_a_flood_is_ended_early(host: RemoteHost, records: Records, to: str) -> None:
    begun = time.monotonic()
    with pytest.raises(errors.OutputFlood, match="wrote more than 64 MiB") as flood:
        script(host, f"echo first; yes >&{to}", timeout=60)
    assert time.monotonic() - begun < 30
    assert flood.value.stdout.startswith("first\n")
    assert flood.value.evidence == ("cmd-1",)
    assert isinstance(flood.value, CannotObserve)
    (record,) = records
    assert (record.exit_code, record.timed_out) == (None, False)
    assert record.stdout_cut + record.stderr_cut > 55 * MIB
    assert host.run("echo", "next").stdout == "next\n"


def test_what_is_cut_is_never_taken_for_the_whole(host: RemoteHost, records: Records) -> None:
    result = host.run("sh", "-c", f"echo start; head -c {6 * MIB} /dev/zero; head -c {5 * MIB} /dev/zero >&2")
    assert result.ok
    assert result.stdout.startswith("start\n")
    assert len(result.stdout) == len(result.stderr) == 4 * MIB
    assert (result.stdout_cut, result.stderr_cut) == (2 * MIB + 6, MIB)
    assert (records[0].stdout_cut, records[0].stderr_cut) == (2 * MIB + 6, MIB)
    for read in (result.check, result.whole):
        with pytest.raises(errors.OutputCut, match="only the first 4194304 are kept") as cut:
            read()
        assert cut.value.evidence == ("cmd-1",)
    with pytest.raises(errors.OutputCut):
        host.testinfra.run(f"head -c {5 * MIB} /dev/zero")


def test_as_much_as_is_kept_is_whole(host: RemoteHost) -> None:
    result = host.run("sh", "-c", f"head -c {4 * MIB} /dev/zero; head -c {5 * MIB} /dev/zero >&2")
    assert len(result.check().whole().stdout) == 4 * MIB  # much on stderr spoils no facts


def test_a_file_may_be_larger_than_what_is_kept_of_a_command(host: RemoteHost, tmp_path: Path) -> None:
    (tmp_path / "disk").write_bytes(b"x" * 5 * MIB)
    assert len(host.read_bytes(str(tmp_path / "disk"), 5 * MIB)) == 5 * MIB
    with pytest.raises(errors.RemoteCommandFailed, match="more than 5242879 bytes"):
        host.read_bytes(str(tmp_path / "disk"), 5 * MIB - 1)


def test_what_had_come_is_there_when_time_is_over(host: RemoteHost) -> None:
    with pytest.raises(errors.CommandTimedOut) as late:
        script(host, "echo out; echo err >&2; sleep 30", timeout=0.3)
    assert (late.value.stdout, late.value.stderr, late.value.evidence) == ("out\n", "err\n", ("cmd-1",))


def test_what_had_come_is_there_when_the_connection_breaks(host: RemoteHost, sshd: Sshd, tmp_path: Path) -> None:
    def drop() -> None:
        wait_for((tmp_path / "said").exists, "the command to have spoken", 5, 0.02)
        sshd.drop()

    dropper = threading.Thread(target=drop)
    dropper.start()
    with pytest.raises(errors.ConnectionLost) as lost:
        script(host, f"echo migration target: Ready; echo err >&2; sleep 0.2; : >{tmp_path}/said; sleep 30")
    dropper.join()
    assert lost.value.sent
    assert (lost.value.stdout, lost.value.stderr) == ("migration target: Ready\n", "err\n")
    assert lost.value.evidence == ("cmd-1",)


def test_a_command_may_be_left_running(host: RemoteHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shell, "GRACE_SECONDS", -0.5)  # what is ended there is so after half a second
    for name, left in (("ended", False), ("left", True)):
        argv = ("sh", "-c", 'sleep 1; : >"$1"', "sh", str(tmp_path / name))
        with pytest.raises(errors.CommandTimedOut):
            host.run(*argv, timeout=0.2, leave_running=left)
    wait_for((tmp_path / "left").exists, "the one that was left to end by itself", 5, 0.02)
    assert not (tmp_path / "ended").exists()


def test_acts_are_told_from_looks(host: RemoteHost, records: Records, tmp_path: Path) -> None:
    host.run("true")
    host.run("true", changes=True)
    host.write_file(str(tmp_path / "file"), b"secret data")
    host.read_bytes(str(tmp_path / "file"))
    host.testinfra.file("/etc/passwd").exists  # noqa: B018
    assert [record.changes for record in records[:4]] == [False, True, True, False]
    assert not any(record.changes for record in records[4:])
    assert "secret data" not in records[2].command
    with pytest.raises(errors.CommandTimedOut):
        host.run("sleep", "5", timeout=0.1, changes=True)
    assert records[-1].changes
