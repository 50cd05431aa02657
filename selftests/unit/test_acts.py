"""What is done to guests, on two played hosts: refused where it would harm, told as what it is, and noted first."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Timer

import pytest
from playedxen import RUNS, TIMEOUTS, PlayedXen, config_of, played

from xenlab.errors import CannotObserve, LabFault
from xenlab.lab import acts as acts_module
from xenlab.lab import custody
from xenlab.lab.acts import Acts
from xenlab.lab.custody import LabFound
from xenlab.lab.found import GuestFound
from xenlab.lab.looks import Unknown
from xenlab.remote.errors import ConnectionLost, HostUnreachable
from xenlab.remote.waiting import wait_for

PAUSED = "--p---"
SOON = TIMEOUTS.model_copy(update={"boot_seconds": 0.5})


@pytest.fixture
def xen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PlayedXen]:
    for name, seconds in (("_BOOT_LOOK", 0.1), ("_GONE", 0.2), ("_SETTLE", 0.1), ("_LOOK", 0.02)):
        monkeypatch.setattr(acts_module, f"{name}_SECONDS", seconds)
    with played(tmp_path) as hosts:
        hosts.custody.begin(
            LabFound(
                run=hosts.custody.run,
                process=custody.this_process(),
                began=custody.now(),
                lab_name="lab.toml",
                working_copy=str(tmp_path),
                lab_file="",
                guests={"guest1": GuestFound(), "guest2": GuestFound()},
            )
        )
        yield hosts


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


def test_a_config_that_cannot_be_read_is_no_fault(xen: PlayedXen, acts: Acts) -> None:
    xen.config("guest1").unlink()
    refuses(xen, acts, CannotObserve, "guest1.cfg on labubuntu: .*No such file")


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


def test_a_guest_that_never_takes_logins_is_a_fault_unless_its_host_can_ping_it(xen: PlayedXen) -> None:
    xen.silence("guest1")
    acts = xen.acts(timeouts=SOON)
    with pytest.raises(LabFault, match="boot and take logins") as fault:
        acts.create(xen.home)
    assert "xl console" in fault.value.hint
    xen.goes("guest1", "labubuntu")
    (xen.folder / "pinged" / "10.1.1.85").write_text("")
    with pytest.raises(CannotObserve, match="labubuntu can ping it"):
        acts.create(xen.home)


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


# Moves


@pytest.fixture
def running(xen: PlayedXen, acts: Acts) -> Acts:
    xen.runs("guest1", "labubuntu")
    return acts


def test_a_move_that_works(xen: PlayedXen, running: Acts) -> None:
    xen.plan("labubuntu", "migrate", "works", 0.1)
    move = running.migrate(xen.peer)
    assert (move.guest, move.kind, move.source, move.target) == ("guest1", "live", "labubuntu", "baye")
    assert move.places.words == "on baye (-b----)"
    assert move.before.boot_id == move.after.boot_id
    assert "Migration successful." in move.words
    assert 0.1 <= move.seconds < 2
    assert move.evidence


def test_a_cold_move_boots_anew(xen: PlayedXen, running: Acts) -> None:
    move = running.cold_migrate(xen.peer)
    assert (move.kind, move.source, move.target) == ("cold", "labubuntu", "baye")
    assert move.before.boot_id != move.after.boot_id
    assert move.places.host == "baye"


def test_a_guest_that_lost_its_network_on_the_way_has_moved(xen: PlayedXen, running: Acts) -> None:
    """H10: raised as "cannot be reached", the commonest fault of a live migration could never be red."""
    xen.silence("guest1")
    move = running.migrate(xen.peer)
    assert move.places.host == "baye"
    assert isinstance(move.after.boot_id, Unknown)
    assert "guest1" in move.after.boot_id.why


def test_a_failure_at_the_target_is_told_of_the_target(xen: PlayedXen, running: Acts) -> None:
    xen.plan("labubuntu", "migrate", "fails")
    with pytest.raises(LabFault) as fault:
        running.migrate(xen.peer)
    assert (fault.value.host, fault.value.guest) == ("baye", "guest1")
    assert "failed to stat: /mnt/private/artem/guest1.img" in fault.value.actual
    assert xen.where() == {"labubuntu/guest1": RUNS}


@pytest.mark.parametrize("how", ["loses", "crashes"])
def test_a_guest_that_was_lost_is_told_as_lost(how: str, xen: PlayedXen, running: Acts) -> None:
    xen.plan("labubuntu", "migrate", how)
    with pytest.raises(LabFault, match="guest1 was lost on its way from labubuntu to baye") as fault:
        running.migrate(xen.peer)
    assert "xl dmesg" in fault.value.hint
    assert fault.value.evidence


def test_a_broken_handshake_leaves_both_halves_alone(xen: PlayedXen, running: Acts) -> None:
    """H2: by its name alone the guest would be off."""
    xen.plan("labubuntu", "migrate", "halves")
    with pytest.raises(LabFault):
        running.migrate(xen.peer)
    halves = {"labubuntu/guest1--migratedaway": "---ss-", "baye/guest1--incoming": PAUSED}
    assert xen.where() == halves
    for again in (lambda: running.start(xen.home), running.shut_down, lambda: running.migrate(xen.peer)):
        with pytest.raises(LabFault, match="guest1--incoming"):
            again()
    assert xen.where() == halves
    assert xen.acted == ["labubuntu migrate guest1"]


def test_a_half_that_its_target_takes_down_is_waited_for(
    xen: PlayedXen, running: Acts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(acts_module, "_SETTLE_SECONDS", 5.0)
    xen.runs("guest1--incoming", "baye", PAUSED)
    gone = Timer(0.1, xen.goes, ("guest1--incoming", "baye"))
    gone.start()
    assert running.look_settled().host == "labubuntu"
    gone.join()


@pytest.mark.parametrize("how", ["refused", "fails"])
def test_a_paused_guest_that_is_not_sent_stays_as_it_was(how: str, xen: PlayedXen, running: Acts) -> None:
    running.pause(xen.home)
    xen.plan("labubuntu", "migrate", how)
    with pytest.raises(LabFault):
        running.migrate(xen.peer, "paused")
    assert xen.where() == {"labubuntu/guest1": PAUSED}


def test_a_target_that_falls_silent_after_a_failure_leaves_it_unknown(xen: PlayedXen, running: Acts) -> None:
    xen.plan("labubuntu", "migrate", "fails", 0.2)
    source = xen.machines["labubuntu"]
    run = source.run

    def then_silent(*argv: str, **more: object) -> object:
        result = run(*argv, **more)  # type: ignore[arg-type]
        xen.machines["baye"].silent |= any("kill -0" in word for word in argv)
        return result

    source.run = then_silent  # type: ignore[method-assign, assignment]
    with pytest.raises(CannotObserve, match=r"did not move to baye, and .*baye cannot be reached") as unseen:
        running.migrate(xen.peer)
    assert "failed to stat" in unseen.value.hint  # what xl said is not lost


def test_a_target_that_falls_silent_after_success_leaves_the_place_unknown(xen: PlayedXen, running: Acts) -> None:
    xen.plan("labubuntu", "migrate", "deafens")
    move = running.migrate(xen.peer)
    assert move.places.unseen
    assert move.places.host is None


def test_a_connection_that_is_cut_in_the_middle_costs_nothing(xen: PlayedXen, running: Acts) -> None:
    """H4: xl goes on; its result is fetched once the host answers again."""
    xen.plan("labubuntu", "migrate", "works", 0.3)
    xen.machines["labubuntu"].cut("kill -0", silent_for=0.2)
    move = running.migrate(xen.peer)
    assert "Migration successful." in move.words
    assert xen.acted == ["labubuntu migrate guest1"]
    assert move.seconds > 0.2


def test_nor_one_that_is_cut_while_it_begins(xen: PlayedXen, running: Acts) -> None:
    xen.machines["labubuntu"].cut("setsid", silent_for=0.1)
    move = running.migrate(xen.peer)
    assert move.places.host == "baye"
    assert xen.acted == ["labubuntu migrate guest1"]


@pytest.mark.parametrize("verb", ["create", "shutdown"])
def test_nor_one_that_is_cut_while_it_is_started_or_shut_down(verb: str, xen: PlayedXen, acts: Acts) -> None:
    """A second `xl create` could be a second writer, a guest that is going down be taken for one that runs."""
    if verb == "shutdown":
        xen.runs("guest1", "labubuntu")
    xen.plan("labubuntu", verb, "works", 0.2)
    xen.machines["labubuntu"].cut("setsid", silent_for=0.05)
    acts.create(xen.home) if verb == "create" else acts.shut_down()
    assert xen.where() == ({"labubuntu/guest1": RUNS} if verb == "create" else {})
    assert xen.acted == [f"labubuntu {verb} guest1"]


def test_nothing_is_done_while_an_act_on_it_is_under_way(xen: PlayedXen, acts: Acts) -> None:
    """As after Ctrl-C in `xl create`: it is listed nowhere yet, and off by all looks."""
    xen.plan("baye", "create", "works", 0.3)
    xen.machines["baye"].cut("setsid", silent_for=0.01)
    xen.machines["baye"].wait_until_reachable = _unreachable  # type: ignore[method-assign]
    with pytest.raises(HostUnreachable):
        acts.create(xen.peer)
    wait_for(lambda: acts.look().busy == ("baye",), "xl create to begin", 5, 0.01)
    with pytest.raises(CannotObserve, match="an act on it under way on baye"):
        acts.create(xen.home)
    wait_for(lambda: xen.where() == {"baye/guest1": RUNS}, "xl create to end", 5, 0.02)
    assert xen.acted == ["baye create guest1"]


def _unreachable(timeout: float, word: str = "") -> None:
    raise HostUnreachable("baye does not answer")


def test_what_was_not_sent_was_not_begun(xen: PlayedXen, running: Acts, monkeypatch: pytest.MonkeyPatch) -> None:
    def lost(*argv: str, **_: object) -> object:
        raise ConnectionLost("labubuntu: the connection broke", sent=False)

    run = xen.machines["labubuntu"].run
    monkeypatch.setattr(
        xen.machines["labubuntu"], "run", lambda *argv, **more: (lost if "setsid" in argv[2] else run)(*argv, **more)
    )
    with pytest.raises(ConnectionLost):
        running.migrate(xen.peer)
    assert xen.where() == {"labubuntu/guest1": RUNS}


def test_a_source_that_never_answers_again_is_an_error(xen: PlayedXen) -> None:
    xen.runs("guest1", "labubuntu")
    xen.plan("labubuntu", "migrate", "endless")
    xen.machines["labubuntu"].cut("kill -0", silent_for=60)
    with pytest.raises(HostUnreachable, match="labubuntu to answer again"):
        xen.acts(timeouts=SOON).migrate(xen.peer)


def test_a_move_that_does_not_end_is_not_ended_by_us(xen: PlayedXen) -> None:
    """H5: killed in its last phase, xl would leave the guest suspended."""
    xen.runs("guest1", "labubuntu")
    xen.plan("labubuntu", "migrate", "endless")
    begun = time.monotonic()
    with pytest.raises(CannotObserve, match="begun on labubuntu is under way after 0 s") as late:
        xen.acts(timeouts=TIMEOUTS.model_copy(update={"migrate_seconds": 0.3})).migrate(xen.peer)
    assert time.monotonic() - begun < 3
    assert "it goes on" in late.value.hint
    assert xen.acts().look().busy == ("labubuntu",)
    xen.let_go()
    wait_for(lambda: xen.where() == {"baye/guest1": RUNS}, "the move to end by itself", 5, 0.02)


@pytest.mark.parametrize("kind", ["live", "cold"])
def test_a_guest_that_is_there_already_does_not_move(kind: str, xen: PlayedXen, running: Acts) -> None:
    moved = running.migrate if kind == "live" else running.cold_migrate
    with pytest.raises(CannotObserve, match="on labubuntu already"):
        moved(xen.home)
    assert xen.done == []


# What is written


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
