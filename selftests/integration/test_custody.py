"""What a run notes before it acts: on the disk at once, for its owner only, and readable after any way to die."""

import os
import stat
import subprocess
from collections import Counter
from pathlib import Path
from threading import Event

import pytest

from xenlab.errors import CannotObserve
from xenlab.lab import custody
from xenlab.lab.custody import Act, Custody, LabFound
from xenlab.lab.found import GuestFound
from xenlab.remote.side_by_side import side_by_side
from xenlab.remote.waiting import stopped_by

ON_BAYE = GuestFound(host="baye")


def found(run: str, **guests: GuestFound) -> LabFound:
    return LabFound(
        run=run,
        process=custody.this_process(),
        began=custody.now(),
        lab_name="lab.toml",
        working_copy="/home/artem/xenlab",
        lab_file='name = "team-7"\n',
        guests=guests or {"guest1": ON_BAYE},
    )


@pytest.fixture
def begun(tmp_path: Path) -> Custody:
    held = Custody(tmp_path / "state" / "custody", "1a2b3c4d")
    held.begin(found(held.run))
    return held


def left(held: Custody) -> list[tuple[LabFound, tuple[Act, ...]]]:
    return list(custody.unfinished(held.path.parent))


def test_the_lab_as_found_and_each_act_are_read_back(begun: Custody) -> None:
    begun.will("migrate", guest="guest1", host="baye", to="labubuntu")
    begun.will("write", guest="guest1", file="/root/.xenlab-1a2b3c4d-nonce")
    ((lab, acts),) = left(begun)
    assert (lab.run, lab.guests) == ("1a2b3c4d", {"guest1": ON_BAYE})
    assert [act.act for act in acts] == ["migrate", "write"]
    assert acts[0].facts == {"guest": "guest1", "host": "baye", "to": "labubuntu"}
    begun.end()
    assert left(begun) == []


def test_it_is_for_its_owner_only(begun: Custody) -> None:
    os.umask(umask := os.umask(0))
    assert stat.S_IMODE(begun.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(begun.path.parent.stat().st_mode) & ~umask == 0o700


def test_each_line_is_synced_before_the_act(begun: Custody, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[list[str]] = []

    def fsync(descriptor: int) -> None:
        synced.append(Path(f"/proc/self/fd/{descriptor}").read_text().splitlines())

    monkeypatch.setattr("os.fsync", fsync)
    begun.will("create", guest="guest1", host="baye")
    assert [len(lines) for lines in synced] == [2]


def test_the_name_of_a_new_file_is_synced_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced = []
    monkeypatch.setattr("os.fsync", lambda fd: synced.append(Path(f"/proc/self/fd/{fd}").resolve().name))
    Custody(tmp_path / "custody", "aa").begin(found("aa"))
    assert synced == ["aa.jsonl", "custody"]


def test_a_line_that_was_cut_short_costs_no_other(begun: Custody) -> None:
    begun.will("create", guest="guest1", host="baye")
    with begun.path.open("a") as file:
        file.write('{"act":"migr')  # the power went
    assert [act.act for _, acts in left(begun) for act in acts] == ["create"]
    again = Custody(begun.path.parent, begun.run)
    again.resume(*left(begun)[0])
    again.will("shutdown", guest="guest1", host="baye")
    assert [act.act for _, acts in left(begun) for act in acts] == ["create", "shutdown"]


@pytest.mark.parametrize("text", ["", '{"version":1,"run":"aa","proc', "\0" * 50, '{"version":1}\n'])
def test_a_run_that_was_killed_in_its_first_line_has_done_nothing(text: str, tmp_path: Path) -> None:
    (tmp_path / "aa.jsonl").write_text(text)
    assert list(custody.unfinished(tmp_path)) == []


def test_odd_characters_split_no_line(tmp_path: Path) -> None:
    held = Custody(tmp_path, "aa")
    held.begin(found("aa").model_copy(update={"lab_file": 'name = "a\u2028b\x85c"\n', "lab_name": "\x0c.toml"}))
    held.will("create", guest="guest1", host="b\u2028aye")
    ((lab, acts),) = left(held)
    assert lab.lab_file == 'name = "a\u2028b\x85c"\n'
    assert acts[0].facts["host"] == "b\u2028aye"


def test_bytes_that_are_no_text_are_no_end_of_it(begun: Custody) -> None:
    begun.will("create", guest="guest1", host="baye")
    with begun.path.open("ab") as file:
        file.write(b"\xff\xfe\n")
    assert [act.act for _, acts in left(begun) for act in acts] == ["create"]


def test_several_runs_come_oldest_first(tmp_path: Path) -> None:
    for run in ("bb", "aa"):
        Custody(tmp_path, run).begin(found(run))
    assert [lab.run for lab, _ in custody.unfinished(tmp_path)] == ["bb", "aa"]
    custody.forget(next(iter(custody.unfinished(tmp_path)))[0], tmp_path)
    assert [lab.run for lab, _ in custody.unfinished(tmp_path)] == ["aa"]


# What is not let through


def test_before_the_lab_was_looked_at_nothing_is_done(tmp_path: Path) -> None:
    held = Custody(tmp_path)
    with pytest.raises(CannotObserve, match="was not looked at"):
        held.will("create", guest="guest1")
    held.refuse("its hosts could not be locked")
    with pytest.raises(CannotObserve, match="could not be locked"):
        held.will("create", guest="guest1")
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_done_to_a_guest_that_was_found_unclear_but_to_others(tmp_path: Path) -> None:
    held = Custody(tmp_path, "aa")
    held.begin(found("aa", guest1=GuestFound(unclear="on baye as guest1--incoming"), guest2=ON_BAYE))
    for act in ("create", "migrate", "write"):
        with pytest.raises(CannotObserve, match=r"guest1.*guest1--incoming"):
            held.will(act, guest="guest1")
    held.will("create", guest="guest2")
    held.will("write", host="baye", file="/mnt/x")
    assert [act.act for act in held.acts] == ["create", "write"]


def test_a_lost_lock_lets_nothing_through(begun: Custody) -> None:
    def lost() -> None:
        raise CannotObserve("the lock on the lab was lost")

    begun.still_ours = lost
    with pytest.raises(CannotObserve, match="lock"):
        begun.will("create", guest="guest1")
    assert left(begun)[0][1] == ()


def test_a_run_that_is_ending_lets_nothing_through_in_its_threads(begun: Custody) -> None:
    stop = Event()
    with stopped_by(stop):
        begun.will("pause", guest="guest1")
        stop.set()
        with pytest.raises(CannotObserve, match="the run is ending"):
            begun.will("migrate", guest="guest1")
    begun.will("unpause", guest="guest1")
    assert [act.act for act in begun.acts] == ["pause", "unpause"]


def test_steps_side_by_side_lose_none_of_each_others_acts(begun: Custody) -> None:
    def work(guest: str) -> None:
        for number in range(50):
            begun.will("write", guest=guest, file=f"/root/{guest}-{number}")
            begun.will("pause", guest=guest)
            begun.removed(f"/root/{guest}-{number}")

    side_by_side(work, ("guest1", "guest2"))
    assert Counter((act.act, act.facts["guest"]) for act in begun.acts) == {
        ("pause", "guest1"): 50,
        ("pause", "guest2"): 50,
    }
    ((_, acts),) = left(begun)
    assert len(acts) == 200


def test_where_nothing_can_be_noted_nothing_is_done(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    held = Custody(tmp_path / "file" / "custody")
    with pytest.raises(CannotObserve, match=r"its undo cannot be noted.*Not a directory") as refused:
        held.begin(found(held.run))
    assert refused.value.hint
    with pytest.raises(CannotObserve):
        held.will("create", guest="guest1")


def test_a_full_disk_lets_nothing_through(begun: Custody, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.write", lambda _fd, _data: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(CannotObserve, match="No space left"):
        begun.will("create", guest="guest1")
    assert begun.acts == []


def test_a_disk_that_takes_a_part_is_given_the_rest(begun: Custody, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    monkeypatch.setattr("os.write", lambda fd, data: write(fd, data[:7]))
    begun.will("create", guest="guest1", host="baye")
    monkeypatch.undo()
    assert left(begun)[0][1][0].facts["host"] == "baye"


def test_two_runs_never_share_a_file(begun: Custody) -> None:
    with pytest.raises(CannotObserve, match="File exists"):
        Custody(begun.path.parent, begun.run).begin(found(begun.run))


# What is yet to be undone


def test_only_what_moves_a_guest_touches_it(begun: Custody) -> None:
    begun.will("write", guest="guest1", file="/root/x")
    begun.will("write", host="baye", file="/mnt/x")
    assert begun.touched == set()
    begun.will("pause", guest="guest1", host="baye")
    begun.will("create", guest="guest2", host="baye")
    assert begun.touched == {"guest1", "guest2"}
    begun.undone("guest1")
    assert begun.touched == {"guest2"}
    assert [act.act for act in begun.acts] == ["write", "write", "create"]


def test_what_is_gone_again_need_not_be_removed(begun: Custody) -> None:
    begun.will("write", guest="guest1", file="/root/x")
    begun.will("write", host="baye", file="/mnt/x")
    begun.will("watch", guest="guest1")
    begun.will("watch", guest="guest1", host="baye")
    begun.will("watch", guest="guest2")
    begun.will("pause", guest="guest1", host="baye")
    begun.removed("/root/x")
    assert [act.facts.get("file") for act in begun.acts if act.act == "write"] == ["/mnt/x"]
    begun.not_watched("guest1")
    assert [act.facts["guest"] for act in begun.acts if act.act == "watch"] == ["guest2"]
    assert begun.touched == {"guest1"}


def test_when_all_is_done_nothing_more_is(begun: Custody) -> None:
    begun.end()
    assert not begun.path.exists()
    with pytest.raises(CannotObserve, match="the run is over"):
        begun.will("create", guest="guest1")
    begun.end()
    custody.forget(found(begun.run), begun.path.parent)


# Whose run it is


def test_this_process_runs() -> None:
    assert custody.is_running(found("aa"))


def test_a_recycled_process_id_is_not_the_run() -> None:
    pid, started = custody.this_process()
    assert not custody.is_running(found("aa").model_copy(update={"process": (pid, started - 1)}))


def test_a_process_that_ended_does_not_run() -> None:
    shell = subprocess.run(["sh", "-c", "cat /proc/$$/stat"], capture_output=True, text=True, check=True)
    fields = shell.stdout.split()
    assert not custody.is_running(found("aa").model_copy(update={"process": (int(fields[0]), int(fields[21]))}))


def test_its_folder_on_hosts_bears_its_id(begun: Custody) -> None:
    assert begun.folder_on_hosts == "/run/xenlab-1a2b3c4d"
