"""Moves of guests on two played hosts: however xl and the connections to them end, the truth is told."""

import time
from pathlib import Path
from threading import Timer

import pytest
from playedxen import RUNS, TIMEOUTS, PlayedXen

from xenlab.errors import CannotObserve, LabFault
from xenlab.lab import acts as acts_module
from xenlab.lab.acts import Acts
from xenlab.lab.looks import Unknown
from xenlab.remote.errors import ConnectionLost, HostUnreachable
from xenlab.remote.waiting import wait_for

PAUSED = "--p---"
SOON = TIMEOUTS.model_copy(update={"boot_seconds": 0.5})


@pytest.fixture
def xen(xen: PlayedXen) -> PlayedXen:
    xen.take_custody()
    return xen


@pytest.fixture
def acts(xen: PlayedXen) -> Acts:
    return xen.acts()


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
    assert "debug" not in move.words
    assert 0.1 <= move.seconds < 2
    assert move.evidence


def test_the_lines_of_a_move_are_placed_on_our_clock(xen: PlayedXen, running: Acts) -> None:
    xen.plan("labubuntu", "migrate", "works", 0.2)
    move = running.migrate(xen.peer)
    told = move.stamped
    assert told is not None
    assert told.least < told.most
    assert move.started <= told.began + told.most
    # This machine plays the host as well: its clock stands to ours as it does now.
    ahead = time.monotonic() - float(Path("/proc/uptime").read_text().split()[0])
    assert told.least - 0.02 <= ahead <= told.most + 0.02
    ready, *_, done = told.lines
    assert (ready.text, done.text) == ("migration target: Ready to receive domain.", "Migration successful.")
    assert "libxl: debug: " in told.lines[1].text


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
    with pytest.raises(CannotObserve, match=r"did not move to baye.*baye cannot be reached") as unseen:
        running.migrate(xen.peer)
    assert "guest1.img is not there" in unseen.value.hint  # what xl said is not lost


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
    xen.plan("baye", "create", "works", 1.0)
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
