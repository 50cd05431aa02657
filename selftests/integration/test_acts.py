"""What is done to guests, on two played hosts: refused where it would harm, told as what it is, and noted first."""

import json
import os
from pathlib import Path
from threading import Timer

import pytest
from playedxen import RUNS, TIMEOUTS, PlayedXen, config_of

from xenlab.errors import CannotObserve, LabFault
from xenlab.lab import acts as acts_module
from xenlab.lab import booting, share
from xenlab.lab.acts import Acts
from xenlab.remote.errors import HostKeyMismatch, HostUnreachable

PAUSED = "--p---"
SOON = TIMEOUTS.model_copy(update={"boot_seconds": 0.5})


@pytest.fixture
def xen(xen: PlayedXen) -> PlayedXen:
    xen.take_custody()
    return xen


@pytest.fixture
def acts(xen: PlayedXen) -> Acts:
    return xen.acts()


# Start and stop


def test_a_guest_is_started_and_awaited(xen: PlayedXen, acts: Acts) -> None:
    acts.create(xen.home)
    assert xen.where() == {"labubuntu/guest1": RUNS}
    assert acts.disks == (str(xen.disk("guest1")),)


def test_its_undo_is_on_the_disk_before_anything_happens(xen: PlayedXen, acts: Acts) -> None:
    acts.create(xen.home)
    acts.pause(xen.home)
    acts.unpause(xen.home)
    acts.migrate(xen.peer)
    acts.shut_down()
    noted = [(act.words.split()[0], json.loads(act.noted)["act"]) for act in xen.done]
    assert noted == [(verb, verb) for verb in ("create", "pause", "unpause", "migrate", "shutdown")]
    moved = json.loads(xen.done[3].noted)["facts"]
    assert moved == {"guest": "guest1", "host": "labubuntu", "to": "baye"}


def refuses(xen: PlayedXen, acts: Acts, error: type[Exception], words: str) -> None:
    before = {**xen.where("guest1"), **xen.where("mail")}
    with pytest.raises(error, match=words):
        acts.create(xen.home)
    assert not [act for act in xen.done if act.words.startswith("create")]
    assert {**xen.where("guest1"), **xen.where("mail")} == before


@pytest.mark.parametrize("where", ["labubuntu", "baye"])
@pytest.mark.parametrize("name", ["guest1", "guest1--incoming", "guest1--migratedaway"])
def test_nothing_is_started_beside_itself(name: str, where: str, xen: PlayedXen, acts: Acts) -> None:
    xen.runs(name, where)
    refuses(xen, acts, LabFault, "must not be started")


@pytest.mark.parametrize("name", ["artem-guest1", ""])
def test_nothing_is_started_from_a_config_of_another_name(name: str, xen: PlayedXen, acts: Acts) -> None:
    """H1: `xl list` knows no guest1 anywhere, since it runs on the peer by another name."""
    xen.runs("mail", "baye", RUNS, f"{xen.disk('guest1')} xvda1 w")
    text = config_of("guest1", xen.disk("guest1"))
    xen.config("guest1").write_text(text.replace('name="guest1"\n', f'name="{name}"\n' if name else ""))
    refuses(xen, acts, LabFault, "is not the config of guest1")


def test_nothing_is_started_whose_disk_another_domain_has(xen: PlayedXen, acts: Acts) -> None:
    xen.runs("mail", "baye", RUNS, f"{xen.disk('guest1')} xvda1 w")
    refuses(xen, acts, LabFault, "mail on baye has its disk")


@pytest.mark.parametrize("how", ["symlink", "hard link"])
def test_nor_by_another_path(how: str, xen: PlayedXen, acts: Acts, tmp_path: Path) -> None:
    other = tmp_path / "other.img"
    other.symlink_to(xen.disk("guest1")) if how == "symlink" else other.hardlink_to(xen.disk("guest1"))
    xen.runs("mail", "labubuntu", RUNS, f"{other} xvda1 w")
    refuses(xen, acts, LabFault, f"mail on labubuntu has its disk {other}")


def test_nor_by_a_loop_device(xen: PlayedXen, acts: Acts) -> None:
    loop = xen.machines["baye"].folder / "sys/null/loop"  # sysfs of a device that every machine has
    loop.mkdir(parents=True)
    (loop / "backing_file").write_text(f"{xen.disk('guest1')}\n")
    xen.runs("mail", "baye", RUNS, "/dev/null xvda1 w")
    refuses(xen, acts, LabFault, "mail on baye has its disk /dev/null")


@pytest.mark.parametrize("program", ["xl", "xenstore"])
@pytest.mark.parametrize("where", ["labubuntu", "baye"])
def test_nothing_is_started_in_doubt(where: str, program: str, xen: PlayedXen, acts: Acts) -> None:
    xen.mute(where, program)
    refuses(xen, acts, CannotObserve, "may be running somewhere")


def test_nothing_is_started_while_a_host_is_silent(xen: PlayedXen, acts: Acts) -> None:
    xen.silence("baye")
    refuses(xen, acts, CannotObserve, "baye cannot be reached")


def test_nothing_is_started_while_its_disk_cannot_be_looked_at(xen: PlayedXen, acts: Acts) -> None:
    xen.disk("guest1").unlink()
    xen.disk("guest1").symlink_to(xen.disk("guest1").name)  # as bad as a stale handle: an error, but no absence
    refuses(xen, acts, CannotObserve, "Too many levels of symbolic links")


@pytest.fixture
def unseen(tmp_path: Path) -> Path:
    """A disk that cannot be looked at."""
    disk = tmp_path / "mail.img"
    disk.symlink_to(disk.name)
    return disk


def test_a_doubt_that_passes_is_waited_out(
    unseen: Path, xen: PlayedXen, acts: Acts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seen on real Xen: a guest that went down beside it was listed with a disk that was no more to be looked at."""
    monkeypatch.setattr(acts_module, "_SETTLE_SECONDS", 20.0)
    xen.runs("mail", "labubuntu", "--ps--", f"{unseen} xvda1 w")
    gone = Timer(0.5, xen.goes, ("mail", "labubuntu"))
    gone.start()
    acts.create(xen.home)
    gone.join()
    assert xen.where() == {"labubuntu/guest1": RUNS}


def test_a_doubt_that_stays_keeps_it_from_being_started(unseen: Path, xen: PlayedXen, acts: Acts) -> None:
    xen.runs("mail", "labubuntu", "--ps--", f"{unseen} xvda1 w")
    refuses(xen, acts, CannotObserve, f"mail on labubuntu may have its disk: {unseen}")


def test_a_config_that_is_gone_where_it_is_to_be_started_from_is_a_fault(xen: PlayedXen, acts: Acts) -> None:
    """The share was gone from the target of a cold move, and that was told as not to be observed."""
    xen.config("guest1").unlink()
    refuses(xen, acts, LabFault, r"guest1 cannot be started on labubuntu: .*guest1\.cfg: No such file")


def test_others_with_other_disks_are_no_hindrance(xen: PlayedXen, acts: Acts) -> None:
    xen.runs("guest2", "labubuntu")
    xen.runs("mail--incoming", "baye", PAUSED, f"{xen.disk('guest2')} xvda1 w")
    acts.create(xen.home)
    assert xen.where() == {"labubuntu/guest1": RUNS}


def test_xls_own_refusal_is_a_fault_in_its_words(xen: PlayedXen, acts: Acts) -> None:
    xen.plan("labubuntu", "create", "bootloader")
    with pytest.raises(LabFault) as fault:
        acts.create(xen.home)
    assert "bootloader failed" in fault.value.actual
    assert (fault.value.host, fault.value.guest) == ("labubuntu", "guest1")
    assert fault.value.evidence


def test_a_guest_that_crashes_while_it_boots_is_a_fault(xen: PlayedXen, acts: Acts) -> None:
    xen.plan("labubuntu", "create", "crashes")
    with pytest.raises(LabFault, match="crashed while booting on labubuntu"):
        acts.create(xen.home)


def test_a_guest_that_never_takes_logins_is_a_fault_unless_its_host_could_log_in(xen: PlayedXen) -> None:
    xen.silence("guest1")
    acts = xen.acts(timeouts=SOON)
    with pytest.raises(LabFault, match="did not boot within") as fault:
        acts.create(xen.home)
    assert "its console: ALERT!  /dev/xvda9 does not exist." in fault.value.actual
    assert fault.value.hint.startswith("root= in the config")
    assert "xl console" in fault.value.hint
    pinged = xen.folder / "pinged" / "10.1.1.85"
    pinged.write_text("")
    xen.goes("guest1", "labubuntu")
    with pytest.raises(LabFault) as refusing:
        acts.create(xen.home)
    assert refusing.value.actual == "labubuntu can ping it, and its port 22 refuses connections"
    assert "does its SSH server run" in refusing.value.hint
    pinged.write_text("10.1.1.85 ssh-ed25519 AAAA\n")
    xen.goes("guest1", "labubuntu")
    with pytest.raises(CannotObserve, match="this machine cannot log in") as unreached:
        acts.create(xen.home)
    assert "a route from here to 10.1.1.85" in unreached.value.hint


@pytest.mark.parametrize(
    ("mac", "is_fault"), [("52:54:00:10:01:43", True), ("00:16:3e:42:40:89", False), ("00:00:00:00:00:00", False)]
)
def test_another_host_key_is_another_machines_where_the_host_sees_one(
    mac: str, is_fault: bool, xen: PlayedXen, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def refuse(_timeout: float, _word: str = "") -> None:
        raise HostKeyMismatch("guest1 shows the key A, but known_hosts has B")

    table = tmp_path / "arp"
    table.write_text(f"IP address HW type Flags HW address Mask Device\n10.1.1.85 0x1 0x2 {mac} * xenbr0\n")
    monkeypatch.setattr(booting.network, "neighbours_like", lambda _address: ("cat", str(table)))
    monkeypatch.setattr(xen.machines["guest1"], "wait_until_reachable", refuse)
    with pytest.raises(LabFault if is_fault else HostKeyMismatch) as problem:
        xen.acts(timeouts=SOON).create(xen.home)
    assert ("another machine has the address of guest1" in str(problem.value)) == is_fault


def test_a_guest_is_shut_down(xen: PlayedXen, acts: Acts) -> None:
    xen.runs("guest1", "baye")
    acts.shut_down()
    assert xen.where() == {}
    with pytest.raises(LabFault, match="on neither host"):
        acts.shut_down()


def test_a_guest_that_ignores_it_is_a_fault(xen: PlayedXen) -> None:
    xen.runs("guest1", "baye")
    xen.plan("baye", "shutdown", "ignored")
    with pytest.raises(LabFault, match="does not shut down") as fault:
        xen.acts(timeouts=SOON).shut_down()
    assert "on baye (-b----)" in fault.value.actual
    assert xen.where() == {"baye/guest1": RUNS}


def test_a_guest_that_cannot_shut_down_as_its_disks_are_silent_is_told_by_that(
    xen: PlayedXen, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not its power button: what hangs on a hard mount hangs for ever, and says nothing."""
    monkeypatch.setattr(share, "_SECONDS", 0.3)
    xen.runs("guest1", "baye")
    xen.plan("baye", "shutdown", "ignored")
    xen.config("guest1").unlink()
    os.mkfifo(xen.config("guest1"))  # nobody writes to it: who reads it waits
    with pytest.raises(LabFault, match="does not shut down") as fault:
        xen.acts(timeouts=SOON).shut_down()
    assert fault.value.hint == f"{xen.config('guest1')} cannot be read on baye: is the share's NFS server gone?"


def test_started_where_it_is_wanted_from_wherever_it_was(xen: PlayedXen, acts: Acts) -> None:
    assert acts.start(xen.home).host == "labubuntu"
    assert acts.start(xen.home).host == "labubuntu"
    assert acts.start(xen.peer).host == "baye"
    acts.pause(xen.peer)
    assert acts.start(xen.peer).words == "on baye (-b----)"
    acts.pause(xen.peer)
    assert acts.start(xen.home).words == "on labubuntu (-b----)"
    verbs = ["create", "shutdown", "create", "pause", "unpause", "pause", "unpause", "shutdown", "create"]
    assert [act.words.split()[0] for act in xen.done] == verbs


# What is written


@pytest.fixture
def running(xen: PlayedXen, acts: Acts) -> Acts:
    xen.runs("guest1", "labubuntu")
    return acts


def test_a_nonce_is_noted_written_and_removed(xen: PlayedXen, running: Acts) -> None:
    with running.nonce() as (word, file):
        (written,) = (xen.machines["guest1"].folder / "root").iterdir()
        assert written.read_text() == f"{word}\n"
        assert xen.custody.run in written.name
        assert [act.facts["file"] for act in xen.custody.acts] == [file]
        assert running.look_inside(file).nonce == word
    assert not written.exists()


@pytest.mark.parametrize("error", [HostUnreachable("gone"), LabFault("wrong"), KeyboardInterrupt(), AssertionError()])
@pytest.mark.parametrize("silent", [False, True])
def test_a_nonce_goes_however_the_step_ends_and_hides_nothing(
    silent: bool, error: BaseException, xen: PlayedXen, running: Acts
) -> None:
    def step() -> None:
        with running.nonce():
            xen.machines["guest1"].silent = silent
            raise error

    with pytest.raises(type(error)) as raised:
        step()
    assert raised.value is error
    assert bool(list((xen.machines["guest1"].folder / "root").iterdir())) == silent


def test_a_nonce_that_stays_is_told_after_a_step_that_held(xen: PlayedXen, running: Acts) -> None:
    with pytest.raises(HostUnreachable), running.nonce():
        xen.silence("guest1")


def test_nothing_is_written_that_was_not_noted(xen: PlayedXen, running: Acts) -> None:
    xen.custody.end()
    with pytest.raises(CannotObserve, match="nothing is done"), running.nonce():
        pytest.fail("the body must not run")
    assert list((xen.machines["guest1"].folder / "root").iterdir()) == []
